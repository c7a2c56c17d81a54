/* test_enclave_heartbeat.c - the byte that a machine's PID 1 exchanges with its host: whatever comes back but
 * the same one, or nothing, is a refusal, one byte is all that is read, and nothing is waited for longer than
 * five seconds. */
#include "testing.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "enclave/enclave_init.h"
#include "net/net_address.h"

enum { BYTE = 0xb7, PORT = 9000, CID = 3 };

/* What the host does. */
static struct {
    bool refuses, leaves;
    const uint8_t *answer;
    size_t answer_len;
    int end; /* its own of the connection */
    struct net_address asked;
    int connect_ms;
    time_t patience_seconds;
} host;

result __wrap_net_connect(int *ret_fd, const struct net_address *address, int timeout_ms);
result __wrap_net_connect(int *ret_fd, const struct net_address *address, int timeout_ms)
{
    int pair[2];
    host.asked = *address;
    host.connect_ms = timeout_ms;
    ENSURE(!host.refuses, E_IO, "nobody listens");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    host.end = pair[1];
    if (host.answer_len > 0)
        assert_int_equal(write(host.end, host.answer, host.answer_len), host.answer_len);
    if (host.leaves)
        assert_int_equal(shutdown(host.end, SHUT_WR), 0);
    *ret_fd = pair[0];
    return RESULT_OK;
}

/* The five seconds are looked at, and not waited for. */
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t value_len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t value_len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t value_len)
{
    const struct timeval soon = {.tv_usec = 20000};
    assert_int_equal(name, SO_RCVTIMEO);
    host.patience_seconds = ((const struct timeval *)value)->tv_sec;
    return __real_setsockopt(fd, level, name, &soon, value_len);
}

static int setup(void **state)
{
    (void)state;
    memset(&host, 0, sizeof host);
    host.end = -1;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (host.end >= 0)
        (void)close(host.end);
    return 0;
}

/* The host has got the byte, once, and the connection is closed. */
static void expect_beat(void)
{
    uint8_t got[4];
    assert_int_equal(read(host.end, got, sizeof got), 1);
    assert_int_equal(got[0], BYTE);
    assert_true(read(host.end, got, sizeof got) <= 0);
    assert_int_equal(host.asked.family, NET_VSOCK);
    assert_int_equal(host.asked.cid, CID);
    assert_int_equal(host.asked.port, PORT);
    assert_int_equal(host.connect_ms, 5000);
    assert_int_equal(host.patience_seconds, 5);
}

static void the_same_byte_is_an_answer(void **state)
{
    (void)state;
    static const uint8_t echo[] = {BYTE, 'm', 'o', 'r', 'e'}; /* the rest is nobody's */
    host.answer = echo;
    host.answer_len = sizeof echo;
    assert_ok(enclave_init_heartbeat(CID));
    expect_beat();
}

static void another_byte_is_none(void **state)
{
    (void)state;
    for (unsigned value = 0; value < 256; value++) {
        const uint8_t one = (uint8_t)value;
        if (value == BYTE)
            continue;
        host.answer = &one;
        host.answer_len = 1;
        assert_fails(E_PEER, enclave_init_heartbeat(CID));
        assert_error_names("heartbeat: another byte came back");
        expect_beat();
        (void)close(host.end);
    }
    host.end = -1;
}

static void a_host_that_leaves_or_says_nothing_is_none(void **state)
{
    (void)state;
    host.leaves = true;
    assert_fails(E_PEER, enclave_init_heartbeat(CID));
    assert_error_names("heartbeat: ");
    expect_beat();
    (void)close(host.end);
    host.leaves = false;
    assert_true(enclave_init_heartbeat(CID).code != E_NONE);
    assert_error_names("heartbeat: ");
    expect_beat();
}

static void without_a_host_there_is_no_heartbeat(void **state)
{
    (void)state;
    host.refuses = true;
    assert_fails(E_IO, enclave_init_heartbeat(CID));
    assert_error_names("heartbeat: nobody listens");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_same_byte_is_an_answer, setup, teardown),
        cmocka_unit_test_setup_teardown(another_byte_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_host_that_leaves_or_says_nothing_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_host_there_is_no_heartbeat, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
