/* test_net_http.c - the server against clients that speak well, badly, slowly, or leave.
 *
 * The server runs in a thread of its own on loopback; clients are plain blocking sockets. Under asan
 * this is the proof that a request survives its client and its server. TLS is met in tests/integration. */
#include "net/http_fixture.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static void test_keep_alive_pipelining_and_bodies(void **state)
{
    (void)state;
    start((struct net_http_config){.idle_timeout_seconds = 5});
    int fd = client();
    send_text(fd,
              "POST /echo HTTP/1.1\r\nHost: h\r\nAccept: a\r\nAccept: b\r\nContent-Length: 5\r\n\r\nhello");
    const char *got = receive_until(fd, "hello", 20000);
    assert_starts(got, "HTTP/1.1 200 OK\r\n");
    assert_non_null(strstr(got, "content-length: 5\r\n"));
    assert_non_null(strstr(got, "x-accept: a, b\r\n"));
    assert_non_null(strstr(got, "keep-alive: timeout=5\r\n"));
    send_text(fd, GET("/none")
                      GET("/later") "\r\nPOST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                    "3\r\nabc\r\n0\r\n\r\n" GET("/%65cho"));
    got = receive_until(fd, "x-accept: none\r\nconnection: keep-alive\r\nkeep-alive: timeout=5\r\n\r\nabc",
                        2000);
    assert_starts(got, "HTTP/1.1 404 Not Found\r\n");
    const char *later = strstr(got, "\r\n\r\nlater"), *echo = strstr(got, "\r\n\r\nabc");
    assert_true(later && echo && later < echo);
    send_text(fd, "HEAD /later HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    got = receive_until(fd, NULL, 20000);
    assert_non_null(strstr(got, "content-length: 5\r\nconnection: close\r\n\r\n"));
    assert_null(strstr(got, "later"));
    (void)close(fd);
    stop();
}

static void test_expect_continue(void **state)
{
    (void)state;
    start((struct net_http_config){0});
    int fd = client();
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_string_equal(receive_until(fd, "\r\n\r\n", 20000), "HTTP/1.1 100 Continue\r\n\r\n");
    send_text(fd, "ok");
    assert_starts(receive_until(fd, "\r\n\r\nok", 20000), "HTTP/1.1 200 OK\r\n");
    (void)close(fd);
    stop();
}

static void test_refusals_are_readable_and_final(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status_line;
    } cases[] = {
        {"nonsense\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"\x16\x03\x01\x02\x01\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1001\r\n\r\n",
         "HTTP/1.1 413 Request Entity Too Large\r\n"},
        {"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n",
         "HTTP/1.1 413 Request Entity Too Large\r\n"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n",
         "HTTP/1.1 413 Request Entity Too Large\r\n"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
         "HTTP/1.1 400 Bad Request\r\n"},
        {"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: x\r\n\r\n", "HTTP/1.1 501 Not Implemented\r\n"},
    };
    start((struct net_http_config){.max_body = 1000});
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        static char more[100000];
        memset(more, 'x', sizeof more);
        int fd = client();
        send_text(fd, cases[i].request);
        send_bytes(fd, more, sizeof more); /* unread input must not destroy the reply */
        const char *got = receive_until(fd, NULL, 20000);
        assert_starts(got, cases[i].status_line);
        assert_non_null(strstr(got, "connection: close\r\n\r\n{\"error\":\""));
        (void)close(fd);
    }
    int fd = client();
    static char line[9000];
    memset(line, 'a', sizeof line);
    send_bytes(fd, line, 5000);
    assert_starts(receive_until(fd, NULL, 20000), "HTTP/1.1 414 ");
    (void)close(fd);
    fd = client();
    send_text(fd, "GET / HTTP/1.1\r\nHost: ");
    send_bytes(fd, line, sizeof line);
    assert_starts(receive_until(fd, NULL, 20000), "HTTP/1.1 431 ");
    (void)close(fd);
    assert_int_equal(f.handled, 0);
    stop();
}

static void leave(int fd, bool reset)
{
    struct linger at_once = {.l_onoff = 1};
    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    (void)close(fd);
}

static void leave_at_every_byte(bool local)
{
    static const char first[] = "POST /later HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "4\r\nbody\r\n0\r\n\r\n";
    static const char second[] = GET("/echo");
    char request[sizeof first + sizeof second];
    int request_len = snprintf(request, sizeof request, "%s%s", first, second);
    start_at((struct net_http_config){0}, local);
    for (int length = 0; length <= request_len; length++) {
        for (int reset = 0; reset < 2; reset++) {
            int fd = client();
            send_bytes(fd, request, (size_t)length);
            leave(fd, reset);
        }
    }
    wait_for_handled((int)sizeof second); /* what was not cut off by a reset */
    wait_for_connections(0);
    stop();
}

static void test_clients_that_leave_at_every_byte(void **state)
{
    (void)state;
    leave_at_every_byte(false);
    leave_at_every_byte(true);
}

static void test_a_client_that_ends_its_output_still_gets_the_reply(void **state)
{
    (void)state;
    start((struct net_http_config){0});
    int fd = client();
    send_text(fd, GET("/later"));
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_non_null(strstr(receive_until(fd, NULL, 20000), "\r\n\r\nlater"));
    (void)close(fd);
    wait_for_connections(0);
    stop();
}

static void test_requests_outlive_clients_and_server(void **state)
{
    (void)state;
    start((struct net_http_config){0});
    int fds[20];
    for (size_t i = 0; i < ARRAY_LENGTH(fds); i++) {
        fds[i] = client();
        send_text(fds[i], GET("/held"));
    }
    wait_for_handled(20);
    for (size_t i = 0; i < 10; i++)
        leave(fds[i], i % 2);
    (void)usleep(20000);
    stop(); /* frees the server first, then replies to all twenty */
    for (size_t i = 10; i < 20; i++) {
        assert_string_equal(receive_until(fds[i], NULL, 20000), "");
        (void)close(fds[i]);
    }
}

static bool has_ended(int fd)
{
    struct pollfd end = {.fd = fd, .events = POLLIN};
    return poll(&end, 1, 0) > 0;
}

static void test_slow_and_idle_clients_are_closed(void **state)
{
    (void)state;
    start((struct net_http_config){.idle_timeout_seconds = 1, .request_timeout_seconds = 1});
    int idle = client(), head = client(), body = client();
    send_text(head, "GET / HTTP/1.1\r\n");
    send_text(body, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n");
    int drops = 0; /* dripping does not buy more time */
    for (; drops < 200 && !(has_ended(head) && has_ended(body)); drops++) {
        send_text(head, "A");
        send_text(body, "b");
        (void)usleep(100000);
    }
    assert_true(drops < 200);
    assert_string_equal(receive_until(idle, NULL, 20000), "");
    assert_true(has_ended(idle));
    assert_string_equal(receive_until(head, NULL, 20000), "");
    assert_string_equal(receive_until(body, NULL, 20000), "");
    (void)close(idle);
    (void)close(head);
    (void)close(body);
    stop();
}

static void test_the_longest_idle_connection_makes_room(void **state)
{
    (void)state;
    start((struct net_http_config){.max_connections = 3});
    int fds[3];
    for (size_t i = 0; i < 3; i++) {
        fds[i] = client();
        send_text(fds[i], GET("/echo"));
        assert_starts(receive_until(fds[i], "\r\n\r\n", 20000), "HTTP/1.1 200");
    }
    int newcomer = client();
    send_text(newcomer, GET("/echo"));
    assert_starts(receive_until(newcomer, "\r\n\r\n", 20000), "HTTP/1.1 200");
    assert_string_equal(receive_until(fds[0], NULL, 20000), "");
    send_text(fds[1], GET("/echo"));
    assert_starts(receive_until(fds[1], "\r\n\r\n", 20000), "HTTP/1.1 200");
    for (size_t i = 0; i < 3; i++)
        (void)close(fds[i]);
    (void)close(newcomer);
    stop();
}

#define STRANGER(fields) "POST /stranger HTTP/1.1\r\nHost: h\r\n" fields "\r\n"

static void test_who_is_refused_by_the_head_is_told_before_the_body(void **state)
{
    (void)state;
    start((struct net_http_config){.admits = admit, .max_body = 100000});
    int fd = client();
    /* A short body is passed over, wherever it comes; what stands in it is no request. */
    send_text(fd, STRANGER("Content-Length: 27\r\n"));
    const char *got = receive_until(fd, "\r\n\r\nno", 20000);
    assert_starts(got, "HTTP/1.1 403 Forbidden\r\n");
    assert_non_null(strstr(got, "connection: keep-alive\r\n"));
    assert_int_equal(strlen("GET /echo HTTP/1.1\r\nHost: h"), 27);
    send_text(fd, "GET /echo HTTP/1.1\r\n");
    (void)usleep(20000);
    send_text(fd, "Host: h" STRANGER("Content-Length: 3\r\n") "abc" GET("/echo"));
    got = receive_until(fd, "x-accept", 20000);
    assert_starts(got, "HTTP/1.1 403 Forbidden\r\n");
    assert_non_null(strstr(got, "\r\n\r\nnoHTTP/1.1 200 OK\r\n"));
    (void)close(fd);
    static const char *const last[] = {
        STRANGER("Content-Length: 16385\r\n"),
        STRANGER("Transfer-Encoding: chunked\r\n"),
        STRANGER("Expect: 100-continue\r\nContent-Length: 1\r\n"),
    };
    for (size_t i = 0; i < ARRAY_LENGTH(last); i++) {
        fd = client();
        send_text(fd, last[i]);
        got = receive_until(fd, NULL, 20000);
        assert_starts(got, "HTTP/1.1 403 Forbidden\r\n");
        assert_non_null(strstr(got, "connection: close\r\n\r\nno"));
        (void)close(fd);
    }
    assert_int_equal(f.handled, 1);
    stop();
}

static void test_those_of_whom_nothing_was_admitted_make_room_first(void **state)
{
    (void)state;
    start((struct net_http_config){.max_connections = 4, .admits = admit});
    int kept = client(), begun = client(), told = client(), closing = client();
    send_text(kept, GET("/echo"));
    assert_starts(receive_until(kept, "\r\n\r\n", 20000), "HTTP/1.1 200");
    send_text(begun, "G");
    send_text(told, GET("/stranger"));
    assert_starts(receive_until(told, "no", 20000), "HTTP/1.1 403");
    send_text(closing, "nonsense\r\n\r\n");
    assert_starts(receive_until(closing, "}", 20000), "HTTP/1.1 400");
    int newcomers[3];
    for (size_t i = 0; i < ARRAY_LENGTH(newcomers); i++) {
        newcomers[i] = client();
        send_text(newcomers[i], GET("/echo"));
        assert_starts(receive_until(newcomers[i], "\r\n\r\n", 20000), "HTTP/1.1 200");
    }
    send_text(kept, GET("/echo"));
    assert_starts(receive_until(kept, "\r\n\r\n", 20000), "HTTP/1.1 200");
    assert_string_equal(receive_until(begun, NULL, 20000), "");
    assert_string_equal(receive_until(told, NULL, 20000), "");
    for (size_t i = 0; i < ARRAY_LENGTH(newcomers); i++)
        (void)close(newcomers[i]);
    (void)close(kept);
    (void)close(begun);
    (void)close(told);
    (void)close(closing);
    stop();
}

static void test_with_nobody_idle_clients_wait_their_turn(void **state)
{
    (void)state;
    start((struct net_http_config){.max_connections = 2});
    int first = client(), second = client();
    send_text(first, GET("/held"));
    send_text(second, GET("/later"));
    wait_for_handled(2);
    int third = client();
    send_text(third, GET("/echo"));
    assert_starts(receive_until(third, "\r\n\r\n", 20000), "HTTP/1.1 200");
    (void)close(first);
    (void)close(second);
    (void)close(third);
    stop();
}

static void test_clients_that_dribble_do_not_keep_others_out(void **state)
{
    (void)state;
    start((struct net_http_config){.max_connections = 8});
    int slow[8];
    for (size_t i = 0; i < ARRAY_LENGTH(slow); i++) {
        slow[i] = client();
        send_text(slow[i], "GET /ech");
        (void)usleep(5000);
    }
    int newcomer = client();
    send_text(newcomer, GET("/echo"));
    assert_starts(receive_until(newcomer, "\r\n\r\n", 2000), "HTTP/1.1 200"); /* long before they are late */
    assert_string_equal(receive_until(slow[0], NULL, 20000), "");
    send_text(slow[1], "o HTTP/1.1\r\nHost: h\r\n\r\n"); /* one for one */
    assert_starts(receive_until(slow[1], "\r\n\r\n", 20000), "HTTP/1.1 200");
    for (size_t i = 0; i < ARRAY_LENGTH(slow); i++)
        (void)close(slow[i]);
    (void)close(newcomer);
    stop();
}

static void test_bodies_together_have_a_limit(void **state)
{
    (void)state;
    static char body[60000];
    memset(body, 'x', sizeof body);
    start((struct net_http_config){.max_body = 60000, .max_bodies = 100000});
    int first = client(), second = client();
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n";
    send_text(first, head);
    send_bytes(first, body, 59000);
    (void)usleep(50000);
    send_text(second, head);
    send_bytes(second, body, 60000); /* one that goes on is not kept out by one that stopped */
    assert_starts(receive_until(second, "xxx", 20000), "HTTP/1.1 200 ");
    assert_starts(receive_until(first, NULL, 20000), "HTTP/1.1 503 ");
    int third = client(), fourth = client(), fifth = client();
    send_text(third, head);
    send_bytes(third, body, 20000);
    (void)usleep(50000);
    send_text(fourth, head);
    send_bytes(fourth, body, 40000);
    (void)usleep(50000);
    send_bytes(third, body, 1000); /* now the fourth has waited longest */
    (void)usleep(50000);
    send_text(fifth, head);
    send_bytes(fifth, body, 60000);
    assert_starts(receive_until(fifth, "xxx", 20000), "HTTP/1.1 200 ");
    assert_starts(receive_until(fourth, NULL, 20000), "HTTP/1.1 503 ");
    send_bytes(third, body, 39000);
    assert_starts(receive_until(third, "xxx", 20000), "HTTP/1.1 200 ");
    (void)close(first);
    (void)close(second);
    (void)close(third);
    (void)close(fourth);
    (void)close(fifth);
    stop();
}

static void post_and_leave(const char *path, const char *body, size_t body_len)
{
    char head[100];
    int fd = client(), before = f.handled;
    (void)snprintf(head, sizeof head, "POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", path,
                   body_len);
    send_text(fd, head);
    send_bytes(fd, body, body_len);
    wait_for_handled(before + 1);
    leave(fd, true);
}

/* What handlers have is not ended for the sake of others; and a small one is not for the large ones to keep
 * out. */
static void test_bodies_that_are_read_can_be_let_go_of(void **state)
{
    (void)state;
    static char body[60000];
    memset(body, 'x', sizeof body);
    static const char head[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 60000\r\n\r\n";
    start((struct net_http_config){.max_body = 60000, .max_bodies = 100000});
    post_and_leave("/held/read", body, sizeof body);
    int fd = client();
    send_text(fd, head);
    send_bytes(fd, body, sizeof body);
    assert_starts(receive_until(fd, "xxx", 20000), "HTTP/1.1 200 ");
    (void)close(fd);
    post_and_leave("/held", body, sizeof body);
    fd = client();
    send_text(fd, head);
    send_bytes(fd, body, sizeof body);
    assert_starts(receive_until(fd, NULL, 20000), "HTTP/1.1 503 ");
    (void)close(fd);
    fd = client();
    send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n");
    send_bytes(fd, body, 2000);
    assert_starts(receive_until(fd, "xxx", 20000), "HTTP/1.1 200 ");
    (void)close(fd);
    stop();
}

static double cpu_seconds(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void test_running_out_of_descriptors_does_not_spin(void **state)
{
    (void)state;
    start_at((struct net_http_config){0}, true);
    struct sockaddr_storage address;
    socklen_t length;
    assert_ok(net_socket_address(&address, &length, &f.address));
    int waiting = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    double before = cpu_seconds();
    int connected = connect(waiting, (const struct sockaddr *)&address, length);
    (void)usleep(400000);
    double used = cpu_seconds() - before;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(connected, 0);
    assert_int_equal(net_http_server_connections(f.server), 0);
    assert_true(used < 0.2);
    send_text(waiting, GET("/echo"));
    assert_starts(receive_until(waiting, "\r\n\r\n", 20000), "HTTP/1.1 200");
    (void)close(waiting);
    stop();
}

int main(void)
{
    /* As process_harden does in every program. */
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keep_alive_pipelining_and_bodies),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_refusals_are_readable_and_final),
        cmocka_unit_test(test_clients_that_leave_at_every_byte),
        cmocka_unit_test(test_a_client_that_ends_its_output_still_gets_the_reply),
        cmocka_unit_test(test_requests_outlive_clients_and_server),
        cmocka_unit_test(test_slow_and_idle_clients_are_closed),
        cmocka_unit_test(test_the_longest_idle_connection_makes_room),
        cmocka_unit_test(test_who_is_refused_by_the_head_is_told_before_the_body),
        cmocka_unit_test(test_those_of_whom_nothing_was_admitted_make_room_first),
        cmocka_unit_test(test_with_nobody_idle_clients_wait_their_turn),
        cmocka_unit_test(test_clients_that_dribble_do_not_keep_others_out),
        cmocka_unit_test(test_bodies_together_have_a_limit),
        cmocka_unit_test(test_bodies_that_are_read_can_be_let_go_of),
        cmocka_unit_test(test_running_out_of_descriptors_does_not_spin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
