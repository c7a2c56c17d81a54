/* net_tls_internal.h - what the files of net_tls share; not for other rooms. */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include "net/net_tls.h"

/* Tickets under keys that change (net_tls_tickets.c). They belong to this context alone, so no session
 * outlives the key, the certificate or the rules about clients it was made under. */
must_check result net_tls_tickets_use(SSL_CTX *context);

/* Who a known-clients file admits (net_tls_known.c). The zero state is empty. */
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
