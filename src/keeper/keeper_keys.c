/* keeper_keys.c - secrets packed in the secure heap, found by a keyed hash of the public key.
 *
 * Chunks hold thousands of secrets each, so that the heap's allocator is asked seldom and wastes
 * nothing on headers. The table is open addressing over indices; its hash is SipHash under a
 * random key, because the public keys are chosen by whoever fills the item table, who must not
 * be able to make them collide. Rejected: a sorted array - reloads would move records about. */
#include "keeper_keys.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#include "keeper_pool.h"

/* One less than a power of two: secret_new adds a byte, and the heap gives powers of two. */
enum { CHUNK_KEYS = 4095, HASH_KEY_LEN = 16, HASH_LEN = 16, FIRST_SLOTS = 1024 };

struct keeper_keys {
    struct keeper_key *entries;
    uint32_t num_entries, capacity;
    uint32_t *slots;    /* 1 + index of an entry, or 0 */
    uint32_t num_slots; /* a power of two, at least twice the entries */
    struct secret *chunks;
    size_t num_chunks;
    uint8_t hash_key[HASH_KEY_LEN];
    EVP_MAC *mac;
    EVP_MAC_CTX *mac_context;
};
typedef struct keeper_keys keeper_keys;
DEFINE_AUTO_POINTER(keeper_keys, keeper_keys_free)

result keeper_keys_new(struct keeper_keys **ret_keys)
{
    AUTO_POINTER(keeper_keys) keys = calloc(1, sizeof *keys);
    ENSURE(keys, E_MEMORY, "out of memory");
    keys->slots = calloc(FIRST_SLOTS, sizeof *keys->slots);
    ENSURE(keys->slots, E_MEMORY, "out of memory");
    keys->num_slots = FIRST_SLOTS;
    ENSURE(RAND_bytes(keys->hash_key, sizeof keys->hash_key) == 1, E_CRYPTO, "no random bytes");
    keys->mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    ENSURE(keys->mac, E_CRYPTO, "no SipHash");
    keys->mac_context = EVP_MAC_CTX_new(keys->mac);
    ENSURE(keys->mac_context, E_CRYPTO, "no SipHash");
    *ret_keys = TAKE(keys);
    return RESULT_OK;
}

void keeper_keys_free(struct keeper_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->num_chunks; i++)
        secret_cleanup(&keys->chunks[i]);
    free(keys->chunks);
    free(keys->entries);
    free(keys->slots);
    EVP_MAC_CTX_free(keys->mac_context);
    EVP_MAC_free(keys->mac);
    free(keys);
}

static must_check result hash(struct keeper_keys *keys, uint32_t *ret_hash,
                              const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    uint8_t digest[HASH_LEN];
    size_t digest_len = 0;
    /* The key is given anew each time: this is what resets the state in OpenSSL 3.0. */
    ENSURE(EVP_MAC_init(keys->mac_context, keys->hash_key, HASH_KEY_LEN, NULL) == 1 &&
               EVP_MAC_update(keys->mac_context, pubkey, BLS_PUBKEY_LEN) == 1 &&
               EVP_MAC_final(keys->mac_context, digest, &digest_len, sizeof digest) == 1 &&
               digest_len >= sizeof *ret_hash,
           E_CRYPTO, "SipHash failed");
    memcpy(ret_hash, digest, sizeof *ret_hash);
    return RESULT_OK;
}

/* The slot that holds the key, or the empty one where it belongs. */
static uint32_t *slot_of(const struct keeper_keys *keys, uint32_t hash_value,
                         const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    uint32_t at = hash_value & (keys->num_slots - 1);
    while (keys->slots[at] && memcmp(keys->entries[keys->slots[at] - 1].pubkey, pubkey, BLS_PUBKEY_LEN) != 0)
        at = (at + 1) & (keys->num_slots - 1);
    return &keys->slots[at];
}

static must_check result grow_slots(struct keeper_keys *keys)
{
    uint32_t *old = keys->slots, old_count = keys->num_slots;
    uint32_t *slots = calloc((size_t)old_count * 2, sizeof *slots);
    ENSURE(slots, E_MEMORY, "out of memory");
    keys->slots = slots;
    keys->num_slots = old_count * 2;
    for (uint32_t i = 0; i < keys->num_entries; i++) {
        uint32_t value = 0;
        result r = hash(keys, &value, keys->entries[i].pubkey);
        if (r.code) {
            keys->slots = old;
            keys->num_slots = old_count;
            free(slots);
            return r;
        }
        *slot_of(keys, value, keys->entries[i].pubkey) = i + 1;
    }
    free(old);
    return RESULT_OK;
}

/* Room for one more entry, its slot and its secret. */
static must_check result make_room(struct keeper_keys *keys)
{
    ENSURE(keys->num_entries < UINT32_MAX / 4, E_TOO_LARGE, "too many keys");
    if (keys->num_entries == keys->capacity) {
        uint32_t capacity = keys->capacity ? keys->capacity * 2 : 64;
        struct keeper_key *entries = realloc(keys->entries, capacity * sizeof *entries);
        ENSURE(entries, E_MEMORY, "out of memory for %u keys", capacity);
        keys->entries = entries;
        keys->capacity = capacity;
    }
    if (keys->num_entries >= keys->num_slots / 2)
        TRY(grow_slots(keys));
    if (keys->num_entries == keys->num_chunks * CHUNK_KEYS) {
        struct secret *chunks = realloc(keys->chunks, (keys->num_chunks + 1) * sizeof *chunks);
        ENSURE(chunks, E_MEMORY, "out of memory");
        keys->chunks = chunks;
        TRY(secret_new(&keys->chunks[keys->num_chunks], (size_t)CHUNK_KEYS * BLS_SECRET_LEN));
        keys->num_chunks++;
    }
    return RESULT_OK;
}

static uint8_t *secret_at(const struct keeper_keys *keys, uint32_t index)
{
    return keys->chunks[index / CHUNK_KEYS].data + (size_t)(index % CHUNK_KEYS) * BLS_SECRET_LEN;
}

static must_check result add(struct keeper_keys *keys, bool *ret_added, const uint8_t *secret,
                             const struct keeper_key *key)
{
    uint32_t value = 0;
    TRY(make_room(keys));
    TRY(hash(keys, &value, key->pubkey));
    uint32_t *slot = slot_of(keys, value, key->pubkey);
    *ret_added = *slot == 0;
    if (*slot)
        return RESULT_OK;
    uint32_t index = keys->num_entries++;
    keys->entries[index] = *key;
    keys->entries[index].index = index;
    memcpy(secret_at(keys, index), secret, BLS_SECRET_LEN);
    *slot = index + 1;
    return RESULT_OK;
}

result keeper_keys_add(struct keeper_keys *keys, bool *ret_added, const uint8_t secret[static BLS_SECRET_LEN],
                       const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    struct keeper_new_key one = {.secret = secret, .pubkey = pubkey};
    TRY(keeper_keys_add_many(keys, &one, 1, NULL, NULL));
    *ret_added = one.added;
    return RESULT_OK;
}

static must_check result public_keys(uint8_t *ret_pubkeys, const struct keeper_new_key *list, uint32_t num,
                                     const struct bls_fixed_base *base, struct keeper_pool *pool)
{
    const uint8_t *secrets[KEEPER_NEW_KEYS_MAX] = {0};
    for (uint32_t i = 0; i < num; i++) {
        secrets[i] = list[i].secret;
        if (!base)
            TRY(bls_public_key(ret_pubkeys + (size_t)i * BLS_PUBKEY_LEN, secrets[i]));
    }
    return base ? keeper_pool_public_keys(pool, base, ret_pubkeys, secrets, num) : RESULT_OK;
}

/* Records are kept by public key: one secret under two of them could sign twice. So what the loader says a
 * public key is, is computed here again. */
result keeper_keys_add_many(struct keeper_keys *keys, struct keeper_new_key *list, uint32_t num,
                            const struct bls_fixed_base *base, struct keeper_pool *pool)
{
    uint8_t pubkeys[KEEPER_NEW_KEYS_MAX * BLS_PUBKEY_LEN];
    ENSURE(num <= KEEPER_NEW_KEYS_MAX, E_TOO_LARGE, "more than %d keys at once", KEEPER_NEW_KEYS_MAX);
    TRY(public_keys(pubkeys, list, num, base, pool));
    for (uint32_t i = 0; i < num; i++)
        ENSURE(memcmp(pubkeys + (size_t)i * BLS_PUBKEY_LEN, list[i].pubkey, BLS_PUBKEY_LEN) == 0, E_MISMATCH,
               "a public key is not that of its secret");
    for (uint32_t i = 0; i < num; i++) {
        struct keeper_key key = {0};
        memcpy(key.pubkey, list[i].pubkey, BLS_PUBKEY_LEN);
        TRY(add(keys, &list[i].added, list[i].secret, &key));
    }
    return RESULT_OK;
}

result keeper_keys_add_some(struct keeper_keys *keys, struct keeper_keys *from, keeper_keys_wanted *wanted,
                            void *context)
{
    for (uint32_t i = 0; i < from->num_entries; i++) {
        bool added = false;
        if (wanted(context, &from->entries[i]))
            TRY(add(keys, &added, secret_at(from, i), &from->entries[i]));
    }
    return RESULT_OK;
}

static bool any_key(void *context, const struct keeper_key *key)
{
    (void)context, (void)key;
    return true;
}

result keeper_keys_add_all(struct keeper_keys *keys, struct keeper_keys *from)
{
    return keeper_keys_add_some(keys, from, any_key, NULL);
}

result keeper_keys_remember(struct keeper_keys *keys, const struct keeper_key *key)
{
    static const uint8_t no_secret[BLS_SECRET_LEN];
    bool added = false;
    TRY(add(keys, &added, no_secret, key));
    struct keeper_key *kept = keeper_keys_find(keys, key->pubkey);
    ENSURE(kept, E_INTERNAL, "a key that was added is not there");
    uint32_t index = kept->index;
    *kept = *key;
    kept->index = index;
    kept->in_doubt = kept->in_doubt || kept->request;
    kept->request = NULL;
    return RESULT_OK;
}

struct keeper_key *keeper_keys_find(struct keeper_keys *keys, const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    uint32_t value = 0;
    if (hash(keys, &value, pubkey).code)
        return NULL;
    uint32_t slot = *slot_of(keys, value, pubkey);
    return slot ? &keys->entries[slot - 1] : NULL;
}

uint32_t keeper_keys_count(const struct keeper_keys *keys)
{
    return keys->num_entries;
}

struct keeper_key *keeper_keys_at(struct keeper_keys *keys, uint32_t index)
{
    return &keys->entries[index];
}

const uint8_t *keeper_keys_secret(const struct keeper_keys *keys, const struct keeper_key *key)
{
    return secret_at(keys, key->index);
}
