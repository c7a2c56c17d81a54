/* ipc_table_signature.c - the rows of what is signed beside orders; see ipc_table.h. */
#include "ipc_table.h"

void pack_extension_sign(struct packer *p)
{
    ipc_pack_extension_sign(p, &(struct ipc_extension_sign){.id = 0x1122334455667788,
                                                            .pubkey = pattern,
                                                            .payload = some(IPC_EXTENSION_MAX)});
}

void pack_short_extension(struct packer *p)
{
    ipc_pack_extension_sign(
        p, &(struct ipc_extension_sign){.id = 1, .pubkey = pattern, .payload = some(IPC_EXTENSION_MIN)});
}

result take_extension_sign(struct packer *again, struct ipc_message *m)
{
    struct ipc_extension_sign sign;
    TRY(ipc_take_extension_sign(&sign, m));
    ipc_pack_extension_sign(again, &sign);
    return RESULT_OK;
}

void pack_extension_signed(struct packer *p)
{
    ipc_pack_signature(
        p, IPC_EXTENSION_SIGNED,
        &(struct ipc_signature){.id = UINT64_MAX, .status = IPC_ANSWER_SIGNED, .signature = some(96)});
}

void pack_extension_refused(struct packer *p)
{
    ipc_pack_signature(p, IPC_EXTENSION_SIGNED,
                       &(struct ipc_signature){.id = 7, .status = IPC_ANSWER_UNKNOWN_KEY});
}

result take_signature(struct packer *again, struct ipc_message *m)
{
    struct ipc_signature signature;
    TRY(ipc_take_signature(&signature, m));
    ipc_pack_signature(again, m->type, &signature);
    return RESULT_OK;
}
