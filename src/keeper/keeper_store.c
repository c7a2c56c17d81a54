/* keeper_store.c - decisions, and what the store's answers make of them.
 *
 * Memory holds what is durable and never runs ahead: what is about to be stands in the key's request. One
 * request a key at a time, so that an answer always speaks of the record that memory has. Whatever the store
 * says, memory only rises: an entry that forgets what this process knows is a sign of a store that was rolled
 * back or edited, and is not believed again. That is decided for each key of a shared store by itself: every
 * write is a compare-and-set against memory, so a rollback shows wherever it matters, while one bad item does
 * not stop ten thousand validators. A file is one thing, and all of it is distrusted.
 * Rejected: memory that runs ahead and is taken back on failure - with answers that come late and out of
 * order there is no moment at which taking back is certainly right. */
#include "keeper_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "keeper.h"
#include "keeper_remote.h"

enum { ATTEMPTS_MAX = 5 };

bool keeper_store_is_remote(const struct keeper_store *store)
{
    return store->kind == POLICY_STORE_DYNAMODB || store->kind == POLICY_STORE_POSTGRESQL;
}

bool keeper_store_is_sealed(const struct keeper_store *store)
{
    return store->kind == POLICY_STORE_DYNAMODB;
}

/* ---- its health ---- */

void keeper_store_set_ok(struct keeper *k, bool ok, const char *why)
{
    if (k->store.broken)
        return;
    if (k->store.ok && !ok)
        log_error("slashing protection store: %s; nothing slashable is signed until it works again", why);
    if (!k->store.ok && ok)
        log_info("slashing protection store: works again");
    k->store.ok = ok;
}

void keeper_store_break(struct keeper *k, const char *why)
{
    if (!k->store.broken)
        log_error("slashing protection store: %s; nothing is signed any more", why);
    k->store.broken = true;
    k->store.ok = false;
}

void keeper_store_fence(struct keeper *k, uint64_t generation)
{
    char why[160];
    (void)snprintf(why, sizeof why,
                   "another signer has taken over: the store is at generation %" PRIu64
                   ", this signer's is %" PRIu64,
                   generation, k->store.generation);
    keeper_store_break(k, why);
}

/* ---- decisions ---- */

static bool is_slashable_kind(enum eth2_order_kind kind)
{
    return kind == ETH2_ORDER_BLOCK || kind == ETH2_ORDER_ATTESTATION;
}

static bool is_of_our_genesis(const struct keeper_store *store, const struct keeper_order *order)
{
    return store->has_genesis &&
           memcmp(store->genesis, order->order.fork_info.genesis_validators_root, sizeof store->genesis) == 0;
}

/* What is durable already is signed again whatever is under way. */
static bool is_proven_repeat(const struct keeper_store *store, const struct keeper_key *key,
                             const struct keeper_order *order)
{
    struct slashing_record next;
    return key->record_known && !key->unproven && is_of_our_genesis(store, order) &&
           slashing_decide(&next, &key->record, &store->limits, &order->order, order->answer.signing_root) ==
               SLASHING_ALLOW_REPEAT;
}

static struct keeper_request *make_request(struct keeper *k, struct keeper_decision *decision,
                                           struct keeper_key *key, enum keeper_request_kind kind)
{
    struct keeper_request *request = keeper_requests_new(&k->requests, kind, key->pubkey);
    decision->is_held_up = !request;
    if (request)
        key->request = request;
    else
        decision->wait_in = &k->orders.ready;
    return request;
}

static must_check result know(struct keeper *k, struct keeper_decision *decision, struct keeper_key *key)
{
    if (keeper_store_is_remote(&k->store)) {
        struct keeper_request *request = make_request(k, decision, key, KEEPER_READ);
        if (request)
            decision->wait_in = &request->held;
        return RESULT_OK;
    }
    result r = keeper_local_know(k, key);
    if (r.code)
        keeper_store_set_ok(k, false, error_text());
    return r;
}

static must_check result lock_genesis(struct keeper *k, struct keeper_decision *decision,
                                      const struct keeper_order *order)
{
    if (!keeper_store_is_remote(&k->store))
        return keeper_local_lock_genesis(k, order->order.fork_info.genesis_validators_root);
    decision->wait_in = &k->orders.genesis;
    return RESULT_OK;
}

static void join_advance(struct keeper *k, struct keeper_decision *decision, struct keeper_key *key,
                         const struct slashing_record *next)
{
    struct keeper_request *request = key->request;
    if (!request) {
        request = make_request(k, decision, key, KEEPER_ADVANCE);
        if (!request)
            return;
        request->advance.old = key->record;
        request->advance.old_stamp = key->stamp;
    }
    request->advance.next = *next;
    decision->wait_in = &request->resting;
}

result keeper_store_disable(struct keeper *k, struct keeper_key *key)
{
    struct keeper_decision ignored = {0};
    if (!key->record_known)
        TRY(know(k, &ignored, key));
    if (!key->record_known)
        return RESULT_OK; /* being read */
    struct slashing_record next = key->record;
    next.disabled = true;
    join_advance(k, &ignored, key, &next);
    return RESULT_OK;
}

/* Of a store that others write too, an advance makes one new message of a kind durable, the one at its mark.
 * The store holds exactly the next entry when another signer was faster and came to the same marks, and that
 * counts as done; with a second message below the mark, each would sign its own. PostgreSQL has rows, which
 * Web3Signer looks for: a message without one would be none to it. */
static bool is_one_too_many(const struct keeper_store *store, const struct keeper_request *request,
                            const struct slashing_record *next)
{
    if (!request || !keeper_store_is_remote(store))
        return false;
    const struct slashing_record *old = &request->advance.old, *joined = &request->advance.next;
    bool has_block = joined->has_block && (!old->has_block || joined->block_slot != old->block_slot);
    bool has_vote =
        joined->has_attestation && (!old->has_attestation || joined->target_epoch != old->target_epoch);
    return (has_block && next->block_slot != joined->block_slot) ||
           (has_vote && next->target_epoch != joined->target_epoch);
}

/* The key has no request, or one for an advance that more orders can join. */
static must_check result decide_anew(struct keeper *k, struct keeper_decision *decision,
                                     struct keeper_key *key, const struct keeper_order *order)
{
    struct keeper_store *store = &k->store;
    struct slashing_record next;
    if (store->has_genesis && !is_of_our_genesis(store, order)) {
        decision->verdict = SLASHING_REFUSE_GENESIS_ROOT;
        return RESULT_OK;
    }
    decision->verdict = slashing_decide(&next, key->request ? &key->request->advance.next : &key->record,
                                        &store->limits, &order->order, order->answer.signing_root);
    if (slashing_allows(decision->verdict) && !store->has_genesis) {
        TRY(lock_genesis(k, decision, order));
        if (decision->wait_in)
            return RESULT_OK;
    }
    bool has_to_be_written = decision->verdict == SLASHING_ALLOW_NEW ||
                             (decision->verdict == SLASHING_ALLOW_REPEAT && !key->request);
    if (has_to_be_written && is_one_too_many(store, key->request, &next))
        decision->wait_in = &key->request->held;
    else if (has_to_be_written)
        join_advance(k, decision, key, &next);
    else if (key->request)
        decision->wait_in = &key->request->resting;
    return RESULT_OK;
}

result keeper_store_decide(struct keeper *k, struct keeper_decision *ret_decision, struct keeper_key *key,
                           const struct keeper_order *order)
{
    struct keeper_decision decision = {.verdict = SLASHING_NOT_APPLICABLE};
    *ret_decision = decision;
    if (k->store.kind == POLICY_STORE_NONE || !is_slashable_kind(order->order.kind))
        return RESULT_OK;
    ENSURE(!key->refused, E_STORE, "this validator's record in the store was seen to be wrong");
    if (is_proven_repeat(&k->store, key, order))
        decision.verdict = SLASHING_ALLOW_REPEAT;
    else if (key->request && (key->request->is_sent || key->request->kind != KEEPER_ADVANCE))
        decision.wait_in = &key->request->held;
    else {
        if (!key->record_known)
            TRY(know(k, &decision, key));
        if (!decision.wait_in)
            TRY(decide_anew(k, &decision, key, order));
    }
    *ret_decision = decision;
    return RESULT_OK;
}

bool keeper_store_has_recorded(const struct keeper *k, const struct keeper_key *key,
                               const struct keeper_order *order)
{
    static const struct slashing_limits no_limits;
    struct slashing_record next;
    return k->store.kind == POLICY_STORE_NONE ||
           slashing_decide(&next, &key->record, &no_limits, &order->order, order->answer.signing_root) !=
               SLASHING_ALLOW_NEW;
}

/* ---- outcomes ---- */

/* The key in service whose request this is; NULL when the keys were replaced meanwhile. */
static struct keeper_key *key_of(struct keeper *k, const struct keeper_request *request)
{
    struct keeper_key *key = k->keys ? keeper_keys_find(k->keys, request->advance.pubkey) : NULL;
    return key && key->request == request ? key : NULL;
}

void keeper_store_refuse_all(struct keeper *k, struct keeper_order_list *orders)
{
    struct keeper_order *order;
    while ((order = TAILQ_FIRST(orders))) {
        order->answer.status = IPC_ANSWER_STORE;
        keeper_answer(k, order);
    }
}

/* As they were decided. */
static void make_true(struct keeper *k, struct keeper_order_list *resting)
{
    struct keeper_order *order;
    while ((order = TAILQ_FIRST(resting))) {
        if (order->answer.status == IPC_ANSWER_SLASHABLE)
            keeper_answer(k, order);
        else
            keeper_orders_make_signable(&k->orders, order);
    }
}

void keeper_store_decide_again(struct keeper *k, struct keeper_order_list *orders)
{
    struct keeper_order *order, *next;
    for (order = TAILQ_FIRST(orders); order; order = next) {
        next = TAILQ_NEXT(order, in_list);
        order->answer.status = IPC_ANSWER_STORE;
        if (++order->attempts >= ATTEMPTS_MAX)
            keeper_answer(k, order);
    }
    keeper_orders_move_all_first(&k->orders.ready, orders);
}

/* Orders keep their order: the one that came later often is for a later height. */
static void release_held(struct keeper *k, struct keeper_request *request)
{
    keeper_orders_move_all_first(&k->orders.ready, &request->held);
}

static void end_request(struct keeper *k, struct keeper_request *request, struct keeper_key *key)
{
    if (key)
        key->request = NULL;
    keeper_requests_remove(&k->requests, request);
}

static void note_done(struct keeper_key *key, const struct slashing_advance *advance)
{
    key->record = advance->next;
    key->stamp = advance->next_stamp;
    key->in_doubt = key->unproven = false;
}

void keeper_store_judge(struct keeper *k, bool any_open)
{
    keeper_store_set_ok(k, !any_open, "a record could not be written, as far as is known");
}

void keeper_store_take_outcome(struct keeper *k, struct keeper_request *request,
                               enum ipc_store_outcome outcome, const struct slashing_entry *found)
{
    struct keeper_key *key = key_of(k, request);
    release_held(k, request);
    switch (outcome) {
    case IPC_STORE_DONE:
        if (key)
            note_done(key, &request->advance);
        make_true(k, &request->resting);
        break;
    case IPC_STORE_CONFLICT:
        if (key && keeper_store_take_found(k, key, found))
            log_debug("slashing protection store: a record is not as this process left it");
        keeper_store_decide_again(k, &request->resting);
        break;
    case IPC_STORE_OPEN_OUTCOME:
        if (key) {
            key->record_known = false;
            key->in_doubt = true;
        }
        keeper_store_refuse_all(k, &request->resting);
        break;
    }
    end_request(k, request, key);
}

/* ---- what the store holds ---- */

static must_check result examine(struct keeper *k, const struct keeper_key *key,
                                 const struct slashing_entry *found)
{
    if (keeper_store_is_sealed(&k->store))
        TRY(slashing_seal_check_entry(&k->store.seal, found, key->pubkey));
    ENSURE(slashing_covers(&found->record, &key->record) && found->stamp.generation >= key->stamp.generation,
           E_STORE,
           "the store's record is older than the one in memory: the store was rolled back or edited");
    return RESULT_OK;
}

bool keeper_store_take_found(struct keeper *k, struct keeper_key *key, const struct slashing_entry *found)
{
    if (examine(k, key, found).code) {
        char pubkey[2 * BLS_PUBKEY_LEN + 3];
        hex_encode_0x(pubkey, key->pubkey, BLS_PUBKEY_LEN);
        log_error("validator %s: %s; nothing slashable is signed for it any more", pubkey, error_text());
        key->refused = true;
        if (!keeper_store_is_remote(&k->store))
            keeper_store_break(k, error_text());
        return false;
    }
    if (found->stamp.generation > k->store.generation) {
        keeper_store_fence(k, found->stamp.generation);
        return false;
    }
    /* What a doubtful advance left behind: nobody has that signature, and SQLite may not have it on the disk.
     * Repeating it would be signing it first. */
    key->unproven = key->unproven || (key->in_doubt && !slashing_covers(&key->record, &found->record));
    key->in_doubt = false;
    key->record = found->record;
    key->stamp = found->stamp;
    key->record_known = true;
    return true;
}

/* ---- requests ---- */

void keeper_store_record(struct keeper *k)
{
    if (k->store.kind == POLICY_STORE_SQLITE)
        keeper_local_record(k);
    else if (keeper_store_is_remote(&k->store))
        keeper_remote_send(k);
}

static struct keeper_key *first_believed(struct keeper *k)
{
    for (uint32_t i = 0; k->keys && i < keeper_keys_count(k->keys); i++)
        if (!keeper_keys_at(k->keys, i)->refused)
            return keeper_keys_at(k->keys, i);
    return NULL;
}

/* A store that failed is asked by writing a record as it is: that nothing can be written would not show
 * otherwise. Without this, one whom a health check keeps from asking for signatures would never be healthy
 * again. */
static void probe_by_writing(struct keeper *k)
{
    struct keeper_key *key = first_believed(k);
    struct keeper_decision ignored = {0};
    if (!key || key->request)
        return;
    if (!key->record_known && know(k, &ignored, key).code)
        return;
    if (!key->request)
        join_advance(k, &ignored, key, &key->record);
    keeper_store_record(k);
}

void keeper_store_take_read(struct keeper *k, struct keeper_request *request,
                            const struct slashing_entry *found)
{
    struct keeper_key *key = key_of(k, request);
    bool is_probe = TAILQ_EMPTY(&request->held);
    if (!found) {
        keeper_store_set_ok(k, false, "a record could not be read");
        keeper_store_refuse_all(k, &request->held);
    } else if (key) {
        (void)keeper_store_take_found(k, key, found);
    }
    release_held(k, request);
    end_request(k, request, key);
    if (is_probe && found && !k->store.ok)
        probe_by_writing(k);
}

void keeper_store_probe(struct keeper *k)
{
    if (k->store.broken || k->store.kind == POLICY_STORE_NONE)
        return;
    if (keeper_store_is_remote(&k->store))
        keeper_head_refresh(k);
    else if (k->store.ok && keeper_local_probe(k).code)
        keeper_store_set_ok(k, false, error_text());
    if (!k->store.ok)
        probe_by_writing(k);
}
