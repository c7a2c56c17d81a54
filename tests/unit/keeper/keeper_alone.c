/* keeper_alone.c - what tests of the gate's own source put in the place of other parts of the keeper, and
 * need not look at. */
#include <stdlib.h>

#include "keeper/keeper.h"

void keeper_send_answers(struct keeper *keeper)
{
    (void)keeper;
}

void keeper_head_take_limits(struct keeper_store *store, const struct slashing_head *head)
{
    (void)store;
    (void)head;
}

/* There is no courier. */
void keeper_remote_send(struct keeper *keeper)
{
    (void)keeper;
    abort();
}

void keeper_head_refresh(struct keeper *keeper)
{
    (void)keeper;
    abort();
}
