/* keeper_dispatch.h - one packet in, one thing done; sign orders are collected. */
#ifndef KEEPER_DISPATCH_H
#define KEEPER_DISPATCH_H

#include "keeper.h"

/* Receives one packet from this channel, which must be readable, and does what it asks if it may ask that
 * now. Anything else breaks the channel. */
void keeper_dispatch(struct keeper *k, struct keeper_channel *channel);

#endif
