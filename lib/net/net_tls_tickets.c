/* net_tls_tickets.c - session tickets of both versions under keys that change every hour.
 *
 * Tickets carry the state, so resumption costs no memory here. OpenSSL's own ticket keys live as long as
 * the context, which is as long as the signer runs: whoever read them out of its memory could open every
 * TLS 1.2 session that was ever resumed. So the keys are ours, in the secure heap: one seals new tickets, the
 * one before it still opens old ones, and an older one is gone. Rejected: a cache of sessions on our side,
 * which a client could fill. */
#include "net/net_tls_internal.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

enum { NAME_LEN = 16, CIPHER_LEN = 32, MAC_LEN = 32, KEY_LEN = NAME_LEN + CIPHER_LEN + MAC_LEN };
enum { KEY_SECONDS = 3600 };
enum { CURRENT, BEFORE, KEYS };

static const uint64_t key_ns = KEY_SECONDS * UINT64_C(1000000000);

struct tickets {
    struct secret keys; /* KEYS times KEY_LEN */
    uint64_t made_ns[KEYS];
};

/* One number a process for OpenSSL's table of what hangs on a context. */
static CRYPTO_ONCE index_once = CRYPTO_ONCE_STATIC_INIT;
static int tickets_index = -1;

static void tickets_free(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number,
                         void *more)
{
    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)more;
    struct tickets *tickets = pointer;
    if (!tickets)
        return;
    secret_cleanup(&tickets->keys);
    OPENSSL_free(tickets);
}

static void make_index(void)
{
    tickets_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, tickets_free);
}

static uint8_t *key_at(const struct tickets *tickets, int generation)
{
    return tickets->keys.data + generation * KEY_LEN;
}

static bool make_key(struct tickets *tickets, uint64_t now_ns)
{
    tickets->made_ns[CURRENT] = now_ns;
    return RAND_priv_bytes(key_at(tickets, CURRENT), KEY_LEN) == 1;
}

/* By the clock, when a ticket is made or opened: no timer has to run. */
static bool rotate(struct tickets *tickets)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (now_ns - tickets->made_ns[CURRENT] < key_ns)
        return true;
    memcpy(key_at(tickets, BEFORE), key_at(tickets, CURRENT), KEY_LEN);
    tickets->made_ns[BEFORE] = tickets->made_ns[CURRENT];
    if (now_ns - tickets->made_ns[BEFORE] >= 2 * key_ns)
        secret_wipe(key_at(tickets, BEFORE), KEY_LEN);
    return make_key(tickets, now_ns);
}

static bool set_mac(EVP_MAC_CTX *mac, uint8_t *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key, MAC_LEN),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int seal(const struct tickets *tickets, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac)
{
    uint8_t *key = key_at(tickets, CURRENT);
    memcpy(name, key, NAME_LEN);
    bool ok = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
              EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + NAME_LEN, iv) == 1 &&
              set_mac(mac, key + NAME_LEN + CIPHER_LEN);
    return ok ? 1 : -1;
}

/* 0: not ours, or no longer; 2: open it, and give a new one. */
static int open_ticket(const struct tickets *tickets, const unsigned char *name, const unsigned char *iv,
                       EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    static const uint8_t gone[NAME_LEN];
    int generation = CURRENT;
    while (generation < KEYS && memcmp(name, key_at(tickets, generation), NAME_LEN) != 0)
        generation++;
    if (generation == KEYS || memcmp(name, gone, NAME_LEN) == 0)
        return 0;
    uint8_t *key = key_at(tickets, generation);
    bool ok = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + NAME_LEN, iv) == 1 &&
              set_mac(mac, key + NAME_LEN + CIPHER_LEN);
    if (!ok)
        return -1;
    return generation == CURRENT ? 1 : 2;
}

static int on_ticket_key(SSL *tls, unsigned char name[NAME_LEN], unsigned char iv[EVP_MAX_IV_LENGTH],
                         EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int sealing)
{
    struct tickets *tickets = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(tls), tickets_index);
    if (!tickets || !rotate(tickets))
        return -1;
    return sealing ? seal(tickets, name, iv, cipher, mac) : open_ticket(tickets, name, iv, cipher, mac);
}

result net_tls_tickets_use(SSL_CTX *context)
{
    ENSURE(CRYPTO_THREAD_run_once(&index_once, make_index) == 1 && tickets_index >= 0, E_MEMORY,
           "TLS: no place for ticket keys");
    struct tickets *tickets = OPENSSL_zalloc(sizeof *tickets);
    ENSURE(tickets, E_MEMORY, "out of memory");
    result r = secret_new(&tickets->keys, KEYS * KEY_LEN);
    if (r.code || !make_key(tickets, clock_monotonic_ns()) ||
        SSL_CTX_set_ex_data(context, tickets_index, tickets) != 1) {
        tickets_free(NULL, tickets, NULL, 0, 0, NULL);
        FAIL(E_CRYPTO, "TLS: no ticket keys");
    }
    ENSURE(SSL_CTX_set_num_tickets(context, 1) == 1 &&
               SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket_key) == 1,
           E_CRYPTO, "TLS: OpenSSL refuses our ticket keys");
    (void)SSL_CTX_set_timeout(context, 2 * KEY_SECONDS);
    return RESULT_OK;
}
