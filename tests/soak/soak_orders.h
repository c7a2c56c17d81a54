/* soak_orders.h - what the load generator asks for: votes and blocks as tests/integration/fleet_judge.py
 * words them. */
#ifndef SOAK_ORDERS_H
#define SOAK_ORDERS_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

enum { SOAK_KEY_TEXT_LEN = 98 };

enum soak_kind { SOAK_BLOCK, SOAK_VOTE };

struct soak_message {
    enum soak_kind kind;
    uint32_t key;     /* its place in the file of keys */
    uint32_t low;     /* source epoch; 0 in a block */
    uint32_t high;    /* target epoch, or slot */
    uint32_t variant; /* messages of the same heights differ in it */
};

struct soak_heights {
    uint32_t slot, source, target; /* the highest that was asked for */
};

struct soak_orders {
    char (*keys)[SOAK_KEY_TEXT_LEN + 1];
    struct soak_heights *heights; /* of each key */
    struct soak_message *last;    /* what was asked for it last */
    uint32_t num_keys;
    const char *version, *genesis; /* of the fork info, "0x..." */
    uint64_t random;               /* state of the generator, never 0 */
};

/* One key a line. version and genesis are kept, not copied. */
must_check result soak_orders_open(struct soak_orders *ret_orders, const char *keys_file, const char *version,
                                   const char *genesis, uint32_t seed, uint32_t first_height);
void soak_orders_cleanup(struct soak_orders *o);

/* Mostly something new for a random key; the rest repeats, contradicts or surrounds what was asked before. */
void soak_orders_next(struct soak_message *ret_message, struct soak_orders *o);

/* Appends the HTTP request. */
must_check result soak_orders_request(struct buffer *out, const struct soak_orders *o,
                                      const struct soak_message *m);

#endif
