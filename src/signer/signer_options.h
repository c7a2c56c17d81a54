/* signer_options.h - the options of nitro-signer, in Web3Signer's names, from command line, environment and
 * configuration file: nitro-signer [options] eth2 [eth2 options] [import|export|watermark-repair [its
 * options]].
 */
#ifndef SIGNER_SIGNER_OPTIONS_H
#define SIGNER_SIGNER_OPTIONS_H

#include <stdint.h>

#include "base/log.h"
#include "base/result.h"
#include "settings/settings.h"
#include "signer_sources.h"
#include "signer_store.h"

enum signer_command {
    SIGNER_SERVE,
    SIGNER_IMPORT,
    SIGNER_EXPORT,
    SIGNER_REPAIR,
    SIGNER_SET_HIGH,
    SIGNER_REMOVE_HIGH
};

struct signer_options {
    enum signer_command command;
    const char *config_file; /* NULL: none */
    bool check_config;
    const char *http_listen_host;
    uint32_t http_listen_port;
    const char *http_host_allowlist;
    const char *http_cors_origins;
    const char *http_basic_credentials_file; /* NULL: none; so for the next */
    const char *http_path_tokens_file;
    uint32_t idle_connection_timeout_seconds;
    bool metrics_enabled;
    const char *metrics_host;
    uint32_t metrics_port;
    const char *metrics_host_allowlist;
    const char *data_path; /* NULL: none; so for each of the following */
    const char *key_config_path;
    uint32_t key_config_file_max_size;
    const char *tls_keystore_file;
    const char *tls_keystore_password_file;
    bool tls_allow_any_client;
    const char *tls_known_clients_file; /* NULL: none */
    bool tls_allow_ca_clients;
    const char *tls_client_ca_file; /* NULL: the machine's */
    const char *logging;            /* Web3Signer's name of log_level */
    enum log_level log_level;
    bool access_logs;
    const char *logging_format; /* the name of log_format, in any case */
    enum log_format log_format;
    bool load_parallel;
    uint32_t reload_timeout_minutes;
    uint32_t signing_threads; /* 0: the keeper's default */
    const char *network;
    struct signer_store_options store;
    bool slashing_protection_enabled;
    const char *far_future_epochs; /* a number or "any"; signer_policy reads it */
    bool boot_floor;
    const char *keystores_path;
    const char *keystores_passwords_path;
    const char *keystores_password_file;
    struct signer_sources_options sources;
    bool extension_signing;
    bool commit_boost;
    const char *proxy_keystores_path; /* NULL: none; so for the next */
    const char *proxy_keystores_password_file;
    bool key_manager;
    const char *key_manager_token_file; /* NULL: none */
    const char *from;                   /* of SIGNER_IMPORT */
    const char *to;                     /* of SIGNER_EXPORT */
    uint64_t epoch, slot;               /* of SIGNER_REPAIR and SIGNER_SET_HIGH */
    const char *epoch_text, *slot_text; /* the same as given; NULL: not */
    bool set_high, remove_high;         /* which of the three commands of watermark-repair it is */
};

/* E_INPUT names the option, variable or key. --help and --version end the process with 0. The texts of
 * options live as long as ret_settings. Secrets in the environment are taken out of it. */
must_check result signer_options_parse(struct signer_options *ret_options, struct settings *ret_settings,
                                       int argc, char *const argv[]);

/* The files and folders of the settings in force are there; E_INPUT names the option. */
must_check result signer_options_check_files(const struct signer_options *options,
                                             const struct settings *settings);

/* The settings in force, on standard output: --check-config. */
void signer_options_print(const struct signer_options *options, const struct settings *settings);

#endif
