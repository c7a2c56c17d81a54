/* test_net_address.c - every form of address, and real sockets of the two families that have loopback. */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_address.h"

static char folder[] = "/tmp/test_net_XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void unix_address(struct net_address *ret_address, const char *name)
{
    char text[128];
    (void)snprintf(text, sizeof text, "unix:%s/%s", folder, name);
    assert_ok(net_address_parse(ret_address, text));
}

static void test_good_addresses_keep_their_form(void **state)
{
    (void)state;
    static const char *const texts[] = {"tcp:127.0.0.1:9000",
                                        "tcp:[::1]:0",
                                        "tcp:kms.eu-west-1.amazonaws.com:443",
                                        "unix:/run/x",
                                        "unix:a:b",
                                        "vsock:3:8000",
                                        "vsock:any:443",
                                        "vsock:16:4294967294",
                                        "tcp:localhost:65535"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct net_address address;
        char text[300];
        assert_ok(net_address_parse(&address, texts[i]));
        net_address_format(text, sizeof text, &address);
        assert_string_equal(text, texts[i]);
    }
}

static void test_bad_addresses_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "tcp",
                                        "tcp:",
                                        "tcp:host",
                                        "tcp::80",
                                        "tcp:host:",
                                        "tcp:host:65536",
                                        "tcp:host:x",
                                        "tcp:host:-1",
                                        "tcp:::1:80",
                                        "tcp:[::1:80",
                                        "tcp:::1]:80",
                                        "tcp:[]:80",
                                        "unix:",
                                        "vsock:3",
                                        "vsock::80",
                                        "vsock:any:any",
                                        "vsock:any:0",
                                        "vsock:x:1",
                                        "vsock:3:",
                                        "udp:host:1",
                                        "TCP:host:1",
                                        "tcp:host:+1",
                                        "tcp:host: 1",
                                        "vsock:any:1:2",
                                        "vsock:4294967295:1",
                                        "vsock:3:4294967295"};
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        struct net_address address = {.port = 77};
        if (net_address_parse(&address, texts[i]).code != E_INPUT)
            fail_msg("accepted: %s", texts[i]);
        assert_int_equal(address.port, 77);
    }
    char longest[120] = "unix:";
    memset(longest + 5, 'p', 108);
    longest[113] = 0;
    struct net_address address;
    assert_fails(E_INPUT, net_address_parse(&address, longest));
    longest[112] = 0;
    assert_ok(net_address_parse(&address, longest));
}

static void assert_talks(int listener, int client)
{
    struct pollfd wait = {.fd = listener, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 2000), 1);
    int server = accept(listener, NULL, NULL);
    assert_true(server >= 0);
    char byte = 0;
    assert_int_equal(write(client, "x", 1), 1);
    assert_int_equal(read(server, &byte, 1), 1);
    assert_int_equal(byte, 'x');
    assert_int_equal(close(server), 0);
}

static void assert_flags(int fd)
{
    assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_tcp_listens_and_is_reached(void **state)
{
    (void)state;
    struct net_address address;
    assert_ok(net_address_parse(&address, "tcp:localhost:0"));
    int listener = -1, client = -1;
    assert_ok(net_listen(&listener, &address, 16));
    assert_ok(net_local_port(&address.port, listener));
    assert_true(address.port > 0);
    assert_ok(net_connect(&client, &address, 2000));
    assert_flags(listener);
    assert_flags(client);
    int delay_off = 0;
    socklen_t length = sizeof delay_off;
    assert_int_equal(getsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &delay_off, &length), 0);
    assert_int_equal(delay_off, 1);
    assert_talks(listener, client);
    assert_int_equal(close(client), 0);
    assert_int_equal(close(listener), 0);
    assert_fails(E_IO, net_connect(&client, &address, 2000));
    assert_error_names("tcp:localhost:");
}

static void test_a_bound_socket_refuses_until_it_listens(void **state)
{
    (void)state;
    struct net_address address;
    assert_ok(net_address_parse(&address, "tcp:127.0.0.1:0"));
    int bound = -1, client = -1;
    assert_ok(net_bind(&bound, &address));
    assert_ok(net_local_port(&address.port, bound));
    assert_fails(E_IO, net_connect(&client, &address, 2000));
    assert_int_equal(listen(bound, 1), 0);
    assert_ok(net_connect(&client, &address, 2000));
    assert_int_equal(close(client), 0);
    assert_int_equal(close(bound), 0);
}

static void test_unix_socket_is_private_and_replaces_a_stale_one(void **state)
{
    (void)state;
    struct net_address address;
    unix_address(&address, "stale");
    int listener = -1, client = -1, second = -1;
    assert_ok(net_listen(&listener, &address, 4));
    struct stat status;
    assert_int_equal(stat(address.host, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_fails(E_STATE, net_listen(&second, &address, 4));
    assert_error_names("another process listens");
    assert_int_equal(close(listener), 0);
    assert_fails(E_IO, net_connect(&client, &address, 500));
    assert_ok(net_listen(&listener, &address, 4));
    assert_ok(net_connect(&client, &address, 500));
    assert_flags(client);
    assert_talks(listener, client);
    uint32_t port;
    assert_fails(E_UNSUPPORTED, net_local_port(&port, listener));
    assert_int_equal(close(client), 0);
    assert_int_equal(close(listener), 0);
    assert_int_equal(unlink(address.host), 0);
}

static void test_an_ordinary_file_is_never_removed(void **state)
{
    (void)state;
    struct net_address address;
    unix_address(&address, "file");
    int fd = open(address.host, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    assert_fails(E_STATE, net_listen(&fd, &address, 4));
    assert_error_names("not a socket");
    assert_int_equal(unlink(address.host), 0);
}

static void test_a_full_queue_ends_in_a_timeout(void **state)
{
    (void)state;
    struct net_address address;
    unix_address(&address, "full");
    int listener = -1, clients[8], last = -1;
    assert_ok(net_listen(&listener, &address, 0));
    size_t connected = 0;
    result r = RESULT_OK;
    uint64_t start = 0;
    while (connected < ARRAY_LENGTH(clients) && !r.code) {
        start = clock_monotonic_ns();
        r = net_connect(&last, &address, 100);
        if (!r.code)
            clients[connected++] = last;
    }
    assert_int_equal(r.code, E_TIMEOUT);
    assert_true(clock_monotonic_ns() - start >= 90000000);
    for (size_t i = 0; i < connected; i++)
        assert_int_equal(close(clients[i]), 0);
    assert_int_equal(close(listener), 0);
    assert_int_equal(unlink(address.host), 0);
}

static void test_a_name_that_does_not_exist_is_not_found(void **state)
{
    (void)state;
    struct net_address address;
    int fd = -1;
    assert_ok(net_address_parse(&address, "tcp:999.999.999.999.invalid:1"));
    assert_fails(E_NOT_FOUND, net_connect(&fd, &address, 500));
    assert_int_equal(fd, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_addresses_keep_their_form),
        cmocka_unit_test(test_bad_addresses_are_refused),
        cmocka_unit_test(test_tcp_listens_and_is_reached),
        cmocka_unit_test(test_a_bound_socket_refuses_until_it_listens),
        cmocka_unit_test(test_unix_socket_is_private_and_replaces_a_stale_one),
        cmocka_unit_test(test_an_ordinary_file_is_never_removed),
        cmocka_unit_test(test_a_full_queue_ends_in_a_timeout),
        cmocka_unit_test(test_a_name_that_does_not_exist_is_not_found),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
