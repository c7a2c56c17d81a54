/* json.h - a strict JSON reader over jansson, and typed access whose errors name the member by
 * its path ("attestation.source.epoch: must be ...").
 *
 * jansson's allocator is the program's choice (the loader gives it the secure heap). jansson seeds
 * its hash tables from /dev/urandom on first use: a program that closes its view of the file
 * system calls json_object_seed(0) before.
 */
#ifndef JSON_JSON_H
#define JSON_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

DEFINE_AUTO_POINTER(json_t, json_decref)

enum { JSON_DEPTH_MAX = 32 };

/* Parses one whole text (UTF-8). E_TOO_LARGE when it has more than max_length bytes; E_INPUT for
 * anything but one JSON object or array: malformed, trailing bytes, a member twice, NUL in a
 * string, nested deeper than JSON_DEPTH_MAX, more than max_values values. The text is not echoed.
 * The caller owns the root: AUTO_POINTER(json_t) root = NULL; */
must_check result json_read(json_t **ret_root, const char *text, size_t text_len, size_t max_length,
                            size_t max_values);

/* A value and the way to it; borrowed from the root. Children point at their parent, so a parent
 * (a local variable of the caller) must outlive its children. */
struct json_view {
    const json_t *value;
    const struct json_view *parent; /* NULL at the root */
    const char *name;               /* NULL at the root and for elements of an array */
    size_t index;                   /* of an array's element */
};

/* The root as an object. E_INPUT "document: must be an object". */
must_check result json_view_root(struct json_view *ret_view, const json_t *root);

/* The same for an element that was read apart from its array (json_stream.h): of array, at index. */
must_check result json_view_element(struct json_view *ret_view, const json_t *element,
                                    const struct json_view *array, size_t index);

/* Whether there is a member of that name. One that is null is none: serialisers write what is unset so. */
bool json_has(const struct json_view *object, const char *name);

/* Each of the following is E_INPUT, naming the path, when the member is missing or null, or not
 * of the wanted type. */
must_check result json_get_object(struct json_view *ret_member, const struct json_view *object,
                                  const char *name);
must_check result json_get_array(struct json_view *ret_member, const struct json_view *object,
                                 const char *name, size_t max_elements);
must_check result json_get_bool(bool *ret_value, const struct json_view *object, const char *name);
/* UTF-8 without NUL inside; valid as long as the root. ret_length may be NULL. */
must_check result json_get_text(const char **ret_text, size_t *ret_length, const struct json_view *object,
                                const char *name);
/* The same, and *ret_text is NULL when there is no such member, or it is null. */
must_check result json_get_text_optional(const char **ret_text, size_t *ret_length,
                                         const struct json_view *object, const char *name);
/* Copies the text; E_INPUT, too, when it does not fit. */
must_check result json_copy_text(char *out, size_t out_capacity, const struct json_view *object,
                                 const char *name);
/* A decimal below 2^64, quoted or bare. */
must_check result json_get_u64(uint64_t *ret_value, const struct json_view *object, const char *name);
/* The same from low to high. */
must_check result json_get_u64_between(uint64_t *ret_value, const struct json_view *object, const char *name,
                                       uint64_t low, uint64_t high);
/* The text must be the expected one. */
must_check result json_require_text(const struct json_view *object, const char *name, const char *expected);
/* Exactly out_len bytes as hex of either case, "0x" optional. */
must_check result json_get_hex(uint8_t *out, size_t out_len, const struct json_view *object,
                               const char *name);
/* At most out_capacity bytes. */
must_check result json_get_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity,
                                     const struct json_view *object, const char *name);

/* Elements of an array; index is below json_array_size(array->value). */
must_check result json_element_object(struct json_view *ret_element, const struct json_view *array,
                                      size_t index);
must_check result json_element_text(const char **ret_text, size_t *ret_length, const struct json_view *array,
                                    size_t index);
must_check result json_element_u64(uint64_t *ret_value, const struct json_view *array, size_t index);
must_check result json_element_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity,
                                         const struct json_view *array, size_t index);
must_check result json_element_hex(uint8_t *out, size_t out_len, const struct json_view *array, size_t index);

/* Puts the path of object.name in front of the remembered sentence: for checks of the caller's own. */
must_check result json_blame(result failed, const struct json_view *object, const char *name);
must_check result json_blame_element(result failed, const struct json_view *array, size_t index);

/* Appends text as a JSON string with its quotes. Bytes that are not UTF-8 become '?'. */
must_check result json_append_quoted(struct buffer *out, const char *text);

#endif
