/* json_flat.c - see json_flat.h.
 *
 * One pass, no memory, no copy: jansson spends a microsecond on a row of three members, and a history has two
 * million rows. A second opinion on what JSON is would be a risk, so this knows the one shape that leaves no
 * room for opinions, and leaves everything else to jansson. */
#include "json/json_flat.h"

#include <string.h>

#include "base/hex.h"
#include "base/options.h"

enum { U64_DIGITS_MAX = 20, FIRST_PRINTABLE = 0x20, LAST_PRINTABLE = 0x7e };

struct reader {
    const char *at, *end;
};

static bool is_next(struct reader *r, char wanted)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
    if (r->at == r->end || *r->at != wanted)
        return false;
    r->at++;
    return true;
}

static bool is_plain(char character)
{
    return character >= FIRST_PRINTABLE && character <= LAST_PRINTABLE && character != '"' &&
           character != '\\';
}

static bool read_text(struct reader *r, struct json_flat_text *ret_text)
{
    if (!is_next(r, '"'))
        return false;
    const char *begin = r->at, *at = begin, *end = r->end;
    while (at < end && is_plain(*at))
        at++;
    if (at == end || *at != '"')
        return false;
    *ret_text = (struct json_flat_text){.at = begin, .length = (size_t)(at - begin)};
    r->at = at + 1;
    return true;
}

static const struct json_flat_text *find(const struct json_flat *object, const char *name, size_t name_len)
{
    for (size_t i = 0; i < object->num_members; i++)
        if (object->names[i].length == name_len && memcmp(object->names[i].at, name, name_len) == 0)
            return &object->values[i];
    return NULL;
}

static bool read_member(struct reader *r, struct json_flat *object)
{
    struct json_flat_text name;
    if (object->num_members == JSON_FLAT_MEMBERS_MAX || !read_text(r, &name) ||
        find(object, name.at, name.length) || !is_next(r, ':') ||
        !read_text(r, &object->values[object->num_members]))
        return false;
    object->names[object->num_members++] = name;
    return true;
}

bool json_flat_read(struct json_flat *ret_object, const char *text, size_t text_len)
{
    struct reader r = {.at = text, .end = text + text_len};
    ret_object->num_members = 0;
    if (!is_next(&r, '{'))
        return false;
    do {
        if (!read_member(&r, ret_object))
            return false;
    } while (is_next(&r, ','));
    if (!is_next(&r, '}'))
        return false;
    ret_object->length = (size_t)(r.at - text);
    return true;
}

bool json_flat_has(const struct json_flat *object, const char *name)
{
    return find(object, name, strlen(name)) != NULL;
}

bool json_flat_u64(uint64_t *ret_value, const struct json_flat *object, const char *name)
{
    char digits[U64_DIGITS_MAX + 1];
    const struct json_flat_text *value = find(object, name, strlen(name));
    if (!value || value->length > U64_DIGITS_MAX)
        return false;
    memcpy(digits, value->at, value->length);
    digits[value->length] = '\0';
    return !parse_u64(ret_value, digits).code;
}

bool json_flat_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity, const struct json_flat *object,
                         const char *name)
{
    const struct json_flat_text *value = find(object, name, strlen(name));
    if (!value)
        return false;
    size_t prefix = value->length >= 2 && memcmp(value->at, "0x", 2) == 0 ? 2 : 0;
    size_t digits = value->length - prefix;
    if (digits % 2 || digits / 2 > out_capacity || hex_decode(out, digits / 2, value->at, value->length).code)
        return false;
    *ret_len = digits / 2;
    return true;
}
