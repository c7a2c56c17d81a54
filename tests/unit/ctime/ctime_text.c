/* ctime_text.c - hex, base64 and JSON of secrets; their comparison; the first line of a password's file. */
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/secret_text.h"
#include "ctime.h"
#include "json/json_secret.h"

enum { BYTES = 33 };

static uint8_t bytes[BYTES];

static void fill(void)
{
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 67 + 5);
    ctime_secret(bytes, sizeof bytes);
}

/* Each length a whole number of groups, and one and two bytes more. */
static void try_base64(void)
{
    for (size_t length = BYTES - 2; length <= BYTES; length++) {
        char text[BASE64_LENGTH(BYTES) + 1];
        uint8_t back[BYTES];
        size_t back_len = 0;
        base64_encode(text, bytes, length);
        EXPECT_OK(base64_decode(back, &back_len, sizeof back, text, BASE64_LENGTH(length)));
        EXPECT(back_len == length && ctime_same(back, bytes, length));
        fill();
        text[7] = '-';
        ctime_secret(text, 8);
        EXPECT(base64_decode(back, &back_len, sizeof back, text, BASE64_LENGTH(length)).code == E_INPUT);
    }
}

static void try_hex(void)
{
    char text[2 * BYTES + 3];
    uint8_t back[BYTES];
    hex_encode(text, bytes, sizeof bytes);
    EXPECT_OK(hex_decode(back, sizeof back, text, 2 * sizeof back));
    EXPECT(ctime_same(back, bytes, sizeof back));
    fill();
    hex_encode_0x(text, bytes, sizeof bytes);
    ctime_secret(text, 2); /* even these */
    EXPECT_OK(hex_decode(back, sizeof back, text, 2 * sizeof back + 2));
    EXPECT(ctime_same(back, bytes, sizeof back));
    fill();
    text[9] = 'g';
    ctime_secret(text, sizeof text);
    EXPECT(hex_decode(back, sizeof back, text, 2 * sizeof back + 2).code == E_INPUT);
}

static void try_json(void)
{
    static const char beginning[] = "{\"keystore_b64\":\"";
    AUTO(secret) text = {0};
    const struct json_secret_member first = {"keystore_b64", bytes, 31}, second = {"password_b64", bytes, 12};
    EXPECT_OK(json_secret_pair(&text, &first, &second));
    EXPECT(text.length == 13 + 24 + 44 + 16);
    EXPECT(ctime_same(text.data, beginning, sizeof beginning - 1));
    ctime_public(text.data, text.length);
    EXPECT(text.data[text.length - 1] == '}');
}

static void try_comparison(void)
{
    uint8_t other[BYTES];
    memcpy(other, bytes, sizeof other);
    EXPECT(secret_equal(bytes, other, sizeof other));
    other[BYTES - 1] ^= 1;
    EXPECT(!secret_equal(bytes, other, sizeof other));
    other[0] ^= 1;
    EXPECT(!secret_equal(bytes, other, sizeof other));
}

static void try_first_line(const char *contents, size_t length, bool blank)
{
    AUTO(secret) text = {0};
    EXPECT_OK(secret_copy(&text, contents, strlen(contents)));
    ctime_secret(text.data, text.length);
    EXPECT(secret_line_length(&text) == length);
    EXPECT(secret_is_blank(text.data, length) == blank);
}

int main(void)
{
    ctime_begin();
    fill();
    try_base64();
    try_hex();
    try_json();
    try_comparison();
    try_first_line("correct horse", 13, false);
    try_first_line("correct\r\nhorse\n", 7, false);
    try_first_line(" \t \nhorse", 3, true);
    try_first_line("\nhorse", 0, true);
    return 0;
}
