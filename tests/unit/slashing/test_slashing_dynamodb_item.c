/* test_slashing_dynamodb_item.c - items as JSON: what is written is read, and nothing else is. */
#include "store_testing.h"

#include "slashing/slashing_dynamodb_private.h"

static void key(uint8_t out[static 48])
{
    for (int i = 0; i < 48; i++)
        out[i] = (uint8_t)(0xa0 + i);
}

static result parse_entry(struct slashing_entry *ret_entry, const char *text, size_t text_len)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    uint8_t pubkey[48];
    assert_ok(json_read(&root, text, text_len, 1 << 16, 1000));
    assert_ok(json_view_root(&view, root));
    TRY(slashing_dynamodb_key_parse(pubkey, &view));
    return slashing_dynamodb_entry_parse(ret_entry, &view);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    uint8_t pubkey[48];
    key(pubkey);
    for (unsigned bits = 0; bits < 32; bits++) {
        struct slashing_record r = {0}, block = block_record(UINT64_MAX, 3),
                               vote = vote_record(UINT64_MAX - 1, 7, 5);
        block.block_has_root = bits & 4;
        vote.attestation_has_root = bits & 8;
        if (!block.block_has_root)
            memset(block.block_root, 0, 32);
        if (!vote.attestation_has_root)
            memset(vote.attestation_root, 0, 32);
        if (bits & 1)
            r = block;
        if (bits & 2) {
            r.has_attestation = true;
            r.source_epoch = vote.source_epoch;
            r.target_epoch = vote.target_epoch;
            r.attestation_has_root = vote.attestation_has_root;
            memcpy(r.attestation_root, vote.attestation_root, 32);
        }
        r.disabled = bits & 16;
        struct slashing_entry entry = {.record = r, .stamp = {.generation = bits, .mac = {9, (uint8_t)bits}}},
                              again;
        AUTO(buffer) text = {0};
        assert_ok(slashing_dynamodb_entry_append(&text, pubkey, &entry));
        assert_ok(parse_entry(&again, (const char *)text.data, text.length));
        assert_record_equal(&again.record, &entry.record);
        assert_true(slashing_dynamodb_entry_equal(&again, &entry));
    }
}

#define PK                                                                                                   \
    "{\"pk\":{\"S\":"                                                                                        \
    "\"0xa0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf\"" \
    "}"
#define MAC ",\"mac\":{\"B\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"
#define COMMON ",\"format\":{\"N\":\"1\"},\"disabled\":{\"BOOL\":false},\"generation\":{\"N\":\"0\"}"
#define ROOT32 "{\"B\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}"

static void nothing_else_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } bad[] = {
        {PK COMMON "}", "mac"},
        {PK MAC ",\"format\":{\"N\":\"1\"},\"disabled\":{\"BOOL\":false}}", "generation"},
        {PK MAC ",\"format\":{\"N\":\"2\"},\"disabled\":{\"BOOL\":false},\"generation\":{\"N\":\"0\"}}",
         "format"},
        {PK MAC ",\"disabled\":{\"BOOL\":false},\"generation\":{\"N\":\"0\"}}", "format"},
        {PK MAC ",\"format\":{\"N\":\"1\"},\"generation\":{\"N\":\"0\"}}", "disabled"},
        {PK MAC ",\"format\":{\"N\":\"1\"},\"disabled\":{\"S\":\"no\"},\"generation\":{\"N\":\"0\"}}",
         "BOOL"},
        {PK MAC COMMON ",\"ttl\":{\"N\":\"1\"}}", "not ours"},
        {PK MAC COMMON ",\"block_slot\":{\"S\":\"1\"}}", "block_slot"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"-1\"}}", "block_slot"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"1.5\"}}", "block_slot"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"18446744073709551616\"}}", "block_slot"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"1\",\"S\":\"1\"}}", "block_slot"},
        {PK MAC COMMON ",\"block_slot\":\"1\"}", "block_slot"},
        {PK MAC COMMON ",\"block_root\":" ROOT32 "}", "root without its height"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"1\"},\"block_root\":{\"B\":\"AAAA\"}}", "block_root"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"1\"},\"block_root\":{\"B\":\"\"}}", "block_root"},
        {PK MAC COMMON ",\"block_slot\":{\"N\":\"1\"},\"block_root\":{\"B\":\"AA=A\"}}", "block_root"},
        {PK MAC COMMON ",\"source_epoch\":{\"N\":\"1\"}}", "one epoch without the other"},
        {PK MAC COMMON ",\"target_epoch\":{\"N\":\"1\"}}", "one epoch without the other"},
        {PK MAC COMMON ",\"attestation_root\":" ROOT32 "}", "root without its height"},
        {"{\"pk\":{\"S\":\"store\"}" COMMON MAC "}", "hex"},
        {"{\"pk\":{\"S\":\"0xA0\"}" COMMON MAC "}", ""},
        {"{\"pk\":{\"B\":\"AAAA\"}" COMMON MAC "}", "pk"},
        {"{\"pk\":{\"S\":"
         "\"0xA0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcec"
         "f\"}" COMMON MAC "}",
         "lower-case"},
        {PK MAC
         ",\"format\":{\"N\":\"1\"},\"disabled\":{\"BOOL\":false,\"S\":\"\"},\"generation\":{\"N\":\"0\"}}",
         "one type"},
    };
    struct slashing_entry entry;
    static const char good[] = PK COMMON MAC ",\"block_slot\":{\"N\":\"1\"},\"block_root\":" ROOT32 "}";
    assert_ok(parse_entry(&entry, good, sizeof good - 1));
    assert_int_equal(entry.record.block_slot, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        result r = parse_entry(&entry, bad[i].text, strlen(bad[i].text));
        if (r.code != E_INPUT || !strstr(error_text(), bad[i].named))
            fail_msg("%s: %s", bad[i].text, r.code ? error_text() : "accepted");
    }
}

static result parse_head(struct slashing_head *ret_head, char *ret_token, const struct buffer *text)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    assert_ok(json_read(&root, (const char *)text->data, text->length, 1 << 16, 1000));
    assert_ok(json_view_root(&view, root));
    return slashing_dynamodb_head_parse(ret_head, ret_token, &view);
}

#define TOKEN "0123456789abcdef0123456789abcdef"

static void a_head_is_read_as_it_was_written(void **state)
{
    (void)state;
    static const uint32_t key_lengths[] = {0, 1, 184, SLASHING_SEALED_KEY_MAX - 1, SLASHING_SEALED_KEY_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(key_lengths); i++) {
        struct slashing_head head = {.has_genesis = i % 2,
                                     .has_high_watermark = i % 3 == 0,
                                     .generation = UINT64_MAX,
                                     .num_validators = i,
                                     .sealed_key_len = key_lengths[i]},
                             again;
        AUTO(buffer) text = {0};
        char token[DYNAMODB_TOKEN_LEN + 1];
        if (head.has_genesis)
            memset(head.genesis_validators_root, 5, 32);
        if (head.has_high_watermark)
            head.high_epoch = 6, head.high_slot = 7;
        memset(head.store_id, 8, sizeof head.store_id);
        memset(head.sealed_key, 9, head.sealed_key_len);
        memset(head.mac, 10, sizeof head.mac);
        assert_ok(slashing_dynamodb_head_append(&text, &head, TOKEN));
        assert_ok(parse_head(&again, token, &text));
        assert_string_equal(token, TOKEN);
        assert_memory_equal(&again, &head, sizeof head);
    }
}

static void a_head_of_another_form_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *what, *instead, *named;
    } changes[] = {
        {"\"num_validators\":{\"N\":\"3\"},", "", "num_validators"},
        {"\"high_slot\":{\"N\":\"7\"},", "", "one high watermark without the other"},
        {",\"write_token\":{\"S\":\"" TOKEN "\"}", "", "write_token"},
        {",\"write_token\"", ",\"more\":{\"N\":\"1\"},\"write_token\"", "not ours"},
        {"\"format\":{\"N\":\"1\"}", "\"format\":{\"N\":\"01x\"}", "format"},
        {"\"store_id\":{\"B\":\"", "\"store_id\":{\"B\":\"AAAA", "store_id"},
        {"\"store_id\":{\"B\":\"AQAAAAAAAAAAAAAAAAAAAA==\"},", "", "store_id"},
        {TOKEN, "0123456789abcdef", "write_token"},
    };
    const struct slashing_head head = {
        .has_high_watermark = true, .high_slot = 7, .num_validators = 3, .store_id = {1}};
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        AUTO(buffer) text = {0};
        AUTO(buffer) changed = {0};
        struct slashing_head again;
        char token[DYNAMODB_TOKEN_LEN + 1];
        assert_ok(slashing_dynamodb_head_append(&text, &head, TOKEN));
        const char *at = strstr((const char *)text.data, changes[i].what);
        assert_non_null(at);
        assert_ok(buffer_append(&changed, text.data, (size_t)(at - (const char *)text.data)));
        assert_ok(buffer_append_text(&changed, changes[i].instead));
        assert_ok(buffer_append_text(&changed, at + strlen(changes[i].what)));
        assert_fails(E_INPUT, parse_head(&again, token, &changed));
        assert_error_names(changes[i].named);
    }
}

static void a_statement_sets_what_is_there_and_removes_what_was(void **state)
{
    (void)state;
    struct slashing_advance a = {.old = block_record(4, 1), .next = block_record(5, 1)};
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, parameters;
    const char *statement;
    a.next.block_has_root = false;
    key(a.pubkey);
    assert_ok(slashing_dynamodb_statement_append(&text, "table", &a));
    assert_ok(json_read(&root, (const char *)text.data, text.length, 1 << 16, 1000));
    assert_ok(json_view_root(&view, root));
    assert_ok(json_get_text(&statement, NULL, &view, "Statement"));
    assert_string_equal(
        statement,
        "UPDATE \"table\" SET \"format\"=? SET \"disabled\"=? SET \"block_slot\"=? SET \"generation\"=? SET "
        "\"mac\"=? REMOVE \"block_root\" WHERE \"pk\"=? AND \"mac\"=?");
    assert_ok(json_get_array(&parameters, &view, "Parameters", 20));
    assert_int_equal(json_array_size(parameters.value), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(nothing_else_is_read),
        cmocka_unit_test(a_head_is_read_as_it_was_written),
        cmocka_unit_test(a_head_of_another_form_is_refused),
        cmocka_unit_test(a_statement_sets_what_is_there_and_removes_what_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
