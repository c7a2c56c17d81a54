/* courier_request.h - one message of the control port, parsed completely: nothing acts on JSON. */
#ifndef COURIER_REQUEST_H
#define COURIER_REQUEST_H

#include "aws/aws_credentials.h"
#include "base/buffer.h"
#include "ipc/ipc.h"

enum {
    COURIER_MESSAGE_MAX = 24 * 1024 * 1024, /* IPC_LOAD_KEYS_MAX sealed keys are 18 MiB */
    COURIER_RECORDS_MAX = 10000,            /* ciphertexts of single keys: each is a call of KMS */
    COURIER_BATCHES_MAX = 1024,
    COURIER_CIPHERTEXT_MAX = 6144 /* of KMS */
};

enum courier_operation {
    COURIER_INIT_STATE,
    COURIER_INIT,
    COURIER_CREDENTIALS,
    COURIER_RELOAD,
    COURIER_STATUS,
    COURIER_ATTEST
};

/* Where a ciphertext lies in courier_request.ciphertexts. */
struct courier_record {
    enum ipc_record_kind kind;
    uint32_t index; /* in the host's list; 0 for TLS; of a data key, which batch */
    uint32_t offset, length;
    bool has_pubkey;
    uint8_t pubkey[48]; /* whose key the host says it is: a label */
};

/* Sealed keys, which follow the record that is their data key. */
struct courier_batch {
    char uuid[IPC_UUID_MAX + 1];
    uint32_t index; /* of its first key: they count on from the host's list */
    uint32_t offset, num_keys;
};

/* Only the members of its operation are filled in. */
struct courier_request {
    enum courier_operation operation;
    struct buffer policy;               /* INIT */
    struct buffer access;               /* INIT; may be empty */
    struct aws_credentials credentials; /* INIT, CREDENTIALS */
    struct buffer ciphertexts;          /* INIT (TLS first), RELOAD; sealed keys too */
    struct courier_record *records;
    size_t num_records;
    struct courier_batch *batches;
    size_t num_batches;
    uint32_t num_keys;            /* of validators, in records and batches */
    uint8_t nonce[IPC_NONCE_MAX]; /* ATTEST */
    uint32_t nonce_len;
};

/* E_INPUT names the member that is missing, unknown, mistyped, too long or too many; values are never echoed.
 */
must_check result courier_request_parse(struct courier_request *ret_request, const char *text,
                                        size_t text_len);
/* One record more, in front of the others. */
must_check result courier_request_put_first(struct courier_request *request, enum ipc_record_kind kind,
                                            const uint8_t *ciphertext, uint32_t ciphertext_len);
void courier_request_cleanup(struct courier_request *request);
const char *courier_operation_name(enum courier_operation operation);

#endif
