/* net_http_internal.h - what the files of the HTTP server share; not for other rooms.
 *
 * A connection speaks through one transport at a time: HTTP/1.1, HTTP/2, or that of a connection which is
 * closing. A request knows its exchange: the connection itself in HTTP/1.1, one stream of it in HTTP/2. */
#ifndef NET_HTTP_INTERNAL_H
#define NET_HTTP_INTERNAL_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sys/queue.h>

#include "base/buffer.h"
#include "net/net_http.h"
#include "net/net_http_parse.h"
#include "net/net_stream.h"
#include "net/net_tls.h"

struct evbuffer;
struct net_http_2;
struct net_http_connection;

enum { NET_HTTP_REPLY_HEADERS_MAX = 8 };
/* Streams of one HTTP/2 connection at a time: a slot's signatures for some hundred keys in one go. */
enum { NET_HTTP_2_STREAMS = 512 };

/* A body up to this size is not counted among all bodies: a few clients that begin as long a body as may be
 * must not turn away the requests of a kibibyte that matter. The number of connections bounds these. */
enum { NET_HTTP_SMALL_BODY = 16384 };

/* Replies that are larger, and that clients do not take, may hold as much together. */
enum { NET_HTTP_REPLIES_MAX = 128 * 1024 * 1024 };

/* ---- bodies (net_http_body.c) ---- */

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

/* ---- requests and replies (net_http_request.c) ---- */

struct net_http_reply_form {
    int status;
    const char *content_type;
    const struct buffer *headers; /* more headers: name, NUL, value, NUL, ...; or NULL */
    const void *body;
    size_t body_len;
    bool without_body; /* the answer to HEAD */
};

/* What a request is answered through. Whichever of the two goes first clears the other's pointer. */
struct net_http_exchange {
    struct net_http_request *request;
    void (*reply)(struct net_http_exchange *exchange, const struct net_http_reply_form *form);
    /* While its body arrives: there is no room for it any more. Answered with 503 and the error's text. */
    void (*crowd_out)(struct net_http_exchange *exchange);
    bool is_cancelled; /* by the client; the handler's reply still ends it */
};

struct net_http_request {
    struct net_http_exchange *exchange; /* NULL once the client or the server is gone */
    struct net_http_head head;
    const char *path_left;              /* NULL: the whole path */
    struct net_http_body body;          /* HTTP/1.1 only */
    struct evbuffer *bytes;             /* the body's */
    struct net_http_server *counted_in; /* while the body is long: the server that counts it; else NULL */
    size_t counted;                     /* bytes */
    TAILQ_ENTRY(net_http_request) body_link; /* in counted_in->arriving or, if is_whole, counted_in->whole */
    bool is_whole;
    struct buffer joined;  /* the last value net_http_header had to join */
    struct buffer headers; /* added to the reply: see net_http_reply_form */
    size_t num_reply_headers;
    uint64_t began_ns, note;
};

TAILQ_HEAD(net_http_requests, net_http_request);

must_check result net_http_request_new(struct net_http_request **ret_request, struct net_http_head *head);
void net_http_request_free(struct net_http_request *request);
/* The request and its exchange part; the request is then to be freed, or for ever with the handler. */
struct net_http_request *net_http_exchange_release(struct net_http_exchange *exchange);

/* Reads the header at *at and moves on; false at the end. */
bool net_http_next_header(const char **ret_name, const char **ret_value, const struct buffer *headers,
                          size_t *at);

/* Appends a whole HTTP/1.1 reply; keep_alive_seconds 0: this connection closes. */
must_check result net_http_format_reply(struct evbuffer *out, const struct net_http_reply_form *form,
                                        uint32_t keep_alive_seconds);

/* ---- connections and the server (net_http.c) ---- */

struct net_http_transport {
    void (*read)(struct net_http_connection *c);    /* there is input */
    void (*written)(struct net_http_connection *c); /* the output is empty */
    /* The client has ended its output; false if it waits for nothing any more. */
    bool (*waits)(struct net_http_connection *c);
    void (*late)(struct net_http_connection *c);    /* the deadline has passed */
    void (*goodbye)(struct net_http_connection *c); /* a last word before it goes; NULL: none */
    void (*part)(struct net_http_connection *c);    /* the connection goes: let go of its requests */
};

extern const struct net_http_transport net_http_1; /* net_http_1.c */
extern const struct net_http_transport net_http_2; /* net_http_2.c */

/* Takes one of the places of those that speak HTTP/2; false if all are taken. */
bool net_http_reserve_http2(struct net_http_connection *c);
/* From now on this connection, which has such a place, speaks HTTP/2; its input begins with the client's
 * preface. It is gone if that cannot be. */
void net_http_2_start(struct net_http_connection *c);

struct net_http_1_state {
    enum net_http_1_at { IDLE, HEAD, BODY, PENDING, WRITING } at;
    struct net_http_exchange exchange; /* its request: BODY: owned; PENDING: the handler's */
    size_t reply_bytes;                /* WRITING: counted in server->reply_bytes; 0 while it is small */
    size_t skip; /* bytes to come of the body of a request that was refused before them */
    bool keep_alive;
};

TAILQ_HEAD(net_http_connections, net_http_connection);

struct net_http_connection {
    TAILQ_ENTRY(net_http_connection) link;
    TAILQ_ENTRY(net_http_connection) place_link; /* while fresh: in server->fresh; else while idle: in idle */
    TAILQ_ENTRY(net_http_connection) late_link;  /* while one.reply_bytes: in server->writing */
    struct net_http_server *server;
    struct net_stream *stream;
    struct event deadline;
    uint64_t due_ns;   /* when it is late; 0: never */
    uint64_t armed_ns; /* what the timer is set to, not later than that; 0: not set */
    const struct net_http_transport *transport;
    struct net_http_1_state one;
    struct net_http_2 *two; /* NULL while it speaks HTTP/1.1 */
    struct net_tls_http2 http2;
    bool maybe_http2;   /* plain, and its first bytes may be the preface of HTTP/2 */
    bool counted_http2; /* in server->num_http2 */
    bool idle;          /* nothing is asked and nothing is answered */
    bool input_ended;
    bool handshaking;
    bool fresh;               /* no request of it was ever admitted */
    struct sockaddr_in6 peer; /* or a sockaddr_in */
};

struct net_http_server {
    struct net_http_config config;
    struct event_base *base;
    struct event *listener;
    int listener_fd;
    bool listening;     /* listener is pending */
    bool accept_paused; /* out of descriptors a moment ago */
    struct event *accept_again;
    struct event tidy;
    size_t tidied_connections; /* there were so many when the heap was tidied last */
    struct net_stream_common common;
    struct net_http_connections all, fresh, idle;
    struct net_http_connections writing; /* large replies, the oldest first */
    struct net_http_requests arriving;   /* with long bodies, who has waited longest for more first */
    struct net_http_requests whole;      /* with long bodies that their handlers have */
    size_t num_connections;
    size_t num_http2; /* connections that speak HTTP/2, or will after their handshake */
    size_t body_bytes, reply_bytes;
    size_t held; /* by streams of HTTP/2, beyond what each connection may */
    bool closing;
};

void net_http_connection_free(struct net_http_connection *c);
/* Ends the output, then reads and drops until the client closes or its time is up. */
void net_http_connection_close(struct net_http_connection *c);
void net_http_connection_deadline(struct net_http_connection *c, uint32_t seconds);
/* The same by the monotonic clock; 0: it is never late. */
void net_http_connection_alarm(struct net_http_connection *c, uint64_t at_ns);
/* Of those seconds, what a client gets to shake hands or to send a request. */
uint32_t net_http_patience(const struct net_http_server *server, uint32_t seconds);
/* Tells the program; form NULL: the connection ends. Each transport calls it before the request is gone. */
void net_http_tell_answered(const struct net_http_connection *c, struct net_http_request *request,
                            const struct net_http_reply_form *form);
/* Accepts while there is room, or a connection that could make room. */
void net_http_update_listening(struct net_http_server *server);

/* ---- what all share (net_http_room.c) ---- */

/* A new connection is fresh and idle. */
void net_http_connection_enter(struct net_http_connection *c);
void net_http_connection_leave(struct net_http_connection *c);
/* And listens, or no longer, as there is room now. */
void net_http_connection_set_idle(struct net_http_connection *c, bool idle);
/* Asks the program about a request whose head is complete. False: it is answered, and that may have been the
 * end of a connection of HTTP/1.1. */
bool net_http_connection_admits(struct net_http_connection *c, struct net_http_request *request);
/* A place, or a connection that could make room. */
bool net_http_has_room(const struct net_http_server *server);
/* Who makes room; NULL: nobody. */
struct net_http_connection *net_http_first_to_go(struct net_http_server *server);

/* Counts the body as far as it has come, if it is long, and ends requests of others to make room for it.
 * E_TOO_LARGE: even so there is none. */
must_check result net_http_body_count(struct net_http_server *server, struct net_http_request *request);
/* Nothing of it is to come: it stays until the request is freed, or its body is. */
void net_http_body_is_whole(struct net_http_request *request);
/* The server goes; requests that handlers have are not counted any more. */
void net_http_bodies_leave(struct net_http_server *server);

#endif
