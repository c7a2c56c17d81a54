/* lambda_operations.h - what an invocation does. Answers are JSON, appended to a buffer. */
#ifndef LAMBDA_OPERATIONS_H
#define LAMBDA_OPERATIONS_H

#include "aws/aws_client.h"
#include "lambda_environment.h"
#include "lambda_event.h"

/* What the runtime takes from us at most, in bytes. */
enum { LAMBDA_ANSWER_MAX = 6 * 1024 * 1024 };

struct lambda_call {
    const struct lambda_environment *environment;
    const struct buffer *authorities; /* PEM: of AWS's certificates */
    uint64_t deadline_ms;             /* as clock_realtime_ms */
};

must_check result lambda_operations_run(struct buffer *answer, const struct lambda_call *call,
                                        enum lambda_operation operation);

/* Milliseconds until the deadline, at most most; E_TIMEOUT when there are none. */
must_check result lambda_time_left(int *ret_ms, const struct lambda_call *call, int most);

/* A client of this invocation's own: what a frozen process kept open is dead when it is thawed. */
must_check result lambda_kms_open(struct aws_client **ret_client, const struct lambda_call *call);
must_check result lambda_dynamodb_open(struct aws_client **ret_client, const struct lambda_call *call);
typedef struct aws_client aws_client;
DEFINE_AUTO_POINTER(aws_client, aws_client_close)

/* The item of the TLS table. */
struct lambda_tls_row {
    struct buffer ciphertext_b64, pem;
};
void lambda_tls_row_cleanup(struct lambda_tls_row *row);
/* E_NOT_FOUND when set_tls_key never ran. */
must_check result lambda_tls_row_get(struct lambda_tls_row *ret_row, const struct lambda_call *call);

must_check result lambda_tls_key_set(struct buffer *answer, const struct lambda_call *call);
must_check result lambda_tls_key_get(struct buffer *answer, const struct lambda_call *call);
must_check result lambda_tls_key_decrypt(struct buffer *answer, const struct lambda_call *call);
must_check result lambda_signer_status(struct buffer *answer, const struct lambda_call *call);
must_check result lambda_signer_public_keys(struct buffer *answer, const struct lambda_call *call);

#endif
