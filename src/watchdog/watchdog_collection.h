/* watchdog_collection.h - encrypted keys as they are found, one after the other, and the members of an init
 * message that they become. Ciphertexts only. */
#ifndef WATCHDOG_WATCHDOG_COLLECTION_H
#define WATCHDOG_WATCHDOG_COLLECTION_H

#include "base/buffer.h"
#include "json/json.h"

enum { WATCHDOG_PUBKEY_LEN = 48 };

struct watchdog_items {
    struct buffer encrypted_validator_keys; /* a JSON list of base64 texts */
    struct buffer validator_pubkeys;        /* the same of 96 hex digits each: whose these are */
    struct buffer sealed_validator_keys;    /* a JSON list of batches, or empty when there is none */
    size_t num_keys, num_batches;
    size_t num_inactive;             /* items with active: false, which are skipped */
    size_t num_refused;              /* items of a table that are not of the form, and were skipped */
    struct buffer encrypted_tls_key; /* base64 */
};
void watchdog_items_cleanup(struct watchdog_items *items);

/* Everything found so far. The zero state is nothing. */
struct watchdog_collection {
    struct watchdog_items items;
    struct buffer pubkeys; /* of active keys, one behind the other: they are sorted at the end */
    size_t num_tls;
};
void watchdog_collection_cleanup(struct watchdog_collection *collection);

/* The member of that name, which must be base64 of a KMS ciphertext; for the attributes of any item. */
must_check result watchdog_ciphertext(const char **ret_text, const struct json_view *item, const char *name);
/* The same for a text that was got otherwise. */
must_check result watchdog_ciphertext_check(const char *text, size_t text_len);

/* E_TOO_LARGE over what one init message holds; E_INPUT for a public key of zeros. */
must_check result watchdog_collect_key(struct watchdog_collection *collection,
                                       const uint8_t pubkey[static WATCHDOG_PUBKEY_LEN],
                                       const char *ciphertext);

struct watchdog_batch {
    const char *web3signer_uuid;
    const char *encrypted_data_key; /* base64 */
    const char *keys;               /* base64 */
    size_t keys_len;
};
/* E_INPUT when keys are not sealed keys (PROTOCOL.control, "Sealed keys"); nothing is added then. */
must_check result watchdog_collect_batch(struct watchdog_collection *collection,
                                         const struct watchdog_batch *batch);
must_check result watchdog_collect_tls(struct watchdog_collection *collection, const char *ciphertext);

/* All has been found: hands it over. E_INPUT, beginning with where, when there is no active key, a key is
 * there twice, or there is any number of TLS keys but one. */
must_check result watchdog_collection_end(struct watchdog_items *ret_items,
                                          struct watchdog_collection *collection, const char *where);

#endif
