/* test_net_http_2.c - what has its time over HTTP/2: the first request, a body, a reply, an idle connection;
 * and requests that outlive their stream, their client and their server.
 *
 * Frames are written by hand. tests/integration has the rest: test_front_http2.py, test_hostile_http2.py. */
#include "net/http_fixture.h"

enum {
    DATA = 0,
    HEADERS = 1,
    RESET = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    END_STREAM = 1,
    END_HEADERS = 4
};
enum { CANCEL = 8, ENHANCE_YOUR_CALM = 11 };

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

struct frame {
    int type, flags;
    uint32_t stream, length;
    uint8_t payload[16384];
};

static void send_frame(int fd, int type, int flags, uint32_t stream, const char *payload, size_t length)
{
    uint8_t head[9] = {(uint8_t)(length >> 16), (uint8_t)(length >> 8), (uint8_t)length,
                       (uint8_t)type,           (uint8_t)flags,         (uint8_t)(stream >> 24),
                       (uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    send_bytes(fd, (const char *)head, sizeof head);
    send_bytes(fd, payload, length);
}

/* method is HPACK's index of GET (2) or POST (3). */
static void send_request(int fd, uint32_t stream, int method, const char *path, bool end)
{
    char block[80];
    int length =
        snprintf(block, sizeof block, "%c\x86\x04%c%s\x01\x01h", 0x80 | method, (int)strlen(path), path);
    send_frame(fd, HEADERS, END_HEADERS | (end ? END_STREAM : 0), stream, block, (size_t)length);
}

static bool read_exactly(int fd, void *out, size_t length, int timeout_ms)
{
    for (size_t at = 0; at < length;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        if (poll(&wait, 1, timeout_ms) <= 0)
            return false;
        ssize_t n = recv(fd, (uint8_t *)out + at, length - at, 0);
        if (n < 0 && errno == EAGAIN)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return true;
}

/* The next frame of that type; false if the server closes or is silent before it comes. */
static bool receive(struct frame *frame, int fd, int type, int timeout_ms)
{
    uint8_t h[9];
    do {
        if (!read_exactly(fd, h, sizeof h, timeout_ms))
            return false;
        frame->length = (uint32_t)(h[0] << 16 | h[1] << 8 | h[2]);
        frame->type = h[3];
        frame->flags = h[4];
        frame->stream = (uint32_t)(h[5] << 24 | h[6] << 16 | h[7] << 8 | h[8]);
        assert_true(frame->length <= sizeof frame->payload);
        if (!read_exactly(fd, frame->payload, frame->length, timeout_ms))
            return false;
    } while (frame->type != type);
    return true;
}

/* first_setting: six bytes, or NULL. */
static int begin(const char *first_setting)
{
    int fd = client();
    send_text(fd, PREFACE);
    send_frame(fd, SETTINGS, 0, 0, first_setting, first_setting ? 6 : 0);
    return fd;
}

static void assert_answer(int fd, uint32_t stream, const char *body)
{
    struct frame frame;
    assert_true(receive(&frame, fd, DATA, 3000));
    assert_int_equal(frame.stream, stream);
    assert_int_equal(frame.length, strlen(body));
    assert_memory_equal(frame.payload, body, frame.length);
}

/* Of GOAWAY's payload: the last stream, then the reason. */
static void assert_goodbye(int fd, int reason)
{
    struct frame frame;
    char more;
    assert_true(receive(&frame, fd, GOAWAY, 4000));
    assert_int_equal(frame.payload[7], reason);
    assert_false(read_exactly(fd, &more, 1, 4000));
}

static const struct net_http_config brief = {
    .max_http2 = 8, .idle_timeout_seconds = 5, .request_timeout_seconds = 1};

static void test_a_request_has_its_time(void **state)
{
    (void)state;
    start(brief);
    int fd = begin(NULL);
    send_request(fd, 1, 2, "/later", true);
    assert_answer(fd, 1, "later");
    uint64_t began = clock_monotonic_ns();
    send_request(fd, 3, 3, "/echo", false);
    send_frame(fd, DATA, 0, 3, "begun", 5);
    struct frame frame;
    assert_true(receive(&frame, fd, RESET, 4000));
    assert_int_equal(frame.stream, 3);
    assert_int_equal(frame.payload[3], CANCEL);
    assert_in_range(clock_monotonic_ns() - began, 900000000, 3000000000);
    send_request(fd, 5, 2, "/later", true); /* the connection has not suffered */
    assert_answer(fd, 5, "later");
    (void)close(fd);
    stop();
}

static void test_a_head_that_does_not_end_costs_the_connection(void **state)
{
    (void)state;
    start(brief);
    int fd = begin(NULL);
    send_frame(fd, HEADERS, 0, 1, "\x82\x86", 2);
    assert_goodbye(fd, ENHANCE_YOUR_CALM);
    (void)close(fd);
    stop();
}

static void test_the_first_request_has_its_time(void **state)
{
    (void)state;
    start(brief);
    uint64_t began = clock_monotonic_ns();
    int fd = begin(NULL);
    send_frame(fd, PING, 0, 0, "12345678", 8); /* is no request */
    assert_goodbye(fd, 0);
    assert_in_range(clock_monotonic_ns() - began, 900000000, 3000000000);
    (void)close(fd);
    stop();
}

static void test_a_reply_has_to_be_taken(void **state)
{
    (void)state;
    start(brief);
    int fd = begin("\0\4\0\0\0"); /* windows of nothing */
    send_request(fd, 1, 2, "/later", true);
    assert_goodbye(fd, ENHANCE_YOUR_CALM);
    (void)close(fd);
    stop();
}

static void test_an_output_that_is_not_taken_costs_the_connection(void **state)
{
    (void)state;
    start_at(brief, true);
    int fd = begin("\0\4\x7f\xff\xff\xff");
    send_frame(fd, 8, 0, 0, "\x7f\x00\x00\x00", 4); /* WINDOW_UPDATE of the connection */
    char body[16384] = {0};
    for (uint32_t stream = 1; stream < 121; stream += 2) {
        send_request(fd, stream, 3, "/echo", false);
        send_frame(fd, DATA, END_STREAM, stream, body, sizeof body);
    }
    uint64_t deadline = clock_monotonic_ns() + 5000000000;
    bool gone = false;
    while (!gone && clock_monotonic_ns() < deadline) {
        (void)usleep(50000);
        gone = send(fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
    }
    assert_true(gone);
    (void)close(fd);
    stop();
}

static void test_requests_outlive_streams_clients_and_the_server(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 8});
    int gone = begin(NULL), stays = begin(NULL);
    for (uint32_t stream = 1; stream < 20; stream += 2) {
        send_request(gone, stream, 2, "/held", true);
        send_request(stays, stream, 2, "/held", true);
        send_frame(stays, RESET, 0, stream, "\0\0\0\x08", 4);
    }
    send_request(stays, 21, 2, "/later", true);
    assert_answer(stays, 21, "later");
    wait_for_handled(21);
    (void)close(gone);
    send_request(stays, 23, 2, "/later", true);
    assert_answer(stays, 23, "later");
    stop(); /* which replies to all twenty after the server is gone */
    struct frame frame;
    assert_true(receive(&frame, stays, GOAWAY, 2000));
    assert_int_equal(frame.payload[7], 0);
    (void)close(stays);
}

static void send_body(int fd, uint32_t stream, size_t length, bool end)
{
    char piece[10000] = {0};
    for (size_t at = 0; at < length; at += sizeof piece)
        send_frame(fd, DATA, end && at + sizeof piece >= length ? END_STREAM : 0, stream, piece,
                   sizeof piece);
}

static void assert_status(int fd, uint32_t stream, int hpack_byte)
{
    struct frame frame;
    assert_true(receive(&frame, fd, HEADERS, 3000));
    assert_int_equal(frame.stream, stream);
    assert_int_equal(frame.payload[0], hpack_byte);
}

enum { OK_200 = 0x88, OTHER_STATUS = 0x48 /* with its digits behind it */ };

static void test_a_body_counts_until_its_request_is_answered(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 8, .max_body = 60000, .max_bodies = 100000});
    int gone = begin(NULL);
    send_request(gone, 1, 3, "/held", false);
    send_body(gone, 1, 60000, true);
    wait_for_handled(1);
    (void)close(gone);
    wait_for_connections(0);
    int fd = begin(NULL);
    send_request(fd, 1, 3, "/echo", false);
    send_body(fd, 1, 60000, false);
    assert_status(fd, 1, OTHER_STATUS);
    (void)close(fd);
    stop();
}

static void test_a_body_that_stopped_makes_room(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 8, .max_body = 60000, .max_bodies = 100000});
    int first = begin(NULL), second = begin(NULL);
    send_request(first, 1, 3, "/echo", false);
    send_body(first, 1, 50000, false);
    send_frame(first, PING, 0, 0, "12345678", 8);
    struct frame frame;
    assert_true(receive(&frame, first, PING, 3000));
    send_request(second, 1, 3, "/echo", false);
    send_body(second, 1, 60000, true);
    assert_status(first, 1, OTHER_STATUS);
    assert_status(second, 1, OK_200);
    (void)close(first);
    (void)close(second);
    stop();
}

static void test_who_is_refused_by_the_head_costs_no_more(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 8, .admits = admit, .max_connections = 2});
    int kept = begin(NULL), stranger = begin(NULL);
    send_request(kept, 1, 2, "/later", true);
    assert_answer(kept, 1, "later");
    send_request(stranger, 1, 3, "/stranger", false);
    assert_answer(stranger, 1, "no");
    struct frame frame;
    assert_true(receive(&frame, stranger, RESET, 3000));
    assert_int_equal(frame.payload[3], 0);
    send_frame(stranger, HEADERS, 0, 3, "\x82\x86", 2); /* it is not idle */
    (void)usleep(50000);
    int newcomer = begin(NULL);
    send_request(newcomer, 1, 2, "/later", true);
    assert_answer(newcomer, 1, "later");
    send_request(kept, 3, 2, "/later", true);
    assert_answer(kept, 3, "later");
    assert_int_equal(f.handled, 3);
    (void)close(stranger);
    (void)close(newcomer);
    (void)close(kept);
    stop();
}

/* And is not taken, to be turned away at once. */
static void test_when_nobody_can_make_room_the_next_waits(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 8, .max_connections = 2});
    int fds[2];
    for (size_t i = 0; i < 2; i++) {
        fds[i] = begin(NULL);
        send_request(fds[i], 1, 2, "/later", true);
        assert_answer(fds[i], 1, "later");
    }
    for (size_t i = 0; i < 2; i++)
        send_request(fds[i], 3, 3, "/later", false);
    (void)usleep(50000);
    int newcomer = begin(NULL);
    send_request(newcomer, 1, 2, "/later", true);
    (void)usleep(50000);
    for (size_t i = 0; i < 2; i++) {
        send_body(fds[i], 3, 10000, true);
        assert_answer(fds[i], 3, "later");
    }
    assert_answer(newcomer, 1, "later");
    (void)close(newcomer);
    for (size_t i = 0; i < 2; i++)
        (void)close(fds[i]);
    stop();
}

/* Whose answers are not taken: 511 of them a connection. */
static void test_streams_of_strangers_leave_those_of_others_their_room(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 64, .admits = admit});
    int strangers[40];
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++) {
        strangers[i] = begin("\0\4\0\0\0"); /* windows of nothing */
        for (uint32_t stream = 1; stream < 1022; stream += 2)
            send_request(strangers[i], stream, 2, "/stranger", true);
    }
    int fd = begin(NULL);
    for (uint32_t stream = 1; stream < 80; stream += 2)
        send_request(fd, stream, 2, "/later", true);
    for (uint32_t stream = 1; stream < 80; stream += 2)
        assert_answer(fd, stream, "later");
    (void)close(fd);
    for (size_t i = 0; i < ARRAY_LENGTH(strangers); i++)
        (void)close(strangers[i]);
    stop();
}

static void test_only_so_many_may_speak_it(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 1});
    int first = begin(NULL);
    send_request(first, 1, 2, "/later", true);
    assert_answer(first, 1, "later");
    int second = client();
    send_text(second, PREFACE);
    assert_starts(receive_until(second, "\r\n", 2000), "HTTP/1.1 505 ");
    (void)close(second);
    (void)close(first);
    for (int i = 0; i < 100; i++) { /* until the server has seen that */
        second = client();
        send_text(second, PREFACE);
        send_frame(second, SETTINGS, 0, 0, NULL, 0);
        char got[4];
        assert_true(read_exactly(second, got, sizeof got, 2000));
        (void)close(second);
        if (memcmp(got, "HTTP", 4) != 0)
            break;
        assert_true(i < 99);
        (void)usleep(10000);
    }
    stop();
}

static void test_without_leave_it_is_not_spoken(void **state)
{
    (void)state;
    start((struct net_http_config){.idle_timeout_seconds = 5});
    int fd = client();
    send_text(fd, PREFACE);
    assert_starts(receive_until(fd, "\r\n", 2000), "HTTP/1.1 505 ");
    (void)close(fd);
    stop();
}

/* A server that passed over something before the preface could be made to see other requests than a proxy. */
static void test_the_preface_comes_first(void **state)
{
    (void)state;
    start((struct net_http_config){.max_http2 = 8});
    int fd = client();
    send_text(fd, "\r\n" PREFACE);
    assert_starts(receive_until(fd, "\r\n", 2000), "HTTP/1.1 505 ");
    (void)close(fd);
    stop();
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_has_its_time),
        cmocka_unit_test(test_a_head_that_does_not_end_costs_the_connection),
        cmocka_unit_test(test_the_first_request_has_its_time),
        cmocka_unit_test(test_a_reply_has_to_be_taken),
        cmocka_unit_test(test_an_output_that_is_not_taken_costs_the_connection),
        cmocka_unit_test(test_requests_outlive_streams_clients_and_the_server),
        cmocka_unit_test(test_a_body_counts_until_its_request_is_answered),
        cmocka_unit_test(test_a_body_that_stopped_makes_room),
        cmocka_unit_test(test_who_is_refused_by_the_head_costs_no_more),
        cmocka_unit_test(test_when_nobody_can_make_room_the_next_waits),
        cmocka_unit_test(test_streams_of_strangers_leave_those_of_others_their_room),
        cmocka_unit_test(test_only_so_many_may_speak_it),
        cmocka_unit_test(test_without_leave_it_is_not_spoken),
        cmocka_unit_test(test_the_preface_comes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
