/* keeper.h - nitro-signer-keeper: the process that holds the validators' keys and signs.
 *
 * One loop, four peers (PROTOCOL.ipc), one thread but for signing (keeper_pool.c). main.c turns the loop;
 * keeper_dispatch.c knows which message is permitted when and parses it; what it then asks for is done in
 * keeper_states.c (policy, states, reports), keeper_attest.c (NSM), keeper_identity.c (who this signer is),
 * keeper_load.c (keys in), keeper_reload.c (and once more), keeper_manage.c (the key manager), keeper_boost.c
 * (proxy keys) and keeper_sign.c (the gate), with keeper_ahead.c beside it. Orders wait in keeper_orders.c,
 * and what is asked of the store in keeper_requests.c; what its answers mean is decided in keeper_store.c,
 * for SQLite (keeper_local.c) and for a store across a network (keeper_remote.c, keeper_head.c, and
 * keeper_start.c for a new key set) alike.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <openssl/evp.h>

#include "base/log.h"
#include "keeper_boost.h"
#include "keeper_channel.h"
#include "keeper_keys.h"
#include "keeper_limits.h"
#include "keeper_manage.h"
#include "keeper_orders.h"
#include "keeper_phases.h"
#include "keeper_pool.h"
#include "keeper_recipient.h"
#include "keeper_remote.h"
#include "keeper_start.h"
#include "keeper_store.h"
#include "nitro/nitro_nsm.h"
#include "policy/policy.h"

enum {
    KEEPER_HEARD_MAX = 4 * IPC_BATCH_MAX, /* single orders heard in one turn */
    KEEPER_ANSWERS_TOGETHER = 16          /* the front works on these while the next are signed */
};

struct keeper_gone {
    uint32_t index; /* in k->keys */
    bool is_asked;  /* a request for it was made */
};

/* One load at a time, from LOAD_BEGIN until its result. */
struct keeper_load {
    bool failed;            /* and the courier, or the front's request, has yet to end */
    bool managed;           /* a request to the key manager: k->manage */
    bool is_reload;         /* the front asked for it: keeper_reload.c */
    bool sent_all;          /* the courier's LOAD_END was passed on; files mode: from the start */
    bool listening_awaited; /* complete; the front has yet to listen */
    uint32_t num_records, num_keys, num_failed;
    uint32_t num_refused; /* records that KMS did not decrypt: failures that the loader never saw */
    struct ipc_failed_keys failed_keys;
    struct ipc_counts counts;
    struct keeper_keys *keys;    /* the set to be */
    struct bls_fixed_base *base; /* while keys come, if many do; or NULL */
    uint64_t deadline_ns;        /* of a reload; or, stand-alone, until the loader says something again */
    /* A reload: */
    struct keeper_gone *gone; /* keys in service that are to be disabled */
    uint32_t num_gone;
    bool is_disabling;
    struct secret tls; /* a whole TLS packet for the front */
    struct secret store_key;
    uint8_t tls_spki_digest[IPC_DIGEST_LEN]; /* with tls */
    char why[IPC_TEXT_MAX + 1];
};

/* A document that a client of the front's asked for. */
struct keeper_identity {
    bool is_wanted;
    uint8_t nonce[IPC_IDENTITY_NONCE_MAX];
    uint32_t nonce_len;
    uint64_t until_ns;      /* then it is refused */
    uint64_t not_before_ns; /* then the NSM may be asked again */
};

struct keeper {
    bool standalone, has_key_manager, signs_extensions, has_commit_boost;
    const char *nsm_address;
    enum log_level log_level;
    enum ipc_keeper_state state;
    bool is_busy; /* there is more to sign: the loop does not wait */
    bool ended;   /* leave the loop, with this exit status */
    int exit_status;

    struct keeper_channel supervisor, front, courier, loader;

    uint8_t policy_text[IPC_POLICY_MAX];
    uint32_t policy_len; /* 0: none yet */
    struct policy policy;
    uint8_t access_text[IPC_ACCESS_MAX];
    uint32_t access_len; /* 0: none yet, or none is pinned */

    struct nsm nsm;
    uint8_t pcr0[NSM_PCR_LEN], pcr16[NSM_PCR_LEN];
    EVP_PKEY *recipient_key; /* NULL until the policy is measured */
    struct keeper_recipient recipient;

    struct keeper_store store;
    bool reported_ok; /* what the front was told of it */
    struct keeper_start start;
    struct keeper_keys *keys;    /* being served; NULL before the first load */
    struct keeper_keys *retired; /* served before in this run: their records, without secrets; or NULL */
    uint8_t tls_spki_digest[IPC_DIGEST_LEN]; /* of what is being served; zero without TLS */
    struct keeper_load load;
    struct keeper_manage manage;
    struct keeper_boost boost;
    uint32_t num_failed, port;
    struct ipc_failed_keys failed_keys; /* these two of the load that num_failed is of */
    struct ipc_counts counts;
    uint32_t num_watermarks_asked;   /* HIGH_WATERMARK_WANTED without an answer */
    uint32_t reload_timeout_seconds; /* of a reload; of the silence of any other loader, stand-alone */
    uint64_t probed_ns;
    struct keeper_phases phases; /* of the first start */

    struct keeper_orders orders;
    struct eth2_order_memory roots; /* of the orders decided last */
    bool batch_is_open;             /* the front said that more keys of a batch follow */
    struct keeper_requests requests;
    struct keeper_pool *pool;
    struct keeper_identity identity;
    struct keeper_reads reads;
    struct ipc_answer answers[KEEPER_ANSWERS_TOGETHER]; /* not yet sent */
    uint32_t num_answers;

    struct secret incoming;           /* one packet, in the secure heap: it may be a key */
    uint8_t outgoing[IPC_PACKET_MAX]; /* never a secret */
};

/* A packer over k->outgoing, and the sending of what was packed there. */
struct packer keeper_pack(struct keeper *k);
void keeper_send(struct keeper_channel *channel, const struct packer *packed);

/* keeper_states.c */
void keeper_set_state(struct keeper *k, enum ipc_keeper_state state);
void keeper_report_health(struct keeper *k);
/* Of the keys in service, by source. */
struct ipc_counts keeper_counts(const struct keeper *k);
void keeper_end(struct keeper *k, int exit_status);
/* What the store has come to: FAILED as the only state when it is beyond repair; the front hears of changes.
 */
void keeper_report_store(struct keeper *k);
must_check result keeper_take_policy(struct keeper *k, struct ipc_bytes text);
void keeper_answer_policy(struct keeper *k, struct ipc_bytes text);
void keeper_answer_access(struct keeper *k, struct ipc_bytes text);
void keeper_answer_status(struct keeper *k);
/* Sends the front all it needs and asks it to listen; or, on a reload, what changed. */
void keeper_tell_front(struct keeper *k, const struct secret *tls, bool first);
void keeper_front_listens(struct keeper *k, uint32_t port);

/* Answers HIGH_WATERMARK_WANTED at once, or when the head was read anew. */
void keeper_want_high_watermark(struct keeper *k);
void keeper_answer_high_watermarks(struct keeper *k);

/* keeper_orders.c knows the places; here it is known what the front may send at once. */
static inline bool keeper_has_room(const struct keeper *k)
{
    return keeper_orders_room(&k->orders) >= IPC_SIGN_KEYS_MAX;
}
/* The rest of a batch is on its way: decided together, it is recorded together. Never without room, for then
 * it could not come. */
static inline bool keeper_is_gathering(const struct keeper *k)
{
    return k->batch_is_open && keeper_has_room(k);
}

/* keeper_dispatch.c: the answer goes to the front, the order's place is free. */
void keeper_answer(struct keeper *k, struct keeper_order *order);
void keeper_send_answers(struct keeper *k);

/* keeper_attest.c */
must_check result keeper_attest_open(struct keeper *k);
/* Extends PCR16 with the policy and locks it, or finds that done; takes the recipient key. */
must_check result keeper_attest_measure(struct keeper *k, struct ipc_bytes policy_text);
void keeper_attest(struct keeper *k, const struct ipc_attest *wanted);
/* The recipient key as PKCS#8 DER. */
must_check result keeper_attest_export_key(struct secret *ret_der, const struct keeper *k);

/* keeper_identity.c */
must_check result keeper_identity_attest(struct keeper *k, struct buffer *out, struct ipc_bytes nonce);
/* With a nonce of at most IPC_IDENTITY_NONCE_MAX bytes. E_STATE while another one is wanted. */
must_check result keeper_identity_want(struct keeper *k, struct ipc_bytes nonce);
/* When the turn has something to do; UINT64_MAX if nothing. */
uint64_t keeper_identity_due_ns(const struct keeper *k);
/* Answers what is wanted, if its time has come. After the orders. */
void keeper_identity_turn(struct keeper *k);

/* keeper_load.c */
void keeper_load_begin(struct keeper *k, bool add);
void keeper_load_record(struct keeper *k, const struct ipc_record *record);
void keeper_load_sealed(struct keeper *k, const struct ipc_sealed_keys *sealed);
must_check result keeper_load_records_end(struct keeper *k, uint32_t num_records);
void keeper_load_abort(struct keeper *k);
must_check result keeper_load_take_keys(struct keeper *k, const struct ipc_loaded_key *keys, uint32_t num);
/* The set to be, and a loader that fills it. */
must_check result keeper_load_prepare(struct keeper *k, bool add);
/* Asks for a loader of the kind that this message starts, on the other end of k->loader. */
must_check result keeper_load_start_loader(struct keeper *k, enum ipc_type start);
must_check result keeper_load_store_key(struct keeper *k, const uint8_t key[static IPC_STORE_KEY_LEN]);
must_check result keeper_load_tls(struct keeper *k, const struct ipc_tls *tls);
void keeper_load_record_failed(struct keeper *k, const struct ipc_record_failed *failed);
/* The same said by the courier: there was nothing to give to the loader. E_PEER when it says so too often. */
must_check result keeper_load_record_refused(struct keeper *k, const struct ipc_record_failed *failed);
must_check result keeper_load_loader_end(struct keeper *k, const struct ipc_loader_end *end);
/* The records of the new keys are known: they take the place of the old ones. */
void keeper_load_serve(struct keeper *k);
/* Replaces the keys in service; false when the load has failed over it. */
bool keeper_load_swap(struct keeper *k);
/* The load cannot succeed any more; the loader is let go. */
void keeper_load_fail(struct keeper *k, const char *why);
/* Answers LOAD_BEGIN, RELOAD or MANAGE, and leaves LOAD. */
void keeper_load_finish(struct keeper *k, bool ok);
void keeper_load_cleanup(struct keeper_load *load);
/* The loader has said something. */
void keeper_load_heard(struct keeper *k);
/* When it is given up; UINT64_MAX when it is waited for as long as it takes. */
uint64_t keeper_load_deadline_ns(const struct keeper *k);
/* Gives up a reload that has taken too long, or a loader that has been silent too long. */
void keeper_load_expire(struct keeper *k);

/* keeper_reload.c: the stand-alone signer's files are read again. */
void keeper_reload_begin(struct keeper *k);
/* The loader has brought all: decides which keys are gone for good, and lists them in k->load.gone. */
must_check result keeper_reload_list_gone(struct keeper *k);
/* The records of new keys are known: what is gone is disabled, and then the new set serves. */
void keeper_reload_recorded(struct keeper *k);
/* Goes on with disabling. Before anything is decided for a key. */
void keeper_reload_turn(struct keeper *k);
/* RELOADED; text says why not. */
void keeper_reload_answer(struct keeper *k, bool ok, uint32_t num_failed, const char *text);

#endif
