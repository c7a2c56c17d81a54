/* nitro_envelope.h - KMS's CiphertextForRecipient: CMS EnvelopedData (BER, RSAES-OAEP-SHA-256,
 * AES-256-CBC). Target nitro_envelope.
 */
#ifndef NITRO_ENVELOPE_H
#define NITRO_ENVELOPE_H

#include <openssl/evp.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"

enum { ENVELOPE_MAX = 8192, ENVELOPE_PLAINTEXT_MAX = 8192 };

/* What E_AUTH says of content that does not decrypt, which its padding tells, and what a caller says of
 * content that is not what it expects: the two must look the same to whoever relays envelopes, can change
 * them, and sees what comes of it. */
#define ENVELOPE_UNREADABLE "envelope: the content does not decrypt, or is not what belongs there"

/* Opens an envelope with the recipient's RSA key. The recipient identifier, when it is a key identifier,
 * must be SHA-256 of the key's SubjectPublicKeyInfo; algorithms other than those above are E_UNSUPPORTED.
 * E_INPUT malformed, E_AUTH wrong key. Only the plaintext comes out, in the secure heap; intermediate
 * copies are wiped. There is no integrity protection in this format: the caller checks what it decrypted. */
must_check result envelope_open(struct secret *ret_plaintext, EVP_PKEY *recipient_key, const uint8_t *cms,
                                size_t cms_len);

/* The sender's side, as KMS writes it (indefinite lengths, SubjectKeyIdentifier); for devcloud and tests.
 * recipient_spki: DER SubjectPublicKeyInfo from the attestation document. */
must_check result envelope_seal(struct buffer *out, const uint8_t *recipient_spki, size_t recipient_spki_len,
                                const uint8_t *plaintext, size_t plaintext_len);

#endif
