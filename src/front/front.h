/* front.h - what the files of nitro-signer-front share. One event loop, one struct; no globals. */
#ifndef FRONT_FRONT_H
#define FRONT_FRONT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"
#include "eth2/eth2_api.h"
#include "ipc/ipc.h"
#include "ipc/ipc_proxy.h"
#include "net/net_http.h"
#include "net/net_tls.h"
#include "net/net_tls_clients.h"
#include "policy/policy.h"
#include "policy/policy_names.h"

struct event;
struct event_base;
struct front_asking;
struct front_batches;
struct front_boost;
struct front_desk;
struct front_manager;
struct front_metrics;

enum { FRONT_WATERMARKS_MAX = 64 };
enum { FRONT_DEADLINE_SECONDS = 10 /* for a signature, from the complete request on */ };
enum { FRONT_KEEPER_FD = 3, FRONT_LISTENER_FD = 4, FRONT_METRICS_FD = 5 };

struct front_options {
    bool enclave;
    const char *host_allowlist;
    bool metrics; /* serve them on FRONT_METRICS_FD */
    const char *metrics_host_allowlist;
    uint32_t idle_timeout_seconds;
    const char *known_clients_file; /* NULL: none */
    bool allow_ca_clients;
    const char *client_ca_file; /* NULL: the machine's */
    const char *cors_origins;
    const char *basic_credentials_file; /* NULL: none */
    const char *path_tokens_file;       /* NULL: none */
    bool extension_signing, commit_boost;
    bool access_logs;
    bool key_manager;
    const char *key_manager_token_file; /* NULL: none */
};

/* How many refusals were logged in the last seconds, and how many were not. */
struct front_refusals {
    uint64_t began_ns;
    uint32_t num_lines, num_dropped;
};

enum front_reload_status {
    FRONT_RELOAD_IDLE,
    FRONT_RELOAD_RUNNING,
    FRONT_RELOAD_COMPLETED,
    FRONT_RELOAD_WITH_ERRORS,
    FRONT_RELOAD_FAILED
};

struct front_reload {
    enum front_reload_status status;
    bool is_due;       /* runs, and the keeper has yet to be told */
    uint64_t ended_ms; /* of the latest one that ended, since 1970; 0: none has */
    char error[IPC_TEXT_MAX + 1];
};

/* Questions for the high watermark, in the order in which they came. */
struct front_watermark {
    struct net_http_request *waiting[FRONT_WATERMARKS_MAX];
    size_t num_waiting, num_sent;
};

/* The one attestation document that is being made. */
struct front_attestation {
    struct net_http_request *waiting; /* NULL: none is */
    bool is_sent;
    uint8_t nonce[IPC_IDENTITY_NONCE_MAX];
    size_t nonce_len;
};

struct front {
    struct front_options options;
    struct policy_names hosts, metrics_hosts, origins;
    struct secret basic, tokens,
        manager_tokens; /* SHA-256 digests of what is accepted, one behind the other; empty: not asked for */
    struct event_base *base;
    int keeper, listener, metrics_listener;
    struct event *keeper_readable, *keeper_writable;
    uint8_t packet[IPC_PACKET_MAX]; /* the one being read, or the one being sent */
    bool has_policy, has_access;    /* the second: the document that the policy pins has come */
    struct policy policy;
    struct net_tls_clients *clients; /* NULL: anybody */
    struct front_refusals refusals, slashing_refusals, troubles;
    uint64_t num_requests;
    uint32_t shapes_told; /* a bit each */
    char instance[17];    /* what the ids of this process's requests begin with */
    SSL_CTX *tls;
    struct ipc_health health;
    struct buffer keys;     /* those served, sorted, 48 bytes each */
    struct buffer new_keys; /* a list that is still arriving: 48 bytes a key */
    bool new_keys_open;
    struct buffer keys_json;                         /* the answer to publicKeys, complete */
    struct net_http_server *server, *metrics_server; /* the second may be NULL */
    struct front_metrics *metrics;
    uint32_t max_connections;
    struct front_desk *desk;
    struct front_asking *asking;
    struct front_batches *batches;
    struct front_boost *boost;     /* NULL: there is no Commit-Boost */
    struct front_manager *manager; /* NULL: there is no key manager */
    struct front_reload reload;
    struct front_watermark watermark;
    struct front_attestation attestation;
    bool stopping; /* the loop ends; failure says whether that was wished */
    result failure;
};

/* front_routes.c: what the server calls for every request: when its head is there, and when it is complete.
 */
net_http_admits front_begin;
net_http_handler front_handle;
/* {"error": sentence}; characters that JSON would have to escape become '?'. */
void front_reply_error(struct net_http_request *request, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Whether an Accept header has this media range, whatever its parameters. */
bool front_accepts(const char *accept, const char *media_range);
/* Whether the request's Accept, if any, lets JSON pass. False: it has been answered. */
bool front_takes_json(struct net_http_request *request);

/* Where in the API a path leads, whatever stands before it; false if nowhere. */
struct front_place {
    const char *path;  /* from there on */
    const char *route; /* without what follows */
    const char *rest;  /* what follows, "" if nothing */
};
bool front_routes_find(struct front_place *ret_place, const char *path);

/* front_access.c: reads what the options name; before the sandbox. */
must_check result front_access_open(struct front *front);
/* Whether the request's origin, host and credentials are good. False: it has been answered. A token at the
 * beginning of the path is cut off. */
bool front_admits(struct front *front, struct net_http_request *request, const char **path);
/* For the key manager: whether the request has a bearer token, if one is wanted. False: it has been answered.
 */
bool front_bears_token(struct front *front, struct net_http_request *request);
/* The host alone, for the metrics. */
bool front_host_admitted(const struct policy_names *hosts, struct net_http_request *request);

/* front_access_document.c: an ACCESS message. */
must_check result front_access_take(struct front *front, struct ipc_message *message);

/* front_clients.c: reads what the options name; before the sandbox. */
must_check result front_clients_open(struct front *front);
/* Counts one more refusal; true when it may be logged as well. */
bool front_refusal_is_logged(struct front_refusals *refusals);
/* Logs why a handshake failed. */
net_http_refused front_refused;

/* front_sign.c: orders on their way to the keeper and back. */
must_check result front_desk_new(struct front_desk **ret_desk, struct front *front, uint32_t num_connections);
void front_desk_free(struct front_desk *desk);
/* The genesis validators root, where the policy or the list of networks has it. */
void front_learn_network(struct front *front);
void front_sign(struct front *front, struct net_http_request *request, const char *identifier);
/* Sends what waits; called by the loop, and when the channel has room again. E_TIMEOUT: it has none for now.
 */
must_check result front_desk_send(struct front_desk *desk);
/* How long a request with that deadline still waits. */
uint16_t front_patience_ms(uint64_t deadline_ns);
/* One SIGNED message. */
must_check result front_desk_take_answers(struct front_desk *desk, struct ipc_message *message);

/* front_asked.c: requests that the keeper is asked about one by one, in a packet each. */
struct front_asked {
    struct net_http_request *http; /* NULL: not in use */
    uint64_t id;
    bool is_sent;
    void (*pack)(struct packer *p, const struct front_asked *asked);
    uint8_t pubkey[48];
    enum ipc_scheme scheme; /* of Commit-Boost */
    uint8_t object_root[32];
};
must_check result front_asking_new(struct front_asking **ret_asking, struct front *front);
/* Replies to what still waits. */
void front_asking_free(struct front_asking *asking);
/* Asks about a copy of it, under an id of its own. False when there is no place; nothing was replied then. */
bool front_ask(struct front *front, const struct front_asked *asked);
/* Sends what waits, as front_desk_send. */
must_check result front_asking_send(struct front_asking *asking);
/* What was asked under that id; its place is free. E_PEER when there is none. */
must_check result front_asking_take(struct front_asked *ret_asked, struct front_asking *asking, uint64_t id);

/* front_extension.c: signatures over the bytes of a request. */
void front_extension(struct front *front, struct net_http_request *request, const char *identifier);
/* EXTENSION_SIGNED. */
must_check result front_extension_take(struct front *front, struct ipc_message *message);

/* front_batch.c: one message for many keys. Ids of their orders have this bit, those of the desk's do not. */
#define FRONT_BATCH_ID ((uint64_t)1 << 63)
must_check result front_batches_new(struct front_batches **ret_batches, struct front *front);
void front_batches_free(struct front_batches *batches);
void front_sign_batch(struct front *front, struct net_http_request *request, const char *rest);
/* Sends what waits, as front_desk_send. */
must_check result front_batches_send(struct front_batches *batches);
must_check result front_batches_take_answer(struct front_batches *batches, const struct ipc_answer *answer);

/* front_boost.c: the signer API of Commit-Boost. */
must_check result front_boost_new(struct front_boost **ret_boost, struct front *front);
/* Replies to what still waits. */
void front_boost_free(struct front_boost *boost);
void front_boost_list(struct front *front, struct net_http_request *request, const char *rest);
void front_boost_generate(struct front *front, struct net_http_request *request, const char *rest);
void front_boost_sign(struct front *front, struct net_http_request *request, const char *rest);
/* PROXIES, PROXY_MADE and BOOST_SIGNED. */
must_check result front_boost_take_proxies(struct front *front, struct ipc_message *message);
must_check result front_boost_take_made(struct front *front, struct ipc_message *message);
must_check result front_boost_take_signed(struct front *front, struct ipc_message *message);

/* front_keys.c: the list of public keys, whole or not at all. */
must_check result front_keys_take(struct front *front, struct ipc_message *message);
void front_keys_list(struct front *front, struct net_http_request *request, const char *rest);

/* Whether this key is served. */
bool front_keys_has(const struct front *front, const uint8_t pubkey[static 48]);

/* front_manager.c: the key manager, one request at a time; others wait. */
must_check result front_manager_new(struct front_manager **ret_manager, struct front *front);
/* Replies to what still waits. */
void front_manager_free(struct front_manager *manager);
void front_manager_list(struct front *front, struct net_http_request *request, const char *rest);
void front_manager_import(struct front *front, struct net_http_request *request, const char *rest);
void front_manager_delete(struct front *front, struct net_http_request *request, const char *rest);
/* Sends what waits, as front_desk_send. */
must_check result front_manager_send(struct front_manager *manager);
/* A request of it is with the keeper; NULL is fine. */
bool front_manager_is_busy(const struct front_manager *manager);
/* What waited for the end of a reload goes on; NULL is fine. */
void front_manager_go_on(struct front_manager *manager);
/* KEY_INFO and MANAGED. */
must_check result front_manager_take_info(struct front_manager *manager, struct ipc_message *message);
must_check result front_manager_take_managed(struct front_manager *manager, struct ipc_message *message);

/* front_reload.c */
void front_reload_begin(struct front *front, struct net_http_request *request, const char *rest);
void front_reload_show(struct front *front, struct net_http_request *request, const char *rest);
/* From POST to RELOADED; the key manager has to wait. */
bool front_reload_runs(const struct front *front);
/* Sends what is due, unless the key manager is busy. */
must_check result front_reload_send(struct front *front);
/* RELOADED. */
must_check result front_reload_take(struct front *front, struct ipc_message *message);

/* front_watermark.c */
void front_watermark_show(struct front *front, struct net_http_request *request, const char *rest);
must_check result front_watermark_send(struct front *front);
/* HIGH_WATERMARK. */
must_check result front_watermark_take(struct front *front, struct ipc_message *message);
/* Replies to what still waits. */
void front_watermark_close(struct front *front);

/* front_attestation.c */
void front_attestation_begin(struct front *front, struct net_http_request *request, const char *rest);
must_check result front_attestation_send(struct front *front);
/* IDENTITY. */
must_check result front_attestation_take(struct front *front, struct ipc_message *message);
/* Replies to what still waits. */
void front_attestation_close(struct front *front);

/* front_health.c */
void front_upcheck(struct front *front, struct net_http_request *request, const char *rest);
void front_healthcheck(struct front *front, struct net_http_request *request, const char *rest);

/* How a sign request ended. */
enum front_outcome {
    FRONT_SIGNED,
    FRONT_MALFORMED, /* what was sent cannot be a message */
    FRONT_TOO_LARGE, /* longer than a message of its type may be */
    FRONT_ROOT_DIFFERS,
    FRONT_UNKNOWN_KEY,
    FRONT_REFUSED, /* by slashing protection */
    FRONT_STORE_ERROR,
    FRONT_BUSY,
    FRONT_LATE, /* the keeper did not answer in time, or it was too late to sign */
    FRONT_GONE, /* the client had gone before the keeper was asked */
    FRONT_FAILED,
    FRONT_OUTCOME_END
};

/* front_answer.c: what an answer of the keeper's means. */
struct front_reason {
    enum front_outcome outcome;
    int status;         /* of HTTP */
    const char *code;   /* refused by slashing protection: the rule's name; else NULL */
    char sentence[256]; /* nothing in it has to be escaped in JSON */
};
void front_explain(struct front_reason *ret_reason, const struct eth2_order *order,
                   const struct ipc_answer *answer);
/* Appends the heights that a refusal rests on as members of a JSON object, each behind a comma. */
must_check result front_append_heights(struct buffer *out, const struct eth2_order *order,
                                       const struct ipc_answer *answer);

/* "signed", "malformed", ...; a label of metrics, a field of log lines. */
const char *front_outcome_name(enum front_outcome outcome);

/* front_log.c: request ids, and the lines that are about a request. */
must_check result front_log_open(struct front *front);
/* Gives the request its id; before anything else is done with it. */
void front_log_begin(struct front *front, struct net_http_request *request);
/* How a sign request of that kind (0: not known) ends; before it is replied to. */
void front_log_note(struct net_http_request *request, enum front_outcome outcome, enum eth2_order_kind kind);
net_http_answered front_answered;
/* One key of a batch that was not signed for: the batch's own answer is 200. */
void front_log_key(struct front *front, struct net_http_request *request, const struct front_reason *reason,
                   enum eth2_order_kind kind, const uint8_t pubkey[static 48]);

/* front_fingerprint.c: which software asks, by its User-Agent: an index below FRONT_CLIENTS. */
enum { FRONT_CLIENTS = 17 };
size_t front_client_of(struct net_http_request *request);
const char *front_client_name(size_t client);
/* Counts a shape that is not the current one, and logs the first of each. */
void front_note_shape(struct front *front, struct net_http_request *request, enum eth2_order_kind kind,
                      enum eth2_api_shape shape);

/* front_repeats.c: what slashing protection refused lately; all zero at the start. */
enum { FRONT_PUBKEY_LEN = 48, FRONT_REPEATS_MAX = 1024 };
struct front_refused {
    uint8_t pubkey[FRONT_PUBKEY_LEN], signing_root[ETH2_ROOT_LEN];
};
struct front_repeats {
    struct front_refused latest[FRONT_REPEATS_MAX];
    uint64_t count; /* of all that were new */
};
/* Takes note of it; false if it is one of the latest again. */
bool front_repeats_note(struct front_repeats *repeats, const uint8_t pubkey[static FRONT_PUBKEY_LEN],
                        const uint8_t signing_root[static ETH2_ROOT_LEN]);

/* front_metrics.c: what is counted. Freed by the caller even after a failure. */
must_check result front_metrics_new(struct front_metrics **ret_metrics);
void front_metrics_free(struct front_metrics *metrics);
/* A sign request of that kind (0: not known) that was complete at that time of the monotonic clock. */
void front_metrics_answered(struct front *front, enum front_outcome outcome, enum eth2_order_kind kind,
                            uint64_t began_ns);
/* Why slashing protection refused one, of that key; beside front_metrics_answered. */
void front_metrics_refused(struct front *front, const struct ipc_answer *answer,
                           const uint8_t pubkey[static FRONT_PUBKEY_LEN]);
/* A batch of that many keys; each key is answered and counted beside it. */
void front_metrics_batch(struct front *front, uint32_t num_keys);
void front_metrics_client(struct front *front, size_t client);
void front_metrics_shape(struct front *front, enum eth2_api_shape shape);
/* The handler of the metrics' own server. */
net_http_handler front_metrics_handle;

/* front_keeper.c: the channel. Opens it on front->keeper and reads until SERVE makes the front listen. */
must_check result front_keeper_open(struct front *front);
void front_keeper_close(struct front *front);
/* What became of sending what waits: E_TIMEOUT, there is no room for now, and it goes on when there is;
 * another failure ends the loop. */
void front_keeper_tried(struct front *front, result r);
/* Ends the loop with this failure. */
void front_fail(struct front *front, result failure);

/* front_sandbox.c */
must_check result front_raise_descriptor_limit(uint32_t *ret_connections);
must_check result front_enter_sandbox(void);

#endif
