/* keeper_sign.h - the gate. */
#ifndef KEEPER_SIGN_H
#define KEEPER_SIGN_H

#include "keeper.h"

/* One turn: decides what is ready, has recorded what must be, signs some of what is signable; each order that
 * is done is given to keeper_answer. Whether there is more to do at once. */
bool keeper_sign(struct keeper *k);

#endif
