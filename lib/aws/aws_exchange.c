/* aws_exchange.c - see aws_exchange.h.
 *
 * Whatever number of requests are under way, each is made ready and judged here, so that there is one place
 * where TLS is made strict and requests are signed. The socket is made by net_connect and handed to libcurl
 * as already connected (aws_connect.c). Rejected: CURLOPT_AWS_SIGV4, which signs wrongly in cases we need. */
#include "aws/aws_exchange.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws/aws_sigv4.h"
#include "base/clock.h"
#include "base/secret.h"

enum {
    REQUEST_HEADERS = 5, /* that are signed; token and target may be absent */
    PATH_MAX_LEN = 512
};

DEFINE_AUTO_POINTER(CURLU, curl_url_cleanup)

static size_t take_body(char *bytes, size_t size, size_t count, void *exchange_pointer)
{
    struct aws_exchange *exchange = exchange_pointer;
    struct buffer *answer = exchange->call->answer;
    size_t length = size * count;
    if (length > exchange->answer_max - answer->length)
        exchange->answer_failure = E_TOO_LARGE;
    else if (buffer_append(answer, bytes, length).code)
        exchange->answer_failure = E_MEMORY;
    return exchange->answer_failure ? CURL_WRITEFUNC_ERROR : length;
}

/* The value of a header that is called name, cut, without what follows a ':' (as in "Type:http://..."). */
static void take_header(char *out, size_t out_capacity, const char *line, size_t line_len, const char *name)
{
    size_t name_len = strlen(name), length = 0;
    if (line_len <= name_len || strncasecmp(line, name, name_len) != 0 || line[name_len] != ':')
        return;
    for (size_t i = name_len + 1; i < line_len && length + 1 < out_capacity; i++) {
        if (line[i] == ':' || line[i] == '\r' || line[i] == '\n')
            break;
        if (line[i] > ' ' && line[i] < 0x7f)
            out[length++] = line[i];
    }
    out[length] = 0;
}

static size_t take_headers(char *line, size_t size, size_t count, void *exchange_pointer)
{
    const struct aws_exchange *exchange = exchange_pointer;
    struct aws_call *call = exchange->call;
    take_header(call->error_type, sizeof call->error_type, line, size * count, "x-amzn-ErrorType");
    take_header(call->function_error, sizeof call->function_error, line, size * count,
                "X-Amz-Function-Error");
    return size * count;
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

result aws_endpoint_set(struct aws_endpoint *endpoint, const char *text)
{
    AUTO_POINTER(CURLU) url = curl_url();
    AUTO_POINTER(char) scheme = NULL;
    AUTO_POINTER(char) host = NULL;
    AUTO_POINTER(char) port = NULL;
    AUTO_POINTER(char) path = NULL;
    ENSURE(url, E_MEMORY, "out of memory for a URL");
    ENSURE(curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK, E_INPUT,
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
    (void)snprintf(endpoint->host, sizeof endpoint->host, default_port ? "%s" : "%s:%s", host, port);
    (void)snprintf(endpoint->url, sizeof endpoint->url, "https://%s/", endpoint->host);
    return RESULT_OK;
}

/* Options are set through one place so that a failure of any is seen. */
#define SET(option, value) (code = code ? code : curl_easy_setopt(exchange->curl, (option), (value)))

static must_check result set_options(struct aws_exchange *exchange, const char *url,
                                     const struct aws_client_config *config, const struct buffer *ca_pem)
{
    /* An empty string switches the environment's proxies off, too. The enclave's libcurl is built without
     * proxies, and says that it does not know them. */
    CURLcode code = curl_easy_setopt(exchange->curl, CURLOPT_PROXY, "");
    code = code == CURLE_UNKNOWN_OPTION ? CURLE_OK : code;
    struct curl_blob blob = {.data = ca_pem->data, .len = ca_pem->length, .flags = CURL_BLOB_NOCOPY};
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)config->connect_timeout_ms);
    SET(CURLOPT_ERRORBUFFER, exchange->curl_text);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, take_headers);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_PRIVATE, exchange);
    SET(CURLOPT_CAINFO_BLOB, &blob);
    SET(CURLOPT_CAPATH, NULL);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

result aws_exchange_open(struct aws_exchange *exchange, const struct aws_endpoint *endpoint,
                         const struct aws_client_config *config, const struct buffer *ca_pem)
{
    exchange->answer_max = config->response_max;
    exchange->curl = curl_easy_init();
    ENSURE(exchange->curl, E_MEMORY, "out of memory for libcurl");
    TRY(set_options(exchange, endpoint->url, config, ca_pem));
    if (config->via)
        return aws_connect_through(&exchange->connect, exchange->curl, config->via,
                                   config->connect_timeout_ms);
    return RESULT_OK;
}

void aws_exchange_cleanup(struct aws_exchange *exchange)
{
    curl_easy_cleanup(exchange->curl);
    curl_slist_free_all(exchange->headers);
    aws_connect_cleanup(&exchange->connect);
    *exchange = (struct aws_exchange){0};
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

static must_check result sign(struct signed_headers *h, const struct aws_endpoint *endpoint,
                              const struct aws_call *call, const struct aws_credentials *credentials)
{
    aws_sigv4_date(h->date, clock_realtime_ms());
    h->list[h->num++] = (struct aws_sigv4_header){"Host", endpoint->host};
    h->list[h->num++] = (struct aws_sigv4_header){"Content-Type", endpoint->content_type};
    h->list[h->num++] = (struct aws_sigv4_header){"X-Amz-Date", h->date};
    if (endpoint->protocol == AWS_PROTOCOL_JSON)
        h->list[h->num++] = (struct aws_sigv4_header){"X-Amz-Target", call->target};
    if (credentials->session_token.length)
        h->list[h->num++] =
            (struct aws_sigv4_header){"X-Amz-Security-Token", (const char *)credentials->session_token.data};

    const struct aws_sigv4_request request = {.method = "POST",
                                              .path = call->path ? call->path : "/",
                                              .query = "",
                                              .headers = h->list,
                                              .num_headers = h->num,
                                              .body = call->body.at,
                                              .body_len = call->body.left};
    const struct aws_sigv4_scope scope = {h->date, endpoint->region, endpoint->service};
    AUTO(buffer) authorization = {0};
    TRY(aws_sigv4_authorization(&authorization, &request, &scope, credentials->access_key_id,
                                &credentials->secret_access_key));
    for (size_t i = 0; i < h->num; i++)
        TRY(add_line(h, h->list[i].name, h->list[i].value));
    TRY(add_line(h, "Authorization", (const char *)authorization.data));
    return add_line(h, "Expect", ""); /* "Expect:" removes it: no second round trip before a large body */
}

/* The path of a call of its own; the others' is set once. */
static must_check result set_path(struct aws_exchange *exchange, const struct aws_endpoint *endpoint,
                                  const char *path)
{
    char url[sizeof endpoint->url + PATH_MAX_LEN];
    CURLcode code = CURLE_OK;
    if (endpoint->protocol != AWS_PROTOCOL_REST)
        return RESULT_OK;
    ENSURE(path && path[0] == '/' && strlen(path) < PATH_MAX_LEN, E_INPUT, "path: is too long");
    (void)snprintf(url, sizeof url, "%s%s", endpoint->url, path + 1);
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

result aws_exchange_begin(struct aws_exchange *exchange, const struct aws_endpoint *endpoint,
                          const struct aws_credentials *credentials, const struct aws_attempt *attempt)
{
    struct aws_call *call = attempt->call;
    AUTO(signed_headers) headers = {0};
    TRY(sign(&headers, endpoint, call, credentials));
    exchange->connect.failure = E_NONE;
    exchange->answer_failure = E_NONE;
    exchange->curl_text[0] = 0;
    call->error_type[0] = 0;
    call->function_error[0] = 0;
    CURLcode code = CURLE_OK;
    TRY(set_path(exchange, endpoint, call->path));
    SET(CURLOPT_HTTPHEADER, headers.lines);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.left);
    SET(CURLOPT_POSTFIELDS, call->body.at);
    SET(CURLOPT_TIMEOUT_MS, attempt->timeout_ms);
    SET(CURLOPT_FRESH_CONNECT, attempt->fresh ? 1L : 0L);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    buffer_consume(call->answer, call->answer->length);
    exchange->headers = TAKE(headers.lines);
    exchange->call = call;
    return RESULT_OK;
}

static must_check result explain(const struct aws_exchange *exchange, const char *host, CURLcode code)
{
    const char *text = exchange->curl_text[0] ? exchange->curl_text : curl_easy_strerror(code);
    if (exchange->connect.failure)
        return error_set(exchange->connect.failure, "%s", exchange->connect.text);
    if (exchange->answer_failure == E_TOO_LARGE)
        return error_set(E_TOO_LARGE, "answer has more than %zu bytes", exchange->answer_max);
    if (exchange->answer_failure)
        return error_set(E_MEMORY, "out of memory for an answer");
    if (code == CURLE_OPERATION_TIMEDOUT)
        return error_set(E_TIMEOUT, "%s: %s", host, text);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_SSL_CACERT_BADFILE)
        return error_set(E_AUTH, "%s: TLS: %s", host, text);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return error_set(E_IO, "%s: %s", host, text);
    return error_set(E_PEER, "%s: %s", host, text);
}

/* A connection that was lost, or never made, may be there a moment later. */
static bool is_lost(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
           code == CURLE_GOT_NOTHING || code == CURLE_PARTIAL_FILE;
}

void aws_exchange_abandon(struct aws_exchange *exchange)
{
    (void)curl_easy_setopt(exchange->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(exchange->curl, CURLOPT_POSTFIELDS, NULL);
    curl_slist_free_all(TAKE(exchange->headers));
    exchange->call = NULL;
}

result aws_exchange_end(struct aws_exchange *exchange, struct aws_outcome *ret_outcome,
                        const struct aws_endpoint *endpoint, CURLcode code)
{
    struct aws_call *call = exchange->call;
    aws_exchange_abandon(exchange);
    *ret_outcome = (struct aws_outcome){.lost = is_lost(code),
                                        .timed_out = code == CURLE_OPERATION_TIMEDOUT ||
                                                     code == CURLE_SSL_CONNECT_ERROR};
    call->status = 0;
    if (code)
        return explain(exchange, endpoint->host, code);
    (void)curl_easy_getinfo(exchange->curl, CURLINFO_RESPONSE_CODE, &call->status);
    return RESULT_OK;
}
