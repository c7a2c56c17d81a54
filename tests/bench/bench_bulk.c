/* bench_bulk.c - how many bytes a second go over many connections, sent as fast as they are taken: a sink
 * that listens and a source that connects, to the sink or to a relay before it, a thread each.
 *
 * iperf3 does so for one connection. For a thousand it needs eight processes a side, which make a file for
 * every connection, look at all of theirs by select(2) for every block and outnumber a relay of one process
 * on two processors: then it measures itself. Here both sides are epoll loops with blocks of iperf3's size.
 * The clock runs between the moments when a sink has run for the warm-up and for the time asked for. Prints
 * one JSON line.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "bench_samples.h"
#include "net/net_address.h"

enum { BLOCK = 131072, BLOCKS_A_TURN = 4, EVENTS = 256, WAIT_MS = 50, CONNECT_MS = 10000, ACCEPT_MS = 10000 };

struct bulk {
    struct net_address sink_address, address;
    uint32_t connections, milliseconds, warm_up_ms;
    int listener, sink_loop, source_loop;
    int *fds; /* first the source's, then the sink's */
    uint32_t num_fds;
    atomic_uint_least64_t received;
    atomic_bool is_over, has_failed;
};

static void bulk_cleanup(struct bulk *b)
{
    /* By resets: else a relay would have gigabytes left to read, beside whoever is measured next. */
    const struct linger at_once = {.l_onoff = 1};
    for (uint32_t i = 0; i < b->num_fds; i++) {
        (void)setsockopt(b->fds[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        (void)close(b->fds[i]);
    }
    free(b->fds);
    fd_auto_close(&b->listener);
    fd_auto_close(&b->sink_loop);
    fd_auto_close(&b->source_loop);
}

static must_check result watch(int loop, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    ENSURE(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &event) == 0, E_IO, "epoll_ctl");
    return RESULT_OK;
}

/* The relay has to connect before the next one does: no queue of the sink's can be too short. */
static must_check result accept_one(struct bulk *b)
{
    uint64_t until = clock_monotonic_ns() + (uint64_t)ACCEPT_MS * 1000000;
    const struct timespec pause = {.tv_nsec = 20000};
    int fd;
    while ((fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) < 0) {
        ENSURE((errno == EAGAIN || errno == EINTR) && clock_monotonic_ns() < until, E_TIMEOUT,
               "connection %u did not reach the sink", b->num_fds / 2 + 1);
        (void)nanosleep(&pause, NULL);
    }
    b->fds[b->num_fds++] = fd;
    return watch(b->sink_loop, fd, EPOLLIN);
}

static must_check result connect_all(struct bulk *b)
{
    b->sink_loop = epoll_create1(EPOLL_CLOEXEC);
    b->source_loop = epoll_create1(EPOLL_CLOEXEC);
    b->fds = calloc((size_t)b->connections * 2, sizeof *b->fds);
    ENSURE(b->sink_loop >= 0 && b->source_loop >= 0 && b->fds, E_MEMORY, "no loops");
    TRY(net_listen(&b->listener, &b->sink_address, 1024));
    for (uint32_t i = 0; i < b->connections; i++) {
        int fd;
        TRY(net_connect(&fd, &b->address, CONNECT_MS));
        b->fds[b->num_fds++] = fd;
        TRY(watch(b->source_loop, fd, EPOLLOUT));
        TRY(accept_one(b));
    }
    return RESULT_OK;
}

/* Both move at most BLOCKS_A_TURN blocks; false when the connection is gone. */
static bool take(struct bulk *b, int fd, char *block)
{
    for (int i = 0; i < BLOCKS_A_TURN; i++) {
        ssize_t got = recv(fd, block, BLOCK, 0);
        if (got > 0)
            atomic_fetch_add_explicit(&b->received, (uint64_t)got, memory_order_relaxed);
        if (got < BLOCK)
            return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
    }
    return true;
}

static bool give(struct bulk *b, int fd, char *block)
{
    (void)b;
    for (int i = 0; i < BLOCKS_A_TURN; i++) {
        ssize_t sent = send(fd, block, BLOCK, MSG_NOSIGNAL);
        if (sent < BLOCK)
            return sent > 0 || (sent < 0 && (errno == EAGAIN || errno == EINTR));
    }
    return true;
}

static void turn(struct bulk *b, int loop, bool (*serve)(struct bulk *b, int fd, char *block))
{
    static _Thread_local char block[BLOCK];
    struct epoll_event events[EVENTS];
    while (!atomic_load_explicit(&b->is_over, memory_order_relaxed)) {
        int ready = epoll_wait(loop, events, EVENTS, WAIT_MS);
        for (int i = 0; i < ready; i++) {
            if (!serve(b, events[i].data.fd, block)) {
                atomic_store(&b->has_failed, true);
                return;
            }
        }
    }
}

static void *run_sink(void *context)
{
    struct bulk *b = context;
    turn(b, b->sink_loop, take);
    return NULL;
}

static void *run_source(void *context)
{
    struct bulk *b = context;
    turn(b, b->source_loop, give);
    return NULL;
}

static void sleep_ms(uint32_t milliseconds)
{
    struct timespec time = {.tv_sec = milliseconds / 1000, .tv_nsec = (long)(milliseconds % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

struct mark {
    uint64_t bytes, at_ns;
    double cpu_seconds;
};

static struct mark now(struct bulk *b)
{
    return (struct mark){atomic_load(&b->received), clock_monotonic_ns(), bench_cpu_seconds()};
}

static must_check result measure(struct bulk *b)
{
    pthread_t sink, source;
    ENSURE(pthread_create(&sink, NULL, run_sink, b) == 0, E_MEMORY, "no thread");
    if (pthread_create(&source, NULL, run_source, b) != 0) {
        atomic_store(&b->is_over, true);
        (void)pthread_join(sink, NULL);
        return error_set(E_MEMORY, "no thread");
    }
    sleep_ms(b->warm_up_ms);
    struct mark start = now(b);
    printf("{\"started\": true}\n");
    (void)fflush(stdout);
    sleep_ms(b->milliseconds);
    struct mark end = now(b);
    atomic_store(&b->is_over, true);
    (void)pthread_join(sink, NULL);
    (void)pthread_join(source, NULL);
    ENSURE(!atomic_load(&b->has_failed), E_IO, "a connection ended");
    printf("{\"bytes\": %llu, \"seconds\": %.4f, \"cpu_seconds\": %.4f}\n",
           (unsigned long long)(end.bytes - start.bytes), (double)(end.at_ns - start.at_ns) / 1e9,
           end.cpu_seconds - start.cpu_seconds);
    return RESULT_OK;
}

static must_check result parse(struct bulk *b, int argc, char *const argv[])
{
    const char *sink = NULL, *address = NULL;
    const struct option table[] = {
        {"sink", OPTION_TEXT, &sink, "where to listen", 0, 0},
        {"address", OPTION_TEXT, &address, "where to connect to: the sink, or a relay to it", 0, 0},
        {"connections", OPTION_U32, &b->connections, "at once (1)", 1, 10000},
        {"milliseconds", OPTION_U32, &b->milliseconds, "the clock runs (2000)", 1, 60000},
        {"warm-up-ms", OPTION_U32, &b->warm_up_ms, "before (300)", 0, 60000},
    };
    int next = 0;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table), "bench_bulk [options]", argc, argv));
    ENSURE(next == argc && sink && address, E_INPUT, "give --sink and --address and nothing but options");
    TRY(net_address_parse(&b->sink_address, sink));
    return net_address_parse(&b->address, address);
}

int main(int argc, char *argv[])
{
    AUTO(bulk)
    b = {.connections = 1,
         .milliseconds = 2000,
         .warm_up_ms = 300,
         .listener = -1,
         .sink_loop = -1,
         .source_loop = -1};
    log_open("bench_bulk", LOG_LEVEL_INFO);
    if (parse(&b, argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    struct rlimit files = {0};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    result r = connect_all(&b);
    if (!r.code)
        r = measure(&b);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
