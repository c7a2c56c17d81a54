/* torture_tls_item.c - the signer's TLS key as an item is made and checked, a folder of items is read by the
 * watchdog, and a server's context is made of key and certificate. Whatever fails, what is made is whole,
 * what is wrong is never found right, and what is refused leaves nothing behind. */
#include <openssl/ec.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file_io.h"
#include "net/net_tls.h"
#include "tls_item/tls_item.h"
#include "torture.h"
#include "watchdog/watchdog_items.h"

#define PASSWORD "password"
#define REST                                                                                                 \
    "\"web3signer_uuid\":\"none\",\"chain\":\"mainnet\",\"datetime\":\"2026-01-31T12:00:00Z\",\"deposit_"    \
    "json_b64\":\"W10=\""

static EVP_PKEY *key;
static struct secret password;
static struct tls_item good, other; /* of two keys */
static uint8_t *der, *certificate;
static int der_len, certificate_len;

static void prepare(void)
{
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    key = EVP_EC_gen("P-256");
    EVP_PKEY *another = EVP_EC_gen("P-256");
    PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
    X509 *self = X509_new();
    bool ok = key && another && info && self && X509_set_pubkey(self, key) &&
              X509_gmtime_adj(X509_getm_notBefore(self), -60) &&
              X509_gmtime_adj(X509_getm_notAfter(self), 3600) && X509_sign(self, key, EVP_sha256()) > 0;
    der_len = ok ? i2d_PKCS8_PRIV_KEY_INFO(info, &der) : 0;
    certificate_len = ok ? i2d_X509(self, &certificate) : 0;
    torture_must(der_len > 0 && certificate_len > 0 ? RESULT_OK : error_set(E_CRYPTO, "no key"));
    torture_must(secret_copy(&password, PASSWORD, strlen(PASSWORD)));
    torture_must(tls_item_make(&good, key, "signer.private", &password));
    torture_must(tls_item_make(&other, another, "signer.private", &password));
    torture_must(tls_item_check(&good.plaintext, &good.pem));
    PKCS8_PRIV_KEY_INFO_free(info);
    X509_free(self);
    EVP_PKEY_free(another);
}

static result make_and_check(void)
{
    AUTO(tls_item) made = {0};
    result r = tls_item_make(&made, key, "signer.private", &password);
    torture_require(!r.code == (made.plaintext.data != NULL) && !r.code == (made.pem.length > 0),
                    "a part of an item was made");
    TRY(r);
    torture_require(tls_item_check(&good.plaintext, &other.pem).code,
                    "another's certificate was found right");
    TRY(tls_item_certificate_check(&made.pem));
    return tls_item_check(&made.plaintext, &made.pem);
}

static result make_context(void)
{
    AUTO_POINTER(SSL_CTX) context = NULL;
    result r = net_tls_server_new(&context, der, (size_t)der_len, certificate, (size_t)certificate_len);
    torture_require(!r.code == (context != NULL), "a refusal left a context");
    return r;
}

/* ---- items ---- */

static void put(const char *folder, const char *name, const char *text)
{
    char path[TORTURE_PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    torture_must(file_write(path, text, strlen(text), 0600));
}

static void furnish(const char *folder)
{
    static const char *const folders[] = {"validators", "tls"};
    for (size_t i = 0; i < 2; i++) {
        char path[TORTURE_PATH_MAX + 64];
        (void)snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        torture_must(mkdir(path, 0700) == 0 ? RESULT_OK : error_set(E_IO, "no folder"));
    }
    for (int i = 1; i <= 2; i++) {
        char text[512], name[32];
        (void)snprintf(name, sizeof name, "validators/%d.json", i);
        (void)snprintf(
            text, sizeof text,
            "{\"pubkey\":\"%096d\",\"encrypted_key_password_mnemonic_b64\":\"QUFB\",\"active\":true," REST
            "}",
            i);
        put(folder, name, text);
    }
    put(folder, "tls/1.json", "{\"key_id\":1,\"encrypted_tls_key_b64\":\"dGxz\",\"cert_pem\":\"cGVt\"}");
}

static result read_items(const char *folder)
{
    AUTO(watchdog_items) items = {0};
    result r = watchdog_items_read(&items, folder);
    if (r.code)
        torture_require(items.num_keys == 0 && items.encrypted_tls_key.length == 0, "a refusal left items");
    else
        torture_require(items.num_keys == 2 &&
                            strcmp((char *)items.encrypted_validator_keys.data, "[\"QUFB\",\"QUFB\"]") == 0 &&
                            strcmp((char *)items.encrypted_tls_key.data, "dGxz") == 0,
                        "%zu items of 2", items.num_keys);
    return r;
}

static void act(const char *folder)
{
    furnish(folder);
    torture_begin();
    torture_outcome(make_and_check());
    torture_outcome(make_context());
    torture_outcome(read_items(folder));
    torture_lift();
    torture_recovered(make_and_check());
    torture_recovered(make_context());
    torture_recovered(read_items(folder));
    torture_end();
}

int main(void)
{
    const struct torture_scenario scenario = {
        .name = NS_TORTURE_NAME, .prepare = prepare, .act = act, .one_place_in = 60};
    return torture_main(&scenario);
}
