/* fuzz_json.c - the strict JSON readers. What json_read accepts jansson accepts as the same value, and
 * json_stream, which reads it piece by piece, too, and neither accepts what the other refuses; json_flat
 * accepts nothing that json_read would not, as the same members. */
#include "fuzz.h"
#include "json/json_stream.h"

enum { VALUES_MAX = 1000 };

static bool same_text(const json_t *value, const struct json_flat_text *text)
{
    return json_is_string(value) && json_string_length(value) == text->length &&
           memcmp(json_string_value(value), text->at, text->length) == 0;
}

static void try_flat(const char *text, size_t length)
{
    struct json_flat flat;
    AUTO_POINTER(json_t) root = NULL;
    if (!json_flat_read(&flat, text, length))
        return;
    PROMISE(flat.length <= length && flat.num_members <= JSON_FLAT_MEMBERS_MAX);
    PROMISE(json_read(&root, text, flat.length, flat.length, VALUES_MAX).code == 0);
    PROMISE(json_is_object(root) && json_object_size(root) == flat.num_members);
    for (size_t i = 0; i < flat.num_members; i++) {
        const json_t *value = json_object_getn(root, flat.names[i].at, flat.names[i].length);
        PROMISE(value && same_text(value, &flat.values[i]));
    }
}

/* An object's members or an array's elements one by one. */
static result walk(json_t **ret_root, struct json_stream *stream, bool is_object)
{
    AUTO_POINTER(json_t) root = is_object ? json_object() : json_array();
    PROMISE(root);
    TRY(is_object ? json_stream_begin_object(stream) : json_stream_begin_array(stream));
    for (;;) {
        AUTO_POINTER(json_t) value = NULL;
        const char *name = NULL;
        bool more = true;
        if (is_object)
            TRY(json_stream_next_member(stream, &name));
        else
            TRY(json_stream_next_element(stream, &more));
        if (is_object ? !name : !more)
            break;
        TRY(json_stream_value(stream, &value, JSON_STREAM_VALUE_MAX, VALUES_MAX));
        PROMISE((is_object ? json_object_set(root, name, value) : json_array_append(root, value)) == 0);
    }
    TRY(json_stream_end(stream));
    *ret_root = TAKE(root);
    return RESULT_OK;
}

/* Passing over a value instead of reading it leaves open whether it is JSON, not where it ends. */
static result skip(struct json_stream *stream, bool is_object)
{
    TRY(is_object ? json_stream_begin_object(stream) : json_stream_begin_array(stream));
    for (;;) {
        const char *name = NULL;
        bool more = true;
        if (is_object)
            TRY(json_stream_next_member(stream, &name));
        else
            TRY(json_stream_next_element(stream, &more));
        if (is_object ? !name : !more)
            return json_stream_end(stream);
        TRY(json_stream_skip(stream));
    }
}

static void try_stream(const json_t *root, const char *text, size_t length)
{
    AUTO_POINTER(json_t) walked = NULL;
    AUTO_POINTER(json_stream) stream = NULL;
    AUTO_POINTER(json_stream) skipped = NULL;
    size_t first = strspn(text, " \t\r\n");
    bool is_object = text[first] == '{';
    PROMISE(json_stream_open_text(&stream, text, length).code == 0);
    result r = walk(&walked, stream, is_object);
    if (fuzz_accepted(r) && !root) {
        /* The limits are per value there: depth, number. Names are not in reach of those. */
        AUTO_POINTER(json_t) deeper = json_loadb(text, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
        PROMISE(deeper);
    }
    if (!root)
        return;
    if (is_object && json_object_size(root) > JSON_STREAM_MEMBERS_MAX)
        return;
    PROMISE(!r.code && json_equal(walked, root));
    PROMISE(json_stream_open_text(&skipped, text, length).code == 0);
    PROMISE(skip(skipped, is_object).code == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    {
        AUTO_POINTER(json_t) root = NULL;
        fuzz_forget_reason();
        bool accepted = fuzz_accepted(json_read(&root, text, size, 20000, VALUES_MAX));
        PROMISE(accepted == (root != NULL));
        PROMISE(!root || json_is_object(root) || json_is_array(root));
        if (root && !strchr(" \t\r\n", text[size - 1])) {
            AUTO_POINTER(json_t) cut = NULL;
            PROMISE(json_read(&cut, text, size - 1, 20000, VALUES_MAX).code == E_INPUT);
        }
        try_stream(root, text, size);
        try_flat(text, size);
    }
    free(text);
    return 0;
}
