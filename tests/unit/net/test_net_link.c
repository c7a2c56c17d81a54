/* test_net_link.c - what a link does with bytes: every one arrives, in order, whichever way it takes, by
 * pipe, by copying, or from one to the other when a socket turns out to know no splice; ends and errors; and
 * what is held meanwhile. */
#include "testing.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_link.h"
#include "net/net_loop.h"

/* ---- sockets that know no splice ---- */

static int refuse_from_socket, refuse_to_socket; /* after so many calls; below zero: never */

ssize_t __real_splice(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags);
ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags);

ssize_t __wrap_splice(int in, off_t *in_at, int out, off_t *out_at, size_t length, unsigned flags)
{
    struct stat status;
    assert_int_equal(fstat(in, &status), 0);
    int *left = S_ISSOCK(status.st_mode) ? &refuse_from_socket : &refuse_to_socket;
    if (*left == 0) {
        errno = EINVAL;
        return -1;
    }
    if (*left > 0)
        --*left;
    return __real_splice(in, in_at, out, out_at, length, flags);
}

/* ---- a link and the ends outside of it ---- */

struct fixture {
    struct net_link_shared shared;
    struct net_link link;
    int ends[2];
    bool is_over;
};

static void on_end(void *context)
{
    struct fixture *f = context;
    net_link_stop(&f->link);
    f->is_over = true;
}

static void make_pair(int pair[2], bool is_tcp)
{
    if (!is_tcp) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
        return;
    }
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    assert_int_equal(connect(pair[0], (struct sockaddr *)&address, length), 0);
    pair[1] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(pair[1] >= 0);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    (void)close(listener);
}

/* kind: 0 both unix, 1 tcp at side 0, 2 tcp at side 1, 3 both tcp */
static void open_link(struct fixture *f, struct event_base *base, struct net_pipes *pipes, unsigned kind)
{
    int left[2], right[2];
    make_pair(left, kind & 1);
    make_pair(right, kind & 2);
    memset(f, 0, sizeof *f);
    f->shared.base = base;
    f->shared.pipes = pipes;
    f->shared.patience_seconds = 20;
    f->ends[0] = left[0];
    f->ends[1] = right[0];
    net_link_start(&f->link, &f->shared, (int[2]){left[1], right[1]}, on_end, f);
}

static void close_end(struct fixture *f, size_t i)
{
    if (f->ends[i] >= 0)
        (void)close(f->ends[i]);
    f->ends[i] = -1;
}

static void close_link(struct fixture *f)
{
    if (!f->is_over)
        net_link_stop(&f->link);
    close_end(f, 0);
    close_end(f, 1);
}

static void turn(struct event_base *base)
{
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static size_t free_pipes(struct net_pipes *pipes)
{
    struct net_pipe *taken[NET_PIPES], *pipe;
    size_t count = 0;
    while (count < NET_PIPES && (pipe = net_pipes_take(pipes)))
        taken[count++] = pipe;
    for (size_t i = 0; i < count; i++)
        net_pipes_give(pipes, taken[i]);
    return count;
}

/* ---- bytes that tell their place ---- */

static unsigned char byte_at(unsigned stream, uint64_t place)
{
    uint64_t x = (place + 1) * 0x9e3779b97f4a7c15u + stream * 0x632be59bd9b4e019u;
    return (unsigned char)(x >> 37 ^ x >> 53);
}

static uint32_t chance_state;

static uint32_t chance(uint32_t below)
{
    chance_state = chance_state * 1664525 + 1013904223;
    return (uint32_t)((uint64_t)(chance_state >> 4) * below >> 28);
}

struct flow {
    unsigned stream;
    uint64_t sent, received, size;
    bool is_shut, has_ended;
};

static unsigned char block[1 << 20];

static void send_some(struct flow *flow, int fd, size_t most)
{
    size_t length = flow->size - flow->sent < most ? (size_t)(flow->size - flow->sent) : most;
    for (size_t i = 0; i < length; i++)
        block[i] = byte_at(flow->stream, flow->sent + i);
    ssize_t sent = length > 0 ? send(fd, block, length, 0) : 0;
    flow->sent += sent > 0 ? (uint64_t)sent : 0;
    if (flow->sent == flow->size && !flow->is_shut) {
        flow->is_shut = true;
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
    }
}

static void receive_some(struct flow *flow, int fd, size_t most)
{
    ssize_t got = recv(fd, block, most, 0);
    if (got == 0)
        flow->has_ended = true;
    for (ssize_t i = 0; i < got; i++) {
        if (block[i] != byte_at(flow->stream, flow->received + (uint64_t)i))
            fail_msg("stream %u: byte %llu is wrong", flow->stream,
                     (unsigned long long)flow->received + (unsigned long long)i);
    }
    flow->received += got > 0 ? (uint64_t)got : 0;
}

/* Sizes of a step: mostly small, sometimes as large as anything that holds bytes here. */
static size_t some_size(void)
{
    static const uint32_t scales[] = {1, 300, 20000, 70000, 300000, sizeof block};
    return 1 + chance(scales[chance(ARRAY_LENGTH(scales))]);
}

static void exchange(struct fixture *f, struct event_base *base, uint64_t up, uint64_t down)
{
    struct flow flows[2] = {{.stream = 1, .size = up}, {.stream = 2, .size = down}};
    uint64_t idle = 0;
    while (!(flows[0].has_ended && flows[1].has_ended)) {
        uint64_t before = flows[0].received + flows[1].received + flows[0].sent + flows[1].sent;
        size_t from = chance(2);
        if (chance(3) > 0)
            send_some(&flows[from], f->ends[from], some_size());
        if (chance(3) > 0)
            receive_some(&flows[from], f->ends[1 - from], some_size());
        for (uint32_t turns = chance(4); turns > 0; turns--)
            turn(base);
        idle = flows[0].received + flows[1].received + flows[0].sent + flows[1].sent == before ? idle + 1 : 0;
        if (idle > 1000)
            (void)usleep(1000);
        assert_true(idle < 6000);
    }
    assert_int_equal(flows[0].received, up);
    assert_int_equal(flows[1].received, down);
    for (int i = 0; i < 100 && !f->is_over; i++)
        turn(base);
    assert_true(f->is_over);
    assert_int_equal(f->shared.copied + f->shared.spliced, up + down);
}

/* ---- tests ---- */

static int setup(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    refuse_from_socket = refuse_to_socket = -1;
    *state = event_base_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    net_loop_free(*state);
    return 0;
}

enum { MEGABYTE = 1 << 20 };

static void every_byte_arrives_by_pipe(void **state)
{
    struct net_pipes *pipes;
    assert_ok(net_pipes_new(&pipes, 2));
    for (unsigned kind = 0; kind < 4; kind++) {
        static struct fixture f;
        chance_state = kind + 1;
        open_link(&f, *state, pipes, kind);
        exchange(&f, *state, 12 * MEGABYTE + 17, 9 * MEGABYTE + 5);
        assert_true(f.shared.spliced > MEGABYTE);
        assert_int_equal(free_pipes(pipes), 2);
        close_link(&f);
    }
    net_pipes_free(pipes);
}

static void every_byte_arrives_by_copying(void **state)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        static struct fixture f;
        chance_state = kind + 11;
        open_link(&f, *state, NULL, kind);
        exchange(&f, *state, 6 * MEGABYTE + 17, 5 * MEGABYTE + 5);
        assert_int_equal(f.shared.spliced, 0);
        close_link(&f);
    }
}

static void a_socket_that_cannot_be_spliced_from_is_copied_from(void **state)
{
    struct net_pipes *pipes;
    assert_ok(net_pipes_new(&pipes, 2));
    for (unsigned kind = 0; kind < 4; kind++) {
        static struct fixture f;
        chance_state = kind + 21;
        refuse_from_socket = kind == 3 ? 5 : 0;
        open_link(&f, *state, pipes, kind);
        exchange(&f, *state, 6 * MEGABYTE + 17, 5 * MEGABYTE + 5);
        assert_int_equal(refuse_from_socket, 0);
        assert_true((f.shared.spliced > 0) == (kind == 3));
        assert_int_equal(free_pipes(pipes), 2);
        close_link(&f);
    }
    net_pipes_free(pipes);
}

static void what_is_in_a_pipe_when_the_sink_refuses_it_is_not_lost(void **state)
{
    struct net_pipes *pipes;
    assert_ok(net_pipes_new(&pipes, 2));
    for (int calls = 0; calls < 12; calls++) {
        static struct fixture f;
        chance_state = (uint32_t)calls + 31;
        refuse_to_socket = calls;
        open_link(&f, *state, pipes, (unsigned)calls % 4);
        exchange(&f, *state, 5 * MEGABYTE + 17, 4 * MEGABYTE + 5);
        assert_int_equal(refuse_to_socket, 0);
        assert_int_equal(free_pipes(pipes), 2);
        close_link(&f);
    }
    net_pipes_free(pipes);
}

/* Fills a link whose other end does not read; how much went in. */
static uint64_t fill(struct fixture *f, struct event_base *base, struct flow *flow, size_t from)
{
    for (int quiet = 0; quiet < 20;) {
        uint64_t before = flow->sent;
        send_some(flow, f->ends[from], sizeof block);
        turn(base);
        quiet = flow->sent == before ? quiet + 1 : 0;
        if (quiet)
            (void)usleep(1000);
    }
    return flow->sent;
}

static void empty(struct fixture *f, struct event_base *base, struct flow *flow, size_t from)
{
    for (int quiet = 0; quiet < 2000 && !flow->has_ended && flow->received < flow->sent;) {
        uint64_t before = flow->received;
        receive_some(flow, f->ends[1 - from], sizeof block);
        turn(base);
        quiet = flow->received == before ? quiet + 1 : 0;
        if (quiet)
            (void)usleep(1000);
    }
    assert_int_equal(flow->received, flow->sent);
}

static void links_without_a_pipe_copy_and_pipes_come_back(void **state)
{
    enum { LINKS = 6 };
    static struct fixture f[LINKS];
    struct flow flows[LINKS];
    struct net_pipes *pipes;
    size_t with_pipe = 0, with_rest = 0;
    assert_ok(net_pipes_new(&pipes, 2));
    for (unsigned i = 0; i < LINKS; i++) {
        open_link(&f[i], *state, pipes, i % 4);
        flows[i] = (struct flow){.stream = i, .size = UINT64_MAX};
        (void)fill(&f[i], *state, &flows[i], i % 2);
    }
    for (unsigned i = 0; i < LINKS; i++) {
        const struct net_link_way *way = &f[i].link.ways[i % 2];
        assert_true(way->waits > 0 && way->waits <= (way->pipe ? NET_PIPE_SIZE : NET_LINK_BUFFER));
        with_pipe += way->pipe != NULL;
        with_rest += way->rest != NULL;
    }
    assert_int_equal(with_pipe, 2);
    assert_int_equal(with_rest, LINKS - 2);
    for (unsigned i = 0; i < LINKS; i++)
        empty(&f[i], *state, &flows[i], i % 2);
    assert_int_equal(free_pipes(pipes), 2);
    for (unsigned i = 0; i < LINKS; i++)
        close_link(&f[i]);
    net_pipes_free(pipes);
}

static void a_pipe_of_a_link_that_was_stopped_is_empty(void **state)
{
    struct net_pipes *pipes;
    assert_ok(net_pipes_new(&pipes, 1));
    for (unsigned i = 0; i < 3; i++) {
        static struct fixture f;
        struct flow flow = {.stream = i, .size = UINT64_MAX};
        open_link(&f, *state, pipes, 0);
        (void)fill(&f, *state, &flow, 0);
        assert_non_null(f.link.ways[0].pipe);
        close_link(&f);
        chance_state = i;
        open_link(&f, *state, pipes, i);
        exchange(&f, *state, 3 * MEGABYTE, 2 * MEGABYTE);
        assert_true(f.shared.spliced > 0);
        close_link(&f);
    }
    net_pipes_free(pipes);
}

static void an_end_waits_for_what_came_before_it(void **state)
{
    struct net_pipes *pipes;
    assert_ok(net_pipes_new(&pipes, 1));
    for (unsigned i = 0; i < 8; i++) {
        static struct fixture f;
        size_t from = i / 4;
        struct flow flow = {.stream = i, .size = UINT64_MAX}, back = {.stream = 9, .size = 5000};
        open_link(&f, *state, pipes, i % 4);
        (void)fill(&f, *state, &flow, from);
        assert_int_equal(shutdown(f.ends[from], SHUT_WR), 0);
        empty(&f, *state, &flow, from);
        for (int j = 0; j < 2000 && !flow.has_ended; j++) {
            turn(*state);
            receive_some(&flow, f.ends[1 - from], 100);
        }
        assert_true(flow.has_ended && !f.is_over);
        send_some(&back, f.ends[1 - from], 5000);
        for (int j = 0; j < 2000 && !back.has_ended; j++) {
            turn(*state);
            receive_some(&back, f.ends[from], 5000);
        }
        assert_int_equal(back.received, 5000);
        turn(*state);
        assert_true(f.is_over);
        close_link(&f);
    }
    net_pipes_free(pipes);
}

/* A server that answers and closes while its client still sends. */
static void the_answer_of_a_side_that_takes_no_more_arrives(void **state)
{
    for (unsigned kind = 0; kind < 3; kind += 2) {
        static struct fixture f;
        struct flow request = {.stream = 1, .size = UINT64_MAX}, answer = {.stream = 2, .size = 1 << 18};
        open_link(&f, *state, NULL, kind);
        (void)fill(&f, *state, &request, 0);
        send_some(&answer, f.ends[1], 100000);
        uint64_t sent = answer.sent;
        assert_true(sent > 0);
        if (kind == 2)
            assert_int_equal(shutdown(f.ends[1], SHUT_RD),
                             0); /* a close with bytes unread would be a reset */
        while (recv(f.ends[1], block, sizeof block, 0) > 0)
            continue;
        close_end(&f, 1);
        for (int i = 0; i < 2000 && !answer.has_ended; i++) {
            turn(*state);
            receive_some(&answer, f.ends[0], sizeof block);
            if (i % 10 == 9)
                (void)usleep(1000);
        }
        assert_int_equal(answer.received, sent);
        assert_true(answer.has_ended && f.is_over);
        close_link(&f);
    }
}

static void a_reset_ends_the_other_side_after_what_came_before(void **state)
{
    struct net_pipes *pipes;
    assert_ok(net_pipes_new(&pipes, 1));
    for (unsigned kind = 1; kind < 4; kind += 2) {
        static struct fixture f;
        struct flow flow = {.stream = kind, .size = UINT64_MAX};
        struct linger linger = {.l_onoff = 1};
        open_link(&f, *state, pipes, kind);
        send_some(&flow, f.ends[0], 20000);
        for (int i = 0; i < 50 && f.shared.copied < flow.sent; i++)
            turn(*state);
        assert_int_equal(setsockopt(f.ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger), 0);
        close_end(&f, 0);
        for (int i = 0; i < 500 && !flow.has_ended; i++) {
            turn(*state);
            receive_some(&flow, f.ends[1], sizeof block);
        }
        assert_int_equal(flow.received, 20000);
        assert_true(flow.has_ended && f.is_over);
        assert_int_equal(free_pipes(pipes), 1);
        close_link(&f);
    }
    net_pipes_free(pipes);
}

static void small_messages_take_no_pipe(void **state)
{
    struct net_pipes *pipes;
    static struct fixture f;
    struct flow flow = {.stream = 1, .size = UINT64_MAX};
    assert_ok(net_pipes_new(&pipes, 1));
    open_link(&f, *state, pipes, 3);
    for (int i = 0; i < 100; i++) {
        send_some(&flow, f.ends[0], 1000);
        empty(&f, *state, &flow, 0);
    }
    assert_int_equal(f.shared.spliced, 0);
    assert_int_equal(f.shared.copied, 100000);
    close_link(&f);
    net_pipes_free(pipes);
}

static void pipes_that_are_not_to_be_had_are_none(void **state)
{
    (void)state;
    struct net_pipes *pipes;
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    result r = net_pipes_new(&pipes, 4);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_ok(r);
    assert_null(net_pipes_take(pipes));
    assert_null(net_pipes_take(NULL));
    net_pipes_free(pipes);
    net_pipes_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_byte_arrives_by_pipe, setup, teardown),
        cmocka_unit_test_setup_teardown(every_byte_arrives_by_copying, setup, teardown),
        cmocka_unit_test_setup_teardown(a_socket_that_cannot_be_spliced_from_is_copied_from, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_in_a_pipe_when_the_sink_refuses_it_is_not_lost, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(links_without_a_pipe_copy_and_pipes_come_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_pipe_of_a_link_that_was_stopped_is_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(an_end_waits_for_what_came_before_it, setup, teardown),
        cmocka_unit_test_setup_teardown(the_answer_of_a_side_that_takes_no_more_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reset_ends_the_other_side_after_what_came_before, setup, teardown),
        cmocka_unit_test_setup_teardown(small_messages_take_no_pipe, setup, teardown),
        cmocka_unit_test_setup_teardown(pipes_that_are_not_to_be_had_are_none, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
