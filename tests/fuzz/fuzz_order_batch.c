/* fuzz_order_batch.c - the body of a batch. What is accepted is one order that many may sign, and public keys
 * of which no two are the same; alone, its signing_request is the same order. */
#include <jansson.h>

#include "eth2/eth2_api.h"
#include "fuzz.h"

enum { PUBKEY_LEN = 48 };

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, PUBKEY_LEN);
}

static void check_keys(struct buffer *pubkeys)
{
    size_t num = pubkeys->length / PUBKEY_LEN;
    PROMISE(pubkeys->length % PUBKEY_LEN == 0 && num >= 1 && num <= ETH2_API_BATCH_KEYS_MAX);
    qsort(pubkeys->data, num, PUBKEY_LEN, compare_keys);
    for (size_t i = 1; i < num; i++)
        PROMISE(memcmp(pubkeys->data + (i - 1) * PUBKEY_LEN, pubkeys->data + i * PUBKEY_LEN, PUBKEY_LEN) !=
                0);
}

static void check_alone(const struct eth2_order *order, const struct eth2_network *network, const char *body,
                        size_t body_len)
{
    struct eth2_order alone;
    uint8_t root[32];
    json_t *batch = json_loadb(body, body_len, 0, NULL);
    char *text = batch ? json_dumps(json_object_get(batch, "signing_request"), 0) : NULL;
    PROMISE(eth2_order_signing_root(root, network, order).code == 0);
    if (text) {
        PROMISE(eth2_api_parse(&alone, network, text, strlen(text)).code == 0);
        PROMISE(memcmp(&alone, order, sizeof alone) == 0);
    }
    free(text);
    json_decref(batch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eth2_network network;
    struct eth2_order order;
    AUTO(buffer) pubkeys = {0};
    PROMISE(eth2_network_by_name(&network, "minimal").code == 0);
    fuzz_forget_reason();
    if (!fuzz_accepted(eth2_api_parse_batch(&order, &pubkeys, &network, (const char *)data, size)))
        return 0;
    check_keys(&pubkeys);
    check_alone(&order, &network, (const char *)data, size);
    return 0;
}
