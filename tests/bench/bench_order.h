/* bench_order.h - what the load generator asks for, and whether the answer is right. */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

enum bench_type {
    BENCH_ATTESTATION,     /* the same data for all keys of an epoch, as since Electra */
    BENCH_DISTINCT,        /* attestations, a committee index of its own for every key */
    BENCH_SELECTION_PROOF, /* AGGREGATION_SLOT: a thirty-second part of all keys has the same slot */
    BENCH_REGISTRATION,    /* VALIDATOR_REGISTRATION: names the key, so no two are the same */
    BENCH_MIX              /* of each eight keys one registration, one selection proof, six attestations */
};

/* E_INPUT: there is no such type. */
must_check result bench_type_by_name(enum bench_type *ret_type, const char *name);

struct bench_keys {
    char (*texts)[99]; /* "0x" and 96 digits */
    size_t num_keys;
};

must_check result bench_keys_read(struct bench_keys *ret_keys, const char *path);
void bench_keys_cleanup(struct bench_keys *k);

struct bench_order {
    enum bench_type type;
    const char *key;
    size_t number; /* of the key in its file */
    uint64_t epoch;
};

/* Appends the HTTP request. */
must_check result bench_order_request(struct buffer *out, const struct bench_order *order);

/* E_AUTH unless body holds the key's signature of exactly that. */
must_check result bench_order_verify(const struct bench_order *order, const char *body);

#endif
