/* net_tls_known.h - Web3Signer's lists of certificates: a name and a SHA-256 fingerprint a line. A file of
 * known clients has common names there, one of known servers HOST:PORT. Target net_tls.
 */
#ifndef NET_TLS_KNOWN_H
#define NET_TLS_KNOWN_H

#include <stdint.h>

#include "base/result.h"

/* The zero state is empty. */
struct net_tls_known_client {
    const char *name;
    uint8_t fingerprint[32]; /* SHA-256 over the certificate in DER */
};
struct net_tls_known {
    char *text; /* owned; the names point into it */
    struct net_tls_known_client *clients;
    size_t num_clients;
};
/* E_INPUT names the line. */
must_check result net_tls_known_parse(struct net_tls_known *ret_known, const char *text, size_t text_len);
void net_tls_known_cleanup(struct net_tls_known *known);
/* Whether one line has this common name and this fingerprint; looks at every line, whatever it finds. */
bool net_tls_known_has(const struct net_tls_known *known, const char *name,
                       const uint8_t fingerprint[static 32]);

#endif
