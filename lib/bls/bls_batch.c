/* bls_batch.c - one message, many keys: what of a signature is the message's alone is done once.
 *
 * That is its hash to the curve, half of a signature; and, from the second key on, a table of the hash's
 * multiples (bls_multiples.c), with which a key costs less than a tenth of a signature by blst. Both are kept
 * for the messages that were signed last, because orders for the same message come in several packets. The
 * table takes the time of one multiplication by blst, so that two signatures with it already take less than
 * two without; the longer digits take half as much again, and save a thirteenth of every signature.
 *
 * Messages are public, and so is who asked for them: that a second signature of a message takes less time
 * than the first tells a client what it knows. Signing itself is constant time in the secrets, see
 * bls_multiples.c and blst. Everything is allocated at the start: the work, which tells of the secrets, in
 * the secure heap.
 *
 * A table stays for long, and one wrong entry, by a fault of the memory, would be in the signatures of many
 * keys and tell of their secrets: so each is a point of the curve, or is not released, and the table is made
 * anew the next time. That is a hundredth of the time, and an addition with a wrong operand does not end on
 * the curve.
 *
 * Rejected: digits of four bits for two to seven signatures (up to a twelfth faster) and of seven bits
 * (tables beyond the processor's caches); verifying the signatures, which blst's own do not have either, and
 * which takes longer than they do. */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "bls/bls.h"
#include "bls/bls_message.h"
#include "bls/bls_multiples.h"

enum {
    MESSAGES = 16,
    TABLE_FROM = 2, /* signatures of a message */
    BITS = 5,
    LONG_BITS = 6,
    LONG_FROM = 32,       /* if there is no table yet */
    LONG_AGAIN_FROM = 128 /* if there is one already */
};

_Static_assert((int)BLS_BATCH_MAX == BLS_MULTIPLES_TOGETHER, "what is signed together");

struct known_message {
    uint64_t used; /* 0: free; else the higher the later */
    size_t num_signed;
    uint8_t message[BLS_MESSAGE_LEN];
    blst_p2 hash;
    struct bls_multiples multiples;
};

struct bls_batch {
    struct known_message messages[MESSAGES];
    uint64_t uses;
    struct secret work;
};

result bls_batch_new(struct bls_batch **ret_batch)
{
    struct bls_batch *batch = calloc(1, sizeof *batch);
    ENSURE(batch, E_MEMORY, "out of memory for tables of points");
    result r = secret_new(&batch->work, sizeof(struct bls_multiples_work));
    if (r.code) {
        free(batch);
        return r;
    }
    *ret_batch = batch;
    return RESULT_OK;
}

void bls_batch_free(struct bls_batch *batch)
{
    if (!batch)
        return;
    secret_cleanup(&batch->work);
    free(batch);
}

/* The message's place, or that of the one used longest ago. */
static struct known_message *find(struct bls_batch *batch, const uint8_t message[static BLS_MESSAGE_LEN])
{
    struct known_message *found = &batch->messages[0];
    for (size_t i = 0; i < MESSAGES; i++) {
        struct known_message *known = &batch->messages[i];
        if (known->used && memcmp(known->message, message, BLS_MESSAGE_LEN) == 0) {
            found = known;
            break;
        }
        if (known->used < found->used)
            found = known;
    }
    if (!found->used || memcmp(found->message, message, BLS_MESSAGE_LEN) != 0) {
        found->num_signed = 0;
        found->multiples.bits = 0;
        memcpy(found->message, message, BLS_MESSAGE_LEN);
        bls_message_hash(&found->hash, message, BLS_MESSAGE_LEN);
    }
    found->used = ++batch->uses;
    return found;
}

static unsigned bits_for(const struct known_message *known)
{
    size_t long_from = known->multiples.bits ? LONG_AGAIN_FROM : LONG_FROM;
    return known->num_signed >= long_from ? LONG_BITS : BITS;
}

/* They always are: to branch on that tells nothing. */
static must_check __attribute__((noinline)) result check_sums(const struct bls_g2_lane *lanes, size_t num)
{
    for (size_t i = 0; i < num; i++)
        ENSURE(blst_p2_affine_on_curve(&lanes[i].sum), E_INTERNAL, "a signature that is not on the curve");
    return RESULT_OK;
}

static must_check result sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                              size_t num, struct known_message *known)
{
    struct bls_multiples_work *work = (struct bls_multiples_work *)(void *)batch->work.data;
    known->num_signed += num;
    if (known->num_signed < TABLE_FROM)
        return bls_message_sign(ret_signatures, secrets[0], &known->hash);
    if (known->multiples.bits < bits_for(known))
        TRY(bls_multiples_make(&known->multiples, work, &known->hash, bits_for(known)));
    result r = bls_multiples_take(work, &known->multiples, secrets, num);
    if (!r.code)
        r = check_sums(work->lanes, num);
    if (r.code)
        known->used = 0; /* whatever was wrong with it */
    for (size_t i = 0; i < num && !r.code; i++)
        blst_p2_affine_compress(ret_signatures + i * BLS_SIGNATURE_LEN, &work->lanes[i].sum);
    secret_wipe(work->splits, num * sizeof work->splits[0]);
    secret_wipe(work->lanes, num * BLS_SPLIT_PARTS * sizeof work->lanes[0]);
    secret_wipe_stack();
    return r;
}

result bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                      size_t num_secrets, const uint8_t message[static BLS_MESSAGE_LEN])
{
    memset(ret_signatures, 0, num_secrets * BLS_SIGNATURE_LEN);
    ENSURE(num_secrets <= BLS_BATCH_MAX, E_INTERNAL, "%zu signatures at once", num_secrets);
    for (size_t i = 0; i < num_secrets; i++)
        TRY(bls_secret_check(secrets[i]));
    if (num_secrets == 0)
        return RESULT_OK;
    result r = sign(batch, ret_signatures, secrets, num_secrets, find(batch, message));
    if (r.code)
        memset(ret_signatures, 0, num_secrets * BLS_SIGNATURE_LEN);
    return r;
}
