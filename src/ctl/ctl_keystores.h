/* ctl_keystores.h - folders of EIP-2335 keystores that other tools made, as the verbs of keys take them. */
#ifndef CTL_CTL_KEYSTORES_H
#define CTL_CTL_KEYSTORES_H

#include "ctl.h"
#include "keystore/key_sources.h"

struct ctl_keystore_options {
    const char *folder, *passwords, *password_file;
};

/* clang-format off */
#define CTL_KEYSTORE_ROWS(o) \
    {"keystores-path", OPTION_FOLDER, &(o).folder, "folder of EIP-2335 keystores", 0, 0}, \
    {"keystores-passwords-path", OPTION_FOLDER, &(o).passwords, "folder of NAME.txt for each NAME.json", 0, 0}, \
    {"keystores-password-file", OPTION_FILE, &(o).password_file, "one password for all keystores", 0, 0}
/* clang-format on */

/* A usage error unless a folder and one kind of password are given. */
must_check result ctl_keystore_options_check(const struct ctl_keystore_options *options,
                                             struct ctl_call *call);

enum { CTL_KEYSTORE_FILE_MAX = 16384 };

/* Lists them: *.json but deposit data. E_NOT_FOUND when there is none. */
must_check result ctl_keystores_list(struct key_sources *ret_keystores,
                                     const struct ctl_keystore_options *options);

/* The file as it is, and its password without newlines at its end. */
must_check result ctl_keystore_read(struct buffer *json, struct secret *ret_password,
                                    const struct key_source *source);
/* What KMS is to encrypt of the two. */
must_check result ctl_keystore_encode(struct secret *ret_plaintext, const struct buffer *json,
                                      const struct secret *password);
/* A keystore that is opened: the file as it is, its password without newlines at its end. */
must_check result ctl_keystore_open(struct keystore *ret_keystore, struct buffer *json,
                                    struct secret *ret_password, const struct key_source *source);
/* The same, and what KMS is to encrypt of the two. */
must_check result ctl_keystore_plaintext(struct secret *ret_plaintext,
                                         uint8_t ret_pubkey[static BLS_PUBKEY_LEN],
                                         const struct key_source *source);

#endif
