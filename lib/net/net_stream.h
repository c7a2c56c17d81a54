/* net_stream.h - a connected socket on an event loop, plain or as the server of TLS; inside net_http only.
 *
 * Bytes come into an input buffer and go out of an output buffer. Every callback may free the stream; none is
 * called from within a function of this file that the owner calls. */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <event2/event_struct.h>
#include <openssl/ssl.h>

#include "base/result.h"

struct event_base;
struct evbuffer;
struct net_stream;

/* A stream holds no more input than this; the rest waits in the kernel, and in OpenSSL one record. */
enum { NET_STREAM_INPUT_MAX = 16384 };

/* What the streams of a server share; it must outlive them. */
struct net_stream_common {
    struct event turn;
    unsigned steps; /* of handshakes, in this turn */
    /* Where input arrives. Not on the stack: what is there the compiler zeroes, each time all of it. */
    uint8_t arriving[NET_STREAM_INPUT_MAX];
};
void net_stream_common_open(struct net_stream_common *common, struct event_base *base);
void net_stream_common_close(struct net_stream_common *common);

struct net_stream_events {
    void (*connected)(void *context); /* TLS only: the handshake is done; before any input */
    void (*read)(void *context);      /* there is input, and reading is on */
    void (*written)(void *context);   /* the output, which net_stream_send left some of, is empty */
    /* Nothing more comes; failed: nothing goes out either, and the owner frees it. */
    void (*ended)(void *context, bool failed);
};

/* Reads and, with TLS, shakes hands from the next turn of the loop on. events must outlive it. Owns the
 * descriptor, which does not block, only on success. */
must_check result net_stream_new(struct net_stream **ret_stream, struct event_base *base, int descriptor,
                                 SSL_CTX *tls, struct net_stream_common *common,
                                 const struct net_stream_events *events, void *context);
/* Closes at once. */
void net_stream_free(struct net_stream *stream);

struct evbuffer *net_stream_input(const struct net_stream *stream);
struct evbuffer *net_stream_output(const struct net_stream *stream);
/* Switching it on again tells of input that was left, too. */
void net_stream_set_reading(struct net_stream *stream, bool reading);
/* Writes what the socket takes now, the rest when it can; true if nothing is left. */
bool net_stream_send(struct net_stream *stream);
/* Says that no more will come, in TLS's words; the output ought to be empty. */
void net_stream_say_end(struct net_stream *stream);
/* The same, in TCP's words too. */
void net_stream_end_output(struct net_stream *stream);

/* NULL if it is plain. */
SSL *net_stream_tls(const struct net_stream *stream);
/* Why it failed: OpenSSL's code, 0 if it was not OpenSSL that complained. */
unsigned long net_stream_error(const struct net_stream *stream);

#endif
