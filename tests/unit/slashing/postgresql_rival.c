/* postgresql_rival.c - a signer without keys on the PostgreSQL store, for
 * tests/integration/test_store_postgresql.py: random orders, decided and recorded as the keeper does; what
 * would be signed is a line of its output.
 *
 *   vote NUMBER SOURCE TARGET ROOT | block NUMBER SLOT ROOT
 *
 * NUMBER is that of the validator, whose key is NUMBER in big endian and zeros; ROOT one of four messages of
 * these heights: the signing root is that byte, then the heights. Orders are near what was seen last, so that
 * several of these on one database meet at the same heights. After an error it forgets what it knew. Ends
 * with the number of signatures, conflicts and errors. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/options.h"
#include "slashing/slashing_postgresql.h"

enum { VALIDATORS_MAX = 64, BATCH_MAX = 8 };

struct rival {
    struct slashing_store *store;
    struct slashing_record known[VALIDATORS_MAX];
    bool is_known[VALIDATORS_MAX];
    uint64_t random;
    uint32_t num_validators;
    uint64_t signatures, conflicts, errors;
};

static uint32_t below(struct rival *rival, uint32_t bound)
{
    rival->random ^= rival->random << 13;
    rival->random ^= rival->random >> 7;
    rival->random ^= rival->random << 17;
    return (uint32_t)(rival->random >> 11) % bound;
}

static void key_of(uint8_t out[static 48], uint32_t number)
{
    memset(out, 0, 48);
    out[3] = (uint8_t)number;
}

static struct eth2_order random_order(struct rival *rival, const struct slashing_record *r)
{
    struct eth2_order order = {.kind = below(rival, 4) == 0 ? ETH2_ORDER_BLOCK : ETH2_ORDER_ATTESTATION};
    if (order.kind == ETH2_ORDER_BLOCK) {
        order.of.header.slot = r->block_slot + below(rival, 3);
        return order;
    }
    order.of.attestation.target.epoch = r->target_epoch + below(rival, 4);
    uint64_t source = r->source_epoch + below(rival, 3);
    order.of.attestation.source.epoch =
        source <= order.of.attestation.target.epoch ? source : order.of.attestation.target.epoch;
    return order;
}

static void root_of(uint8_t out[static 32], const struct eth2_order *order, uint8_t which)
{
    bool is_block = order->kind == ETH2_ORDER_BLOCK;
    uint64_t low = is_block ? 0 : order->of.attestation.source.epoch;
    uint64_t high = is_block ? order->of.header.slot : order->of.attestation.target.epoch;
    memset(out, 0, 32);
    out[0] = which;
    memcpy(out + 1, &low, sizeof low);
    memcpy(out + 9, &high, sizeof high);
}

static bool load(struct rival *rival, uint32_t number)
{
    uint8_t pubkey[48];
    key_of(pubkey, number);
    if (!rival->is_known[number])
        rival->is_known[number] = !slashing_store_load(rival->store, &rival->known[number], pubkey).code;
    rival->errors += !rival->is_known[number];
    return rival->is_known[number];
}

static void tell(const struct slashing_advance *a, uint32_t number)
{
    if (a->next.block_slot != a->old.block_slot || a->next.has_block != a->old.has_block)
        (void)printf("block %u %llu %u\n", number, (unsigned long long)a->next.block_slot,
                     (unsigned)a->next.block_root[0]);
    else
        (void)printf("vote %u %llu %llu %u\n", number, (unsigned long long)a->next.source_epoch,
                     (unsigned long long)a->next.target_epoch, (unsigned)a->next.attestation_root[0]);
}

static const struct slashing_limits no_limits;

/* One batch of new messages, each of another validator. */
static void sign_some(struct rival *rival)
{
    struct slashing_advance advances[BATCH_MAX];
    uint32_t numbers[BATCH_MAX], wanted = 1 + below(rival, BATCH_MAX),
                                 first = below(rival, rival->num_validators);
    size_t num = 0;
    for (uint32_t i = 0; i < wanted && i < rival->num_validators; i++) {
        uint32_t number = (first + i) % rival->num_validators;
        uint8_t root[32];
        if (!load(rival, number))
            return;
        struct slashing_advance *a = &advances[num];
        *a = (struct slashing_advance){.old = rival->known[number]};
        key_of(a->pubkey, number);
        struct eth2_order order = random_order(rival, &a->old);
        root_of(root, &order, (uint8_t)below(rival, 4));
        numbers[num] = number;
        num += slashing_decide(&a->next, &a->old, &no_limits, &order, root) == SLASHING_ALLOW_NEW;
    }
    rival->errors += slashing_store_advance(rival->store, advances, num).code != E_NONE;
    for (size_t i = 0; i < num; i++) {
        struct slashing_record *known = &rival->known[numbers[i]];
        rival->is_known[numbers[i]] = advances[i].done || advances[i].conflict;
        *known = advances[i].done ? advances[i].next : advances[i].found.record;
        rival->signatures += advances[i].done;
        rival->conflicts += advances[i].conflict;
        if (advances[i].done)
            tell(&advances[i], numbers[i]);
    }
    (void)fflush(stdout);
}

int main(int argc, char *argv[])
{
    struct rival rival = {0};
    struct slashing_postgresql_settings settings = {0};
    const char *url = "";
    uint32_t seed = 1, milliseconds = 1000;
    const struct option table[] = {
        {"postgresql", OPTION_TEXT, &url, "URL of the database", 0, 0},
        {"seed", OPTION_U32, &seed, "of the orders", 1, UINT32_MAX},
        {"validators", OPTION_U32, &rival.num_validators, "how many", 1, VALIDATORS_MAX},
        {"milliseconds", OPTION_U32, &milliseconds, "how long", 1, 100000},
    };
    int next;
    result r = options_parse(&next, table, ARRAY_LENGTH(table), "postgresql_rival [options]", argc, argv);
    rival.random = seed * 0x9e3779b97f4a7c15U;
    if (!r.code)
        r = secret_heap_open(16 * 1024);
    slashing_postgresql_forget_environment();
    if (!r.code)
        r = slashing_postgresql_parse_url(&settings, url);
    if (!r.code)
        r = slashing_postgresql_open(&rival.store, &settings);
    if (r.code) {
        (void)fprintf(stderr, "%s\n", error_text());
        return 1;
    }
    uint64_t end = clock_monotonic_ns() + (uint64_t)milliseconds * 1000000;
    while (clock_monotonic_ns() < end)
        sign_some(&rival);
    (void)printf("end %llu %llu %llu\n", (unsigned long long)rival.signatures,
                 (unsigned long long)rival.conflicts, (unsigned long long)rival.errors);
    slashing_store_close(rival.store);
    return 0;
}
