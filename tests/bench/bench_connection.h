/* bench_connection.h - one HTTPS connection with one request under way at a time. */
#ifndef BENCH_CONNECTION_H
#define BENCH_CONNECTION_H

#include <openssl/ssl.h>

#include "base/buffer.h"
#include "base/result.h"
#include "net/net_address.h"

struct bench_connection {
    int fd; /* -1: closed */
    SSL *tls;
    SSL_SESSION *session; /* of the connection before this one, for its ticket; may be NULL */
    bool shaking;         /* hands: not yet for requests */
    bool resumed;         /* the handshake was an abbreviated one */
    struct buffer answer; /* bytes of the answer so far */
    size_t head_length;   /* of the answer, with the empty line; 0 until it is complete */
    size_t body_length;
    int status; /* of the answer */
};

/* Connects and says hello; the connection is still shaking hands. The last answer stays readable. A session
 * that bench_connection_close kept is offered. */
must_check result bench_connection_open(struct bench_connection *c, const struct net_address *address,
                                        SSL_CTX *context);

/* Goes on with the handshake, with what there is; until shaking is false. */
must_check result bench_connection_shake(struct bench_connection *c);

/* Says goodbye and closes; the last answer stays readable. Keeps the session when the next connection shall
 * resume it. */
void bench_connection_close(struct bench_connection *c, bool keeps_session);
void bench_connection_cleanup(struct bench_connection *c);

/* Writes a whole request; blocks for room, which a request of a kilobyte does not need. */
must_check result bench_connection_send(struct bench_connection *c, const struct buffer *request);

/* Reads what there is; *ret_complete when the answer is whole: status and bench_connection_body are then
 * valid until the next send. */
must_check result bench_connection_receive(struct bench_connection *c, bool *ret_complete);
const char *bench_connection_body(const struct bench_connection *c);

#endif
