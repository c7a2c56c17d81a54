/* watchdog_items.h - where the encrypted keys come from: a directory of JSON items, DIR/validators/NAME.json
 * and DIR/tls/NAME.json, each with the attributes of the DynamoDB tables, and DIR/sealed/NAME.json, each a
 * batch of keys under one data key. Ciphertexts only. */
#ifndef WATCHDOG_WATCHDOG_ITEMS_H
#define WATCHDOG_WATCHDOG_ITEMS_H

#include "base/buffer.h"

struct watchdog_items {
    struct buffer encrypted_validator_keys; /* a JSON list of base64 texts */
    struct buffer sealed_validator_keys;    /* a JSON list of batches, or empty when there is none */
    size_t num_keys, num_batches;
    size_t num_inactive;             /* items with active: false, which are skipped */
    struct buffer encrypted_tls_key; /* base64 */
};
void watchdog_items_cleanup(struct watchdog_items *items);

/* Reads all items in the order of their names; validators or sealed may be missing. E_INPUT names file and
 * member; so do a key that is there twice, no active key, and any number of TLS items but one. */
must_check result watchdog_items_read(struct watchdog_items *ret_items, const char *directory);

#endif
