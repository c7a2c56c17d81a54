/* test_watchdog_loopback.c - which addresses nobody on a network reaches. */
#include "testing.h"

#include <netinet/in.h>

#include "watchdog/watchdog_loopback.h"

static bool loopback(const char *text)
{
    struct net_address address;
    assert_ok(net_address_parse(&address, text));
    return watchdog_is_loopback(&address);
}

static void test_loopback_and_nothing_else(void **state)
{
    (void)state;
    assert_true(loopback("tcp:127.0.0.1:9002"));
    assert_true(loopback("tcp:127.255.255.254:9002"));
    assert_true(loopback("tcp:[::1]:9002"));
    assert_true(loopback("unix:/run/page"));
    static const char *const others[] = {"tcp:0.0.0.0:1",     "tcp:[::]:1",      "tcp:128.0.0.1:1",
                                         "tcp:10.0.0.1:1",    "tcp:[::2]:1",     "tcp:[::ffff:127.0.0.1]:1",
                                         "tcp:localhost:1",   "tcp:127.1:1",     "tcp:2130706433:1",
                                         "tcp:0177.0.0.1:1",  "vsock:16:9001",   "vsock:any:9001",
                                         "tcp:127.0.0.1.x:1", "tcp: 127.0.0.1:1"};
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        if (loopback(others[i]))
            fail_msg("%s", others[i]);
    }
}

static void test_the_sockets_address(void **state)
{
    (void)state;
    struct net_address address;
    struct sockaddr_storage storage;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&storage;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&storage;
    socklen_t length = 0;
    assert_ok(net_address_parse(&address, "tcp:127.0.0.2:9001"));
    assert_ok(watchdog_loopback_socket(&storage, &length, &address));
    assert_int_equal(v4->sin_family, AF_INET);
    assert_int_equal(length, sizeof *v4);
    assert_int_equal(ntohs(v4->sin_port), 9001);
    assert_int_equal(ntohl(v4->sin_addr.s_addr), INADDR_LOOPBACK + 1);
    assert_ok(net_address_parse(&address, "tcp:[::1]:9001"));
    assert_ok(watchdog_loopback_socket(&storage, &length, &address));
    assert_int_equal(v6->sin6_family, AF_INET6);
    assert_int_equal(length, sizeof *v6);
    assert_ok(net_address_parse(&address, "vsock:16:9001"));
    assert_ok(watchdog_loopback_socket(&storage, &length, &address));
    assert_int_equal(storage.ss_family, AF_VSOCK);
    assert_ok(net_address_parse(&address, "tcp:localhost:9001"));
    assert_fails(E_INPUT, watchdog_loopback_socket(&storage, &length, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_loopback_and_nothing_else),
                                       cmocka_unit_test(test_the_sockets_address)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
