/* http_fixture.h - a server of net_http in a thread of its own, and plain blocking sockets as its clients. */
#ifndef NET_HTTP_FIXTURE_H
#define NET_HTTP_FIXTURE_H

#include "testing.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_address.h"
#include "net/net_http.h"

enum { LATER_MS = 30, HELD_MAX = 64 };

struct fixture {
    char folder[32];
    struct net_address address;
    struct event_base *base;
    struct net_http_server *server;
    struct event *stop;
    int stop_pipe[2];
    pthread_t thread;
    struct net_http_request *held[HELD_MAX];
    size_t num_held;
    atomic_int handled;
};

static struct fixture f;

static inline void reply_later(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    net_http_reply(context, 200, "text/plain", "later", 5);
}

static inline void handle(void *context, struct net_http_request *request)
{
    (void)context;
    atomic_fetch_add(&f.handled, 1);
    const char *path = net_http_path(request);
    size_t body_len;
    const char *body = net_http_body(request, &body_len);
    if (strcmp(path, "/later") == 0) {
        struct timeval delay = {.tv_usec = LATER_MS * 1000};
        (void)event_base_once(f.base, -1, EV_TIMEOUT, reply_later, request, &delay);
    } else if (strncmp(path, "/held", 5) == 0 && f.num_held < HELD_MAX) {
        if (strcmp(path, "/held/read") == 0)
            net_http_body_free(request);
        f.held[f.num_held++] = request;
    } else if (strcmp(path, "/echo") == 0) {
        const char *accept = net_http_header(request, "accept");
        net_http_reply_header(request, "x-accept", accept ? accept : "none");
        net_http_reply(request, 200, "text/plain", body, body_len);
    } else {
        net_http_reply(request, 404, NULL, "", 0);
    }
}

/* For .admits: who may ask, by the path alone. */
static inline bool admit(void *context, struct net_http_request *request)
{
    (void)context;
    if (strncmp(net_http_path(request), "/stranger", 9) != 0)
        return true;
    net_http_reply(request, 403, "text/plain", "no", 2);
    return false;
}

static inline void on_stop(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context;
    (void)event_base_loopbreak(f.base);
}

static inline void *serve(void *unused)
{
    (void)event_base_dispatch(f.base);
    return unused;
}

static inline void start_at(struct net_http_config config, bool local)
{
    memset(&f, 0, sizeof f);
    memcpy(f.folder, "/tmp/test_http_XXXXXX", 22);
    assert_non_null(mkdtemp(f.folder));
    char text[64];
    (void)snprintf(text, sizeof text, "unix:%s/s", f.folder);
    assert_ok(net_address_parse(&f.address, local ? text : "tcp:127.0.0.1:0"));
    int listener = -1;
    assert_ok(net_listen(&listener, &f.address, 128));
    if (!local)
        assert_ok(net_local_port(&f.address.port, listener));
    assert_int_equal(pipe(f.stop_pipe), 0);
    f.base = event_base_new();
    f.stop = event_new(f.base, f.stop_pipe[0], EV_READ, on_stop, NULL);
    assert_int_equal(event_add(f.stop, NULL), 0);
    config.handler = handle;
    assert_ok(net_http_server_new(&f.server, f.base, &config));
    assert_ok(net_http_server_accept(f.server, listener));
    assert_int_equal(pthread_create(&f.thread, NULL, serve, NULL), 0);
}

static inline void start(struct net_http_config config)
{
    start_at(config, false);
}

static inline void stop_thread(void)
{
    assert_int_equal(write(f.stop_pipe[1], "x", 1), 1);
    assert_int_equal(pthread_join(f.thread, NULL), 0);
}

static inline void stop(void)
{
    stop_thread();
    net_http_server_free(f.server);
    /* Replying to nobody is the only way to give a held request back. */
    for (size_t i = 0; i < f.num_held; i++)
        net_http_reply(f.held[i], 200, "text/plain", "too late", 8);
    /* Lets what event_base_once still holds run out. */
    (void)usleep((LATER_MS + 10) * 1000);
    (void)event_base_loop(f.base, EVLOOP_NONBLOCK);
    event_free(f.stop);
    event_base_free(f.base);
    (void)close(f.stop_pipe[0]);
    (void)close(f.stop_pipe[1]);
    if (f.address.family == NET_UNIX)
        (void)unlink(f.address.host);
    (void)rmdir(f.folder);
}

static inline void wait_for_connections(size_t count)
{
    uint64_t deadline = clock_monotonic_ns() + 60000000000;
    while (net_http_server_connections(f.server) != count && clock_monotonic_ns() < deadline)
        (void)usleep(2000);
    assert_int_equal(net_http_server_connections(f.server), count);
}

static inline void wait_for_handled(int count)
{
    uint64_t deadline = clock_monotonic_ns() + 60000000000;
    while (f.handled < count && clock_monotonic_ns() < deadline)
        (void)usleep(1000);
    assert_true(f.handled >= count);
}

static inline int client(void)
{
    int fd = -1;
    assert_ok(net_connect(&fd, &f.address, 2000));
    return fd;
}

static inline void send_bytes(int fd, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        struct pollfd wait = {.fd = fd, .events = POLLOUT};
        assert_int_equal(poll(&wait, 1, 5000), 1);
        ssize_t n = send(fd, text + at, length - at, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n < 0)
            return; /* the server gave up on us, which is what some tests want */
        at += (size_t)n;
    }
}

static inline void send_text(int fd, const char *text)
{
    send_bytes(fd, text, strlen(text));
}

/* Reads until the text has arrived, the server closes, or time is up; returns what came. */
static inline const char *receive_until(int fd, const char *text, int timeout_ms)
{
    static char got[65536];
    size_t length = 0;
    uint64_t deadline = clock_monotonic_ns() + (uint64_t)timeout_ms * 1000000;
    got[0] = 0;
    while ((!text || !strstr(got, text)) && clock_monotonic_ns() < deadline && length < sizeof got - 1) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, 20) <= 0)
            continue;
        ssize_t n = recv(fd, got + length, sizeof got - 1 - length, 0);
        if (n <= 0)
            break;
        length += (size_t)n;
        got[length] = 0;
    }
    return got;
}

static inline void assert_starts(const char *got, const char *with)
{
    if (strncmp(got, with, strlen(with)) != 0)
        fail_msg("expected %s, got %s", with, got);
}

#endif
