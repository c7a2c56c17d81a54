/* test_eth2_api_rules.c - what a request may not say although each member is well formed; and text that is
 * cut off, garbled or too long. */
#include "requests.h"

#include "testing_signing.h"

static const json_t *request_of(const json_t *vectors, const char *type)
{
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        if (strcmp(vector_text(json_array_get(vectors, i), "type", NULL), type) == 0)
            return json_object_get(json_array_get(vectors, i), "request");
    }
    fail_msg("no vector of %s", type);
    return NULL;
}

static void no_sync_committees_before_altair(void **state)
{
    (void)state;
    static const struct {
        const char *type, *payload, *inner;
    } kinds[] = {{"SYNC_COMMITTEE_MESSAGE", "sync_committee_message", NULL},
                 {"SYNC_COMMITTEE_SELECTION_PROOF", "sync_aggregator_selection_data", NULL},
                 {"SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", "contribution_and_proof", "contribution"}};
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/sepolia.json");
    struct eth2_network network = built_in("sepolia"); /* Altair from epoch 50, slot 1600 */
    struct eth2_order order;
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        const json_t *request = request_of(vectors, kinds[i].type);
        json_t *payload = json_object_get(request, kinds[i].payload);
        if (kinds[i].inner)
            payload = json_object_get(payload, kinds[i].inner);
        (void)json_object_set_new(payload, "slot", json_string("1600"));
        assert_ok(parse_request(&order, &network, request));
        (void)json_object_set_new(payload, "slot", json_string("1599"));
        assert_fails(E_INPUT, parse_request(&order, &network, request));
        assert_error_names(kinds[i].payload);
        assert_error_names("slot: must not be before Altair");
    }
}

static void one_spelling_of_the_root_at_a_time(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/sepolia.json");
    struct eth2_network network = built_in("sepolia");
    struct eth2_order order;
    json_t *request = (json_t *)(uintptr_t)request_of(vectors, "ATTESTATION");
    json_t *root = json_incref(json_object_get(request, "signingRoot"));
    (void)json_object_set(request, "signing_root", root);
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("signing_root");
    (void)json_object_del(request, "signingRoot");
    assert_ok(parse_request(&order, &network, request));
    assert_true(order.has_client_root);
    (void)json_object_del(request, "signing_root");
    assert_ok(parse_request(&order, &network, request));
    assert_false(order.has_client_root);
    json_decref(root);
}

/* What is signed must not depend on which of two was looked at. */
static void one_name_of_the_payload_at_a_time(void **state)
{
    (void)state;
    struct eth2_network network = built_in("mainnet");
    struct eth2_order order;
    AUTO_POINTER(json_t)
    request = json_pack("{s:s, s:{s:s, s:s}}", "type", "REQUEST_AUTH", "request_auth", "data", "0x0123",
                        "slot", "1");
    assert_non_null(request);
    assert_ok(parse_request(&order, &network, request));
    (void)json_object_set(request, "builder_request_auth", json_object_get(request, "request_auth"));
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("request_auth");
    assert_error_names("builder_request_auth");
    (void)json_object_set_new(request, "request_auth", json_null());
    assert_ok(parse_request(&order, &network, request));
}

/* Jackson, which reads these requests on the other side of the fence, takes null for absent. */
static void members_that_are_null_are_absent(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/sepolia.json");
    struct eth2_network network = built_in("sepolia");
    struct eth2_order order;
    json_t *request = (json_t *)(uintptr_t)request_of(vectors, "AGGREGATE_AND_PROOF");
    (void)json_object_set_new(request, "signing_root", json_null());
    assert_ok(parse_request(&order, &network, request));
    assert_true(order.has_client_root);
    (void)json_object_set_new(request, "signingRoot", json_null());
    assert_ok(parse_request(&order, &network, request));
    assert_false(order.has_client_root);
    json_t *payload = json_object_get(request, "aggregate_and_proof");
    assert_null(json_object_get(payload, "data"));
    (void)json_object_set_new(payload, "data", json_null());
    (void)json_object_set_new(payload, "version", json_null());
    assert_ok(parse_request(&order, &network, request));
    (void)json_object_set_new(request, "fork_info", json_null());
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("fork_info");
}

static void truncated_and_garbled_text(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/sepolia.json");
    struct eth2_network network = built_in("sepolia");
    struct eth2_order order;
    char *text = json_dumps(json_object_get(json_array_get(vectors, 0), "request"), JSON_COMPACT);
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        char *exact = malloc(i + 1); /* so that asan sees a read behind the end */
        memcpy(exact, text, i);
        assert_fails(E_INPUT, eth2_api_parse(&order, &network, exact, i));
        free(exact);
        static const char replacements[] = {0, '"', '\\', '{', ']', ',', '9', (char)0xff};
        for (size_t j = 0; j < sizeof replacements; j++) {
            char kept = text[i];
            text[i] = replacements[j];
            result r = eth2_api_parse(&order, &network, text, length);
            assert_true(r.code == E_NONE || r.code == E_INPUT);
            text[i] = kept;
        }
    }
    free(text);
    static const char *const bodies[] = {"null", "[]", "{}", "\"ATTESTATION\"",
                                         "[{\"type\":\"ATTESTATION\"}]"};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++)
        assert_fails(E_INPUT, eth2_api_parse(&order, &network, bodies[i], strlen(bodies[i])));
}

/* So long that it is never read whole: blanks go before the last brace. */
static void truncated_and_garbled_envelopes(void **state)
{
    (void)state;
    enum { LENGTH = 70000 };
    struct eth2_network network = signing_devnet();
    struct eth2_order whole, order;
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/corpus-devnet.json");
    json_t *request = NULL;
    for (size_t i = 0; i < json_array_size(vectors) && !request; i++) {
        const json_t *vector = json_array_get(vectors, i);
        if (strcmp(vector_text(vector, "type", NULL), "GLOAS:ExecutionPayloadEnvelope") == 0)
            request = signing_request(vectors, vector, 0);
    }
    assert_non_null(request);
    assert_ok(parse_request(&whole, &network, request));
    char *text = malloc(LENGTH), *compact = json_dumps(request, JSON_COMPACT);
    size_t length = strlen(compact);
    assert_true(length < LENGTH);
    memset(text, ' ', LENGTH);
    memcpy(text, compact, length - 1);
    text[LENGTH - 1] = '}';
    assert_ok(eth2_api_parse(&order, &network, text, LENGTH));
    assert_memory_equal(&order, &whole, sizeof order);
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < length; i += 7) {
        static const char replacements[] = {0, '"', '\\', '{', ']', ',', '9', (char)0xff};
        for (size_t j = 0; j < sizeof replacements; j++) {
            char kept = text[i];
            text[i] = replacements[j];
            result r = eth2_api_parse(&order, &network, text, LENGTH);
            assert_true(r.code == E_NONE || r.code == E_INPUT || r.code == E_TOO_LARGE);
            accepted += r.code == E_NONE;
            refused += r.code != E_NONE;
            text[i] = kept;
        }
        char *exact = malloc(LENGTH - i); /* so that asan sees a read behind the end */
        memcpy(exact, text, LENGTH - i);
        if (i > 0)
            assert_true(eth2_api_parse(&order, &network, exact, LENGTH - i).code != E_NONE);
        free(exact);
    }
    assert_true(accepted > 100 && refused > accepted);
    free(compact);
    free(text);
    json_decref(request);
}

/* Ten mebibytes, as Web3Signer; an envelope may have more, but not without end. */
static void long_texts(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        size_t length;
        int expected;
    } texts[] = {{"ATTESTATION", 10 << 20, E_INPUT},
                 {"ATTESTATION", (10 << 20) + 1, E_TOO_LARGE},
                 {"EXECUTION_PAYLOAD_ENVELOPE", (10 << 20) + 1, E_INPUT},
                 {"EXECUTION_PAYLOAD_ENVELOPE", ETH2_API_BODY_MAX, E_INPUT},
                 {"EXECUTION_PAYLOAD_ENVELOPE", ETH2_API_BODY_MAX + 1, E_TOO_LARGE}};
    struct eth2_network network = built_in("sepolia");
    struct eth2_order order;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        char *text = malloc(texts[i].length);
        memset(text, ' ', texts[i].length);
        text[(size_t)snprintf(text, 80, "{\"type\":\"%s\"", texts[i].type)] = ' ';
        text[texts[i].length - 1] = '}';
        assert_fails(texts[i].expected, eth2_api_parse(&order, &network, text, texts[i].length));
        assert_error_names(texts[i].expected == E_INPUT ? ": is missing" : "longer than");
        free(text);
    }
}

/* An aggregate that comes with a version beside it is bare all the same; a version alone stands for a wrapper
 * whose data was forgotten. */
static void a_version_needs_its_data(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/sepolia.json");
    struct eth2_network network = built_in("sepolia");
    struct eth2_order bare, order;
    json_t *request = (json_t *)(uintptr_t)request_of(vectors, "AGGREGATE_AND_PROOF");
    json_t *payload = json_object_get(request, "aggregate_and_proof");
    assert_ok(parse_request(&bare, &network, request));
    (void)json_object_set_new(payload, "version", json_string("GLOAS"));
    assert_ok(parse_request(&order, &network, request));
    assert_memory_equal(&order, &bare, sizeof order);
    (void)json_object_del(payload, "aggregate");
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("aggregate_and_proof.data: is missing");
}

#define FORK_INFO                                                                                            \
    "\"fork_info\":{\"fork\":{\"previous_version\":\"0x00000000\",\"current_version\":\"0x00000000\","       \
    "\"epoch\":\"0\"},\"genesis_validators_root\":"                                                          \
    "\"0x1111111111111111111111111111111111111111111111111111111111111111\"}"

/* The same members would have another root in another fork. */
static void versions_that_have_no_such_object(void **state)
{
    (void)state;
    static const struct {
        const char *type, *member, *version, *blamed;
    } rows[] = {
        {"EXECUTION_PAYLOAD_BID", "execution_payload_bid", "FULU", "version: must be GLOAS, the one"},
        {"EXECUTION_PAYLOAD_BID", "execution_payload_bid", "HEZE", "version: must be GLOAS, the one"},
        {"PROPOSER_PREFERENCES", "proposer_preferences", "FULU", "version: must be GLOAS or HEZE"},
        {"PAYLOAD_ATTESTATION_MESSAGE", "payload_attestation_message", "ELECTRA",
         "version: must be GLOAS or"},
        {"PROPOSER_PREFERENCES", "proposer_preferences", "HEZE", "data.dependent_root: is missing"},
        {"EXECUTION_PAYLOAD_BID", "execution_payload_bid", "GLOAS", "data.parent_block_hash: is missing"},
    };
    struct eth2_network network = built_in("mainnet");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        char body[1024];
        struct eth2_order order;
        (void)snprintf(body, sizeof body,
                       "{\"type\":\"%s\"," FORK_INFO ",\"%s\":{\"version\":\"%s\",\"data\":{}}}",
                       rows[i].type, rows[i].member, rows[i].version);
        result r = eth2_api_parse(&order, &network, body, strlen(body));
        if (r.code != E_INPUT || !strstr(error_text(), rows[i].blamed))
            fail_msg("%s of %s: %s", rows[i].type, rows[i].version, r.code ? error_text() : "taken");
    }
}

static json_t *envelope_request(json_t **ret_data)
{
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/corpus-devnet.json");
    json_t *request = NULL;
    for (size_t i = 0; i < json_array_size(vectors) && !request; i++) {
        const json_t *vector = json_array_get(vectors, i);
        if (strcmp(vector_text(vector, "type", NULL), "GLOAS:ExecutionPayloadEnvelope") == 0)
            request = signing_request(vectors, vector, 0);
    }
    assert_non_null(request);
    json_t *envelope = json_object_get(request, "execution_payload_envelope");
    *ret_data = json_object_get(envelope, "data");
    assert_non_null(*ret_data);
    return request;
}

static void envelopes_with_a_part_too_many_or_too_few(void **state)
{
    (void)state;
    struct eth2_network network = signing_devnet();
    struct eth2_order order;
    json_t *data, *request = envelope_request(&data);
    json_t *envelope = json_object_get(request, "execution_payload_envelope");
    json_t *payload = json_object_get(data, "payload");
    assert_ok(parse_request(&order, &network, request));
    /* Which of two payloads is signed must not depend on where we look. */
    (void)json_object_set(envelope, "payload", payload);
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("execution_payload_envelope.payload: stands beside data");
    (void)json_object_del(envelope, "payload");
    (void)json_object_set_new(envelope, "version", json_string("FULU"));
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("execution_payload_envelope.version: must be GLOAS or HEZE");
    (void)json_object_set_new(envelope, "version", json_string("GLOAS"));
    struct eth2_order number;
    (void)json_object_set_new(payload, "base_fee_per_gas", json_string("18446744073709551615"));
    assert_ok(parse_request(&order, &network, request));
    (void)json_object_set_new(payload, "base_fee_per_gas", json_integer(7));
    assert_ok(parse_request(&number, &network, request));
    assert_memory_not_equal(number.of.object.root, order.of.object.root, 32);
    (void)json_object_set_new(payload, "base_fee_per_gas", json_string("7"));
    assert_ok(parse_request(&order, &network, request));
    assert_memory_equal(number.of.object.root, order.of.object.root, 32);
    (void)json_object_set_new(payload, "base_fee_per_gas", json_string(""));
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("payload.base_fee_per_gas: ");
    (void)json_object_del(payload, "base_fee_per_gas");
    assert_fails(E_INPUT, parse_request(&order, &network, request));
    assert_error_names("payload.base_fee_per_gas: is missing");
    json_decref(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_sync_committees_before_altair),
        cmocka_unit_test(one_spelling_of_the_root_at_a_time),
        cmocka_unit_test(one_name_of_the_payload_at_a_time),
        cmocka_unit_test(members_that_are_null_are_absent),
        cmocka_unit_test(truncated_and_garbled_text),
        cmocka_unit_test(truncated_and_garbled_envelopes),
        cmocka_unit_test(long_texts),
        cmocka_unit_test(a_version_needs_its_data),
        cmocka_unit_test(versions_that_have_no_such_object),
        cmocka_unit_test(envelopes_with_a_part_too_many_or_too_few),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
