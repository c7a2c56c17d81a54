/* watchdog_facts.h - what the status page tells of the enclave and of this program: noted as it happens, told
 * without asking anybody. No secret and no public key is among it. */
#ifndef WATCHDOG_WATCHDOG_FACTS_H
#define WATCHDOG_WATCHDOG_FACTS_H

#include "policy/policy.h"
#include "watchdog_health.h"
#include "watchdog_policy.h"

enum { WATCHDOG_PCR_LEN = 48, WATCHDOG_EVENTS_MAX = 32, WATCHDOG_DETAIL_MAX = 31, WATCHDOG_VERSION_MAX = 31 };

/* Why an enclave ended. */
enum watchdog_end {
    WATCHDOG_END_DIED, /* by itself, or could not be started */
    WATCHDOG_END_LOST,
    WATCHDOG_END_UNHEALTHY,
    WATCHDOG_END_SILENT,
    WATCHDOG_END_STOPPED,
    WATCHDOG_END_COUNT
};
const char *watchdog_end_name(enum watchdog_end end);
/* Of the event that made this program end it. */
enum watchdog_end watchdog_end_of(enum watchdog_event event);

/* The state in fewer words, for people. */
enum watchdog_condition {
    WATCHDOG_IS_STARTING,
    WATCHDOG_IS_RESTARTING,
    WATCHDOG_IS_LOADING,  /* init was sent, or what goes with it is being fetched */
    WATCHDOG_IS_WAITING,  /* there are no keys, or init was refused: tried again */
    WATCHDOG_IS_ADOPTING, /* one that ran already */
    WATCHDOG_IS_SERVING,
    WATCHDOG_IS_FAILED, /* for good */
    WATCHDOG_IS_STOPPING,
    WATCHDOG_CONDITION_COUNT
};
const char *watchdog_condition_name(enum watchdog_condition condition);

enum watchdog_event_kind {
    WATCHDOG_TOLD_STARTED,
    WATCHDOG_TOLD_SERVES,
    WATCHDOG_TOLD_ENDED,          /* detail: the end's name */
    WATCHDOG_TOLD_INIT_REFUSED,   /* the status of the answer */
    WATCHDOG_TOLD_UPDATE_REFUSED, /* credentials; the status */
    WATCHDOG_TOLD_SIGNER_FAILED,  /* for good */
    WATCHDOG_TOLD_KEYS_FAILED,    /* how many could not be loaded, when that changes */
    WATCHDOG_TOLD_STORE_FAILING,  /* and works again: */
    WATCHDOG_TOLD_STORE_WORKS,
    WATCHDOG_TOLD_FETCH_FAILED, /* keys or credentials; a name of result.h */
    WATCHDOG_TOLD_NITRO_CLI,    /* its code */
    WATCHDOG_TOLD_COUNT
};
const char *watchdog_event_kind_name(enum watchdog_event_kind kind);

struct watchdog_told {
    uint64_t at_ms; /* the last time; since 1970 */
    enum watchdog_event_kind kind;
    char detail[WATCHDOG_DETAIL_MAX + 1]; /* a word of ours; "" for none */
    uint32_t times;                       /* in a row */
};

/* A status reply, as far as only the page tells it. What is missing or not of its form is zero. */
struct watchdog_report {
    uint8_t pcr0[WATCHDOG_PCR_LEN], pcr16[WATCHDOG_PCR_LEN];
    char version[WATCHDOG_VERSION_MAX + 1]; /* printable ASCII without quotation marks, '<', '&' */
    uint64_t uptime_seconds;
    bool has_pcrs, store_ok;
};

struct watchdog_facts {
    uint64_t began_ms; /* this program */
    enum watchdog_state state;
    enum watchdog_condition condition;
    uint64_t since_ms; /* of the condition */
    bool failed;       /* the signer says so */
    uint64_t starts, ends[WATCHDOG_END_COUNT];
    uint64_t status_ms; /* of the last status; 0: none of this enclave */
    uint64_t keys, keys_failed;
    struct watchdog_report report;
    uint64_t expires_ms; /* of the credentials; 0: not known */
    bool has_policy;
    char network[ETH2_NETWORK_NAME_MAX];
    enum policy_store_kind store_kind;
    bool single_mode, protection;
    struct watchdog_told told[WATCHDOG_EVENTS_MAX]; /* a ring */
    size_t num_told, next_told;
};

void watchdog_facts_open(struct watchdog_facts *facts, uint64_t now_ms);
void watchdog_facts_policy(struct watchdog_facts *facts, const struct policy *policy);
/* What was decided: the state that is now, and whether an enclave was started. */
void watchdog_facts_step(struct watchdog_facts *facts, enum watchdog_state now, unsigned actions,
                         uint64_t now_ms);
void watchdog_facts_ended(struct watchdog_facts *facts, enum watchdog_end end, uint64_t now_ms);
/* A status of the enclave, and the body it was read from. */
void watchdog_facts_status(struct watchdog_facts *facts, const struct watchdog_status *status,
                           const char *body, uint64_t now_ms);
/* detail is cut; it must be a word of ours. The same again is counted, and stands there once. */
void watchdog_facts_tell(struct watchdog_facts *facts, enum watchdog_event_kind kind, const char *detail,
                         uint64_t now_ms);
/* The index-th, the newest first; index is below num_told. */
const struct watchdog_told *watchdog_facts_told(const struct watchdog_facts *facts, size_t index);

#endif
