/* net_tls_clients.c - see net_tls_clients.h.
 *
 * OpenSSL asks us once per full handshake, with the client's chain and before the proof that it has the key,
 * without which the handshake fails as well. The list is asked first: a listed certificate needs
 * no authority, and neither its dates nor the purposes it names are looked at: the line in the file is the
 * decision, as with the original, whose own example certificates have expired. The names of authorities are
 * not sent along: Java's clients would then hold back a certificate that is listed but self-signed, and the
 * system's 140 names are 15 kilobytes a handshake. */
#include "net/net_tls_clients.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "net/net_tls_known.h"

enum {
    CHAIN_BYTES_MAX = 32768,
    CHAIN_DEPTH_MAX = 4,
    KEY_BITS_LEAST = 112,
    REFUSAL_MAX = 320,
    NAME_MAX_LEN = 128
};

struct net_tls_clients {
    struct net_tls_known known;
    X509_STORE *authorities; /* NULL: none */
};

static CRYPTO_ONCE index_once = CRYPTO_ONCE_STATIC_INIT;
static int refusal_index = -1;

static void refusal_free(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number,
                         void *more)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)more;
    free(pointer);
}

static void make_index(void)
{
    refusal_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, refusal_free);
}

result net_tls_clients_new(struct net_tls_clients **ret_clients)
{
    ENSURE(CRYPTO_THREAD_run_once(&index_once, make_index) == 1 && refusal_index >= 0, E_MEMORY,
           "TLS: no place for refusals");
    struct net_tls_clients *clients = calloc(1, sizeof *clients);
    ENSURE(clients, E_MEMORY, "out of memory");
    *ret_clients = clients;
    return RESULT_OK;
}

void net_tls_clients_free(struct net_tls_clients *clients)
{
    if (!clients)
        return;
    net_tls_known_cleanup(&clients->known);
    X509_STORE_free(clients->authorities);
    free(clients);
}

result net_tls_clients_know(struct net_tls_clients *clients, const char *text, size_t text_len)
{
    ENSURE(!clients->known.text, E_STATE, "known clients: given twice");
    return net_tls_known_parse(&clients->known, text, text_len);
}

size_t net_tls_clients_known(const struct net_tls_clients *clients)
{
    return clients->known.num_clients;
}

const char *net_tls_clients_name(const struct net_tls_clients *clients, size_t index)
{
    return clients->known.clients[index].name;
}

const uint8_t *net_tls_clients_fingerprint(const struct net_tls_clients *clients, size_t index)
{
    return clients->known.clients[index].fingerprint;
}

static must_check result open_authorities(struct net_tls_clients *clients)
{
    ENSURE(!clients->authorities, E_STATE, "authorities: given twice");
    clients->authorities = X509_STORE_new();
    ENSURE(clients->authorities, E_MEMORY, "out of memory");
    return RESULT_OK;
}

/* Whom the operator names is trusted, be it a root or an authority below one. */
static bool trust_named(X509_STORE *authorities)
{
    return X509_STORE_set_flags(authorities, X509_V_FLAG_PARTIAL_CHAIN) == 1;
}

result net_tls_clients_trust(struct net_tls_clients *clients, const char *file)
{
    static const char *const usual[] = {"/etc/ssl/certs/ca-certificates.crt",
                                        "/etc/pki/tls/certs/ca-bundle.crt"};
    TRY(open_authorities(clients));
    bool ok = false;
    if (file)
        ok = X509_STORE_load_file(clients->authorities, file) == 1 && trust_named(clients->authorities);
    for (size_t i = 0; !file && !ok && i < ARRAY_LENGTH(usual); i++)
        ok = X509_STORE_load_file(clients->authorities, usual[i]) == 1;
    ERR_clear_error();
    ENSURE(ok, E_INPUT, "%s: not a PEM file of certificates",
           file ? file : "this machine's list of authorities");
    return RESULT_OK;
}

result net_tls_clients_trust_der(struct net_tls_clients *clients, const uint8_t *certificates,
                                 size_t certificates_len)
{
    const uint8_t *at = certificates, *end = certificates + certificates_len;
    TRY(open_authorities(clients));
    ENSURE(trust_named(clients->authorities), E_CRYPTO, "authorities: OpenSSL refuses");
    while (at < end) {
        X509 *certificate = d2i_X509(NULL, &at, (long)(end - at));
        bool added = certificate && X509_STORE_add_cert(clients->authorities, certificate) == 1;
        X509_free(certificate);
        ERR_clear_error();
        ENSURE(added, E_INPUT, "authorities: one is not a certificate");
    }
    return RESULT_OK;
}

/* ---- the judgement ---- */

/* The first common name in UTF-8; false if there is none, or one that no list could have. */
static bool common_name(char out[static NAME_MAX_LEN], X509 *certificate)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    int length =
        index < 0 ? -1
                  : ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    bool ok = length > 0 && length < NAME_MAX_LEN && !memchr(text, 0, (size_t)length);
    if (ok) {
        memcpy(out, text, (size_t)length);
        out[length] = 0;
    }
    OPENSSL_free(text);
    return ok;
}

static bool is_known(const struct net_tls_clients *clients, X509 *certificate)
{
    char name[NAME_MAX_LEN];
    uint8_t fingerprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    return common_name(name, certificate) &&
           X509_digest(certificate, EVP_sha256(), fingerprint, &length) == 1 && length == 32 &&
           net_tls_known_has(&clients->known, name, fingerprint);
}

static bool is_strong(X509 *certificate)
{
    EVP_PKEY *key = X509_get0_pubkey(certificate);
    return key && EVP_PKEY_get_security_bits(key) >= KEY_BITS_LEAST;
}

static bool is_in_time(X509 *certificate)
{
    return X509_cmp_current_time(X509_get0_notBefore(certificate)) < 0 &&
           X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0;
}

static int judge(const struct net_tls_clients *clients, X509_STORE_CTX *chain)
{
    X509 *certificate = X509_STORE_CTX_get0_cert(chain);
    if (is_known(clients, certificate))
        return is_strong(certificate) ? X509_V_OK : X509_V_ERR_EE_KEY_TOO_SMALL;
    if (!clients->authorities)
        return X509_V_ERR_CERT_UNTRUSTED;
    /* 0 without an error, or success with one, cannot be; neither admits anybody. */
    int verified = X509_verify_cert(chain), error = X509_STORE_CTX_get_error(chain);
    return verified == 1 || error != X509_V_OK ? error : X509_V_ERR_UNSPECIFIED;
}

static void remember_refusal(SSL *tls, X509 *certificate, int error)
{
    char name[NAME_MAX_LEN] = "", hex[2 * EVP_MAX_MD_SIZE + 1] = "", *text = malloc(REFUSAL_MAX);
    uint8_t fingerprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    if (!text)
        return;
    if (X509_digest(certificate, EVP_sha256(), fingerprint, &length) == 1)
        hex_encode(hex, fingerprint, length);
    (void)common_name(name, certificate);
    for (char *c = name; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    }
    const char *why = error == X509_V_ERR_CERT_UNTRUSTED ? "it is not among the known clients"
                                                         : X509_verify_cert_error_string(error);
    (void)snprintf(text, REFUSAL_MAX, "certificate of \"%s\", SHA-256 %s: %s", name, hex, why);
    free(SSL_get_ex_data(tls, refusal_index));
    if (SSL_set_ex_data(tls, refusal_index, text) != 1)
        free(text);
}

static int on_verify(X509_STORE_CTX *chain, void *context)
{
    int error = judge(context, chain);
    X509_STORE_CTX_set_error(chain, error);
    if (error == X509_V_OK)
        return 1;
    SSL *tls = X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx());
    if (tls)
        remember_refusal(tls, X509_STORE_CTX_get0_cert(chain), error);
    return 0;
}

/* A ticket was made by us, under this very rule, for a client that was let in. What may have changed since is
 * the time. */
static SSL_TICKET_RETURN on_ticket(SSL *tls, SSL_SESSION *session, const unsigned char *name, size_t name_len,
                                   SSL_TICKET_STATUS status, void *context)
{
    (void)tls;
    (void)name;
    (void)name_len;
    const struct net_tls_clients *clients = context;
    if (status != SSL_TICKET_SUCCESS && status != SSL_TICKET_SUCCESS_RENEW)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    X509 *certificate = SSL_SESSION_get0_peer(session);
    bool admitted =
        certificate && (is_known(clients, certificate) || (clients->authorities && is_in_time(certificate)));
    if (!admitted)
        return SSL_TICKET_RETURN_IGNORE_RENEW;
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW;
}

result net_tls_clients_demand(SSL_CTX *context, const struct net_tls_clients *clients)
{
    void *rule = (void *)(uintptr_t)
        clients; /* OpenSSL hands it back to the two callbacks above, which take it const */
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(context, on_verify, rule);
    ENSURE(!clients->authorities || SSL_CTX_set1_verify_cert_store(context, clients->authorities) == 1,
           E_CRYPTO, "TLS: OpenSSL refuses our authorities");
    ENSURE(SSL_CTX_set_session_ticket_cb(context, NULL, on_ticket, rule) == 1, E_CRYPTO,
           "TLS: OpenSSL refuses our rule for tickets");
    return RESULT_OK;
}

const char *net_tls_clients_refusal(const SSL *tls)
{
    return refusal_index >= 0 ? SSL_get_ex_data(tls, refusal_index) : NULL;
}
