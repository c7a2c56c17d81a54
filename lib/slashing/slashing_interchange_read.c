/* slashing_interchange_read.c - EIP-3076 files, read row by row.
 *
 * A complete history has a row for every epoch of every validator's life: the document, its list of
 * validators and their lists of rows are walked, and only a single row is ever in memory. Rows
 * and everything else that is small go through the strict reader of lib/json, whose views are
 * given the way from the root, so that errors name "data[1].signed_blocks[0].slot". Most rows are as plain as
 * can be; those are read where they lie, five times as fast, and whatever that does not like goes the
 * way of all others.
 *
 * Files of other clients hold slashable data now and then, and refusing such a file would leave
 * the operator without any protection; minification to watermarks makes every file importable,
 * and the result refuses at least what the file demands. */
#include <string.h>

#include "slashing/slashing_interchange.h"

enum { ROW_LEN_MAX = 4096, ROW_VALUES_MAX = 64, OTHER_VALUES_MAX = 16 * 1024 };

static const struct json_view document = {.value = NULL};
static const struct json_view data = {.parent = &document, .name = "data"};

/* Members that must be there. */
struct presence {
    bool metadata, data;
};

struct validator {
    struct json_view view; /* its place in the file */
    uint8_t pubkey[48];
    bool has_pubkey, has_blocks, has_attestations;
    struct slashing_record record;
};

static must_check result read_root(bool *ret_has_root, uint8_t ret_root[static 32],
                                   const struct json_view *row)
{
    size_t length = 0;
    if (json_has(row, "signing_root"))
        TRY(json_get_hex_up_to(ret_root, &length, 32, row, "signing_root"));
    *ret_has_root = length == 32;
    return RESULT_OK;
}

/* A row is a record of one message. */
static must_check result read_block(struct slashing_record *ret_record, const struct json_view *row)
{
    struct slashing_record block = {.has_block = true};
    TRY(json_get_u64(&block.block_slot, row, "slot"));
    TRY(read_root(&block.block_has_root, block.block_root, row));
    *ret_record = block;
    return RESULT_OK;
}

static must_check result read_attestation(struct slashing_record *ret_record, const struct json_view *row)
{
    struct slashing_record vote = {.has_attestation = true};
    TRY(json_get_u64(&vote.source_epoch, row, "source_epoch"));
    TRY(json_get_u64(&vote.target_epoch, row, "target_epoch"));
    TRY(read_root(&vote.attestation_has_root, vote.attestation_root, row));
    *ret_record = vote;
    return RESULT_OK;
}

/* The same for plain rows; false: something is unusual, or wrong. */
static bool read_flat_root(bool *ret_has_root, uint8_t ret_root[static 32], const struct json_flat *row)
{
    size_t length = 0;
    if (json_flat_has(row, "signing_root") &&
        !json_flat_hex_up_to(ret_root, &length, 32, row, "signing_root"))
        return false;
    *ret_has_root = length == 32;
    return true;
}

static bool read_flat_block(struct slashing_record *ret_record, const struct json_flat *row)
{
    *ret_record = (struct slashing_record){.has_block = true};
    return json_flat_u64(&ret_record->block_slot, row, "slot") &&
           read_flat_root(&ret_record->block_has_root, ret_record->block_root, row);
}

static bool read_flat_attestation(struct slashing_record *ret_record, const struct json_flat *row)
{
    *ret_record = (struct slashing_record){.has_attestation = true};
    return json_flat_u64(&ret_record->source_epoch, row, "source_epoch") &&
           json_flat_u64(&ret_record->target_epoch, row, "target_epoch") &&
           read_flat_root(&ret_record->attestation_has_root, ret_record->attestation_root, row);
}

struct row_kind {
    const char *name; /* of the list */
    result (*read)(struct slashing_record *ret_record, const struct json_view *row);
    bool (*read_flat)(struct slashing_record *ret_record, const struct json_flat *row);
};
static const struct row_kind block_rows = {"signed_blocks", read_block, read_flat_block};
static const struct row_kind attestation_rows = {"signed_attestations", read_attestation,
                                                 read_flat_attestation};

static must_check result read_row(struct slashing_record *ret_record, struct json_stream *in,
                                  const struct row_kind *kind, const struct json_view *rows, size_t index)
{
    AUTO_POINTER(json_t) value = NULL;
    struct json_flat flat;
    struct json_view row;
    bool is_flat = false;
    TRY(json_stream_peek_flat(in, &is_flat, &flat, ROW_LEN_MAX));
    if (is_flat && kind->read_flat(ret_record, &flat)) {
        json_stream_pass_flat(in, &flat);
        return RESULT_OK;
    }
    TRY(json_stream_value(in, &value, ROW_LEN_MAX, ROW_VALUES_MAX));
    TRY(json_view_element(&row, value, rows, index));
    return kind->read(ret_record, &row);
}

static must_check result read_rows(struct validator *v, struct json_stream *in, const struct row_kind *kind)
{
    const struct json_view rows = {.parent = &v->view, .name = kind->name};
    result r = json_stream_begin_array(in);
    if (r.code)
        return json_blame(r, &v->view, kind->name);
    for (size_t i = 0;; i++) {
        struct slashing_record one;
        bool more = false;
        TRY(json_stream_next_element(in, &more));
        if (!more)
            return RESULT_OK;
        TRY(read_row(&one, in, kind, &rows, i));
        slashing_merge(&v->record, &v->record, &one);
    }
}

/* Reads the value of a member and puts it into an object of its own, where the typed access of lib/json
 * finds it. */
static must_check result read_member(struct json_stream *in, json_t **ret_object, const char *name)
{
    AUTO_POINTER(json_t) value = NULL;
    AUTO_POINTER(json_t) object = json_object();
    TRY(json_stream_value(in, &value, JSON_STREAM_VALUE_MAX, OTHER_VALUES_MAX));
    ENSURE(object && json_object_set(object, name, value) == 0, E_MEMORY, "out of memory for JSON");
    *ret_object = TAKE(object);
    return RESULT_OK;
}

static must_check result read_pubkey(struct validator *v, struct json_stream *in)
{
    AUTO_POINTER(json_t) object = NULL;
    TRY(read_member(in, &object, "pubkey"));
    struct json_view view = v->view;
    view.value = object;
    return json_get_hex(v->pubkey, sizeof v->pubkey, &view, "pubkey");
}

static must_check result skip_member(struct json_stream *in)
{
    AUTO_POINTER(json_t) value = NULL;
    return json_stream_value(in, &value, JSON_STREAM_VALUE_MAX, OTHER_VALUES_MAX);
}

static must_check result read_validator_member(struct validator *v, struct json_stream *in, const char *name)
{
    if (strcmp(name, "pubkey") == 0) {
        v->has_pubkey = true;
        return read_pubkey(v, in);
    }
    if (strcmp(name, "signed_blocks") == 0) {
        v->has_blocks = true;
        return read_rows(v, in, &block_rows);
    }
    if (strcmp(name, "signed_attestations") == 0) {
        v->has_attestations = true;
        return read_rows(v, in, &attestation_rows);
    }
    return skip_member(in);
}

static must_check result demand(bool present, const struct json_view *object, const char *name)
{
    return present ? RESULT_OK : json_blame(error_set(E_INPUT, "is missing"), object, name);
}

static must_check result read_validator(struct validator *v, struct json_stream *in)
{
    const char *name = NULL;
    TRY(json_stream_begin_object(in));
    for (;;) {
        TRY(json_stream_next_member(in, &name));
        if (!name)
            break;
        TRY(read_validator_member(v, in, name));
    }
    TRY(demand(v->has_pubkey, &v->view, "pubkey"));
    TRY(demand(v->has_blocks, &v->view, "signed_blocks"));
    return demand(v->has_attestations, &v->view, "signed_attestations");
}

static must_check result read_data(struct json_stream *in, const struct slashing_interchange_visitor *visitor)
{
    result r = json_stream_begin_array(in);
    if (r.code)
        return json_blame(r, &document, "data");
    for (size_t i = 0;; i++) {
        struct validator v = {.view = {.parent = &data, .index = i}};
        bool more = false;
        TRY(json_stream_next_element(in, &more));
        if (!more)
            return RESULT_OK;
        TRY(read_validator(&v, in));
        TRY(visitor->validator(visitor->context, v.pubkey, &v.record));
    }
}

static must_check result read_metadata(struct json_stream *in,
                                       const struct slashing_interchange_visitor *visitor)
{
    AUTO_POINTER(json_t) object = NULL;
    struct json_view root, metadata;
    uint64_t version = 0;
    uint8_t genesis[32];
    TRY(read_member(in, &object, "metadata"));
    TRY(json_view_root(&root, object));
    TRY(json_get_object(&metadata, &root, "metadata"));
    TRY(json_get_u64(&version, &metadata, "interchange_format_version"));
    if (version != 5)
        return json_blame(error_set(E_INPUT, "must be 5"), &metadata, "interchange_format_version");
    TRY(json_get_hex(genesis, sizeof genesis, &metadata, "genesis_validators_root"));
    return visitor->genesis(visitor->context, genesis);
}

static must_check result read_document_member(struct presence *presence, struct json_stream *in,
                                              const char *name,
                                              const struct slashing_interchange_visitor *visitor)
{
    if (strcmp(name, "metadata") == 0) {
        presence->metadata = true;
        return read_metadata(in, visitor);
    }
    if (strcmp(name, "data") == 0) {
        presence->data = true;
        return read_data(in, visitor);
    }
    return skip_member(in);
}

result slashing_interchange_read(struct json_stream *in, const struct slashing_interchange_visitor *visitor)
{
    struct presence presence = {0};
    const char *name = NULL;
    result r = json_stream_begin_object(in);
    if (r.code)
        return error_prefix(r, "document");
    for (;;) {
        TRY(json_stream_next_member(in, &name));
        if (!name)
            break;
        TRY(read_document_member(&presence, in, name, visitor));
    }
    TRY(demand(presence.metadata, &document, "metadata"));
    TRY(demand(presence.data, &document, "data"));
    return json_stream_end(in);
}
