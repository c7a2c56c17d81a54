/* watchdog_items.h - where the encrypted keys come from: a directory of JSON items, DIR/validators/NAME.json
 * and DIR/tls/NAME.json, each with the attributes of the DynamoDB tables, and DIR/sealed/NAME.json, each a
 * batch of keys under one data key. Ciphertexts only. */
#ifndef WATCHDOG_WATCHDOG_ITEMS_H
#define WATCHDOG_WATCHDOG_ITEMS_H

#include "watchdog_collection.h"

/* Reads all items in the order of their names; validators or sealed may be missing. E_INPUT names file and
 * member; so do a key that is there twice, no active key, and any number of TLS items but one. */
must_check result watchdog_items_read(struct watchdog_items *ret_items, const char *directory);

#endif
