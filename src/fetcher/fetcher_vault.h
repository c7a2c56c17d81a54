/* fetcher_vault.h - requests to a HashiCorp Vault: key-value secrets engine, version 2. */
#ifndef FETCHER_FETCHER_VAULT_H
#define FETCHER_FETCHER_VAULT_H

#include <curl/curl.h>

#include "aws/aws_connect.h"
#include "fetcher.h"
#include "net/net_tls_known.h"

enum { FETCHER_VAULT_RESPONSE_MAX = 65536 };

/* Who is asked; equal ones may share a connection. */
struct fetcher_vault_target {
    uint8_t digest[32]; /* of all that decides whether a connection may be used again */
    char host[256];
    char name[264]; /* HOST:PORT, as a file of known servers has it */
    bool tls, http2, pinned;
    struct net_address address;
};

/* One thread's connection, and the token that came by it for a role. The zero state has none. */
struct fetcher_vault {
    CURL *curl;
    struct aws_connect connect;
    struct fetcher_vault_target target;
    struct net_tls_known known;
    bool refused;         /* by known: why TLS failed */
    struct secret answer; /* room for one */
    size_t answer_len;
    bool answer_too_long;
    struct secret token;
    uint8_t token_of[32]; /* digest of target, role and role's token */
};
void fetcher_vault_cleanup(struct fetcher_vault *vault);

/* IPC_FETCH_VAULT: answers itself. E_PEER when the loader has gone. */
must_check result fetcher_vault_fetch(struct fetcher *fetcher, struct fetcher_vault *vault,
                                      const struct ipc_fetch *fetch);

/* fetcher_vault_http.c: makes the connection ready for target; authorities is PEM, known a file's content. */
must_check result fetcher_vault_open(struct fetcher_vault *vault, const struct fetcher_vault_target *target,
                                     const struct buffer *authorities, struct ipc_bytes known);

/* One exchange: GET, or POST of a body. The answer of a 200 is in vault->answer, answer_len bytes and a NUL.
 * E_DENIED for a 403, E_NOT_FOUND for a 404, E_PEER for another status; E_AUTH for a certificate that is not
 * the right one; E_TIMEOUT, E_IO, E_TOO_LARGE. */
struct fetcher_vault_request {
    const char *path;           /* begins with / */
    const struct secret *token; /* NULL: none */
    const struct secret *body;  /* NULL: GET */
    long timeout_ms;
};
must_check result fetcher_vault_exchange(struct fetcher_vault *vault,
                                         const struct fetcher_vault_request *request);

#endif
