/* aws_kms_plain.h - the calls to AWS KMS whose answers hold secrets: for those who make a key, and, in
 * development, for those who may decrypt without an attestation. In no program of the signer itself: linked
 * from an object of its own, so that nm shows it. */
#ifndef AWS_AWS_KMS_PLAIN_H
#define AWS_AWS_KMS_PLAIN_H

#include "aws/aws_kms.h"

struct aws_kms_key_pair {
    struct secret private_key; /* PKCS#8 PrivateKeyInfo, DER */
    struct buffer public_key;  /* SubjectPublicKeyInfo, DER */
};
void aws_kms_key_pair_cleanup(struct aws_kms_key_pair *pair);

/* GenerateDataKeyPair on P-256. E_PEER for an answer that is not of the expected form, or of another key;
 * else as aws_client_call. The answer is wiped whatever it was. */
must_check result aws_kms_plain_key_pair(struct aws_client *client, struct aws_kms_key_pair *ret_pair,
                                         const struct aws_credentials *credentials, const char *key_id);

/* Decrypt without Recipient. As above; E_DENIED where only attested enclaves may. */
must_check result aws_kms_plain_decrypt(struct aws_client *client, struct secret *ret_plaintext,
                                        const struct aws_credentials *credentials, const char *key_id,
                                        const struct buffer *ciphertext);

#endif
