/* net_http.h - an HTTP server on an event loop, plain or with TLS, behind any listening socket
 * (tcp, unix, vsock). Target net_http.
 *
 * A program may look at each request when its head is complete, and refuse it before its body has come. A
 * handler is called once per complete request that was not refused. It replies now, or keeps the pointer and
 * replies later: the request stays valid until it is replied to, whatever becomes of the client or of the
 * server in the meantime. Exactly one net_http_reply ends it.
 *
 * HTTP/2 is spoken where TLS's ALPN chose it, and without TLS with a client that begins with its preface.
 * When as many connections speak it as may, others are offered HTTP/1.1. Handlers need not know: a request is
 * one stream, several of a connection may wait for their replies at once, and the limits below hold; one
 * connection has up to 512 streams, and what all its streams hold is limited too. Refused beside:
 * connection-specific fields, a Host that is not :authority. A request refused costs its stream, not the
 * connection; a client that makes work for nothing (cancelled streams, frames without a use) is sent away
 * with GOAWAY.
 *
 * The process must ignore SIGPIPE (process_harden does).
 *
 * Limits: time for the TLS handshake and for the first byte of the first request, request line 4 KiB (414),
 * head 8 KiB and 100 fields (431), body (413), time to receive a
 * request (shorter when most places are taken) and time to take a reply (closed), idle time, connections (one
 * is closed to let a new one in: the oldest of those that had no request admitted yet, whatever they are
 * doing, else the longest idle; with neither, clients wait in the listen queue), bytes of all bodies above 16
 * KiB together, until their requests are answered (503: of those that still arrive, the one that has waited
 * longest for more of it), bytes of all streams of HTTP/2 together, the last three quarters of them for
 * connections that had a request admitted. Refused: control bytes, bare LF, folded headers, Content-Length
 * beside Transfer-Encoding, repeated Host or Content-Length, any transfer coding but chunked. A request it
 * refuses by itself is answered with
 * {"error":"..."} and the connection is closed.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include <stdint.h>

#include "base/result.h"

struct event_base;
struct ssl_ctx_st;
struct ssl_st;
struct net_http_server;
struct net_http_request;

enum net_http_method {
    NET_HTTP_GET,
    NET_HTTP_HEAD,
    NET_HTTP_POST,
    NET_HTTP_PUT,
    NET_HTTP_DELETE,
    NET_HTTP_OPTIONS,
    NET_HTTP_OTHER
};

typedef void net_http_handler(void *context, struct net_http_request *request);

/* Whether a request is admitted, by its head: called once for each before more is kept of it than that.
 * False: it has been replied to. Its body is dropped as it comes or, over HTTP/1.1 when it is long or its
 * length is not known, the connection is closed. */
typedef bool net_http_admits(void *context, struct net_http_request *request);

/* Told of a TLS handshake that failed: OpenSSL's words for the reason, and the client's address and port, ""
 * where its socket has none. Clients that just leave, or are too slow, are not worth a word. */
typedef void net_http_refused(void *context, const struct ssl_st *tls, const char *reason,
                              const char *client);

struct net_http_connection;

/* What became of a request, told once for each, before the answer leaves. */
struct net_http_answer {
    struct net_http_request *request; /* NULL: it was refused before it was one */
    const struct net_http_connection *connection;
    int status; /* 0: the connection ended before there was an answer */
    const char *body;
    size_t body_len;
};
typedef void net_http_answered(void *context, const struct net_http_answer *answer);

enum { NET_HTTP_CLIENT_MAX = 72 };
/* "127.0.0.1:50000", "[::1]:50000", "vsock:3:50000"; "" where the client's socket has no address. */
void net_http_client(char ret_text[static NET_HTTP_CLIENT_MAX], const struct net_http_connection *connection);

struct net_http_config {
    struct ssl_ctx_st *tls; /* SSL_CTX, referenced; NULL for plain HTTP */
    net_http_handler *handler;
    net_http_admits *admits;     /* NULL: everybody */
    net_http_refused *refused;   /* may be NULL */
    net_http_answered *answered; /* may be NULL */
    void *context;
    uint32_t max_connections;         /* 0: 4,096 */
    uint32_t idle_timeout_seconds;    /* 0: 30; announced in Keep-Alive */
    uint32_t request_timeout_seconds; /* 0: 30; to begin the first request, to receive one, to take a reply */
    uint32_t max_body;                /* bytes; 0: 10 MiB */
    uint32_t max_http2;               /* connections that may speak HTTP/2; 0: HTTP/1.1 only */
    uint32_t max_bodies;              /* bytes of all bodies above 16 KiB; 0: 64 MiB, at least max_body */
};

/* A server in that event base that serves nothing yet; the configuration is copied. */
must_check result net_http_server_new(struct net_http_server **ret_server, struct event_base *base,
                                      const struct net_http_config *config);
/* Serves a listening, non-blocking socket; once per server. The server owns the descriptor only on success.
 */
must_check result net_http_server_accept(struct net_http_server *server, int listener);
/* Another key and certificate for connections to come; only for a server that was made with TLS. */
void net_http_server_set_tls(struct net_http_server *server, struct ssl_ctx_st *tls);
/* Closes everything. Requests that still wait for their reply stay valid; replying then only frees them. */
void net_http_server_free(struct net_http_server *server);
/* Open connections, for health and tests. */
size_t net_http_server_connections(const struct net_http_server *server);

/* Of the request line. */
enum net_http_method net_http_method(const struct net_http_request *request);
/* Percent-decoded, without the query, doubled slashes collapsed, without a trailing slash (but "/" itself);
 * no NUL or control bytes. */
const char *net_http_path(const struct net_http_request *request);
/* What is left of it for the handler: all, or what was set; left is of that path or outlives the request. */
const char *net_http_path_left(const struct net_http_request *request);
void net_http_set_path_left(struct net_http_request *request, const char *left);
/* The query as sent, without '?'; "" if none. */
const char *net_http_query(const struct net_http_request *request);
/* The value of a header, name in any case; repeated fields joined by ", " (valid until the next call);
 * NULL if absent. */
const char *net_http_header(struct net_http_request *request, const char *name);
/* The host without port and without brackets, lower case; "" if an HTTP/1.0 client sent none. */
const char *net_http_host(const struct net_http_request *request);
/* The whole body, followed by a NUL byte that is not counted. */
const char *net_http_body(const struct net_http_request *request, size_t *ret_len);

/* Overwrites the body, which had secrets. What of it libevent has copied meanwhile is its allocator's to
 * wipe (event_set_mem_functions). */
void net_http_body_wipe(struct net_http_request *request);
/* Lets go of the body, which is read: it may be long, and the reply far away. It is empty from then on. */
void net_http_body_free(struct net_http_request *request);

/* Nobody will get the reply, as far as is known: with HTTP/1.1 that may show only when it is sent. */
bool net_http_is_gone(const struct net_http_request *request);

/* When its head was complete, by the monotonic clock. */
uint64_t net_http_began_ns(const struct net_http_request *request);
/* A number of the handler's own; 0 until it is set. */
uint64_t net_http_note(const struct net_http_request *request);
void net_http_set_note(struct net_http_request *request, uint64_t note);

/* Adds a header to the reply to come; both are copied. Ignored beyond 8 headers; never from outside bytes. */
void net_http_reply_header(struct net_http_request *request, const char *name, const char *value);
/* Sends the reply and frees the request. content_type NULL for none; the body is copied. */
void net_http_reply(struct net_http_request *request, int status, const char *content_type, const void *body,
                    size_t body_len);

#endif
