/* net_http_body.c - bodies by Content-Length and by chunks.
 *
 * Chunk extensions and trailers are read and dropped: nothing here needs them. Every line
 * has a length limit, so that no state can grow with what a client sends. */
#include <event2/buffer.h>

#include <stdlib.h>
#include <string.h>

#include "net/net_http_internal.h"

enum { CHUNK_LINE_MAX = 256, TRAILER_MAX = 8192, MOVED_MIN = 1024 };

/* Moving takes the whole piece of memory that bytes came in, a kibibyte at least: fine for the first ones,
 * and for many. Of a body that dribbles each byte would cost that much. */
static bool may_move(const struct evbuffer *out, size_t step)
{
    return step >= MOVED_MIN || evbuffer_get_length(out) == 0;
}

static bool copy_bytes(struct evbuffer *out, struct evbuffer *in, size_t step)
{
    uint8_t bytes[MOVED_MIN];
    (void)evbuffer_remove(in, bytes, step);
    bool copied = evbuffer_add(out, bytes, step) == 0;
    explicit_bzero(bytes, step);
    return copied;
}

static must_check result move_bytes(struct net_http_body *body, int *ret_status, struct evbuffer *out,
                                    struct evbuffer *in)
{
    size_t ready = evbuffer_get_length(in);
    size_t step = body->left < ready ? (size_t)body->left : ready;
    bool moved = step == 0 || (may_move(out, step) ? evbuffer_remove_buffer(in, out, step) == (int)step
                                                   : copy_bytes(out, in, step));
    ACCEPT_IF(moved, 503, "out of memory");
    body->left -= step;
    return RESULT_OK;
}

/* One line without its CRLF into text; *ret_have is false while it is not complete. */
static must_check result take_line(char text[CHUNK_LINE_MAX + 1], bool *ret_have, int *ret_status,
                                   struct evbuffer *in)
{
    size_t end_len = 0;
    struct evbuffer_ptr end = evbuffer_search_eol(in, NULL, &end_len, EVBUFFER_EOL_CRLF_STRICT);
    size_t line_len = end.pos < 0 ? evbuffer_get_length(in) : (size_t)end.pos;
    ACCEPT_IF(line_len <= CHUNK_LINE_MAX, 400, "chunked body: line too long");
    *ret_have = end.pos >= 0;
    if (!*ret_have)
        return RESULT_OK;
    (void)evbuffer_remove(in, text, line_len);
    (void)evbuffer_drain(in, end_len);
    text[line_len] = 0;
    ACCEPT_IF(strlen(text) == line_len && !strpbrk(text, "\r\n"), 400, "chunked body: control character");
    return RESULT_OK;
}

static must_check result take_size(struct net_http_body *body, bool *ret_more, int *ret_status,
                                   struct evbuffer *in, size_t room)
{
    char line[CHUNK_LINE_MAX + 1];
    bool have;
    TRY(take_line(line, &have, ret_status, in));
    *ret_more = have;
    if (!have)
        return RESULT_OK;
    size_t digits = strspn(line, "0123456789abcdefABCDEF");
    const char *behind = line + digits + strspn(line + digits, " \t");
    ACCEPT_IF(digits > 0 && (*behind == 0 || *behind == ';'), 400, "chunked body: malformed chunk size");
    ACCEPT_IF(digits <= 15, 413, "request body: too long");
    body->left = strtoull(line, NULL, 16);
    ACCEPT_IF(body->left <= room, 413, "request body: too long");
    body->state = body->left > 0 ? CHUNK_DATA : CHUNK_TRAILER;
    return RESULT_OK;
}

static must_check result take_chunk_end(struct net_http_body *body, bool *ret_more, int *ret_status,
                                        struct evbuffer *in)
{
    char end[2];
    *ret_more = evbuffer_get_length(in) >= sizeof end;
    if (!*ret_more)
        return RESULT_OK;
    (void)evbuffer_remove(in, end, sizeof end);
    ACCEPT_IF(memcmp(end, "\r\n", 2) == 0, 400, "chunked body: chunk does not end with CR LF");
    body->state = CHUNK_SIZE;
    return RESULT_OK;
}

static must_check result take_trailer(struct net_http_body *body, bool *ret_more, int *ret_status,
                                      struct evbuffer *in)
{
    char line[CHUNK_LINE_MAX + 1];
    TRY(take_line(line, ret_more, ret_status, in));
    if (!*ret_more)
        return RESULT_OK;
    if (line[0] == 0)
        body->state = CHUNK_DONE;
    body->trailer_len += strlen(line) + 2;
    ACCEPT_IF(body->trailer_len <= TRAILER_MAX, 431, "chunked body: trailer too long");
    return RESULT_OK;
}

static must_check result take_chunks(struct net_http_body *body, int *ret_status, struct evbuffer *out,
                                     struct evbuffer *in, size_t max)
{
    bool more = true;
    while (more && body->state != CHUNK_DONE) {
        switch (body->state) {
        case CHUNK_SIZE:
            TRY(take_size(body, &more, ret_status, in, max - evbuffer_get_length(out)));
            break;
        case CHUNK_DATA:
            TRY(move_bytes(body, ret_status, out, in));
            more = body->left == 0;
            if (more)
                body->state = CHUNK_END;
            break;
        case CHUNK_END:
            TRY(take_chunk_end(body, &more, ret_status, in));
            break;
        case CHUNK_TRAILER:
            TRY(take_trailer(body, &more, ret_status, in));
            break;
        case CHUNK_DONE:
            break;
        }
    }
    return RESULT_OK;
}

result net_http_body_take(struct net_http_body *body, bool *ret_done, int *ret_status, struct evbuffer *out,
                          struct evbuffer *in, size_t max)
{
    if (body->chunked) {
        TRY(take_chunks(body, ret_status, out, in, max));
        *ret_done = body->state == CHUNK_DONE;
        return RESULT_OK;
    }
    ACCEPT_IF(body->left <= max, 413, "request body: longer than %zu bytes", max);
    TRY(move_bytes(body, ret_status, out, in));
    *ret_done = body->left == 0;
    return RESULT_OK;
}
