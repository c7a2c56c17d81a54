/* aws_client.c - see aws_client.h.
 *
 * One easy handle is kept, so that hundreds of Decrypt calls share a connection. The socket is made by
 * net_connect and handed to libcurl as already connected; a name to address entry in libcurl's own table
 * keeps it from asking a resolver, while host name and certificate checks stay what they are. Rejected:
 * CURLOPT_PROXY (the host's relay speaks no proxy protocol) and CURLOPT_UNIX_SOCKET_PATH (knows unix sockets
 * only). */
#include "aws/aws_client.h"

#include <curl/curl.h>
#include <openssl/rand.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_connect.h"
#include "aws/aws_error.h"
#include "aws/aws_sigv4.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/secret.h"

enum {
    CA_FILE_MAX = 4 * 1024 * 1024,
    BACKOFF_FIRST_MS = 100,
    BACKOFF_LARGEST_MS = 5000,
    REQUEST_HEADERS = 5 /* that are signed; the token may be absent */
};

DEFINE_AUTO_POINTER(CURLU, curl_url_cleanup)

struct aws_client {
    CURL *curl;
    struct aws_connect connect;
    char url[320];
    char host[300]; /* the Host header */
    char region[64], service[64];
    unsigned attempts;
    size_t response_max;
    /* of the call that is under way */
    struct buffer *response;
    result response_result; /* why the answer was not taken */
    char curl_text[CURL_ERROR_SIZE];
};

static void aws_client_auto_close(struct aws_client **client)
{
    aws_client_close(*client);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *client_pointer)
{
    struct aws_client *client = client_pointer;
    size_t length = size * count;
    if (length > client->response_max - client->response->length)
        client->response_result =
            error_set(E_TOO_LARGE, "answer has more than %zu bytes", client->response_max);
    else
        client->response_result = buffer_append(client->response, bytes, length);
    return client->response_result.code ? CURL_WRITEFUNC_ERROR : length;
}

static must_check result take_part(char **ret_text, CURLU *url, CURLUPart part, unsigned flags)
{
    ENSURE(curl_url_get(url, part, ret_text, flags) == CURLUE_OK, E_INPUT,
           "endpoint: must be https://HOST[:PORT]");
    return RESULT_OK;
}

static bool has_part(CURLU *url, CURLUPart part)
{
    char *text = NULL;
    bool has = curl_url_get(url, part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return has;
}

DEFINE_AUTO_POINTER(char, curl_free)

/* Takes the endpoint apart, so that the host we sign is the host we ask for. */
static must_check result set_endpoint(struct aws_client *client, const char *endpoint)
{
    AUTO_POINTER(CURLU) url = curl_url();
    AUTO_POINTER(char) scheme = NULL;
    AUTO_POINTER(char) host = NULL;
    AUTO_POINTER(char) port = NULL;
    AUTO_POINTER(char) path = NULL;
    ENSURE(url, E_MEMORY, "out of memory for a URL");
    ENSURE(curl_url_set(url, CURLUPART_URL, endpoint, 0) == CURLUE_OK, E_INPUT,
           "endpoint: must be https://HOST[:PORT]");
    TRY(take_part(&scheme, url, CURLUPART_SCHEME, 0));
    TRY(take_part(&host, url, CURLUPART_HOST, 0));
    TRY(take_part(&port, url, CURLUPART_PORT, CURLU_DEFAULT_PORT));
    TRY(take_part(&path, url, CURLUPART_PATH, 0));
    ENSURE(strcmp(scheme, "https") == 0, E_INPUT, "endpoint: must be https");
    ENSURE(strcmp(path, "/") == 0 && !has_part(url, CURLUPART_QUERY) && !has_part(url, CURLUPART_FRAGMENT) &&
               !has_part(url, CURLUPART_USER),
           E_INPUT, "endpoint: must have no path, query or user");
    ENSURE(strlen(host) < 256, E_INPUT, "endpoint: host is too long");

    bool default_port = strcmp(port, "443") == 0;
    (void)snprintf(client->host, sizeof client->host, default_port ? "%s" : "%s:%s", host, port);
    (void)snprintf(client->url, sizeof client->url, "https://%s/", client->host);
    return RESULT_OK;
}

result aws_authorities_read(struct buffer *out, const char *ca_file)
{
    const char *path = ca_file;
    CURL *curl = path ? NULL : curl_easy_init();
    if (curl)
        (void)curl_easy_getinfo(curl, CURLINFO_CAINFO, &path);
    result r =
        path ? file_read(out, path, CA_FILE_MAX) : error_set(E_NOT_FOUND, "this system has none; name one");
    curl_easy_cleanup(curl);
    return r.code ? error_prefix(r, "CA file") : r;
}

static must_check result set_authorities(struct aws_client *client, const struct aws_client_config *config)
{
    AUTO(buffer) read_now = {0};
    const struct buffer *ca_pem = config->ca_pem;
    if (!ca_pem) {
        TRY(aws_authorities_read(&read_now, config->ca_file));
        ca_pem = &read_now;
    }
    struct curl_blob blob = {.data = ca_pem->data, .len = ca_pem->length, .flags = CURL_BLOB_COPY};
    CURLcode code = curl_easy_setopt(client->curl, CURLOPT_CAINFO_BLOB, &blob);
    if (!code)
        code = curl_easy_setopt(client->curl, CURLOPT_CAPATH, NULL);
    ENSURE(!code, E_MEMORY, "certificate authorities: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

/* Options are set through one place so that a failure of any is seen. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(client->curl, (option), (value)))

static must_check result set_options(struct aws_client *client, const struct aws_client_config *config)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, client->url);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* an empty string also switches the environment's proxies off */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(CURLOPT_TIMEOUT_MS, (long)config->attempt_timeout_ms);
    SET(CURLOPT_ERRORBUFFER, client->curl_text);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, client);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

result aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config)
{
    ENSURE(config->attempts >= 1, E_INTERNAL, "attempts: must be at least 1");
    ENSURE(strlen(config->region) < 64 && strlen(config->service) < 64, E_INPUT,
           "region: must be below 64 characters");
    __attribute__((cleanup(aws_client_auto_close))) struct aws_client *client = calloc(1, sizeof *client);
    ENSURE(client, E_MEMORY, "out of memory for an AWS client");
    (void)snprintf(client->region, sizeof client->region, "%s", config->region);
    (void)snprintf(client->service, sizeof client->service, "%s", config->service);
    client->attempts = config->attempts;
    client->response_max = config->response_max;
    client->curl = curl_easy_init();
    ENSURE(client->curl, E_MEMORY, "out of memory for libcurl");
    TRY(set_endpoint(client, config->endpoint));
    TRY(set_options(client, config));
    TRY(set_authorities(client, config));
    if (config->via)
        TRY(aws_connect_through(&client->connect, client->curl, config->via, config->connect_timeout_ms));
    *ret_client = TAKE(client);
    return RESULT_OK;
}

void aws_client_close(struct aws_client *client)
{
    if (!client)
        return;
    if (client->curl)
        curl_easy_cleanup(client->curl);
    aws_connect_cleanup(&client->connect);
    free(client);
}

/* The request's headers; the values live as long as this struct. */
struct signed_headers {
    char date[AWS_SIGV4_DATE_LEN + 1];
    struct aws_sigv4_header list[REQUEST_HEADERS];
    size_t num;
    struct curl_slist *lines;
};

static void signed_headers_cleanup(struct signed_headers *h)
{
    curl_slist_free_all(h->lines);
}

static must_check result add_line(struct signed_headers *h, const char *name, const char *value)
{
    AUTO(buffer) line = {0};
    TRY(buffer_printf(&line, "%s: %s", name, value));
    struct curl_slist *longer = curl_slist_append(h->lines, (const char *)line.data);
    secret_wipe(line.data, line.length); /* it may be the session token */
    ENSURE(longer, E_MEMORY, "out of memory for headers");
    h->lines = longer;
    return RESULT_OK;
}

static must_check result sign(struct signed_headers *h, const struct aws_client *client, const char *target,
                              const struct aws_credentials *credentials, const struct cursor *body)
{
    aws_sigv4_date(h->date, clock_realtime_ms());
    h->list[h->num++] = (struct aws_sigv4_header){"Host", client->host};
    h->list[h->num++] = (struct aws_sigv4_header){"Content-Type", "application/x-amz-json-1.1"};
    h->list[h->num++] = (struct aws_sigv4_header){"X-Amz-Date", h->date};
    h->list[h->num++] = (struct aws_sigv4_header){"X-Amz-Target", target};
    if (credentials->session_token.length)
        h->list[h->num++] =
            (struct aws_sigv4_header){"X-Amz-Security-Token", (const char *)credentials->session_token.data};

    const struct aws_sigv4_request request = {.method = "POST",
                                              .path = "/",
                                              .query = "",
                                              .headers = h->list,
                                              .num_headers = h->num,
                                              .body = body->at,
                                              .body_len = body->left};
    const struct aws_sigv4_scope scope = {h->date, client->region, client->service};
    AUTO(buffer) authorization = {0};
    TRY(aws_sigv4_authorization(&authorization, &request, &scope, credentials->access_key_id,
                                &credentials->secret_access_key));
    for (size_t i = 0; i < h->num; i++)
        TRY(add_line(h, h->list[i].name, h->list[i].value));
    TRY(add_line(h, "Authorization", (const char *)authorization.data));
    return add_line(h, "Expect", ""); /* "Expect:" removes it: no second round trip before a large body */
}

static must_check result explain(const struct aws_client *client, CURLcode code)
{
    const char *text = client->curl_text[0] ? client->curl_text : curl_easy_strerror(code);
    if (client->connect.failure.code)
        return client->connect.failure; /* its sentence is still the latest of this thread */
    if (client->response_result.code)
        return client->response_result;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(E_TIMEOUT, "%s: %s", client->host, text);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_SSL_CACERT_BADFILE)
        return error_set(E_AUTH, "%s: TLS: %s", client->host, text);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return error_set(E_IO, "%s: %s", client->host, text);
    return error_set(E_PEER, "%s: %s", client->host, text);
}

/* A connection that was lost, or never made, may be there a moment later; a Decrypt may be repeated. */
static bool worth_repeating(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
           code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE;
}

static must_check result attempt(struct aws_client *client, bool *ret_retry, const char *target,
                                 const struct aws_credentials *credentials, const struct cursor *body)
{
    AUTO(signed_headers) headers = {0};
    TRY(sign(&headers, client, target, credentials, body));
    client->connect.failure = client->response_result = RESULT_OK;
    client->curl_text[0] = 0;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_HTTPHEADER, headers.lines);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->left);
    SET(CURLOPT_POSTFIELDS, body->at);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    code = curl_easy_perform(client->curl);
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, NULL);
    if (code) {
        *ret_retry = worth_repeating(code);
        return explain(client, code);
    }

    long status = 0;
    (void)curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return RESULT_OK;
    struct aws_error error;
    aws_error_read(&error, status, client->response->data, client->response->length);
    *ret_retry = error.retry;
    return aws_error_result(&error, status);
}

/* Full jitter: anything between nothing and the exponential bound, so that a fleet does not knock in step. */
static void back_off(unsigned failures)
{
    unsigned bound = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < failures && bound < BACKOFF_LARGEST_MS; i++)
        bound *= 2;
    if (bound > BACKOFF_LARGEST_MS)
        bound = BACKOFF_LARGEST_MS;
    uint32_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1)
        random = bound;
    unsigned wait_ms = random % (bound + 1);
    (void)poll(NULL, 0, (int)wait_ms);
}

result aws_client_call(struct aws_client *client, struct buffer *response, const char *target,
                       const struct aws_credentials *credentials, const uint8_t *body, size_t body_len)
{
    const struct cursor whole = {body, body_len};
    for (unsigned failures = 0;;) {
        bool retry = false;
        client->response = response;
        buffer_consume(response, response->length);
        result r = attempt(client, &retry, target, credentials, &whole);
        client->response = NULL;
        if (!r.code)
            return RESULT_OK;
        if (!retry || ++failures >= client->attempts)
            return error_prefix(r, "%s", target);
        back_off(failures);
    }
}
