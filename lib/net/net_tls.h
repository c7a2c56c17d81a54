/* net_tls.h - the server's side of TLS, set up once. Target net_tls.
 *
 * TLS 1.2 and 1.3 (Teku and Nimbus stop at 1.2), forward-secret AEAD suites only, session
 * tickets for both versions under keys that change every hour, ALPN http/1.1 and, if net_tls_offer_http2 says
 * so, h2, no renegotiation, no compression. No client is asked for a certificate, unless net_tls_clients.h
 * makes it a rule.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include <openssl/ssl.h>
#include <stdint.h>

#include "base/result.h"

DEFINE_AUTO_POINTER(SSL_CTX, SSL_CTX_free)

/* key: one PKCS#8 PrivateKeyInfo in DER, secret, wiped by the caller as soon as this returns.
 * certificates: DER, leaf first, one behind the other, at most 10. E_INPUT when either is malformed or has
 * trailing bytes, E_MISMATCH when the key is not the leaf's, E_CRYPTO. Free with SSL_CTX_free. */
must_check result net_tls_server_new(SSL_CTX **ret_context, const uint8_t *key, size_t key_len,
                                     const uint8_t *certificates, size_t certificates_len);

/* Asked when a client offers HTTP/2, at most a few times a handshake: true to speak it. */
struct net_tls_http2 {
    bool (*reserve)(struct net_tls_http2 *http2);
};
/* Before the handshake; http2 must outlive it. */
void net_tls_offer_http2(SSL *tls, struct net_tls_http2 *http2);
/* After it. */
bool net_tls_chose_http2(const SSL *tls);

#endif
