/* keeper_states.c - the policy, the states, and who is told of them.
 *
 * The policy is accepted as a whole or not at all: store opened and locked to its network, PCR16
 * measured, recipient key made, then the state changes. Each step can be repeated, so that an
 * init which failed half-way may be sent again. */
#include "keeper.h"

#include <string.h>

#include "keeper_sandbox.h"
#include "policy/policy_access.h"

struct packer keeper_pack(struct keeper *k)
{
    return (struct packer){.data = k->outgoing, .capacity = sizeof k->outgoing};
}

void keeper_send(struct keeper_channel *channel, const struct packer *packed)
{
    keeper_channel_send(channel, packed, false, -1);
}

static uint32_t count_keys(const struct keeper *k)
{
    return k->keys ? keeper_keys_count(k->keys) : 0;
}

void keeper_set_state(struct keeper *k, enum ipc_keeper_state state)
{
    if (k->state == IPC_FAILED_STATE)
        return;
    k->state = state;
    log_info("state: %s, %u keys", ipc_keeper_state_name(state), count_keys(k));
    struct packer p = keeper_pack(k);
    ipc_pack_state(&p, &(struct ipc_state){.state = state,
                                           .keys = count_keys(k),
                                           .failed = k->num_failed,
                                           .port = state == IPC_SERVE_STATE ? k->port : 0});
    keeper_send(&k->supervisor, &p);
}

void keeper_end(struct keeper *k, int exit_status)
{
    k->ended = true;
    k->exit_status = exit_status;
}

/* What the key manager brings or removes is of the key configuration files. */
struct ipc_counts keeper_counts(const struct keeper *k)
{
    struct ipc_counts counts = k->counts;
    uint32_t total = count_keys(k), others = 0;
    for (uint32_t i = 1; i < counts.num_sources; i++)
        others += counts.sources[i].keys;
    if (counts.num_sources > 0 && counts.sources[0].source == IPC_SOURCE_CONFIG_FILES && total >= others)
        counts.sources[0].keys = total - others;
    return counts;
}

void keeper_report_health(struct keeper *k)
{
    k->reported_ok = k->store.ok;
    struct packer p = keeper_pack(k);
    struct ipc_health health = {.store_ok = k->store.ok,
                                .keys = count_keys(k),
                                .failed = k->num_failed,
                                .failed_keys = k->failed_keys,
                                .phases = k->phases.spent,
                                .counts = keeper_counts(k)};
    ipc_pack_health(&p, &health);
    keeper_send(&k->front, &p);
}

void keeper_report_store(struct keeper *k)
{
    if (k->store.broken && k->state != IPC_FAILED_STATE)
        keeper_set_state(k, IPC_FAILED_STATE);
    bool of_courier = !k->standalone && k->load.keys;
    if (k->store.broken && (k->start.phase != KEEPER_START_IDLE || k->load.is_reload || of_courier))
        keeper_load_fail(k, "slashing protection store: nothing is signed any more");
    if (k->store.broken)
        keeper_answer_high_watermarks(k);
    if (k->store.ok != k->reported_ok && k->keys)
        keeper_report_health(k);
}

/* The log may say less than the policy permits, never more. */
static void lower_log_level(struct keeper *k)
{
    if (k->policy.log_level < k->log_level)
        k->log_level = k->policy.log_level;
    log_set_level(k->log_level);
}

static must_check result accept_policy(struct keeper *k, struct ipc_bytes text)
{
    struct policy policy;
    TRY(policy_parse(&policy, (const char *)text.data, text.length));
    ENSURE(k->standalone || policy.slashing_protection, E_INPUT,
           "slashing_protection: must be enabled in an enclave");
    /* Credentials come from the host: without the identity any table would do, and without the account a
     * living copy of the right one elsewhere. */
    ENSURE(k->standalone || policy.store_kind != POLICY_STORE_DYNAMODB || policy.has_store_identity, E_INPUT,
           "store_identity: must be given in an enclave when the store is dynamodb");
    ENSURE(k->standalone || policy.store_kind != POLICY_STORE_DYNAMODB || policy_store_account(&policy),
           E_INPUT, "store: must name the table's AWS account in an enclave, dynamodb:ACCOUNT/TABLE");
    ENSURE(!k->standalone || !policy.has_access, E_INPUT,
           "access: must be any stand-alone, where options say who may connect");
    ENSURE(policy.store_kind == POLICY_STORE_NONE || policy.store_kind == POLICY_STORE_SQLITE ||
               k->courier.fd >= 0,
           E_UNSUPPORTED, "store: one across a network needs a courier");
    TRY(keeper_store_open(&k->store, &policy));
    result r = k->standalone ? RESULT_OK : keeper_attest_measure(k, text);
    if (!r.code)
        r = keeper_sandbox_enter(policy.store_kind == POLICY_STORE_SQLITE ? policy_store_place(&policy)
                                                                          : NULL);
    if (r.code) {
        keeper_store_close(&k->store);
        return r;
    }
    k->policy = policy;
    memcpy(k->policy_text, text.data, text.length);
    k->policy_len = text.length;
    lower_log_level(k);
    if (!k->standalone && policy.store_kind == POLICY_STORE_SQLITE)
        log_warn(
            "the store is sqlite: an enclave has no disk, so the record of what was signed ends with it; use "
            "dynamodb");
    return RESULT_OK;
}

result keeper_take_policy(struct keeper *k, struct ipc_bytes text)
{
    if (k->policy_len != 0) {
        ENSURE(text.length == k->policy_len && memcmp(text.data, k->policy_text, text.length) == 0,
               E_MISMATCH, "another policy is in force already");
        return RESULT_OK;
    }
    TRY(accept_policy(k, text));
    keeper_phases_spend(&k->phases, IPC_PHASE_INIT);
    keeper_set_state(k, IPC_ATTEST_STATE);
    return RESULT_OK;
}

static void send_policy_result(struct keeper *k, const char *what, result r)
{
    struct ipc_policy_result answer = {.accepted = r.code == E_NONE};
    if (!answer.accepted) {
        log_warn("%s refused: %s", what, error_text());
        answer.text = (struct ipc_bytes){(const uint8_t *)error_text(), (uint32_t)strlen(error_text())};
    }
    struct packer p = keeper_pack(k);
    ipc_pack_policy_result(&p, &answer);
    keeper_send(&k->courier, &p);
}

void keeper_answer_policy(struct keeper *k, struct ipc_bytes text)
{
    bool is_new = k->policy_len == 0;
    result r = keeper_take_policy(k, text);
    send_policy_result(k, "policy", r);
    if (is_new && !r.code)
        keeper_head_open(k);
}

/* What the host hands in counts only if it is what was measured. The keeper does not read it: that is the
 * front's business. */
void keeper_answer_access(struct keeper *k, struct ipc_bytes text)
{
    result r = policy_check_access(&k->policy, (const char *)text.data, text.length);
    if (!r.code) {
        memcpy(k->access_text, text.data, text.length);
        k->access_len = text.length;
    }
    send_policy_result(k, "access document", r);
}

void keeper_answer_status(struct keeper *k)
{
    struct ipc_status status = {
        .state = k->state, .keys = count_keys(k), .failed = k->num_failed, .store_ok = k->store.ok};
    status.failed_keys = k->failed_keys;
    status.phases = k->phases.spent;
    memcpy(status.pcr0, k->pcr0, sizeof status.pcr0);
    memcpy(status.pcr16, k->pcr16, sizeof status.pcr16);
    struct packer p = keeper_pack(k);
    ipc_pack_status(&p, &status);
    keeper_send(&k->courier, &p);
}

void keeper_answer_high_watermarks(struct keeper *k)
{
    const struct slashing_limits *limits = &k->store.limits;
    struct ipc_high_watermark high = {.epoch = limits->high_epoch, .slot = limits->high_slot};
    if (k->store.broken ||
        (keeper_store_is_remote(&k->store) && k->store.head.status != IPC_STORE_HEAD_FOUND))
        high.status = IPC_HIGH_WATERMARK_UNKNOWN;
    else
        high.status = limits->has_high_watermark ? IPC_HIGH_WATERMARK_SET : IPC_HIGH_WATERMARK_NONE;
    for (; k->num_watermarks_asked > 0; k->num_watermarks_asked--) {
        struct packer p = keeper_pack(k);
        ipc_pack_high_watermark(&p, &high);
        keeper_send(&k->front, &p);
    }
}

/* Nobody else can change that of a file; one in a shared store may have changed since it was read. */
void keeper_want_high_watermark(struct keeper *k)
{
    k->num_watermarks_asked++;
    if (keeper_store_is_remote(&k->store) && !k->store.broken)
        keeper_head_refresh(k);
    else
        keeper_answer_high_watermarks(k);
}

static void send_keys(struct keeper *k)
{
    uint8_t pubkeys[IPC_KEYS_MAX * BLS_PUBKEY_LEN];
    uint32_t total = count_keys(k), sent = 0;
    do {
        uint32_t count = total - sent < IPC_KEYS_MAX ? total - sent : IPC_KEYS_MAX;
        for (uint32_t i = 0; i < count; i++)
            memcpy(pubkeys + (size_t)i * BLS_PUBKEY_LEN, keeper_keys_at(k->keys, sent + i)->pubkey,
                   BLS_PUBKEY_LEN);
        struct packer p = keeper_pack(k);
        ipc_pack_keys(&p, &(struct ipc_keys){.first = sent == 0,
                                             .last = sent + count == total,
                                             .pubkeys = pubkeys,
                                             .num_keys = count});
        keeper_send(&k->front, &p);
        sent += count;
    } while (sent < total);
}

void keeper_tell_front(struct keeper *k, const struct secret *tls, bool first)
{
    struct packer p = keeper_pack(k);
    if (first) {
        ipc_pack_bytes_message(&p, IPC_SETTINGS, (struct ipc_bytes){k->policy_text, k->policy_len});
        keeper_send(&k->front, &p);
    }
    if (first && k->access_len) {
        p = keeper_pack(k);
        ipc_pack_bytes_message(&p, IPC_ACCESS, (struct ipc_bytes){k->access_text, k->access_len});
        keeper_send(&k->front, &p);
    }
    if (tls->data)
        keeper_channel_send(&k->front, &(struct packer){.data = tls->data, .length = tls->length}, true, -1);
    send_keys(k);
    if (k->has_commit_boost)
        keeper_boost_tell_front(k);
    keeper_report_health(k);
    if (first) {
        p = keeper_pack(k);
        ipc_pack_empty(&p, IPC_SERVE);
        keeper_send(&k->front, &p);
    }
}

void keeper_front_listens(struct keeper *k, uint32_t port)
{
    k->port = port;
    if (k->load.listening_awaited)
        keeper_load_finish(k, true);
}
