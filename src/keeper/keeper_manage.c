/* keeper_manage.c - import and deletion, in the order that makes them safe.
 *
 *   import    decrypt, write hidden files | merge history, enable: durable | files become valid | serve |
 * answer deletion  files go | out of service, secret wiped | disable: durable | answer with the history
 *
 * Whatever is cut off: a key that is there after a restart has its history, and what was reported is so. A
 * key whose history cannot be recorded is not imported. Between the first two steps of a deletion the key is
 * gone from here, and its record still enabled; asking again, which says not_active, disables it. Rejected:
 * to disable first. Cut off then, a key would load again and sign nothing, which the list of keys does not
 * show. */
#include "keeper_manage.h"

#include <stdio.h>
#include <string.h>

#include "keeper.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_fold.h"

static uint32_t place_of(const struct keeper_manage *m, const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    uint32_t i = 0;
    while (i < m->num_items && memcmp(m->items[i].pubkey, pubkey, BLS_PUBKEY_LEN) != 0)
        i++;
    return i;
}

/* NULL when the request is not about that key. */
static const struct keeper_manage_item *find_item(const struct keeper_manage *m,
                                                  const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    uint32_t place = place_of(m, pubkey);
    return place < m->num_items ? &m->items[place] : NULL;
}

static void settle(struct keeper_manage_item *item, enum ipc_managed_status status, const char *why)
{
    if (item->is_settled)
        return;
    item->is_settled = true;
    item->status = status;
    (void)snprintf(item->why, sizeof item->why, "%s", why);
    item->is_going = item->is_going && status != IPC_MANAGED_ERROR;
}

static uint32_t count_going(const struct keeper *k)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < k->manage.num_items; i++)
        num += k->manage.items[i].is_going;
    return num;
}

/* ---- the request ---- */

static bool reaches_high_watermark(const struct slashing_limits *limits, const struct slashing_record *r)
{
    return limits->has_high_watermark && ((r->has_block && r->block_slot >= limits->high_slot) ||
                                          (r->has_attestation && (r->source_epoch >= limits->high_epoch ||
                                                                  r->target_epoch >= limits->high_epoch)));
}

static must_check result take_item(struct keeper *k, struct keeper_manage_item *item,
                                   const uint8_t named[static IPC_STORE_NAMED_ENTRY_LEN])
{
    const uint8_t *pubkey = named;
    struct slashing_entry entry;
    TRY(slashing_entry_decode(&entry, named + BLS_PUBKEY_LEN));
    ENSURE(!find_item(&k->manage, pubkey), E_PEER, "the key manager is asked twice about a key");
    *item = (struct keeper_manage_item){.history = entry.record};
    memcpy(item->pubkey, pubkey, BLS_PUBKEY_LEN);
    item->history.disabled = false;
    item->is_served = k->keys && keeper_keys_find(k->keys, pubkey);
    if (k->manage.action == IPC_MANAGE_IMPORT && item->is_served)
        settle(item, IPC_MANAGED_ERROR, "the key is there already");
    else if (reaches_high_watermark(&k->store.limits, &item->history))
        settle(item, IPC_MANAGED_ERROR, "its history reaches the high watermark");
    return RESULT_OK;
}

static must_check result take_request(struct keeper *k, const struct ipc_manage *wanted)
{
    struct keeper_manage *m = &k->manage;
    *m = (struct keeper_manage){.action = wanted->action, .has_genesis = wanted->genesis != NULL};
    if (wanted->genesis)
        memcpy(m->genesis, wanted->genesis, sizeof m->genesis);
    for (uint32_t i = 0; i < wanted->num_items; i++) {
        TRY(take_item(k, &m->items[i], wanted->items + (size_t)i * IPC_STORE_NAMED_ENTRY_LEN));
        m->num_items++;
    }
    m->num_awaited = wanted->action == IPC_MANAGE_IMPORT ? m->num_items : 0;
    m->is_active = true;
    return RESULT_OK;
}

static bool is_of_other_genesis(const struct keeper *k)
{
    return k->manage.has_genesis && k->store.kind != POLICY_STORE_NONE && k->store.has_genesis &&
           memcmp(k->manage.genesis, k->store.genesis, sizeof k->store.genesis) != 0;
}

result keeper_manage_check_genesis(struct keeper *k)
{
    static const char why[] = "the slashing protection data is of another genesis validators root";
    if (!k->load.managed || !is_of_other_genesis(k))
        return RESULT_OK;
    for (uint32_t i = 0; i < k->manage.num_items; i++) {
        k->manage.items[i].is_settled = false;
        settle(&k->manage.items[i], IPC_MANAGED_OTHER_GENESIS, why);
    }
    FAIL(E_MISMATCH, "%s", why);
}

static void send_files(struct keeper *k, bool (*wanted)(const struct keeper_manage_item *))
{
    uint8_t items[IPC_MANAGE_MAX * IPC_FILE_LEN];
    struct packer list = {.data = items, .capacity = sizeof items};
    k->manage.num_files = 0;
    for (uint32_t i = 0; i < k->manage.num_items; i++) {
        if (!wanted(&k->manage.items[i]))
            continue;
        pack_u32(&list, i);
        pack_bytes(&list, k->manage.items[i].pubkey, BLS_PUBKEY_LEN);
        k->manage.num_files++;
    }
    struct packer p = keeper_pack(k);
    ipc_pack_files(&p, &(struct ipc_files){k->manage.action, items, k->manage.num_files});
    keeper_send(&k->loader, &p);
}

static bool any_item(const struct keeper_manage_item *item)
{
    (void)item;
    return true;
}

static bool is_going(const struct keeper_manage_item *item)
{
    return item->is_going;
}

static must_check result start(struct keeper *k)
{
    ENSURE(!k->store.broken, E_STORE, "slashing protection store: nothing can be changed any more");
    TRY(keeper_manage_check_genesis(k));
    TRY(keeper_load_start_loader(k, IPC_MANAGER_START));
    if (k->manage.action == IPC_MANAGE_DELETE) {
        send_files(k, any_item);
        return RESULT_OK;
    }
    TRY(keeper_keys_new(&k->load.keys));
    return keeper_keys_add_all(k->load.keys, k->keys);
}

result keeper_manage_begin(struct keeper *k, const struct ipc_manage *wanted)
{
    ENSURE(!k->manage.is_active, E_STATE, "the key manager is asked before it has answered");
    TRY(take_request(k, wanted));
    keeper_load_cleanup(&k->load);
    k->load.managed = true;
    k->load.num_failed = k->num_failed; /* these stay as they are */
    k->load.failed_keys = k->failed_keys;
    k->load.sent_all = wanted->action == IPC_MANAGE_DELETE;
    keeper_set_state(k, IPC_LOAD_STATE);
    if (start(k).code)
        keeper_load_fail(k, error_text());
    return RESULT_OK;
}

/* ---- import: keystores in, keys out ---- */

static void relay(struct keeper *k, const struct ipc_keystore *keystore)
{
    AUTO(secret) packet = {0};
    size_t length =
        IPC_HEADER_LEN + 4 + BLS_PUBKEY_LEN + 4 + (size_t)keystore->password.length + keystore->json.length;
    if (secret_new(&packet, length).code) {
        settle(&k->manage.items[keystore->index], IPC_MANAGED_ERROR, error_text());
        return;
    }
    struct packer p = {.data = packet.data, .capacity = length};
    ipc_pack_keystore(&p, keystore);
    keeper_channel_send(&k->loader, &p, true, -1);
    k->manage.num_relayed++;
}

static void end_keystores(struct keeper *k)
{
    k->load.sent_all = true;
    if (k->load.failed || k->manage.num_relayed == 0) {
        keeper_channel_close(&k->loader);
        keeper_load_finish(k, false);
        return;
    }
    struct packer p = keeper_pack(k);
    ipc_pack_load_end(&p, k->manage.num_relayed);
    keeper_send(&k->loader, &p);
}

result keeper_manage_take_keystore(struct keeper *k, const struct ipc_keystore *keystore)
{
    struct keeper_manage *m = &k->manage;
    ENSURE(m->is_active && m->num_awaited > 0 && keystore->index == m->num_items - m->num_awaited, E_STATE,
           "a keystore that was not announced");
    const struct keeper_manage_item *item = &m->items[keystore->index];
    ENSURE(memcmp(item->pubkey, keystore->pubkey, BLS_PUBKEY_LEN) == 0, E_PEER,
           "a keystore of another key than was announced");
    if (!item->is_settled && !k->load.failed)
        relay(k, keystore);
    if (--m->num_awaited == 0)
        end_keystores(k);
    return RESULT_OK;
}

result keeper_manage_take_key(struct keeper *k, const struct ipc_loaded_key *key)
{
    bool added = false;
    ENSURE(k->manage.action == IPC_MANAGE_IMPORT && key->index < k->manage.num_items, E_PEER,
           "a key that was not asked for");
    struct keeper_manage_item *item = &k->manage.items[key->index];
    ENSURE(!item->is_settled && memcmp(item->pubkey, key->pubkey, BLS_PUBKEY_LEN) == 0, E_PEER,
           "another key than was asked for");
    TRY(keeper_keys_add(k->load.keys, &added, key->secret, key->pubkey));
    ENSURE(added, E_PEER, "a key came twice");
    item->is_going = true;
    k->load.num_keys++;
    return RESULT_OK;
}

void keeper_manage_take_failure(struct keeper *k, const struct ipc_record_failed *failed)
{
    char why[IPC_TEXT_MAX + 1];
    (void)snprintf(why, sizeof why, "%.*s", (int)failed->text.length, (const char *)failed->text.data);
    if (failed->index < k->manage.num_items)
        settle(&k->manage.items[failed->index], IPC_MANAGED_ERROR, why);
}

result keeper_manage_take_end(struct keeper *k, uint32_t num_keys, uint32_t num_failed)
{
    ENSURE(num_keys == k->load.num_keys && num_keys + num_failed == k->manage.num_relayed, E_PEER,
           "counts %u keys and %u failures of %u keystores", num_keys, num_failed, k->manage.num_relayed);
    if (num_keys > 0) {
        keeper_start_begin(k);
        return RESULT_OK;
    }
    keeper_channel_close(&k->loader);
    keeper_load_finish(k, true);
    return RESULT_OK;
}

/* ---- records ---- */

const uint8_t *keeper_manage_genesis(const struct keeper *k)
{
    return k->load.managed && k->manage.has_genesis ? k->manage.genesis : NULL;
}

bool keeper_manage_deletes(const struct keeper *k)
{
    return k->load.managed && k->manage.action == IPC_MANAGE_DELETE;
}

static bool has_data(const struct slashing_record *r)
{
    return r->has_block || r->has_attestation || r->disabled;
}

bool keeper_manage_amend(const struct keeper *k, struct slashing_record *ret_next,
                         const struct keeper_key *key)
{
    const struct keeper_manage_item *item = k->load.managed ? find_item(&k->manage, key->pubkey) : NULL;
    struct slashing_record next = key->record;
    *ret_next = next;
    if (!item)
        return false;
    if (k->manage.action == IPC_MANAGE_IMPORT) {
        next.disabled = false;
        slashing_merge(&next, &next, &item->history);
    } else {
        next.disabled = item->is_served || has_data(&next);
    }
    *ret_next = next;
    return !slashing_record_equal(&next, &key->record);
}

bool keeper_manage_brings_history(const struct keeper *k, const struct keeper_key *key)
{
    const struct keeper_manage_item *item = k->load.managed ? find_item(&k->manage, key->pubkey) : NULL;
    return item && k->manage.action == IPC_MANAGE_IMPORT && has_data(&item->history);
}

static must_check result lock_local(struct keeper *k)
{
    const uint8_t *genesis = keeper_manage_genesis(k);
    return genesis && !k->store.has_genesis ? keeper_local_lock_genesis(k, genesis) : RESULT_OK;
}

result keeper_manage_amend_local(struct keeper *k)
{
    static struct slashing_advance advances[IPC_MANAGE_MAX];
    struct keeper_key *keys[IPC_MANAGE_MAX];
    size_t num = 0;
    if (k->store.kind != POLICY_STORE_SQLITE)
        return RESULT_OK;
    TRY(lock_local(k));
    for (uint32_t i = 0; i < k->manage.num_items; i++) {
        struct keeper_key *key = keeper_keys_find(k->load.keys, k->manage.items[i].pubkey);
        struct slashing_record next;
        if (!key || key->refused || !keeper_manage_amend(k, &next, key))
            continue;
        advances[num] = (struct slashing_advance){.old = key->record, .next = next};
        memcpy(advances[num].pubkey, key->pubkey, BLS_PUBKEY_LEN);
        keys[num++] = key;
    }
    TRY(slashing_store_advance(k->store.file, advances, num));
    for (size_t i = 0; i < num; i++) {
        ENSURE(advances[i].done, E_STORE, "a record is not as it was");
        keys[i]->record = advances[i].next;
    }
    return RESULT_OK;
}

/* Whose record cannot be believed is not imported. */
static void drop_refused(struct keeper *k)
{
    for (uint32_t i = 0; i < keeper_keys_count(k->load.keys); i++) {
        const struct keeper_key *key = keeper_keys_at(k->load.keys, i);
        uint32_t place = key->refused ? place_of(&k->manage, key->pubkey) : k->manage.num_items;
        if (place < k->manage.num_items)
            settle(&k->manage.items[place], IPC_MANAGED_ERROR,
                   "Error importing keystore: its record in the slashing protection store was seen to be "
                   "wrong");
    }
}

static bool is_to_be_served(void *context, const struct keeper_key *key)
{
    const struct keeper_manage *m = context;
    const struct keeper_manage_item *item = find_item(m, key->pubkey);
    if (!item)
        return true;
    return m->action == IPC_MANAGE_IMPORT ? item->is_going : !item->is_going;
}

static must_check result collect_served(struct keeper *k, struct keeper_keys *from)
{
    struct keeper_keys *served = NULL;
    TRY(keeper_keys_new(&served));
    result r = keeper_keys_add_some(served, from, is_to_be_served, &k->manage);
    if (r.code) {
        keeper_keys_free(served);
        return r;
    }
    keeper_keys_free(k->load.keys);
    k->load.keys = served;
    return RESULT_OK;
}

/* ---- the end of an import ---- */

static void finish_import(struct keeper *k)
{
    keeper_channel_close(&k->loader);
    if (count_going(k) == 0) {
        keeper_load_finish(k, true);
        return;
    }
    if (collect_served(k, k->load.keys).code) {
        keeper_load_fail(k, error_text());
        return;
    }
    for (uint32_t i = 0; i < k->manage.num_items; i++)
        if (k->manage.items[i].is_going)
            settle(&k->manage.items[i], IPC_MANAGED_IMPORTED, "");
    keeper_load_serve(k);
}

/* ---- the end of a deletion ---- */

static must_check result begin_walk(struct keeper *k)
{
    static const struct keeper_key unknown;
    TRY(keeper_keys_new(&k->load.keys));
    for (uint32_t i = 0; i < k->manage.num_items; i++) {
        const struct keeper_manage_item *item = &k->manage.items[i];
        struct keeper_key key = unknown;
        memcpy(key.pubkey, item->pubkey, sizeof key.pubkey);
        if (!item->is_settled)
            TRY(keeper_keys_remember(k->load.keys, &key));
    }
    return RESULT_OK;
}

/* The files are gone: so are the keys, whatever the store will say. */
static void begin_disabling(struct keeper *k)
{
    result r = RESULT_OK;
    keeper_channel_close(&k->loader);
    if (count_going(k) > 0) {
        r = collect_served(k, k->keys);
        if (!r.code && !keeper_load_swap(k))
            return;
        if (!r.code)
            keeper_tell_front(k, &k->load.tls, false);
    }
    if (!r.code)
        r = begin_walk(k);
    if (r.code)
        keeper_load_fail(k, error_text());
    else
        keeper_start_begin(k);
}

static void finish_deletion(struct keeper *k)
{
    for (uint32_t i = 0; i < k->manage.num_items; i++) {
        struct keeper_manage_item *item = &k->manage.items[i];
        const struct keeper_key *key = keeper_keys_find(k->load.keys, item->pubkey);
        if (!key || item->is_settled)
            continue;
        item->record = key->record;
        if (key->refused)
            settle(item, IPC_MANAGED_ERROR,
                   "Error exporting slashing data: the record in the store was seen to be wrong");
        else if (item->is_served)
            settle(item, IPC_MANAGED_DELETED, "");
        else
            settle(item, has_data(&key->record) ? IPC_MANAGED_NOT_ACTIVE : IPC_MANAGED_NOT_FOUND, "");
    }
    keeper_load_finish(k, true);
}

void keeper_manage_recorded(struct keeper *k)
{
    if (k->manage.action == IPC_MANAGE_DELETE) {
        finish_deletion(k);
        return;
    }
    drop_refused(k);
    if (count_going(k) == 0)
        finish_import(k);
    else
        send_files(k, is_going);
}

result keeper_manage_take_file_done(struct keeper *k, const struct ipc_record_failed *done)
{
    struct keeper_manage *m = &k->manage;
    char why[IPC_TEXT_MAX + 1];
    ENSURE(k->load.managed && m->num_files > 0 && done->index < m->num_items, E_PEER,
           "a file that was not asked for");
    struct keeper_manage_item *item = &m->items[done->index];
    bool is_import = m->action == IPC_MANAGE_IMPORT;
    (void)snprintf(why, sizeof why, "Error %s: %.*s",
                   is_import ? "importing keystore" : "deleting keystore file", (int)done->text.length,
                   (const char *)done->text.data);
    if (done->error != E_NONE && (is_import || item->is_served))
        settle(item, IPC_MANAGED_ERROR, why);
    else if (!is_import)
        item->is_going = item->is_served;
    if (--m->num_files > 0)
        return RESULT_OK;
    if (is_import)
        finish_import(k);
    else
        begin_disabling(k);
    return RESULT_OK;
}

/* ---- answers ---- */

void keeper_manage_answer(struct keeper *k, const char *why)
{
    struct keeper_manage *m = &k->manage;
    uint8_t entry[SLASHING_ENTRY_BYTES];
    char text[IPC_TEXT_MAX + 1];
    (void)snprintf(text, sizeof text, "%s: %s",
                   m->action == IPC_MANAGE_IMPORT ? "Error importing keystore"
                                                  : "Error exporting slashing data",
                   *why ? why : "it ended early");
    for (uint32_t i = 0; i < m->num_items; i++) {
        settle(&m->items[i], IPC_MANAGED_ERROR, text);
        slashing_entry_encode(entry, &(struct slashing_entry){.record = m->items[i].record});
        struct packer p = keeper_pack(k);
        ipc_pack_managed(&p, &(struct ipc_managed){.index = i,
                                                   .status = m->items[i].status,
                                                   .genesis = k->store.has_genesis ? k->store.genesis : NULL,
                                                   .entry = entry,
                                                   .text = {(const uint8_t *)m->items[i].why,
                                                            (uint32_t)strlen(m->items[i].why)}});
        keeper_send(&k->front, &p);
    }
    m->is_active = false;
}
