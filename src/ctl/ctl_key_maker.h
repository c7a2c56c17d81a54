/* ctl_key_maker.h - new validator keys: from a mnemonic to what KMS encrypts. For keys generate and keys
 * upload. */
#ifndef CTL_CTL_KEY_MAKER_H
#define CTL_CTL_KEY_MAKER_H

#include "bls/bls.h"
#include "ctl_prompt.h"
#include "eth2/eth2_containers.h"
#include "keystore/keystore.h"

enum { CTL_KEYS_MAX = 131072, CTL_KEY_PATH_MAX = 64, CTL_KDF_MEMORY_MAX = 1 << 30 };

struct ctl_key_options {
    const char *network, *kdf, *withdrawal_address;
    uint32_t count, first, kdf_cost, mnemonic_fd, secrets_fd, deposit_eth;
    struct ctl_secret_source existing_mnemonic;
    bool is_compounding;
};
#define CTL_KEY_DEFAULTS                                                                                     \
    {                                                                                                        \
        .network = "mainnet", .mnemonic_fd = CTL_NO_FD, .existing_mnemonic = {.fd = CTL_NO_FD},              \
        .deposit_eth = 32, .secrets_fd = CTL_NO_FD                                                           \
    }

/* clang-format off */
/* Rows for the option table of a verb that makes keys of a mnemonic; count is the caller's. */
#define CTL_MNEMONIC_ROWS(o) \
    {"first", OPTION_U32, &(o).first, "index of the first one (0)", 0, INT32_MAX}, \
    {"network", OPTION_TEXT, &(o).network, \
     "name or configuration YAML, for the deposit data and the items' chain (mainnet)", 0, 0}, \
    CTL_SECRET_ROWS((o).existing_mnemonic, "existing-mnemonic", "a mnemonic"), \
    {"kdf", OPTION_CHOICE, &(o).kdf, "scrypt|pbkdf2 of the keystores (scrypt)", 0, 0}, \
    {"kdf-cost", OPTION_U32, &(o).kdf_cost, "log2 of scrypt's n (18), or pbkdf2's rounds (262144)", 1, 1 << 24}, \
    {"withdrawal-address", OPTION_TEXT, &(o).withdrawal_address, \
     "0x address: credentials of type 0x01 (0x00, from the mnemonic)", 0, 0}, \
    {"compounding", OPTION_FLAG, &(o).is_compounding, \
     "with --withdrawal-address: type 0x02, whose rewards stay up to 2048 ETH (false)", 0, 0}, \
    {"deposit-eth", OPTION_U32, &(o).deposit_eth, "ETH that the deposit data are for (32)", 1, 2048}
/* The same, and where a new mnemonic goes. */
#define CTL_KEY_ROWS(o) \
    CTL_MNEMONIC_ROWS(o), \
    {"mnemonic-fd", OPTION_U32, &(o).mnemonic_fd, \
     "descriptor that is given a new mnemonic: keep it, nothing else does (it is shown on the terminal)", 1, 1023}, \
    {"secrets-fd", OPTION_U32, &(o).secrets_fd, \
     "for tests: descriptor that is given every secret made, one a line", 1, 1023}
/* clang-format on */

/* Whether there is a mnemonic to read, or somewhere for a new one to go. */
bool ctl_key_has_mnemonic(const struct ctl_key_options *options);

/* What the options say. The zero state owns nothing. */
struct ctl_key_maker {
    struct ctl_key_options options;
    struct eth2_network network;
    enum keystore_kdf kdf;
    uint32_t kdf_cost;
    bool has_address;
    uint8_t address[ETH2_ADDRESS_LEN];
    struct secret parent; /* m/12381/3600, after ctl_key_maker_begin */
};
void ctl_key_maker_cleanup(struct ctl_key_maker *maker);

/* Sealed keys have no password, hence no key derivation. E_INPUT, a usage error, names the option. */
must_check result ctl_key_maker_interpret(struct ctl_key_maker *maker, struct ctl_call *call,
                                          const struct ctl_key_options *options, bool is_sealed);
/* Makes the mnemonic and gives it to its descriptor, or shows it, or reads it (always with is_existing,
 * perhaps from the terminal). The secure heap is open. */
must_check result ctl_key_maker_begin(struct ctl_key_maker *maker, struct ctl_call *call, bool is_existing);

/* The rest may be called by several threads at once. */

/* The signing key of an index, its EIP-2334 path and public key. */
must_check result ctl_key_maker_derive(const struct ctl_key_maker *maker, struct secret *ret_key,
                                       char ret_path[static CTL_KEY_PATH_MAX],
                                       uint8_t ret_pubkey[static BLS_PUBKEY_LEN], uint32_t index);
/* A keystore under that password, opened again and compared. */
must_check result ctl_key_maker_keystore_under(const struct ctl_key_maker *maker, struct buffer *keystore,
                                               const struct secret *password, const struct secret *key,
                                               const char *path);
/* The same under a new password. */
must_check result ctl_key_maker_keystore(const struct ctl_key_maker *maker, struct buffer *keystore,
                                         struct secret *ret_password, const struct secret *key,
                                         const char *path);
/* The withdrawal credentials of the key of an index, and a list with its deposit datum. */
must_check result ctl_key_maker_credentials(const struct ctl_key_maker *maker,
                                            uint8_t ret_credentials[static 32], uint32_t index);
must_check result ctl_key_maker_deposit(const struct ctl_key_maker *maker, struct buffer *out,
                                        const struct secret *key, uint32_t index);

/* What KMS encrypts: keystore_b64, password_b64, and mnemonic_b64, which is empty: whoever holds the mnemonic
 * holds the withdrawal keys, which a signer never needs. */
must_check result ctl_key_plaintext(struct secret *ret_plaintext, const struct buffer *keystore,
                                    const struct secret *password);
/* With --secrets-fd, tells it a key and, unless NULL, its password. */
must_check result ctl_key_reveal(const struct ctl_key_options *options, const struct secret *key,
                                 const struct secret *password);

#endif
