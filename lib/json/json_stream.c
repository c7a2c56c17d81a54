/* json_stream.c - see json_stream.h.
 *
 * jansson wants a whole document in memory, thirty times its size. So only the brackets, commas and
 * names of the outer levels are read here, and each inner value is cut out by counting brackets and handed
 * to jansson, which says whether it is JSON. It is handed over inside brackets of its own: a name or a
 * number is then read by the same strict reader as an object. Rejected: a parser that calls back for each
 * token, whose caller would have to be a state machine; a tokenizer of our own for everything, a second
 * opinion on what JSON is. */
#include "json/json_stream.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"

enum { CHUNK_LEN = 64 * 1024, NAME_LEN_MAX = 256, END_OF_TEXT = -1 };

struct level {
    json_t *members; /* the names so far; NULL in an array */
    bool begun;      /* a comma comes before the next one */
};

struct json_stream {
    int fd; /* -1: nothing more to come */
    const uint8_t *at;
    size_t left;
    uint64_t arrived, max_length;
    struct level levels[JSON_STREAM_DEPTH_MAX];
    size_t num_levels;
    uint8_t chunk[CHUNK_LEN];
    char value[JSON_STREAM_VALUE_MAX + 2]; /* with the brackets around it */
};

static must_check result stream_new(struct json_stream **ret_stream)
{
    struct json_stream *stream = calloc(1, sizeof *stream);
    ENSURE(stream, E_MEMORY, "out of memory for reading JSON");
    stream->fd = -1;
    *ret_stream = stream;
    return RESULT_OK;
}

result json_stream_open(struct json_stream **ret_stream, int fd, uint64_t max_length)
{
    TRY(stream_new(ret_stream));
    (*ret_stream)->fd = fd;
    (*ret_stream)->max_length = max_length;
    return RESULT_OK;
}

result json_stream_open_text(struct json_stream **ret_stream, const char *text, size_t text_len)
{
    TRY(stream_new(ret_stream));
    (*ret_stream)->at = (const uint8_t *)text;
    (*ret_stream)->left = text_len;
    (*ret_stream)->arrived = text_len;
    return RESULT_OK;
}

void json_stream_close(struct json_stream *stream)
{
    if (!stream)
        return;
    for (size_t i = 0; i < stream->num_levels; i++)
        json_decref(stream->levels[i].members);
    free(stream);
}

static must_check result malformed(const struct json_stream *s, const char *what)
{
    return error_set(E_INPUT, "%s, at byte %" PRIu64, what, s->arrived - s->left);
}

static must_check result fill(struct json_stream *s)
{
    size_t length = 0;
    TRY(file_read_up_to(s->fd, s->chunk, &length, sizeof s->chunk));
    s->arrived += length;
    ENSURE(s->arrived <= s->max_length, E_TOO_LARGE, "JSON is longer than %" PRIu64 " bytes", s->max_length);
    s->at = s->chunk;
    s->left = length;
    if (length == 0)
        s->fd = -1;
    return RESULT_OK;
}

/* The next byte, which stays there, or END_OF_TEXT. */
static must_check result peek(struct json_stream *s, int *ret_byte)
{
    if (s->left == 0 && s->fd >= 0)
        TRY(fill(s));
    *ret_byte = s->left ? *s->at : END_OF_TEXT;
    return RESULT_OK;
}

static void advance(struct json_stream *s)
{
    s->at++;
    s->left--;
}

static bool is_blank(int byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static must_check result peek_token(struct json_stream *s, int *ret_byte)
{
    for (;;) {
        TRY(peek(s, ret_byte));
        if (!is_blank(*ret_byte))
            return RESULT_OK;
        advance(s);
    }
}

static must_check result begin(struct json_stream *s, int bracket, const char *otherwise)
{
    int byte = END_OF_TEXT;
    TRY(peek_token(s, &byte));
    if (byte != bracket)
        return byte == END_OF_TEXT ? malformed(s, "JSON ends early") : malformed(s, otherwise);
    ENSURE(s->num_levels < JSON_STREAM_DEPTH_MAX, E_INTERNAL, "JSON is walked too deep");
    struct level level = {0};
    if (bracket == '{') {
        level.members = json_object();
        ENSURE(level.members, E_MEMORY, "out of memory for reading JSON");
    }
    s->levels[s->num_levels++] = level;
    advance(s);
    return RESULT_OK;
}

result json_stream_begin_object(struct json_stream *stream)
{
    return begin(stream, '{', "must be an object");
}

result json_stream_begin_array(struct json_stream *stream)
{
    return begin(stream, '[', "must be an array");
}

/* At the comma before the next member or element, or the bracket behind the last; what comes next is one
 * step further on. */
static must_check result next(struct json_stream *s, int closing, bool *ret_more)
{
    int byte = END_OF_TEXT;
    ENSURE(s->num_levels > 0, E_INTERNAL, "nothing is being walked");
    struct level *level = &s->levels[s->num_levels - 1];
    ENSURE((level->members != NULL) == (closing == '}'), E_INTERNAL, "an object is walked as an array");
    TRY(peek_token(s, &byte));
    if (byte == closing) {
        json_decref(level->members);
        s->num_levels--;
        advance(s);
        *ret_more = false;
        return RESULT_OK;
    }
    if (level->begun && byte != ',')
        return malformed(s, byte == END_OF_TEXT ? "JSON ends early" : "malformed JSON");
    if (level->begun)
        advance(s);
    level->begun = true;
    *ret_more = true;
    return RESULT_OK;
}

static must_check result note_member(struct json_stream *s, const char **ret_name, const json_t *name)
{
    json_t *members = s->levels[s->num_levels - 1].members;
    const char *text = json_string_value(name);
    if (!text)
        return malformed(s, "malformed JSON: the name of a member must be a string");
    if (json_object_get(members, text))
        return malformed(s, "JSON has a member twice");
    ENSURE(json_object_size(members) < JSON_STREAM_MEMBERS_MAX, E_INPUT,
           "a JSON object has more than %d members", JSON_STREAM_MEMBERS_MAX);
    ENSURE(json_object_set_new(members, text, json_null()) == 0, E_MEMORY, "out of memory for reading JSON");
    *ret_name = json_object_iter_key(json_object_iter_at(members, text));
    return RESULT_OK;
}

result json_stream_next_member(struct json_stream *stream, const char **ret_name)
{
    AUTO_POINTER(json_t) name = NULL;
    bool more = false;
    int byte = END_OF_TEXT;
    TRY(next(stream, '}', &more));
    if (!more) {
        *ret_name = NULL;
        return RESULT_OK;
    }
    TRY(json_stream_value(stream, &name, NAME_LEN_MAX, 2));
    TRY(peek_token(stream, &byte));
    if (byte != ':')
        return malformed(stream, "malformed JSON");
    advance(stream);
    return note_member(stream, ret_name, name);
}

result json_stream_next_element(struct json_stream *stream, bool *ret_has_element)
{
    return next(stream, ']', ret_has_element);
}

struct scan {
    size_t depth;
    bool in_string, escaped;
};

/* Whether byte belongs to the value. */
static bool goes_on(const struct scan *scan, int byte)
{
    if (byte == END_OF_TEXT)
        return false;
    if (scan->depth > 0 || scan->in_string)
        return true;
    return byte != ',' && byte != ':' && byte != ']' && byte != '}' && !is_blank(byte);
}

/* Takes note of a byte of the value; whether it is the last one for certain. */
static bool note_byte(struct scan *scan, int byte)
{
    if (scan->in_string) {
        scan->in_string = scan->escaped || byte != '"';
        scan->escaped = !scan->escaped && byte == '\\';
        return !scan->in_string && scan->depth == 0;
    }
    scan->in_string = byte == '"';
    if (byte == '{' || byte == '[')
        scan->depth++;
    if (byte != '}' && byte != ']')
        return false;
    scan->depth--;
    return scan->depth == 0;
}

/* Copies the text of the next value, with brackets around it, to s->value. */
static must_check result cut_value(struct json_stream *s, size_t *ret_len, size_t max_length)
{
    struct scan scan = {0};
    size_t length = 1;
    bool last = false;
    int byte = END_OF_TEXT;
    s->value[0] = '[';
    TRY(peek_token(s, &byte));
    while (!last && goes_on(&scan, byte)) {
        ENSURE(length <= max_length, E_TOO_LARGE, "a JSON value is longer than %zu bytes", max_length);
        s->value[length++] = (char)byte;
        last = note_byte(&scan, byte);
        advance(s);
        if (!last)
            TRY(peek(s, &byte));
    }
    if (scan.depth > 0 || scan.in_string)
        return malformed(s, "JSON ends early");
    s->value[length++] = ']';
    *ret_len = length;
    return RESULT_OK;
}

result json_stream_value(struct json_stream *stream, json_t **ret_value, size_t max_length, size_t max_values)
{
    AUTO_POINTER(json_t) around = NULL;
    size_t length = 0;
    ENSURE(max_length <= JSON_STREAM_VALUE_MAX, E_INTERNAL, "no room for JSON values of %zu bytes",
           max_length);
    TRY(cut_value(stream, &length, max_length));
    result r = json_read(&around, stream->value, length, sizeof stream->value, max_values + 1);
    if (r.code)
        return error_prefix(r, "the value that ends at byte %" PRIu64, stream->arrived - stream->left);
    if (json_array_size(around) != 1)
        return malformed(stream, "malformed JSON");
    *ret_value = json_incref(json_array_get(around, 0));
    return RESULT_OK;
}

result json_stream_peek_flat(struct json_stream *stream, bool *ret_is_flat, struct json_flat *ret_object,
                             size_t max_length)
{
    int byte = END_OF_TEXT;
    TRY(peek_token(stream, &byte));
    size_t length = stream->left < max_length ? stream->left : max_length;
    *ret_is_flat = byte == '{' && json_flat_read(ret_object, (const char *)stream->at, length);
    return RESULT_OK;
}

void json_stream_pass_flat(struct json_stream *stream, const struct json_flat *object)
{
    stream->at += object->length;
    stream->left -= object->length;
}

/* Within a string: up to the next byte that can end it, or a byte further. */
static void skip_text(struct json_stream *s)
{
    const uint8_t *quote = memchr(s->at, '"', s->left);
    size_t run = quote ? (size_t)(quote - s->at) : s->left;
    const uint8_t *escape = memchr(s->at, '\\', run);
    run = escape ? (size_t)(escape - s->at) : run;
    s->at += run;
    s->left -= run;
}

result json_stream_skip(struct json_stream *stream)
{
    struct scan scan = {0};
    bool last = false, any = false;
    int byte = END_OF_TEXT;
    TRY(peek_token(stream, &byte));
    while (!last && goes_on(&scan, byte)) {
        any = true;
        last = note_byte(&scan, byte);
        advance(stream);
        if (!last && scan.in_string && !scan.escaped)
            skip_text(stream);
        if (!last)
            TRY(peek(stream, &byte));
    }
    if (!any)
        return malformed(stream, "malformed JSON");
    return scan.depth > 0 || scan.in_string ? malformed(stream, "JSON ends early") : RESULT_OK;
}

enum { PIECE_LEN = 4096, NO_DIGIT = 0xff };

static uint8_t hex_value(uint8_t byte)
{
#define X NO_DIGIT
#define X8 X, X, X, X, X, X, X, X
    static const uint8_t values[256] = {
        X8, X8, X8, X8, X8, X8, 0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  X,  X,  X,  X,
        X,  X,  X,  10, 11, 12, 13, 14, 15, X,  X8, X8, X8, X,  10, 11, 12, 13, 14, 15,
        X,  X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8, X8,
    };
#undef X8
#undef X
    return values[byte];
}

/* The bytes of two digits each from here on, up to capacity; the loop that a large text spends its time in.
 */
static size_t take_pairs(struct json_stream *s, uint8_t *out, size_t capacity)
{
    const uint8_t *at = s->at;
    size_t length = 0, pairs = s->left / 2 < capacity ? s->left / 2 : capacity;
    for (; length < pairs; length++, at += 2) {
        unsigned high = hex_value(at[0]), low = hex_value(at[1]);
        if ((high | low) == NO_DIGIT)
            break;
        out[length] = (uint8_t)(high << 4 | low);
    }
    s->left -= 2 * length;
    s->at = at;
    return length;
}

/* The digits from here to a byte that is none, or to the end of what has arrived. *digits counts all; an odd
 * one waits in *high. */
static void take_digits(struct json_stream *s, json_stream_sink *sink, void *context, uint64_t *digits,
                        uint8_t *high)
{
    uint8_t piece[PIECE_LEN];
    size_t length = 0;
    if (*digits % 2 == 0) {
        length = take_pairs(s, piece, sizeof piece);
        *digits += 2 * length;
    }
    while (s->left > 0 && length < sizeof piece) {
        uint8_t value = hex_value(*s->at);
        if (value == NO_DIGIT)
            break;
        if (*digits % 2)
            piece[length++] = (uint8_t)(*high << 4 | value);
        *high = value;
        ++*digits;
        advance(s);
    }
    if (length > 0)
        sink(context, piece, length);
}

static must_check result skip_prefix(struct json_stream *s, uint64_t *digits, uint8_t *high)
{
    int byte = END_OF_TEXT;
    TRY(peek(s, &byte));
    if (byte != '0')
        return RESULT_OK;
    advance(s);
    TRY(peek(s, &byte));
    if (byte == 'x') {
        advance(s);
        return RESULT_OK;
    }
    *digits = 1; /* the zero was a digit */
    *high = 0;
    return RESULT_OK;
}

result json_stream_hex(struct json_stream *stream, json_stream_sink *sink, void *context)
{
    uint64_t digits = 0, before;
    uint8_t high = 0;
    int byte = END_OF_TEXT;
    TRY(peek_token(stream, &byte));
    if (byte != '"')
        return malformed(stream, "must be a string of hex");
    advance(stream);
    TRY(skip_prefix(stream, &digits, &high));
    do {
        before = digits;
        TRY(peek(stream, &byte));
        if (byte != END_OF_TEXT)
            take_digits(stream, sink, context, &digits, &high);
    } while (digits > before);
    if (byte == END_OF_TEXT)
        return malformed(stream, "JSON ends early");
    if (byte != '"' || digits % 2)
        return malformed(stream, "must be whole bytes of hex");
    advance(stream);
    return RESULT_OK;
}

result json_stream_end(struct json_stream *stream)
{
    int byte = END_OF_TEXT;
    ENSURE(stream->num_levels == 0, E_INTERNAL, "JSON is being walked still");
    TRY(peek_token(stream, &byte));
    return byte == END_OF_TEXT ? RESULT_OK : malformed(stream, "JSON has trailing bytes");
}
