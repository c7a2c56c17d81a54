/* loader_proxy.c - proxy mode: makes one proxy key, saves it, and only then hands it to the keeper. */
#include <openssl/rand.h>
#include <string.h>

#include "ipc/ipc.h"
#include "ipc/ipc_proxy.h"
#include "keystore/keystore.h"
#include "loader_modes.h"
#include "loader_proxies.h"
#include "loader_proxy_folder.h"
#include "wallet/wallet.h"

enum { SEED_LEN = 32, BLS_ROUNDS = 65536, WALLET_COST = 18 /* both are Web3Signer's */ };

static must_check result generate_bls(struct secret *ret_secret)
{
    AUTO(secret) seed = {0};
    TRY(secret_new(&seed, SEED_LEN));
    ENSURE(RAND_priv_bytes(seed.data, SEED_LEN) == 1, E_CRYPTO, "no random bytes");
    return bls_derive_master(ret_secret, seed.data, SEED_LEN);
}

static must_check result make(struct secret *ret_secret, uint8_t ret_pubkey[static BLS_PUBKEY_LEN],
                              struct buffer *json, enum ipc_scheme scheme, const struct secret *password)
{
    memset(ret_pubkey, 0, BLS_PUBKEY_LEN);
    if (scheme == IPC_SCHEME_ECDSA) {
        TRY(ecdsa_generate(ret_secret));
        TRY(ecdsa_public_key(ret_pubkey, ret_secret->data));
        return wallet_encrypt(json, ret_secret->data, password->data, password->length, WALLET_COST);
    }
    TRY(generate_bls(ret_secret));
    TRY(bls_public_key(ret_pubkey, ret_secret->data));
    return keystore_encrypt(json, ret_secret->data, "", password->data, password->length, KEYSTORE_PBKDF2,
                            BLS_ROUNDS);
}

result loader_run_proxy(int socket, const struct loader_settings *settings)
{
    uint8_t packet[IPC_HEADER_LEN + 64], pubkey[BLS_PUBKEY_LEN];
    AUTO(secret) password = {0}, secret = {0}, received = {0};
    AUTO(buffer) json = {0};
    struct ipc_message message;
    struct ipc_proxy_wanted wanted;
    size_t length = 0;
    TRY(secret_new(&received, IPC_PACKET_MAX));
    TRY(ipc_receive(socket, received.data, &length, NULL));
    ENSURE(length <= sizeof packet, E_PEER, "a request for a proxy key that is too long");
    memcpy(packet, received.data, length);
    TRY(ipc_open(&message, packet, length));
    ENSURE(message.type == IPC_PROXY_WANTED, E_PEER, "message 0x%04x is no request", message.type);
    TRY(ipc_take_proxy_wanted(&wanted, &message));
    TRY(loader_proxies_password(&password, settings));
    TRY(make(&secret, pubkey, &json, wanted.scheme, &password));
    struct ipc_proxy proxy = {.scheme = wanted.scheme, .delegator = wanted.delegator, .pubkey = pubkey};
    TRY(loader_proxy_folder_write(settings->proxy_keystores_path, &proxy, &json));
    return loader_proxies_send(socket, &(struct ipc_proxy_key){.proxy = proxy, .secret = secret.data});
}
