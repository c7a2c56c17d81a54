/* vectors.h - reading the JSON vector files of others in the tests of lib/eth2. */
#ifndef VECTORS_H
#define VECTORS_H

#include "testing_json.h"
#include "json/json.h"

/* The string at a path of member names; NULL if there is none. */
static inline const char *vector_text(const json_t *object, const char *first, const char *second)
{
    const json_t *value = json_object_get(object, first);
    return json_string_value(second ? json_object_get(value, second) : value);
}

static inline void vector_hex(uint8_t *out, size_t out_len, const char *text)
{
    assert_non_null(text);
    assert_ok(hex_decode(out, out_len, text, strlen(text)));
}

static inline uint64_t vector_u64(const json_t *value)
{
    return json_is_string(value) ? strtoull(json_string_value(value), NULL, 10)
                                 : (uint64_t)json_integer_value(value);
}

static inline void assert_hex(const char *expected, const uint8_t *bytes, size_t bytes_len, const char *what)
{
    uint8_t wanted[96] = {0};
    assert_in_range(bytes_len, 1, sizeof wanted);
    vector_hex(wanted, bytes_len, expected);
    if (memcmp(wanted, bytes, bytes_len) != 0) {
        char ours[200];
        hex_encode_0x(ours, bytes, bytes_len);
        fail_msg("%s: expected %s, got %s", what, expected, ours);
    }
}

#endif
