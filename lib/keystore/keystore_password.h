/* keystore_password.h - the forms in which passwords and mnemonics enter a key derivation. */
#ifndef KEYSTORE_KEYSTORE_PASSWORD_H
#define KEYSTORE_KEYSTORE_PASSWORD_H

#include "base/secret.h"

enum { KEYSTORE_PASSWORD_MAX = 1024 /* bytes before normalisation, of a password or a mnemonic */ };

/* Unicode's NFKD of UTF-8 text. E_INPUT when it is not UTF-8, E_TOO_LARGE over KEYSTORE_PASSWORD_MAX. */
must_check result keystore_nfkd(struct secret *ret_text, const uint8_t *text, size_t text_len);

/* EIP-2335's form of a password: NFKD without C0, C1 and DEL control characters. That also takes
 * a newline at the end of a password file away. Errors as keystore_nfkd. */
must_check result keystore_password_normalize(struct secret *ret_password, const uint8_t *password,
                                              size_t password_len);

#endif
