/* ipc_table_manage.c - the rows of the key manager; see ipc_table.h. */
#include "ipc_table.h"

void pack_manage(struct packer *p)
{
    ipc_pack_manage(
        p, &(struct ipc_manage){
               .action = IPC_MANAGE_IMPORT, .genesis = pattern, .items = pattern + 32, .num_items = 3});
}

result take_manage(struct packer *again, struct ipc_message *m)
{
    struct ipc_manage manage;
    TRY(ipc_take_manage(&manage, m));
    ipc_pack_manage(again, &manage);
    return RESULT_OK;
}

void pack_keystore(struct packer *p)
{
    ipc_pack_keystore(
        p, &(struct ipc_keystore){.index = 7, .pubkey = pattern, .password = some(20), .json = some(700)});
}

result take_keystore(struct packer *again, struct ipc_message *m)
{
    struct ipc_keystore keystore;
    TRY(ipc_take_keystore(&keystore, m));
    ipc_pack_keystore(again, &keystore);
    return RESULT_OK;
}

void pack_files(struct packer *p)
{
    ipc_pack_files(p, &(struct ipc_files){.action = IPC_MANAGE_DELETE, .items = pattern, .num_items = 3});
}

result take_files(struct packer *again, struct ipc_message *m)
{
    struct ipc_files files;
    TRY(ipc_take_files(&files, m));
    ipc_pack_files(again, &files);
    return RESULT_OK;
}

void pack_file_done(struct packer *p)
{
    ipc_pack_file_done(p, &(struct ipc_record_failed){.index = 9, .error = E_IO, .text = some(30)});
}

result take_file_done(struct packer *again, struct ipc_message *m)
{
    struct ipc_record_failed done;
    TRY(ipc_take_file_done(&done, m));
    ipc_pack_file_done(again, &done);
    return RESULT_OK;
}

void pack_managed(struct packer *p)
{
    ipc_pack_managed(p, &(struct ipc_managed){.index = 9,
                                              .status = IPC_MANAGED_NOT_ACTIVE,
                                              .genesis = pattern,
                                              .entry = pattern + 32,
                                              .text = some(40)});
}

result take_managed(struct packer *again, struct ipc_message *m)
{
    struct ipc_managed managed;
    TRY(ipc_take_managed(&managed, m));
    ipc_pack_managed(again, &managed);
    return RESULT_OK;
}

void pack_key_info(struct packer *p)
{
    static const uint8_t path[] = "m/12381/3600/0/0/0";
    ipc_begin(p, IPC_KEY_INFO, 2);
    ipc_pack_key_info(p, &(struct ipc_key_info){.pubkey = pattern, .readonly = true});
    ipc_pack_key_info(
        p, &(struct ipc_key_info){.pubkey = pattern + 48, .path = {path, (uint32_t)sizeof path - 1}});
}

result take_key_info(struct packer *again, struct ipc_message *m)
{
    ipc_begin(again, IPC_KEY_INFO, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_key_info info;
        TRY(ipc_take_key_info(&info, &m->body));
        ipc_pack_key_info(again, &info);
    }
    return cursor_end(&m->body);
}
