/* slashing_seal.c - three uses of one key, kept apart by a word in front of what is authenticated. */
#include "slashing/slashing_seal.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>

#include "slashing/slashing_codec.h"

enum { WORD_LEN = 32, TEXT_MAX = WORD_LEN + SLASHING_STORE_ID_LEN + 48 + SLASHING_HEAD_BYTES };

static const char identity_word[WORD_LEN] = "nitro-signer store identity 1";
static const char entry_word[WORD_LEN] = "nitro-signer store entry 1";
static const char head_word[WORD_LEN] = "nitro-signer store head 1";

result slashing_seal_open(struct slashing_seal *ret_seal, struct secret *key,
                          const uint8_t store_id[static SLASHING_STORE_ID_LEN])
{
    ENSURE(key->length == SLASHING_SEAL_KEY_LEN, E_INPUT, "the store's key must have %d bytes",
           SLASHING_SEAL_KEY_LEN);
    ret_seal->key = *key;
    *key = (struct secret){0};
    memcpy(ret_seal->store_id, store_id, SLASHING_STORE_ID_LEN);
    return RESULT_OK;
}

void slashing_seal_cleanup(struct slashing_seal *seal)
{
    secret_cleanup(&seal->key);
}

/* HMAC of word || store id || what. */
static must_check result authenticate(const struct slashing_seal *seal,
                                      uint8_t ret_mac[static SLASHING_MAC_LEN],
                                      const char word[static WORD_LEN], const uint8_t *what, size_t what_len)
{
    uint8_t text[TEXT_MAX], mac[SLASHING_MAC_LEN];
    struct packer p = {.data = text, .capacity = sizeof text};
    unsigned mac_len = 0;
    pack_bytes(&p, word, WORD_LEN);
    pack_bytes(&p, seal->store_id, SLASHING_STORE_ID_LEN);
    pack_bytes(&p, what, what_len);
    TRY(pack_end(&p));
    ENSURE(HMAC(EVP_sha256(), seal->key.data, (int)seal->key.length, text, p.length, mac, &mac_len) &&
               mac_len == sizeof mac,
           E_CRYPTO, "HMAC-SHA-256 failed");
    memcpy(ret_mac, mac, sizeof mac);
    return RESULT_OK;
}

result slashing_seal_identity(uint8_t ret_identity[static SLASHING_IDENTITY_LEN],
                              const struct slashing_seal *seal)
{
    return authenticate(seal, ret_identity, identity_word, seal->store_id, 0);
}

static must_check result entry_mac(const struct slashing_seal *seal, uint8_t ret_mac[static SLASHING_MAC_LEN],
                                   const struct slashing_entry *entry, const uint8_t pubkey[static 48])
{
    uint8_t bytes[48 + SLASHING_ENTRY_BYTES];
    memcpy(bytes, pubkey, 48);
    slashing_entry_encode(bytes + 48, entry);
    return authenticate(seal, ret_mac, entry_word, bytes, sizeof bytes - SLASHING_MAC_LEN);
}

static must_check result head_mac(const struct slashing_seal *seal, uint8_t ret_mac[static SLASHING_MAC_LEN],
                                  const struct slashing_head *head)
{
    uint8_t bytes[SLASHING_HEAD_BYTES];
    slashing_head_encode(bytes, head);
    return authenticate(seal, ret_mac, head_word, bytes, sizeof bytes - SLASHING_MAC_LEN);
}

result slashing_seal_entry(const struct slashing_seal *seal, struct slashing_entry *entry,
                           const uint8_t pubkey[static 48])
{
    return entry_mac(seal, entry->stamp.mac, entry, pubkey);
}

result slashing_seal_head(const struct slashing_seal *seal, struct slashing_head *head)
{
    memcpy(head->store_id, seal->store_id, sizeof head->store_id);
    return head_mac(seal, head->mac, head);
}

result slashing_seal_check_entry(const struct slashing_seal *seal, const struct slashing_entry *entry,
                                 const uint8_t pubkey[static 48])
{
    uint8_t mac[SLASHING_MAC_LEN];
    TRY(entry_mac(seal, mac, entry, pubkey));
    ENSURE(secret_equal(mac, entry->stamp.mac, sizeof mac), E_STORE,
           "a record is not sealed with this store's key: edited, or of another store or validator");
    return RESULT_OK;
}

result slashing_seal_check_head(const struct slashing_seal *seal, const struct slashing_head *head)
{
    uint8_t mac[SLASHING_MAC_LEN];
    TRY(head_mac(seal, mac, head));
    ENSURE(secret_equal(mac, head->mac, sizeof mac) &&
               memcmp(head->store_id, seal->store_id, sizeof head->store_id) == 0,
           E_STORE, "the store's head is not sealed with its key: edited, or of another store");
    return RESULT_OK;
}
