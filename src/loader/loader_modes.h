/* loader_modes.h - the ways of a load, each from the first message to LOAD_END. */
#ifndef LOADER_MODES_H
#define LOADER_MODES_H

#include <stdint.h>

#include "base/result.h"

enum { LOADER_FETCHER_FD = 4 };

struct loader_settings {
    const char *mode;
    const char *key_config_path;
    uint32_t key_config_file_max; /* bytes of one file there */
    const char *keystores_path, *keystores_passwords_path, *keystores_password_file;
    const char *tls_keystore_file, *tls_keystore_password_file;
    const char *slashing_protection_key_file;
    const char *proxy_keystores_path, *proxy_keystores_password_file;
    bool key_manager; /* files mode: tell of each key where it comes from */
    bool has_fetcher; /* files mode: it is at the other end of LOADER_FETCHER_FD */
    bool aws_secrets; /* files mode: all that it may get from AWS Secrets Manager, too */
    bool terminal;    /* standard error is one */
    uint32_t jobs;
};

/* Records and their key come in from the keeper. A record that is no good is reported and the rest
 * goes on; a message that is no good ends the load with an error. */
must_check result loader_run_records(int socket, const struct loader_settings *settings);

/* Keys come from files. A TLS keystore that cannot be opened ends the load with an error: the server
 * must not answer in the clear instead. */
must_check result loader_run_files(int socket, const struct loader_settings *settings);

/* One request to the key manager: keystores come in from the keeper and are decrypted, and become files of
 * the key configuration folder once the keeper says so; or such files are removed. */
must_check result loader_run_manage(int socket, const struct loader_settings *settings);

/* Makes one proxy key of Commit-Boost, saves it as a file, and sends it to the keeper. */
must_check result loader_run_proxy(int socket, const struct loader_settings *settings);

#endif
