/* test_net_frame.c - frames over a socketpair, and the incremental parser fed in every way. */
#include "testing.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_frame.h"

static uint64_t in_ms(uint64_t ms)
{
    return clock_monotonic_ns() + ms * 1000000;
}

static void test_written_messages_are_read(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    AUTO(buffer) got = {0};
    assert_ok(net_frame_write(ends[0], "hello", 5, in_ms(1000)));
    assert_ok(net_frame_write(ends[0], "", 0, in_ms(1000)));
    assert_ok(net_frame_write(ends[0], "!", 1, in_ms(1000)));
    assert_ok(net_frame_read(&got, ends[1], 5, in_ms(1000)));
    assert_ok(net_frame_read(&got, ends[1], 5, in_ms(1000)));
    assert_ok(net_frame_read(&got, ends[1], 5, in_ms(1000)));
    assert_int_equal(got.length, 6);
    assert_string_equal((char *)got.data, "hello!");
    (void)close(ends[0]);
    assert_fails(E_PEER, net_frame_read(&got, ends[1], 5, in_ms(1000)));
    (void)close(ends[1]);
}

static void test_bytes_on_the_wire(void **state)
{
    (void)state;
    int ends[2];
    uint8_t wire[6] = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_ok(net_frame_write(ends[0], "ab", 2, in_ms(1000)));
    assert_int_equal(read(ends[1], wire, sizeof wire), 6);
    assert_memory_equal(wire, "\0\0\0\2ab", 6);
    uint8_t header[4];
    net_frame_header(header, 0x01020304);
    assert_memory_equal(header, "\1\2\3\4", 4);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_too_long_cut_short_and_silent_peers(void **state)
{
    (void)state;
    int ends[2];
    AUTO(buffer) got = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(write(ends[0], "\0\0\0\6", 4), 4);
    assert_fails(E_TOO_LARGE, net_frame_read(&got, ends[1], 5, in_ms(1000)));
    assert_int_equal(write(ends[0], "\0\0\0\5abc", 7), 7);
    uint64_t start = clock_monotonic_ns();
    assert_fails(E_TIMEOUT, net_frame_read(&got, ends[1], 5, in_ms(50)));
    assert_true(clock_monotonic_ns() - start >= 50000000);
    assert_int_equal(write(ends[0], "\0\0\0\5abc", 7), 7);
    (void)close(ends[0]);
    assert_fails(E_PEER, net_frame_read(&got, ends[1], 5, in_ms(1000)));
    assert_fails(E_PEER, net_frame_write(ends[1], "x", 1, in_ms(1000)));
    (void)close(ends[1]);
}

static void test_a_reader_that_stops_ends_the_write(void **state)
{
    (void)state;
    int ends[2];
    AUTO(buffer) large = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_ok(buffer_reserve(&large, 4 << 20));
    memset(large.data, 'x', 4 << 20);
    assert_fails(E_TIMEOUT, net_frame_write(ends[0], large.data, 4 << 20, in_ms(50)));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void feed_in_steps(size_t step)
{
    static const uint8_t stream[] = "\0\0\0\3abc\0\0\0\0\0\0\0\1z";
    size_t stream_len = sizeof stream - 1, found = 0;
    static const char *const expected[] = {"abc", "", "z"};
    AUTO(net_frame_parser) parser = {.max_length = 3};
    for (size_t at = 0; at < stream_len; at += step) {
        assert_ok(net_frame_feed(&parser, stream + at, stream_len - at < step ? stream_len - at : step));
        bool have = true;
        while (have) {
            const uint8_t *message;
            size_t length;
            assert_ok(net_frame_next(&parser, &have, &message, &length));
            if (!have)
                break;
            assert_int_equal(length, strlen(expected[found]));
            assert_memory_equal(message, expected[found], length);
            found++;
        }
    }
    assert_int_equal(found, 3);
}

static void test_the_parser_does_not_care_how_bytes_arrive(void **state)
{
    (void)state;
    for (size_t step = 1; step <= 17; step++)
        feed_in_steps(step);
}

static void test_the_parser_refuses_a_length_over_the_cap_at_once(void **state)
{
    (void)state;
    bool have;
    const uint8_t *message;
    size_t length;
    AUTO(net_frame_parser) parser = {.max_length = 3};
    assert_ok(net_frame_feed(&parser, "\0\0\0\3abc\0\0\0\4", 11));
    assert_ok(net_frame_next(&parser, &have, &message, &length));
    assert_true(have);
    assert_fails(E_TOO_LARGE, net_frame_next(&parser, &have, &message, &length));
    assert_false(have);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_messages_are_read),
        cmocka_unit_test(test_bytes_on_the_wire),
        cmocka_unit_test(test_too_long_cut_short_and_silent_peers),
        cmocka_unit_test(test_a_reader_that_stops_ends_the_write),
        cmocka_unit_test(test_the_parser_does_not_care_how_bytes_arrive),
        cmocka_unit_test(test_the_parser_refuses_a_length_over_the_cap_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
