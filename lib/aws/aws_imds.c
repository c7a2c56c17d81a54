/* aws_imds.c - see aws_imds.h.
 *
 * Token, role, credentials: three requests of one libcurl handle, answers straight into the secure heap. A
 * token that has expired, or of an instance that was replaced under us (401), is fetched anew once. Rejected:
 * version 1, which answers anybody on the instance who can make it send a GET. */
#include "aws/aws_imds.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "json/json.h"

enum { ANSWER_MAX = 16384, ANSWER_VALUES_MAX = 32, TOKEN_MAX = 1024, ROLE_MAX = 128, URL_MAX = 600 };
#define TOKEN_SECONDS "21600"
#define ROLE_PATH "/latest/meta-data/iam/security-credentials/"

struct aws_imds {
    CURL *curl;
    char endpoint[256];
    struct aws_imds_config config;
    struct secret token;  /* length 0: none */
    struct secret answer; /* ANSWER_MAX bytes */
    size_t answer_len;
    char curl_text[CURL_ERROR_SIZE];
};

typedef struct curl_slist curl_slist;
DEFINE_AUTO_POINTER(curl_slist, curl_slist_free_all)
typedef struct aws_imds aws_imds;
DEFINE_AUTO_POINTER(aws_imds, aws_imds_close)

static size_t take_body(char *bytes, size_t size, size_t count, void *imds_pointer)
{
    struct aws_imds *imds = imds_pointer;
    size_t length = size * count;
    if (length > ANSWER_MAX - imds->answer_len)
        return CURL_WRITEFUNC_ERROR;
    memcpy(imds->answer.data + imds->answer_len, bytes, length);
    imds->answer_len += length;
    return length;
}

static int on_progress(void *imds_pointer, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    const struct aws_imds *imds = imds_pointer;
    return imds->config.stop && atomic_load(imds->config.stop);
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(imds->curl, (option), (value)))

static must_check result set_options(struct aws_imds *imds)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* an empty string also switches the environment's proxies off */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)imds->config.attempt_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)imds->config.attempt_timeout_ms);
    SET(CURLOPT_ERRORBUFFER, imds->curl_text);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, imds);
    SET(CURLOPT_NOPROGRESS, 0L);
    SET(CURLOPT_XFERINFOFUNCTION, on_progress);
    SET(CURLOPT_XFERINFODATA, imds);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

result aws_imds_open(struct aws_imds **ret_imds, const struct aws_imds_config *config)
{
    const char *endpoint = config->endpoint ? config->endpoint : AWS_IMDS_ENDPOINT;
    const char *host = endpoint + strlen("http://");
    AUTO_POINTER(aws_imds) imds = calloc(1, sizeof *imds);
    ENSURE(imds, E_MEMORY, "out of memory for the metadata service");
    ENSURE(strncmp(endpoint, "http://", strlen("http://")) == 0 && strlen(endpoint) < sizeof imds->endpoint &&
               host[0] && host[strcspn(host, "/?#@")] == 0,
           E_INPUT, "metadata endpoint: must be http://HOST[:PORT]");
    (void)snprintf(imds->endpoint, sizeof imds->endpoint, "%s", endpoint);
    imds->config = *config;
    imds->config.endpoint = imds->endpoint;
    imds->curl = curl_easy_init();
    ENSURE(imds->curl, E_MEMORY, "out of memory for libcurl");
    TRY(set_options(imds));
    *ret_imds = TAKE(imds);
    return RESULT_OK;
}

void aws_imds_close(struct aws_imds *imds)
{
    curl_easy_cleanup(imds->curl);
    secret_cleanup(&imds->token);
    secret_cleanup(&imds->answer);
    free(imds);
}

static must_check result explain(const struct aws_imds *imds, CURLcode code)
{
    const char *text = imds->curl_text[0] ? imds->curl_text : curl_easy_strerror(code);
    if (code == CURLE_OPERATION_TIMEDOUT)
        FAIL(E_TIMEOUT,
             "metadata service %s: no answer in %d ms; from inside a container the instance's metadata "
             "options need a hop limit of 2 or more (HttpPutResponseHopLimit), or host networking",
             imds->endpoint, imds->config.attempt_timeout_ms);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        FAIL(E_TIMEOUT, "metadata service: ending");
    if (code == CURLE_WRITE_ERROR)
        FAIL(E_PEER, "metadata service: an answer has more than %d bytes", ANSWER_MAX);
    FAIL(E_IO, "metadata service %s: %s", imds->endpoint, text);
}

struct request {
    const char *method, *path;
    struct curl_slist *headers;
};

static must_check result ask_once(struct aws_imds *imds, long *ret_status, const struct request *request)
{
    char url[URL_MAX];
    (void)snprintf(url, sizeof url, "%s%s", imds->endpoint, request->path);
    secret_cleanup(&imds->answer);
    TRY(secret_new(&imds->answer, ANSWER_MAX));
    imds->answer_len = 0;
    imds->curl_text[0] = 0;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    SET(CURLOPT_HTTPHEADER, request->headers);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    code = curl_easy_perform(imds->curl);
    (void)curl_easy_setopt(imds->curl, CURLOPT_HTTPHEADER, NULL);
    if (code)
        return explain(imds, code);
    (void)curl_easy_getinfo(imds->curl, CURLINFO_RESPONSE_CODE, ret_status);
    imds->answer.data[imds->answer_len] = 0;
    return RESULT_OK;
}

static bool ending(const struct aws_imds *imds)
{
    return imds->config.stop && atomic_load(imds->config.stop);
}

/* Until there is an answer that is worth reading: 5xx and 429 are none. Without pauses: the service is this
 * machine's neighbour, and the caller comes back later anyway. */
static must_check result ask(struct aws_imds *imds, long *ret_status, const struct request *request)
{
    result r = RESULT_OK;
    for (unsigned i = 0; i < imds->config.attempts; i++) {
        r = ask_once(imds, ret_status, request);
        if (!r.code && (*ret_status >= 500 || *ret_status == 429))
            r = error_set(E_PEER, "metadata service: HTTP status %ld", *ret_status);
        if (!r.code || ending(imds))
            return r;
    }
    return r;
}

static must_check result fetch_token(struct aws_imds *imds)
{
    AUTO_POINTER(curl_slist)
    headers = curl_slist_append(NULL, "X-aws-ec2-metadata-token-ttl-seconds: " TOKEN_SECONDS);
    ENSURE(headers, E_MEMORY, "out of memory for headers");
    const struct request request = {"PUT", "/latest/api/token", headers};
    long status = 0;
    TRY(ask(imds, &status, &request));
    ENSURE(status != 403, E_DENIED, "metadata service: is switched off for this instance (HTTP status 403)");
    ENSURE(status == 200, E_PEER, "metadata service: token: HTTP status %ld", status);
    const char *token = (const char *)imds->answer.data;
    ENSURE(imds->answer_len > 0 && imds->answer_len <= TOKEN_MAX && strlen(token) == imds->answer_len, E_PEER,
           "metadata service: token: must have from 1 to %d characters", TOKEN_MAX);
    for (const char *at = token; *at; at++)
        ENSURE(*at > ' ' && *at < 0x7f, E_PEER, "metadata service: token: must be printable ASCII");
    secret_cleanup(&imds->token);
    return secret_copy(&imds->token, token, imds->answer_len);
}

static must_check result get_once(struct aws_imds *imds, long *ret_status, const char *path)
{
    static const char name[] = "X-aws-ec2-metadata-token: ";
    AUTO(secret) line = {0};
    TRY(secret_new(&line, sizeof name + imds->token.length));
    (void)snprintf((char *)line.data, line.length, "%s%s", name, (const char *)imds->token.data);
    AUTO_POINTER(curl_slist) headers = curl_slist_append(NULL, (const char *)line.data);
    ENSURE(headers, E_MEMORY, "out of memory for headers");
    const struct request request = {"GET", path, headers};
    return ask(imds, ret_status, &request);
}

/* GET with the token; one that is not taken any more is replaced, once. */
static must_check result get(struct aws_imds *imds, long *ret_status, const char *path)
{
    bool fresh = imds->token.length == 0;
    if (fresh)
        TRY(fetch_token(imds));
    TRY(get_once(imds, ret_status, path));
    if (*ret_status != 401 || fresh)
        return RESULT_OK;
    TRY(fetch_token(imds));
    return get_once(imds, ret_status, path);
}

static must_check result get_role(struct aws_imds *imds, char ret_role[static ROLE_MAX + 1])
{
    long status = 0;
    TRY(get(imds, &status, ROLE_PATH));
    ENSURE(status != 404, E_NOT_FOUND,
           "metadata service: this instance has no role: give it an instance profile");
    ENSURE(status == 200, E_PEER, "metadata service: role: HTTP status %ld", status);
    const char *text = (const char *)imds->answer.data;
    size_t length = strcspn(text, "\r\n");
    ENSURE(length > 0 && length <= ROLE_MAX &&
               strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+=,.@_-") ==
                   length,
           E_PEER, "metadata service: role: is no name of a role");
    memcpy(ret_role, text, length);
    ret_role[length] = 0;
    return RESULT_OK;
}

result aws_imds_time(uint64_t *ret_time_ms, const char *text)
{
    static const char format[] = "%Y-%m-%dT%H:%M:%SZ";
    struct tm utc = {0};
    char again[sizeof "2026-01-31T12:00:00Z"];
    const char *end = strptime(text, format, &utc);
    ENSURE(end && *end == 0 && strlen(text) + 1 == sizeof again, E_INPUT,
           "must be a time like 2026-01-31T12:00:00Z");
    time_t seconds = timegm(&utc);
    /* strptime is lenient with blanks and ranges. */
    ENSURE(seconds > 0 && strftime(again, sizeof again, format, &utc) + 1 == sizeof again &&
               strcmp(again, text) == 0,
           E_INPUT, "must be a time like 2026-01-31T12:00:00Z");
    *ret_time_ms = (uint64_t)seconds * 1000;
    return RESULT_OK;
}

static must_check result parse(struct aws_credentials *ret_credentials, uint64_t *ret_expires_ms,
                               const struct aws_imds *imds)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *code, *id, *key, *token, *expiration;
    TRY(json_read(&document, (const char *)imds->answer.data, imds->answer_len, ANSWER_MAX,
                  ANSWER_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_text_optional(&code, NULL, &root, "Code"));
    ENSURE(!code || strcmp(code, "Success") == 0, E_PEER, "Code: is not Success: does the role still exist?");
    TRY(json_get_text(&id, NULL, &root, "AccessKeyId"));
    TRY(json_get_text(&key, NULL, &root, "SecretAccessKey"));
    TRY(json_get_text(&token, NULL, &root, "Token"));
    TRY(json_get_text(&expiration, NULL, &root, "Expiration"));
    result r = aws_imds_time(ret_expires_ms, expiration);
    if (r.code)
        return json_blame(r, &root, "Expiration");
    return aws_credentials_new(ret_credentials, id, key, token);
}

static must_check result fetch(struct aws_credentials *ret_credentials, uint64_t *ret_expires_ms,
                               struct aws_imds *imds)
{
    char role[ROLE_MAX + 1], path[sizeof ROLE_PATH + ROLE_MAX];
    long status = 0;
    TRY(get_role(imds, role));
    (void)snprintf(path, sizeof path, "%s%s", ROLE_PATH, role);
    TRY(get(imds, &status, path));
    ENSURE(status == 200, E_PEER, "metadata service: credentials: HTTP status %ld", status);
    result r = parse(ret_credentials, ret_expires_ms, imds);
    return r.code ? error_prefix((result){E_PEER}, "metadata service: credentials") : r;
}

result aws_imds_credentials(struct aws_credentials *ret_credentials, uint64_t *ret_expires_ms,
                            struct aws_imds *imds)
{
    result r = fetch(ret_credentials, ret_expires_ms, imds);
    secret_cleanup(&imds->answer);
    return r;
}
