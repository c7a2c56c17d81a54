/* keeper_remote.c - advances and reads as messages, and their answers back to requests.
 *
 * Packets are made only while the courier reads: what piles up meanwhile goes out together, and the queue of
 * its channel stays short however slow it is. Each answer must name something that was asked and has not been
 * answered; else the courier has lost its way, and the channel is broken. What an answer says is judged in
 * keeper_store.c and keeper_start.c. */
#include "keeper_remote.h"

#include <string.h>

#include "keeper.h"
#include "keeper_ahead.h"
#include "keeper_start.h"
#include "slashing/slashing_codec.h"

/* ---- out ---- */

/* With this signer's generation and a seal. */
static must_check result seal_next(const struct keeper_store *store, struct slashing_advance *advance)
{
    struct slashing_entry entry = {.record = advance->next};
    if (keeper_store_is_sealed(store)) {
        entry.stamp.generation = store->generation;
        TRY(slashing_seal_entry(&store->seal, &entry, advance->pubkey));
    }
    advance->next_stamp = entry.stamp;
    return RESULT_OK;
}

static void pack_advance(struct packer *p, const struct keeper_request *request)
{
    uint8_t old[SLASHING_ENTRY_BYTES], next[SLASHING_ENTRY_BYTES];
    const struct slashing_advance *a = &request->advance;
    slashing_entry_encode(old, &(struct slashing_entry){a->old, a->old_stamp});
    slashing_entry_encode(next, &(struct slashing_entry){a->next, a->next_stamp});
    ipc_pack_store_advance(
        p,
        &(struct ipc_store_advance){
            .id = request->id, .is_history = a->is_history, .pubkey = a->pubkey, .old = old, .next = next});
}

static void send_advances(struct keeper *k)
{
    struct keeper_request *requests[IPC_STORE_ADVANCES_MAX], *request;
    uint32_t num = 0;
    while (num < IPC_STORE_ADVANCES_MAX && (request = TAILQ_FIRST(&k->requests.unsent_advances))) {
        if (seal_next(&k->store, &request->advance).code) {
            keeper_store_break(k, error_text());
            return;
        }
        keeper_requests_mark_sent(&k->requests, request);
        requests[num++] = request;
    }
    struct packer p = keeper_pack(k);
    ipc_begin(&p, IPC_STORE_ADVANCE, num);
    for (uint32_t i = 0; i < num; i++)
        pack_advance(&p, requests[i]);
    keeper_send(&k->courier, &p);
    keeper_hash_ahead(k, requests, num);
}

/* A place for a read with an id of its own; NULL when all are taken. */
static struct keeper_read *new_read(struct keeper *k, enum keeper_read_purpose purpose)
{
    for (size_t i = 0; i < KEEPER_READS_MAX; i++) {
        struct keeper_read *read = &k->reads.places[i];
        if (read->purpose != KEEPER_READ_FREE)
            continue;
        read->purpose = purpose;
        read->id = ++k->reads.next_id;
        read->start = k->start.number;
        read->num_keys = read->num_taken = 0;
        return read;
    }
    return NULL;
}

static void send_read(struct keeper *k, const struct keeper_read *read)
{
    struct packer p = keeper_pack(k);
    ipc_pack_store_load(&p, &(struct ipc_store_load){
                                .id = read->id, .pubkeys = read->pubkeys[0], .num_keys = read->num_keys});
    keeper_send(&k->courier, &p);
}

/* False when too many are under way. */
static bool send_reads(struct keeper *k)
{
    struct keeper_read *read = new_read(k, KEEPER_READ_SERVICE);
    struct keeper_request *request;
    if (!read)
        return false;
    while (read->num_keys < IPC_STORE_LOAD_MAX && (request = TAILQ_FIRST(&k->requests.unsent_reads))) {
        keeper_requests_mark_sent(&k->requests, request);
        memcpy(read->pubkeys[read->num_keys], request->advance.pubkey, sizeof read->pubkeys[0]);
        read->requests[read->num_keys++] = request;
    }
    send_read(k, read);
    return true;
}

static bool courier_reads(const struct keeper *k)
{
    return !k->courier.first && !k->courier.broken && !k->store.broken;
}

void keeper_remote_send(struct keeper *k)
{
    while (!TAILQ_EMPTY(&k->requests.unsent_advances) && courier_reads(k))
        send_advances(k);
    while (!TAILQ_EMPTY(&k->requests.unsent_reads) && courier_reads(k) && send_reads(k))
        ;
}

uint32_t keeper_remote_read_fresh(struct keeper *k, uint32_t from)
{
    struct keeper_read *read = new_read(k, KEEPER_READ_START);
    if (!read)
        return 0;
    while (read->num_keys < IPC_STORE_LOAD_MAX && from + read->num_keys < k->start.num_fresh) {
        const struct keeper_key *key = keeper_keys_at(k->load.keys, k->start.fresh[from + read->num_keys]);
        memcpy(read->pubkeys[read->num_keys++], key->pubkey, sizeof read->pubkeys[0]);
    }
    send_read(k, read);
    return read->num_keys;
}

bool keeper_remote_scan(struct keeper *k)
{
    const struct keeper_read *read = new_read(k, KEEPER_READ_SCAN);
    if (read)
        send_read(k, read);
    return read;
}

/* ---- in ---- */

/* Stores without seals have no stamps. */
static must_check result decode_entry(const struct keeper *k, struct slashing_entry *ret_entry,
                                      const uint8_t bytes[static SLASHING_ENTRY_BYTES])
{
    static const struct slashing_stamp none;
    struct slashing_entry entry;
    TRY(slashing_entry_decode(&entry, bytes));
    ENSURE(keeper_store_is_sealed(&k->store) ||
               (entry.stamp.generation == 0 && memcmp(entry.stamp.mac, none.mac, sizeof none.mac) == 0),
           E_INPUT, "an entry of a store without seals has one");
    *ret_entry = entry;
    return RESULT_OK;
}

static must_check result find_read(struct keeper *k, struct keeper_read **ret_read, uint64_t id)
{
    for (size_t i = 0; i < KEEPER_READS_MAX; i++) {
        if (k->reads.places[i].purpose != KEEPER_READ_FREE && k->reads.places[i].id == id) {
            *ret_read = &k->reads.places[i];
            return RESULT_OK;
        }
    }
    FAIL(E_PEER, "entries that nobody asked for");
}

static bool is_of_this_start(const struct keeper *k, const struct keeper_read *read)
{
    return k->start.phase == KEEPER_START_READ && read->start == k->start.number;
}

static must_check result take_entry(struct keeper *k, struct keeper_read *read, const uint8_t *named)
{
    struct slashing_entry entry;
    TRY(decode_entry(k, &entry, named + BLS_PUBKEY_LEN));
    uint32_t at = read->num_taken;
    if (read->purpose != KEEPER_READ_SCAN)
        ENSURE(at < read->num_keys && memcmp(named, read->pubkeys[at], BLS_PUBKEY_LEN) == 0, E_PEER,
               "an entry of another validator than was asked for");
    read->num_taken++;
    if (read->purpose == KEEPER_READ_SERVICE)
        keeper_store_take_read(k, read->requests[at], &entry);
    else if (is_of_this_start(k, read))
        keeper_start_take_entry(k, named, &entry);
    return RESULT_OK;
}

static void end_read(struct keeper *k, struct keeper_read *read, bool ok)
{
    if (read->purpose == KEEPER_READ_SERVICE)
        for (; read->num_taken < read->num_keys; read->num_taken++)
            keeper_store_take_read(k, read->requests[read->num_taken], NULL);
    bool is_awaited = read->purpose != KEEPER_READ_SERVICE && is_of_this_start(k, read);
    read->purpose = KEEPER_READ_FREE;
    if (is_awaited)
        keeper_start_read_ended(k, ok);
}

result keeper_remote_take_entries(struct keeper *k, const struct ipc_store_entries *entries)
{
    struct keeper_read *read = NULL;
    TRY(find_read(k, &read, entries->id));
    for (uint32_t i = 0; i < entries->num_entries; i++)
        TRY(take_entry(k, read, entries->entries + (size_t)i * IPC_STORE_NAMED_ENTRY_LEN));
    ENSURE(entries->status != IPC_STORE_LAST || read->purpose == KEEPER_READ_SCAN ||
               read->num_taken == read->num_keys,
           E_PEER, "fewer entries than were asked for");
    if (entries->status != IPC_STORE_MORE)
        end_read(k, read, entries->status == IPC_STORE_LAST);
    return RESULT_OK;
}

struct advanced {
    uint64_t id;
    enum ipc_store_outcome outcome;
    struct slashing_entry found;
};

static must_check result take_one(struct keeper *k, struct advanced *ret_advanced, struct cursor *body)
{
    struct ipc_store_advanced message;
    TRY(ipc_take_store_advanced(&message, body));
    *ret_advanced = (struct advanced){.id = message.id, .outcome = message.outcome};
    return message.found ? decode_entry(k, &ret_advanced->found, message.found) : RESULT_OK;
}

/* Claims of a start have a judge of their own. */
static must_check result act(struct keeper *k, bool *any_judged, bool *any_open,
                             const struct advanced *advanced)
{
    struct keeper_request *request = keeper_requests_find(&k->requests, advanced->id);
    ENSURE(request && request->kind != KEEPER_READ, E_PEER, "an answer to an advance that is not under way");
    if (request->kind == KEEPER_ADVANCE) {
        *any_judged = true;
        *any_open = *any_open || advanced->outcome == IPC_STORE_OPEN_OUTCOME;
        keeper_store_take_outcome(k, request, advanced->outcome, &advanced->found);
    } else {
        keeper_start_take_claim(k, request, advanced->outcome, &advanced->found);
    }
    return RESULT_OK;
}

result keeper_remote_take_advanced(struct keeper *k, struct ipc_message *m)
{
    static struct advanced advanced[IPC_STORE_ADVANCES_MAX];
    for (uint32_t i = 0; i < m->count; i++)
        TRY(take_one(k, &advanced[i], &m->body));
    bool any_judged = false, any_open = false;
    for (uint32_t i = 0; i < m->count; i++)
        TRY(act(k, &any_judged, &any_open, &advanced[i]));
    if (any_judged)
        keeper_store_judge(k, any_open);
    return RESULT_OK;
}
