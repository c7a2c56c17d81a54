/* interchange_dynamodb.h - opening a DynamoDB table whose key is at hand. */
#ifndef INTERCHANGE_INTERCHANGE_DYNAMODB_H
#define INTERCHANGE_INTERCHANGE_DYNAMODB_H

#include "interchange_store.h"

/* Reads the key and the credentials, connects, and checks the seal of the head, and that the table is the one
 * meant. E_UNSUPPORTED when its key is KMS's to release; E_STATE when it was begun and not finished. On
 * failure ret_store is to be cleaned up as well. */
must_check result interchange_dynamodb_open(struct interchange_store *ret_store,
                                            const struct interchange_table *table);

#endif
