/* test_enclave_log.c - lines through the pipe to a host that comes, goes and does not read. */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "enclave/enclave_log.h"
#include "net/net_address.h"

enum { LINE_LEN = 1000 };

static char folder[] = "/tmp/test-enclave-log-XXXXXX";
static char where[64];

/* A child that writes whenever a line is passed on, to a host that takes them all. */
static unsigned flood, passed_on;

static bool say(unsigned number)
{
    char line[LINE_LEN + 1];
    (void)snprintf(line, sizeof line, "%06u %*s\n", number, LINE_LEN - 8, "x");
    return write(STDERR_FILENO, line, LINE_LEN) == LINE_LEN;
}

ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    if (passed_on >= flood)
        return __real_send(fd, bytes, length, flags);
    return say(passed_on++) ? (ssize_t)length : -1;
}

static struct enclave_log *new_log(void)
{
    struct enclave_log *log = calloc(1, sizeof *log);
    assert_non_null(log);
    assert_ok(enclave_log_open(log, where));
    return log;
}

/* The console again, and the log's end; what the test prints must not go into the pipe. */
static void end(struct enclave_log *log)
{
    enclave_log_close(log);
    free(log);
}

static int listen_there(void)
{
    struct net_address address;
    int fd = -1;
    assert_ok(net_address_parse(&address, where));
    assert_ok(net_listen(&fd, &address, 1));
    return fd;
}

static bool can_read(int fd, int ms)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    return poll(&wait, 1, ms) == 1;
}

/* Serves as the loop would until the descriptor can be read. */
static void serve_until(struct enclave_log *log, int fd)
{
    uint64_t deadline_ns = clock_monotonic_ns() + 5000000000U;
    while (!can_read(fd, 0) && clock_monotonic_ns() < deadline_ns) {
        if (can_read(log->events, 100))
            enclave_log_serve(log);
    }
}

/* Reads whole lines, each exactly once and in order, from a number on up to another; the number that did not
 * come. */
static unsigned hear(struct enclave_log *log, int fd, unsigned from, unsigned end)
{
    char line[LINE_LEN];
    for (; from < end; from++) {
        size_t length = 0;
        while (length < sizeof line) {
            serve_until(log, fd);
            ssize_t part = can_read(fd, 0) ? read(fd, line + length, sizeof line - length) : 0;
            if (part <= 0)
                return from;
            length += (size_t)part;
        }
        if (line[LINE_LEN - 1] != '\n' || strtoul(line, NULL, 10) != from)
            return from;
    }
    return from;
}

/* The socket's room, the log's and the pipe's; how many lines that are. */
static unsigned fill_all(struct enclave_log *log)
{
    unsigned said = 0;
    for (int tries = 0; tries < 100; tries++) {
        while (say(said))
            said++;
        enclave_log_serve(log);
    }
    return said;
}

static void lines_wait_for_a_host_that_comes_later(void **state)
{
    (void)state;
    struct enclave_log *log = new_log();
    bool said = say(0) && say(1);
    enclave_log_serve(log);
    int listener = listen_there();
    serve_until(log, listener);
    int host = accept(listener, NULL, NULL);
    unsigned heard = host >= 0 ? hear(log, host, 0, 2) : 0;
    end(log);
    assert_true(said);
    assert_int_equal(heard, 2);
    (void)close(host);
    (void)close(listener);
}

static void a_full_log_takes_no_line_and_blocks_nobody(void **state)
{
    (void)state;
    int listener = listen_there();
    struct enclave_log *log = new_log();
    serve_until(log, listener);
    int host = accept(listener, NULL, NULL);
    unsigned said = fill_all(log);
    bool full = !say(said) && errno == EAGAIN;
    bool idle = !can_read(log->events, 0); /* and the loop does not turn for nothing */
    unsigned heard = hear(log, host, 0, said);
    bool again = say(said);
    unsigned after = hear(log, host, said, said + 1);
    end(log);
    assert_true(full);
    assert_true(idle);
    assert_in_range(said, 120, 2000);
    assert_int_equal(heard, said);
    assert_true(again);
    assert_int_equal(after, said + 1);
    (void)close(host);
    (void)close(listener);
}

static void a_child_that_never_stops_writing_does_not_keep_it(void **state)
{
    (void)state;
    int listener = listen_there();
    struct enclave_log *log = new_log();
    serve_until(log, listener);
    int host = accept(listener, NULL, NULL);
    passed_on = 0;
    flood = 10000;
    bool said = say(0);
    enclave_log_serve(log);
    unsigned at_once = passed_on;
    bool goes_on = can_read(log->events, 0);
    flood = 0;
    end(log);
    assert_true(said);
    assert_in_range(at_once, 1, 1000);
    assert_true(goes_on); /* what is left is served by the loop's next turn */
    (void)close(host);
    (void)close(listener);
}

static void after_a_broken_connection_a_line_begins_anew(void **state)
{
    (void)state;
    int listener = listen_there();
    struct enclave_log *log = new_log();
    serve_until(log, listener);
    int host = accept(listener, NULL, NULL);
    unsigned said = fill_all(log);
    /* So the connection ends within a line: what it held is lost, the line is not cut. */
    (void)close(host);
    enclave_log_serve(log);
    bool gone = !log->connected;
    serve_until(log, listener);
    host = accept(listener, NULL, NULL);
    char first[8] = "";
    serve_until(log, host);
    bool whole = recv(host, first, 7, MSG_PEEK) == 7 && first[6] == ' ';
    unsigned from = (unsigned)strtoul(first, NULL, 10), heard = hear(log, host, from, said);
    end(log);
    assert_true(gone);
    assert_true(whole);
    assert_in_range(from, 1, said - 60); /* our buffer and the pipe have kept theirs */
    assert_int_equal(heard, said);
    (void)close(host);
    (void)close(listener);
}

static void the_end_is_delivered(void **state)
{
    (void)state;
    int listener = listen_there();
    struct enclave_log *log = new_log();
    serve_until(log, listener);
    int host = accept(listener, NULL, NULL);
    bool said = say(0);
    (void)shutdown(host, SHUT_WR); /* not even a host that says that it is done makes it wait for long */
    uint64_t before_ns = clock_monotonic_ns();
    enclave_log_close(log);
    char line[LINE_LEN] = "";
    assert_true(said);
    assert_true(clock_monotonic_ns() - before_ns < 3000000000U);
    (void)close(host);
    host = can_read(listener, 1000) ? accept(listener, NULL, NULL) : -1; /* it has connected anew */
    assert_true(host >= 0);
    assert_int_equal(recv(host, line, sizeof line, MSG_WAITALL), LINE_LEN);
    assert_memory_equal(line, "000000 ", 7);
    free(log);
    (void)close(host);
    (void)close(listener);
}

static void nonsense_is_named(void **state)
{
    (void)state;
    static struct enclave_log log;
    assert_fails(E_INPUT, enclave_log_open(&log, "pigeon"));
    assert_error_names("--log");
    assert_fails(E_INPUT, enclave_log_open(&log, "tcp:127.0.0.1:1"));
    assert_error_names("--log");
}

int main(void)
{
    if (!mkdtemp(folder))
        return 1;
    (void)snprintf(where, sizeof where, "unix:%s/log", folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_wait_for_a_host_that_comes_later),
        cmocka_unit_test(a_full_log_takes_no_line_and_blocks_nobody),
        cmocka_unit_test(a_child_that_never_stops_writing_does_not_keep_it),
        cmocka_unit_test(after_a_broken_connection_a_line_begins_anew),
        cmocka_unit_test(the_end_is_delivered),
        cmocka_unit_test(nonsense_is_named),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(where + 5);
    (void)rmdir(folder);
    return failed;
}
