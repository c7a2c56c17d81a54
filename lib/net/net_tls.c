/* net_tls.c - see net_tls.h.
 *
 * Security level 2 and a short list of suites instead of a long list of exclusions. The server's
 * session cache is off: tickets carry the state (net_tls_tickets.c). Buffers of idle connections are
 * released, which halves what 4,000 kept connections cost. */
#include "net/net_tls.h"

#include <openssl/x509.h>
#include <string.h>

#include "net/net_tls_internal.h"

enum { MAX_CERTIFICATES = 10 };

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
DEFINE_AUTO_POINTER(X509, X509_free)

static must_check result use_key(SSL_CTX *context, const uint8_t *der, size_t der_len)
{
    ENSURE(der_len > 0 && der_len <= 65536, E_INPUT, "TLS private key: empty or too long");
    const uint8_t *at = der;
    AUTO_POINTER(PKCS8_PRIV_KEY_INFO) info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)der_len);
    ENSURE(info && at == der + der_len, E_INPUT, "TLS private key: not PKCS#8 in DER");
    AUTO_POINTER(EVP_PKEY) key = EVP_PKCS82PKEY(info);
    ENSURE(key, E_INPUT, "TLS private key: of a kind we cannot use");
    ENSURE(SSL_CTX_use_PrivateKey(context, key) == 1, E_MISMATCH,
           "TLS private key: does not fit the certificate");
    return RESULT_OK;
}

static must_check result use_certificates(SSL_CTX *context, const uint8_t *der, size_t der_len)
{
    ENSURE(der_len > 0 && der_len <= 1048576, E_INPUT, "TLS certificate: none, or too long");
    const uint8_t *at = der, *end = der + der_len;
    for (int i = 0; at < end; i++) {
        ENSURE(i < MAX_CERTIFICATES, E_INPUT, "TLS certificates: more than %d", MAX_CERTIFICATES);
        AUTO_POINTER(X509) certificate = d2i_X509(NULL, &at, (long)(end - at));
        ENSURE(certificate, E_INPUT, "TLS certificate %d: malformed", i);
        long ok = i == 0 ? SSL_CTX_use_certificate(context, certificate)
                         : SSL_CTX_add1_chain_cert(context, certificate);
        ENSURE(ok == 1, E_INPUT, "TLS certificate %d: refused (key too short?)", i);
    }
    return RESULT_OK;
}

static const char http_1_0[] = "http/1.0", http_1[] = "http/1.1", http_2[] = "h2";

/* Whether the client's list has it; *out then points there. */
static bool find_protocol(const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                          unsigned in_len, const char *name)
{
    size_t name_len = strlen(name);
    for (unsigned at = 0; at < in_len && in[at] < in_len - at; at += 1u + in[at]) {
        if (in[at] == name_len && memcmp(in + at + 1, name, name_len) == 0) {
            *out = in + at + 1;
            *out_len = in[at];
            return true;
        }
    }
    return false;
}

/* A client that only speaks protocols which we do not is told so by an alert, and not by an answer it cannot
 * read; one that offers none gets HTTP/1.1. */
static int on_alpn(SSL *tls, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                   unsigned in_len, void *context)
{
    (void)context;
    struct net_tls_http2 *http2 = SSL_get_app_data(tls);
    bool found = (http2 && find_protocol(out, out_len, in, in_len, http_2) && http2->reserve(http2)) ||
                 find_protocol(out, out_len, in, in_len, http_1) ||
                 find_protocol(out, out_len, in, in_len, http_1_0);
    return found ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void net_tls_offer_http2(SSL *tls, struct net_tls_http2 *http2)
{
    (void)SSL_set_app_data(tls, http2);
}

bool net_tls_chose_http2(const SSL *tls)
{
    const unsigned char *chosen = NULL;
    unsigned chosen_len = 0;
    SSL_get0_alpn_selected(tls, &chosen, &chosen_len);
    return chosen_len == sizeof http_2 - 1 && memcmp(chosen, http_2, chosen_len) == 0;
}

static must_check result set_rules(SSL_CTX *context)
{
    static const unsigned char session_name[] = "nitro-signer";
    char groups[] = "X25519:P-256:P-384"; /* OpenSSL's macro casts const away */
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_alpn_select_cb(context, on_alpn, NULL);
    bool ok = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
              SSL_CTX_set1_groups_list(context, groups) == 1 &&
              SSL_CTX_set_session_id_context(context, session_name, sizeof session_name - 1) == 1;
    ENSURE(ok, E_CRYPTO, "TLS: OpenSSL refuses our settings");
    return net_tls_tickets_use(context);
}

result net_tls_server_new(SSL_CTX **ret_context, const uint8_t *key, size_t key_len,
                          const uint8_t *certificates, size_t certificates_len)
{
    AUTO_POINTER(SSL_CTX) context = SSL_CTX_new(TLS_server_method());
    ENSURE(context, E_CRYPTO, "TLS: no context");
    TRY(set_rules(context));
    TRY(use_certificates(context, certificates, certificates_len));
    TRY(use_key(context, key, key_len));
    ENSURE(SSL_CTX_check_private_key(context) == 1, E_MISMATCH,
           "TLS private key: does not fit the certificate");
    *ret_context = TAKE(context);
    return RESULT_OK;
}
