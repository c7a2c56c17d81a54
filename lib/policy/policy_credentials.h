/* policy_credentials.h - files of tokens and passwords, as digests: for the front, which compares them, and
 * for who makes an access document. */
#ifndef POLICY_POLICY_CREDENTIALS_H
#define POLICY_POLICY_CREDENTIALS_H

#include "base/secret.h"
#include "policy/policy.h"

enum { POLICY_CREDENTIALS_MAX = 256, POLICY_CREDENTIAL_LONGEST = 256 };

enum policy_credentials_kind {
    POLICY_BASIC, /* user:password, the password of at least 16 characters */
    POLICY_TOKENS /* at least 20 characters that need no escape in a path */
};

/* SHA-256 of each line, POLICY_DIGEST_LEN bytes one behind the other; lines that are empty or begin with # do
 * not count. E_INPUT names the line that is malformed or too short; an empty file is refused. Needs the
 * secure heap. */
must_check result policy_credentials_read(struct secret *ret_digests, enum policy_credentials_kind kind,
                                          const char *path);
/* The digest of one, as a client sends it. */
must_check result policy_credential_digest(uint8_t ret_digest[static POLICY_DIGEST_LEN], const void *bytes,
                                           size_t bytes_len);

#endif
