/* courier_load.c - init and reload as a walk through phases, each ended by one event.
 *
 *   CHECKING    is the keeper in a state that permits it?
 *   PROPOSING   (init) the policy, which the keeper measures and locks
 *   ADMITTING   (init, a policy that pins one) the access document, which the keeper holds to its digest
 *   OPENING     (init, a store with a sealed key) the store's head; its key is the first record
 *   ATTESTING   a document with the keeper's public key, when the last one is older than a minute
 *   DECRYPTING  KMS turns one ciphertext into an envelope for that key; it goes to the keeper, and so on
 *   HOLDING     in between, while the keeper is behind with reading
 *   FINISHING   the keeper's verdict
 *
 * KMS refusing the enclave, or being out of reach, ends the load at once: the remaining calls would end no
 * better. A single ciphertext that KMS cannot open is left out, unless it is the TLS key, and the keeper
 * told. */
#include "courier.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "policy/policy_access.h"

static must_check result next_record(struct courier *c);

void courier_load_cleanup(struct courier_load *load)
{
    courier_request_cleanup(&load->request);
    buffer_cleanup(&load->document);
    *load = (struct courier_load){0};
    (void)malloc_trim(0); /* thousands of keys have left pages behind, of which an enclave has few */
}

static must_check result end_with_error(struct courier *c, int status, const char *text)
{
    char copy[256]; /* text may be the thread's remembered sentence */
    (void)snprintf(copy, sizeof copy, "%s", text);
    uint64_t connection = c->load.connection;
    log_warn("%s: %d %s", courier_operation_name(c->load.request.operation), status, copy);
    courier_load_cleanup(&c->load);
    return courier_reply_error(c, connection, status, copy);
}

static must_check result abort_load(struct courier *c, int status, const char *text)
{
    struct packer p = courier_pack(c);
    ipc_pack_empty(&p, IPC_LOAD_ABORT);
    TRY(courier_send(c, &p));
    return end_with_error(c, status, text);
}

static must_check result refuse(struct courier *c, uint64_t connection, const struct courier_request *request,
                                const char *text)
{
    log_warn("%s: 409 %s", courier_operation_name(request->operation), text);
    return courier_reply_error(c, connection, 409, text);
}

result courier_load_begin(struct courier *c, uint64_t connection, struct courier_request *request)
{
    bool is_init = request->operation == COURIER_INIT;
    if (c->load.phase != COURIER_IDLE || courier_kms_busy(c->kms))
        return refuse(c, connection, request, "another init or reload is under way");
    if (is_init && c->initialised)
        return refuse(c, connection, request, "already initialised");
    if (!is_init && !c->initialised)
        return refuse(c, connection, request, "not initialised yet");

    const struct courier_waiter waiter = {.wish = COURIER_WISH_LOAD};
    c->load = (struct courier_load){.phase = COURIER_CHECKING, .connection = connection, .request = *request};
    *request = (struct courier_request){0};
    if (is_init) {
        aws_credentials_cleanup(&c->credentials);
        c->credentials = c->load.request.credentials;
        c->load.request.credentials = (struct aws_credentials){0};
    }
    log_info("%s: %zu records, %u keys", courier_operation_name(c->load.request.operation),
             c->load.request.num_records, c->load.request.num_keys);
    return courier_ask_status(c, &waiter);
}

static must_check result begin_records(struct courier *c)
{
    struct packer p = courier_pack(c);
    ipc_pack_load_begin(&p, false);
    TRY(courier_send(c, &p));
    c->results_due++;
    return next_record(c);
}

/* Its form; whether it is the one that is pinned is for the keeper to say, who alone knows what is. */
static must_check result check_access(const struct policy *policy, const struct buffer *text)
{
    AUTO(policy_access) access = {0};
    if (!policy->has_access || text->length == 0)
        return policy_check_access(policy, (const char *)text->data, text->length);
    return policy_access_parse(&access, (const char *)text->data, text->length);
}

static must_check result propose_policy(struct courier *c)
{
    struct policy policy;
    const struct buffer *text = &c->load.request.policy;
    result parsed = policy_parse(&policy, (const char *)text->data, text->length);
    if (parsed.code && error_prefix(parsed, "policy").code)
        return end_with_error(c, 400, error_text());
    if (strcmp(policy.kms_key, "none") == 0 || strcmp(policy.region, "none") == 0)
        return end_with_error(c, 400, "policy: kms_key and region: must be given in an enclave");
    if (check_access(&policy, &c->load.request.access).code)
        return end_with_error(c, 400, error_text());
    c->load.phase = COURIER_PROPOSING;
    struct packer p = courier_pack(c);
    ipc_pack_bytes_message(&p, IPC_POLICY, (struct ipc_bytes){text->data, (uint32_t)text->length});
    return courier_send(c, &p);
}

result courier_load_on_status(struct courier *c, const struct ipc_status *status)
{
    if (status->state == IPC_FAILED_STATE)
        return end_with_error(c, 500,
                              "the signer has failed: its log says why; mend that, then restart the enclave");
    if (c->load.request.operation == COURIER_INIT) {
        if (status->state != IPC_WAIT_STATE && status->state != IPC_ATTEST_STATE)
            return end_with_error(c, 409, "already initialised");
        return propose_policy(c);
    }
    if (status->state != IPC_SERVE_STATE)
        return end_with_error(c, 409, "the signer does not serve yet");
    return begin_records(c);
}

/* What is pinned from the accepted policy: the key, the region, the ceiling of the log. */
static must_check result adopt_policy(struct courier *c, bool *ret_has_store_key)
{
    struct policy policy;
    TRY(policy_parse(&policy, (const char *)c->load.request.policy.data, c->load.request.policy.length));
    TRY(courier_kms_configure(c->kms, policy.region, policy.kms_key));
    log_set_level(policy.log_level < c->log_level ? policy.log_level : c->log_level);
    *ret_has_store_key = policy.store_kind == POLICY_STORE_DYNAMODB;
    return RESULT_OK;
}

/* The keeper's STORE_OPEN may be behind us or still to come; then its answer is what we wait for. */
static must_check result open_store(struct courier *c)
{
    c->load.phase = COURIER_OPENING;
    if (!c->store_wanted)
        return RESULT_OK;
    if (!c->store)
        return end_with_error(c, 500, "store: the enclave was not started for this kind of store");
    TRY(courier_store_authorise(c->store, &c->credentials));
    return courier_store_read_head(c->store, false);
}

result courier_load_on_store_head(struct courier *c, const struct courier_store_head *head)
{
    char text[IPC_TEXT_MAX + 32];
    if (c->load.phase != COURIER_OPENING)
        return RESULT_OK; /* the keeper wanted it for itself */
    switch (head->status) {
    case IPC_STORE_HEAD_FOUND:
        if (head->head.sealed_key_len == 0)
            return end_with_error(c, 500, "store: its key is not under KMS: it was not made for enclaves");
        TRY(courier_request_put_first(&c->load.request, IPC_RECORD_STORE_KEY, head->head.sealed_key,
                                      head->head.sealed_key_len));
        return begin_records(c);
    case IPC_STORE_HEAD_NONE:
    case IPC_STORE_HEAD_FAILED:
        (void)snprintf(text, sizeof text, "store: %s", head->text);
        return end_with_error(c, head->status == IPC_STORE_HEAD_NONE ? 500 : 502, text);
    }
    FAIL(E_INTERNAL, "no such head");
}

/* Policy and access document are in force. */
static must_check result go_on_with_records(struct courier *c)
{
    bool has_store_key = false;
    if (adopt_policy(c, &has_store_key).code)
        return end_with_error(c, 500, error_text());
    return has_store_key ? open_store(c) : begin_records(c);
}

static must_check result hand_in_access(struct courier *c)
{
    const struct buffer *text = &c->load.request.access;
    c->load.phase = COURIER_ADMITTING;
    struct packer p = courier_pack(c);
    ipc_pack_bytes_message(&p, IPC_ACCESS, (struct ipc_bytes){text->data, (uint32_t)text->length});
    return courier_send(c, &p);
}

static must_check result on_access_result(struct courier *c, const struct ipc_policy_result *r)
{
    char text[256];
    (void)snprintf(text, sizeof text, "%.*s", (int)r->text.length, (const char *)r->text.data);
    return r->accepted ? go_on_with_records(c) : end_with_error(c, 400, text);
}

result courier_load_on_policy_result(struct courier *c, const struct ipc_policy_result *r)
{
    if (c->load.phase == COURIER_ADMITTING)
        return on_access_result(c, r);
    ENSURE(c->load.phase == COURIER_PROPOSING, E_PEER, "keeper: POLICY_RESULT without a POLICY");
    if (!r->accepted) {
        char text[256];
        (void)snprintf(text, sizeof text, "policy: %.*s", (int)r->text.length, (const char *)r->text.data);
        return end_with_error(c, c->policy_accepted ? 409 : 400, text);
    }
    c->policy_accepted = true;
    return c->load.request.access.length > 0 ? hand_in_access(c) : go_on_with_records(c);
}

static must_check result submit_record(struct courier *c)
{
    const struct courier_record *record = &c->load.request.records[c->load.next];
    c->load.phase = COURIER_DECRYPTING;
    if (courier_kms_submit(c->kms, &c->credentials, c->load.request.ciphertexts.data + record->offset,
                           record->length, &c->load.document)
            .code)
        return abort_load(c, 500, error_text());
    return RESULT_OK;
}

static must_check result finish_records(struct courier *c)
{
    if (c->load.sent == 0)
        return abort_load(c, 500, "KMS decrypted none of the records");
    c->load.phase = COURIER_FINISHING;
    struct packer p = courier_pack(c);
    ipc_pack_load_end(&p, c->load.sent);
    return courier_send(c, &p);
}

static bool document_is_fresh(const struct courier_load *load)
{
    uint64_t age_ns = clock_monotonic_ns() - load->document_ns;
    return load->document.length > 0 && age_ns < COURIER_DOCUMENT_FRESH_SECONDS * UINT64_C(1000000000);
}

static must_check result tell_refused(struct courier *c, uint32_t index, const uint8_t *pubkey,
                                      const struct courier_kms_outcome *outcome)
{
    const struct ipc_record_failed message = {
        .index = index,
        .error = (enum error_code)outcome->code,
        .text = {(const uint8_t *)outcome->text, (uint32_t)strnlen(outcome->text, IPC_TEXT_MAX)},
        .pubkey = pubkey};
    struct packer p = courier_pack(c);
    ipc_pack_record_failed(&p, &message);
    return courier_send(c, &p);
}

/* The next key of a batch whose data key KMS would not decrypt. */
static must_check result refuse_sealed(struct courier *c)
{
    const struct courier_batch *batch = c->load.batch;
    uint32_t i = c->load.batch_sent++;
    if (c->load.batch_sent == batch->num_keys)
        c->load.batch = NULL;
    return tell_refused(c, batch->index + i,
                        c->load.request.ciphertexts.data + batch->offset + (size_t)i * IPC_SEALED_LEN,
                        &c->load.refusal);
}

/* A packet's worth of the batch whose data key went before. */
static must_check result pass_on_sealed(struct courier *c)
{
    const struct courier_batch *batch = c->load.batch;
    uint32_t left = batch->num_keys - c->load.batch_sent;
    uint32_t num = left < IPC_SEALED_KEYS_MAX ? left : IPC_SEALED_KEYS_MAX;
    const uint8_t *keys = c->load.request.ciphertexts.data + batch->offset;
    const struct ipc_sealed_keys message = {
        .index = batch->index + c->load.batch_sent,
        .uuid = {(const uint8_t *)batch->uuid, (uint32_t)strlen(batch->uuid)},
        .keys = keys + (size_t)c->load.batch_sent * IPC_SEALED_LEN,
        .num_keys = num};
    struct packer p = courier_pack(c);
    ipc_pack_sealed_keys(&p, &message);
    c->load.sent += num;
    c->load.batch_sent += num;
    if (num == left)
        c->load.batch = NULL;
    return courier_send(c, &p);
}

static must_check result next_record(struct courier *c)
{
    while (c->load.batch && !courier_outbox_is_long(c->outbox))
        TRY(c->load.refusal.code ? refuse_sealed(c) : pass_on_sealed(c));
    if (courier_outbox_is_long(c->outbox)) {
        c->load.phase = COURIER_HOLDING;
        return RESULT_OK;
    }
    if (c->load.next == c->load.request.num_records)
        return finish_records(c);
    if (document_is_fresh(&c->load))
        return submit_record(c);
    const struct courier_waiter waiter = {.wish = COURIER_WISH_LOAD};
    c->load.phase = COURIER_ATTESTING;
    return courier_ask_document(c, &waiter, IPC_ATTEST_RECIPIENT);
}

result courier_load_on_room(struct courier *c)
{
    return c->load.phase == COURIER_HOLDING ? next_record(c) : RESULT_OK;
}

result courier_load_on_document(struct courier *c, struct ipc_bytes document)
{
    ENSURE(c->load.phase == COURIER_ATTESTING, E_PEER, "keeper: DOCUMENT without an ATTEST");
    if (document.length == 0)
        return abort_load(c, 500, "the Nitro Security Module gave no attestation document");
    buffer_consume(&c->load.document, c->load.document.length);
    TRY(buffer_append(&c->load.document, document.data, document.length));
    c->load.document_ns = clock_monotonic_ns();
    return submit_record(c);
}

/* 403 is for KMS saying no; everything on the way to an answer, and answers that make no sense, are 502. */
static int status_of(int code)
{
    switch ((enum error_code)code) {
    case E_DENIED:
        return 403;
    case E_AUTH:
    case E_PEER:
    case E_IO:
    case E_TIMEOUT:
    case E_TOO_LARGE:
    case E_NOT_FOUND:
        return 502;
    case E_NONE:
    case E_INPUT:
    case E_MISMATCH:
    case E_SLASHABLE:
    case E_STORE:
    case E_STATE:
    case E_MEMORY:
    case E_CRYPTO:
    case E_UNSUPPORTED:
    case E_INTERNAL:
        return 500;
    }
    return 500;
}

/* A ciphertext that is not one of this key: the others may be. */
static bool is_about_one_record(const struct courier_record *record, int code)
{
    return (record->kind == IPC_RECORD_VALIDATOR || record->kind == IPC_RECORD_DATA_KEY) &&
           (code == E_INPUT || code == E_MISMATCH);
}

static must_check result pass_on(struct courier *c, const struct courier_record *record,
                                 const struct buffer *envelope)
{
    const struct ipc_record message = {.kind = record->kind,
                                       .index = record->index,
                                       .envelope = {envelope->data, (uint32_t)envelope->length},
                                       .pubkey = record->has_pubkey ? record->pubkey : NULL};
    struct packer p = courier_pack(c);
    ipc_pack_record(&p, &message);
    c->load.sent++;
    return courier_send(c, &p);
}

/* From now on next_record is about the keys of this batch. */
static void begin_batch(struct courier *c, const struct courier_record *record,
                        const struct courier_kms_outcome *outcome)
{
    c->load.batch = &c->load.request.batches[record->index];
    c->load.batch_sent = 0;
    c->load.refusal = (struct courier_kms_outcome){.code = outcome->code};
    memcpy(c->load.refusal.text, outcome->text, sizeof c->load.refusal.text);
    if (outcome->code)
        log_warn("sealed keys of batch %u: %s", record->index, outcome->text);
}

static must_check result take_outcome(struct courier *c, const struct courier_kms_outcome *outcome)
{
    const struct courier_record *record = &c->load.request.records[c->load.next++];
    if (outcome->code && !is_about_one_record(record, outcome->code))
        return abort_load(c, status_of(outcome->code), outcome->text);
    if (record->kind == IPC_RECORD_DATA_KEY)
        begin_batch(c, record, outcome);
    if (outcome->code == E_NONE)
        TRY(pass_on(c, record, &outcome->envelope));
    else if (record->kind != IPC_RECORD_DATA_KEY)
        TRY(tell_refused(c, record->index, record->has_pubkey ? record->pubkey : NULL, outcome));
    return next_record(c);
}

result courier_load_on_kms(struct courier *c)
{
    struct courier_kms_outcome outcome = {0};
    TRY(courier_kms_take(c->kms, &outcome));
    result r = c->load.phase == COURIER_DECRYPTING ? take_outcome(c, &outcome) : RESULT_OK;
    buffer_cleanup(&outcome.envelope);
    return r;
}

static must_check result reply_loaded(struct courier *c, uint32_t keys, uint32_t failed)
{
    AUTO(buffer) body = {0};
    log_info("%s: %u keys, %u failed", courier_operation_name(c->load.request.operation), keys, failed);
    TRY(buffer_printf(&body, "{\"init_state\":true,\"keys\":%u,\"failed\":%u}", keys, failed));
    uint64_t connection = c->load.connection;
    courier_load_cleanup(&c->load);
    return courier_control_reply(c->control, connection, 200, &body);
}

result courier_load_on_result(struct courier *c, const struct ipc_load_result *r)
{
    ENSURE(c->results_due > 0, E_PEER, "LOAD_RESULT without a LOAD_BEGIN");
    c->results_due--;
    if (c->load.phase != COURIER_FINISHING || c->results_due > 0)
        return RESULT_OK; /* of a load that was aborted */
    if (!r->ok) {
        char text[256];
        (void)snprintf(text, sizeof text, "%.*s", (int)r->text.length, (const char *)r->text.data);
        return end_with_error(c, 500, text);
    }
    c->initialised = true;
    return reply_loaded(c, r->keys, r->failed);
}
