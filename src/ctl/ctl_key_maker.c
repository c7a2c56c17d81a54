/* ctl_key_maker.c - from 32 random bytes to keystores that only an attested enclave can open.
 *
 * Each key is made, put into a keystore, opened again with the password that was written, and
 * compared, before anything leaves the process. The mnemonic goes nowhere but to the
 * descriptor it was asked for, or comes from one. */
#include "ctl_key_maker.h"

#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "base/secret_text.h"
#include "ctl_deposit.h"
#include "eth2/eth2_config.h"
#include "json/json_secret.h"

enum { ENTROPY_LEN = 32, PURPOSE = 12381, COIN = 3600 /* of EIP-2334 */, MOST_ETH = 32 };

void ctl_key_maker_cleanup(struct ctl_key_maker *maker)
{
    secret_cleanup(&maker->parent);
}

static must_check result interpret_kdf(struct ctl_key_maker *m, bool is_sealed)
{
    const struct ctl_key_options *o = &m->options;
    const char *kdf = o->kdf ? o->kdf : "scrypt";
    ENSURE(!is_sealed || !o->kdf, E_INPUT, "--kdf: not with --sealed, whose keys have no passwords");
    ENSURE(!is_sealed || !o->kdf_cost, E_INPUT,
           "--kdf-cost: not with --sealed, whose keys have no passwords");
    ENSURE(strcmp(kdf, "scrypt") == 0 || strcmp(kdf, "pbkdf2") == 0, E_INPUT,
           "--kdf: must be scrypt or pbkdf2");
    m->kdf = strcmp(kdf, "scrypt") == 0 ? KEYSTORE_SCRYPT : KEYSTORE_PBKDF2;
    m->kdf_cost = o->kdf_cost ? o->kdf_cost : m->kdf == KEYSTORE_SCRYPT ? 18 : 262144;
    ENSURE(m->kdf == KEYSTORE_PBKDF2 || m->kdf_cost <= 20, E_INPUT, "--kdf-cost: scrypt takes at most 20");
    return RESULT_OK;
}

result ctl_key_maker_interpret(struct ctl_key_maker *maker, struct ctl_call *call,
                               const struct ctl_key_options *o, bool is_sealed)
{
    maker->options = *o;
    call->is_usage_error = true;
    bool is_existing = o->existing_mnemonic.fd != CTL_NO_FD || o->existing_mnemonic.file;
    ENSURE(o->mnemonic_fd == CTL_NO_FD || !is_existing, E_INPUT,
           "--existing-mnemonic-fd, --existing-mnemonic-file: not together with --mnemonic-fd");
    ENSURE(!o->is_compounding || o->withdrawal_address, E_INPUT,
           "--withdrawal-address: required with --compounding");
    ENSURE(o->deposit_eth <= MOST_ETH || o->is_compounding, E_INPUT,
           "--deposit-eth: at most %d without --compounding", MOST_ETH);
    TRY(interpret_kdf(maker, is_sealed));
    TRY(eth2_network_of_option(&maker->network, o->network));
    if (o->withdrawal_address) {
        result r = hex_decode(maker->address, sizeof maker->address, o->withdrawal_address,
                              strlen(o->withdrawal_address));
        if (r.code)
            return error_prefix(r, "--withdrawal-address");
        maker->has_address = true;
    }
    call->is_usage_error = false;
    return RESULT_OK;
}

static must_check result make_mnemonic(struct secret *ret_mnemonic, const struct ctl_key_options *o)
{
    AUTO(secret) entropy = {0};
    AUTO(secret) mnemonic = {0};
    TRY(ctl_random(&entropy, ENTROPY_LEN));
    TRY(mnemonic_from_entropy(&mnemonic, entropy.data, entropy.length));
    if (o->mnemonic_fd == CTL_NO_FD) {
        TRY(ctl_show_mnemonic(&mnemonic));
    } else {
        TRY(file_write_full((int)o->mnemonic_fd, mnemonic.data, mnemonic.length));
        TRY(file_write_full((int)o->mnemonic_fd, "\n", 1));
    }
    *ret_mnemonic = mnemonic;
    mnemonic = (struct secret){0};
    return RESULT_OK;
}

static must_check result read_mnemonic(struct secret *ret_mnemonic, struct ctl_call *call,
                                       const struct ctl_key_options *o)
{
    AUTO(secret) mnemonic = {0};
    TRY(ctl_secret_get(&mnemonic, call, &o->existing_mnemonic, "existing-mnemonic", false));
    size_t length = mnemonic.length;
    while (length > 0 && strchr(" \t\r\n", mnemonic.data[length - 1]))
        length--;
    secret_truncate(&mnemonic, length);
    result r = mnemonic_check((const char *)mnemonic.data, mnemonic.length);
    if (r.code)
        return error_prefix(r, "the mnemonic");
    *ret_mnemonic = mnemonic;
    mnemonic = (struct secret){0};
    return RESULT_OK;
}

/* The part of all paths that is the same: a level of EIP-2333 costs as much as a signature. */
static must_check result derive_parent(struct ctl_key_maker *maker, const char *words, size_t words_len)
{
    AUTO(secret) seed = {0};
    AUTO(secret) master = {0};
    AUTO(secret) purpose = {0};
    TRY(mnemonic_to_seed(&seed, words, words_len, "", 0));
    TRY(bls_derive_master(&master, seed.data, seed.length));
    TRY(bls_derive_child(&purpose, master.data, PURPOSE));
    return bls_derive_child(&maker->parent, purpose.data, COIN);
}

bool ctl_key_has_mnemonic(const struct ctl_key_options *o)
{
    return o->mnemonic_fd != CTL_NO_FD || o->existing_mnemonic.fd != CTL_NO_FD || o->existing_mnemonic.file ||
           ctl_has_terminal();
}

result ctl_key_maker_begin(struct ctl_key_maker *maker, struct ctl_call *call, bool is_existing)
{
    const struct ctl_key_options *o = &maker->options;
    AUTO(secret) mnemonic = {0};
    if (is_existing || o->existing_mnemonic.fd != CTL_NO_FD || o->existing_mnemonic.file)
        TRY(read_mnemonic(&mnemonic, call, o));
    else
        TRY(make_mnemonic(&mnemonic, o));
    const char *words = (const char *)mnemonic.data;
    if (o->secrets_fd != CTL_NO_FD)
        TRY(ctl_reveal((int)o->secrets_fd, "mnemonic", words));
    return derive_parent(maker, words, mnemonic.length);
}

/* m/12381/3600/index/0: the key that withdraws, and parent of the one that signs. */
static must_check result derive_withdrawal(const struct ctl_key_maker *maker, struct secret *ret_key,
                                           uint32_t index)
{
    AUTO(secret) account = {0};
    TRY(bls_derive_child(&account, maker->parent.data, index));
    return bls_derive_child(ret_key, account.data, 0);
}

result ctl_key_maker_derive(const struct ctl_key_maker *maker, struct secret *ret_key,
                            char ret_path[static CTL_KEY_PATH_MAX], uint8_t ret_pubkey[static BLS_PUBKEY_LEN],
                            uint32_t index)
{
    AUTO(secret) key = {0};
    AUTO(secret) withdrawal = {0};
    (void)snprintf(ret_path, CTL_KEY_PATH_MAX, "m/12381/3600/%u/0/0", index);
    TRY(derive_withdrawal(maker, &withdrawal, index));
    TRY(bls_derive_child(&key, withdrawal.data, 0));
    TRY(bls_public_key(ret_pubkey, key.data));
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}

static must_check result self_check(const struct buffer *keystore, const struct secret *password,
                                    const struct secret *key)
{
    AUTO(keystore) opened = {0};
    TRY(keystore_decrypt(&opened, (const char *)keystore->data, keystore->length, password->data,
                         password->length, CTL_KDF_MEMORY_MAX));
    ENSURE(secret_equal(opened.secret.data, key->data, BLS_SECRET_LEN), E_INTERNAL,
           "a keystore holds another key");
    return RESULT_OK;
}

result ctl_key_maker_keystore_under(const struct ctl_key_maker *maker, struct buffer *keystore,
                                    const struct secret *password, const struct secret *key, const char *path)
{
    TRY(keystore_encrypt(keystore, key->data, path, password->data, password->length, maker->kdf,
                         maker->kdf_cost));
    return self_check(keystore, password, key);
}

result ctl_key_maker_keystore(const struct ctl_key_maker *maker, struct buffer *keystore,
                              struct secret *ret_password, const struct secret *key, const char *path)
{
    AUTO(secret) password = {0};
    TRY(ctl_make_password(&password));
    TRY(ctl_key_maker_keystore_under(maker, keystore, &password, key, path));
    *ret_password = password;
    password = (struct secret){0};
    return RESULT_OK;
}

result ctl_key_maker_credentials(const struct ctl_key_maker *maker, uint8_t ret_credentials[static 32],
                                 uint32_t index)
{
    uint8_t pubkey[BLS_PUBKEY_LEN];
    AUTO(secret) withdrawal = {0};
    if (maker->has_address) {
        ctl_credentials_of_address(ret_credentials, maker->address, maker->options.is_compounding);
        return RESULT_OK;
    }
    TRY(derive_withdrawal(maker, &withdrawal, index));
    TRY(bls_public_key(pubkey, withdrawal.data));
    return ctl_credentials_of_key(ret_credentials, pubkey);
}

result ctl_key_maker_deposit(const struct ctl_key_maker *maker, struct buffer *out, const struct secret *key,
                             uint32_t index)
{
    uint8_t credentials[32];
    TRY(ctl_key_maker_credentials(maker, credentials, index));
    return ctl_deposit_json(out, &maker->network, key->data, credentials, maker->options.deposit_eth);
}

result ctl_key_plaintext(struct secret *ret_plaintext, const struct buffer *keystore,
                         const struct secret *password)
{
    static const char mnemonic[] = ",\"mnemonic_b64\":\"\"}";
    AUTO(secret) pair = {0};
    TRY(json_secret_pair(&pair,
                         &(struct json_secret_member){"keystore_b64", keystore->data, keystore->length},
                         &(struct json_secret_member){"password_b64", password->data, password->length}));
    AUTO(secret) plaintext = {0};
    TRY(secret_new(&plaintext, pair.length - 1 + sizeof mnemonic - 1));
    memcpy(plaintext.data, pair.data, pair.length - 1);
    memcpy(plaintext.data + pair.length - 1, mnemonic, sizeof mnemonic - 1);
    *ret_plaintext = plaintext;
    plaintext = (struct secret){0};
    return RESULT_OK;
}

result ctl_key_reveal(const struct ctl_key_options *o, const struct secret *key,
                      const struct secret *password)
{
    if (o->secrets_fd == CTL_NO_FD)
        return RESULT_OK;
    AUTO(secret) digits = {0};
    TRY(secret_new(&digits, 2 * BLS_SECRET_LEN));
    hex_encode((char *)digits.data, key->data, BLS_SECRET_LEN);
    TRY(ctl_reveal((int)o->secrets_fd, "secret_key", (const char *)digits.data));
    if (!password)
        return RESULT_OK;
    return ctl_reveal((int)o->secrets_fd, "password", (const char *)password->data);
}
