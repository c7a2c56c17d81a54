/* eth2_api_batch.c - one message and the keys that are to sign it.
 *
 * The body is small by its limits, so it is read whole. A key that is named twice is a refusal, as the
 * proposal has it: each answer belongs to one key. Rejected: identifiers that are no public keys as answers
 * of their own (404) - a list with such a name in it was made by a program that is wrong about more than one
 * key.
 */
#include <stdlib.h>
#include <string.h>

#include "eth2/eth2_api.h"
#include "eth2/eth2_api_parts.h"

/* Beside the identifiers there is one small message. */
enum { PUBKEY_LEN = 48, VALUES_MAX = ETH2_API_BATCH_KEYS_MAX + 256 };

struct named {
    uint8_t pubkey[PUBKEY_LEN];
    size_t index;
};

static int compare_named(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    int order = memcmp(left->pubkey, right->pubkey, PUBKEY_LEN);
    if (order == 0)
        order = left->index < right->index ? -1 : 1;
    return order;
}

static must_check result check_named_once(const struct json_view *identifiers, const struct buffer *pubkeys)
{
    AUTO(buffer) sorted = {0};
    size_t num = pubkeys->length / PUBKEY_LEN;
    for (size_t i = 0; i < num; i++) {
        struct named named = {.index = i};
        memcpy(named.pubkey, pubkeys->data + i * PUBKEY_LEN, PUBKEY_LEN);
        TRY(buffer_append(&sorted, &named, sizeof named));
    }
    struct named *all = (struct named *)(void *)sorted.data;
    qsort(all, num, sizeof *all, compare_named);
    for (size_t i = 1; i < num; i++)
        if (memcmp(all[i - 1].pubkey, all[i].pubkey, PUBKEY_LEN) == 0)
            return json_blame_element(
                error_set(E_INPUT, "is the same key as identifiers[%zu]", all[i - 1].index), identifiers,
                all[i].index);
    return RESULT_OK;
}

static must_check result take_identifiers(struct buffer *ret_pubkeys, const struct json_view *top)
{
    struct json_view identifiers;
    uint8_t pubkey[PUBKEY_LEN];
    TRY(json_get_array(&identifiers, top, "identifiers", ETH2_API_BATCH_KEYS_MAX));
    size_t num = json_array_size(identifiers.value);
    if (num == 0)
        return json_blame(error_set(E_INPUT, "must not be empty"), top, "identifiers");
    for (size_t i = 0; i < num; i++) {
        TRY(json_element_hex(pubkey, sizeof pubkey, &identifiers, i));
        TRY(buffer_append(ret_pubkeys, pubkey, sizeof pubkey));
    }
    return check_named_once(&identifiers, ret_pubkeys);
}

result eth2_api_parse_batch(struct eth2_order *ret_order, struct buffer *out_pubkeys,
                            const struct eth2_network *network, const char *body, size_t body_len)
{
    AUTO_POINTER(json_t) root = NULL;
    AUTO(buffer) pubkeys = {0};
    struct json_view top;
    struct eth2_api_request request = {.network = network};
    struct eth2_order order;
    TRY(json_read(&root, body, body_len, ETH2_API_BATCH_BODY_MAX, VALUES_MAX));
    TRY(json_view_root(&top, root));
    TRY(json_get_object(&request.top, &top, "signing_request"));
    TRY(eth2_api_take_for_many(&order, &request));
    TRY(take_identifiers(&pubkeys, &top));
    TRY(buffer_append(out_pubkeys, pubkeys.data, pubkeys.length));
    *ret_order = order;
    return RESULT_OK;
}
