/* test_eth2_containers.c - hash-tree-roots of every container we sign, or meet inside one, from the
 * JSON values of the consensus specification's vectors and of Lodestar's types.
 *
 * The body folds are static; including their file puts them within reach.
 */
#include "vectors.h"

#include "testing_signing.h"

#include "eth2/eth2_api.h"
#include "eth2/eth2_api_body.c"

typedef result container(uint8_t ret_root[static 32], const struct json_view *object, enum eth2_fork fork);

static struct eth2_sizes mainnet_sizes(void)
{
    return eth2_preset_sizes(ETH2_PRESET_MAINNET);
}

#define BODY_FOLD(name)                                                                                      \
    static result test_##name(uint8_t ret_root[static 32], const struct json_view *object,                   \
                              enum eth2_fork fork)                                                           \
    {                                                                                                        \
        struct eth2_sizes sizes = mainnet_sizes();                                                           \
        (void)fork;                                                                                          \
        return name(ret_root, object, &sizes);                                                               \
    }
BODY_FOLD(attestation_data)
BODY_FOLD(attester_slashing)
BODY_FOLD(header)
BODY_FOLD(deposit)
BODY_FOLD(deposit_data)
BODY_FOLD(eth1_data)
BODY_FOLD(indexed_attestation)
BODY_FOLD(proposer_slashing)
BODY_FOLD(signed_header)
BODY_FOLD(signed_voluntary_exit)
BODY_FOLD(voluntary_exit)
BODY_FOLD(sync_aggregate)

static result test_attestation(uint8_t ret_root[static 32], const struct json_view *object,
                               enum eth2_fork fork)
{
    struct eth2_sizes sizes = mainnet_sizes();
    struct eth2_attestation typed = {.fork = fork};
    TRY(eth2_api_attestation(&typed, object, &sizes));
    eth2_attestation_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_aggregate_and_proof(uint8_t ret_root[static 32], const struct json_view *object,
                                       enum eth2_fork fork)
{
    struct eth2_sizes sizes = mainnet_sizes();
    struct eth2_aggregate_and_proof typed = {.aggregate.fork = fork};
    TRY(eth2_api_aggregate_and_proof(&typed, object, &sizes));
    eth2_aggregate_and_proof_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_block(uint8_t ret_root[static 32], const struct json_view *object, enum eth2_fork fork)
{
    struct eth2_sizes sizes = mainnet_sizes();
    struct eth2_block_header typed;
    TRY(eth2_api_block(&typed, object, fork, &sizes));
    eth2_block_header_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_body(uint8_t ret_root[static 32], const struct json_view *object, enum eth2_fork fork)
{
    struct eth2_sizes sizes = mainnet_sizes();
    return eth2_api_body(ret_root, object, fork, &sizes);
}

static result test_checkpoint(uint8_t ret_root[static 32], const struct json_view *object,
                              enum eth2_fork fork)
{
    struct eth2_checkpoint typed;
    (void)fork;
    TRY(json_get_u64(&typed.epoch, object, "epoch"));
    TRY(json_get_hex(typed.root, 32, object, "root"));
    eth2_checkpoint_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_contribution(uint8_t ret_root[static 32], const struct json_view *object,
                                enum eth2_fork fork)
{
    struct eth2_sizes sizes = mainnet_sizes();
    struct eth2_contribution typed;
    (void)fork;
    TRY(eth2_api_contribution(&typed, object, &sizes));
    eth2_contribution_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_contribution_and_proof(uint8_t ret_root[static 32], const struct json_view *object,
                                          enum eth2_fork fork)
{
    struct eth2_sizes sizes = mainnet_sizes();
    struct eth2_contribution_and_proof typed;
    struct json_view inner;
    (void)fork;
    TRY(json_get_object(&inner, object, "contribution"));
    TRY(json_get_u64(&typed.aggregator_index, object, "aggregator_index"));
    TRY(eth2_api_contribution(&typed.contribution, &inner, &sizes));
    TRY(json_get_hex(typed.selection_proof, 96, object, "selection_proof"));
    eth2_contribution_and_proof_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_deposit_message(uint8_t ret_root[static 32], const struct json_view *object,
                                   enum eth2_fork fork)
{
    struct eth2_deposit_message typed;
    (void)fork;
    TRY(json_get_hex(typed.pubkey, 48, object, "pubkey"));
    TRY(json_get_hex(typed.withdrawal_credentials, 32, object, "withdrawal_credentials"));
    TRY(json_get_u64(&typed.amount, object, "amount"));
    eth2_deposit_message_root(ret_root, &typed);
    return RESULT_OK;
}

static result test_fork_data(uint8_t ret_root[static 32], const struct json_view *object, enum eth2_fork fork)
{
    uint8_t version[4], genesis[32];
    (void)fork;
    TRY(json_get_hex(version, 4, object, "current_version"));
    TRY(json_get_hex(genesis, 32, object, "genesis_validators_root"));
    eth2_fork_data_root(ret_root, version, genesis);
    return RESULT_OK;
}

static result test_signing_data(uint8_t ret_root[static 32], const struct json_view *object,
                                enum eth2_fork fork)
{
    uint8_t object_root[32], domain[32];
    (void)fork;
    TRY(json_get_hex(object_root, 32, object, "object_root"));
    TRY(json_get_hex(domain, 32, object, "domain"));
    eth2_signing_data_root(ret_root, object_root, domain);
    return RESULT_OK;
}

static result test_selection_data(uint8_t ret_root[static 32], const struct json_view *object,
                                  enum eth2_fork fork)
{
    uint64_t slot, subcommittee_index;
    (void)fork;
    TRY(json_get_u64(&slot, object, "slot"));
    TRY(json_get_u64(&subcommittee_index, object, "subcommittee_index"));
    eth2_selection_data_root(ret_root, slot, subcommittee_index);
    return RESULT_OK;
}

static result test_registration(uint8_t ret_root[static 32], const struct json_view *object,
                                enum eth2_fork fork)
{
    struct eth2_validator_registration typed;
    (void)fork;
    TRY(json_get_hex(typed.fee_recipient, 20, object, "fee_recipient"));
    TRY(json_get_u64(&typed.gas_limit, object, "gas_limit"));
    TRY(json_get_u64(&typed.timestamp, object, "timestamp"));
    TRY(json_get_hex(typed.pubkey, 48, object, "pubkey"));
    eth2_validator_registration_root(ret_root, &typed);
    return RESULT_OK;
}

/* The type whose cases run, for what has no function of its own: the object root of a request with it. */
static const char *running;

static result test_as_request(uint8_t ret_root[static 32], const struct json_view *object,
                              enum eth2_fork fork)
{
    static const char fork_info[] = "{\"fork_info\": {\"genesis_validators_root\": \"0x%064d\", \"fork\": "
                                    "{\"previous_version\": \"0x00000000\", "
                                    "\"current_version\": \"0x00000000\", \"epoch\": \"0\"}}}";
    struct eth2_network network;
    struct eth2_order order;
    char text[512];
    (void)fork;
    (void)snprintf(text, sizeof text, fork_info, 0);
    AUTO_POINTER(json_t) request = json_loads(text, 0, NULL);
    json_t *payload = (json_t *)(uintptr_t)object->value;
    if (strcmp(running, "BLSToExecutionChange") == 0) {
        assert_int_equal(json_object_set_new(request, "type", json_string("BLS_TO_EXECUTION_CHANGE")), 0);
        assert_int_equal(json_object_set(request, "BLS_TO_EXECUTION_CHANGE", payload), 0);
    } else {
        assert_true(signing_put(request, signing_form_of(running), payload, 0));
    }
    char *body = json_dumps(request, JSON_COMPACT);
    assert_ok(eth2_network_by_name(&network, "mainnet"));
    result r = eth2_api_parse(&order, &network, body, strlen(body));
    free(body);
    memcpy(ret_root, order.of.object.root, 32);
    return r;
}

static const struct {
    const char *type;
    container *root;
    const char *official; /* forks for which the specification's mainnet vectors have it */
    bool independent;     /* and its preset-independent ones, of the first of those */
    const char *lodestar; /* forks for which Lodestar's do */
} containers[] = {
    {"AggregateAndProof", test_aggregate_and_proof, "phase0 altair", true, "phase0 electra fulu gloas"},
    {"Attestation", test_attestation, "phase0 altair", true, "phase0 electra gloas"},
    {"AttestationData", test_attestation_data, "phase0 altair", true, "phase0"},
    {"AttestationData-full-uint64", test_attestation_data, "", false, "phase0"},
    {"AttesterSlashing", test_attester_slashing, "phase0 altair", true, ""},
    {"BLSToExecutionChange", test_as_request, "", false, "capella"},
    {"BeaconBlock", test_block, "phase0 altair", false, "phase0 altair"},
    {"BeaconBlockBody", test_body, "phase0 altair", false, "phase0"},
    {"BeaconBlockHeader", test_header, "phase0 altair", true, "phase0"},
    {"BeaconBlockHeader-full-uint64", test_header, "", false, "phase0"},
    {"Checkpoint", test_checkpoint, "phase0 altair", true, "phase0"},
    {"Checkpoint-full-uint64", test_checkpoint, "", false, "phase0"},
    {"ContributionAndProof", test_contribution_and_proof, "altair", false, "altair"},
    {"Deposit", test_deposit, "phase0 altair", true, ""},
    {"DepositData", test_deposit_data, "phase0 altair", true, "phase0"},
    {"DepositMessage", test_deposit_message, "phase0 altair", true, "phase0"},
    {"Eth1Data", test_eth1_data, "phase0 altair", true, "phase0"},
    {"BuilderRequestAuth", test_as_request, "", false, "gloas"},
    {"ExecutionPayloadBid", test_as_request, "", false, "gloas"},
    {"ExecutionPayloadEnvelope", test_as_request, "", false, "gloas"},
    {"ForkData", test_fork_data, "phase0 altair", true, "phase0"},
    {"IndexedAttestation", test_indexed_attestation, "phase0 altair", true, ""},
    {"PayloadAttestationData", test_as_request, "", false, "gloas"},
    {"ProposerPreferences", test_as_request, "", false, "gloas"},
    {"ProposerSlashing", test_proposer_slashing, "phase0 altair", true, ""},
    {"SignedBeaconBlockHeader", test_signed_header, "phase0 altair", true, ""},
    {"SignedVoluntaryExit", test_signed_voluntary_exit, "phase0 altair", true, "phase0"},
    {"SigningData", test_signing_data, "phase0 altair", true, "phase0"},
    {"SyncAggregate", test_sync_aggregate, "altair", false, "altair"},
    {"SyncAggregatorSelectionData", test_selection_data, "altair", true, "altair"},
    {"SyncCommitteeContribution", test_contribution, "altair", false, "altair"},
    {"ValidatorRegistrationV1", test_registration, "", false, "bellatrix"},
    {"VoluntaryExit", test_voluntary_exit, "phase0 altair", true, "phase0"},
};

static size_t run_cases(const json_t *cases, container *root_of, enum eth2_fork fork, const char *file)
{
    assert_true(json_array_size(cases) > 0);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        struct json_view view;
        uint8_t root[32];
        char what[160];
        assert_ok(json_view_root(&view, json_object_get(one, "value")));
        (void)snprintf(what, sizeof what, "%s case %zu", file, i);
        result r = root_of(root, &view, fork);
        if (r.code)
            fail_msg("%s: %s", what, error_text());
        assert_hex(vector_text(one, "root", NULL), root, 32, what);
    }
    return json_array_size(cases);
}

static size_t run_official(const char *preset, const char *fork_name, const char *type, container *root_of)
{
    char file[160];
    (void)snprintf(file, sizeof file, "consensus-spec-tests-v1.1.0-alpha.8/%s/%s/%s.json", preset, fork_name,
                   type);
    AUTO_POINTER(json_t) vectors = vector_json(file);
    enum eth2_fork fork = strcmp(fork_name, "phase0") == 0 ? ETH2_PHASE0 : ETH2_ALTAIR;
    return run_cases(json_object_get(vectors, "cases"), root_of, fork, file);
}

static void specification_vectors(void **state)
{
    (void)state;
    static const char *const forks[] = {"phase0", "altair"};
    size_t run = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(containers); i++) {
        bool independent = containers[i].independent;
        running = containers[i].type;
        for (size_t j = 0; j < ARRAY_LENGTH(forks); j++) {
            if (!strstr(containers[i].official, forks[j]))
                continue;
            run += run_official("mainnet", forks[j], containers[i].type, containers[i].root);
            if (independent)
                run += run_official("preset-independent", forks[j], containers[i].type, containers[i].root);
            independent = false;
        }
    }
    /* 1245 cases, less Fork (5 + 5 + 51) and SyncCommitteeMessage (5 + 51), which nobody signs as such. */
    print_message("%zu cases of the specification\n", run);
    assert_int_equal(run, 1245 - 61 - 56);
}

static void lodestar_vectors(void **state)
{
    (void)state;
    size_t run = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(containers); i++) {
        running = containers[i].type;
        for (enum eth2_fork fork = ETH2_PHASE0; fork < ETH2_HEZE; fork++) {
            if (!strstr(containers[i].lodestar, eth2_fork_name(fork)))
                continue;
            char file[160];
            (void)snprintf(file, sizeof file, "lodestar-generated/ssz/%s/%s.json", eth2_fork_name(fork),
                           containers[i].type);
            AUTO_POINTER(json_t) vectors = vector_json(file);
            run += run_cases(vectors, containers[i].root, fork, file);
        }
    }
    print_message("%zu cases of Lodestar's types\n", run);
    assert_int_equal(run, (26 + 2 + 6) * 20);
}

/* From Bellatrix on we sign headers: the header's root must be the whole block's, blinded or not. */
static void headers_stand_for_later_blocks(void **state)
{
    (void)state;
    size_t run = 0;
    for (enum eth2_fork fork = ETH2_BELLATRIX; fork < ETH2_HEZE; fork++) {
        for (int blinded = 0; blinded < (fork < ETH2_GLOAS ? 2 : 1); blinded++) {
            char file[160];
            (void)snprintf(file, sizeof file, "lodestar-generated/ssz/%s/%sBeaconBlock.json",
                           eth2_fork_name(fork), blinded ? "Blinded" : "");
            AUTO_POINTER(json_t) vectors = vector_json(file);
            for (size_t i = 0; i < json_array_size(vectors); i++, run++) {
                struct json_view view;
                uint8_t root[32];
                assert_ok(json_view_root(&view, json_object_get(json_array_get(vectors, i), "header")));
                assert_ok(test_header(root, &view, fork));
                assert_hex(vector_text(json_array_get(vectors, i), "root", NULL), root, 32, file);
            }
        }
    }
    assert_int_equal(run, 220);
}

/* consensus-spec-tests, commit 194a91fd, tests/minimal/electra/ssz_static/AggregateAndProof/ssz_zero/case_0:
 * seven zero bits, and zeros elsewhere. The one official root of the minimal preset's Electra shape that we
 * have. */
static void minimal_electra_aggregate(void **state)
{
    (void)state;
    static const uint8_t seven_bits[] = {0x80}, four_bits[] = {0};
    struct eth2_sizes sizes = eth2_preset_sizes(ETH2_PRESET_MINIMAL);
    struct eth2_aggregate_and_proof zero = {.aggregate.fork = ETH2_ELECTRA};
    uint8_t root[32];
    assert_ok(ssz_bit_list_root(zero.aggregate.aggregation_bits_root, seven_bits, 1, sizes.aggregation_bits));
    assert_ok(ssz_bit_vector_root(zero.aggregate.committee_bits_root, four_bits, sizes.committee_bits));
    eth2_aggregate_and_proof_root(root, &zero);
    assert_hex("0xb708554b13549169e9a6fe3a5acebf38fd94e868c573c72bc3f0ab00d9c77b8b", root, 32,
               "minimal Electra");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(specification_vectors),
        cmocka_unit_test(lodestar_vectors),
        cmocka_unit_test(minimal_electra_aggregate),
        cmocka_unit_test(headers_stand_for_later_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
