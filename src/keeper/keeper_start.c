/* keeper_start.c - the walk that ends with every record known, enrolled and, in single mode, claimed.
 *
 *   HEAD    read and checked: identity, seal, genesis, generation
 *   CHANGE  single mode: the next generation is taken; the genesis root is set where the policy names one
 *   READ    every entry of a sealed store, each checked, and as many as the head counts: one that was
 *           emptied, cut or edited does not begin to serve. Without seals only the records of the new keys
 *   ENROL   keys that the store has never seen, up to 96 at a time with the head that counts them
 *   CLAIM   single mode: the records of the new keys are written as they are with our generation, so that
 *           an earlier signer's next write finds another entry than it expects
 *
 * Whatever changes underneath - another signer that enrols or starts - leads back to HEAD, a bounded number
 * of times. Rejected: to count a sealed store with a query of the courier's; the count would be as good as
 * its word, and the entries have to be read anyway. */
#include "keeper_start.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper.h"
#include "keeper_remote.h"
#include "slashing/slashing_codec.h"

/* Claims are asked for so many at a time that also a store which writes a few hundred a second, or throttles,
 * gets done with some before those that wait are given up; as long as it does, a start of any length goes on.
 */
enum { TRIES_MAX = 20, CLAIMS_OPEN_MAX = 1024, CLAIMS_FAILED_MAX = 4 * CLAIMS_OPEN_MAX };

static void read_records(struct keeper *k);
static void enrol(struct keeper *k);
static void claim(struct keeper *k);

/* why may be the remembered error. */
static void fail(struct keeper *k, const char *why)
{
    char text[IPC_TEXT_MAX + 1];
    (void)snprintf(text, sizeof text, "slashing protection store: %s", why);
    keeper_load_fail(k, text);
}

static void read_head(struct keeper *k)
{
    k->start.phase = KEEPER_START_HEAD;
    keeper_head_refresh(k);
}

/* Something was not as it had been read: from the head again. */
static void begin_again(struct keeper *k, const char *why)
{
    if (++k->start.tries < TRIES_MAX)
        read_head(k);
    else
        fail(k, why);
}

/* ---- begin and end ---- */

static bool is_in_service(struct keeper *k, const struct keeper_key *key)
{
    return k->keys && keeper_keys_find(k->keys, key->pubkey);
}

/* A key that served before in this run is remembered: its record in the store must cover that. */
static must_check result list_fresh(struct keeper *k)
{
    struct keeper_start *start = &k->start;
    uint32_t count = keeper_keys_count(k->load.keys);
    start->fresh = calloc(count ? count : 1, sizeof *start->fresh);
    ENSURE(start->fresh, E_MEMORY, "out of memory for %u keys", count);
    for (uint32_t i = 0; i < count; i++) {
        struct keeper_key *key = keeper_keys_at(k->load.keys, i);
        const struct keeper_key *before = k->retired ? keeper_keys_find(k->retired, key->pubkey) : NULL;
        if (is_in_service(k, key))
            continue;
        if (before) {
            key->record = before->record;
            key->stamp = before->stamp;
            key->refused = before->refused;
            key->in_doubt = before->in_doubt;
            key->unproven = before->unproven;
        }
        start->fresh[start->num_fresh++] = i;
    }
    return RESULT_OK;
}

static struct keeper_key *fresh_key(struct keeper *k, uint32_t number)
{
    return keeper_keys_at(k->load.keys, k->start.fresh[number]);
}

static must_check result know_all(struct keeper *k)
{
    for (uint32_t i = 0; i < k->start.num_fresh; i++)
        TRY(keeper_local_know(k, fresh_key(k, i)));
    return RESULT_OK;
}

static void finish(struct keeper *k)
{
    k->start.phase = KEEPER_START_IDLE;
    if (k->load.managed)
        keeper_manage_recorded(k);
    else if (k->load.is_reload)
        keeper_reload_recorded(k);
    else
        keeper_load_serve(k);
}

void keeper_start_begin(struct keeper *k)
{
    keeper_start_cancel(k);
    result r = list_fresh(k);
    if (!r.code && !keeper_store_is_remote(&k->store))
        r = know_all(k);
    if (!r.code && k->load.managed && !keeper_store_is_remote(&k->store))
        r = keeper_manage_amend_local(k);
    if (r.code)
        fail(k, error_text());
    else if (keeper_store_is_remote(&k->store))
        read_head(k);
    else
        finish(k);
}

static void drop_unsent_claims(struct keeper *k)
{
    struct keeper_request *request = TAILQ_FIRST(&k->requests.unsent_advances);
    while (request) {
        struct keeper_request *next = TAILQ_NEXT(request, in_list);
        if (request->kind == KEEPER_CLAIM)
            keeper_requests_remove(&k->requests, request);
        request = next;
    }
}

void keeper_start_cancel(struct keeper *k)
{
    uint32_t number = k->start.number + 1;
    drop_unsent_claims(k);
    free(k->start.fresh);
    k->start = (struct keeper_start){.number = number};
    if (k->keys || !keeper_store_is_remote(&k->store) || k->store.broken)
        return;
    /* Nothing was signed yet: the next attempt may be with another key, and takes a generation of its own. */
    slashing_seal_cleanup(&k->store.seal);
    k->store.has_seal = k->store.has_generation = k->store.has_genesis = false;
    k->store.head.num_known = 0;
}

/* ---- HEAD ---- */

bool keeper_start_awaits_head(const struct keeper *k)
{
    return k->start.phase == KEEPER_START_HEAD;
}

static must_check result open_seal(struct keeper *k)
{
    struct secret *key = &k->load.store_key;
    if (!keeper_store_is_sealed(&k->store))
        return RESULT_OK;
    if (k->store.has_seal) {
        ENSURE(!key->data || secret_equal(key->data, k->store.seal.key.data, SLASHING_SEAL_KEY_LEN),
               E_MISMATCH, "its key is another than before");
        return RESULT_OK;
    }
    if (!key->data) {
        ENSURE(!k->policy.has_store_identity, E_NOT_FOUND, "its key is needed and did not come");
        TRY(secret_new(key, SLASHING_SEAL_KEY_LEN));
        memset(key->data, 0, SLASHING_SEAL_KEY_LEN);
    }
    TRY(slashing_seal_open(&k->store.seal, key, k->store.head.latest.store_id));
    k->store.has_seal = true;
    return RESULT_OK;
}

static must_check result check_head(struct keeper *k)
{
    const struct keeper_head *head = &k->store.head;
    ENSURE(head->status != IPC_STORE_HEAD_FAILED, E_STORE, "%s", head->why);
    ENSURE(head->status != IPC_STORE_HEAD_NONE, E_NOT_FOUND,
           "it is empty, or was never begun: only slashing init begins one");
    TRY(open_seal(k));
    return keeper_head_accept(k);
}

/* False when nothing is to be changed. */
static bool head_to_be(const struct keeper *k, struct slashing_head *ret_next)
{
    *ret_next = k->store.head.latest;
    bool takes_over = k->policy.single_mode && !k->store.has_generation;
    const uint8_t *genesis =
        k->policy.has_genesis_validators_root ? k->policy.genesis_validators_root : keeper_manage_genesis(k);
    bool locks = genesis && !ret_next->has_genesis;
    if (takes_over)
        ret_next->generation++;
    if (locks) {
        ret_next->has_genesis = true;
        memcpy(ret_next->genesis_validators_root, genesis, ETH2_ROOT_LEN);
    }
    return takes_over || locks;
}

/* The head has just been read, or set: nothing else is being done with it. */
static void change_head(struct keeper *k)
{
    struct slashing_head next;
    k->start.phase = KEEPER_START_CHANGE;
    if (head_to_be(k, &next)) {
        k->start.awaits_head_set = true;
        keeper_head_set(k, &next, NULL, 0);
        return;
    }
    if (!k->store.has_generation) {
        k->store.generation = k->store.head.latest.generation;
        k->store.has_generation = true;
    }
    read_records(k);
}

void keeper_start_take_head(struct keeper *k)
{
    if (check_head(k).code)
        fail(k, error_text());
    else if (keeper_manage_check_genesis(k).code)
        keeper_load_fail(k, error_text());
    else
        change_head(k);
}

/* ---- CHANGE and ENROL: the head is set ---- */

static void take_changed(struct keeper *k)
{
    if (k->policy.single_mode && !k->store.has_generation) {
        k->store.generation = k->store.head.latest.generation;
        k->store.has_generation = true;
        log_info("slashing protection store: this signer's generation is %" PRIu64, k->store.generation);
    }
    if (keeper_head_accept(k).code)
        fail(k, error_text());
    else
        change_head(k); /* nothing is left to be changed */
}

static void take_enrolled(struct keeper *k)
{
    for (uint32_t i = 0; i < k->start.num_enrolling; i++) {
        struct keeper_key *key = keeper_keys_at(k->load.keys, k->start.enrolling[i]);
        key->stamp = k->start.stamps[i];
        key->record_known = true;
    }
    enrol(k);
}

void keeper_start_head_is_set(struct keeper *k, enum ipc_store_outcome outcome)
{
    if (!k->start.awaits_head_set)
        return; /* of a start that was given up */
    k->start.awaits_head_set = false;
    if (outcome != IPC_STORE_DONE)
        begin_again(k, "its head could not be changed");
    else if (k->start.phase == KEEPER_START_CHANGE)
        take_changed(k);
    else
        take_enrolled(k);
}

bool keeper_start_wants_head(const struct keeper *k)
{
    return k->start.phase == KEEPER_START_ENROL;
}

void keeper_start_turn(struct keeper *k)
{
    enrol(k);
}

/* ---- READ ---- */

/* Reads of new keys, as many as may be under way at once. */
static void read_more(struct keeper *k)
{
    struct keeper_start *start = &k->start;
    uint32_t num = 1;
    while (start->next_fresh < start->num_fresh && num > 0) {
        num = keeper_remote_read_fresh(k, start->next_fresh);
        start->next_fresh += num;
        start->num_open += num > 0;
    }
    if (start->num_open == 0 && start->next_fresh < start->num_fresh)
        fail(k, "too many reads are under way");
    else if (start->num_open == 0) {
        start->next_fresh = 0;
        claim(k);
    }
}

static void read_records(struct keeper *k)
{
    struct keeper_start *start = &k->start;
    start->phase = KEEPER_START_READ;
    start->next_fresh = start->num_open = 0;
    start->num_found = 0;
    for (uint32_t i = 0; i < start->num_fresh; i++)
        fresh_key(k, i)->record_known = false;
    if (start->num_fresh == 0)
        finish(k);
    else if (!keeper_store_is_sealed(&k->store))
        read_more(k);
    else if (!keeper_remote_scan(k))
        fail(k, "too many reads are under way");
}

static must_check result examine(struct keeper *k, const uint8_t pubkey[static 48],
                                 const struct slashing_entry *entry)
{
    if (keeper_store_is_sealed(&k->store))
        TRY(slashing_seal_check_entry(&k->store.seal, entry, pubkey));
    if (entry->stamp.generation > k->store.generation)
        keeper_store_fence(k, entry->stamp.generation);
    ENSURE(!k->store.broken, E_STORE, "another signer has taken over");
    return RESULT_OK;
}

void keeper_start_take_entry(struct keeper *k, const uint8_t pubkey[static 48],
                             const struct slashing_entry *entry)
{
    struct keeper_key *key = keeper_keys_find(k->load.keys, pubkey);
    k->start.num_found++;
    if (examine(k, pubkey, entry).code) {
        fail(k, error_text());
        return;
    }
    if (!key || is_in_service(k, key))
        return;
    if (key->record_known)
        fail(k, "it has two records of one validator");
    else if (!keeper_store_take_found(k, key, entry))
        key->record_known = true; /* and refused: the others may serve */
}

static void take_count(struct keeper *k)
{
    struct keeper_start *start = &k->start;
    const struct slashing_head *head = &k->store.head.latest;
    char why[160];
    if (start->num_found == head->num_validators) {
        start->next_fresh = 0;
        enrol(k);
        return;
    }
    (void)snprintf(why, sizeof why,
                   "%s: its head counts %" PRIu64 " validators, %" PRIu64 " records were found",
                   start->num_found == 0                     ? "it was emptied"
                   : start->num_found < head->num_validators ? "records are missing"
                                                             : "there are records too many",
                   head->num_validators, start->num_found);
    /* Another signer may have enrolled some meanwhile; under the same head there is no such excuse. */
    if (start->was_short && memcmp(start->short_mac, head->mac, sizeof start->short_mac) == 0) {
        fail(k, why);
        return;
    }
    start->was_short = true;
    memcpy(start->short_mac, head->mac, sizeof start->short_mac);
    begin_again(k, why);
}

void keeper_start_read_ended(struct keeper *k, bool ok)
{
    if (!ok) {
        fail(k, "it could not be read");
    } else if (keeper_store_is_sealed(&k->store)) {
        take_count(k);
    } else {
        k->start.num_open--;
        read_more(k);
    }
}

/* ---- ENROL ---- */

static must_check result enrolment(const struct keeper *k, uint8_t *out, struct slashing_stamp *ret_stamp,
                                   const struct keeper_key *key)
{
    struct slashing_entry entry = {.record = key->record, .stamp.generation = k->store.generation};
    TRY(slashing_seal_entry(&k->store.seal, &entry, key->pubkey));
    *ret_stamp = entry.stamp;
    memcpy(out, key->pubkey, BLS_PUBKEY_LEN);
    slashing_entry_encode(out + BLS_PUBKEY_LEN, &entry);
    return RESULT_OK;
}

static must_check result collect_enrolments(struct keeper *k, uint8_t *out)
{
    struct keeper_start *start = &k->start;
    start->num_enrolling = 0;
    while (start->next_fresh < start->num_fresh && start->num_enrolling < IPC_STORE_ENROLMENTS_MAX) {
        uint32_t number = start->next_fresh++;
        /* What is deleted need not become known. */
        if (fresh_key(k, number)->record_known || keeper_manage_deletes(k))
            continue;
        TRY(enrolment(k, out + (size_t)start->num_enrolling * IPC_STORE_NAMED_ENTRY_LEN,
                      &start->stamps[start->num_enrolling], fresh_key(k, number)));
        start->enrolling[start->num_enrolling++] = start->fresh[number];
    }
    return RESULT_OK;
}

static void enrol(struct keeper *k)
{
    uint8_t enrolments[IPC_STORE_ENROLMENTS_MAX * IPC_STORE_NAMED_ENTRY_LEN];
    struct slashing_head next = k->store.head.latest;
    k->start.phase = KEEPER_START_ENROL;
    if (k->store.head.activity != KEEPER_HEAD_IDLE)
        return; /* keeper_start_turn will be called */
    if (collect_enrolments(k, enrolments).code) {
        fail(k, error_text());
        return;
    }
    if (k->start.num_enrolling == 0) {
        k->start.next_fresh = 0;
        claim(k);
        return;
    }
    next.num_validators += k->start.num_enrolling;
    k->start.awaits_head_set = true;
    keeper_head_set(k, &next, enrolments, k->start.num_enrolling);
}

/* ---- CLAIM ---- */

/* Writes the record as it is, with our generation; or as a request to the key manager wants it. False when
 * there is no place for a request. */
static bool claim_one(struct keeper *k, const struct keeper_key *key)
{
    struct keeper_request *request = keeper_requests_new(&k->requests, KEEPER_CLAIM, key->pubkey);
    if (!request)
        return false;
    request->start = k->start.number;
    request->advance.old = key->record;
    (void)keeper_manage_amend(k, &request->advance.next, key);
    request->advance.is_history = keeper_manage_brings_history(k, key);
    request->advance.old_stamp = key->stamp;
    k->start.num_open++;
    return true;
}

static bool is_to_be_claimed(const struct keeper *k, const struct keeper_key *key)
{
    struct slashing_record ignored;
    if (key->refused || (keeper_manage_deletes(k) && !key->record_known))
        return false;
    return keeper_manage_amend(k, &ignored, key) || keeper_manage_brings_history(k, key) ||
           (k->policy.single_mode && key->stamp.generation != k->store.generation);
}

static void claim(struct keeper *k)
{
    struct keeper_start *start = &k->start;
    start->phase = KEEPER_START_CLAIM;
    for (; start->next_fresh < start->num_fresh && start->num_open < CLAIMS_OPEN_MAX; start->next_fresh++) {
        const struct keeper_key *key = fresh_key(k, start->next_fresh);
        if (is_to_be_claimed(k, key) && !claim_one(k, key))
            break;
    }
    keeper_remote_send(k);
    if (start->num_open == 0 && start->next_fresh == start->num_fresh)
        finish(k);
    else if (start->num_open == 0)
        fail(k, "too many writes are under way");
}

/* What is left to be done for a claim that was answered. */
static must_check result take_claimed(struct keeper *k, struct keeper_key *key,
                                      const struct keeper_request *request, enum ipc_store_outcome outcome,
                                      const struct slashing_entry *found)
{
    if (outcome == IPC_STORE_DONE) {
        key->stamp = request->advance.next_stamp;
        key->record = request->advance.next;
        k->start.claims_failed = 0;
        return RESULT_OK;
    }
    ENSURE(++k->start.claims_failed < CLAIMS_FAILED_MAX, E_STORE, "records could not be written");
    if (outcome == IPC_STORE_CONFLICT && !keeper_store_take_found(k, key, found)) {
        ENSURE(!k->store.broken, E_STORE, "another signer has taken over");
        return RESULT_OK; /* refused: the others may serve */
    }
    /* The same again is done, too, if the store holds it by now. */
    if (is_to_be_claimed(k, key))
        ENSURE(claim_one(k, key), E_STORE, "too many writes are under way");
    return RESULT_OK;
}

void keeper_start_take_claim(struct keeper *k, struct keeper_request *request, enum ipc_store_outcome outcome,
                             const struct slashing_entry *found)
{
    if (k->start.phase == KEEPER_START_CLAIM && request->start == k->start.number) {
        struct keeper_key *key = keeper_keys_find(k->load.keys, request->advance.pubkey);
        k->start.num_open--;
        if (take_claimed(k, key, request, outcome, found).code)
            fail(k, error_text());
    }
    keeper_requests_remove(&k->requests, request);
    if (k->start.phase == KEEPER_START_CLAIM)
        claim(k);
}
