/* slashing_dynamodb_item.c - items, statements and parameters as DynamoDB's JSON.
 *
 * A list of attributes in a fixed order stands between structs and JSON, so that what a Put writes, what a
 * statement sets and what a reader takes cannot drift apart. Nothing here needs escaping: names are ours,
 * values are digits and base64, and a table's name is checked when a store is opened. */
#include <inttypes.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/options.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_dynamodb_private.h"

enum { FORMAT = 1, ATTRIBUTES_MAX = 10 };

struct attribute {
    const char *name;
    enum { NUMBER, BYTES, TRUTH } kind;
    bool present, truth;
    uint64_t number;
    const uint8_t *bytes;
    size_t bytes_len;
};

static struct attribute number_of(const char *name, bool present, uint64_t number)
{
    return (struct attribute){.name = name, .kind = NUMBER, .present = present, .number = number};
}

static struct attribute bytes_of(const char *name, bool present, const uint8_t *bytes, size_t bytes_len)
{
    return (struct attribute){
        .name = name, .kind = BYTES, .present = present, .bytes = bytes, .bytes_len = bytes_len};
}

/* All attributes of a validator's item but its key, those that are absent too. */
static size_t entry_attributes(struct attribute out[static ATTRIBUTES_MAX], const struct slashing_entry *e)
{
    const struct slashing_record *r = &e->record;
    bool vote_root = r->has_attestation && r->attestation_has_root;
    size_t n = 0;
    out[n++] = number_of("format", true, FORMAT);
    out[n++] = (struct attribute){.name = "disabled", .kind = TRUTH, .present = true, .truth = r->disabled};
    out[n++] = number_of("block_slot", r->has_block, r->block_slot);
    out[n++] = bytes_of("block_root", r->has_block && r->block_has_root, r->block_root, 32);
    out[n++] = number_of("source_epoch", r->has_attestation, r->source_epoch);
    out[n++] = number_of("target_epoch", r->has_attestation, r->target_epoch);
    out[n++] = bytes_of("attestation_root", vote_root, r->attestation_root, 32);
    out[n++] = number_of("generation", true, e->stamp.generation);
    out[n++] = bytes_of("mac", true, e->stamp.mac, SLASHING_MAC_LEN);
    return n;
}

static size_t head_attributes(struct attribute out[static ATTRIBUTES_MAX], const struct slashing_head *h)
{
    size_t n = 0;
    out[n++] = number_of("format", true, FORMAT);
    out[n++] = bytes_of("genesis_validators_root", h->has_genesis, h->genesis_validators_root, 32);
    out[n++] = number_of("high_epoch", h->has_high_watermark, h->high_epoch);
    out[n++] = number_of("high_slot", h->has_high_watermark, h->high_slot);
    out[n++] = number_of("generation", true, h->generation);
    out[n++] = number_of("num_validators", true, h->num_validators);
    out[n++] = bytes_of("store_id", true, h->store_id, SLASHING_STORE_ID_LEN);
    out[n++] = bytes_of("sealed_key", h->sealed_key_len > 0, h->sealed_key, h->sealed_key_len);
    out[n++] = bytes_of("mac", true, h->mac, SLASHING_MAC_LEN);
    return n;
}

static must_check result append_value(struct buffer *out, const struct attribute *a)
{
    switch (a->kind) {
    case NUMBER:
        return buffer_printf(out, "{\"N\":\"%" PRIu64 "\"}", a->number);
    case BYTES:
        TRY(buffer_append_text(out, "{\"B\":\""));
        TRY(base64_append(out, a->bytes, a->bytes_len));
        return buffer_append_text(out, "\"}");
    case TRUTH:
        return buffer_printf(out, "{\"BOOL\":%s}", a->truth ? "true" : "false");
    }
    FAIL(E_INTERNAL, "an attribute of no kind");
}

static must_check result append_item(struct buffer *out, const char *pk, const struct attribute *attributes,
                                     size_t num_attributes, const char *write_token)
{
    TRY(buffer_printf(out, "{\"pk\":{\"S\":\"%s\"}", pk));
    for (size_t i = 0; i < num_attributes; i++) {
        if (!attributes[i].present)
            continue;
        TRY(buffer_printf(out, ",\"%s\":", attributes[i].name));
        TRY(append_value(out, &attributes[i]));
    }
    if (write_token)
        TRY(buffer_printf(out, ",\"write_token\":{\"S\":\"%s\"}", write_token));
    return buffer_append_text(out, "}");
}

void slashing_dynamodb_key(char out[static DYNAMODB_KEY_LEN + 1], const uint8_t pubkey[static 48])
{
    hex_encode_0x(out, pubkey, 48);
}

bool slashing_dynamodb_entry_equal(const struct slashing_entry *a, const struct slashing_entry *b)
{
    uint8_t left[SLASHING_ENTRY_BYTES], right[SLASHING_ENTRY_BYTES];
    slashing_entry_encode(left, a);
    slashing_entry_encode(right, b);
    return memcmp(left, right, sizeof left) == 0;
}

result slashing_dynamodb_entry_append(struct buffer *out, const uint8_t pubkey[static 48],
                                      const struct slashing_entry *entry)
{
    struct attribute attributes[ATTRIBUTES_MAX];
    char pk[DYNAMODB_KEY_LEN + 1];
    slashing_dynamodb_key(pk, pubkey);
    return append_item(out, pk, attributes, entry_attributes(attributes, entry), NULL);
}

result slashing_dynamodb_head_append(struct buffer *out, const struct slashing_head *head,
                                     const char *write_token)
{
    struct attribute attributes[ATTRIBUTES_MAX];
    return append_item(out, "store", attributes, head_attributes(attributes, head), write_token);
}

/* What the next entry has is set; what only the old one had is removed. */
static must_check result append_changes(struct buffer *out, const struct attribute *next,
                                        const struct attribute *old, size_t num_attributes)
{
    for (size_t i = 0; i < num_attributes; i++)
        if (next[i].present)
            TRY(buffer_printf(out, " SET \\\"%s\\\"=?", next[i].name));
    for (size_t i = 0; i < num_attributes; i++)
        if (old[i].present && !next[i].present)
            TRY(buffer_printf(out, " REMOVE \\\"%s\\\"", next[i].name));
    return RESULT_OK;
}

result slashing_dynamodb_statement_append(struct buffer *out, const char *table,
                                          const struct slashing_advance *a)
{
    const struct slashing_entry old_entry = {a->old, a->old_stamp}, next_entry = {a->next, a->next_stamp};
    const struct attribute condition = bytes_of("mac", true, a->old_stamp.mac, SLASHING_MAC_LEN);
    struct attribute old[ATTRIBUTES_MAX], next[ATTRIBUTES_MAX];
    char pk[DYNAMODB_KEY_LEN + 1];
    size_t num_attributes = entry_attributes(next, &next_entry);
    (void)entry_attributes(old, &old_entry);
    slashing_dynamodb_key(pk, a->pubkey);
    TRY(buffer_printf(out, "{\"Statement\":\"UPDATE \\\"%s\\\"", table));
    TRY(append_changes(out, next, old, num_attributes));
    TRY(buffer_append_text(out, " WHERE \\\"pk\\\"=? AND \\\"mac\\\"=?\",\"Parameters\":["));
    for (size_t i = 0; i < num_attributes; i++) {
        if (!next[i].present)
            continue;
        TRY(append_value(out, &next[i]));
        TRY(buffer_append_text(out, ","));
    }
    TRY(buffer_printf(out, "{\"S\":\"%s\"},", pk));
    TRY(append_value(out, &condition));
    return buffer_append_text(out, "],\"ReturnValuesOnConditionCheckFailure\":\"ALL_OLD\"}");
}

/* An item that is being read; num_taken counts the attributes that were there and understood. */
struct reading {
    const struct json_view *item;
    size_t num_taken;
};

/* {"N":"5"}: the text of the one member, which is of that type. NULL when there is no such attribute. */
static must_check result take_text(struct reading *in, const char **ret_text, size_t *ret_len,
                                   const char *name, const char *type)
{
    struct json_view value;
    *ret_text = NULL;
    if (!json_has(in->item, name))
        return RESULT_OK;
    TRY(json_get_object(&value, in->item, name));
    ENSURE(json_object_size(value.value) == 1, E_INPUT, "%s: must have one type", name);
    TRY(json_get_text(ret_text, ret_len, &value, type));
    in->num_taken++;
    return RESULT_OK;
}

static must_check result take_number(struct reading *in, bool *ret_present, uint64_t *ret_number,
                                     const char *name)
{
    const char *text;
    TRY(take_text(in, &text, NULL, name, "N"));
    *ret_present = text != NULL;
    if (!text)
        return RESULT_OK;
    result r = parse_u64(ret_number, text);
    return r.code ? json_blame(r, in->item, name) : r;
}

static must_check result take_bytes(struct reading *in, size_t *ret_len, uint8_t *out, size_t out_capacity,
                                    const char *name)
{
    const char *text;
    size_t text_len = 0;
    TRY(take_text(in, &text, &text_len, name, "B"));
    *ret_len = 0;
    if (!text)
        return RESULT_OK;
    uint8_t bytes[SLASHING_SEALED_KEY_MAX + 2]; /* what a full group of base64 may decode to */
    size_t length = 0;
    result r = base64_decode(bytes, &length, sizeof bytes, text, text_len);
    if (!r.code && (length == 0 || length > out_capacity))
        r = error_set(E_INPUT, "must have from 1 to %zu bytes", out_capacity);
    if (r.code)
        return json_blame(r, in->item, name);
    memcpy(out, bytes, length);
    *ret_len = length;
    return RESULT_OK;
}

static must_check result take_exact(struct reading *in, bool *ret_present, uint8_t *out, size_t out_len,
                                    const char *name)
{
    size_t length = 0;
    TRY(take_bytes(in, &length, out, out_len, name));
    *ret_present = length > 0;
    ENSURE(length == 0 || length == out_len, E_INPUT, "%s: must have %zu bytes", name, out_len);
    return RESULT_OK;
}

static must_check result take_truth(struct reading *in, bool *ret_truth, const char *name)
{
    struct json_view value;
    TRY(json_get_object(&value, in->item, name));
    ENSURE(json_object_size(value.value) == 1, E_INPUT, "%s: must have one type", name);
    in->num_taken++;
    return json_get_bool(ret_truth, &value, "BOOL");
}

/* The attributes that every item has, its key apart. */
static must_check result take_common(struct reading *in, uint64_t *ret_generation,
                                     uint8_t ret_mac[static SLASHING_MAC_LEN])
{
    uint64_t format = 0;
    bool has_format, has_generation, has_mac;
    in->num_taken = 1; /* pk, which the caller has looked at */
    TRY(take_number(in, &has_format, &format, "format"));
    ENSURE(has_format && format == FORMAT, E_INPUT, "format: must be %d", FORMAT);
    TRY(take_number(in, &has_generation, ret_generation, "generation"));
    TRY(take_exact(in, &has_mac, ret_mac, SLASHING_MAC_LEN, "mac"));
    ENSURE(has_generation && has_mac, E_INPUT, "%s: is missing", has_mac ? "generation" : "mac");
    return RESULT_OK;
}

static must_check result check_all_taken(const struct reading *in)
{
    ENSURE(json_object_size(in->item->value) == in->num_taken, E_INPUT, "has an attribute that is not ours");
    return RESULT_OK;
}

result slashing_dynamodb_key_parse(uint8_t ret_pubkey[static 48], const struct json_view *item)
{
    struct json_view value;
    const char *text;
    size_t text_len;
    char again[DYNAMODB_KEY_LEN + 1];
    uint8_t pubkey[48];
    TRY(json_get_object(&value, item, "pk"));
    TRY(json_get_text(&text, &text_len, &value, "S"));
    TRY(hex_decode(pubkey, sizeof pubkey, text, text_len));
    slashing_dynamodb_key(again, pubkey);
    ENSURE(strcmp(again, text) == 0, E_INPUT, "pk: must be 0x and lower-case digits");
    memcpy(ret_pubkey, pubkey, sizeof pubkey);
    return RESULT_OK;
}

result slashing_dynamodb_entry_parse(struct slashing_entry *ret_entry, const struct json_view *item)
{
    struct reading in = {.item = item};
    struct slashing_entry e = {0};
    struct slashing_record *r = &e.record;
    bool has_target = false;
    TRY(take_common(&in, &e.stamp.generation, e.stamp.mac));
    TRY(take_truth(&in, &r->disabled, "disabled"));
    TRY(take_number(&in, &r->has_block, &r->block_slot, "block_slot"));
    TRY(take_exact(&in, &r->block_has_root, r->block_root, 32, "block_root"));
    TRY(take_number(&in, &r->has_attestation, &r->source_epoch, "source_epoch"));
    TRY(take_number(&in, &has_target, &r->target_epoch, "target_epoch"));
    TRY(take_exact(&in, &r->attestation_has_root, r->attestation_root, 32, "attestation_root"));
    ENSURE(has_target == r->has_attestation, E_INPUT, "has one epoch without the other");
    ENSURE((r->has_block || !r->block_has_root) && (r->has_attestation || !r->attestation_has_root), E_INPUT,
           "has a root without its height");
    TRY(check_all_taken(&in));
    *ret_entry = e;
    return RESULT_OK;
}

static must_check result take_token(struct reading *in, char out[static DYNAMODB_TOKEN_LEN + 1])
{
    const char *text;
    size_t text_len = 0;
    TRY(take_text(in, &text, &text_len, "write_token", "S"));
    ENSURE(text && text_len == DYNAMODB_TOKEN_LEN, E_INPUT, "write_token: must have %d characters",
           DYNAMODB_TOKEN_LEN);
    memcpy(out, text, DYNAMODB_TOKEN_LEN + 1);
    return RESULT_OK;
}

result slashing_dynamodb_head_parse(struct slashing_head *ret_head,
                                    char ret_write_token[static DYNAMODB_TOKEN_LEN + 1],
                                    const struct json_view *item)
{
    struct reading in = {.item = item};
    struct slashing_head h = {0};
    bool has_slot = false, has_number = false, has_id = false;
    size_t sealed_key_len = 0;
    char token[DYNAMODB_TOKEN_LEN + 1];
    TRY(take_common(&in, &h.generation, h.mac));
    TRY(take_exact(&in, &h.has_genesis, h.genesis_validators_root, 32, "genesis_validators_root"));
    TRY(take_number(&in, &h.has_high_watermark, &h.high_epoch, "high_epoch"));
    TRY(take_number(&in, &has_slot, &h.high_slot, "high_slot"));
    ENSURE(has_slot == h.has_high_watermark, E_INPUT, "has one high watermark without the other");
    TRY(take_number(&in, &has_number, &h.num_validators, "num_validators"));
    TRY(take_exact(&in, &has_id, h.store_id, SLASHING_STORE_ID_LEN, "store_id"));
    ENSURE(has_number && has_id, E_INPUT, "%s: is missing", has_id ? "num_validators" : "store_id");
    TRY(take_bytes(&in, &sealed_key_len, h.sealed_key, SLASHING_SEALED_KEY_MAX, "sealed_key"));
    h.sealed_key_len = (uint32_t)sealed_key_len;
    TRY(take_token(&in, token));
    TRY(check_all_taken(&in));
    *ret_head = h;
    memcpy(ret_write_token, token, sizeof token);
    return RESULT_OK;
}
