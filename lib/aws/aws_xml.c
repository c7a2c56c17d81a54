/* aws_xml.c - see aws_xml.h.
 *
 * Elements stand in one array in the order they begin, each with the index of its parent: a subtree is what
 * lies behind an element until the next one of the same or a lesser depth. Texts stand in one buffer, each
 * with a NUL behind it (XML has no NUL of its own). Rejected: libxml2, which is ten times the code and reads
 * document types; and reading without a tree, since answers are small and each reader would be a state
 * machine. */
#include "aws/aws_xml.h"

#include <expat.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENTS_FIRST = 64 };

struct node {
    size_t name, text; /* offsets in texts; text 0: none */
    uint32_t depth;
    bool has_children;
};

struct aws_xml {
    struct node *nodes;
    uint32_t num_nodes, capacity;
    struct buffer texts; /* begins with a NUL, so that no offset in use is 0 */
};

/* What the callbacks share. */
struct reader {
    struct aws_xml *document;
    XML_Parser parser;
    uint32_t open[AWS_XML_DEPTH_MAX];
    uint32_t depth;
    struct buffer text; /* of the innermost open element, so far */
    enum error_code failure;
    const char *reason;
};

static void reader_cleanup(struct reader *reader)
{
    if (reader->parser)
        XML_ParserFree(reader->parser);
    buffer_cleanup(&reader->text);
}

void aws_xml_free(struct aws_xml *document)
{
    if (!document)
        return;
    free(document->nodes);
    buffer_cleanup(&document->texts);
    free(document);
}

static void stop(struct reader *reader, enum error_code failure, const char *reason)
{
    if (reader->failure)
        return;
    reader->failure = failure;
    reader->reason = reason;
    (void)XML_StopParser(reader->parser, XML_FALSE);
}

/* Appends text and its NUL; *ret_offset says where. */
static bool keep(struct reader *reader, size_t *ret_offset, const void *text, size_t text_len)
{
    struct buffer *texts = &reader->document->texts;
    size_t offset = texts->length;
    if (buffer_append(texts, text, text_len).code || buffer_append(texts, "", 1).code) {
        stop(reader, E_MEMORY, "out of memory");
        return false;
    }
    *ret_offset = offset;
    return true;
}

static bool make_room(struct reader *reader)
{
    struct aws_xml *document = reader->document;
    if (document->num_nodes < document->capacity)
        return true;
    uint32_t capacity = document->capacity ? 2 * document->capacity : ELEMENTS_FIRST;
    if (capacity > AWS_XML_ELEMENTS_MAX) {
        stop(reader, E_TOO_LARGE, "too many elements");
        return false;
    }
    struct node *nodes = realloc(document->nodes, capacity * sizeof *nodes);
    if (!nodes) {
        stop(reader, E_MEMORY, "out of memory");
        return false;
    }
    document->nodes = nodes;
    document->capacity = capacity;
    return true;
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == 0;
}

/* Between the element before and the one that comes now. */
static bool has_text(const struct reader *reader)
{
    return reader->text.length > 0 && !is_blank((const char *)reader->text.data);
}

static void XMLCALL on_start(void *context, const XML_Char *name, const XML_Char **attributes)
{
    struct reader *reader = context;
    struct aws_xml *document = reader->document;
    (void)attributes;
    if (reader->failure)
        return;
    if (reader->depth == AWS_XML_DEPTH_MAX) {
        stop(reader, E_TOO_LARGE, "nested too deeply");
        return;
    }
    if (has_text(reader)) {
        stop(reader, E_INPUT, "text beside elements");
        return;
    }
    buffer_consume(&reader->text, reader->text.length);
    struct node node = {.depth = reader->depth};
    if (!make_room(reader) || !keep(reader, &node.name, name, strlen(name)))
        return;
    if (reader->depth > 0)
        document->nodes[reader->open[reader->depth - 1]].has_children = true;
    reader->open[reader->depth++] = document->num_nodes;
    document->nodes[document->num_nodes++] = node;
}

static void XMLCALL on_end(void *context, const XML_Char *name)
{
    struct reader *reader = context;
    (void)name;
    /* expat ends an empty element even when its beginning has stopped the parser. */
    if (reader->failure)
        return;
    struct node *node = &reader->document->nodes[reader->open[--reader->depth]];
    if (node->has_children && has_text(reader)) {
        stop(reader, E_INPUT, "text beside elements");
        return;
    }
    if (!node->has_children && !keep(reader, &node->text, reader->text.data, reader->text.length))
        return;
    buffer_consume(&reader->text, reader->text.length);
}

static void XMLCALL on_text(void *context, const XML_Char *text, int text_len)
{
    struct reader *reader = context;
    if (!reader->failure && buffer_append(&reader->text, text, (size_t)text_len).code)
        stop(reader, E_MEMORY, "out of memory");
}

static void XMLCALL on_document_type(void *context, const XML_Char *name, const XML_Char *system_id,
                                     const XML_Char *public_id, int has_internal_subset)
{
    struct reader *reader = context;
    (void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
    stop(reader, E_INPUT, "a document type is not accepted");
}

static must_check result parse(struct aws_xml *document, const uint8_t *text, size_t text_len)
{
    /* The encoding is ours to say, not the text's. */
    AUTO(reader) reader = {.document = document, .parser = XML_ParserCreate("UTF-8")};
    ENSURE(reader.parser, E_MEMORY, "out of memory for XML");
    XML_SetUserData(reader.parser, &reader);
    XML_SetElementHandler(reader.parser, on_start, on_end);
    XML_SetCharacterDataHandler(reader.parser, on_text);
    XML_SetStartDoctypeDeclHandler(reader.parser, on_document_type);
    enum XML_Status status = XML_Parse(reader.parser, (const char *)text, (int)text_len, XML_TRUE);
    ENSURE(!reader.failure, reader.failure, "XML: %s", reader.reason);
    ENSURE(status == XML_STATUS_OK, E_INPUT, "XML: %s (line %lu)",
           XML_ErrorString(XML_GetErrorCode(reader.parser)),
           (unsigned long)XML_GetCurrentLineNumber(reader.parser));
    return RESULT_OK;
}

result aws_xml_read(struct aws_xml **ret_document, const uint8_t *text, size_t text_len)
{
    AUTO_POINTER(aws_xml) document = NULL;
    ENSURE(text_len <= AWS_XML_TEXT_MAX, E_TOO_LARGE, "XML: more than %d bytes", AWS_XML_TEXT_MAX);
    document = calloc(1, sizeof *document);
    ENSURE(document, E_MEMORY, "out of memory for XML");
    TRY(buffer_append(&document->texts, "", 1));
    TRY(parse(document, text, text_len));
    *ret_document = TAKE(document);
    return RESULT_OK;
}

static const char *name_of(const struct aws_xml *document, uint32_t index)
{
    return (const char *)document->texts.data + document->nodes[index].name;
}

/* The first child of parent behind index at; false when there is none. */
static bool next_child(uint32_t *at, const struct aws_xml_element *parent)
{
    const struct aws_xml *document = parent->document;
    uint32_t depth = document->nodes[parent->index].depth, i = *at ? *at : parent->index;
    while (++i < document->num_nodes && document->nodes[i].depth > depth) {
        if (document->nodes[i].depth == depth + 1) {
            *at = i;
            return true;
        }
    }
    return false;
}

result aws_xml_root(struct aws_xml_element *ret_root, const struct aws_xml *document, const char *name)
{
    ENSURE(strcmp(name_of(document, 0), name) == 0, E_INPUT, "XML: the root must be %s", name);
    *ret_root = (struct aws_xml_element){.document = document};
    return RESULT_OK;
}

/* *ret_child has index 0, which no child has, when there is none. */
static must_check result find(struct aws_xml_element *ret_child, const struct aws_xml_element *parent,
                              const char *name)
{
    uint32_t found = 0;
    for (uint32_t at = 0; next_child(&at, parent);) {
        if (strcmp(name_of(parent->document, at), name) != 0)
            continue;
        ENSURE(!found, E_INPUT, "%s: is there twice", name);
        found = at;
    }
    *ret_child = (struct aws_xml_element){parent->document, found};
    return RESULT_OK;
}

result aws_xml_child(struct aws_xml_element *ret_child, const struct aws_xml_element *parent,
                     const char *name)
{
    struct aws_xml_element child;
    TRY(find(&child, parent, name));
    ENSURE(child.index, E_INPUT, "%s: required", name);
    *ret_child = child;
    return RESULT_OK;
}

bool aws_xml_has(const struct aws_xml_element *parent, const char *name)
{
    for (uint32_t at = 0; next_child(&at, parent);)
        if (strcmp(name_of(parent->document, at), name) == 0)
            return true;
    return false;
}

result aws_xml_text_optional(const char **ret_text, const struct aws_xml_element *parent, const char *name)
{
    struct aws_xml_element child;
    TRY(find(&child, parent, name));
    const struct node *node = &parent->document->nodes[child.index];
    ENSURE(!child.index || !node->has_children, E_INPUT, "%s: must be text", name);
    *ret_text = child.index ? (const char *)parent->document->texts.data + node->text : NULL;
    return RESULT_OK;
}

result aws_xml_text(const char **ret_text, const struct aws_xml_element *parent, const char *name)
{
    const char *text;
    TRY(aws_xml_text_optional(&text, parent, name));
    ENSURE(text, E_INPUT, "%s: required", name);
    *ret_text = text;
    return RESULT_OK;
}

result aws_xml_copy_text(char *out, size_t out_capacity, const struct aws_xml_element *parent,
                         const char *name)
{
    const char *text;
    TRY(aws_xml_text(&text, parent, name));
    size_t length = strlen(text);
    ENSURE(length < out_capacity, E_INPUT, "%s: must be below %zu characters", name, out_capacity);
    memcpy(out, text, length + 1);
    return RESULT_OK;
}

bool aws_xml_next_member(struct aws_xml_element *ret_member, uint32_t *at, const struct aws_xml_element *list)
{
    while (next_child(at, list)) {
        if (strcmp(name_of(list->document, *at), "member") != 0)
            continue;
        *ret_member = (struct aws_xml_element){list->document, *at};
        return true;
    }
    return false;
}

result aws_xml_list(struct aws_xml_element *ret_list, const struct aws_xml_element *parent, const char *name)
{
    struct aws_xml_element list;
    TRY(aws_xml_child(&list, parent, name));
    const struct aws_xml *document = list.document;
    const struct node *node = &document->nodes[list.index];
    for (uint32_t at = 0; next_child(&at, &list);)
        ENSURE(strcmp(name_of(document, at), "member") == 0, E_INPUT, "%s: must be a list of members", name);
    ENSURE(node->has_children || is_blank((const char *)document->texts.data + node->text), E_INPUT,
           "%s: must be a list of members", name);
    *ret_list = list;
    return RESULT_OK;
}
