/* json.c - see json.h.
 *
 * jansson parses recursively down to 2048 levels, and a byte of text can cost a hundred bytes of
 * memory ("[[],[],..."), so one cheap pass over the text counts levels and values before jansson
 * sees it. That pass knows only strings and brackets; whether the text is JSON is jansson's say.
 *
 * Paths are linked from child to parent on the caller's stack and written out only when something
 * is wrong: the good case pays nothing for good messages.
 */
#include "json/json.h"

#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/options.h"
#include "json/json_large.h"

enum { PATH_MAX_LENGTH = 160 };

/* Skips a string whose opening quote is at text[i]; returns the index of its closing quote. */
static size_t skip_string(const char *text, size_t text_len, size_t i)
{
    for (i++; i < text_len && text[i] != '"'; i++) {
        if (text[i] == '\\')
            i++;
    }
    return i;
}

static must_check result check_shape(const char *text, size_t text_len, size_t max_values)
{
    size_t depth = 0, values = 1;
    for (size_t i = 0; i < text_len; i++) {
        switch (text[i]) {
        case '"':
            i = skip_string(text, text_len, i);
            break;
        case '[':
        case '{':
            values++;
            depth++;
            break;
        case ']':
        case '}':
            depth -= depth > 0;
            break;
        case ',':
            values++;
            break;
        }
        ENSURE(depth <= JSON_DEPTH_MAX, E_INPUT, "JSON is nested deeper than %d levels", JSON_DEPTH_MAX);
        ENSURE(values <= max_values, E_INPUT, "JSON has more than %zu values", max_values);
    }
    return RESULT_OK;
}

/* jansson holds integers below 2^63 only. */
static json_t *load_with_large(const char *text, size_t text_len, json_error_t *error)
{
    AUTO(buffer) quoted = {0};
    json_t *root = NULL;
    if (!json_quote_large(&quoted, text, text_len).code)
        root = json_loadb((const char *)quoted.data, quoted.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                          error);
    if (quoted.data)
        explicit_bzero(quoted.data, quoted.length);
    return root;
}

result json_read(json_t **ret_root, const char *text, size_t text_len, size_t max_length, size_t max_values)
{
    ENSURE(text_len <= max_length, E_TOO_LARGE, "JSON is longer than %zu bytes", max_length);
    TRY(check_shape(text, text_len, max_values));
    json_error_t error; /* its text quotes the input, so only the position is passed on */
    json_t *root = json_loadb(text, text_len, JSON_REJECT_DUPLICATES, &error);
    if (!root && json_error_code(&error) == json_error_numeric_overflow)
        root = load_with_large(text, text_len, &error);
    if (root) {
        *ret_root = root;
        return RESULT_OK;
    }
    enum json_error_code code = json_error_code(&error);
    ENSURE(code != json_error_out_of_memory, E_MEMORY, "out of memory for JSON");
    ENSURE(code != json_error_duplicate_key, E_INPUT, "JSON has a member twice, line %d, column %d",
           error.line, error.column);
    ENSURE(code != json_error_numeric_overflow, E_INPUT,
           "JSON has a bare number out of range, line %d, column %d (quote it)", error.line, error.column);
    FAIL(E_INPUT, "malformed JSON, line %d, column %d", error.line, error.column);
}

/* Writes from the root down; cuts what does not fit. */
static void write_path(char *out, size_t *length, const struct json_view *view)
{
    if (!view->parent)
        return;
    write_path(out, length, view->parent);
    if (*length >= PATH_MAX_LENGTH - 1)
        return;
    size_t room = PATH_MAX_LENGTH - *length;
    int added = view->name ? snprintf(out + *length, room, "%s%s", *length ? "." : "", view->name)
                           : snprintf(out + *length, room, "[%zu]", view->index);
    *length += added > 0 ? (size_t)added : 0;
    if (*length > PATH_MAX_LENGTH - 1)
        *length = PATH_MAX_LENGTH - 1;
}

static must_check result blame_view(result failed, const struct json_view *view)
{
    char path[PATH_MAX_LENGTH] = "";
    size_t length = 0;
    write_path(path, &length, view);
    return error_prefix(failed, "%s", length ? path : "document");
}

result json_blame(result failed, const struct json_view *object, const char *name)
{
    struct json_view view = {.parent = object, .name = name};
    return blame_view(failed, &view);
}

result json_blame_element(result failed, const struct json_view *array, size_t index)
{
    struct json_view view = {.parent = array, .index = index};
    return blame_view(failed, &view);
}

static must_check result wrong(const struct json_view *view, const char *what)
{
    return blame_view(error_set(E_INPUT, "%s", view->value ? what : "is missing"), view);
}

static struct json_view member(const struct json_view *object, const char *name)
{
    return (struct json_view){.value = json_object_get(object->value, name), .parent = object, .name = name};
}

static struct json_view element(const struct json_view *array, size_t index)
{
    return (struct json_view){.value = json_array_get(array->value, index), .parent = array, .index = index};
}

result json_view_root(struct json_view *ret_view, const json_t *root)
{
    struct json_view view = {.value = root};
    if (!json_is_object(root))
        return wrong(&view, "must be an object");
    *ret_view = view;
    return RESULT_OK;
}

bool json_has(const struct json_view *object, const char *name)
{
    const json_t *value = json_object_get(object->value, name);
    return value && !json_is_null(value);
}

static must_check result view_object(struct json_view *ret_view, struct json_view view)
{
    if (!json_is_object(view.value))
        return wrong(&view, "must be an object");
    *ret_view = view;
    return RESULT_OK;
}

result json_view_element(struct json_view *ret_view, const json_t *element, const struct json_view *array,
                         size_t index)
{
    return view_object(ret_view, (struct json_view){.value = element, .parent = array, .index = index});
}

/* An integer from 2^63 on, as json_large.c has it. */
static bool is_large_number(const json_t *value)
{
    return json_is_string(value) && json_string_length(value) > 0 && json_string_value(value)[0] == 0;
}

static must_check result view_text(const char **ret_text, size_t *ret_length, struct json_view view)
{
    if (!json_is_string(view.value) || is_large_number(view.value))
        return wrong(&view, "must be a string");
    *ret_text = json_string_value(view.value);
    if (ret_length)
        *ret_length = json_string_length(view.value);
    return RESULT_OK;
}

static must_check result view_u64(uint64_t *ret_value, struct json_view view)
{
    if (json_is_integer(view.value) && json_integer_value(view.value) >= 0) {
        *ret_value = (uint64_t)json_integer_value(view.value);
        return RESULT_OK;
    }
    if (!json_is_string(view.value))
        return wrong(&view, "must be a decimal number, quoted or not");
    result parsed = parse_u64(ret_value, json_string_value(view.value) + is_large_number(view.value));
    return parsed.code ? blame_view(parsed, &view) : RESULT_OK;
}

static must_check result view_hex(uint8_t *out, size_t out_len, struct json_view view)
{
    if (!json_is_string(view.value) || is_large_number(view.value))
        return wrong(&view, "must be a string of hex");
    result parsed = hex_decode(out, out_len, json_string_value(view.value), json_string_length(view.value));
    return parsed.code ? blame_view(parsed, &view) : RESULT_OK;
}

result json_get_object(struct json_view *ret_member, const struct json_view *object, const char *name)
{
    return view_object(ret_member, member(object, name));
}

result json_get_array(struct json_view *ret_member, const struct json_view *object, const char *name,
                      size_t max_elements)
{
    struct json_view view = member(object, name);
    if (!json_is_array(view.value))
        return wrong(&view, "must be an array");
    if (json_array_size(view.value) > max_elements)
        return blame_view(error_set(E_INPUT, "must have at most %zu elements", max_elements), &view);
    *ret_member = view;
    return RESULT_OK;
}

result json_get_bool(bool *ret_value, const struct json_view *object, const char *name)
{
    struct json_view view = member(object, name);
    if (!json_is_boolean(view.value))
        return wrong(&view, "must be true or false");
    *ret_value = json_is_true(view.value);
    return RESULT_OK;
}

result json_get_text(const char **ret_text, size_t *ret_length, const struct json_view *object,
                     const char *name)
{
    return view_text(ret_text, ret_length, member(object, name));
}

result json_get_text_optional(const char **ret_text, size_t *ret_length, const struct json_view *object,
                              const char *name)
{
    if (json_has(object, name))
        return json_get_text(ret_text, ret_length, object, name);
    *ret_text = NULL;
    if (ret_length)
        *ret_length = 0;
    return RESULT_OK;
}

result json_copy_text(char *out, size_t out_capacity, const struct json_view *object, const char *name)
{
    const char *text;
    size_t length;
    TRY(json_get_text(&text, &length, object, name));
    if (length >= out_capacity)
        return json_blame(error_set(E_INPUT, "must be below %zu bytes", out_capacity), object, name);
    memcpy(out, text, length + 1);
    return RESULT_OK;
}

result json_get_u64(uint64_t *ret_value, const struct json_view *object, const char *name)
{
    return view_u64(ret_value, member(object, name));
}

result json_get_u64_between(uint64_t *ret_value, const struct json_view *object, const char *name,
                            uint64_t low, uint64_t high)
{
    uint64_t value;
    TRY(json_get_u64(&value, object, name));
    if (value < low || value > high)
        return json_blame(error_set(E_INPUT, "must be between %llu and %llu", (unsigned long long)low,
                                    (unsigned long long)high),
                          object, name);
    *ret_value = value;
    return RESULT_OK;
}

result json_require_text(const struct json_view *object, const char *name, const char *expected)
{
    const char *text;
    TRY(json_get_text(&text, NULL, object, name));
    if (strcmp(text, expected) != 0)
        return json_blame(error_set(E_INPUT, "must be \"%s\"", expected), object, name);
    return RESULT_OK;
}

result json_get_hex(uint8_t *out, size_t out_len, const struct json_view *object, const char *name)
{
    return view_hex(out, out_len, member(object, name));
}

static must_check result view_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity,
                                        struct json_view view)
{
    if (!json_is_string(view.value) || is_large_number(view.value))
        return wrong(&view, "must be a string of hex");
    const char *text = json_string_value(view.value);
    size_t digits = json_string_length(view.value) - (strncmp(text, "0x", 2) == 0 ? 2 : 0);
    if (digits % 2 || digits / 2 > out_capacity)
        return blame_view(error_set(E_INPUT, "must be at most %zu bytes of hex", out_capacity), &view);
    TRY(view_hex(out, digits / 2, view));
    *ret_len = digits / 2;
    return RESULT_OK;
}

result json_get_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity, const struct json_view *object,
                          const char *name)
{
    return view_hex_up_to(out, ret_len, out_capacity, member(object, name));
}

result json_element_hex_up_to(uint8_t *out, size_t *ret_len, size_t out_capacity,
                              const struct json_view *array, size_t index)
{
    return view_hex_up_to(out, ret_len, out_capacity, element(array, index));
}

result json_element_object(struct json_view *ret_element, const struct json_view *array, size_t index)
{
    return view_object(ret_element, element(array, index));
}

result json_element_text(const char **ret_text, size_t *ret_length, const struct json_view *array,
                         size_t index)
{
    return view_text(ret_text, ret_length, element(array, index));
}

result json_element_u64(uint64_t *ret_value, const struct json_view *array, size_t index)
{
    return view_u64(ret_value, element(array, index));
}

result json_element_hex(uint8_t *out, size_t out_len, const struct json_view *array, size_t index)
{
    return view_hex(out, out_len, element(array, index));
}

result json_append_quoted(struct buffer *out, const char *text)
{
    AUTO_POINTER(json_t) string = json_string(text);
    AUTO(buffer) ascii = {0};
    if (!string) { /* not UTF-8, or no memory; the second shows again below */
        for (const char *c = text; *c; c++)
            TRY(buffer_append(&ascii, (*c & 0x80) ? "?" : c, 1));
        string = json_string(ascii.data ? (const char *)ascii.data : "");
    }
    ENSURE(string, E_MEMORY, "out of memory for JSON");
    size_t length = json_dumpb(string, NULL, 0, JSON_ENCODE_ANY); /* 0 without memory; "" has two quotes */
    ENSURE(length > 0, E_MEMORY, "out of memory for JSON");
    TRY(buffer_reserve(out, length));
    if (json_dumpb(string, (char *)out->data + out->length, length, JSON_ENCODE_ANY) != length) {
        out->data[out->length] = 0;
        FAIL(E_MEMORY, "out of memory for JSON");
    }
    out->length += length;
    out->data[out->length] = 0;
    return RESULT_OK;
}
