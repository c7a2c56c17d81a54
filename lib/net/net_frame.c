/* net_frame.c - see net_frame.h.
 *
 * The blocking side polls before every read and write and uses MSG_DONTWAIT, so that the
 * deadline holds on blocking sockets too and no descriptor's mode is changed behind its owner.
 * Rejected: SO_RCVTIMEO - it bounds each call, not the whole message. */
#include "net/net_frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"

enum { READ_STEP = 65536 };

static must_check result wait_for(int socket, short events, uint64_t deadline_ns)
{
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        ENSURE(now < deadline_ns, E_TIMEOUT, "no answer in time");
        uint64_t left_ms = (deadline_ns - now + 999999) / 1000000;
        struct pollfd poll_for = {.fd = socket, .events = events};
        int count = poll(&poll_for, 1, left_ms > 60000 ? 60000 : (int)left_ms);
        ENSURE(count >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
        if (count > 0)
            return RESULT_OK;
    }
}

static bool must_wait(void)
{
    return errno == EAGAIN || errno == EINTR;
}

static must_check result read_exactly(int socket, uint8_t *out, size_t out_len, uint64_t deadline_ns)
{
    size_t done = 0;
    while (done < out_len) {
        TRY(wait_for(socket, POLLIN, deadline_ns));
        ssize_t n = recv(socket, out + done, out_len - done, MSG_DONTWAIT);
        ENSURE(n >= 0 || must_wait(), errno == ECONNRESET ? E_PEER : E_IO, "receive: %s", strerror(errno));
        ENSURE(n != 0, E_PEER, "the peer closed the connection");
        done += n > 0 ? (size_t)n : 0;
    }
    return RESULT_OK;
}

static must_check result write_exactly(int socket, const uint8_t *bytes, size_t bytes_len,
                                       uint64_t deadline_ns)
{
    size_t done = 0;
    while (done < bytes_len) {
        TRY(wait_for(socket, POLLOUT, deadline_ns));
        ssize_t n = send(socket, bytes + done, bytes_len - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        ENSURE(n >= 0 || must_wait(), errno == EPIPE || errno == ECONNRESET ? E_PEER : E_IO, "send: %s",
               strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    return RESULT_OK;
}

static size_t header_length(const uint8_t *header)
{
    return (size_t)header[0] << 24 | (size_t)header[1] << 16 | (size_t)header[2] << 8 | header[3];
}

void net_frame_header(uint8_t out[static NET_FRAME_HEADER_LEN], uint32_t length)
{
    out[0] = (uint8_t)(length >> 24);
    out[1] = (uint8_t)(length >> 16);
    out[2] = (uint8_t)(length >> 8);
    out[3] = (uint8_t)length;
}

result net_frame_read(struct buffer *out, int socket, size_t max_length, uint64_t deadline_ns)
{
    uint8_t header[NET_FRAME_HEADER_LEN];
    TRY(read_exactly(socket, header, sizeof header, deadline_ns));
    size_t left = header_length(header);
    ENSURE(left <= max_length, E_TOO_LARGE, "message of more than %zu bytes", max_length);
    /* Memory follows the bytes that arrive, not the length that was promised. */
    while (left > 0) {
        size_t step = left < READ_STEP ? left : READ_STEP;
        TRY(buffer_reserve(out, step));
        TRY(read_exactly(socket, out->data + out->length, step, deadline_ns));
        out->length += step;
        out->data[out->length] = 0;
        left -= step;
    }
    return RESULT_OK;
}

result net_frame_write(int socket, const void *bytes, size_t bytes_len, uint64_t deadline_ns)
{
    ENSURE(bytes_len <= UINT32_MAX, E_TOO_LARGE, "message of more than 4 GiB");
    /* One buffer, so that header and body leave as one segment. */
    AUTO(buffer) message = {0};
    uint8_t header[NET_FRAME_HEADER_LEN];
    net_frame_header(header, (uint32_t)bytes_len);
    TRY(buffer_append(&message, header, sizeof header));
    TRY(buffer_append(&message, bytes, bytes_len));
    return write_exactly(socket, message.data, message.length, deadline_ns);
}

result net_frame_feed(struct net_frame_parser *parser, const void *bytes, size_t bytes_len)
{
    buffer_consume(&parser->held, parser->taken);
    parser->taken = 0;
    return buffer_append(&parser->held, bytes, bytes_len);
}

result net_frame_next(struct net_frame_parser *parser, bool *ret_have, const uint8_t **ret_message,
                      size_t *ret_len)
{
    *ret_have = false;
    size_t left = parser->held.length - parser->taken;
    if (left < NET_FRAME_HEADER_LEN)
        return RESULT_OK;
    const uint8_t *at = parser->held.data + parser->taken;
    size_t length = header_length(at);
    ENSURE(length <= parser->max_length, E_TOO_LARGE, "message of more than %zu bytes", parser->max_length);
    if (left - NET_FRAME_HEADER_LEN < length)
        return RESULT_OK;
    *ret_have = true;
    *ret_message = at + NET_FRAME_HEADER_LEN;
    *ret_len = length;
    parser->taken += NET_FRAME_HEADER_LEN + length;
    return RESULT_OK;
}

void net_frame_parser_cleanup(struct net_frame_parser *parser)
{
    buffer_cleanup(&parser->held);
    parser->taken = 0;
}
