/* fuzz_frame.c - messages on a byte stream. Whatever the pieces in which a stream arrives, the same messages
 * come out of it, and they are those that lie in it; a length over the limit is the end of the stream.
 *
 * The first byte says how long the pieces are. */
#include "fuzz.h"
#include "net/net_frame.h"

enum { LENGTH_MAX = 300 };

/* Appends the messages, each behind its header, and says whether the stream is still good. */
static bool read_stream(struct buffer *out, const uint8_t *data, size_t size, size_t piece)
{
    struct net_frame_parser parser = {.max_length = LENGTH_MAX};
    bool good = true;
    while (good && size > 0) {
        size_t step = piece < size ? piece : size;
        bool have = true;
        PROMISE(net_frame_feed(&parser, data, step).code == 0);
        data += step;
        size -= step;
        while (good && have) {
            const uint8_t *message = NULL;
            size_t length = 0;
            uint8_t header[NET_FRAME_HEADER_LEN];
            result r = net_frame_next(&parser, &have, &message, &length);
            good = fuzz_accepted(r);
            PROMISE(good || r.code == E_TOO_LARGE);
            if (!good || !have)
                break;
            PROMISE(length <= LENGTH_MAX);
            net_frame_header(header, (uint32_t)length);
            PROMISE(buffer_append(out, header, sizeof header).code == 0);
            PROMISE(buffer_append(out, message, length).code == 0);
        }
        PROMISE(parser.held.length - parser.taken <= NET_FRAME_HEADER_LEN + LENGTH_MAX + piece);
    }
    net_frame_parser_cleanup(&parser);
    return good;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buffer) whole = {0}, pieces = {0};
    if (size < 2)
        return 0;
    fuzz_forget_reason();
    bool whole_good = read_stream(&whole, data + 1, size - 1, size);
    bool pieces_good = read_stream(&pieces, data + 1, size - 1, 1 + data[0] % 16);
    PROMISE(whole_good == pieces_good && whole.length == pieces.length);
    PROMISE(whole.length < size);
    if (whole.length > 0) {
        PROMISE(memcmp(whole.data, pieces.data, whole.length) == 0);
        PROMISE(memcmp(whole.data, data + 1, whole.length) == 0);
    }
    return 0;
}
