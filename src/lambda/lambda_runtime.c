/* lambda_runtime.c - the Runtime API over one libcurl handle.
 *
 * Between two invocations the process may be frozen for hours, in the middle of waiting: no request has a
 * time limit, since the clock that would measure it goes on meanwhile, and a connection that did not survive
 * is made anew. Only connecting has one. What the API says with a 5xx is that this environment is done for.
 */
#include "lambda_runtime.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "json/json.h"

enum {
    CONNECT_MS = 1000,
    TRIES = 3,
    ANSWER_MAX = 65536, /* of what is answered to answers; nobody reads it */
    TYPE_MAX = 96,
    HTTP_OK = 200,
    HTTP_TOO_LARGE = 413,
    HTTP_SERVER_ERRORS = 500
};

struct header_list {
    struct curl_slist *lines;
};

static void header_list_cleanup(struct header_list *list)
{
    curl_slist_free_all(list->lines);
}

void lambda_runtime_cleanup(struct lambda_runtime *runtime)
{
    curl_easy_cleanup(runtime->curl);
    buffer_cleanup(&runtime->body);
}

void lambda_invocation_cleanup(struct lambda_invocation *invocation)
{
    buffer_cleanup(&invocation->event);
}

/* What is too long is read to its end all the same, or the connection could not be used for the answer. */
static size_t take_body(char *bytes, size_t size, size_t count, void *pointer)
{
    struct lambda_runtime *runtime = pointer;
    size_t length = size * count;
    if (length > runtime->body_max - runtime->body.length)
        runtime->body_too_long = true;
    if (runtime->body_too_long)
        return length;
    return buffer_append(&runtime->body, bytes, length).code ? CURL_WRITEFUNC_ERROR : length;
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(runtime->curl, (option), (value)))

static must_check result set_options(struct lambda_runtime *runtime)
{
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, "http");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* an empty string also switches the environment's proxies off */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_TIMEOUT_MS, 0L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_USERAGENT, "nitro-signer-lambda");
    SET(CURLOPT_WRITEFUNCTION, take_body);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

result lambda_runtime_open(struct lambda_runtime *ret_runtime, const char *address)
{
    size_t length = strlen(address);
    ENSURE(length > 0 && length < LAMBDA_RUNTIME_URL_MAX - 64 &&
               strspn(address, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-[]") ==
                   length,
           E_INPUT, "AWS_LAMBDA_RUNTIME_API: must be HOST:PORT");
    AUTO(lambda_runtime) runtime = {.curl = curl_easy_init()};
    ENSURE(runtime.curl, E_MEMORY, "out of memory for libcurl");
    TRY(set_options(&runtime));
    (void)snprintf(runtime.base, sizeof runtime.base, "http://%s/2018-06-01/runtime/", address);
    *ret_runtime = runtime;
    runtime = (struct lambda_runtime){0};
    return RESULT_OK;
}

static must_check result add_header(struct header_list *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list->lines, line);
    ENSURE(longer, E_MEMORY, "out of memory for headers");
    list->lines = longer;
    return RESULT_OK;
}

/* One request; body NULL: GET. */
struct exchange {
    const char *path;
    const struct buffer *body;
    const char *error_type; /* of a failure, or NULL */
};

static must_check result prepare(struct lambda_runtime *runtime, struct header_list *headers,
                                 const struct exchange *x)
{
    char line[TYPE_MAX + 64], url[LAMBDA_RUNTIME_URL_MAX + LAMBDA_REQUEST_ID_MAX + 64];
    CURLcode code = CURLE_OK;
    (void)snprintf(url, sizeof url, "%s%s", runtime->base, x->path);
    if (x->body) {
        TRY(add_header(headers, "Content-Type: application/json"));
        TRY(add_header(headers, "Expect:"));
    }
    if (x->error_type) {
        (void)snprintf(line, sizeof line, "Lambda-Runtime-Function-Error-Type: %s", x->error_type);
        TRY(add_header(headers, line));
    }
    SET(CURLOPT_URL, url);
    SET(CURLOPT_HTTPHEADER, headers->lines);
    SET(CURLOPT_WRITEDATA, runtime);
    if (x->body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body->length);
        SET(CURLOPT_POSTFIELDS, (const char *)x->body->data);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

/* Until there is an answer, whatever its status. */
static must_check result perform(struct lambda_runtime *runtime, long *ret_status, const struct exchange *x)
{
    AUTO(header_list) headers = {0};
    CURLcode code = CURLE_OK;
    TRY(prepare(runtime, &headers, x));
    for (int i = 0; i < TRIES; i++) {
        buffer_consume(&runtime->body, runtime->body.length);
        runtime->body_too_long = false;
        code = curl_easy_perform(runtime->curl);
        if (!code || code == CURLE_WRITE_ERROR)
            break;
        (void)curl_easy_setopt(runtime->curl, CURLOPT_FRESH_CONNECT, 1L);
    }
    (void)curl_easy_setopt(runtime->curl, CURLOPT_FRESH_CONNECT, 0L);
    (void)curl_easy_getinfo(runtime->curl, CURLINFO_RESPONSE_CODE, ret_status);
    (void)curl_easy_setopt(runtime->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(runtime->curl, CURLOPT_POSTFIELDS, NULL);
    ENSURE(!code, E_IO, "Runtime API: %s", curl_easy_strerror(code));
    ENSURE(*ret_status < HTTP_SERVER_ERRORS, E_PEER, "Runtime API: answers with HTTP %ld", *ret_status);
    return RESULT_OK;
}

static must_check result take_header(const char **ret_value, CURL *curl, const char *name)
{
    struct curl_header *header = NULL;
    CURLHcode code = curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header);
    ENSURE(code == CURLHE_OK && header->amount == 1, E_PEER, "Runtime API: %s: must be there once", name);
    *ret_value = header->value;
    return RESULT_OK;
}

/* The id becomes part of a path. */
static must_check result take_request_id(struct lambda_invocation *invocation, CURL *curl)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    const char *id = NULL;
    TRY(take_header(&id, curl, "Lambda-Runtime-Aws-Request-Id"));
    size_t length = strlen(id);
    ENSURE(length > 0 && length <= LAMBDA_REQUEST_ID_MAX && strspn(id, allowed) == length, E_PEER,
           "Runtime API: Lambda-Runtime-Aws-Request-Id: must be letters, digits and hyphens");
    memcpy(invocation->request_id, id, length + 1);
    return RESULT_OK;
}

result lambda_runtime_next(struct lambda_runtime *runtime, struct lambda_invocation *ret_invocation,
                           size_t event_max)
{
    AUTO(lambda_invocation) invocation = {0};
    const char *deadline = NULL;
    long status = 0;
    runtime->body_max = event_max;
    TRY(perform(runtime, &status, &(struct exchange){.path = "invocation/next"}));
    ENSURE(status == HTTP_OK, E_PEER, "Runtime API: answers invocation/next with HTTP %ld", status);
    TRY(take_request_id(&invocation, runtime->curl));
    TRY(take_header(&deadline, runtime->curl, "Lambda-Runtime-Deadline-Ms"));
    result r = parse_u64(&invocation.deadline_ms, deadline);
    if (r.code)
        return error_prefix((result){E_PEER}, "Runtime API: Lambda-Runtime-Deadline-Ms");
    invocation.event = runtime->body;
    invocation.event_too_large = runtime->body_too_long;
    runtime->body = (struct buffer){0};
    *ret_invocation = invocation;
    invocation = (struct lambda_invocation){0};
    return RESULT_OK;
}

static must_check result post_failure(struct lambda_runtime *runtime, long *ret_status, const char *path,
                                      const struct lambda_failure *failure)
{
    AUTO(buffer) body = {0};
    char type[TYPE_MAX];
    (void)snprintf(type, sizeof type, "%s.%s", failure->category, failure->reason);
    TRY(buffer_append_text(&body, "{\"errorMessage\":"));
    TRY(json_append_quoted(&body, failure->message));
    TRY(buffer_printf(&body, ",\"errorType\":\"%s\",\"stackTrace\":[]}", type));
    runtime->body_max = ANSWER_MAX;
    return perform(runtime, ret_status, &(struct exchange){path, &body, type});
}

/* 202, or another of its kind. */
static long refused(long status)
{
    return status >= HTTP_OK && status < HTTP_OK + 100 ? 0 : status;
}

result lambda_runtime_fail(struct lambda_runtime *runtime, long *ret_refused, const char *request_id,
                           const struct lambda_failure *failure)
{
    char path[LAMBDA_REQUEST_ID_MAX + 32];
    long status = 0;
    (void)snprintf(path, sizeof path, "invocation/%s/error", request_id);
    TRY(post_failure(runtime, &status, path, failure));
    *ret_refused = refused(status);
    return RESULT_OK;
}

result lambda_runtime_fail_init(struct lambda_runtime *runtime, const struct lambda_failure *failure)
{
    long status = 0;
    return post_failure(runtime, &status, "init/error", failure);
}

result lambda_runtime_respond(struct lambda_runtime *runtime, long *ret_refused, const char *request_id,
                              const struct buffer *answer)
{
    char path[LAMBDA_REQUEST_ID_MAX + 32];
    long status = 0;
    (void)snprintf(path, sizeof path, "invocation/%s/response", request_id);
    runtime->body_max = ANSWER_MAX;
    TRY(perform(runtime, &status, &(struct exchange){path, answer, NULL}));
    if (status == HTTP_TOO_LARGE)
        return lambda_runtime_fail(runtime, ret_refused, request_id,
                                   &(struct lambda_failure){"Function", "ResponseSizeTooLarge",
                                                            "the answer is too large for Lambda"});
    *ret_refused = refused(status);
    return RESULT_OK;
}
