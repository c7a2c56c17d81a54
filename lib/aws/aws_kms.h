/* aws_kms.h - the two calls we make to AWS KMS. An answer that could have come from another key, or that
 * holds a plaintext where none may be, is refused. */
#ifndef AWS_AWS_KMS_H
#define AWS_AWS_KMS_H

#include "aws/aws_client.h"

enum {
    AWS_KMS_CIPHERTEXT_MAX = 6144,
    AWS_KMS_PLAINTEXT_MAX = 4096,
    AWS_KMS_ENVELOPE_MAX = 6144,
    AWS_KMS_KEY_ID_MAX = 512,
    AWS_KMS_RESPONSE_MAX = 65536 /* for aws_client_config.response_max */
};

struct aws_kms_decrypt {
    const char *key_id; /* the pinned key ARN */
    const uint8_t *ciphertext;
    size_t ciphertext_len;
    const uint8_t *document; /* attestation document with the recipient's RSA key */
    size_t document_len;
};

/* Decrypt with Recipient: replaces the contents of envelope with CiphertextForRecipient. E_PEER for an answer
 * with a plaintext, without an envelope, of another key, or not of the expected form; else as
 * aws_client_call. The answer is wiped whatever it was. */
must_check result aws_kms_decrypt(struct aws_client *client, struct buffer *envelope,
                                  const struct aws_credentials *credentials,
                                  const struct aws_kms_decrypt *request);

/* Encrypt, for the operator's tool: replaces the contents of ciphertext. The plaintext leaves the secure heap
 * only inside libcurl's and OpenSSL's buffers, which are wiped (aws_library_open). */
must_check result aws_kms_encrypt(struct aws_client *client, struct buffer *ciphertext,
                                  const struct aws_credentials *credentials, const char *key_id,
                                  const struct secret *plaintext);

/* The same for many, as many at once as the client has connections, until deadline_ns at the latest. Each has
 * its outcome; RESULT_OK when all are encrypted, otherwise the first failure. */
enum { AWS_KMS_ENCRYPT_MAX = 64 /* at once */ };
struct aws_kms_encrypt {
    const struct secret *plaintext;
    struct buffer ciphertext; /* out */
    result outcome;           /* out */
    char text[256];           /* out: the sentence of a failed outcome */
};
must_check result aws_kms_encrypt_many(struct aws_client *client, struct aws_kms_encrypt *encrypts,
                                       size_t num_encrypts, const struct aws_credentials *credentials,
                                       const char *key_id, uint64_t deadline_ns);

#endif
