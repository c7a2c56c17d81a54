/* keeper_manager.c - see keeper_manager.h. */
#include "keeper_manager.h"

enum { ITEM_LEN = 48 + SLASHING_ENTRY_BYTES };

static uint8_t packet[IPC_PACKET_MAX];

static struct packer begin(void)
{
    return (struct packer){.data = packet, .capacity = sizeof packet};
}

void manager_ask(struct rig *rig, enum ipc_manage_action action, uint32_t first, uint32_t num,
                 const struct slashing_record *history, const uint8_t *genesis)
{
    static uint8_t items[IPC_MANAGE_MAX][ITEM_LEN];
    struct packer p = begin();
    for (uint32_t i = 0; i < num; i++) {
        memcpy(items[i], rig_pubkey(first + i), 48);
        slashing_entry_encode(items[i] + 48, &(struct slashing_entry){.record = *history});
    }
    ipc_pack_manage(
        &p, &(struct ipc_manage){.action = action, .genesis = genesis, .items = items[0], .num_items = num});
    rig_send(rig->front, &p);
}

void manager_take_loader(struct rig *rig, uint32_t served)
{
    rig_expect_state(rig, IPC_LOAD_STATE, served, 0);
    rig_expect(rig, rig->supervisor, IPC_MANAGER_START);
    fd_auto_close(&rig->loader);
    rig->loader = fd_take(&rig->descriptor);
}

void manager_send_keystore(struct rig *rig, uint32_t index, uint32_t key)
{
    struct packer p = begin();
    ipc_pack_keystore(&p, &(struct ipc_keystore){.index = index,
                                                 .pubkey = rig_pubkey(key),
                                                 .password = {(const uint8_t *)"geheim", 6},
                                                 .json = {(const uint8_t *)"{}", 2}});
    rig_send(rig->front, &p);
}

void manager_begin_import(struct rig *rig, uint32_t served, uint32_t first, uint32_t num,
                          const struct slashing_record *history)
{
    uint8_t genesis[32];
    static const struct slashing_record none;
    struct ipc_keystore keystore;
    memset(genesis, 0x21, sizeof genesis);
    manager_ask(rig, IPC_MANAGE_IMPORT, first, num, history ? history : &none, history ? genesis : NULL);
    manager_take_loader(rig, served);
    for (uint32_t i = 0; i < num; i++) {
        manager_send_keystore(rig, i, first + i);
        rig_expect(rig, rig->loader, IPC_KEYSTORE);
        assert_ok(ipc_take_keystore(&keystore, &rig->message));
        assert_int_equal(keystore.index, i);
        assert_memory_equal(keystore.pubkey, rig_pubkey(first + i), 48);
    }
    rig_expect(rig, rig->loader, IPC_LOAD_END);
}

void manager_send_key(struct rig *rig, uint32_t index, uint32_t key)
{
    uint8_t secret[32];
    struct packer p = begin();
    rig_secret(secret, key);
    ipc_begin(&p, IPC_KEY, 1);
    ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){index, secret, rig_pubkey(key)});
    rig_send(rig->loader, &p);
}

void manager_send_failure(struct rig *rig, uint32_t index)
{
    struct packer p = begin();
    ipc_pack_record_failed(&p, &(struct ipc_record_failed){index, E_AUTH, {(const uint8_t *)"bad", 3}, NULL});
    rig_send(rig->loader, &p);
}

void manager_begin_deletion(struct rig *rig, uint32_t served, uint32_t first, uint32_t num)
{
    static const struct slashing_record none;
    manager_ask(rig, IPC_MANAGE_DELETE, first, num, &none, NULL);
    manager_take_loader(rig, served);
    manager_expect_files(rig, IPC_MANAGE_DELETE, num);
}

void manager_expect_files(struct rig *rig, enum ipc_manage_action action, uint32_t num)
{
    struct ipc_files files;
    rig_expect(rig, rig->loader, IPC_FILES);
    assert_ok(ipc_take_files(&files, &rig->message));
    assert_int_equal(files.action, action);
    assert_int_equal(files.num_items, num);
}

void manager_send_file_done(struct rig *rig, uint32_t index, enum error_code error)
{
    struct packer p = begin();
    ipc_pack_file_done(&p, &(struct ipc_record_failed){index, error, {(const uint8_t *)"its why", 7}, NULL});
    rig_send(rig->loader, &p);
}

void manager_expect_keys(struct rig *rig, uint32_t count)
{
    struct ipc_keys keys;
    rig_expect(rig, rig->front, IPC_KEYS);
    assert_ok(ipc_take_keys(&keys, &rig->message));
    assert_int_equal(keys.num_keys, count);
    rig_expect(rig, rig->front, IPC_HEALTH);
}

struct slashing_record manager_expect(struct rig *rig, uint32_t index, enum ipc_managed_status status,
                                      const char *part)
{
    struct ipc_managed managed;
    struct slashing_entry entry;
    char text[IPC_TEXT_MAX + 1];
    rig_expect(rig, rig->front, IPC_MANAGED);
    assert_ok(ipc_take_managed(&managed, &rig->message));
    (void)snprintf(text, sizeof text, "%.*s", (int)managed.text.length, (const char *)managed.text.data);
    assert_int_equal(managed.index, index);
    if (managed.status != status || (part && !strstr(text, part)))
        fail_msg("item %u: status %d, \"%s\"; expected %d, \"%s\"", index, (int)managed.status, text,
                 (int)status, part ? part : "");
    assert_ok(slashing_entry_decode(&entry, managed.entry));
    return entry.record;
}
