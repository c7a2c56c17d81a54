/* keeper_identity.c - documents that say who this signer is: its TLS key, its validators, how far its
 * protection has come (PROTOCOL.control section 7). The courier gets them at once, the front's clients when
 * there is nothing to sign.
 *
 * A request to the NSM stops this process, for tens of milliseconds on hardware, and any client of the
 * front's may ask. So only one waits, it yields to every order, and after it the NSM rests for nine times as
 * long as it took: strangers get a tenth of the keeper's time at most. Rejected: a thread or a process for
 * the NSM, which would need what is attested outside of the process that answers for it. */
#include "keeper.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "slashing/slashing_attested.h"
#include "slashing/slashing_codec.h"

enum { LEAST_PAUSE_MS = 200, PAUSE_FACTOR = 9, PATIENCE_MS = 2000, NS_A_MS = 1000000 };

static int compare_keys(const void *a, const void *b)
{
    return memcmp((*(const struct keeper_key *const *)a)->pubkey,
                  (*(const struct keeper_key *const *)b)->pubkey, BLS_PUBKEY_LEN);
}

static must_check result digest(uint8_t ret_digest[static IPC_DIGEST_LEN], const struct buffer *text)
{
    ENSURE(EVP_Digest(text->data, text->length, ret_digest, NULL, EVP_sha256(), NULL) == 1, E_CRYPTO,
           "SHA-256 failed");
    return RESULT_OK;
}

/* The keys are in ascending order. What memory has of their records: as last known to be durable. */
static must_check result digest_keys(struct slashing_attested *state, struct keeper_key **keys,
                                     uint32_t count)
{
    AUTO(buffer) pubkeys = {0};
    AUTO(buffer) records = {0};
    TRY(buffer_reserve(&records, (size_t)count * SLASHING_RECORD_BYTES));
    for (uint32_t i = 0; i < count; i++) {
        TRY(buffer_append(&pubkeys, keys[i]->pubkey, BLS_PUBKEY_LEN));
        slashing_record_encode(records.data + records.length, &keys[i]->record);
        records.length += SLASHING_RECORD_BYTES;
        slashing_attested_count(state, &keys[i]->record);
    }
    TRY(digest(state->public_keys, &pubkeys));
    return digest(state->records, &records);
}

static must_check result tell(struct keeper *k, struct slashing_attested *state)
{
    uint32_t count = k->keys ? keeper_keys_count(k->keys) : 0;
    struct keeper_key **keys = calloc(count ? count : 1, sizeof(struct keeper_key *));
    ENSURE(keys, E_MEMORY, "out of memory for %u keys", count);
    for (uint32_t i = 0; i < count; i++)
        keys[i] = keeper_keys_at(k->keys, i);
    qsort(keys, count, sizeof(struct keeper_key *), compare_keys);
    memcpy(state->tls_key, k->tls_spki_digest, sizeof state->tls_key);
    state->generation = k->store.generation;
    result r = digest_keys(state, keys, count);
    free(keys);
    return r;
}

result keeper_identity_attest(struct keeper *k, struct buffer *out, struct ipc_bytes nonce)
{
    struct slashing_attested state = {0};
    uint8_t bytes[SLASHING_ATTESTED_BYTES];
    TRY(tell(k, &state));
    slashing_attested_encode(bytes, &state);
    return nsm_attest(&k->nsm, out, bytes, sizeof bytes, nonce.length ? nonce.data : NULL, nonce.length, NULL,
                      0);
}

result keeper_identity_want(struct keeper *k, struct ipc_bytes nonce)
{
    struct keeper_identity *i = &k->identity;
    ENSURE(!i->is_wanted, E_STATE, "a document is wanted before the last one came");
    ENSURE(nonce.length <= sizeof i->nonce, E_INPUT, "a nonce of %u bytes is too long", nonce.length);
    memcpy(i->nonce, nonce.data, nonce.length);
    i->nonce_len = nonce.length;
    i->is_wanted = true;
    i->until_ns = clock_monotonic_ns() + (uint64_t)PATIENCE_MS * NS_A_MS;
    return RESULT_OK;
}

static void answer(struct keeper *k, const struct buffer *document)
{
    struct packer p = keeper_pack(k);
    ipc_pack_bytes_message(&p, IPC_IDENTITY, (struct ipc_bytes){document->data, (uint32_t)document->length});
    keeper_send(&k->front, &p);
    k->identity.is_wanted = false;
}

static void attest(struct keeper *k)
{
    struct keeper_identity *i = &k->identity;
    AUTO(buffer) document = {0};
    uint64_t began = clock_monotonic_ns();
    if (keeper_identity_attest(k, &document, (struct ipc_bytes){i->nonce, i->nonce_len}).code) {
        log_error("attestation: %s", error_text());
        document.length = 0;
    }
    uint64_t ended = clock_monotonic_ns(), pause = PAUSE_FACTOR * (ended - began);
    uint64_t least = (uint64_t)LEAST_PAUSE_MS * NS_A_MS;
    i->not_before_ns = ended + (pause > least ? pause : least);
    answer(k, &document);
}

/* While there are orders, their end wakes the loop. */
uint64_t keeper_identity_due_ns(const struct keeper *k)
{
    const struct keeper_identity *i = &k->identity;
    if (!i->is_wanted)
        return UINT64_MAX;
    bool is_next = k->orders.num_orders == 0 && i->not_before_ns < i->until_ns;
    return is_next ? i->not_before_ns : i->until_ns;
}

void keeper_identity_turn(struct keeper *k)
{
    static const struct buffer none;
    uint64_t now = clock_monotonic_ns();
    if (k->front.broken || now < keeper_identity_due_ns(k))
        return;
    if (now >= k->identity.until_ns)
        answer(k, &none);
    else
        attest(k);
}
