/* net_http_parse.h - the head of an HTTP/1.x request as a typed struct. Pure; inside net_http only.
 *
 * RFC 9112 read strictly: what two parsers could read differently is refused.
 */
#ifndef NET_HTTP_PARSE_H
#define NET_HTTP_PARSE_H

#include "base/result.h"
#include "net/net_http.h"

enum { NET_HTTP_LINE_MAX = 4096, NET_HTTP_HEAD_MAX = 8192, NET_HTTP_FIELDS_MAX = 100 };

/* ENSURE for these parsers: every refusal leaves the status of the reply beside the sentence. */
#define ACCEPT_IF(condition, status, ...)                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            *ret_status = (status);                                                                          \
            FAIL(E_INPUT, __VA_ARGS__);                                                                      \
        }                                                                                                    \
    } while (0)

struct net_http_field {
    const char *name;  /* as sent */
    const char *value; /* without white space around it */
};

struct net_http_head {
    enum net_http_method method;
    const char *path, *query, *host; /* as net_http.h says */
    bool minor_0;                    /* HTTP/1.0 */
    bool keep_alive;
    bool expect_continue;
    bool chunked;
    uint64_t content_length;
    struct net_http_field fields[NET_HTTP_FIELDS_MAX];
    size_t num_fields;
    char *text; /* owned; everything above points into it */
};

/* Bytes of the head at the beginning of input, its last CRLF CRLF included; 0 while it is not complete.
 * E_INPUT with *ret_status set when it can no longer become one. */
must_check result net_http_head_length(size_t *ret_len, int *ret_status, const char *input, size_t input_len);
/* Parses exactly one head of head_len bytes. E_INPUT: *ret_status is the HTTP status to refuse with and
 * error_text() says why, in plain ASCII without quotes. */
must_check result net_http_head_parse(struct net_http_head *ret_head, int *ret_status, const char *head,
                                      size_t head_len);
/* The index behind start of the next field of that name (any case), num_fields if there is none. */
size_t net_http_head_find(const struct net_http_head *head, const char *name, size_t start);
/* Whether a comma-separated header value has this token, in any case. */
bool net_http_has_token(const char *value, const char *token);
void net_http_head_cleanup(struct net_http_head *head);

#endif
