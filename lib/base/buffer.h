/* buffer.h - bounded reading and writing of bytes.
 *
 * struct buffer  grows on the ordinary heap; never for secrets.
 * struct cursor  reads from bytes it does not own; every read is checked.
 * struct packer  writes into a caller's array of fixed size; overflow is remembered and
 *                reported once at the end, so that encoders stay linear.
 * Integers are little-endian here (PROTOCOL.ipc); the framed transports do their own.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdint.h>

#include "base/result.h"

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
};

/* Appends; the contents are always followed by a NUL byte that is not counted. */
must_check result buffer_append(struct buffer *b, const void *bytes, size_t bytes_len);
must_check result buffer_append_text(struct buffer *b, const char *text);
must_check result buffer_printf(struct buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Makes room for at least more bytes behind the contents. */
must_check result buffer_reserve(struct buffer *b, size_t more);
/* Drops the first bytes_len bytes. */
void buffer_consume(struct buffer *b, size_t bytes_len);
void buffer_cleanup(struct buffer *b);

struct cursor {
    const uint8_t *at;
    size_t left;
};

/* Little-endian integers; E_INPUT when too few bytes are left, and the cursor stays where it was. */
must_check result cursor_u8(struct cursor *c, uint8_t *ret_value);
must_check result cursor_u16(struct cursor *c, uint16_t *ret_value);
must_check result cursor_u32(struct cursor *c, uint32_t *ret_value);
must_check result cursor_u64(struct cursor *c, uint64_t *ret_value);
/* Copies exactly out_len bytes. */
must_check result cursor_copy(struct cursor *c, uint8_t *out, size_t out_len);
/* Points into the cursor's own bytes. */
must_check result cursor_view(struct cursor *c, const uint8_t **ret_view, size_t view_len);
/* Fails with E_INPUT if anything is left. */
must_check result cursor_end(const struct cursor *c);

struct packer {
    uint8_t *data;
    size_t capacity;
    size_t length;
    bool overflow;
};

/* Little-endian integers and bytes behind what is there; too much sets overflow. */
void pack_u8(struct packer *p, uint8_t value);
void pack_u16(struct packer *p, uint16_t value);
void pack_u32(struct packer *p, uint32_t value);
void pack_u64(struct packer *p, uint64_t value);
void pack_bytes(struct packer *p, const void *bytes, size_t bytes_len);
/* E_TOO_LARGE if anything did not fit. */
must_check result pack_end(const struct packer *p);

#endif
