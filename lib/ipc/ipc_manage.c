/* ipc_manage.c - messages of the key manager: what is to be imported or deleted, keystores with their
 * passwords on their way to the loader, and what became of each. Views point into the packet. */
#include <string.h>

#include "ipc/ipc.h"
#include "ipc/ipc_fields.h"

static must_check result take_action(enum ipc_manage_action *ret_action, struct cursor *c)
{
    uint8_t action = 0;
    TRY(cursor_u8(c, &action));
    ENSURE(action == IPC_MANAGE_IMPORT || action == IPC_MANAGE_DELETE, E_INPUT,
           "manage: action %u does not exist", action);
    *ret_action = (enum ipc_manage_action)action;
    return RESULT_OK;
}

static must_check result check_items(const struct ipc_message *m, size_t item_len)
{
    ENSURE(m->count >= 1 && m->count <= IPC_MANAGE_MAX && m->body.left == m->count * item_len, E_INPUT,
           "message 0x%04x: length does not follow from its count", m->type);
    return RESULT_OK;
}

static void pack_genesis(struct packer *p, const uint8_t *genesis)
{
    static const uint8_t none[32];
    pack_u8(p, genesis != NULL);
    pack_bytes(p, genesis ? genesis : none, sizeof none);
}

static must_check result take_genesis(const uint8_t **ret_genesis, struct cursor *c)
{
    static const uint8_t none[32];
    bool has_genesis = false;
    const uint8_t *genesis = NULL;
    TRY(ipc_take_bool(&has_genesis, c));
    TRY(cursor_view(c, &genesis, sizeof none));
    ENSURE(has_genesis || memcmp(genesis, none, sizeof none) == 0, E_INPUT,
           "a genesis validators root that is not there is not zero");
    *ret_genesis = has_genesis ? genesis : NULL;
    return RESULT_OK;
}

void ipc_pack_manage(struct packer *p, const struct ipc_manage *manage)
{
    ipc_begin(p, IPC_MANAGE, manage->num_items);
    pack_u8(p, (uint8_t)manage->action);
    pack_genesis(p, manage->genesis);
    for (uint32_t i = 0; i < manage->num_items; i++)
        pack_bytes(p, manage->items + (size_t)i * IPC_STORE_NAMED_ENTRY_LEN, IPC_STORE_NAMED_ENTRY_LEN);
}

result ipc_take_manage(struct ipc_manage *ret_manage, struct ipc_message *m)
{
    struct ipc_manage manage = {.num_items = m->count};
    TRY(take_action(&manage.action, &m->body));
    TRY(take_genesis(&manage.genesis, &m->body));
    TRY(check_items(m, IPC_STORE_NAMED_ENTRY_LEN));
    TRY(cursor_view(&m->body, &manage.items, m->body.left));
    *ret_manage = manage;
    return RESULT_OK;
}

void ipc_pack_keystore(struct packer *p, const struct ipc_keystore *keystore)
{
    ipc_begin(p, IPC_KEYSTORE, keystore->json.length);
    pack_u32(p, keystore->index);
    pack_bytes(p, keystore->pubkey, 48);
    pack_u32(p, keystore->password.length);
    pack_bytes(p, keystore->password.data, keystore->password.length);
    pack_bytes(p, keystore->json.data, keystore->json.length);
}

result ipc_take_keystore(struct ipc_keystore *ret_keystore, struct ipc_message *m)
{
    struct ipc_keystore keystore = {0};
    TRY(cursor_u32(&m->body, &keystore.index));
    TRY(cursor_view(&m->body, &keystore.pubkey, 48));
    TRY(cursor_u32(&m->body, &keystore.password.length));
    ENSURE(keystore.index < IPC_MANAGE_MAX && keystore.password.length <= IPC_PASSWORD_MAX, E_INPUT,
           "keystore: its index or the length of its password is too large");
    TRY(cursor_view(&m->body, &keystore.password.data, keystore.password.length));
    TRY(ipc_take_counted(&keystore.json, m, 1, IPC_KEYSTORE_MAX));
    *ret_keystore = keystore;
    return RESULT_OK;
}

void ipc_pack_files(struct packer *p, const struct ipc_files *files)
{
    ipc_begin(p, IPC_FILES, files->num_items);
    pack_u8(p, (uint8_t)files->action);
    pack_bytes(p, files->items, (size_t)files->num_items * IPC_FILE_LEN);
}

result ipc_take_files(struct ipc_files *ret_files, struct ipc_message *m)
{
    struct ipc_files files = {.num_items = m->count};
    TRY(take_action(&files.action, &m->body));
    TRY(check_items(m, IPC_FILE_LEN));
    TRY(cursor_view(&m->body, &files.items, m->body.left));
    *ret_files = files;
    return RESULT_OK;
}

void ipc_pack_file_done(struct packer *p, const struct ipc_record_failed *done)
{
    ipc_begin(p, IPC_FILE_DONE, done->text.length);
    pack_u32(p, done->index);
    pack_u8(p, (uint8_t)done->error);
    pack_bytes(p, done->text.data, done->text.length);
}

result ipc_take_file_done(struct ipc_record_failed *ret_done, struct ipc_message *m)
{
    struct ipc_record_failed done = {0};
    uint8_t error = 0;
    TRY(cursor_u32(&m->body, &done.index));
    TRY(cursor_u8(&m->body, &error));
    ENSURE(error <= E_INTERNAL && done.index < IPC_MANAGE_MAX, E_INPUT, "file: no such error code or index");
    done.error = (enum error_code)error;
    TRY(ipc_take_counted(&done.text, m, 0, IPC_TEXT_MAX));
    *ret_done = done;
    return RESULT_OK;
}

void ipc_pack_managed(struct packer *p, const struct ipc_managed *managed)
{
    ipc_begin(p, IPC_MANAGED, managed->text.length);
    pack_u32(p, managed->index);
    pack_u8(p, (uint8_t)managed->status);
    pack_genesis(p, managed->genesis);
    pack_bytes(p, managed->entry, IPC_STORE_ENTRY_LEN);
    pack_bytes(p, managed->text.data, managed->text.length);
}

result ipc_take_managed(struct ipc_managed *ret_managed, struct ipc_message *m)
{
    struct ipc_managed managed = {0};
    uint8_t status = 0;
    TRY(cursor_u32(&m->body, &managed.index));
    TRY(cursor_u8(&m->body, &status));
    ENSURE(managed.index < IPC_MANAGE_MAX && status <= IPC_MANAGED_OTHER_GENESIS, E_INPUT,
           "managed: no such index or status");
    managed.status = (enum ipc_managed_status)status;
    TRY(take_genesis(&managed.genesis, &m->body));
    TRY(cursor_view(&m->body, &managed.entry, IPC_STORE_ENTRY_LEN));
    TRY(ipc_take_counted(&managed.text, m, 0, IPC_TEXT_MAX));
    *ret_managed = managed;
    return RESULT_OK;
}

void ipc_pack_key_info(struct packer *p, const struct ipc_key_info *info)
{
    static const uint8_t nothing[IPC_KEY_PATH_MAX];
    pack_bytes(p, info->pubkey, 48);
    pack_u8(p, info->readonly);
    pack_u8(p, (uint8_t)info->path.length);
    pack_bytes(p, info->path.data, info->path.length);
    pack_bytes(p, nothing, IPC_KEY_PATH_MAX - info->path.length);
}

result ipc_take_key_info(struct ipc_key_info *ret_info, struct cursor *c)
{
    struct ipc_key_info info = {0};
    uint8_t length = 0;
    TRY(cursor_view(c, &info.pubkey, 48));
    TRY(ipc_take_bool(&info.readonly, c));
    TRY(cursor_u8(c, &length));
    ENSURE(length <= IPC_KEY_PATH_MAX, E_INPUT, "key info: its path is too long");
    info.path.length = length;
    TRY(cursor_view(c, &info.path.data, IPC_KEY_PATH_MAX));
    for (size_t i = 0; i < IPC_KEY_PATH_MAX; i++)
        ENSURE((info.path.data[i] != 0) == (i < length), E_INPUT, "key info: its path is not in its form");
    *ret_info = info;
    return RESULT_OK;
}
