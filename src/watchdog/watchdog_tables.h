/* watchdog_tables.h - encrypted keys from the two DynamoDB tables of a stack (PROTOCOL.control section 10).
 */
#ifndef WATCHDOG_WATCHDOG_TABLES_H
#define WATCHDOG_WATCHDOG_TABLES_H

#include "aws/aws_client.h"
#include "watchdog_collection.h"

/* Nothing is owned. */
struct watchdog_tables {
    const char *validators, *tls;
    const char *stack_uuid; /* the partition: web3signer_uuid of this stack's keys */
};

/* All pages, read consistently. An item that is not of the form is logged with its key, counted in
 * num_refused and skipped: one damaged item must not keep a thousand keys from signing. E_INPUT when there is
 * no active key or a key is there twice, E_NOT_FOUND without a TLS key or a table; else as aws_client_call.
 */
must_check result watchdog_tables_read(struct watchdog_items *ret_items, const struct watchdog_tables *tables,
                                       struct aws_client *client, const struct aws_credentials *credentials,
                                       uint64_t deadline_ns);

#endif
