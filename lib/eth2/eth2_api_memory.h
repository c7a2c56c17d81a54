/* eth2_api_memory.h - request bodies that were parsed lately: all validators of a slot attest to the same,
 * and their requests differ in the public key alone, which is not in the body.
 */
#ifndef ETH2_API_MEMORY_H
#define ETH2_API_MEMORY_H

#include "eth2/eth2_api.h"

enum { ETH2_API_MEMORY_BODY_MAX = 2048, ETH2_API_MEMORY_BODIES = 8 };

struct eth2_api_text {
    const char *data;
    size_t length;
};

struct eth2_api_remembered {
    size_t body_len; /* 0: nothing yet */
    char body[ETH2_API_MEMORY_BODY_MAX];
    struct eth2_order order;
    enum eth2_api_shape shape;
};

/* All zero at the start. */
struct eth2_api_memory {
    struct eth2_network network; /* that they were parsed for */
    struct eth2_api_remembered bodies[ETH2_API_MEMORY_BODIES];
    size_t num_kept; /* ever */
};

/* As eth2_api_parse_shape, of which the result is the same. */
must_check result eth2_api_recall(struct eth2_order *ret_order, enum eth2_api_shape *ret_shape,
                                  struct eth2_api_memory *memory, const struct eth2_network *network,
                                  struct eth2_api_text body);

#endif
