/* secret_text.c - what is asked of passwords and of keys in text form, without strcspn, strspn and strchr:
 * glibc's index a table by each byte or leave at the first that differs. A file of its own, so that the
 * tests' secret_verdict is called. */
#include "base/secret_text.h"

/* 1 if the two are the same byte, else 0. */
static size_t same_byte(uint8_t a, uint8_t b)
{
    return ((size_t)(a ^ b) - 1) >> (8 * sizeof(size_t) - 1);
}

size_t secret_line_length(const struct secret *s)
{
    size_t length = 0, inside = 1;
    for (size_t i = 0; i < s->length; i++) {
        inside &= 1 ^ (same_byte(s->data[i], '\r') | same_byte(s->data[i], '\n') | same_byte(s->data[i], 0));
        length += inside;
    }
    return length;
}

bool secret_is_blank(const void *bytes, size_t bytes_len)
{
    const uint8_t *at = bytes;
    size_t others = 0;
    for (size_t i = 0; i < bytes_len; i++)
        others |= 1 ^ (same_byte(at[i], ' ') | same_byte(at[i], '\t') | same_byte(at[i], '\r') |
                       same_byte(at[i], '\n'));
    return secret_verdict(others == 0);
}
