/* ipc_table_store.c - the rows of ipc_table.c that are about a store across a network. */
#include "ipc/ipc_store.h"
#include "ipc_table.h"

void pack_store_key(struct packer *p)
{
    ipc_pack_store_key(p, pattern);
}

result take_store_key(struct packer *again, struct ipc_message *m)
{
    const uint8_t *key;
    TRY(ipc_take_store_key(&key, m));
    ipc_pack_store_key(again, key);
    return RESULT_OK;
}

void pack_store_head(struct packer *p)
{
    ipc_pack_store_head(p, &(struct ipc_store_head){.status = IPC_STORE_HEAD_FOUND, .head = pattern});
}

void pack_store_no_head(struct packer *p)
{
    ipc_pack_store_head(p, &(struct ipc_store_head){.status = IPC_STORE_HEAD_NONE, .text = some(40)});
}

result take_store_head(struct packer *again, struct ipc_message *m)
{
    struct ipc_store_head head;
    TRY(ipc_take_store_head(&head, m));
    ipc_pack_store_head(again, &head);
    return RESULT_OK;
}

void pack_store_head_set(struct packer *p)
{
    ipc_pack_store_head_set(p, &(struct ipc_store_head_set){.id = 7,
                                                            .old = pattern,
                                                            .next = pattern + 1152,
                                                            .enrolments = pattern + 2304,
                                                            .num_enrolments = 2});
}

result take_store_head_set(struct packer *again, struct ipc_message *m)
{
    struct ipc_store_head_set set;
    TRY(ipc_take_store_head_set(&set, m));
    ipc_pack_store_head_set(again, &set);
    return RESULT_OK;
}

void pack_store_head_is_set(struct packer *p)
{
    ipc_pack_store_head_is_set(
        p, &(struct ipc_store_head_is_set){.id = 8, .outcome = IPC_STORE_CONFLICT, .text = some(50)});
}

result take_store_head_is_set(struct packer *again, struct ipc_message *m)
{
    struct ipc_store_head_is_set set;
    TRY(ipc_take_store_head_is_set(&set, m));
    ipc_pack_store_head_is_set(again, &set);
    return RESULT_OK;
}

void pack_store_load(struct packer *p)
{
    ipc_pack_store_load(p, &(struct ipc_store_load){.id = 9, .pubkeys = pattern, .num_keys = 3});
}

void pack_store_load_all(struct packer *p)
{
    ipc_pack_store_load(p, &(struct ipc_store_load){.id = 10});
}

result take_store_load(struct packer *again, struct ipc_message *m)
{
    struct ipc_store_load load;
    TRY(ipc_take_store_load(&load, m));
    ipc_pack_store_load(again, &load);
    return RESULT_OK;
}

void pack_store_entries(struct packer *p)
{
    ipc_pack_store_entries(p, &(struct ipc_store_entries){
                                  .id = 11, .status = IPC_STORE_LAST, .entries = pattern, .num_entries = 2});
}

void pack_store_entries_failed(struct packer *p)
{
    ipc_pack_store_entries(p, &(struct ipc_store_entries){.id = 12, .status = IPC_STORE_LOAD_FAILED});
}

result take_store_entries(struct packer *again, struct ipc_message *m)
{
    struct ipc_store_entries entries;
    TRY(ipc_take_store_entries(&entries, m));
    ipc_pack_store_entries(again, &entries);
    return RESULT_OK;
}

void pack_store_advance(struct packer *p)
{
    ipc_begin(p, IPC_STORE_ADVANCE, 3);
    for (uint64_t i = 0; i < 3; i++)
        ipc_pack_store_advance(
            p, &(struct ipc_store_advance){
                   .id = i, .pubkey = pattern + i, .old = pattern + 48 + i, .next = pattern + 184 + i});
}

result take_store_advance(struct packer *again, struct ipc_message *m)
{
    ipc_begin(again, IPC_STORE_ADVANCE, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_store_advance advance;
        TRY(ipc_take_store_advance(&advance, &m->body));
        ipc_pack_store_advance(again, &advance);
    }
    return cursor_end(&m->body);
}

void pack_store_advanced(struct packer *p)
{
    ipc_begin(p, IPC_STORE_ADVANCED, 3);
    for (unsigned i = 0; i <= IPC_STORE_CONFLICT; i++)
        ipc_pack_store_advanced(
            p, &(struct ipc_store_advanced){.id = i, .outcome = (enum ipc_store_outcome)i, .found = pattern});
}

result take_store_advanced(struct packer *again, struct ipc_message *m)
{
    ipc_begin(again, IPC_STORE_ADVANCED, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_store_advanced advanced;
        TRY(ipc_take_store_advanced(&advanced, &m->body));
        ipc_pack_store_advanced(again, &advanced);
    }
    return cursor_end(&m->body);
}

void pack_store_access(struct packer *p)
{
    static const uint8_t text[] = "Seven small signs make one large wall, they say.";
    ipc_pack_store_access(p, &(struct ipc_store_access){.name = {text, 20}, .secret = {text, 40}});
}

result take_store_access(struct packer *again, struct ipc_message *m)
{
    struct ipc_store_access access;
    TRY(ipc_take_store_access(&access, m));
    ipc_pack_store_access(again, &access);
    return RESULT_OK;
}
