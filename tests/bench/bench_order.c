/* bench_order.c - one attestation, twice: as JSON for the signer, and as a sign order of ours for
 * the check of its answers. All validators of an epoch attest to the same data, as they do in
 * practice; mainnet's Fulu fork versions.
 */
#include "bench_order.h"

#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "eth2/eth2_order.h"

enum { KEY_FILE_MAX = 16 << 20, KEY_TEXT_LEN = 98, SIGNATURE_TEXT_LEN = 2 + 2 * BLS_SIGNATURE_LEN };

#define VERSION "0x06000000"
#define GENESIS_ROOT "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95"
#define BLOCK_ROOT "0x1111111111111111111111111111111111111111111111111111111111111111"
#define SOURCE_ROOT "0x2222222222222222222222222222222222222222222222222222222222222222"
#define TARGET_ROOT "0x3333333333333333333333333333333333333333333333333333333333333333"

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

static result append_body(struct buffer *out, uint64_t epoch, uint64_t index)
{
    return buffer_printf(
        out,
        "{\"type\":\"ATTESTATION\",\"fork_info\":{\"fork\":{\"previous_version\":\"" VERSION
        "\",\"current_version\":\"" VERSION "\",\"epoch\":\"0\"},\"genesis_validators_root\":\"" GENESIS_ROOT
        "\"},\"attestation\":{\"slot\":\"%llu\",\"index\":\"%llu\",\"beacon_block_root\":\"" BLOCK_ROOT
        "\",\"source\":{\"epoch\":\"%llu\",\"root\":\"" SOURCE_ROOT
        "\"},\"target\":{\"epoch\":\"%llu\",\"root\":\"" TARGET_ROOT "\"}}}",
        (unsigned long long)epoch * 32, (unsigned long long)index, (unsigned long long)epoch - 1,
        (unsigned long long)epoch);
}

result bench_order_request(struct buffer *out, const char *key, uint64_t epoch, uint64_t index)
{
    AUTO(buffer) body = {0};
    TRY(append_body(&body, epoch, index));
    TRY(buffer_printf(out,
                      "POST /api/v1/eth2/sign/%s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      key, body.length));
    return buffer_append(out, body.data, body.length);
}

static result fill_order(struct eth2_order *ret_order, uint64_t epoch, uint64_t index)
{
    struct eth2_order order = {.kind = ETH2_ORDER_ATTESTATION};
    struct eth2_attestation_data *data = &order.of.attestation;
    data->slot = epoch * 32;
    data->index = index;
    data->source.epoch = epoch - 1;
    data->target.epoch = epoch;
    TRY(hex_decode(order.fork_info.previous_version, 4, VERSION, strlen(VERSION)));
    TRY(hex_decode(order.fork_info.current_version, 4, VERSION, strlen(VERSION)));
    TRY(hex_decode(order.fork_info.genesis_validators_root, 32, GENESIS_ROOT, strlen(GENESIS_ROOT)));
    TRY(hex_decode(data->beacon_block_root, 32, BLOCK_ROOT, strlen(BLOCK_ROOT)));
    TRY(hex_decode(data->source.root, 32, SOURCE_ROOT, strlen(SOURCE_ROOT)));
    TRY(hex_decode(data->target.root, 32, TARGET_ROOT, strlen(TARGET_ROOT)));
    *ret_order = order;
    return RESULT_OK;
}

result bench_order_verify(const char *key, uint64_t epoch, uint64_t index, const char *body)
{
    uint8_t pubkey[BLS_PUBKEY_LEN], signature[BLS_SIGNATURE_LEN], root[ETH2_ROOT_LEN];
    struct eth2_order order;
    struct eth2_network network;
    const char *text = strstr(body, "0x");
    ENSURE(text && strlen(text) >= SIGNATURE_TEXT_LEN, E_AUTH, "the answer holds no signature");
    TRY(hex_decode(signature, sizeof signature, text, SIGNATURE_TEXT_LEN));
    TRY(hex_decode(pubkey, sizeof pubkey, key, KEY_TEXT_LEN));
    TRY(fill_order(&order, epoch, index));
    TRY(eth2_network_by_name(&network, "mainnet"));
    TRY(eth2_order_signing_root(root, &network, &order));
    return bls_verify(pubkey, signature, root, sizeof root);
}
