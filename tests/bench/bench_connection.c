/* bench_connection.c - the least HTTP/1.1 that a load generator needs: status line, Content-Length,
 * body. A library would spend more on each request than the signer's own front does, on the
 * same cores. */
#include "bench_connection.h"

#include <openssl/err.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

enum { WAIT_MS = 10000, ANSWER_MAX = 65536 };

void bench_connection_close(struct bench_connection *c, bool keeps_session)
{
    if (c->tls && !c->shaking) {
        (void)SSL_shutdown(c->tls);
        SSL_SESSION_free(c->session);
        c->session = keeps_session ? SSL_get1_session(c->tls) : NULL;
    }
    SSL_free(c->tls);
    c->tls = NULL;
    fd_auto_close(&c->fd);
    c->fd = -1;
}

void bench_connection_cleanup(struct bench_connection *c)
{
    bench_connection_close(c, false);
    SSL_SESSION_free(c->session);
    buffer_cleanup(&c->answer);
    *c = (struct bench_connection){.fd = -1};
}

/* Waits until the operation that returned code can go on; E_PEER when it cannot. */
static result wait_for(const struct bench_connection *c, int code)
{
    int why = SSL_get_error(c->tls, code);
    ENSURE(why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE, E_PEER, "TLS: %s",
           ERR_error_string(ERR_peek_last_error(), NULL));
    struct pollfd wanted = {.fd = c->fd, .events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
    ENSURE(poll(&wanted, 1, WAIT_MS) == 1, E_TIMEOUT, "TLS: no answer in %d ms", WAIT_MS);
    return RESULT_OK;
}

result bench_connection_open(struct bench_connection *c, const struct net_address *address, SSL_CTX *context)
{
    TRY(net_connect(&c->fd, address, WAIT_MS));
    c->shaking = true;
    c->tls = SSL_new(context);
    ENSURE(c->tls && SSL_set_fd(c->tls, c->fd) == 1, E_MEMORY, "no TLS connection");
    ENSURE(!c->session || SSL_set_session(c->tls, c->session) == 1, E_MEMORY, "no TLS session");
    return bench_connection_shake(c);
}

result bench_connection_shake(struct bench_connection *c)
{
    int code = SSL_connect(c->tls);
    ENSURE(code == 1 || SSL_get_error(c->tls, code) == SSL_ERROR_WANT_READ, E_PEER, "TLS: %s",
           ERR_error_string(ERR_peek_last_error(), NULL));
    c->shaking = code != 1;
    c->resumed = code == 1 && SSL_session_reused(c->tls);
    return RESULT_OK;
}

result bench_connection_send(struct bench_connection *c, const struct buffer *request)
{
    buffer_consume(&c->answer, c->answer.length);
    c->head_length = c->body_length = 0;
    for (;;) {
        int code = SSL_write(c->tls, request->data, (int)request->length);
        if (code == (int)request->length)
            return RESULT_OK;
        TRY(wait_for(c, code));
    }
}

/* Status and body length from a head that is complete, else nothing yet. */
static result read_head(struct bench_connection *c)
{
    const char *text = (const char *)c->answer.data;
    const char *end = c->answer.length ? strstr(text, "\r\n\r\n") : NULL;
    if (!end)
        return RESULT_OK;
    const char *length = strcasestr(text, "\r\nContent-Length:");
    ENSURE(strncmp(text, "HTTP/1.1 ", 9) == 0 && length && length < end, E_PEER,
           "an answer without status or length");
    c->status = (int)strtol(text + 9, NULL, 10);
    c->body_length = strtoul(length + strlen("\r\nContent-Length:"), NULL, 10);
    ENSURE(c->body_length <= ANSWER_MAX, E_PEER, "an answer that is too long");
    c->head_length = (size_t)(end - text) + 4;
    return RESULT_OK;
}

result bench_connection_receive(struct bench_connection *c, bool *ret_complete)
{
    uint8_t bytes[8192];
    int code = SSL_read(c->tls, bytes, sizeof bytes);
    while (code > 0) {
        TRY(buffer_append(&c->answer, bytes, (size_t)code));
        ENSURE(c->answer.length <= ANSWER_MAX, E_PEER, "an answer that is too long");
        code = SSL_read(c->tls, bytes, sizeof bytes);
    }
    ENSURE(SSL_get_error(c->tls, code) == SSL_ERROR_WANT_READ, E_PEER, "the signer closed a kept connection");
    if (c->head_length == 0)
        TRY(read_head(c));
    *ret_complete = c->head_length && c->answer.length >= c->head_length + c->body_length;
    return RESULT_OK;
}

const char *bench_connection_body(const struct bench_connection *c)
{
    return (const char *)c->answer.data + c->head_length;
}
