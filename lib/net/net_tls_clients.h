/* net_tls_clients.h - which TLS clients are let in: those with a certificate that is listed, those with one
 * that an authority has signed, or both. Target net_tls.
 *
 * A connection without such a certificate ends in the handshake: none of its bytes reach HTTP. A
 * session is resumed only while the certificate it was made with would still be let in; else the client
 * goes through a whole handshake. A listed certificate is let in whatever its dates, as with Web3Signer,
 * unless its key is too short; an authority's only while it is valid and when it is meant for clients.
 */
#ifndef NET_TLS_CLIENTS_H
#define NET_TLS_CLIENTS_H

#include <openssl/ssl.h>

#include "base/result.h"

struct net_tls_clients;

/* Lets nobody in yet. */
must_check result net_tls_clients_new(struct net_tls_clients **ret_clients);
void net_tls_clients_free(struct net_tls_clients *clients);

/* Those listed, in Web3Signer's format: "common name, SHA-256 fingerprint" a line. Once. E_INPUT names the
 * line. */
must_check result net_tls_clients_know(struct net_tls_clients *clients, const char *text, size_t text_len);
/* How many are listed. */
size_t net_tls_clients_known(const struct net_tls_clients *clients);

/* One of them; valid as long as the clients. index is below net_tls_clients_known. */
const char *net_tls_clients_name(const struct net_tls_clients *clients, size_t index);
const uint8_t *net_tls_clients_fingerprint(const struct net_tls_clients *clients, size_t index);

/* Those with a certificate, meant for clients, from an authority in this PEM file; NULL: from any that this
 * machine trusts. Once; reads the whole file now. */
must_check result net_tls_clients_trust(struct net_tls_clients *clients, const char *file);

/* The same with these certificates: DER, one behind the other. E_INPUT when that is not what they are. */
must_check result net_tls_clients_trust_der(struct net_tls_clients *clients, const uint8_t *certificates,
                                            size_t certificates_len);

/* Makes the rule of a context. The clients must outlive it. */
must_check result net_tls_clients_demand(SSL_CTX *context, const struct net_tls_clients *clients);

/* Why the client of a failed handshake was not let in: which certificate, and what is wrong with it, in
 * printable ASCII; NULL when that was not the reason. Valid as long as the connection. */
const char *net_tls_clients_refusal(const SSL *tls);

#endif
