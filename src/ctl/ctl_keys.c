/* ctl_keys.c - keys generate: from 32 random bytes to items that only an attested enclave can open.
 *
 * Each key is made, put into a keystore, opened again with the password that was written, and
 * compared, before anything leaves the process. The mnemonic goes nowhere but to the
 * descriptor it was asked for: it is not put under KMS, because whoever holds it holds the
 * withdrawal keys, which a signer never needs. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "ctl_deposit.h"
#include "ctl_kms.h"
#include "ctl_sealed.h"
#include "eth2/eth2_config.h"
#include "keystore/keystore.h"
#include "json/json_secret.h"

enum { ENTROPY_LEN = 32, KDF_MEMORY_MAX = 1 << 30 };

struct options {
    struct ctl_kms_options kms;
    const char *network, *out, *uuid, *kdf, *withdrawal_address;
    uint32_t count, first, kdf_cost, mnemonic_fd, secrets_fd;
    bool is_sealed;
};

/* What the run works with once the options have been read. */
struct generator {
    struct options options;
    struct eth2_network network;
    enum keystore_kdf kdf;
    uint32_t kdf_cost;
    bool has_address;
    uint8_t address[ETH2_ADDRESS_LEN];
    struct secret seed;
    struct ctl_kms kms;
    struct ctl_sealed sealed; /* --sealed: the batch */
};

static void generator_cleanup(struct generator *g)
{
    secret_cleanup(&g->seed);
    ctl_kms_cleanup(&g->kms);
    ctl_sealed_cleanup(&g->sealed);
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.network = "mainnet",
                          .uuid = "none",
                          .kdf = "scrypt",
                          .count = 1,
                          .mnemonic_fd = CTL_NO_FD,
                          .secrets_fd = CTL_NO_FD};
    const struct option table[] = {
        {"count", OPTION_U32, &o->count, "how many validators (1)", 1, 10000},
        {"first", OPTION_U32, &o->first, "index of the first one (0)", 0, INT32_MAX},
        {"network", OPTION_TEXT, &o->network, "name or configuration YAML, for the deposit data (mainnet)", 0,
         0},
        {"out", OPTION_TEXT, &o->out, "folder of items; validators/PUBKEY.json are written there", 0, 0},
        {"mnemonic-fd", OPTION_U32, &o->mnemonic_fd,
         "descriptor that is given the mnemonic: keep it, nothing else does", 1, 1023},
        {"secrets-fd", OPTION_U32, &o->secrets_fd,
         "for tests: descriptor that is given every secret made, one a line", 1, 1023},
        {"kdf", OPTION_TEXT, &o->kdf, "scrypt or pbkdf2 (scrypt)", 0, 0},
        {"kdf-cost", OPTION_U32, &o->kdf_cost, "log2 of scrypt's n (18), or pbkdf2's rounds (262144)", 1,
         1 << 24},
        {"withdrawal-address", OPTION_TEXT, &o->withdrawal_address,
         "0x address: credentials of type 0x01 (0x00, from the mnemonic)", 0, 0},
        {"sealed", OPTION_FLAG, &o->is_sealed,
         "one item for all, sealed/PUBKEY.json, instead of keystores: an enclave opens thousands at once "
         "(false)",
         0, 0},
        {"uuid", OPTION_TEXT, &o->uuid, "web3signer_uuid of the items (none)", 0, 0},
        CTL_KMS_ROWS(o->kms),
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), "nitro-signer-ctl keys generate [options]", 0, &none));
    TRY(ctl_require(call, o->out, "out"));
    return ctl_require(call, o->mnemonic_fd == CTL_NO_FD ? NULL : o, "mnemonic-fd");
}

static must_check result check_uuid(const char *uuid)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    ENSURE(*uuid && uuid[strspn(uuid, allowed)] == 0, E_INPUT, "--uuid: letters, digits, - and _ only");
    return RESULT_OK;
}

static must_check result interpret(struct generator *g, struct ctl_call *call)
{
    const struct options *o = &g->options;
    call->is_usage_error = true;
    ENSURE(strcmp(o->kdf, "scrypt") == 0 || strcmp(o->kdf, "pbkdf2") == 0, E_INPUT,
           "--kdf: must be scrypt or pbkdf2");
    g->kdf = strcmp(o->kdf, "scrypt") == 0 ? KEYSTORE_SCRYPT : KEYSTORE_PBKDF2;
    g->kdf_cost = o->kdf_cost ? o->kdf_cost : g->kdf == KEYSTORE_SCRYPT ? 18 : 262144;
    ENSURE(g->kdf == KEYSTORE_PBKDF2 || g->kdf_cost <= 20, E_INPUT, "--kdf-cost: scrypt takes at most 20");
    TRY(check_uuid(o->uuid));
    TRY(eth2_network_of_option(&g->network, o->network));
    if (o->withdrawal_address) {
        result r =
            hex_decode(g->address, sizeof g->address, o->withdrawal_address, strlen(o->withdrawal_address));
        if (r.code)
            return error_prefix(r, "--withdrawal-address");
        g->has_address = true;
    }
    call->is_usage_error = false;
    return RESULT_OK;
}

static must_check result make_mnemonic(struct generator *g)
{
    AUTO(secret) entropy = {0};
    AUTO(secret) mnemonic = {0};
    TRY(ctl_random(&entropy, ENTROPY_LEN));
    TRY(mnemonic_from_entropy(&mnemonic, entropy.data, entropy.length));
    const char *words = (const char *)mnemonic.data;
    TRY(file_write_full((int)g->options.mnemonic_fd, words, mnemonic.length));
    TRY(file_write_full((int)g->options.mnemonic_fd, "\n", 1));
    if (g->options.secrets_fd != CTL_NO_FD)
        TRY(ctl_reveal((int)g->options.secrets_fd, "mnemonic", words));
    return mnemonic_to_seed(&g->seed, words, mnemonic.length, "", 0);
}

static must_check result self_check(const struct buffer *keystore, const struct secret *password,
                                    const struct secret *key)
{
    AUTO(keystore) opened = {0};
    TRY(keystore_decrypt(&opened, (const char *)keystore->data, keystore->length, password->data,
                         password->length, KDF_MEMORY_MAX));
    ENSURE(secret_equal(opened.secret.data, key->data, BLS_SECRET_LEN), E_INTERNAL,
           "a keystore holds another key");
    return RESULT_OK;
}

static must_check result reveal(const struct generator *g, const struct secret *key,
                                const struct secret *password)
{
    if (g->options.secrets_fd == CTL_NO_FD)
        return RESULT_OK;
    AUTO(secret) digits = {0};
    TRY(secret_new(&digits, 2 * BLS_SECRET_LEN));
    hex_encode((char *)digits.data, key->data, BLS_SECRET_LEN);
    TRY(ctl_reveal((int)g->options.secrets_fd, "secret_key", (const char *)digits.data));
    if (!password)
        return RESULT_OK;
    return ctl_reveal((int)g->options.secrets_fd, "password", (const char *)password->data);
}

static must_check result begin_batch(struct generator *g)
{
    AUTO(secret) digits = {0};
    TRY(ctl_sealed_begin(&g->sealed, g->options.uuid));
    if (g->options.secrets_fd == CTL_NO_FD)
        return RESULT_OK;
    TRY(secret_new(&digits, 2 * NITRO_SEALED_DATA_KEY_LEN));
    hex_encode((char *)digits.data, g->sealed.data_key.data, NITRO_SEALED_DATA_KEY_LEN);
    return ctl_reveal((int)g->options.secrets_fd, "data_key", (const char *)digits.data);
}

/* Appends base64 of the ciphertext of one key's keystore and password. */
static must_check result encrypt_key(struct generator *g, struct buffer *out, const struct secret *key,
                                     const char *path)
{
    AUTO(secret) password = {0};
    AUTO(secret) plaintext = {0};
    AUTO(buffer) keystore = {0};
    TRY(ctl_make_password(&password));
    TRY(keystore_encrypt(&keystore, key->data, path, password.data, password.length, g->kdf, g->kdf_cost));
    TRY(self_check(&keystore, &password, key));
    TRY(reveal(g, key, &password));
    TRY(json_secret_pair(&plaintext,
                         &(struct json_secret_member){"keystore_b64", keystore.data, keystore.length},
                         &(struct json_secret_member){"password_b64", password.data, password.length}));
    return ctl_kms_encrypt(&g->kms, out, &plaintext);
}

static must_check result make_deposit(const struct generator *g, struct buffer *out, const struct secret *key,
                                      uint32_t index)
{
    uint8_t credentials[32];
    if (g->has_address) {
        ctl_credentials_of_address(credentials, g->address);
    } else {
        char path[64];
        uint8_t pubkey[BLS_PUBKEY_LEN];
        AUTO(secret) withdrawal = {0};
        (void)snprintf(path, sizeof path, "m/12381/3600/%u/0", index);
        TRY(bls_derive_path(&withdrawal, g->seed.data, g->seed.length, path));
        TRY(bls_public_key(pubkey, withdrawal.data));
        TRY(ctl_credentials_of_key(credentials, pubkey));
    }
    return ctl_deposit_json(out, &g->network, key->data, credentials);
}

static must_check result write_item(const struct generator *g, const char *pubkey,
                                    const struct buffer *ciphertext_b64, const struct buffer *deposit)
{
    char path[PATH_MAX], now[21];
    AUTO(buffer) item = {0};
    ctl_now(now);
    TRY(buffer_printf(
        &item,
        "{\n  \"web3signer_uuid\": \"%s\",\n  \"pubkey\": \"%s\",\n  \"chain\": \"%s\",\n"
        "  \"datetime\": \"%s\",\n  \"active\": true,\n  \"encrypted_key_password_mnemonic_b64\": \"%s\",\n"
        "  \"deposit_json_b64\": \"",
        g->options.uuid, pubkey, g->network.name, now, (const char *)ciphertext_b64->data));
    TRY(base64_append(&item, deposit->data, deposit->length));
    TRY(buffer_append_text(&item, "\"\n}\n"));
    int length = snprintf(path, sizeof path, "%s/validators/%s.json", g->options.out, pubkey);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    return file_write(path, item.data, item.length, 0644);
}

static must_check result make_key(struct generator *g, uint32_t index)
{
    char path[64], pubkey_text[2 * BLS_PUBKEY_LEN + 1];
    uint8_t pubkey[BLS_PUBKEY_LEN];
    AUTO(secret) key = {0};
    AUTO(buffer) ciphertext_b64 = {0};
    AUTO(buffer) deposit = {0};
    (void)snprintf(path, sizeof path, "m/12381/3600/%u/0/0", index);
    TRY(bls_derive_path(&key, g->seed.data, g->seed.length, path));
    TRY(bls_public_key(pubkey, key.data));
    hex_encode(pubkey_text, pubkey, sizeof pubkey);
    TRY(make_deposit(g, &deposit, &key, index));
    if (g->options.is_sealed) {
        TRY(reveal(g, &key, NULL));
        TRY(ctl_sealed_add(&g->sealed, &key, pubkey, &deposit));
    } else {
        TRY(encrypt_key(g, &ciphertext_b64, &key, path));
        TRY(write_item(g, pubkey_text, &ciphertext_b64, &deposit));
    }
    (void)printf("%s  0x%s\n", path, pubkey_text);
    return RESULT_OK;
}

result ctl_keys_generate(struct ctl_call *call)
{
    AUTO(generator) g = {0};
    TRY(parse_options(&g.options, call));
    TRY(interpret(&g, call));
    TRY(ctl_secrets_open());
    TRY(ctl_kms_open(&g.kms, call, &g.options.kms));
    if (g.options.is_sealed)
        TRY(begin_batch(&g));
    else
        TRY(ctl_make_folder(g.options.out, "validators"));
    TRY(make_mnemonic(&g));
    for (uint32_t i = 0; i < g.options.count; i++)
        TRY(make_key(&g, g.options.first + i));
    return g.options.is_sealed ? ctl_sealed_write(&g.sealed, &g.kms, g.options.out, g.network.name)
                               : RESULT_OK;
}
