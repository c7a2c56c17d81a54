/* yaml_read.c - see yaml_read.h.
 *
 * Works on libyaml's events rather than its document tree: the tree would resolve aliases (a
 * short file can then mean gigabytes) and keep a second copy of every scalar beyond our reach. So a long file
 * of many documents needs no more memory than its longest.
 */
#include "yaml/yaml_read.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/file_io.h"
#include "base/secret_allocators.h"

struct reader {
    yaml_parser_t parser;
    size_t num_events; /* of this document */
    enum yaml_nested nested;
    yaml_on_section on_section;
    void *context;
    /* Of yaml_read_documents. */
    int fd;
    size_t file_left;     /* bytes that the file may still have */
    size_t document_left; /* and this document */
    result failed;
};

static void reader_cleanup(struct reader *r)
{
    yaml_parser_delete(&r->parser);
}

struct event {
    yaml_event_t it;
};

static void event_cleanup(struct event *e)
{
    yaml_event_delete(&e->it);
}

static size_t line_of(const struct event *e)
{
    return e->it.start_mark.line + 1;
}

/* Anchors and tags of whatever kind of event. */
static must_check result check_plain(const struct event *e)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (e->it.type == YAML_SCALAR_EVENT) {
        anchor = e->it.data.scalar.anchor;
        tag = e->it.data.scalar.tag;
    } else if (e->it.type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->it.data.sequence_start.anchor;
        tag = e->it.data.sequence_start.tag;
    } else if (e->it.type == YAML_MAPPING_START_EVENT) {
        anchor = e->it.data.mapping_start.anchor;
        tag = e->it.data.mapping_start.tag;
    }
    ENSURE(!anchor && e->it.type != YAML_ALIAS_EVENT, E_INPUT,
           "line %zu: anchors and aliases are not allowed", line_of(e));
    ENSURE(!tag, E_INPUT, "line %zu: tags are not allowed", line_of(e));
    return RESULT_OK;
}

static must_check result next_event(struct reader *r, struct event *ret_event)
{
    event_cleanup(ret_event);
    *ret_event = (struct event){0};
    ENSURE(++r->num_events <= YAML_EVENTS_MAX, E_INPUT, "YAML has more than %d parts", YAML_EVENTS_MAX);
    if (!yaml_parser_parse(&r->parser, &ret_event->it)) {
        TRY(r->failed);
        ENSURE(r->parser.error != YAML_MEMORY_ERROR, E_MEMORY, "out of memory for YAML");
        FAIL(E_INPUT, "line %zu: malformed YAML", r->parser.problem_mark.line + 1);
    }
    return check_plain(ret_event);
}

/* Reads past the rest of a mapping or sequence that has just begun. */
static must_check result skip_nested(struct reader *r)
{
    AUTO(event) e = {0};
    for (size_t depth = 1; depth > 0;) {
        TRY(next_event(r, &e));
        if (e.it.type == YAML_MAPPING_START_EVENT || e.it.type == YAML_SEQUENCE_START_EVENT)
            depth++;
        else if (e.it.type == YAML_MAPPING_END_EVENT || e.it.type == YAML_SEQUENCE_END_EVENT)
            depth--;
        ENSURE(depth < YAML_DEPTH_MAX, E_INPUT, "line %zu: YAML is nested too deep", line_of(&e));
    }
    return RESULT_OK;
}

static void free_text(char *text)
{
    if (text)
        OPENSSL_secure_clear_free(text, strlen(text) + 1);
}

static must_check result copy_scalar(char **ret_text, const struct event *e)
{
    const char *value = (const char *)e->it.data.scalar.value;
    size_t length = e->it.data.scalar.length;
    ENSURE(!memchr(value, 0, length), E_INPUT, "line %zu: NUL is not allowed", line_of(e));
    char *text = OPENSSL_secure_zalloc(length + 1);
    ENSURE(text, E_MEMORY, "out of memory for YAML");
    memcpy(text, value, length);
    *ret_text = text;
    return RESULT_OK;
}

/* Takes part, also when it fails. */
static must_check result join(struct yaml_pair *pair, char *part)
{
    size_t before = pair->value ? strlen(pair->value) + 1 : 0, length = strlen(part);
    char *joined = OPENSSL_secure_zalloc(before + length + 1);
    if (joined && pair->value) {
        memcpy(joined, pair->value, before - 1);
        joined[before - 1] = ',';
    }
    if (joined)
        memcpy(joined + before, part, length);
    free_text(part);
    ENSURE(joined, E_MEMORY, "out of memory for YAML");
    free_text(pair->value);
    pair->value = joined;
    return RESULT_OK;
}

/* A sequence that has just begun. */
static must_check result read_list(struct reader *r, struct yaml_pair *pair)
{
    AUTO(event) e = {0};
    pair->is_list = true;
    for (size_t num = 0;; num++) {
        TRY(next_event(r, &e));
        if (e.it.type == YAML_SEQUENCE_END_EVENT)
            return RESULT_OK;
        ENSURE(e.it.type == YAML_SCALAR_EVENT, E_INPUT, "line %zu: a part of a list must be a plain value",
               line_of(&e));
        ENSURE(num < YAML_LIST_MAX, E_INPUT, "line %zu: more than %d values in one list", line_of(&e),
               YAML_LIST_MAX);
        char *part;
        TRY(copy_scalar(&part, &e));
        TRY(join(pair, part));
    }
}

static must_check result read_value(struct reader *r, struct yaml_pair *pair)
{
    AUTO(event) e = {0};
    TRY(next_event(r, &e));
    if (e.it.type == YAML_SCALAR_EVENT)
        return copy_scalar(&pair->value, &e);
    if (r->nested == YAML_NESTED_JOIN)
        return e.it.type == YAML_SEQUENCE_START_EVENT ? read_list(r, pair) : skip_nested(r);
    ENSURE(r->nested == YAML_NESTED_IGNORE, E_INPUT, "line %zu: must be a plain value", line_of(&e));
    return skip_nested(r);
}

/* Makes room for one more zeroed element, doubling from 8 on. */
static must_check result grow(void **array, size_t count, size_t element_size)
{
    bool full = count == 0 || (count >= 8 && (count & (count - 1)) == 0);
    if (full) {
        void *grown = realloc(*array, (count ? 2 * count : 8) * element_size);
        ENSURE(grown, E_MEMORY, "out of memory for YAML");
        *array = grown;
    }
    memset((char *)*array + count * element_size, 0, element_size);
    return RESULT_OK;
}

static bool has_key(const struct yaml_section *section, const char *key)
{
    for (size_t i = 0; i < section->num_pairs; i++) {
        if (strcmp(section->pairs[i].key, key) == 0)
            return true;
    }
    return false;
}

/* The pairs of a mapping that has just begun. */
static must_check result read_pairs(struct reader *r, struct yaml_section *section)
{
    AUTO(event) e = {0};
    for (;;) {
        TRY(next_event(r, &e));
        if (e.it.type == YAML_MAPPING_END_EVENT)
            return RESULT_OK;
        ENSURE(e.it.type == YAML_SCALAR_EVENT, E_INPUT, "line %zu: a key must be a plain word", line_of(&e));
        ENSURE(section->num_pairs < YAML_KEYS_MAX, E_INPUT, "line %zu: too many keys in one document",
               line_of(&e));
        char *key;
        TRY(copy_scalar(&key, &e));
        result added = grow((void **)&section->pairs, section->num_pairs, sizeof *section->pairs);
        if (!added.code && has_key(section, key))
            added = error_set(E_INPUT, "line %zu: this key stands twice in its document", line_of(&e));
        if (added.code) {
            free_text(key);
            return added;
        }
        struct yaml_pair *pair = &section->pairs[section->num_pairs++];
        *pair = (struct yaml_pair){.key = key, .line = line_of(&e)};
        TRY(read_value(r, pair));
    }
}

static void section_cleanup(struct yaml_section *section)
{
    for (size_t i = 0; i < section->num_pairs; i++) {
        free_text(section->pairs[i].key);
        free_text(section->pairs[i].value);
    }
    free(section->pairs);
    *section = (struct yaml_section){0};
}

struct owned_section {
    struct yaml_section it;
};

static void owned_section_cleanup(struct owned_section *owned)
{
    section_cleanup(&owned->it);
}

/* A document that has just begun, up to its end. */
static must_check result read_section(struct reader *r)
{
    AUTO(event) e = {0};
    AUTO(owned_section) section = {0};
    TRY(next_event(r, &e));
    bool empty = e.it.type == YAML_SCALAR_EVENT && e.it.data.scalar.length == 0;
    if (!empty) {
        ENSURE(e.it.type == YAML_MAPPING_START_EVENT, E_INPUT, "line %zu: must be lines of \"key: value\"",
               line_of(&e));
        section.it.line = line_of(&e);
        TRY(read_pairs(r, &section.it));
    }
    TRY(next_event(r, &e));
    ENSURE(e.it.type == YAML_DOCUMENT_END_EVENT, E_INPUT, "line %zu: malformed YAML", line_of(&e));
    return empty ? RESULT_OK : r->on_section(r->context, &section.it);
}

static must_check result read_sections(struct reader *r)
{
    AUTO(event) e = {0};
    do {
        TRY(next_event(r, &e));
        if (e.it.type == YAML_DOCUMENT_START_EVENT)
            TRY(read_section(r));
        r->num_events = 0;
        r->document_left = YAML_LENGTH_MAX;
    } while (e.it.type != YAML_STREAM_END_EVENT);
    return RESULT_OK;
}

static must_check result open_reader(struct reader *r)
{
    ENSURE(yaml_parser_initialize(&r->parser), E_MEMORY, "out of memory for YAML");
    /* Fixed: otherwise a byte order mark would switch to UTF-16. */
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    return RESULT_OK;
}

static result keep_section(void *context, struct yaml_section *section)
{
    struct yaml_file *file = context;
    TRY(grow((void **)&file->sections, file->num_sections, sizeof *file->sections));
    file->sections[file->num_sections++] = *section;
    *section = (struct yaml_section){0};
    return RESULT_OK;
}

result yaml_read(struct yaml_file *ret_file, const char *text, size_t text_len, enum yaml_nested nested)
{
    ENSURE(text_len <= YAML_LENGTH_MAX, E_TOO_LARGE, "YAML is longer than %d bytes", YAML_LENGTH_MAX);
    AUTO(yaml_file) file = {0};
    AUTO(reader) r = {.nested = nested, .on_section = keep_section, .context = &file};
    TRY(open_reader(&r));
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, text_len);
    TRY(read_sections(&r));
    *ret_file = file;
    file = (struct yaml_file){0};
    return RESULT_OK;
}

static must_check result read_piece(struct reader *r, unsigned char *out, size_t *ret_len, size_t capacity)
{
    ENSURE(r->document_left > 0, E_TOO_LARGE, "a document is longer than %d bytes", YAML_LENGTH_MAX);
    size_t piece = capacity < r->document_left ? capacity : r->document_left;
    TRY(file_read_up_to(r->fd, out, ret_len, piece));
    ENSURE(*ret_len <= r->file_left, E_TOO_LARGE, "is longer than the limit");
    r->document_left -= *ret_len;
    r->file_left -= *ret_len;
    return RESULT_OK;
}

/* libyaml's way of asking for more: 0 is a failure. */
static int give_piece(void *reader, unsigned char *out, size_t capacity, size_t *ret_len)
{
    struct reader *r = reader;
    r->failed = read_piece(r, out, ret_len, capacity);
    return !r->failed.code;
}

result yaml_read_documents(int fd, size_t max_length, enum yaml_nested nested, yaml_on_section on_section,
                           void *context)
{
    AUTO(reader)
    r = {.nested = nested,
         .on_section = on_section,
         .context = context,
         .fd = fd,
         .file_left = max_length,
         .document_left = YAML_LENGTH_MAX};
    TRY(open_reader(&r));
    yaml_parser_set_input(&r.parser, give_piece, &r);
    return read_sections(&r);
}

void yaml_file_cleanup(struct yaml_file *file)
{
    for (size_t i = 0; i < file->num_sections; i++)
        section_cleanup(&file->sections[i]);
    free(file->sections);
    *file = (struct yaml_file){0};
}

const char *yaml_get(const struct yaml_section *section, const char *key)
{
    for (size_t i = 0; i < section->num_pairs; i++) {
        if (strcmp(section->pairs[i].key, key) == 0)
            return section->pairs[i].value;
    }
    return NULL;
}

/* libyaml's own allocator, replaced: a raw key passes through its buffers and through scalars that grow in
 * steps, each of which would leave a part of the key behind. libyaml has no hook, but calls these two by
 * their exported names, of which the program's come first. Should a later libyaml bind them to itself,
 * test_yaml fails. Declared as in its yaml_private.h, which is not installed. */
void *yaml_realloc(void *block, size_t size);
void yaml_free(void *block);

void *yaml_realloc(void *block, size_t size)
{
    return secret_wiping_realloc(block, size ? size : 1);
}

void yaml_free(void *block)
{
    secret_wiping_free(block);
}
