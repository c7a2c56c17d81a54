/* net_http_internal.h - what the files of the HTTP server share; not for other rooms. */
#ifndef NET_HTTP_INTERNAL_H
#define NET_HTTP_INTERNAL_H

#include "base/buffer.h"
#include "net/net_http.h"
#include "net/net_http_parse.h"

struct evbuffer;
struct net_http_connection;

enum { NET_HTTP_REPLY_HEADERS_MAX = 8 };

/* A body on its way in. Zero-initialise, then set chunked or left. */
struct net_http_body {
    bool chunked;
    enum { CHUNK_SIZE, CHUNK_DATA, CHUNK_END, CHUNK_TRAILER, CHUNK_DONE } state;
    uint64_t left; /* of the body, or of the current chunk */
    size_t trailer_len;
};

/* Moves what has arrived from in to out, at most max bytes in all. *ret_done when the body is complete.
 * E_INPUT with *ret_status set when it cannot become one. */
must_check result net_http_body_take(struct net_http_body *body, bool *ret_done, int *ret_status,
                                     struct evbuffer *out, struct evbuffer *in, size_t max);

struct net_http_request {
    struct net_http_connection *connection; /* NULL once the client or the server is gone */
    struct net_http_head head;
    struct net_http_body body;
    struct evbuffer *bytes; /* the body's */
    struct buffer joined;   /* the last value net_http_header had to join */
    struct buffer headers;  /* added to the reply */
    size_t num_reply_headers;
};

must_check result net_http_request_new(struct net_http_request **ret_request, struct net_http_head *head);
void net_http_request_free(struct net_http_request *request);

/* Appends a whole reply; keep_alive_seconds 0: this connection closes. */
struct net_http_reply_form {
    int status;
    const char *content_type;
    const struct buffer *headers; /* more header lines, or NULL */
    const void *body;
    size_t body_len;
    uint32_t keep_alive_seconds;
    bool without_body; /* the answer to HEAD */
};
must_check result net_http_format_reply(struct evbuffer *out, const struct net_http_reply_form *form);

/* Ends a request that has a connection (net_http.c). */
void net_http_connection_reply(struct net_http_connection *connection, struct net_http_reply_form *form);

#endif
