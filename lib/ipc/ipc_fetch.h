/* ipc_fetch.h - the fetcher's messages, PROTOCOL.ipc section 7. Bytes point into the packet; most are secret.
 */
#ifndef IPC_IPC_FETCH_H
#define IPC_IPC_FETCH_H

#include "ipc/ipc.h"

/* FETCH_ACCESS: AWS credentials, all empty when there are none. */
struct ipc_fetch_access {
    struct ipc_bytes access_key_id, secret_access_key, session_token;
};
void ipc_pack_fetch_access(struct packer *p, const struct ipc_fetch_access *access);
must_check result ipc_take_fetch_access(struct ipc_fetch_access *ret_access, struct ipc_message *m);

/* FETCH: a key that another server has, or all that the fetcher's own options name. What a kind has no use
 * for is empty or 0. */
enum ipc_fetch_kind { IPC_FETCH_AWS = 1, IPC_FETCH_VAULT, IPC_FETCH_AWS_ALL };
enum ipc_fetch_aws_text {
    IPC_FETCH_REGION,
    IPC_FETCH_SECRET_NAME,
    IPC_FETCH_ENDPOINT,
    IPC_FETCH_ACCESS_KEY_ID,
    IPC_FETCH_SECRET_ACCESS_KEY
};
enum ipc_fetch_vault_text {
    IPC_FETCH_HOST,
    IPC_FETCH_PATH,
    IPC_FETCH_MEMBER,
    IPC_FETCH_TOKEN,
    IPC_FETCH_KNOWN_SERVERS, /* the file's content; empty: the machine's authorities */
    IPC_FETCH_ROLE,
    IPC_FETCH_ROLE_TOKEN,
    IPC_FETCH_ROLE_PATH
};
struct ipc_fetch {
    uint32_t id; /* the loader's choice */
    enum ipc_fetch_kind kind;
    bool environment; /* IPC_FETCH_AWS: with the environment's credentials */
    bool tls, http2;
    uint32_t port, timeout_ms;
    struct ipc_bytes texts[IPC_FETCH_TEXTS];
};
void ipc_pack_fetch(struct packer *p, const struct ipc_fetch *fetch);
must_check result ipc_take_fetch(struct ipc_fetch *ret_fetch, struct ipc_message *m);

/* FETCHED: a value (secret), or the sentence of a failure, which holds no secret. */
struct ipc_fetched {
    uint32_t id;
    enum error_code error;
    bool is_part; /* more of this value follows */
    bool is_last; /* of what this FETCH is answered with */
    struct ipc_bytes name, value;
};
void ipc_pack_fetched(struct packer *p, const struct ipc_fetched *fetched);
must_check result ipc_take_fetched(struct ipc_fetched *ret_fetched, struct ipc_message *m);

#endif
