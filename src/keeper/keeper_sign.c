/* keeper_sign.c - THE GATE. Nothing is signed anywhere else.
 *
 * The order of the steps is the argument. The signing root is computed here, from the fields that
 * are checked; a client's own root is compared and never used. The decision is durable before the
 * first signature of the batch exists. Orders that arrive together share one transaction; each is
 * decided as if those before it had been signed already, and none whose decision rests on a record
 * that did not become durable is answered with anything but "store cannot answer".
 * Rejected: sign first and drop the signature if recording fails - a crash in between could sign
 * twice. */
#include "keeper_sign.h"

#include <string.h>

#include "base/log.h"

/* The front works on these while the next are signed. */
enum { ANSWERS_TOGETHER = 16 };

struct decision {
    const struct keeper_key *key; /* to sign with; NULL: refused, the answer says why */
    size_t rests_on;              /* 1 + index of an advance of the batch, or 0 */
};

_Static_assert((int)IPC_VERDICT_FIRST == SLASHING_REFUSE_FIRST &&
                   (int)IPC_VERDICT_LAST == SLASHING_REFUSE_LAST,
               "the refusals that an answer can carry");

static void refuse_slashable(struct ipc_answer *answer, enum slashing_verdict verdict,
                             const struct keeper_key *key, const struct slashing_limits *limits,
                             enum eth2_order_kind kind)
{
    answer->status = IPC_ANSWER_SLASHABLE;
    answer->verdict = (uint8_t)verdict;
    answer->has_recorded_block = key->record.has_block;
    answer->recorded_slot = key->record.block_slot;
    answer->has_recorded_attestation = key->record.has_attestation;
    answer->recorded_source = key->record.source_epoch;
    answer->recorded_target = key->record.target_epoch;
    answer->has_limit = slashing_limit_height(&answer->limit, verdict, limits, kind);
}

static void decide(struct keeper *k, struct decision *decision, struct ipc_answer *answer,
                   const struct eth2_order *order)
{
    enum slashing_verdict verdict;
    *decision = (struct decision){0};
    answer->status = IPC_ANSWER_BAD_ORDER;
    if (eth2_order_signing_root(answer->signing_root, &k->policy.network, order).code)
        return;
    answer->status = IPC_ANSWER_ROOT_DIFFERS;
    if (order->has_client_root && memcmp(order->client_root, answer->signing_root, ETH2_ROOT_LEN) != 0)
        return;
    answer->status = IPC_ANSWER_UNKNOWN_KEY;
    struct keeper_key *key = keeper_keys_find(k->keys, order->pubkey);
    if (!key)
        return;
    answer->status = IPC_ANSWER_STORE;
    if (k->store.broken ||
        keeper_store_decide(&k->store, &verdict, &k->batch, key, order, answer->signing_root).code)
        return;
    decision->rests_on = verdict == SLASHING_NOT_APPLICABLE ? 0 : key->pending;
    if (!slashing_allows(verdict)) {
        refuse_slashable(answer, verdict, key, &k->store.limits, order->kind);
        return;
    }
    answer->status = IPC_ANSWER_INTERNAL; /* until there is a signature */
    decision->key = key;
}

static void finish(struct keeper *k, const struct decision *decision, struct ipc_answer *answer)
{
    if (decision->rests_on && !k->batch.advances[decision->rests_on - 1].done) {
        answer->status = IPC_ANSWER_STORE;
        return;
    }
    if (!decision->key)
        return;
    if (bls_sign(answer->signature, keeper_keys_secret(k->keys, decision->key), answer->signing_root,
                 ETH2_ROOT_LEN)
            .code)
        log_error("signing failed: %s", error_text());
    else
        answer->status = IPC_ANSWER_SIGNED;
}

void keeper_sign(struct keeper *k, keeper_sign_answered *answered)
{
    static struct ipc_answer answers[KEEPER_BATCH_MAX];
    struct decision decisions[KEEPER_BATCH_MAX];
    k->batch.num_advances = 0;
    keeper_limits_update(&k->store.limits, &k->policy);
    for (size_t i = 0; i < k->num_orders; i++) {
        answers[i] = (struct ipc_answer){.id = k->orders[i].id};
        decide(k, &decisions[i], &answers[i], &k->orders[i].order);
    }
    keeper_store_commit(&k->store, &k->batch);
    size_t sent = 0;
    for (size_t i = 0; i < k->num_orders; i++) {
        finish(k, &decisions[i], &answers[i]);
        if (i + 1 - sent == ANSWERS_TOGETHER || i + 1 == k->num_orders) {
            answered(k, answers + sent, (uint32_t)(i + 1 - sent));
            sent = i + 1;
        }
    }
    k->num_orders = 0;
}
