/* aws_sigv4.h - AWS Signature Version 4 in the Authorization header, for the sender and for the one who
 * verifies (devcloud). Each step is a function of its own because the official suites prove each step.
 */
#ifndef AWS_AWS_SIGV4_H
#define AWS_AWS_SIGV4_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"

enum {
    AWS_SIGV4_HEADERS_MAX = 64,
    AWS_SIGV4_PARAMETERS_MAX = 64,
    AWS_SIGV4_DATE_LEN = 16,     /* 20150830T123600Z */
    AWS_SIGV4_SIGNATURE_LEN = 64 /* hexadecimal digits */
};

struct aws_sigv4_header {
    const char *name; /* any case */
    const char *value;
};

/* The request as it is sent; nothing is owned. Every header listed is signed. */
struct aws_sigv4_request {
    const char *method;
    const char *path;  /* up to the '?', begins with '/'; encoded once more than given */
    const char *query; /* behind the '?'; "" for none */
    bool keep_path;    /* leave dots and double slashes alone (S3) */
    const struct aws_sigv4_header *headers;
    size_t num_headers;
    const uint8_t *body; /* only its SHA-256 is used */
    size_t body_len;
};

struct aws_sigv4_scope {
    const char *date; /* AWS_SIGV4_DATE_LEN characters, the value of x-amz-date */
    const char *region;
    const char *service;
};

/* Formats a time in milliseconds since 1970 UTC. */
void aws_sigv4_date(char out[static AWS_SIGV4_DATE_LEN + 1], uint64_t time_ms);
/* The other way; E_INPUT on another form. */
must_check result aws_sigv4_date_parse(uint64_t *ret_time_ms, const char *date);

/* Appends the names of the signed headers, "host;x-amz-date". */
must_check result aws_sigv4_signed_headers(struct buffer *out, const struct aws_sigv4_request *request);
/* Appends the canonical request. E_TOO_LARGE over the limits above. */
must_check result aws_sigv4_canonical_request(struct buffer *out, const struct aws_sigv4_request *request);
/* Appends the string to sign for a canonical request. */
must_check result aws_sigv4_string_to_sign(struct buffer *out, const struct aws_sigv4_scope *scope,
                                           const struct buffer *canonical_request);
/* Lower-case hex and a NUL. Derived keys are wiped. */
must_check result aws_sigv4_signature(char ret_signature[static AWS_SIGV4_SIGNATURE_LEN + 1],
                                      const struct aws_sigv4_scope *scope,
                                      const struct secret *secret_access_key,
                                      const struct buffer *string_to_sign);
/* All steps: appends the value of the Authorization header. */
must_check result aws_sigv4_authorization(struct buffer *out, const struct aws_sigv4_request *request,
                                          const struct aws_sigv4_scope *scope, const char *access_key_id,
                                          const struct secret *secret_access_key);

#endif
