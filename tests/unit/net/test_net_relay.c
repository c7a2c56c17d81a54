/* test_net_relay.c - links whose one side has ended: how long the other may keep its place. What a relay does
 * with bytes is met in tests/integration/test_proxy.py. */
#include "testing.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_address.h"
#include "net/net_loop.h"
#include "net/net_relay.h"

struct fixture {
    char folder[32];
    struct event_base *base;
    struct net_relay *relay;
    int target; /* listens */
    int client, server;
};

static void listen_at(int *ret_fd, struct net_address *ret_address, const char *folder, const char *name)
{
    char text[64];
    (void)snprintf(text, sizeof text, "unix:%s/%s", folder, name);
    assert_ok(net_address_parse(ret_address, text));
    assert_ok(net_listen(ret_fd, ret_address, 8));
}

static void turn(struct event_base *base, unsigned ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000};
    (void)event_base_loopexit(base, &time);
    (void)event_base_dispatch(base);
}

static uint32_t open_links(const struct fixture *f)
{
    struct net_relay_counts counts;
    net_relay_count(&counts, f->relay);
    return counts.open;
}

static int setup(void **state)
{
    static struct fixture f;
    struct net_address in;
    struct net_relay_config config = {
        .max_connections = 4, .connect_timeout_seconds = 5, .patience_seconds = 1};
    int listener = -1;
    (void)signal(SIGPIPE, SIG_IGN);
    memcpy(f.folder, "/tmp/test_relay_XXXXXX", 23);
    assert_non_null(mkdtemp(f.folder));
    f.base = event_base_new();
    listen_at(&f.target, &config.target, f.folder, "out");
    listen_at(&listener, &in, f.folder, "in");
    assert_ok(net_relay_new(&f.relay, f.base, &config, listener));
    assert_ok(net_connect(&f.client, &in, 1000));
    turn(f.base, 50);
    f.server = accept(f.target, NULL, NULL);
    assert_true(f.server >= 0);
    assert_int_equal(open_links(&f), 1);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char path[64];
    net_relay_free(f->relay);
    net_loop_free(f->base);
    (void)close(f->target);
    (void)close(f->client);
    (void)close(f->server);
    (void)snprintf(path, sizeof path, "%s/in", f->folder);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s/out", f->folder);
    (void)unlink(path);
    (void)rmdir(f->folder);
    return 0;
}

static void end_the_server(struct fixture *f)
{
    (void)close(f->server);
    f->server = -1;
}

static void two_open_sides_may_be_silent(void **state)
{
    struct fixture *f = *state;
    turn(f->base, 1500);
    assert_int_equal(open_links(f), 1);
}

static void a_client_that_does_not_close_loses_its_place(void **state)
{
    struct fixture *f = *state;
    end_the_server(f);
    turn(f->base, 500);
    assert_int_equal(open_links(f), 1);
    turn(f->base, 1200);
    assert_int_equal(open_links(f), 0);
}

static void a_client_that_does_not_read_loses_its_place(void **state)
{
    struct fixture *f = *state;
    static char block[1 << 20];
    while (send(f->server, block, sizeof block, MSG_DONTWAIT) > 0)
        turn(f->base, 20);
    end_the_server(f);
    turn(f->base, 500);
    assert_int_equal(open_links(f), 1);
    turn(f->base, 3000);
    assert_int_equal(open_links(f), 0);
}

static void an_answer_that_goes_on_is_not_cut(void **state)
{
    struct fixture *f = *state;
    (void)shutdown(f->client, SHUT_WR);
    char byte;
    for (int i = 0; i < 5; i++) {
        turn(f->base, 500);
        assert_int_equal(send(f->server, "x", 1, 0), 1);
    }
    turn(f->base, 50);
    for (int i = 0; i < 5; i++)
        assert_int_equal(recv(f->client, &byte, 1, MSG_DONTWAIT), 1);
    assert_int_equal(open_links(f), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(two_open_sides_may_be_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_close_loses_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(a_client_that_does_not_read_loses_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_goes_on_is_not_cut, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
