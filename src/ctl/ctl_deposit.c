/* ctl_deposit.c - DepositMessage and DepositData of the consensus specification (phase0).
 *
 * The signature is over the message with the network's genesis fork version and no genesis
 * validators root: a deposit is made before the chain knows the validator. */
#include "ctl_deposit.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/hex.h"
#include "eth2/eth2_order.h"
#include "ssz/ssz.h"

#define GWEI_PER_ETH UINT64_C(1000000000)

result ctl_credentials_of_key(uint8_t ret_credentials[static 32], const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    unsigned length = 32;
    uint8_t hash[32];
    ENSURE(EVP_Digest(pubkey, BLS_PUBKEY_LEN, hash, &length, EVP_sha256(), NULL) == 1, E_CRYPTO,
           "SHA-256 failed");
    memcpy(ret_credentials, hash, 32);
    ret_credentials[0] = 0x00;
    return RESULT_OK;
}

void ctl_credentials_of_address(uint8_t ret_credentials[static 32],
                                const uint8_t address[static ETH2_ADDRESS_LEN], bool is_compounding)
{
    memset(ret_credentials, 0, 32);
    ret_credentials[0] = is_compounding ? 0x02 : 0x01;
    memcpy(ret_credentials + 32 - ETH2_ADDRESS_LEN, address, ETH2_ADDRESS_LEN);
}

result ctl_deposit_signing_root(uint8_t ret_root[static ETH2_ROOT_LEN], struct ctl_deposit *d,
                                const struct eth2_network *network)
{
    struct eth2_order order = {.kind = ETH2_ORDER_DEPOSIT};
    eth2_deposit_message_root(d->message_root, &d->message);
    memcpy(order.of.object.root, d->message_root, 32);
    memcpy(order.fork_info.current_version, network->fork_version[ETH2_PHASE0], ETH2_VERSION_LEN);
    return eth2_order_signing_root(ret_root, network, &order);
}

void ctl_deposit_data_root(struct ctl_deposit *d)
{
    struct ssz_tree tree = {0};
    ssz_add_bytes(&tree, d->message.pubkey, sizeof d->message.pubkey);
    ssz_add_root(&tree, d->message.withdrawal_credentials);
    ssz_add_u64(&tree, d->message.amount);
    ssz_add_bytes(&tree, d->signature, sizeof d->signature);
    ssz_tree_root(d->data_root, &tree, 4);
}

static must_check result append_hex(struct buffer *out, const char *name, const uint8_t *bytes,
                                    size_t bytes_len)
{
    char text[2 * BLS_SIGNATURE_LEN + 1];
    ENSURE(bytes_len <= BLS_SIGNATURE_LEN, E_INTERNAL, "too long for a deposit");
    hex_encode(text, bytes, bytes_len);
    return buffer_printf(out, "\"%s\":\"%s\",", name, text);
}

static must_check result append(struct buffer *out, const struct ctl_deposit *d,
                                const struct eth2_network *network)
{
    TRY(buffer_append_text(out, "[{"));
    TRY(append_hex(out, "pubkey", d->message.pubkey, sizeof d->message.pubkey));
    TRY(append_hex(out, "withdrawal_credentials", d->message.withdrawal_credentials, 32));
    TRY(buffer_printf(out, "\"amount\":%llu,", (unsigned long long)d->message.amount));
    TRY(append_hex(out, "signature", d->signature, sizeof d->signature));
    TRY(append_hex(out, "deposit_message_root", d->message_root, 32));
    TRY(append_hex(out, "deposit_data_root", d->data_root, 32));
    TRY(append_hex(out, "fork_version", network->fork_version[ETH2_PHASE0], ETH2_VERSION_LEN));
    /* The launchpad accepts files of its own tool's version or later; this is the form of that version. */
    return buffer_printf(out, "\"network_name\":\"%s\",\"deposit_cli_version\":\"2.7.0\"}]", network->name);
}

result ctl_deposit_json(struct buffer *out, const struct eth2_network *network,
                        const uint8_t secret[static BLS_SECRET_LEN],
                        const uint8_t withdrawal_credentials[static 32], uint32_t eth)
{
    struct ctl_deposit d = {.message.amount = eth * GWEI_PER_ETH};
    uint8_t root[ETH2_ROOT_LEN];
    TRY(bls_public_key(d.message.pubkey, secret));
    memcpy(d.message.withdrawal_credentials, withdrawal_credentials, 32);
    TRY(ctl_deposit_signing_root(root, &d, network));
    TRY(bls_sign(d.signature, secret, root, sizeof root));
    ctl_deposit_data_root(&d);
    return append(out, &d, network);
}
