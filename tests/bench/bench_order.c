/* bench_order.c - each order twice: as JSON for the signer, and as a sign order of ours for the check of
 * its answers. Mainnet's Fulu fork versions.
 */
#include "bench_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "eth2/eth2_order.h"
#include "ssz/ssz.h"

enum {
    KEY_FILE_MAX = 16 << 20,
    KEY_TEXT_LEN = 98,
    SIGNATURE_TEXT_LEN = 2 + 2 * BLS_SIGNATURE_LEN,
    SLOTS_PER_EPOCH = 32,
    MIX = 8
};

#define VERSION "0x06000000"
#define GENESIS_ROOT "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"
#define BLOCK_ROOT "0x1111111111111111111111111111111111111111111111111111111111111111"
#define SOURCE_ROOT "0x2222222222222222222222222222222222222222222222222222222222222222"
#define TARGET_ROOT "0x3333333333333333333333333333333333333333333333333333333333333333"
#define FEE_RECIPIENT "0x4444444444444444444444444444444444444444"
#define GAS_LIMIT 45000000ULL
#define FORK_INFO                                                                                            \
    "\"fork_info\":{\"fork\":{\"previous_version\":\"" VERSION "\",\"current_version\":\"" VERSION           \
    "\",\"epoch\":\"0\"},\"genesis_validators_root\":\"" GENESIS_ROOT "\"}"

void bench_keys_cleanup(struct bench_keys *k)
{
    free(k->texts);
    *k = (struct bench_keys){0};
}

result bench_keys_read(struct bench_keys *ret_keys, const char *path)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, path, KEY_FILE_MAX));
    size_t num_keys = text.length / (KEY_TEXT_LEN + 1);
    ENSURE(num_keys > 0 && text.length % (KEY_TEXT_LEN + 1) == 0, E_INPUT, "%s: not one key a line", path);
    AUTO(bench_keys) keys = {.texts = calloc(num_keys, sizeof *keys.texts), .num_keys = num_keys};
    ENSURE(keys.texts, E_MEMORY, "no memory for %zu keys", num_keys);
    for (size_t i = 0; i < num_keys; i++)
        memcpy(keys.texts[i], text.data + i * (KEY_TEXT_LEN + 1), KEY_TEXT_LEN);
    *ret_keys = keys;
    keys.texts = NULL;
    return RESULT_OK;
}

result bench_type_by_name(enum bench_type *ret_type, const char *name)
{
    static const char *const names[] = {[BENCH_ATTESTATION] = "attestation",
                                        [BENCH_DISTINCT] = "distinct",
                                        [BENCH_SELECTION_PROOF] = "selection-proof",
                                        [BENCH_REGISTRATION] = "registration",
                                        [BENCH_MIX] = "mix"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_type = (enum bench_type)i;
            return RESULT_OK;
        }
    FAIL(E_INPUT, "--type: attestation, distinct, selection-proof, registration or mix");
}

/* Which type this one is in the mix. */
static enum bench_type type_of(const struct bench_order *order)
{
    if (order->type != BENCH_MIX)
        return order->type;
    if (order->number % MIX == 0)
        return BENCH_REGISTRATION;
    return order->number % MIX == 1 ? BENCH_SELECTION_PROOF : BENCH_ATTESTATION;
}

static uint64_t index_of(const struct bench_order *order)
{
    return order->type == BENCH_DISTINCT ? order->number : 0;
}

static uint64_t slot_of(const struct bench_order *order)
{
    return order->epoch * SLOTS_PER_EPOCH + order->number % SLOTS_PER_EPOCH;
}

static result append_attestation(struct buffer *out, const struct bench_order *order)
{
    return buffer_printf(
        out,
        "{\"type\":\"ATTESTATION\"," FORK_INFO
        ",\"attestation\":{\"slot\":\"%llu\",\"index\":\"%llu\",\"beacon_block_root\":\"" BLOCK_ROOT
        "\",\"source\":{\"epoch\":\"%llu\",\"root\":\"" SOURCE_ROOT
        "\"},\"target\":{\"epoch\":\"%llu\",\"root\":\"" TARGET_ROOT "\"}}}",
        (unsigned long long)order->epoch * SLOTS_PER_EPOCH, (unsigned long long)index_of(order),
        (unsigned long long)order->epoch - 1, (unsigned long long)order->epoch);
}

static result append_body(struct buffer *out, const struct bench_order *order)
{
    switch (type_of(order)) {
    case BENCH_SELECTION_PROOF:
        return buffer_printf(
            out, "{\"type\":\"AGGREGATION_SLOT\"," FORK_INFO ",\"aggregation_slot\":{\"slot\":\"%llu\"}}",
            (unsigned long long)slot_of(order));
    case BENCH_REGISTRATION:
        return buffer_printf(out,
                             "{\"type\":\"VALIDATOR_REGISTRATION\",\"validator_registration\":"
                             "{\"fee_recipient\":\"" FEE_RECIPIENT
                             "\",\"gas_limit\":\"%llu\",\"timestamp\":\"%llu\",\"pubkey\":\"%s\"}}",
                             GAS_LIMIT, (unsigned long long)order->epoch, order->key);
    case BENCH_ATTESTATION:
    case BENCH_DISTINCT:
    case BENCH_MIX:
        break;
    }
    return append_attestation(out, order);
}

result bench_order_request(struct buffer *out, const struct bench_order *order)
{
    AUTO(buffer) body = {0};
    TRY(append_body(&body, order));
    TRY(buffer_printf(out,
                      "POST /api/v1/eth2/sign/%s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      order->key, body.length));
    return buffer_append(out, body.data, body.length);
}

static result fill_attestation(struct eth2_order *sign, const struct bench_order *order)
{
    struct eth2_attestation_data *data = &sign->of.attestation;
    sign->kind = ETH2_ORDER_ATTESTATION;
    data->slot = order->epoch * SLOTS_PER_EPOCH;
    data->index = index_of(order);
    data->source.epoch = order->epoch - 1;
    data->target.epoch = order->epoch;
    TRY(hex_decode(data->beacon_block_root, 32, BLOCK_ROOT, strlen(BLOCK_ROOT)));
    TRY(hex_decode(data->source.root, 32, SOURCE_ROOT, strlen(SOURCE_ROOT)));
    return hex_decode(data->target.root, 32, TARGET_ROOT, strlen(TARGET_ROOT));
}

static void fill_selection_proof(struct eth2_order *sign, const struct bench_order *order)
{
    struct ssz_tree slot = {0};
    sign->kind = ETH2_ORDER_AGGREGATION_SLOT;
    sign->of.object.epoch = order->epoch;
    ssz_add_u64(&slot, slot_of(order));
    ssz_tree_root(sign->of.object.root, &slot, 1);
}

static result fill_registration(struct eth2_order *sign, const struct bench_order *order)
{
    struct ssz_tree tree = {0};
    uint8_t fee_recipient[20], pubkey[BLS_PUBKEY_LEN];
    TRY(hex_decode(fee_recipient, sizeof fee_recipient, FEE_RECIPIENT, strlen(FEE_RECIPIENT)));
    TRY(hex_decode(pubkey, sizeof pubkey, order->key, KEY_TEXT_LEN));
    sign->kind = ETH2_ORDER_VALIDATOR_REGISTRATION;
    ssz_add_bytes(&tree, fee_recipient, sizeof fee_recipient);
    ssz_add_u64(&tree, GAS_LIMIT);
    ssz_add_u64(&tree, order->epoch);
    ssz_add_bytes(&tree, pubkey, sizeof pubkey);
    ssz_tree_root(sign->of.object.root, &tree, 4);
    return RESULT_OK;
}

static result fill_order(struct eth2_order *ret_sign, const struct bench_order *order)
{
    struct eth2_order sign = {0};
    if (type_of(order) == BENCH_REGISTRATION) {
        TRY(fill_registration(&sign, order));
    } else {
        TRY(hex_decode(sign.fork_info.previous_version, 4, VERSION, strlen(VERSION)));
        TRY(hex_decode(sign.fork_info.current_version, 4, VERSION, strlen(VERSION)));
        TRY(hex_decode(sign.fork_info.genesis_validators_root, 32, GENESIS_ROOT, strlen(GENESIS_ROOT)));
        if (type_of(order) == BENCH_SELECTION_PROOF)
            fill_selection_proof(&sign, order);
        else
            TRY(fill_attestation(&sign, order));
    }
    *ret_sign = sign;
    return RESULT_OK;
}

result bench_order_verify(const struct bench_order *order, const char *body)
{
    uint8_t pubkey[BLS_PUBKEY_LEN], signature[BLS_SIGNATURE_LEN], root[ETH2_ROOT_LEN];
    struct eth2_order sign;
    struct eth2_network network;
    const char *text = strstr(body, "0x");
    ENSURE(text && strlen(text) >= SIGNATURE_TEXT_LEN, E_AUTH, "the answer holds no signature");
    TRY(hex_decode(signature, sizeof signature, text, SIGNATURE_TEXT_LEN));
    TRY(hex_decode(pubkey, sizeof pubkey, order->key, KEY_TEXT_LEN));
    TRY(fill_order(&sign, order));
    TRY(eth2_network_by_name(&network, "mainnet"));
    TRY(eth2_order_signing_root(root, &network, &sign));
    return bls_verify(pubkey, signature, root, sizeof root);
}
