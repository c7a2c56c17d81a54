/* fuzz_control_reply.c - the watchdog's end of the control port: what a hostile enclave may answer. To one
 * request there is one reply, whose body is JSON, or one failure; and the same whatever the pieces in which
 * it comes. The first byte says how long those are. */
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "fuzz_secret.h"
#include "watchdog/watchdog_control.h"

enum { TURNS = 3, BODY_MAX = 4096, PIECES_MAX = 200 };

struct outcome {
    unsigned num_replies, num_failures;
    int status;
    char body[BODY_MAX + 1];
};

static struct event_base *base;
static struct net_address address;
static int listener = -1;

static void on_reply(void *context, int status, const char *body)
{
    struct outcome *o = context;
    if (status == 0) {
        PROMISE(*body);
        o->num_failures++;
        return;
    }
    PROMISE(status >= 100 && status <= 599 && strlen(body) <= BODY_MAX);
    json_t *root = json_loads(body, JSON_REJECT_DUPLICATES, NULL);
    PROMISE(json_is_object(root));
    json_decref(root);
    o->num_replies++;
    o->status = status;
    (void)snprintf(o->body, sizeof o->body, "%s", body);
}

static void turn(void)
{
    for (int i = 0; i < TURNS; i++)
        PROMISE(event_base_loop(base, EVLOOP_NONBLOCK) >= 0);
}

static void remove_socket(void)
{
    (void)unlink(address.host);
}

static void listen_once(void)
{
    char text[64];
    (void)snprintf(text, sizeof text, "unix:/tmp/fuzz_control_reply.%d", (int)getpid());
    PROMISE((base = event_base_new()) && net_address_parse(&address, text).code == 0);
    PROMISE(net_listen(&listener, &address, 4).code == 0 && atexit(remove_socket) == 0);
}

static void run(struct outcome *o, const uint8_t *data, size_t size, size_t piece)
{
    struct watchdog_control *control = NULL;
    AUTO(buffer) text = {0};
    AUTO(secret) last = {0};
    PROMISE(watchdog_control_connect(&control, base, &address, on_reply, o).code == 0);
    int fd = accept(listener, NULL, NULL);
    PROMISE(fd >= 0 && buffer_append_text(&text, "{\"operation\":\"status\"").code == 0);
    PROMISE(secret_copy(&last, "}", 1).code == 0);
    PROMISE(watchdog_control_send(control, &text, &last).code == 0);
    turn();
    for (size_t at = 0; at < size && o->num_replies + o->num_failures == 0; at += piece) {
        size_t step = size - at < piece ? size - at : piece;
        PROMISE(send(fd, data + at, step, MSG_NOSIGNAL) == (ssize_t)step || errno == EPIPE);
        turn();
    }
    (void)close(fd);
    turn();
    watchdog_control_close(control);
    turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, pieces;
    if (size < 2)
        return 0;
    fuzz_open_secret_heap();
    if (listener < 0)
        listen_once();
    memset(&whole, 0, sizeof whole);
    memset(&pieces, 0, sizeof pieces);
    size_t piece = 1 + data[0] % 32;
    if (size / piece > PIECES_MAX)
        piece = size / PIECES_MAX;
    run(&whole, data + 1, size - 1, size);
    run(&pieces, data + 1, size - 1, piece);
    PROMISE(whole.num_replies <= 1 && whole.num_replies + whole.num_failures >= 1);
    /* In pieces the reply may be told before it is seen that more follows. */
    if (whole.num_replies == 1 && whole.num_failures == 0)
        PROMISE(pieces.num_replies == 1 && pieces.status == whole.status &&
                strcmp(pieces.body, whole.body) == 0);
    return 0;
}
