/* keeper_sign.h - the gate. */
#ifndef KEEPER_SIGN_H
#define KEEPER_SIGN_H

#include "keeper.h"

/* Answers up to IPC_BATCH_MAX orders: signed, or why not. ret_answers[i] is the answer to orders[i]. */
void keeper_sign(struct keeper *k, struct ipc_answer *ret_answers, const struct ipc_order *orders,
                 size_t num_orders);

#endif
