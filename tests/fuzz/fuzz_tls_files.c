/* fuzz_tls_files.c - the text of known clients, PKCS#12 files, authorities in DER, and the item of the TLS
 * table. A known client that was read is known; a PKCS#12 file that opens has a key and certificates that TLS
 * takes, and, but for its last byte, does not open any more.
 *
 * Each PKCS#12 input is tried as it is, and with a MAC of ours: else hardly any would come as far as its
 * bags. */
#include <openssl/err.h>
#include <openssl/pkcs12.h>

#include "fuzz.h"
#include "fuzz_secret.h"
#include "loader/loader_tls.h"
#include "net/net_tls.h"
#include "net/net_tls_clients.h"
#include "net/net_tls_known.h"

enum { SEQUENCE = 0x30 };

static void try_known(const char *text, size_t length)
{
    AUTO(net_tls_known) known = {0};
    if (!fuzz_accepted(net_tls_known_parse(&known, text, length)))
        return;
    for (size_t i = 0; i < known.num_clients; i++) {
        const struct net_tls_known_client *one = &known.clients[i];
        uint8_t other[32];
        PROMISE(one->name && *one->name && net_tls_known_has(&known, one->name, one->fingerprint));
        memcpy(other, one->fingerprint, sizeof other);
        other[0] ^= 1;
        if (known.num_clients == 1)
            PROMISE(!net_tls_known_has(&known, one->name, other));
    }
}

static void try_authorities(const uint8_t *data, size_t size)
{
    struct net_tls_clients *clients = NULL;
    PROMISE(net_tls_clients_new(&clients).code == 0);
    (void)fuzz_accepted(net_tls_clients_trust_der(clients, data, size));
    net_tls_clients_free(clients);
}

static void try_pkcs12(const uint8_t *data, size_t size)
{
    AUTO(loader_tls) tls = {0};
    SSL_CTX *context = NULL;
    static uint8_t word[] = "password";
    const struct secret password = {word, sizeof word - 1};
    if (!fuzz_accepted(loader_tls_open(&tls, data, size, &password)))
        return;
    PROMISE(tls.private_key.length > 0 && tls.certificates.length > 0);
    (void)fuzz_accepted(net_tls_server_new(&context, tls.private_key.data, tls.private_key.length,
                                           tls.certificates.data, tls.certificates.length));
    SSL_CTX_free(context);
    AUTO(loader_tls) nothing = {0};
    PROMISE(!fuzz_accepted(loader_tls_open(&nothing, data, size - 1, &password)) &&
            !nothing.private_key.data);
}

static void try_with_mac(const uint8_t *data, size_t size)
{
    const uint8_t *at = data;
    unsigned char *repaired = NULL;
    PKCS12 *file = d2i_PKCS12(NULL, &at, (long)size);
    if (file && PKCS12_set_mac(file, "password", -1, NULL, 0, 1, NULL) == 1) {
        int length = i2d_PKCS12(file, &repaired);
        if (length > 0)
            try_pkcs12(repaired, (size_t)length);
    }
    OPENSSL_free(repaired);
    PKCS12_free(file);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_open_secret_heap();
    fuzz_forget_reason();
    if (size == 0 || data[0] != SEQUENCE) {
        try_known((const char *)data, size);
        return 0;
    }
    try_authorities(data, size);
    try_pkcs12(data, size);
    try_with_mac(data, size);
    return 0;
}
