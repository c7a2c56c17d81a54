/* fuzz_order.c - a sign request's body becomes an order. What is accepted has a signing root, and is the same
 * order behind blanks, with its members in another order of their own, out of the memory of bodies, and from
 * the keeper's side of the channel; anything behind its end is refused.
 *
 * Three networks, so that each preset's sizes and each schedule have their turn. */
#include <jansson.h>

#include "eth2/eth2_api_memory.h"
#include "fuzz.h"
#include "ipc/ipc.h"

struct outcome {
    result r;
    struct eth2_order order;
    enum eth2_api_shape shape;
};

static struct outcome parse(const struct eth2_network *network, const char *body, size_t body_len)
{
    struct outcome o;
    memset(&o, 0, sizeof o);
    o.r = eth2_api_parse_shape(&o.order, &o.shape, network, body, body_len);
    return o;
}

static bool same(const struct outcome *a, const struct outcome *b)
{
    return a->r.code == b->r.code && a->shape == b->shape &&
           memcmp(&a->order, &b->order, sizeof a->order) == 0;
}

static void check_order(const struct eth2_network *network, const struct eth2_order *order)
{
    static const uint8_t nobody[sizeof order->pubkey];
    uint8_t root[32], root_there[32], packed[IPC_ORDER_LEN];
    struct ipc_order sent = {.id = 7, .order = *order}, received;
    struct packer p = {.data = packed, .capacity = sizeof packed};
    PROMISE(memcmp(order->pubkey, nobody, sizeof nobody) == 0);
    PROMISE(order->kind >= ETH2_ORDER_BLOCK && order->kind < ETH2_ORDER_KIND_END);
    PROMISE(eth2_order_signing_root(root, network, order).code == 0);
    ipc_pack_order(&p, &sent);
    PROMISE(pack_end(&p).code == 0 && p.length == IPC_ORDER_LEN);
    struct cursor c = {packed, sizeof packed};
    PROMISE(ipc_take_order(&received, &c).code == 0 && cursor_end(&c).code == 0 && received.id == sent.id);
    PROMISE(eth2_order_signing_root(root_there, network, &received.order).code == 0);
    PROMISE(memcmp(root, root_there, sizeof root) == 0);
}

/* Twice: the second time it is remembered, if it was accepted and is short. */
static void check_memory(const struct outcome *o, const struct eth2_network *network,
                         struct eth2_api_text body)
{
    static struct eth2_api_memory memory;
    for (int i = 0; i < 2; i++) {
        struct outcome recalled;
        memset(&recalled, 0, sizeof recalled);
        recalled.r = eth2_api_recall(&recalled.order, &recalled.shape, &memory, network, body);
        PROMISE(same(o, &recalled));
    }
}

/* jansson does not read numbers that ours reads, from 2^63; such bodies are left out. */
static void check_rewritten(const struct outcome *o, const struct eth2_network *network, const char *body,
                            size_t body_len)
{
    json_t *root = json_loadb(body, body_len, JSON_REJECT_DUPLICATES, NULL);
    char *text = root ? json_dumps(root, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII) : NULL;
    if (text) {
        struct outcome again = parse(network, text, strlen(text));
        PROMISE(same(o, &again));
    }
    free(text);
    json_decref(root);
}

static void check_surroundings(const struct outcome *o, const struct eth2_network *network, const char *body,
                               size_t body_len)
{
    char *longer = malloc(body_len + 2);
    PROMISE(longer);
    longer[0] = '\n';
    memcpy(longer + 1, body, body_len);
    longer[body_len + 1] = ' ';
    struct outcome again = parse(network, longer, body_len + 2);
    PROMISE(same(o, &again));
    longer[body_len + 1] = '}';
    again = parse(network, longer, body_len + 2);
    PROMISE(!fuzz_accepted(again.r));
    free(longer);
}

static void try_network(const char *name, const char *body, size_t body_len)
{
    struct eth2_network network;
    PROMISE(eth2_network_by_name(&network, name).code == 0);
    fuzz_forget_reason();
    struct outcome o = parse(&network, body, body_len);
    bool accepted = fuzz_accepted(o.r);
    check_memory(&o, &network, (struct eth2_api_text){body, body_len});
    if (!accepted)
        return;
    check_order(&network, &o.order);
    check_rewritten(&o, &network, body, body_len);
    check_surroundings(&o, &network, body, body_len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_network("mainnet", (const char *)data, size);
    try_network("minimal", (const char *)data, size);
    try_network("gnosis", (const char *)data, size);
    return 0;
}
