/* key_sources.h - where the stand-alone signer's keys come from: a folder of Web3Signer key
 * configuration files, and folders of EIP-2335 keystores with their passwords. Target key_sources.
 *
 * Listing reads the configuration; opening reads and decrypts one key. A file that is no good is
 * an item of the list like any other, which fails when it is opened: so it is counted, once, and
 * the rest loads.
 */
#ifndef KEYSTORE_KEY_SOURCES_H
#define KEYSTORE_KEY_SOURCES_H

#include "base/result.h"
#include "base/secret.h"
#include "keystore/keystore.h"

enum { KEY_SOURCES_MAX = 131072, KEY_SOURCES_CONFIG_FILE_MAX = 100 << 20 /* Web3Signer's default */ };

enum key_source_kind {
    KEY_SOURCE_RAW,      /* the secret key stood in the configuration */
    KEY_SOURCE_KEYSTORE, /* a keystore file and a password file */
    KEY_SOURCE_AWS,      /* in AWS Secrets Manager: remote says where */
    KEY_SOURCE_VAULT,    /* in a HashiCorp Vault: the same */
    KEY_SOURCE_BROKEN    /* nothing to open, and why */
};

enum key_source_password {
    KEY_SOURCE_FIRST_LINE, /* of the password file; must not be blank */
    KEY_SOURCE_WHOLE_FILE  /* EIP-2335's normalisation drops the newline at its end */
};

/* The texts of a key that another server has; those not given are "". */
enum key_remote_aws { KEY_AWS_REGION, KEY_AWS_NAME, KEY_AWS_ENDPOINT, KEY_AWS_ACCESS_KEY_ID, KEY_AWS_SECRET };
enum key_remote_vault {
    KEY_VAULT_HOST,
    KEY_VAULT_PATH,
    KEY_VAULT_MEMBER,
    KEY_VAULT_TOKEN, /* "": the role's, by kubernetes */
    KEY_VAULT_KNOWN_SERVERS,
    KEY_VAULT_ROLE,
    KEY_VAULT_ROLE_TOKEN_FILE,
    KEY_VAULT_ROLE_PATH
};
enum { KEY_REMOTE_TEXTS = 8 };

struct key_remote {
    struct secret texts; /* KEY_REMOTE_TEXTS of them, each with its NUL: some are credentials */
    bool environment;    /* KEY_SOURCE_AWS: with the credentials of the environment */
    bool tls, http2;     /* KEY_SOURCE_VAULT, and the rest */
    uint32_t port, timeout_ms;
};

/* One of the texts, an enum's member. */
const char *key_remote_text(const struct key_remote *remote, unsigned which);

struct key_source {
    enum key_source_kind kind;
    char *origin;      /* name of the file found in the folder, without the folder: for messages */
    struct secret raw; /* KEY_SOURCE_RAW: 32 bytes, not yet checked */
    char *keystore_path, *password_path;
    struct key_remote *remote; /* KEY_SOURCE_AWS, KEY_SOURCE_VAULT */
    enum key_source_password password;
    enum error_code error; /* KEY_SOURCE_BROKEN */
    char *failure;
};

struct key_sources {
    struct key_source *items; /* in the order in which the first of two equal keys wins */
    size_t num_items;
    size_t capacity;
};
void key_sources_cleanup(struct key_sources *sources);

/* Appends what the files *.yaml and *.yml of a folder name, in alphabetical order; hidden files and
 * sub-folders are passed over, and so are documents of keyType SECP256K1 and of the types that only have such
 * keys (azure-key, aws-kms). Documents: type file-raw (privateKey), file-keystore (keystoreFile,
 * keystorePasswordFile, relative to the folder), aws-secret and hashicorp (key_config_remote.c). A bad
 * document, or one of another type, is one broken item; YAML that is malformed, and a file of more than
 * file_max bytes, make one of all that was not read. E_MEMORY when the secure heap is full, E_IO when the
 * folder cannot be read, E_TOO_LARGE over KEY_SOURCES_MAX items. */
struct key_folder {
    const char *path;
    size_t file_max;
    size_t threads; /* that may read it; the order of the items does not depend on it */
};
must_check result key_sources_add_config_folder(struct key_sources *sources, const struct key_folder *folder);

/* Appends what one such file of the folder names. Unlike above, a file that is no good is an error. */
must_check result key_sources_add_config_file(struct key_sources *sources, const char *folder,
                                              const char *name);

/* Appends the keystores *.json of a folder, but for deposit_data-*.json. The password of NAME.json is the content of
 * passwords_folder/NAME.txt, or of password_file for all; exactly one of the two is not NULL. */
must_check result key_sources_add_keystores(struct key_sources *sources, const char *folder,
                                            const char *passwords_folder, const char *password_file);

/* Reads and decrypts one key; not one that another server has (E_STATE). Errors are keystore_decrypt's and
 * those of reading a file, with the item's origin in front. May be called from several threads at once. */
must_check result key_source_open(struct keystore *ret_keystore, const struct key_source *source,
                                  size_t max_kdf_memory);

/* Opens num sources of kind KEY_SOURCE_RAW together, several times as fast as one by one. All or none; when
 * it fails, one of them is no secret, or memory is short: then open each by itself. */
enum { KEY_SOURCES_RAW_MAX = 128 };
must_check result key_sources_open_raw(struct keystore *ret_keystores,
                                       const struct key_source *const *sources, size_t num,
                                       const struct bls_fixed_base *base);

/* The key that stands as 64 hexadecimal digits in a text, with blanks around it. E_INPUT; the text is not
 * echoed. */
must_check result key_source_parse(struct keystore *ret_keystore, const char *text, size_t text_len);

#endif
