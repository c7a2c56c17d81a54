/* devcloud_kms_blob.h - the ciphertexts of the development KMS: AES-256-GCM under the master key, with the
 * key ARN as associated data. Version byte 1, nonce (12), ciphertext, tag (16). */
#ifndef DEVCLOUD_KMS_BLOB_H
#define DEVCLOUD_KMS_BLOB_H

#include "base/buffer.h"
#include "base/secret.h"

enum { KMS_BLOB_OVERHEAD = 1 + 12 + 16, KMS_MASTER_KEY_LEN = 32 };

/* Reads DIR/kms-master-key, or makes it (0600). */
must_check result devcloud_kms_master_key_open(struct secret *ret_key, const char *state_dir);
must_check result devcloud_kms_blob_seal(struct buffer *out, const struct secret *master_key,
                                         const char *key_arn, const struct secret *plaintext);
/* E_AUTH when the blob is of another key or was changed. */
must_check result devcloud_kms_blob_open(struct secret *ret_plaintext, const struct secret *master_key,
                                         const char *key_arn, const uint8_t *blob, size_t blob_len);

#endif
