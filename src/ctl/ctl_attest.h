/* ctl_attest.h - what attest verify asks of the signer's HTTPS port. */
#ifndef CTL_CTL_ATTEST_H
#define CTL_CTL_ATTEST_H

#include "base/buffer.h"
#include "base/secret.h"

enum { CTL_DIGEST_LEN = 32 };

/* Where to ask, and as whom. Strings are borrowed; NULL: none. */
struct ctl_attest_server {
    const char *url; /* https://HOST[:PORT] */
    const char *ca_file, *client_cert_file, *client_key_file;
    struct secret path_token, basic; /* sent only to a server that ca_file vouches for */
};
void ctl_attest_server_cleanup(struct ctl_attest_server *server);

/* GET /attestation: the document, and SHA-256 of the SubjectPublicKeyInfo of who sent it. Nobody vouches for
 * the sender yet, unless there is a ca_file. Tries again for a few seconds while the signer is busy. */
must_check result ctl_attest_fetch(struct buffer *document, uint8_t ret_spki_digest[static CTL_DIGEST_LEN],
                                   const struct ctl_attest_server *server, const uint8_t *nonce,
                                   size_t nonce_len);
/* GET /api/v1/eth2/publicKeys from a server with that very key: SHA-256 over the keys in ascending order, and
 * how many they are. E_PEER when it has another key, or lists a key twice. */
must_check result ctl_attest_list(uint8_t ret_digest[static CTL_DIGEST_LEN], size_t *ret_count,
                                  const struct ctl_attest_server *server,
                                  const uint8_t spki_digest[static CTL_DIGEST_LEN]);

#endif
