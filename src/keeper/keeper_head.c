/* keeper_head.c - see keeper_head.h.
 *
 * One activity at a time, because a STORE_HEAD carries no id and each change is a compare-and-set against
 * what was read last. A head that goes back - a lower generation, fewer validators, another genesis - is a
 * store that was rolled back as a whole: then nothing is signed any more. */
#include "keeper_head.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "keeper.h"
#include "keeper_start.h"
#include "slashing/slashing_codec.h"

void keeper_head_open(struct keeper *k)
{
    if (!keeper_store_is_remote(&k->store))
        return;
    struct packer p = keeper_pack(k);
    ipc_pack_bytes_message(&p, IPC_STORE_OPEN, (struct ipc_bytes){k->policy_text, k->policy_len});
    keeper_send(&k->courier, &p);
    k->store.head.activity = KEEPER_HEAD_READING;
    k->store.head.status = IPC_STORE_HEAD_NONE;
}

void keeper_head_refresh(struct keeper *k)
{
    struct keeper_head *head = &k->store.head;
    head->read_wanted = head->activity != KEEPER_HEAD_READING;
    keeper_head_turn(k);
}

static void read_it(struct keeper *k)
{
    struct packer p = keeper_pack(k);
    ipc_pack_empty(&p, IPC_STORE_HEAD_WANTED);
    keeper_send(&k->courier, &p);
    k->store.head.read_wanted = false;
    k->store.head.activity = KEEPER_HEAD_READING;
}

static void send_set(struct keeper *k, const struct slashing_head *next, const uint8_t *enrolments,
                     uint32_t num_enrolments)
{
    struct keeper_head *head = &k->store.head;
    uint8_t old_bytes[SLASHING_HEAD_BYTES], next_bytes[SLASHING_HEAD_BYTES];
    head->next = *next;
    if (k->store.has_seal && slashing_seal_head(&k->store.seal, &head->next).code) {
        keeper_store_break(k, error_text());
        return;
    }
    slashing_head_encode(old_bytes, &head->latest);
    slashing_head_encode(next_bytes, &head->next);
    struct packer p = keeper_pack(k);
    ipc_pack_store_head_set(&p, &(struct ipc_store_head_set){.id = ++head->set_id,
                                                             .old = old_bytes,
                                                             .next = next_bytes,
                                                             .enrolments = enrolments,
                                                             .num_enrolments = num_enrolments});
    keeper_send(&k->courier, &p);
    head->activity = KEEPER_HEAD_SETTING;
}

void keeper_head_set(struct keeper *k, const struct slashing_head *next, const uint8_t *enrolments,
                     uint32_t num_enrolments)
{
    k->store.head.for_start = true;
    send_set(k, next, enrolments, num_enrolments);
}

static void lock_genesis(struct keeper *k)
{
    struct slashing_head next = k->store.head.latest;
    const struct keeper_order *first = TAILQ_FIRST(&k->orders.genesis);
    next.has_genesis = true;
    memcpy(next.genesis_validators_root, first->order.fork_info.genesis_validators_root,
           sizeof next.genesis_validators_root);
    k->store.head.for_start = false;
    send_set(k, &next, NULL, 0);
}

void keeper_head_turn(struct keeper *k)
{
    struct keeper_head *head = &k->store.head;
    if (head->activity != KEEPER_HEAD_IDLE || k->store.broken)
        return;
    if (head->read_wanted)
        read_it(k);
    else if (keeper_start_wants_head(k))
        keeper_start_turn(k);
    else if (!TAILQ_EMPTY(&k->orders.genesis))
        lock_genesis(k);
}

/* ---- what it says ---- */

void keeper_head_take_limits(struct keeper_store *store, const struct slashing_head *head)
{
    struct slashing_limits *limits = &store->limits;
    bool same = limits->has_high_watermark == head->has_high_watermark &&
                limits->high_epoch == head->high_epoch && limits->high_slot == head->high_slot;
    limits->has_high_watermark = head->has_high_watermark;
    limits->high_epoch = head->high_epoch;
    limits->high_slot = head->high_slot;
    if (!same && head->has_high_watermark)
        log_info("slashing protection: nothing is signed from epoch %" PRIu64 " and slot %" PRIu64
                 " on: the store's high watermark",
                 head->high_epoch, head->high_slot);
    if (!same && !head->has_high_watermark)
        log_info("slashing protection: the store's high watermark is gone");
}

/* Whether this is the store that the policy names, and nobody has edited its head. */
static must_check result check_seal(const struct keeper *k)
{
    const struct slashing_head *head = &k->store.head.latest;
    uint8_t identity[SLASHING_IDENTITY_LEN];
    TRY(slashing_seal_identity(identity, &k->store.seal));
    ENSURE(!k->policy.has_store_identity || secret_equal(identity, k->policy.store_identity, sizeof identity),
           E_STORE, "its identity is not the one that the policy names: another store, or another key");
    TRY(slashing_seal_check_head(&k->store.seal, head));
    ENSURE(head->has_genesis, E_STORE, "its head has no genesis validators root");
    return RESULT_OK;
}

static must_check result check_genesis(const struct keeper *k)
{
    const struct slashing_head *head = &k->store.head.latest;
    const uint8_t *root = head->genesis_validators_root;
    ENSURE(!k->store.has_genesis ||
               (head->has_genesis && memcmp(root, k->store.genesis, sizeof k->store.genesis) == 0),
           E_STORE, "its genesis validators root has changed");
    ENSURE(!k->policy.has_genesis_validators_root || !head->has_genesis ||
               memcmp(root, k->policy.genesis_validators_root, ETH2_ROOT_LEN) == 0,
           E_STORE, "it is locked to another genesis validators root than the policy's");
    return RESULT_OK;
}

static must_check result check_generation(struct keeper *k)
{
    struct keeper_store *store = &k->store;
    if (!store->has_generation)
        return RESULT_OK;
    if (store->head.latest.generation > store->generation)
        keeper_store_fence(k, store->head.latest.generation);
    ENSURE(!store->broken, E_STORE, "another signer has taken over");
    ENSURE(store->head.latest.generation == store->generation, E_STORE,
           "its head is of an earlier generation: the store was rolled back");
    return RESULT_OK;
}

result keeper_head_accept(struct keeper *k)
{
    struct keeper_store *store = &k->store;
    const struct slashing_head *head = &store->head.latest;
    if (keeper_store_is_sealed(store))
        TRY(check_seal(k));
    TRY(check_genesis(k));
    TRY(check_generation(k));
    ENSURE(head->num_validators >= store->head.num_known, E_STORE,
           "its head counts fewer validators than before: the store was rolled back");
    store->head.num_known = head->num_validators;
    store->has_genesis = head->has_genesis;
    memcpy(store->genesis, head->genesis_validators_root, sizeof store->genesis);
    keeper_head_take_limits(store, head);
    return RESULT_OK;
}

static must_check result decode(struct keeper_head *ret_head, const struct ipc_store_head *message)
{
    if (message->status == IPC_STORE_HEAD_FOUND)
        TRY(slashing_head_decode(&ret_head->latest, message->head));
    ret_head->status = message->status;
    (void)snprintf(ret_head->why, sizeof ret_head->why, "%.*s", (int)message->text.length,
                   message->text.length ? (const char *)message->text.data : "");
    return RESULT_OK;
}

/* Looked at from time to time, while keys are in service. */
static void take_refreshed(struct keeper *k)
{
    struct keeper_head *head = &k->store.head;
    if (head->status == IPC_STORE_HEAD_FAILED)
        keeper_store_set_ok(k, false, head->why);
    else if (head->status == IPC_STORE_HEAD_NONE)
        keeper_store_break(k, "its head is gone: the store was emptied");
    else if (keeper_head_accept(k).code)
        keeper_store_break(k, error_text());
    else if (keeper_keys_count(k->keys) == 0)
        keeper_store_set_ok(k, true, NULL); /* with keys, only a write says so */
}

/* Orders wait for the genesis validators root until there is one. */
static void decide_when_locked(struct keeper *k)
{
    if (k->store.has_genesis)
        keeper_orders_move_all(&k->orders, &k->orders.ready, &k->orders.genesis);
}

result keeper_head_take(struct keeper *k, const struct ipc_store_head *message)
{
    struct keeper_head *head = &k->store.head;
    ENSURE(head->activity == KEEPER_HEAD_READING, E_PEER, "a head that nobody asked for");
    TRY(decode(head, message));
    head->activity = KEEPER_HEAD_IDLE;
    if (keeper_start_awaits_head(k))
        keeper_start_take_head(k);
    else if (k->keys)
        take_refreshed(k);
    decide_when_locked(k);
    keeper_answer_high_watermarks(k);
    keeper_head_turn(k);
    return RESULT_OK;
}

/* Orders wait for it. */
static void take_locked(struct keeper *k, enum ipc_store_outcome outcome)
{
    struct keeper_head *head = &k->store.head;
    switch (outcome) {
    case IPC_STORE_DONE:
        keeper_store_set_ok(k, true, NULL);
        k->store.has_genesis = true;
        memcpy(k->store.genesis, head->latest.genesis_validators_root, sizeof k->store.genesis);
        break;
    case IPC_STORE_CONFLICT: /* they are decided again, and come back if it is not locked even so */
        keeper_store_decide_again(k, &k->orders.genesis);
        head->read_wanted = true;
        break;
    case IPC_STORE_OPEN_OUTCOME:
        keeper_store_set_ok(k, false, "the genesis validators root could not be locked");
        keeper_store_refuse_all(k, &k->orders.genesis);
        head->read_wanted = true;
        break;
    }
}

result keeper_head_take_set(struct keeper *k, const struct ipc_store_head_is_set *set)
{
    struct keeper_head *head = &k->store.head;
    ENSURE(head->activity == KEEPER_HEAD_SETTING && set->id == head->set_id, E_PEER,
           "a head is set that nobody set");
    head->activity = KEEPER_HEAD_IDLE;
    if (set->outcome == IPC_STORE_DONE) {
        head->latest = head->next;
        head->num_known = head->latest.num_validators;
    }
    if (head->for_start)
        keeper_start_head_is_set(k, set->outcome);
    else
        take_locked(k, set->outcome);
    decide_when_locked(k); /* whoever has locked it: a start does so, too */
    keeper_head_turn(k);
    return RESULT_OK;
}
