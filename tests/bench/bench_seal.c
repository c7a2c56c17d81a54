/* bench_seal.c - random keys, sealed as PROTOCOL.control section 8 says, for starts with thousands of them;
 * and how long their public keys take, beside blst's own way.
 *
 *   bench_seal COUNT UUID     data key as 64 hexadecimal digits on standard input, blobs on standard output
 *   bench_seal compare COUNT  two numbers: microseconds of a processor for a public key in a batch, and one
 * by one, by turns
 */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "nitro/nitro_sealed.h"

enum { COUNT_MAX = 131072, TURN = 512 };

struct keys {
    struct bls_fixed_base *base;
    uint8_t secrets[COUNT_MAX][BLS_SECRET_LEN], pubkeys[COUNT_MAX][BLS_PUBKEY_LEN];
    const uint8_t *list[COUNT_MAX];
    size_t num;
};

static must_check result make_keys(struct keys *keys, const char *count)
{
    keys->num = strtoul(count, NULL, 10);
    ENSURE(keys->num >= 1 && keys->num <= COUNT_MAX, E_INPUT, "COUNT: must be from 1 to %d", COUNT_MAX);
    TRY(bls_fixed_base_new(&keys->base));
    ENSURE(RAND_bytes(keys->secrets[0], (int)(keys->num * BLS_SECRET_LEN)) == 1, E_CRYPTO, "no random bytes");
    for (size_t i = 0; i < keys->num; i++) {
        keys->secrets[i][0] &= 0x3f;
        keys->list[i] = keys->secrets[i];
    }
    return bls_fixed_base_public_keys(keys->base, keys->pubkeys[0], keys->list, keys->num);
}

static must_check result seal(struct keys *keys, const char *uuid)
{
    char digits[2 * NITRO_SEALED_DATA_KEY_LEN + 1];
    AUTO(secret) data_key = {0};
    AUTO(nitro_sealed) sealed = {0};
    ENSURE(scanf("%64s", digits) == 1, E_INPUT, "standard input: no data key");
    TRY(secret_new(&data_key, NITRO_SEALED_DATA_KEY_LEN));
    TRY(hex_decode(data_key.data, data_key.length, digits, strlen(digits)));
    TRY(nitro_sealed_begin(&sealed, &data_key, uuid, true));
    for (size_t i = 0; i < keys->num; i++) {
        uint8_t blob[NITRO_SEALED_LEN];
        TRY(nitro_sealed_seal(&sealed, blob, keys->secrets[i], keys->pubkeys[i]));
        TRY(file_write_full(1, blob, sizeof blob));
    }
    return RESULT_OK;
}

static uint64_t spent_ns(void)
{
    struct timespec spent;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * 1000000000 + (uint64_t)spent.tv_nsec;
}

static must_check result compare(struct keys *keys)
{
    uint64_t batch_ns = 0, single_ns = 0;
    for (size_t done = 0, num = 0; done < keys->num; done += num) {
        uint8_t pubkey[BLS_PUBKEY_LEN];
        num = keys->num - done < TURN ? keys->num - done : TURN;
        uint64_t begun = spent_ns();
        TRY(bls_fixed_base_public_keys(keys->base, keys->pubkeys[done], keys->list + done, num));
        uint64_t between = spent_ns();
        for (size_t i = 0; i < num; i++) {
            TRY(bls_public_key(pubkey, keys->secrets[done + i]));
            ENSURE(memcmp(pubkey, keys->pubkeys[done + i], sizeof pubkey) == 0, E_INTERNAL, "another key");
        }
        single_ns += spent_ns() - between;
        batch_ns += between - begun;
    }
    (void)printf("%.2f %.2f\n", (double)batch_ns / 1e3 / (double)keys->num,
                 (double)single_ns / 1e3 / (double)keys->num);
    return RESULT_OK;
}

int main(int argc, char *argv[])
{
    static struct keys keys;
    bool compares = argc == 3 && strcmp(argv[1], "compare") == 0;
    result r = argc == 3 ? secret_heap_open(1 << 20)
                         : error_set(E_INPUT, "usage: bench_seal COUNT UUID | compare COUNT");
    if (!r.code)
        r = make_keys(&keys, compares ? argv[2] : argv[1]);
    if (!r.code)
        r = compares ? compare(&keys) : seal(&keys, argv[2]);
    if (r.code)
        (void)fprintf(stderr, "bench_seal: %s\n", error_text());
    bls_fixed_base_free(keys.base);
    return r.code ? 1 : 0;
}
