/* bls.h - BLS12-381 signatures as Ethereum's consensus layer uses them (public keys in G1,
 * signatures in G2, ciphersuite BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_). The only room
 * that sees blst. Secret keys stay where the caller keeps them: in the secure heap.
 *
 * Two link targets: "bls" (everything) and nothing else; a program that must not be able to
 * sign does not link it.
 */
#ifndef BLS_BLS_H
#define BLS_BLS_H

#include <stdint.h>

#include "base/result.h"
#include "base/secret.h"

enum { BLS_SECRET_LEN = 32, BLS_PUBKEY_LEN = 48, BLS_SIGNATURE_LEN = 96, BLS_MESSAGE_LEN = 32 };

/* E_INPUT unless 0 < key < r (big-endian). Constant time. */
must_check result bls_secret_check(const uint8_t secret[static BLS_SECRET_LEN]);

/* The compressed public key; E_INPUT for an invalid secret. */
must_check result bls_public_key(uint8_t ret_pubkey[static BLS_PUBKEY_LEN],
                                 const uint8_t secret[static BLS_SECRET_LEN]);

/* Public keys of many secrets, several times as fast as one by one: the table takes 78 KB, and a millisecond
 * to make. Constant time in the secrets. */
struct bls_fixed_base;
must_check result bls_fixed_base_new(struct bls_fixed_base **ret_base);
/* NULL is fine. */
void bls_fixed_base_free(struct bls_fixed_base *base);
/* num_secrets x 48 bytes of public key; E_INPUT, and none is to be used, if a secret is invalid. Takes 44 KiB
 * of the secure heap while it works. */
must_check result bls_fixed_base_public_keys(const struct bls_fixed_base *base, uint8_t *ret_pubkeys,
                                             const uint8_t *const *secrets, size_t num_secrets);

/* Signs message_len bytes; ret_signature is zeroed on failure. */
must_check result bls_sign(uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                           const uint8_t secret[static BLS_SECRET_LEN], const uint8_t *message,
                           size_t message_len);

/* What signatures of a 32-byte message have in common, whoever signs it: its hash to the curve, remembered
 * for the 256 messages used last, and tables of the hash's multiples. It knows no secrets. Shared by at most
 * BLS_THREADS_MAX threads; takes up to 1.7 MB, and allocates at the start alone. */
enum { BLS_BATCH_MAX = 32, BLS_THREADS_MAX = 16 };
struct bls_messages;
must_check result bls_messages_new(struct bls_messages **ret_messages);
/* No batch may be left that has it. NULL is fine. */
void bls_messages_free(struct bls_messages *messages);
/* It is remembered, or is being hashed. */
bool bls_messages_know(struct bls_messages *messages, const uint8_t message[static BLS_MESSAGE_LEN]);

/* Signatures of 32-byte messages by many keys, each what bls_sign makes of it; several keys of one message
 * cost a fraction of that. One for each thread: 128 KiB of the secure heap; a signature allocates nothing.
 * Constant time in the secrets. */
struct bls_batch;
must_check result bls_batch_new(struct bls_batch **ret_batch, struct bls_messages *messages);
/* Wipes. NULL is fine. */
void bls_batch_free(struct bls_batch *batch);
/* Does what can be done of num signatures of a message without a secret. */
must_check result bls_batch_prepare(struct bls_batch *batch, const uint8_t message[static BLS_MESSAGE_LEN],
                                    size_t num);
/* num_secrets x 96 bytes of signature, for at most BLS_BATCH_MAX secrets; all are zeroed on failure, E_INPUT
 * if a secret is invalid. */
must_check result bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures,
                                 const uint8_t *const *secrets, size_t num_secrets,
                                 const uint8_t message[static BLS_MESSAGE_LEN]);

/* E_AUTH unless the signature verifies. Public key and signature are decoded, checked to be in
 * the group and not infinity. */
must_check result bls_verify(const uint8_t pubkey[static BLS_PUBKEY_LEN],
                             const uint8_t signature[static BLS_SIGNATURE_LEN], const uint8_t *message,
                             size_t message_len);

/* E_INPUT unless it decodes to a point of the group other than infinity. */
must_check result bls_pubkey_check(const uint8_t pubkey[static BLS_PUBKEY_LEN]);

/* EIP-2333: master key from a seed of at least 32 bytes, child key by index, and a whole
 * EIP-2334 path such as "m/12381/3600/0/0/0" (E_INPUT for any other grammar). */
must_check result bls_derive_master(struct secret *ret_key, const uint8_t *seed, size_t seed_len);
must_check result bls_derive_child(struct secret *ret_key, const uint8_t parent[static BLS_SECRET_LEN],
                                   uint32_t index);
must_check result bls_derive_path(struct secret *ret_key, const uint8_t *seed, size_t seed_len,
                                  const char *path);

#endif
