/* base64.c - no table lookup and no branch depends on the bytes, only on their number and
 * on the padding. OpenSSL's EVP_EncodeBlock and EVP_DecodeBlock look characters up in
 * tables, which a key must not do. */
#include "base/base64.h"

#include <openssl/crypto.h>

/* All ones when low <= c <= high, else 0; both below 256. */
static unsigned in_range(unsigned c, unsigned low, unsigned high)
{
    return (((c - low) | (high - c)) >> 31) - 1;
}

static char symbol(unsigned value)
{
    unsigned c = (in_range(value, 0, 25) & (value + 'A')) | (in_range(value, 26, 51) & (value - 26 + 'a')) |
                 (in_range(value, 52, 61) & (value - 52 + '0')) | (in_range(value, 62, 62) & '+') |
                 (in_range(value, 63, 63) & '/');
    return (char)c;
}

static unsigned unsymbol(unsigned *bad, char character)
{
    unsigned c = (uint8_t)character;
    unsigned upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z'), number = in_range(c, '0', '9');
    unsigned plus = in_range(c, '+', '+'), slash = in_range(c, '/', '/');
    *bad |= ~(upper | lower | number | plus | slash);
    return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (number & (c - '0' + 52)) | (plus & 62) |
           (slash & 63);
}

void base64_encode(char *out, const uint8_t *bytes, size_t bytes_len)
{
    for (size_t i = 0; i < bytes_len; i += 3) {
        size_t left = bytes_len - i;
        unsigned group = (unsigned)bytes[i] << 16 | (left > 1 ? (unsigned)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        *out++ = symbol(group >> 18);
        *out++ = symbol(group >> 12 & 63);
        *out++ = left > 1 ? symbol(group >> 6 & 63) : '=';
        *out++ = left > 2 ? symbol(group & 63) : '=';
    }
    *out = 0;
}

result base64_append(struct buffer *out, const uint8_t *bytes, size_t bytes_len)
{
    TRY(buffer_reserve(out, BASE64_LENGTH(bytes_len) + 1));
    base64_encode((char *)out->data + out->length, bytes, bytes_len);
    out->length += BASE64_LENGTH(bytes_len);
    return RESULT_OK;
}

result base64_secret(struct secret *ret_text, const uint8_t *bytes, size_t bytes_len)
{
    TRY(secret_new(ret_text, BASE64_LENGTH(bytes_len)));
    base64_encode((char *)ret_text->data, bytes, bytes_len);
    return RESULT_OK;
}

result base64_decode(uint8_t *out, size_t *ret_len, size_t out_capacity, const char *text, size_t text_len)
{
    ENSURE(text_len % 4 == 0, E_INPUT, "must be base64 with padding");
    size_t padding = 0;
    if (text_len && secret_verdict(text[text_len - 1] == '=')) /* the number of bytes is public */
        padding = secret_verdict(text[text_len - 2] == '=') ? 2 : 1;
    size_t length = text_len / 4 * 3 - padding;
    ENSURE(length <= out_capacity, E_TOO_LARGE, "base64 of more than %zu bytes", out_capacity);

    unsigned bad = 0;
    size_t written = 0;
    for (size_t i = 0; i < text_len; i += 4) {
        size_t missing = i + 4 == text_len ? padding : 0;
        unsigned group = unsymbol(&bad, text[i]) << 18 | unsymbol(&bad, text[i + 1]) << 12;
        group |= missing < 2 ? unsymbol(&bad, text[i + 2]) << 6 : 0;
        group |= missing < 1 ? unsymbol(&bad, text[i + 3]) : 0;
        out[written++] = (uint8_t)(group >> 16);
        if (missing < 2)
            out[written++] = (uint8_t)(group >> 8);
        if (missing < 1)
            out[written++] = (uint8_t)group;
        /* What the padding cuts off must be zero, or two texts would mean the same bytes. */
        bad |= missing == 2 ? group & 0xffff : missing == 1 ? group & 0xff : 0;
    }
    if (!secret_verdict(bad == 0)) { /* whether it is base64, not which character is not */
        OPENSSL_cleanse(out, length);
        FAIL(E_INPUT, "must be base64 with padding");
    }
    *ret_len = length;
    return RESULT_OK;
}
