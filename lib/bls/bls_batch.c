/* bls_batch.c - one message, many keys: what of a signature is the message's alone is done once, for all keys
 * and all threads (bls_messages.c): its hash to the curve; and, from the third key on, a table of the hash's
 * multiples (bls_multiples.c), with which a key costs less than a tenth of a signature by blst. Before that
 * the hash is multiplied by each secret by itself (bls_single.c).
 *
 * Messages are public, and so is who asked for them: that a second signature of a message takes less time
 * than the first tells a client what it knows. Signing itself is constant time in the secrets, see
 * bls_multiples.c and blst. Everything is allocated at the start: the work, which tells of the secrets, in
 * the secure heap, one for each thread.
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
#include "bls/bls_messages.h"
#include "bls/bls_single.h"

_Static_assert((int)BLS_BATCH_MAX == BLS_MULTIPLES_TOGETHER, "what is signed together");

struct bls_batch {
    struct bls_messages *messages;
    struct secret work;
};

result bls_batch_new(struct bls_batch **ret_batch, struct bls_messages *messages)
{
    struct bls_batch *batch = calloc(1, sizeof *batch);
    ENSURE(batch, E_MEMORY, "out of memory");
    batch->messages = messages;
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

static struct bls_multiples_work *work_of(const struct bls_batch *batch)
{
    return (struct bls_multiples_work *)(void *)batch->work.data;
}

result bls_batch_prepare(struct bls_batch *batch, const uint8_t message[static BLS_MESSAGE_LEN], size_t num)
{
    struct bls_known known;
    if (bls_messages_are_prepared(batch->messages, message, num))
        return RESULT_OK;
    TRY(bls_messages_take(batch->messages, &known, message));
    result r = bls_messages_take_table(batch->messages, &known, work_of(batch), num);
    bls_messages_give_back(batch->messages, &known);
    return r;
}

/* They always are: to branch on that tells nothing. */
static must_check __attribute__((noinline)) result check_sums(const struct bls_g2_lane *lanes, size_t num)
{
    for (size_t i = 0; i < num; i++)
        ENSURE(blst_p2_affine_on_curve(&lanes[i].sum), E_INTERNAL, "a signature that is not on the curve");
    return RESULT_OK;
}

static must_check result multiply(struct bls_multiples_work *work, uint8_t *ret_signatures,
                                  const struct bls_known *known, const uint8_t *const *secrets, size_t num)
{
    size_t num_lanes = num == 1 ? BLS_SINGLE_LANES : num * BLS_SPLIT_PARTS;
    result r = known->table ? bls_multiples_take(work, bls_messages_multiples(known), secrets, num)
                            : bls_single_take(work, known->hash, secrets[0]);
    if (!r.code)
        r = check_sums(work->lanes, num);
    for (size_t i = 0; i < num && !r.code; i++)
        blst_p2_affine_compress(ret_signatures + i * BLS_SIGNATURE_LEN, &work->lanes[i].sum);
    secret_wipe(work->splits, num * sizeof work->splits[0]);
    secret_wipe(work->lanes, num_lanes * sizeof work->lanes[0]);
    secret_wipe_stack();
    return r;
}

static must_check result sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                              size_t num, struct bls_known *known)
{
    TRY(bls_messages_take_table(batch->messages, known, work_of(batch), num));
    bls_messages_count(batch->messages, known, num);
    result r = RESULT_OK;
    for (size_t i = 0; i < num && !r.code; i += known->table ? num : 1)
        r = multiply(work_of(batch), ret_signatures + i * BLS_SIGNATURE_LEN, known, secrets + i,
                     known->table ? num : 1);
    if (r.code)
        bls_messages_forget(batch->messages, known); /* whatever was wrong with it */
    return r;
}

result bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                      size_t num_secrets, const uint8_t message[static BLS_MESSAGE_LEN])
{
    struct bls_known known;
    memset(ret_signatures, 0, num_secrets * BLS_SIGNATURE_LEN);
    ENSURE(num_secrets <= BLS_BATCH_MAX, E_INTERNAL, "%zu signatures at once", num_secrets);
    for (size_t i = 0; i < num_secrets; i++)
        TRY(bls_secret_check(secrets[i]));
    if (num_secrets == 0)
        return RESULT_OK;
    TRY(bls_messages_take(batch->messages, &known, message));
    result r = sign(batch, ret_signatures, secrets, num_secrets, &known);
    bls_messages_give_back(batch->messages, &known);
    if (r.code)
        memset(ret_signatures, 0, num_secrets * BLS_SIGNATURE_LEN);
    return r;
}
