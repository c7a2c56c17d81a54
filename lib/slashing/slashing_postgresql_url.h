/* slashing_postgresql_url.h - where a database is, from its address. Target slashing_postgresql_url, without
 * libpq: for those too who only check the address.
 */
#ifndef SLASHING_SLASHING_POSTGRESQL_URL_H
#define SLASHING_SLASHING_POSTGRESQL_URL_H

#include "base/secret.h"

enum { SLASHING_POSTGRESQL_TEXT_MAX = 256 };

/* Where the database is. Texts end with NUL; the empty text means that the setting was not made. */
struct slashing_postgresql_settings {
    char host[SLASHING_POSTGRESQL_TEXT_MAX]; /* a name, an address, or the folder of a unix socket */
    char host_address[64]; /* numeric: where host is; "": libpq resolves it, which it cannot in a sandbox */
    char port[6];
    char database[SLASHING_POSTGRESQL_TEXT_MAX];
    char user[SLASHING_POSTGRESQL_TEXT_MAX];
    struct secret password;                     /* length 0: none */
    char sslmode[SLASHING_POSTGRESQL_TEXT_MAX]; /* libpq's words, disable to verify-full; default prefer */
    char sslrootcert[SLASHING_POSTGRESQL_TEXT_MAX];
    char sslcert[SLASHING_POSTGRESQL_TEXT_MAX];
    char sslkey[SLASHING_POSTGRESQL_TEXT_MAX];
    uint32_t connect_timeout_seconds;        /* 0: 5 */
    uint32_t statement_timeout_milliseconds; /* 0: 5,000; of each round trip, too */
};

/* Wipes the password. */
void slashing_postgresql_settings_cleanup(struct slashing_postgresql_settings *settings);

/* Reads jdbc:postgresql://HOST[:PORT]/DATABASE[?...], as Web3Signer's --slashing-protection-db-url, or
 * postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE[?...]. Parameters: user, password, ssl (of jdbc),
 * sslmode, sslrootcert, sslcert, sslkey, connect_timeout and connectTimeout (seconds), socketTimeout
 * (seconds), host (a socket's folder; not of jdbc). Any other is E_INPUT, as are several hosts: what is not
 * known is not ignored. The user is required, here or later. Nothing of the URL is echoed but names of
 * parameters. The secure heap must be open. */
must_check result slashing_postgresql_parse_url(struct slashing_postgresql_settings *ret_settings,
                                                const char *url);

#endif
