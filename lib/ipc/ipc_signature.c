/* ipc_signature.c - what is signed beside sign orders: one request a packet, one answer a packet. These are
 * rare; batches are for orders. Views point into the packet. */
#include "ipc/ipc.h"
#include "ipc/ipc_fields.h"

void ipc_pack_extension_sign(struct packer *p, const struct ipc_extension_sign *sign)
{
    ipc_begin(p, IPC_EXTENSION_SIGN, sign->payload.length);
    pack_u64(p, sign->id);
    pack_bytes(p, sign->pubkey, 48);
    pack_bytes(p, sign->payload.data, sign->payload.length);
}

result ipc_take_extension_sign(struct ipc_extension_sign *ret_sign, struct ipc_message *m)
{
    struct ipc_extension_sign sign = {0};
    TRY(cursor_u64(&m->body, &sign.id));
    TRY(cursor_view(&m->body, &sign.pubkey, 48));
    TRY(ipc_take_counted(&sign.payload, m, IPC_EXTENSION_MIN, IPC_EXTENSION_MAX));
    *ret_sign = sign;
    return RESULT_OK;
}

void ipc_pack_signature(struct packer *p, enum ipc_type type, const struct ipc_signature *signature)
{
    ipc_begin(p, type, signature->signature.length);
    pack_u64(p, signature->id);
    pack_u8(p, (uint8_t)signature->status);
    pack_bytes(p, signature->signature.data, signature->signature.length);
}

static must_check result take_status(enum ipc_answer_status *ret_status, struct cursor *c)
{
    uint8_t status = 0;
    TRY(cursor_u8(c, &status));
    ENSURE(status <= IPC_ANSWER_INTERNAL && status != IPC_ANSWER_ROOT_DIFFERS &&
               status != IPC_ANSWER_SLASHABLE,
           E_INPUT, "signature: status %u does not exist", status);
    *ret_status = (enum ipc_answer_status)status;
    return RESULT_OK;
}

result ipc_take_signature(struct ipc_signature *ret_signature, struct ipc_message *m)
{
    struct ipc_signature signature = {0};
    TRY(cursor_u64(&m->body, &signature.id));
    TRY(take_status(&signature.status, &m->body));
    bool is_signed = signature.status == IPC_ANSWER_SIGNED;
    TRY(ipc_take_counted(&signature.signature, m, is_signed ? 1 : 0, is_signed ? IPC_SIGNATURE_MAX : 0));
    *ret_signature = signature;
    return RESULT_OK;
}
