/* fuzz_texts.c - hexadecimal, base64, numbers, times, addresses. What is accepted has one form: written again
 * it is the same text (hex but for case and 0x), and a text that is cut is another. */
#include <ctype.h>

#include "aws/aws_sigv4.h"
#include "base/base64.h"
#include "base/hex.h"
#include "base/options.h"
#include "fuzz.h"
#include "net/net_address.h"

enum { BYTES_MAX = 4096 };

static void try_hex(const char *text, size_t length)
{
    static uint8_t bytes[BYTES_MAX];
    static char again[2 * BYTES_MAX + 3];
    size_t digits = length >= 2 && text[0] == '0' && text[1] == 'x' ? length - 2 : length;
    size_t wanted = digits / 2;
    if (wanted > BYTES_MAX)
        return;
    memset(bytes, 0x5a, sizeof bytes);
    if (fuzz_accepted(hex_decode(bytes, wanted, text, length))) {
        PROMISE(digits % 2 == 0);
        hex_encode(again, bytes, wanted);
        for (size_t i = 0; i < digits; i++)
            PROMISE(again[i] == tolower((unsigned char)text[length - digits + i]));
    } else {
        for (size_t i = 0; i < wanted; i++)
            PROMISE(bytes[i] == 0);
    }
    PROMISE(hex_decode(bytes, wanted + 1, text, length).code == E_INPUT);
    hex_encode_0x(again, (const uint8_t *)text, wanted);
    PROMISE(hex_decode(bytes, wanted, again, 2 * wanted + 2).code == 0 && memcmp(bytes, text, wanted) == 0);
}

static void try_base64(const char *text, size_t length)
{
    static uint8_t bytes[BYTES_MAX];
    static char again[BASE64_LENGTH(BYTES_MAX) + 1];
    size_t decoded_len = 0;
    if (length > BYTES_MAX)
        return;
    if (fuzz_accepted(base64_decode(bytes, &decoded_len, sizeof bytes, text, length))) {
        PROMISE(BASE64_LENGTH(decoded_len) == length && decoded_len <= BASE64_DECODED_MAX(length));
        base64_encode(again, bytes, decoded_len);
        PROMISE(memcmp(again, text, length) == 0);
        if (decoded_len > 0)
            PROMISE(base64_decode(bytes, &decoded_len, decoded_len - 1, text, length).code == E_TOO_LARGE);
    }
    base64_encode(again, (const uint8_t *)text, length);
    PROMISE(base64_decode(bytes, &decoded_len, sizeof bytes, again, BASE64_LENGTH(length)).code == 0);
    PROMISE(decoded_len == length && memcmp(bytes, text, length) == 0);
}

static void try_number(const char *text)
{
    char again[24];
    uint64_t value;
    if (!fuzz_accepted(parse_u64(&value, text)))
        return;
    (void)snprintf(again, sizeof again, "%llu", (unsigned long long)value);
    PROMISE(strcmp(again, text + strspn(text, "0")) == 0 || value == 0);
}

static void try_date(const char *text)
{
    char again[AWS_SIGV4_DATE_LEN + 1];
    uint64_t time_ms;
    if (!fuzz_accepted(aws_sigv4_date_parse(&time_ms, text)))
        return;
    aws_sigv4_date(again, time_ms);
    PROMISE(strcmp(again, text) == 0);
}

static void try_address(const char *text)
{
    struct net_address address, same;
    char written[320];
    struct sockaddr_storage storage;
    socklen_t length;
    if (!fuzz_accepted(net_address_parse(&address, text)))
        return;
    net_address_format(written, sizeof written, &address);
    PROMISE(net_address_parse(&same, written).code == 0);
    PROMISE(same.family == address.family && same.cid == address.cid && same.port == address.port &&
            strcmp(same.host, address.host) == 0);
    if (fuzz_accepted(net_socket_address(&storage, &length, &address)))
        PROMISE(address.family != NET_TCP && length <= sizeof storage);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    fuzz_forget_reason();
    try_hex(text, size);
    try_base64(text, size);
    try_number(text);
    try_date(text);
    try_address(text);
    free(text);
    return 0;
}
