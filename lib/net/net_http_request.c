/* net_http_request.c - what a handler sees of a request, and the bytes of a reply. */
#include <event2/buffer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "net/net_http_internal.h"

result net_http_request_new(struct net_http_request **ret_request, struct net_http_head *head)
{
    struct net_http_request *request = calloc(1, sizeof *request);
    ENSURE(request, E_MEMORY, "out of memory");
    request->bytes = evbuffer_new();
    if (!request->bytes) {
        free(request);
        FAIL(E_MEMORY, "out of memory");
    }
    request->began_ns = clock_monotonic_ns();
    request->head = *head;
    *head = (struct net_http_head){0};
    *ret_request = request;
    return RESULT_OK;
}

void net_http_request_free(struct net_http_request *request)
{
    if (!request)
        return;
    net_http_body_free(request);
    net_http_head_cleanup(&request->head);
    evbuffer_free(request->bytes);
    buffer_cleanup(&request->joined);
    buffer_cleanup(&request->headers);
    free(request);
}

struct net_http_request *net_http_exchange_release(struct net_http_exchange *exchange)
{
    struct net_http_request *request = exchange->request;
    if (request)
        request->exchange = NULL;
    exchange->request = NULL;
    return request;
}

bool net_http_is_gone(const struct net_http_request *request)
{
    return !request->exchange || request->exchange->is_cancelled;
}

uint64_t net_http_began_ns(const struct net_http_request *request)
{
    return request->began_ns;
}

uint64_t net_http_note(const struct net_http_request *request)
{
    return request->note;
}

void net_http_set_note(struct net_http_request *request, uint64_t note)
{
    request->note = note;
}

enum net_http_method net_http_method(const struct net_http_request *request)
{
    return request->head.method;
}

const char *net_http_path(const struct net_http_request *request)
{
    return request->head.path;
}

const char *net_http_path_left(const struct net_http_request *request)
{
    return request->path_left ? request->path_left : request->head.path;
}

void net_http_set_path_left(struct net_http_request *request, const char *left)
{
    request->path_left = left;
}

const char *net_http_query(const struct net_http_request *request)
{
    return request->head.query;
}

const char *net_http_host(const struct net_http_request *request)
{
    return request->head.host;
}

const char *net_http_body(const struct net_http_request *request, size_t *ret_len)
{
    size_t length = evbuffer_get_length(request->bytes);
    *ret_len = length > 0 ? length - 1 : 0;
    const char *bytes = length > 0 ? (const char *)evbuffer_pullup(request->bytes, -1) : NULL;
    return bytes ? bytes : "";
}

void net_http_body_wipe(struct net_http_request *request)
{
    size_t length = evbuffer_get_length(request->bytes);
    unsigned char *bytes = length > 0 ? evbuffer_pullup(request->bytes, -1) : NULL;
    if (bytes)
        explicit_bzero(bytes, length);
}

static must_check result join(struct buffer *out, const struct net_http_head *head, const char *name,
                              size_t first)
{
    buffer_consume(out, out->length);
    TRY(buffer_append_text(out, head->fields[first].value));
    for (size_t i = net_http_head_find(head, name, first + 1); i < head->num_fields;
         i = net_http_head_find(head, name, i + 1)) {
        TRY(buffer_append_text(out, ", "));
        TRY(buffer_append_text(out, head->fields[i].value));
    }
    return RESULT_OK;
}

const char *net_http_header(struct net_http_request *request, const char *name)
{
    const struct net_http_head *head = &request->head;
    size_t first = net_http_head_find(head, name, 0);
    if (first == head->num_fields)
        return NULL;
    bool single = net_http_head_find(head, name, first + 1) == head->num_fields;
    if (single || join(&request->joined, head, name, first).code)
        return head->fields[first].value;
    return (const char *)request->joined.data;
}

static must_check result add_header(struct buffer *headers, const char *name, const char *value)
{
    TRY(buffer_append(headers, name, strlen(name) + 1));
    return buffer_append(headers, value, strlen(value) + 1);
}

void net_http_reply_header(struct net_http_request *request, const char *name, const char *value)
{
    if (request->num_reply_headers == NET_HTTP_REPLY_HEADERS_MAX)
        return;
    size_t before = request->headers.length;
    if (add_header(&request->headers, name, value).code)
        request->headers.length = before;
    else
        request->num_reply_headers++;
}

bool net_http_next_header(const char **ret_name, const char **ret_value, const struct buffer *headers,
                          size_t *at)
{
    if (!headers || *at == headers->length)
        return false;
    *ret_name = (const char *)headers->data + *at;
    *ret_value = *ret_name + strlen(*ret_name) + 1;
    *at += strlen(*ret_name) + strlen(*ret_value) + 2;
    return true;
}

void net_http_reply(struct net_http_request *request, int status, const char *content_type, const void *body,
                    size_t body_len)
{
    struct net_http_reply_form form = {.status = status,
                                       .content_type = content_type,
                                       .headers = &request->headers,
                                       .body = body,
                                       .body_len = body_len,
                                       .without_body = request->head.method == NET_HTTP_HEAD};
    if (request->exchange)
        request->exchange->reply(request->exchange, &form);
    net_http_request_free(request);
}

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Request Entity Too Large"},
        {414, "Request-URI Too Long"},
        {417, "Expectation Failed"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].text;
    }
    return "Status";
}

/* Head and body go into one buffer and so, mostly, into one segment and one TLS record. */
result net_http_format_reply(struct evbuffer *out, const struct net_http_reply_form *form,
                             uint32_t keep_alive_seconds)
{
    const char *name, *value;
    int ok = evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\n", form->status, reason(form->status));
    if (ok >= 0 && form->content_type)
        ok = evbuffer_add_printf(out, "content-type: %s\r\n", form->content_type);
    if (ok >= 0 && form->status != 204)
        ok = evbuffer_add_printf(out, "content-length: %zu\r\n", form->body_len);
    for (size_t at = 0; ok >= 0 && net_http_next_header(&name, &value, form->headers, &at);)
        ok = evbuffer_add_printf(out, "%s: %s\r\n", name, value);
    /* Node's client drops connections after 4 s unless it is told that we keep them. */
    if (ok >= 0 && keep_alive_seconds > 0)
        ok = evbuffer_add_printf(out, "connection: keep-alive\r\nkeep-alive: timeout=%u\r\n\r\n",
                                 keep_alive_seconds);
    else if (ok >= 0)
        ok = evbuffer_add_printf(out, "connection: close\r\n\r\n");
    if (ok >= 0 && form->body_len > 0 && !form->without_body)
        ok = evbuffer_add(out, form->body, form->body_len);
    ENSURE(ok >= 0, E_MEMORY, "out of memory");
    return RESULT_OK;
}
