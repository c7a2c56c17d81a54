/* aws_error.h - what an AWS JSON service says when it refuses: {"__type":"ns#Name","message":"..."} and an
 * HTTP status. */
#ifndef AWS_AWS_ERROR_H
#define AWS_AWS_ERROR_H

#include <stdint.h>

#include "base/result.h"

enum { AWS_ERROR_TYPE_MAX = 64, AWS_ERROR_MESSAGE_MAX = 160 };

struct aws_error {
    enum error_code code;                    /* never E_NONE */
    bool retry;                              /* the same request may succeed a little later */
    char type[AWS_ERROR_TYPE_MAX + 1];       /* the name without what precedes '#'; "" when there was none */
    char message[AWS_ERROR_MESSAGE_MAX + 1]; /* cut; control characters made '?' */
};

/* Never fails: a body that is not the expected JSON leaves type and message empty, and the status decides.
 *   AccessDenied                                        E_DENIED
 *   expired or unknown credentials, bad signature       E_AUTH
 *   throttling, internal failures, transactions that
 *   get in each other's way, 429 and 5xx                E_PEER, retry
 *   NotFoundException, ResourceNotFoundException,
 *   InvocationDoesNotExist, ParameterNotFound           E_NOT_FOUND
 *   IncorrectKeyException, a condition that fails       E_MISMATCH
 *   InvalidCiphertextException, ValidationException,
 *   ValidationError, MalformedPolicyDocumentException   E_INPUT
 *   InstanceRefreshInProgress                           E_STATE
 *   anything else                                       E_PEER */
void aws_error_read(struct aws_error *out, long http_status, const uint8_t *body, size_t body_len);

/* The same for a type and a message that were read elsewhere: a header, or XML. Either may be "". */
void aws_error_of_type(struct aws_error *out, long http_status, const char *type, const char *message);

/* The error as a failed result with a sentence. */
must_check result aws_error_result(const struct aws_error *error, long http_status);

/* For the reader of an answer: whatever is wrong with that is the peer's fault. A failure r becomes E_PEER,
 * "operation: answer: ..." (E_MEMORY stays that); success stays success. */
must_check result aws_error_in_answer(result r, const char *operation);

#endif
