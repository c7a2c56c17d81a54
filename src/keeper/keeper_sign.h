/* keeper_sign.h - the gate. */
#ifndef KEEPER_SIGN_H
#define KEEPER_SIGN_H

#include "ipc/ipc_proxy.h"
#include "keeper.h"

/* One turn: decides what is ready, has recorded what must be, signs some of what is signable; each order that
 * is done is given to keeper_answer. Whether there is more to do at once. */
bool keeper_sign(struct keeper *k);

/* Signs the bytes themselves, which can be no signing root, into ret_signature; zeros unless the answer is
 * SIGNED. */
enum ipc_answer_status keeper_sign_extension(struct keeper *k,
                                             uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                             const struct ipc_extension_sign *wanted);

/* Signs an object's root in Commit-Boost's domain, with the consensus key or a proxy of one that is served:
 * *ret_len bytes, 0 unless the answer is SIGNED. */
enum ipc_answer_status keeper_sign_boost(struct keeper *k, uint8_t ret_signature[static IPC_SIGNATURE_MAX],
                                         uint32_t *ret_len, const struct ipc_boost_sign *wanted);
/* Signs with the delegator's key that this is its proxy; zeros unless the answer is SIGNED. */
enum ipc_answer_status keeper_sign_delegation(struct keeper *k,
                                              uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                              const struct ipc_proxy *proxy);

#endif
