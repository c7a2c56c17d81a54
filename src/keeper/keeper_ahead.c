/* keeper_ahead.c - half of a signature is the hash of its root to the curve. That takes no key, so it need
 * not wait until the record is durable: other threads do it while this one writes and syncs, or while an
 * answer is on its way across a network. Should the record never be made, a hash of a public message is left
 * behind.
 *
 * Rejected: hashing as soon as an order is heard - what is refused, and what was signed before, would be
 * hashed too. */
#include "keeper_ahead.h"

#include <string.h>

#include "keeper.h"

/* Orders with the same root that follow each other. */
struct run {
    const uint8_t *root; /* NULL: none yet */
    size_t num;
};

static void end_run(struct keeper *k, const struct run *run)
{
    if (run->root)
        keeper_pool_hash_ahead(k->pool, run->root, run->num);
}

void keeper_hash_ahead(struct keeper *k, struct keeper_request *const *requests, size_t num_requests)
{
    struct run run = {0};
    const struct keeper_order *order;
    for (size_t i = 0; i < num_requests; i++) {
        TAILQ_FOREACH(order, &requests[i]->resting, in_list)
        {
            if (order->answer.status == IPC_ANSWER_SLASHABLE)
                continue;
            const uint8_t *root = order->answer.signing_root;
            if (!run.root || memcmp(run.root, root, ETH2_ROOT_LEN) != 0) {
                end_run(k, &run);
                run = (struct run){.root = root};
            }
            run.num++;
        }
    }
    end_run(k, &run);
}
