/* keeper_proxies.c - a list, and secrets packed in the secure heap as in keeper_keys.c.
 *
 * There are a handful of these keys a validator, and a limit of all of them: to look through the list costs
 * less than one signature. Rejected: to share keeper_keys.c, whose keys have slashing records and are
 * exchanged as a whole; these have none, and stay. */
#include "keeper_proxies.h"

#include <stdlib.h>
#include <string.h>

#include "ecdsa/ecdsa.h"

/* With the byte that secret_new adds, what the heap gives for 4 KiB. */
enum { CHUNK_KEYS = 127, SECRET_LEN = 32, FIRST_CAPACITY = 16 };

_Static_assert((int)KEEPER_PROXY_CHUNKS_MAX *CHUNK_KEYS >= (int)IPC_PROXIES_IN_ALL_MAX,
               "there is a chunk for every key");
_Static_assert((int)BLS_SECRET_LEN == SECRET_LEN && (int)ECDSA_SECRET_LEN == SECRET_LEN,
               "secrets of both schemes have one length");

void keeper_proxies_cleanup(struct keeper_proxies *proxies)
{
    for (size_t i = 0; i < KEEPER_PROXY_CHUNKS_MAX; i++)
        secret_cleanup(&proxies->chunks[i]);
    free(proxies->entries);
    *proxies = (struct keeper_proxies){0};
}

static uint8_t *secret_at(const struct keeper_proxies *proxies, uint32_t index)
{
    return proxies->chunks[index / CHUNK_KEYS].data + (size_t)(index % CHUNK_KEYS) * SECRET_LEN;
}

static must_check result check_pubkey(const struct ipc_proxy_key *key)
{
    uint8_t pubkey[BLS_PUBKEY_LEN] = {0};
    if (key->proxy.scheme == IPC_SCHEME_ECDSA)
        TRY(ecdsa_public_key(pubkey, key->secret));
    else
        TRY(bls_public_key(pubkey, key->secret));
    ENSURE(memcmp(pubkey, key->proxy.pubkey, sizeof pubkey) == 0, E_MISMATCH,
           "a proxy's public key is not that of its secret");
    return RESULT_OK;
}

/* Room for one more entry and its secret. */
static must_check result make_room(struct keeper_proxies *proxies)
{
    if (proxies->num_entries == proxies->capacity) {
        uint32_t capacity = proxies->capacity ? proxies->capacity * 2 : FIRST_CAPACITY;
        struct keeper_proxy *entries = realloc(proxies->entries, capacity * sizeof *entries);
        ENSURE(entries, E_MEMORY, "out of memory for proxy keys");
        proxies->entries = entries;
        proxies->capacity = capacity;
    }
    struct secret *chunk = &proxies->chunks[proxies->num_entries / CHUNK_KEYS];
    return chunk->data ? RESULT_OK : secret_new(chunk, (size_t)CHUNK_KEYS * SECRET_LEN);
}

result keeper_proxies_add(struct keeper_proxies *proxies, const struct ipc_proxy_key *key)
{
    TRY(check_pubkey(key));
    if (keeper_proxies_find(proxies, key->proxy.scheme, key->proxy.pubkey))
        return RESULT_OK;
    ENSURE(keeper_proxies_have_room(proxies, key->proxy.delegator), E_TOO_LARGE,
           "more proxy keys than %d for one consensus key, or %d in all", IPC_PROXIES_OF_KEY_MAX,
           IPC_PROXIES_IN_ALL_MAX);
    TRY(make_room(proxies));
    uint32_t index = proxies->num_entries++;
    struct keeper_proxy *entry = &proxies->entries[index];
    entry->scheme = key->proxy.scheme;
    memcpy(entry->delegator, key->proxy.delegator, sizeof entry->delegator);
    memcpy(entry->pubkey, key->proxy.pubkey, sizeof entry->pubkey);
    memcpy(secret_at(proxies, index), key->secret, SECRET_LEN);
    return RESULT_OK;
}

const struct keeper_proxy *keeper_proxies_find(const struct keeper_proxies *proxies, enum ipc_scheme scheme,
                                               const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    for (uint32_t i = 0; i < proxies->num_entries; i++) {
        const struct keeper_proxy *proxy = &proxies->entries[i];
        if (proxy->scheme == scheme && memcmp(proxy->pubkey, pubkey, sizeof proxy->pubkey) == 0)
            return proxy;
    }
    return NULL;
}

const uint8_t *keeper_proxies_secret(const struct keeper_proxies *proxies, const struct keeper_proxy *proxy)
{
    return secret_at(proxies, (uint32_t)(proxy - proxies->entries));
}

bool keeper_proxies_have_room(const struct keeper_proxies *proxies,
                              const uint8_t delegator[static BLS_PUBKEY_LEN])
{
    uint32_t num_of_key = 0;
    for (uint32_t i = 0; i < proxies->num_entries; i++)
        num_of_key += memcmp(proxies->entries[i].delegator, delegator, BLS_PUBKEY_LEN) == 0;
    return num_of_key < IPC_PROXIES_OF_KEY_MAX && proxies->num_entries < IPC_PROXIES_IN_ALL_MAX;
}
