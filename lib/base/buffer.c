/* buffer.c - see buffer.h. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

result buffer_reserve(struct buffer *b, size_t more)
{
    ENSURE(more < SIZE_MAX / 4 && b->length < SIZE_MAX / 4, E_MEMORY, "buffer would be too large");
    size_t needed = b->length + more + 1;
    if (needed <= b->capacity)
        return RESULT_OK;
    size_t capacity = b->capacity ? b->capacity : 64;
    while (capacity < needed)
        capacity *= 2;
    uint8_t *data = realloc(b->data, capacity);
    ENSURE(data, E_MEMORY, "out of memory for a buffer of %zu bytes", capacity);
    b->data = data;
    b->capacity = capacity;
    return RESULT_OK;
}

result buffer_append(struct buffer *b, const void *bytes, size_t bytes_len)
{
    TRY(buffer_reserve(b, bytes_len));
    if (bytes_len)
        memcpy(b->data + b->length, bytes, bytes_len);
    b->length += bytes_len;
    b->data[b->length] = 0;
    return RESULT_OK;
}

result buffer_append_text(struct buffer *b, const char *text)
{
    return buffer_append(b, text, strlen(text));
}

result buffer_printf(struct buffer *b, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    result r = length < 0 ? error_set(E_INTERNAL, "bad format") : buffer_reserve(b, (size_t)length);
    if (!r.code) {
        (void)vsnprintf((char *)b->data + b->length, (size_t)length + 1, format, again);
        b->length += (size_t)length;
    }
    va_end(again);
    return r;
}

void buffer_consume(struct buffer *b, size_t bytes_len)
{
    if (bytes_len > b->length)
        bytes_len = b->length;
    if (!bytes_len)
        return;
    memmove(b->data, b->data + bytes_len, b->length - bytes_len + 1);
    b->length -= bytes_len;
}

void buffer_cleanup(struct buffer *b)
{
    free(b->data);
    *b = (struct buffer){0};
}

static must_check result take_little_endian(struct cursor *c, uint64_t *ret_value, size_t width)
{
    const uint8_t *bytes;
    TRY(cursor_view(c, &bytes, width));
    uint64_t value = 0;
    for (size_t i = width; i-- > 0;)
        value = value << 8 | bytes[i];
    *ret_value = value;
    return RESULT_OK;
}

result cursor_u8(struct cursor *c, uint8_t *ret_value)
{
    return cursor_copy(c, ret_value, 1);
}

result cursor_u16(struct cursor *c, uint16_t *ret_value)
{
    uint64_t value;
    TRY(take_little_endian(c, &value, 2));
    *ret_value = (uint16_t)value;
    return RESULT_OK;
}

result cursor_u32(struct cursor *c, uint32_t *ret_value)
{
    uint64_t value;
    TRY(take_little_endian(c, &value, 4));
    *ret_value = (uint32_t)value;
    return RESULT_OK;
}

result cursor_u64(struct cursor *c, uint64_t *ret_value)
{
    return take_little_endian(c, ret_value, 8);
}

result cursor_copy(struct cursor *c, uint8_t *out, size_t out_len)
{
    const uint8_t *bytes;
    TRY(cursor_view(c, &bytes, out_len));
    if (out_len)
        memcpy(out, bytes, out_len);
    return RESULT_OK;
}

result cursor_view(struct cursor *c, const uint8_t **ret_view, size_t view_len)
{
    ENSURE(view_len <= c->left, E_INPUT, "truncated: %zu bytes wanted, %zu left", view_len, c->left);
    *ret_view = c->at;
    if (view_len) { /* c->at may be NULL when nothing is left */
        c->at += view_len;
        c->left -= view_len;
    }
    return RESULT_OK;
}

result cursor_end(const struct cursor *c)
{
    ENSURE(c->left == 0, E_INPUT, "%zu bytes too many", c->left);
    return RESULT_OK;
}

static void pack_little_endian(struct packer *p, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < width; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    pack_bytes(p, bytes, width);
}

void pack_u8(struct packer *p, uint8_t value)
{
    pack_bytes(p, &value, 1);
}

void pack_u16(struct packer *p, uint16_t value)
{
    pack_little_endian(p, value, 2);
}

void pack_u32(struct packer *p, uint32_t value)
{
    pack_little_endian(p, value, 4);
}

void pack_u64(struct packer *p, uint64_t value)
{
    pack_little_endian(p, value, 8);
}

void pack_bytes(struct packer *p, const void *bytes, size_t bytes_len)
{
    if (p->overflow || bytes_len > p->capacity - p->length) {
        p->overflow = true;
        return;
    }
    if (bytes_len)
        memcpy(p->data + p->length, bytes, bytes_len);
    p->length += bytes_len;
}

result pack_end(const struct packer *p)
{
    ENSURE(!p->overflow, E_TOO_LARGE, "message does not fit %zu bytes", p->capacity);
    return RESULT_OK;
}
