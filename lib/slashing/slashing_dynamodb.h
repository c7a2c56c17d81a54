/* slashing_dynamodb.h - the store of enclaves and fleets: one DynamoDB table, one item a validator and one
 * for the head. Target slashing_dynamodb.
 *
 *   pk                    S  "store" for the head, "0x" and 96 hexadecimal digits for a validator
 *   format                N  1
 *   a validator: disabled BOOL; block_slot N, block_root B; source_epoch N, target_epoch N, attestation_root
 * B; generation N; mac B the head:    genesis_validators_root B; high_epoch N, high_slot N; generation N;
 * num_validators N; store_id B; sealed_key B; mac B; write_token S (of the call that wrote it last)
 *
 * What a record or head does not have is absent. An item with anything else in it is refused. The store
 * compares and keeps MACs and does not verify them: that is its caller's (slashing_seal.h,
 * slashing_sealed.h). A write is right or wrong by one condition, evaluated by DynamoDB itself: the stored
 * mac is still the one that the writer read. A handle serves one thread at a time; several handles may be
 * open. All network failures are E_STORE. aws_library_open comes first.
 *
 * With an account, the table's ARN is asked for (DescribeTable) before anything else is sent with a set of
 * credentials. While it is not that table of that account, or has become another table of the name,
 * everything is E_STORE.
 */
#ifndef SLASHING_SLASHING_DYNAMODB_H
#define SLASHING_SLASHING_DYNAMODB_H

#include "aws/aws_credentials.h"
#include "base/buffer.h"
#include "net/net_address.h"
#include "slashing/slashing_store.h"

/* Nothing is owned; everything is copied. Zero in a number means its default. */
struct slashing_dynamodb_config {
    const char *endpoint; /* NULL: https://dynamodb.REGION.amazonaws.com */
    const char *region;
    const char *table;             /* 3 to 255 letters, digits, '_', '-', '.' */
    const char *account;           /* AWS account of the table, 12 digits; NULL: any */
    const struct net_address *via; /* where to connect instead; NULL: the endpoint itself, by DNS */
    const struct buffer *ca_pem;   /* the only certificate authorities trusted; NULL: the system's */
    unsigned connections;          /* at most so many; default 32 */
    int attempt_timeout_ms;        /* one exchange, connection included; default 1250 */
    int deadline_ms;               /* of one call, retries included; default 4000 */
};

/* Connects to nothing yet. E_INPUT names what is wrong with the configuration. */
must_check result slashing_dynamodb_open(struct slashing_store **ret_store,
                                         const struct slashing_dynamodb_config *config);

/* What the following calls are signed with; a copy. Until then they fail. Only for stores of this kind. */
must_check result slashing_dynamodb_set_credentials(struct slashing_store *store,
                                                    const struct aws_credentials *credentials);

/* Makes the table (on demand, nothing else set) unless it is there, and waits until it can be used. Only
 * without an account: a table that is not there has none.
 * E_MISMATCH when there is one whose key is not pk, a string. */
must_check result slashing_dynamodb_create_table(struct slashing_store *store, bool *ret_created);

#endif
