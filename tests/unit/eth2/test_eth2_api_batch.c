/* test_eth2_api_batch.c - batches: the message is read as one that comes alone, the keys in their order, and
 * what is wrong is named where it stands. */
#include "requests.h"

/* A sort may ask for two elements in either order, and the one of this libc does not. */
typedef int comparison(const void *a, const void *b);
void __wrap_qsort(void *base, size_t number, size_t size, comparison *compare);
void __real_qsort(void *base, size_t number, size_t size, comparison *compare);
void __wrap_qsort(void *base, size_t number, size_t size, comparison *compare)
{
    const char *all = base;
    for (size_t i = 0; number <= 300 && i < number; i++)
        for (size_t j = 0; j < i; j++) {
            int order = compare(all + i * size, all + j * size);
            assert_int_not_equal(order, 0);
            assert_int_equal(order<0, compare(all + j * size, all + i * size)> 0);
        }
    __real_qsort(base, number, size, compare);
}

static const char *const message_text =
    "{\"type\":\"ATTESTATION\",\"fork_info\":{\"fork\":{\"previous_version\":\"0x05000000\","
    "\"current_version\":\"0x06000000\",\"epoch\":\"411392\"},\"genesis_validators_root\":"
    "\"0x2222222222222222222222222222222222222222222222222222222222222222\"},\"attestation\":{"
    "\"slot\":\"32\",\"index\":\"0\",\"beacon_block_root\":"
    "\"0x1111111111111111111111111111111111111111111111111111111111111111\",\"source\":{\"epoch\":"
    "\"0\",\"root\":\"0x3333333333333333333333333333333333333333333333333333333333333333\"},"
    "\"target\":{\"epoch\":\"1\",\"root\":"
    "\"0x4444444444444444444444444444444444444444444444444444444444444444\"}}}";

static json_t *message(void)
{
    json_t *parsed = json_loads(message_text, 0, NULL);
    assert_non_null(parsed);
    return parsed;
}

/* Key i: i in its last bytes. */
static json_t *identifiers(size_t number)
{
    json_t *all = json_array();
    for (size_t i = 0; i < number; i++) {
        char text[99];
        (void)snprintf(text, sizeof text, "0x%096zx", i);
        assert_int_equal(json_array_append_new(all, json_string(text)), 0);
    }
    return all;
}

/* Takes both over. */
static result parse(struct eth2_order *ret_order, struct buffer *out_pubkeys, json_t *names, json_t *request)
{
    struct eth2_network network = built_in("mainnet");
    json_t *batch = json_pack("{s:o,s:o}", "identifiers", names, "signing_request", request);
    assert_non_null(batch);
    char *text = json_dumps(batch, JSON_COMPACT);
    assert_non_null(text);
    result r = eth2_api_parse_batch(ret_order, out_pubkeys, &network, text, strlen(text));
    free(text);
    json_decref(batch);
    return r;
}

static void expect_blame(json_t *names, json_t *request, const char *blamed)
{
    struct eth2_order order;
    AUTO(buffer) pubkeys = {0};
    result r = parse(&order, &pubkeys, names, request);
    if (r.code != E_INPUT || strncmp(error_text(), blamed, strlen(blamed)) != 0)
        fail_msg("%s: %s: %s", blamed, error_name(r.code), r.code ? error_text() : "");
    assert_int_equal(pubkeys.length, 0);
}

static void the_message_is_that_of_a_single_request(void **state)
{
    (void)state;
    struct eth2_network network = built_in("mainnet");
    struct eth2_order alone, of_batch;
    AUTO(buffer) pubkeys = {0};
    json_t *single = message();
    assert_ok(parse_request(&alone, &network, single));
    json_decref(single);
    assert_ok(parse(&of_batch, &pubkeys, identifiers(ETH2_API_BATCH_KEYS_MAX), message()));
    assert_memory_equal(&alone, &of_batch, sizeof alone);
    assert_int_equal(pubkeys.length, 48 * ETH2_API_BATCH_KEYS_MAX);
    for (size_t i = 0; i < ETH2_API_BATCH_KEYS_MAX; i++)
        assert_int_equal(pubkeys.data[48 * i + 46] << 8 | pubkeys.data[48 * i + 47], i);
}

static void lists_that_are_none(void **state)
{
    (void)state;
    json_t *twice = identifiers(300), *bad = identifiers(3), *number = identifiers(3);
    assert_int_equal(json_array_set_new(twice, 299, json_incref(json_array_get(twice, 7))), 0);
    assert_int_equal(json_array_set_new(bad, 2, json_string("0x12")), 0);
    assert_int_equal(json_array_set_new(number, 1, json_integer(7)), 0);
    expect_blame(twice, message(), "identifiers[299]: is the same key as identifiers[7]");
    expect_blame(bad, message(), "identifiers[2]: ");
    expect_blame(number, message(), "identifiers[1]: ");
    expect_blame(identifiers(0), message(), "identifiers: must not be empty");
    expect_blame(identifiers(ETH2_API_BATCH_KEYS_MAX + 1), message(), "identifiers: must have at most");
    expect_blame(json_object(), message(), "identifiers: must be an array");
    expect_blame(json_null(), message(), "identifiers: ");
    json_t *cased = json_pack(
        "[s,s]",
        "0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    expect_blame(cased, message(), "identifiers[1]: is the same key as identifiers[0]");
}

static void members_of_the_message_are_named_from_the_top(void **state)
{
    (void)state;
    json_t *wrong = message();
    json_t *source = json_object_get(json_object_get(wrong, "attestation"), "source");
    assert_int_equal(json_object_set_new(source, "epoch", json_string("x")), 0);
    expect_blame(identifiers(1), wrong, "signing_request.attestation.source.epoch: ");
    wrong = message();
    assert_int_equal(json_object_set_new(wrong, "signingRoot", json_string("0x11")), 0);
    expect_blame(identifiers(1), wrong, "signing_request.signingRoot: ");
    expect_blame(identifiers(1), json_array(), "signing_request: must be an object");
    expect_blame(identifiers(1), json_null(), "signing_request: ");
}

/* The list of the proposal, and nothing else; the rest of the message does not matter. */
static void types_that_many_can_sign(void **state)
{
    (void)state;
    static const struct {
        const char *type, *blamed;
    } rows[] = {
        {"aggregation_slot", "signing_request.aggregation_slot: "},
        {"RANDAO_REVEAL", "signing_request.randao_reveal: "},
        {"SYNC_COMMITTEE_MESSAGE", "signing_request.sync_committee_message: "},
        {"SYNC_COMMITTEE_SELECTION_PROOF", "signing_request.sync_aggregator_selection_data: "},
        {"BLOCK", "signing_request.type: cannot"},
        {"BLOCK_V2", "signing_request.type: cannot"},
        {"DEPOSIT", "signing_request.type: cannot"},
        {"VOLUNTARY_EXIT", "signing_request.type: cannot"},
        {"AGGREGATE_AND_PROOF", "signing_request.type: cannot"},
        {"AGGREGATE_AND_PROOF_V2", "signing_request.type: cannot"},
        {"SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "signing_request.type: cannot"},
        {"VALIDATOR_REGISTRATION", "signing_request.type: cannot"},
        {"BLS_TO_EXECUTION_CHANGE", "signing_request.type: cannot"},
        {"EXECUTION_PAYLOAD_BID", "signing_request.type: cannot"},
        {"EXECUTION_PAYLOAD_ENVELOPE", "signing_request.type: cannot"},
        {"PAYLOAD_ATTESTATION_MESSAGE", "signing_request.type: cannot"},
        {"PROPOSER_PREFERENCES", "signing_request.type: cannot"},
        {"BUILDER_REQUEST_AUTH", "signing_request.type: cannot"},
        {"GENERIC", "signing_request.type: must be one of"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        json_t *other = message();
        assert_int_equal(json_object_set_new(other, "type", json_string(rows[i].type)), 0);
        expect_blame(identifiers(2), other, rows[i].blamed);
    }
}

static void long_bodies(void **state)
{
    (void)state;
    struct eth2_network network = built_in("mainnet");
    struct eth2_order order;
    AUTO(buffer) pubkeys = {0};
    char *body = malloc(ETH2_API_BATCH_BODY_MAX + 2);
    assert_non_null(body);
    memset(body, ' ', ETH2_API_BATCH_BODY_MAX + 2);
    assert_fails(E_TOO_LARGE,
                 eth2_api_parse_batch(&order, &pubkeys, &network, body, ETH2_API_BATCH_BODY_MAX + 1));
    assert_fails(E_INPUT, eth2_api_parse_batch(&order, &pubkeys, &network, body, ETH2_API_BATCH_BODY_MAX));
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_message_is_that_of_a_single_request),
        cmocka_unit_test(lists_that_are_none),
        cmocka_unit_test(members_of_the_message_are_named_from_the_top),
        cmocka_unit_test(types_that_many_can_sign),
        cmocka_unit_test(long_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
