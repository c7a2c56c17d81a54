/* net_http_2.h - HTTP/2 on one connection: what its files share; inside net_http only. */
#ifndef NET_HTTP_2_H
#define NET_HTTP_2_H

#include <nghttp2/nghttp2.h>

#include "net/net_http_internal.h"

/* ---- the head of a request (net_http_2_head.c) ---- */

/* The fields of a request as they come. Zero-initialise. */
struct net_http_2_fields {
    char *method, *scheme, *path, *authority;
    struct buffer lines; /* the rest as lines of an HTTP/1.1 head, without Host */
    char *host;
    size_t bytes; /* names and values, with four bytes for each pair: what HTTP/1.1 puts around them */
    bool ignored; /* longer than a head may be: what was kept is not all */
};
void net_http_2_fields_cleanup(struct net_http_2_fields *fields);
/* Keeps one field while the head is not too long. E_MEMORY; E_TOO_LARGE when it is longer than anybody
 * honest would send. */
must_check result net_http_2_fields_add(struct net_http_2_fields *fields, const nghttp2_vec *name,
                                        const nghttp2_vec *value);
/* By the rules of HTTP/1.1 and those that HTTP/2 adds; *ret_status as net_http_head_parse. */
must_check result net_http_2_fields_end(struct net_http_head *ret_head, int *ret_status,
                                        const struct net_http_2_fields *fields);

/* ---- streams (net_http_2_stream.c) ---- */

struct net_http_2_stream {
    TAILQ_ENTRY(net_http_2_stream) link;
    struct net_http_2 *session;
    int32_t id;
    enum { RECEIVING_HEAD, RECEIVING_BODY, WAITING, SENDING } at;
    bool open;                         /* false once nghttp2 has forgotten it: the client has cancelled */
    bool received;                     /* the request is complete */
    struct net_http_exchange exchange; /* its request: RECEIVING_BODY: owned; WAITING: the handler's */
    struct net_http_2_fields fields;   /* RECEIVING_HEAD */
    struct buffer body;                /* SENDING: of the reply */
    size_t sent;                       /* of body */
    uint64_t deadline_ns;              /* but WAITING */
    size_t held;                       /* bytes, counted in the session */
    size_t large;                      /* bytes of a body that is not small, counted in the session */
};

TAILQ_HEAD(net_http_2_streams, net_http_2_stream);

struct net_http_2 {
    struct net_http_connection *c;
    nghttp2_session *session;
    struct event *flush; /* active: there is something to send */
    struct net_http_2_streams streams;
    size_t num_streams;      /* those too that the client has cancelled and a handler still works on */
    size_t held, body_bytes; /* of the streams */
    uint64_t idle_ns;        /* when it ends if it is idle then */
    uint64_t output_ns;      /* when the output ought to be taken */
    uint64_t alarm_ns;       /* what the deadline is set to; 0: not set */
    uint64_t counted_ns;     /* when frames was last brought up to date */
    uint32_t frames;         /* that carry nothing and are still borne */
    int64_t unreported;      /* bytes that came, less those of frames that nghttp2 told us of */
    size_t dropped;          /* bytes of trailers, of those that arrive now */
    bool reading, ending;
};

/* A client's whole list of fields, of which no more than a head is kept: HPACK makes much from few bytes. */
enum { NET_HTTP_2_LIST_MAX = 65536, NET_HTTP_2_AROUND_FIELD = 4 };

/* NULL when the client has to be told to come later: too many streams, or too much held. */
struct net_http_2_stream *net_http_2_stream_new(struct net_http_2 *session, int32_t id);
/* Only of a stream that nghttp2 has forgotten, or forgets with its session. */
void net_http_2_stream_free(struct net_http_2_stream *stream);
/* The head is complete; more: a body follows. */
void net_http_2_stream_begin(struct net_http_2_stream *stream, bool more);
void net_http_2_stream_take(struct net_http_2_stream *stream, const uint8_t *data, size_t data_len);
/* The request is complete. */
void net_http_2_stream_dispatch(struct net_http_2_stream *stream);

/* ---- the session (net_http_2.c) ---- */

/* Lets this run if it would not before that time. */
void net_http_2_alarm(struct net_http_2 *session, uint64_t at_ns);
/* When seconds from now will be. */
uint64_t net_http_2_after(uint32_t seconds);

#endif
