/* courier.h - what the parts of the courier share: the channel to the keeper, who waits for which of its
 * answers, and the load that is under way. One thread owns all of it. */
#ifndef COURIER_H
#define COURIER_H

#include "base/log.h"
#include "courier_backend.h"
#include "courier_control.h"
#include "courier_kms.h"
#include "courier_outbox.h"
#include "courier_request.h"
#include "courier_store.h"
#include "ipc/ipc.h"

enum { COURIER_WAITERS_MAX = 64, COURIER_DOCUMENT_FRESH_SECONDS = 60 };

/* Why a STATUS or a DOCUMENT was asked of the keeper; it answers in order. */
enum courier_wish {
    COURIER_WISH_LOAD,       /* the load under way */
    COURIER_WISH_INIT_STATE, /* reply to init_state */
    COURIER_WISH_STATUS,     /* reply to status */
    COURIER_WISH_ATTEST      /* attest: first the state, then the document */
};

struct courier_waiter {
    enum courier_wish wish;
    uint64_t connection;
    uint8_t nonce[IPC_NONCE_MAX]; /* ATTEST */
    uint32_t nonce_len;
};

struct courier_waiters {
    struct courier_waiter places[COURIER_WAITERS_MAX];
    size_t first, num;
};

enum courier_phase {
    COURIER_IDLE,
    COURIER_CHECKING,   /* waits for STATUS */
    COURIER_PROPOSING,  /* waits for POLICY_RESULT */
    COURIER_ADMITTING,  /* the same, of the access document */
    COURIER_OPENING,    /* waits for the store's head, which has the store's key */
    COURIER_HOLDING,    /* waits until the keeper has read what it was sent */
    COURIER_ATTESTING,  /* waits for DOCUMENT */
    COURIER_DECRYPTING, /* waits for KMS */
    COURIER_FINISHING   /* waits for LOAD_RESULT */
};

struct courier_load {
    enum courier_phase phase;
    uint64_t connection;
    struct courier_request request;
    size_t next;                       /* record whose turn it is */
    const struct courier_batch *batch; /* whose data key was given to the keeper, but not all keys; or NULL */
    uint32_t batch_sent;               /* of its keys */
    struct courier_kms_outcome refusal; /* of its data key: its keys are told as failed; code 0: none */
    uint32_t sent;                      /* records and sealed keys given to the keeper */
    struct buffer document;
    uint64_t document_ns; /* when it came */
};

struct courier {
    int keeper;
    int supervisor; /* -1 in an enclave */
    struct courier_outbox *outbox;
    const struct courier_backend_settings *backend_settings;
    struct courier_backend backend;
    bool store_wanted;           /* STORE_OPEN has come */
    struct courier_store *store; /* NULL before, and when it cannot be made */
    struct courier_control *control;
    struct courier_kms *kms;
    struct aws_credentials credentials;
    bool initialised;     /* a first load has succeeded */
    bool policy_accepted; /* the keeper has one, and will take no other */
    enum log_level log_level;
    uint64_t started_ns;
    struct courier_waiters status_waiters, document_waiters;
    struct courier_load load;
    unsigned results_due; /* LOAD_BEGINs that the keeper has not answered, those of aborted loads too */
    uint8_t outgoing[IPC_PACKET_MAX], incoming[IPC_PACKET_MAX];
};

/* A failure of any of these ends the courier: the keeper is gone, or memory is. What is wrong with a request
 * is replied to, not returned. */

/* courier_service.c */
must_check result courier_take_message(void *courier, uint64_t connection, const char *message,
                                       size_t message_len);
must_check result courier_take_keeper_packet(struct courier *c);
/* The supervisor has sent fresh credentials. */
must_check result courier_take_access(struct courier *c);
/* Something came out of the outbox's or the store's threads, or the keeper has room. */
must_check result courier_go_on(struct courier *c);
must_check result courier_reply_error(struct courier *c, uint64_t connection, int status, const char *text);
/* Asks the keeper; E_STATE when too many wait already. */
must_check result courier_ask_status(struct courier *c, const struct courier_waiter *waiter);
must_check result courier_ask_document(struct courier *c, const struct courier_waiter *waiter,
                                       enum ipc_attest_purpose purpose);
struct packer courier_pack(struct courier *c);
must_check result courier_send(struct courier *c, const struct packer *p);

/* courier_load.c: init and reload, from the request to its reply. Takes the request over. */
must_check result courier_load_begin(struct courier *c, uint64_t connection, struct courier_request *request);
must_check result courier_load_on_status(struct courier *c, const struct ipc_status *status);
must_check result courier_load_on_policy_result(struct courier *c, const struct ipc_policy_result *r);
must_check result courier_load_on_document(struct courier *c, struct ipc_bytes document);
must_check result courier_load_on_kms(struct courier *c);
must_check result courier_load_on_store_head(struct courier *c, const struct courier_store_head *head);
/* The keeper has read most of what it was sent. */
must_check result courier_load_on_room(struct courier *c);
must_check result courier_load_on_result(struct courier *c, const struct ipc_load_result *r);
void courier_load_cleanup(struct courier_load *load);

/* courier_sandbox.c */
struct courier_reach {
    bool internet, local, vsock; /* kinds of sockets that can be made */
    const char *files[3]; /* that can be read, for libpq, which opens its certificates itself; or NULL */
};
must_check result courier_sandbox_enter(const struct courier_reach *reach);

#endif
