/* aws_credentials.h - what a request is signed with. The secret access key and the session token live in the
 * secure heap and are wiped when replaced. */
#ifndef AWS_AWS_CREDENTIALS_H
#define AWS_AWS_CREDENTIALS_H

#include "base/secret.h"

enum { AWS_ACCESS_KEY_ID_MAX = 128, AWS_SECRET_ACCESS_KEY_MAX = 256, AWS_SESSION_TOKEN_MAX = 8192 };

struct aws_credentials {
    char access_key_id[AWS_ACCESS_KEY_ID_MAX + 1];
    struct secret secret_access_key;
    struct secret session_token; /* length 0: long-term credentials without one */
};

/* Copies the texts; token may be "". E_INPUT names the member that is empty, too long, or holds anything but
 * printable ASCII without blanks (they become parts of HTTP headers). */
must_check result aws_credentials_new(struct aws_credentials *ret_credentials, const char *access_key_id,
                                      const char *secret_access_key, const char *session_token);
/* The same of others; a secret that was never set is "". */
must_check result aws_credentials_copy(struct aws_credentials *ret_credentials,
                                       const struct aws_credentials *from);
/* Wipes and releases. */
void aws_credentials_cleanup(struct aws_credentials *credentials);

#endif
