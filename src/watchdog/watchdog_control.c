/* watchdog_control.c - a bufferevent on the control connection.
 *
 * The secret part of a message is handed to libevent by reference and wiped once it has been
 * written: libevent would copy anything else into its own, ordinary memory. */
#include "watchdog_control.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <stdlib.h>
#include <string.h>

#include "net/net_frame.h"
#include "json/json.h"

enum { REPLY_MAX = 64 * 1024, BODY_MAX = 4096, REPLY_VALUES_MAX = 64, CONNECT_MS = 1000 };

struct watchdog_control {
    struct bufferevent *stream;
    struct net_frame_parser parser;
    bool asked; /* a request is out and unanswered */
    watchdog_on_reply on_reply;
    void *context;
};

/* Splits {"status": n, "body": {...}}; ret_body becomes the text of the body. */
static must_check result parse_reply(int *ret_status, char ret_body[static BODY_MAX + 1],
                                     const uint8_t *message, size_t message_len)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, body;
    uint64_t status;
    TRY(json_read(&document, (const char *)message, message_len, REPLY_MAX, REPLY_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_u64(&status, &root, "status"));
    ENSURE(status >= 100 && status <= 599, E_INPUT, "status: must be from 100 to 599");
    TRY(json_get_object(&body, &root, "body"));
    size_t length = json_dumpb(body.value, ret_body, BODY_MAX, JSON_COMPACT);
    ENSURE(length > 0 && length <= BODY_MAX, E_TOO_LARGE, "body: longer than any reply to what we ask");
    ret_body[length] = 0;
    *ret_status = (int)status;
    return RESULT_OK;
}

static must_check result feed(struct watchdog_control *c)
{
    uint8_t bytes[4096];
    int length = evbuffer_remove(bufferevent_get_input(c->stream), bytes, sizeof bytes);
    ENSURE(length > 0, E_PEER, "nothing to read");
    return net_frame_feed(&c->parser, bytes, (size_t)length);
}

/* The reply, if all of it is here. One request has one reply: anything beside it is a breach, so that neither
 * an enclave that floods us costs memory nor its words are taken for the answer to a later request. */
static must_check result read_reply(struct watchdog_control *c, bool *ret_have, int *ret_status,
                                    char ret_body[static BODY_MAX + 1])
{
    struct evbuffer *input = bufferevent_get_input(c->stream);
    const uint8_t *message = NULL;
    size_t length = 0;
    bool have = false;
    ENSURE(c->asked, E_PEER, "the enclave answers what nobody asked");
    while (!have && evbuffer_get_length(input) > 0) {
        TRY(feed(c));
        TRY(net_frame_next(&c->parser, &have, &message, &length));
    }
    if (have) {
        ENSURE(c->parser.taken == c->parser.held.length && evbuffer_get_length(input) == 0, E_PEER,
               "the enclave answers what nobody asked");
        TRY(parse_reply(ret_status, ret_body, message, length));
        c->asked = false;
    }
    *ret_have = have;
    return RESULT_OK;
}

static void on_read(struct bufferevent *stream, void *context)
{
    (void)stream;
    struct watchdog_control *c = context;
    int status = 0;
    char body[BODY_MAX + 1];
    bool have = false;
    result r = read_reply(c, &have, &status, body);
    /* The callback may close the connection: c is not touched again. */
    if (r.code)
        c->on_reply(c->context, 0, error_text());
    else if (have)
        c->on_reply(c->context, status, body);
}

static void on_event(struct bufferevent *stream, short what, void *context)
{
    (void)stream;
    struct watchdog_control *c = context;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        c->on_reply(c->context, 0, "the enclave closed the control connection");
}

result watchdog_control_connect(struct watchdog_control **ret_control, struct event_base *base,
                                const struct net_address *address, watchdog_on_reply on_reply, void *context)
{
    AUTO_FD fd = -1;
    TRY(net_connect(&fd, address, CONNECT_MS));
    struct watchdog_control *c = calloc(1, sizeof *c);
    ENSURE(c, E_MEMORY, "no memory for a connection");
    c->stream = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!c->stream) {
        free(c);
        FAIL(E_MEMORY, "no memory for a connection");
    }
    (void)fd_take(&fd);
    c->parser.max_length = REPLY_MAX;
    c->on_reply = on_reply;
    c->context = context;
    bufferevent_setcb(c->stream, on_read, NULL, on_event, c);
    if (bufferevent_enable(c->stream, EV_READ | EV_WRITE) != 0) {
        watchdog_control_close(c);
        FAIL(E_IO, "the control connection cannot be watched");
    }
    *ret_control = c;
    return RESULT_OK;
}

void watchdog_control_close(struct watchdog_control *c)
{
    if (!c)
        return;
    bufferevent_free(c->stream);
    net_frame_parser_cleanup(&c->parser);
    free(c);
}

static void wipe_written(const void *data, size_t data_len, void *context)
{
    (void)data;
    (void)data_len;
    struct secret *secret = context;
    secret_cleanup(secret);
    free(secret);
}

static must_check result add_secret(struct evbuffer *output, struct secret *tail)
{
    struct secret *kept = malloc(sizeof *kept);
    ENSURE(kept, E_MEMORY, "no memory for a message");
    *kept = *tail;
    *tail = (struct secret){0};
    if (evbuffer_add_reference(output, kept->data, kept->length, wipe_written, kept) != 0) {
        wipe_written(NULL, 0, kept);
        FAIL(E_MEMORY, "no memory for a message");
    }
    return RESULT_OK;
}

result watchdog_control_send(struct watchdog_control *c, const struct buffer *text,
                             struct secret *secret_tail)
{
    struct evbuffer *output = bufferevent_get_output(c->stream);
    uint8_t header[NET_FRAME_HEADER_LEN];
    size_t length = text->length + secret_tail->length + 1;
    ENSURE(length <= UINT32_MAX, E_TOO_LARGE, "the message is too long");
    net_frame_header(header, (uint32_t)length);
    ENSURE(evbuffer_add(output, header, sizeof header) == 0 &&
               evbuffer_add(output, text->data, text->length) == 0,
           E_MEMORY, "no memory for a message");
    if (secret_tail->length)
        TRY(add_secret(output, secret_tail));
    ENSURE(evbuffer_add(output, "}", 1) == 0, E_MEMORY, "no memory for a message");
    c->asked = true;
    return RESULT_OK;
}
