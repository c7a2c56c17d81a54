/* hex.c - no table and no branch depends on the bytes, only on their number. Whether "0x" leads is told by
 * the length, too: to look for it would tell the first digits of a text without. */
#include "base/hex.h"

#include <openssl/crypto.h>

#include "base/secret.h"

/* All ones when low <= c <= high, else 0; c is at most 255, so a negative difference shows
 * in the top bit. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
    unsigned outside = ((c - low) | (high - c)) >> 31;
    return outside - 1;
}

static char digit(unsigned value)
{
    /* '0'..'9', then 'a'..'f' by adding the gap when value is at least 10. */
    unsigned at_least_ten = ((9 - value) >> 8) & 1;
    return (char)('0' + value + at_least_ten * ('a' - '0' - 10));
}

void hex_encode(char *out, const uint8_t *bytes, size_t bytes_len)
{
    for (size_t i = 0; i < bytes_len; i++) {
        out[2 * i] = digit(bytes[i] >> 4);
        out[2 * i + 1] = digit(bytes[i] & 15);
    }
    out[2 * bytes_len] = 0;
}

void hex_encode_0x(char *out, const uint8_t *bytes, size_t bytes_len)
{
    out[0] = '0';
    out[1] = 'x';
    hex_encode(out + 2, bytes, bytes_len);
}

/* The digit's value, with all bits above the low four set in *bad if it is none. */
static unsigned undigit(unsigned *bad, char character)
{
    unsigned c = (uint8_t)character;
    unsigned decimal = in_range(c, '0', '9');
    unsigned lower = in_range(c, 'a', 'f');
    unsigned upper = in_range(c, 'A', 'F');
    *bad |= ~(decimal | lower | upper);
    return (decimal & (c - '0')) | (lower & (c - 'a' + 10)) | (upper & (c - 'A' + 10));
}

result hex_decode(uint8_t *out, size_t out_len, const char *text, size_t text_len)
{
    unsigned bad = 0;
    if (text_len == 2 * out_len + 2) {
        bad = (unsigned)(text[0] ^ '0') | (unsigned)(text[1] ^ 'x');
        text += 2;
        text_len -= 2;
    }
    bool fits = text_len == 2 * out_len;
    for (size_t i = 0; fits && i < out_len; i++) {
        unsigned high = undigit(&bad, text[2 * i]);
        out[i] = (uint8_t)(high << 4 | undigit(&bad, text[2 * i + 1]));
    }
    if (!fits || !secret_verdict(bad == 0)) { /* whether it is hex, not which character is not */
        OPENSSL_cleanse(out, out_len);
        FAIL(E_INPUT, "must be %zu bytes of hex", out_len);
    }
    return RESULT_OK;
}
