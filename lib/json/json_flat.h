/* json_flat.h - JSON objects of the plainest kind, read where they lie: members that are strings, all in
 * printable ASCII without escapes. For files with millions of such rows. Target json.
 *
 * What this accepts, json_read (json.h) accepts as the same object. What it does not accept may be JSON all
 * the same, and a typed access that says no may have any reason: json_read, and the access of json.h, are
 * asked then, and say what is wrong.
 */
#ifndef JSON_JSON_FLAT_H
#define JSON_JSON_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_FLAT_MEMBERS_MAX = 8 };

struct json_flat_text {
    const char *at; /* no NUL behind it */
    size_t length;
};

struct json_flat {
    size_t length; /* of the object's text */
    size_t num_members;
    struct json_flat_text names[JSON_FLAT_MEMBERS_MAX], values[JSON_FLAT_MEMBERS_MAX];
};

/* Whether the text begins with such an object, of at most JSON_FLAT_MEMBERS_MAX members, none of them twice.
 * The views point into the text. */
bool json_flat_read(struct json_flat *ret_object, const char *text, size_t text_len);

bool json_flat_has(const struct json_flat *object, const char *name);
/* As json_get_u64 and json_get_hex_up_to. */
bool json_flat_u64(uint64_t *ret_value, const struct json_flat *object, const char *name);
bool json_flat_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity, const struct json_flat *object,
                         const char *name);

#endif
