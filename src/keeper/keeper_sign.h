/* keeper_sign.h - the gate. */
#ifndef KEEPER_SIGN_H
#define KEEPER_SIGN_H

#include "keeper.h"

/* Takes answers as they are ready, at most IPC_BATCH_MAX at a time. */
typedef void keeper_sign_answered(struct keeper *k, const struct ipc_answer *answers, uint32_t num_answers);

/* Answers the k->num_orders orders heard, in their order: signed, or why not; and forgets them. */
void keeper_sign(struct keeper *k, keeper_sign_answered *answered);

#endif
