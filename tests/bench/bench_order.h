/* bench_order.h - the requests of the load: attestations with rising targets, one validator after
 * the other, as HTTP, and the judgement of an answer. */
#ifndef BENCH_ORDER_H
#define BENCH_ORDER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

/* Public keys in lower-case hex with 0x, one a line, read from a file. */
struct bench_keys {
    char (*texts)[99];
    size_t num_keys;
};
must_check result bench_keys_read(struct bench_keys *ret_keys, const char *path);
void bench_keys_cleanup(struct bench_keys *k);

/* Appends a whole HTTP request: sign, with that key, the attestation of slot 32 * epoch whose target is
 * epoch and whose source is the epoch before, of committee index. epoch >= 1. */
must_check result bench_order_request(struct buffer *out, const char *key, uint64_t epoch, uint64_t index);

/* E_AUTH unless body contains that key's signature of that attestation. */
must_check result bench_order_verify(const char *key, uint64_t epoch, uint64_t index, const char *body);

#endif
