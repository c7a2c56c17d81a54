/* ctl_samples.c - a table of types, one small writer each.
 *
 * Roots are SHA-256 of their name and the variant: whoever runs the same command again asks for the
 * same bytes, and another variant gives a conflicting message of the same duty. The validator
 * index of the exit is the largest number there is, so the signed exit is of no validator. */
#include "ctl_samples.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "eth2/eth2_containers.h"

enum { HEX_ROOT_SIZE = 2 * ETH2_ROOT_LEN + 3 };
/* 96 bytes that stand for somebody's signature; nobody verifies those inside of messages. */
#define SOME_SIGNATURE                                                                                       \
    "0xc00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"     \
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"

#define SOME_ADDRESS "0x6e69747273676e726e69747273676e726e697472"

static must_check result root(char out[static HEX_ROOT_SIZE], const struct ctl_sample_world *w,
                              const char *name)
{
    char text[256];
    uint8_t hash[ETH2_ROOT_LEN];
    unsigned length = sizeof hash;
    int text_len = snprintf(text, sizeof text, "%s/%s", name, w->variant);
    ENSURE(text_len > 0 && (size_t)text_len < sizeof text, E_INPUT, "--variant: too long");
    ENSURE(EVP_Digest(text, (size_t)text_len, hash, &length, EVP_sha256(), NULL) == 1, E_CRYPTO,
           "SHA-256 failed");
    hex_encode_0x(out, hash, sizeof hash);
    return RESULT_OK;
}

static unsigned long long slot(const struct ctl_sample_world *w)
{
    return w->epoch * eth2_slots_per_epoch(w->network.preset) + 1;
}

static must_check result append_attestation_data(struct buffer *out, const struct ctl_sample_world *w)
{
    char block[HEX_ROOT_SIZE], source[HEX_ROOT_SIZE], target[HEX_ROOT_SIZE];
    TRY(root(block, w, "block"));
    TRY(root(source, w, "source"));
    TRY(root(target, w, "target"));
    return buffer_printf(
        out,
        "{\"slot\":\"%llu\",\"index\":\"0\",\"beacon_block_root\":\"%s\",\"source\":{\"epoch\":\"%llu\","
        "\"root\":\"%s\"},\"target\":{\"epoch\":\"%llu\",\"root\":\"%s\"}}",
        slot(w), block, (unsigned long long)(w->epoch ? w->epoch - 1 : 0), source,
        (unsigned long long)w->epoch, target);
}

static result append_attestation(struct buffer *out, const struct ctl_sample_world *w)
{
    TRY(buffer_append_text(out, "\"attestation\":"));
    return append_attestation_data(out, w);
}

static result append_block(struct buffer *out, const struct ctl_sample_world *w)
{
    char parent[HEX_ROOT_SIZE], state[HEX_ROOT_SIZE], body[HEX_ROOT_SIZE];
    TRY(root(parent, w, "parent"));
    TRY(root(state, w, "state"));
    TRY(root(body, w, "body"));
    char version[16];
    (void)snprintf(version, sizeof version, "%s", eth2_fork_name(eth2_fork_at(&w->network, w->epoch)));
    for (char *c = version; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
    return buffer_printf(
        out,
        "\"beacon_block\":{\"version\":\"%s\",\"block_header\":{\"slot\":\"%llu\",\"proposer_index\":\"7\","
        "\"parent_root\":\"%s\",\"state_root\":\"%s\",\"body_root\":\"%s\"}}",
        version, slot(w), parent, state, body);
}

static result append_aggregation_slot(struct buffer *out, const struct ctl_sample_world *w)
{
    return buffer_printf(out, "\"aggregation_slot\":{\"slot\":\"%llu\"}", slot(w));
}

/* num_bits zero bits as SSZ hex, the first one set. */
static must_check result append_first_bit(struct buffer *out, size_t num_bits)
{
    TRY(buffer_append_text(out, "\"0x01"));
    for (size_t i = 1; i < (num_bits + 7) / 8; i++)
        TRY(buffer_append_text(out, "00"));
    return buffer_append_text(out, "\"");
}

static result append_aggregate(struct buffer *out, const struct ctl_sample_world *w)
{
    TRY(buffer_append_text(out, "\"aggregate_and_proof\":{\"version\":\""));
    TRY(buffer_append_text(out, eth2_fork_name(eth2_fork_at(&w->network, w->epoch))));
    TRY(buffer_append_text(
        out, "\",\"data\":{\"aggregator_index\":\"7\",\"selection_proof\":\"" SOME_SIGNATURE
             "\",\"aggregate\":{\"aggregation_bits\":\"0x010000000101\",\"signature\":\"" SOME_SIGNATURE
             "\",\"data\":"));
    TRY(append_attestation_data(out, w));
    if (eth2_fork_at(&w->network, w->epoch) >= ETH2_ELECTRA) {
        TRY(buffer_append_text(out, ",\"committee_bits\":"));
        TRY(append_first_bit(out, eth2_preset_sizes(w->network.preset).committee_bits));
    }
    return buffer_append_text(out, "}}}");
}

static result append_randao(struct buffer *out, const struct ctl_sample_world *w)
{
    return buffer_printf(out, "\"randao_reveal\":{\"epoch\":\"%llu\"}", (unsigned long long)w->epoch);
}

static result append_exit(struct buffer *out, const struct ctl_sample_world *w)
{
    return buffer_printf(
        out, "\"voluntary_exit\":{\"epoch\":\"%llu\",\"validator_index\":\"18446744073709551615\"}",
        (unsigned long long)w->epoch);
}

static result append_deposit(struct buffer *out, const struct ctl_sample_world *w)
{
    char credentials[HEX_ROOT_SIZE], version[2 * ETH2_VERSION_LEN + 3];
    TRY(root(credentials, w, "withdrawal"));
    hex_encode_0x(version, w->network.fork_version[ETH2_PHASE0], ETH2_VERSION_LEN);
    return buffer_printf(
        out,
        "\"deposit\":{\"pubkey\":\"0x%s\",\"withdrawal_credentials\":\"%s\",\"amount\":\"1000000000\","
        "\"genesis_fork_version\":\"%s\"}",
        w->pubkey, credentials, version);
}

static result append_sync_message(struct buffer *out, const struct ctl_sample_world *w)
{
    char block[HEX_ROOT_SIZE];
    TRY(root(block, w, "block"));
    return buffer_printf(out, "\"sync_committee_message\":{\"beacon_block_root\":\"%s\",\"slot\":\"%llu\"}",
                         block, slot(w));
}

static result append_selection(struct buffer *out, const struct ctl_sample_world *w)
{
    return buffer_printf(
        out, "\"sync_aggregator_selection_data\":{\"slot\":\"%llu\",\"subcommittee_index\":\"2\"}", slot(w));
}

static result append_contribution(struct buffer *out, const struct ctl_sample_world *w)
{
    char block[HEX_ROOT_SIZE];
    TRY(root(block, w, "block"));
    TRY(buffer_printf(
        out,
        "\"contribution_and_proof\":{\"aggregator_index\":\"7\",\"selection_proof\":\"" SOME_SIGNATURE
        "\",\"contribution\":{\"slot\":\"%llu\",\"beacon_block_root\":\"%s\",\"subcommittee_index\":\"2\","
        "\"signature\":\"" SOME_SIGNATURE "\",\"aggregation_bits\":",
        slot(w), block));
    TRY(append_first_bit(out, eth2_preset_sizes(w->network.preset).contribution_bits));
    return buffer_append_text(out, "}}");
}

static result append_registration(struct buffer *out, const struct ctl_sample_world *w)
{
    return buffer_printf(out,
                         "\"validator_registration\":{\"fee_recipient\":\"" SOME_ADDRESS "\","
                         "\"gas_limit\":\"45000000\",\"timestamp\":\"%llu\",\"pubkey\":\"0x%s\"}",
                         (unsigned long long)(w->network.genesis_time + w->epoch), w->pubkey);
}

/* Of no validator, as the exit: the change can never be carried out. */
static result append_bls_change(struct buffer *out, const struct ctl_sample_world *w)
{
    return buffer_printf(out,
                         "\"BLS_TO_EXECUTION_CHANGE\":{\"validator_index\":\"18446744073709551615\",\"from_"
                         "bls_pubkey\":\"0x%s\","
                         "\"to_execution_address\":\"" SOME_ADDRESS "\"}",
                         w->pubkey);
}

static result append_payload_attestation(struct buffer *out, const struct ctl_sample_world *w)
{
    char block[HEX_ROOT_SIZE];
    TRY(root(block, w, "block"));
    return buffer_printf(
        out,
        "\"payload_attestation_message\":{\"version\":\"GLOAS\",\"data\":{\"beacon_block_root\":"
        "\"%s\",\"slot\":\"%llu\",\"payload_present\":true,\"blob_data_available\":false}}",
        block, slot(w));
}

static result append_preferences(struct buffer *out, const struct ctl_sample_world *w)
{
    char dependent[HEX_ROOT_SIZE];
    TRY(root(dependent, w, "dependent"));
    return buffer_printf(
        out,
        "\"proposer_preferences\":{\"version\":\"GLOAS\",\"data\":{\"dependent_root\":\"%s\","
        "\"proposal_slot\":\"%llu\",\"validator_index\":\"7\",\"fee_recipient\":\"" SOME_ADDRESS "\","
        "\"target_gas_limit\":\"45000000\"}}",
        dependent, slot(w));
}

static result append_request_auth(struct buffer *out, const struct ctl_sample_world *w)
{
    char data[HEX_ROOT_SIZE];
    TRY(root(data, w, "auth"));
    return buffer_printf(
        out, "\"builder_request_auth\":{\"version\":\"GLOAS\",\"data\":{\"data\":\"%s\",\"slot\":\"%llu\"}}",
        data, slot(w));
}

static result append_bid(struct buffer *out, const struct ctl_sample_world *w)
{
    char parent[HEX_ROOT_SIZE], block[HEX_ROOT_SIZE];
    TRY(root(parent, w, "parent"));
    TRY(root(block, w, "block"));
    return buffer_printf(
        out,
        "\"execution_payload_bid\":{\"version\":\"GLOAS\",\"data\":{\"parent_block_hash\":\"%s\","
        "\"parent_block_root\":\"%s\",\"block_hash\":\"%s\",\"prev_randao\":\"%s\",\"fee_recipient\":"
        "\"" SOME_ADDRESS
        "\",\"gas_limit\":\"45000000\",\"builder_index\":\"7\",\"slot\":\"%llu\",\"value\":\"0\","
        "\"execution_payment\":\"0\",\"blob_kzg_commitments\":[],\"execution_requests_root\":\"%s\"}}",
        parent, parent, block, block, slot(w), parent);
}

/* 512 zero digits: nothing is logged. */
static must_check result append_empty_bloom(struct buffer *out)
{
    TRY(buffer_append_text(out, "\"logs_bloom\":\"0x"));
    for (size_t i = 0; i < 256; i++)
        TRY(buffer_append_text(out, "00"));
    return buffer_append_text(out, "\",");
}

/* An envelope of a block without transactions. */
static result append_envelope(struct buffer *out, const struct ctl_sample_world *w)
{
    char parent[HEX_ROOT_SIZE], block[HEX_ROOT_SIZE];
    TRY(root(parent, w, "parent"));
    TRY(root(block, w, "block"));
    TRY(buffer_append_text(out, "\"execution_payload_envelope\":{\"version\":\"GLOAS\",\"data\":{\"execution_"
                                "requests\":{\"deposits\":[],"
                                "\"withdrawals\":[],\"consolidations\":[],\"builder_deposits\":[],\"builder_"
                                "exits\":[]},\"payload\":{"));
    TRY(append_empty_bloom(out));
    TRY(buffer_printf(
        out,
        "\"parent_hash\":\"%s\",\"fee_recipient\":\"" SOME_ADDRESS
        "\",\"state_root\":\"%s\",\"receipts_root\":"
        "\"%s\",\"prev_randao\":\"%s\",\"block_number\":\"1\",\"gas_limit\":\"45000000\",\"gas_used\":\"0\","
        "\"timestamp\":\"1\",\"extra_data\":\"0x\",\"base_fee_per_gas\":\"7\",\"block_hash\":\"%s\","
        "\"transactions\":[],\"withdrawals\":[],\"blob_gas_used\":\"0\",\"excess_blob_gas\":\"0\","
        "\"block_access_list\":\"0xc0\",\"slot_number\":\"%llu\"},",
        parent, parent, parent, block, block, slot(w)));
    return buffer_printf(
        out, "\"builder_index\":\"7\",\"beacon_block_root\":\"%s\",\"parent_beacon_block_root\":\"%s\"}}",
        block, parent);
}

static result append_inclusion_list(struct buffer *out, const struct ctl_sample_world *w)
{
    char dependent[HEX_ROOT_SIZE];
    TRY(root(dependent, w, "dependent"));
    return buffer_printf(
        out,
        "\"inclusion_list\":{\"slot\":\"%llu\",\"validator_index\":\"1\",\"dependent_root\":\"%s\","
        "\"transactions\":[\"0x02\"]}",
        slot(w), dependent);
}

const struct ctl_sample ctl_samples[] = {
    {"ATTESTATION", append_attestation, true},
    {"BLOCK_V2", append_block, true},
    {"AGGREGATION_SLOT", append_aggregation_slot, true},
    {"AGGREGATE_AND_PROOF_V2", append_aggregate, true},
    {"RANDAO_REVEAL", append_randao, true},
    {"SYNC_COMMITTEE_MESSAGE", append_sync_message, true},
    {"SYNC_COMMITTEE_SELECTION_PROOF", append_selection, true},
    {"SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF", append_contribution, true},
    {"VALIDATOR_REGISTRATION", append_registration, false},
    {"VOLUNTARY_EXIT", append_exit, true},
    {"DEPOSIT", append_deposit, false},
    {"BLS_TO_EXECUTION_CHANGE", append_bls_change, true},
    {"PAYLOAD_ATTESTATION_MESSAGE", append_payload_attestation, true},
    {"PROPOSER_PREFERENCES", append_preferences, true},
    {"EXECUTION_PAYLOAD_BID", append_bid, true},
    {"EXECUTION_PAYLOAD_ENVELOPE", append_envelope, true},
    {"BUILDER_REQUEST_AUTH", append_request_auth, false},
    {"INCLUSION_LIST", append_inclusion_list, true},
};
const size_t ctl_num_samples = ARRAY_LENGTH(ctl_samples);

static must_check result append_fork_info(struct buffer *out, const struct ctl_sample_world *w)
{
    enum eth2_fork fork = eth2_fork_at(&w->network, w->epoch);
    enum eth2_fork previous = fork == ETH2_PHASE0 ? fork : fork - 1;
    char before[2 * ETH2_VERSION_LEN + 3], now[2 * ETH2_VERSION_LEN + 3], genesis[HEX_ROOT_SIZE];
    hex_encode_0x(before, w->network.fork_version[previous], ETH2_VERSION_LEN);
    hex_encode_0x(now, w->network.fork_version[fork], ETH2_VERSION_LEN);
    hex_encode_0x(genesis, w->genesis_validators_root, ETH2_ROOT_LEN);
    return buffer_printf(
        out,
        "\"fork_info\":{\"fork\":{\"previous_version\":\"%s\",\"current_version\":\"%s\",\"epoch\":\"%llu\"},"
        "\"genesis_validators_root\":\"%s\"},",
        before, now, (unsigned long long)w->network.fork_epoch[fork], genesis);
}

result ctl_sample_body(struct buffer *out, const struct ctl_sample *sample,
                       const struct ctl_sample_world *world)
{
    TRY(buffer_printf(out, "{\"type\":\"%s\",", sample->type));
    if (sample->has_fork_info)
        TRY(append_fork_info(out, world));
    TRY(sample->append(out, world));
    return buffer_append_text(out, "}");
}
