/* courier_service.c - from a message of the control port or of the keeper to what is to be done about it. */
#include "courier.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/hex.h"
#include "base/version.h"
#include "courier_access.h"
#include "policy/policy.h"
#include "json/json.h"

struct packer courier_pack(struct courier *c)
{
    return (struct packer){.data = c->outgoing, .capacity = sizeof c->outgoing};
}

result courier_send(struct courier *c, const struct packer *p)
{
    TRY(pack_end(p));
    return courier_outbox_put(c->outbox, p->data, p->length);
}

result courier_reply_error(struct courier *c, uint64_t connection, int status, const char *text)
{
    AUTO(buffer) body = {0};
    TRY(buffer_append_text(&body, "{\"error\":"));
    TRY(json_append_quoted(&body, text));
    TRY(buffer_append_text(&body, "}"));
    return courier_control_reply(c->control, connection, status, &body);
}

static must_check result add_waiter(struct courier_waiters *waiters, const struct courier_waiter *waiter)
{
    ENSURE(waiters->num < COURIER_WAITERS_MAX, E_STATE, "too many requests wait for the keeper");
    waiters->places[(waiters->first + waiters->num++) % COURIER_WAITERS_MAX] = *waiter;
    return RESULT_OK;
}

static must_check result take_waiter(struct courier_waiter *ret_waiter, struct courier_waiters *waiters)
{
    ENSURE(waiters->num > 0, E_PEER, "keeper: answers what nobody asked");
    *ret_waiter = waiters->places[waiters->first];
    waiters->first = (waiters->first + 1) % COURIER_WAITERS_MAX;
    waiters->num--;
    return RESULT_OK;
}

result courier_ask_status(struct courier *c, const struct courier_waiter *waiter)
{
    TRY(add_waiter(&c->status_waiters, waiter));
    struct packer p = courier_pack(c);
    ipc_pack_empty(&p, IPC_STATUS_WANTED);
    return courier_send(c, &p);
}

result courier_ask_document(struct courier *c, const struct courier_waiter *waiter,
                            enum ipc_attest_purpose purpose)
{
    TRY(add_waiter(&c->document_waiters, waiter));
    const struct ipc_attest attest = {.purpose = purpose, .nonce = {waiter->nonce, waiter->nonce_len}};
    struct packer p = courier_pack(c);
    ipc_pack_attest(&p, &attest);
    return courier_send(c, &p);
}

/* A place for the load is always left. */
static bool keeper_is_overasked(const struct courier *c)
{
    return c->status_waiters.num >= COURIER_WAITERS_MAX - 1 ||
           c->document_waiters.num >= COURIER_WAITERS_MAX - 1;
}

static must_check result ask_for(struct courier *c, uint64_t connection, enum courier_wish wish,
                                 const struct courier_request *request)
{
    struct courier_waiter waiter = {.wish = wish, .connection = connection, .nonce_len = request->nonce_len};
    memcpy(waiter.nonce, request->nonce, request->nonce_len);
    if (keeper_is_overasked(c))
        return courier_reply_error(c, connection, 500, "too many requests wait for the keeper");
    return courier_ask_status(c, &waiter);
}

static must_check result replace_credentials(struct courier *c, uint64_t connection,
                                             struct courier_request *request)
{
    aws_credentials_cleanup(&c->credentials);
    c->credentials = request->credentials;
    request->credentials = (struct aws_credentials){0};
    if (c->store)
        TRY(courier_store_authorise(c->store, &c->credentials));
    log_info("credentials replaced");
    AUTO(buffer) body = {0};
    TRY(buffer_append_text(&body, "{}"));
    return courier_control_reply(c->control, connection, 200, &body);
}

static must_check result act(struct courier *c, uint64_t connection, struct courier_request *request)
{
    switch (request->operation) {
    case COURIER_INIT_STATE:
        return ask_for(c, connection, COURIER_WISH_INIT_STATE, request);
    case COURIER_STATUS:
        return ask_for(c, connection, COURIER_WISH_STATUS, request);
    case COURIER_ATTEST:
        return ask_for(c, connection, COURIER_WISH_ATTEST, request);
    case COURIER_CREDENTIALS:
        return replace_credentials(c, connection, request);
    case COURIER_INIT:
    case COURIER_RELOAD:
        return courier_load_begin(c, connection, request);
    }
    FAIL(E_INTERNAL, "operation table is wrong");
}

result courier_take_message(void *courier, uint64_t connection, const char *message, size_t message_len)
{
    struct courier *c = courier;
    AUTO(courier_request) request = {0};
    if (courier_request_parse(&request, message, message_len).code) {
        char text[256];
        (void)snprintf(text, sizeof text, "%s", error_text());
        log_warn("control: malformed request: %s", text);
        return courier_reply_error(c, connection, 400, text);
    }
    return act(c, connection, &request);
}

static must_check result reply_init_state(struct courier *c, uint64_t connection,
                                          const struct ipc_status *status)
{
    bool initialised = c->initialised && status->state != IPC_FAILED_STATE;
    AUTO(buffer) body = {0};
    TRY(buffer_printf(&body, "{\"init_state\":%s,\"state\":\"%s\"}", initialised ? "true" : "false",
                      ipc_keeper_state_name(status->state)));
    return courier_control_reply(c->control, connection, 200, &body);
}

static must_check result reply_status(struct courier *c, uint64_t connection, const struct ipc_status *status)
{
    char pcr0[2 * sizeof status->pcr0 + 1], pcr16[2 * sizeof status->pcr16 + 1];
    hex_encode(pcr0, status->pcr0, sizeof status->pcr0);
    hex_encode(pcr16, status->pcr16, sizeof status->pcr16);
    uint64_t uptime = (clock_monotonic_ns() - c->started_ns) / 1000000000;
    AUTO(buffer) body = {0};
    TRY(buffer_printf(
        &body,
        "{\"state\":\"%s\",\"keys\":%u,\"failed\":%u,\"store_ok\":%s,\"pcr0\":\"%s\",\"pcr16\":\"%s\","
        "\"version\":\"%s\",\"uptime_seconds\":%llu,\"start_ms\":{",
        ipc_keeper_state_name(status->state), status->keys, status->failed,
        status->store_ok ? "true" : "false", pcr0, pcr16, version_number, (unsigned long long)uptime));
    for (unsigned i = 0; i < IPC_PHASE_END; i++)
        TRY(buffer_printf(&body, "%s\"%s\":%.3f", i ? "," : "", ipc_phase_name((enum ipc_phase)i),
                          status->phases.us[i] / 1000.0));
    TRY(buffer_append_text(&body, "},\"failed_keys\":["));
    for (uint32_t i = 0; i < status->failed_keys.num; i++) {
        char pubkey[2 * sizeof status->failed_keys.pubkeys[0] + 3];
        hex_encode_0x(pubkey, status->failed_keys.pubkeys[i], sizeof status->failed_keys.pubkeys[0]);
        TRY(buffer_printf(&body, "%s\"%s\"", i ? "," : "", pubkey));
    }
    TRY(buffer_append_text(&body, "]}"));
    return courier_control_reply(c->control, connection, 200, &body);
}

/* The keeper would close the channel on an ATTEST out of its time. */
static must_check result attest_if_possible(struct courier *c, const struct courier_waiter *waiter,
                                            const struct ipc_status *status)
{
    bool possible = status->state == IPC_ATTEST_STATE || status->state == IPC_LOAD_STATE ||
                    status->state == IPC_SERVE_STATE;
    if (!possible)
        return courier_reply_error(c, waiter->connection, 409, "there is nothing to attest before init");
    if (keeper_is_overasked(c))
        return courier_reply_error(c, waiter->connection, 500, "too many requests wait for the keeper");
    return courier_ask_document(c, waiter, IPC_ATTEST_IDENTITY);
}

static must_check result on_status(struct courier *c, struct ipc_message *m)
{
    struct ipc_status status;
    struct courier_waiter waiter = {0};
    TRY(ipc_take_status(&status, m));
    TRY(take_waiter(&waiter, &c->status_waiters));
    switch (waiter.wish) {
    case COURIER_WISH_LOAD:
        return courier_load_on_status(c, &status);
    case COURIER_WISH_INIT_STATE:
        return reply_init_state(c, waiter.connection, &status);
    case COURIER_WISH_STATUS:
        return reply_status(c, waiter.connection, &status);
    case COURIER_WISH_ATTEST:
        return attest_if_possible(c, &waiter, &status);
    }
    FAIL(E_INTERNAL, "wish %d", (int)waiter.wish);
}

static must_check result reply_document(struct courier *c, uint64_t connection, struct ipc_bytes document)
{
    if (document.length == 0)
        return courier_reply_error(c, connection, 500,
                                   "the Nitro Security Module gave no attestation document");
    AUTO(buffer) body = {0};
    TRY(buffer_append_text(&body, "{\"document\":\""));
    TRY(base64_append(&body, document.data, document.length));
    TRY(buffer_append_text(&body, "\"}"));
    return courier_control_reply(c->control, connection, 200, &body);
}

static must_check result on_document(struct courier *c, struct ipc_message *m)
{
    struct ipc_bytes document;
    struct courier_waiter waiter = {0};
    TRY(ipc_take_bytes_message(&document, m, IPC_PACKET_MAX - IPC_HEADER_LEN));
    TRY(take_waiter(&waiter, &c->document_waiters));
    if (waiter.wish == COURIER_WISH_LOAD)
        return courier_load_on_document(c, document);
    return reply_document(c, waiter.connection, document);
}

static must_check result on_policy_result(struct courier *c, struct ipc_message *m)
{
    struct ipc_policy_result r;
    TRY(ipc_take_policy_result(&r, m));
    return courier_load_on_policy_result(c, &r);
}

static must_check result on_load_result(struct courier *c, struct ipc_message *m)
{
    struct ipc_load_result r;
    TRY(ipc_take_load_result(&r, m));
    return courier_load_on_result(c, &r);
}

static must_check result send_no_head(struct courier *c, const char *text)
{
    static const uint8_t no_head[IPC_STORE_HEAD_LEN];
    const struct ipc_store_head head = {
        .status = IPC_STORE_HEAD_FAILED,
        .head = no_head,
        .text = {(const uint8_t *)text, (uint32_t)strnlen(text, IPC_TEXT_MAX)}};
    struct packer p = courier_pack(c);
    ipc_pack_store_head(&p, &head);
    return courier_send(c, &p);
}

static must_check result open_store(struct courier *c, struct ipc_bytes text)
{
    struct policy policy;
    TRY(policy_parse(&policy, (const char *)text.data, text.length));
    TRY(courier_backend_choose(&c->backend, c->backend_settings, &policy));
    TRY(courier_store_start(&c->store, &c->backend.store, c->outbox));
    return c->credentials.access_key_id[0] ? courier_store_authorise(c->store, &c->credentials) : RESULT_OK;
}

/* What is wrong with the settings is the operator's to know; without a store nothing is signed. */
static must_check result on_store_open(struct courier *c, struct ipc_message *m)
{
    struct ipc_bytes text;
    TRY(ipc_take_bytes_message(&text, m, IPC_POLICY_MAX));
    ENSURE(!c->store_wanted, E_PEER, "a second STORE_OPEN");
    c->store_wanted = true;
    if (!open_store(c, text).code)
        return courier_store_read_head(c->store, true);
    struct courier_store_head none = {.status = IPC_STORE_HEAD_FAILED};
    (void)snprintf(none.text, sizeof none.text, "%s", error_text());
    log_error("store: %s", none.text);
    TRY(send_no_head(c, none.text));
    return courier_load_on_store_head(c, &none);
}

static must_check result on_store(struct courier *c, struct ipc_message *m)
{
    if (!c->store && m->type == IPC_STORE_HEAD_WANTED)
        return send_no_head(c, "the courier cannot reach a store");
    ENSURE(c->store, E_PEER, "message 0x%04x before the store is open", (unsigned)m->type);
    return courier_store_take(c->store, m);
}

result courier_take_access(struct courier *c)
{
    AUTO(courier_access) access = {0};
    AUTO(aws_credentials) credentials = {0};
    TRY(courier_access_receive(&access, c->supervisor));
    TRY(courier_access_credentials(&credentials, &access));
    aws_credentials_cleanup(&c->credentials);
    c->credentials = credentials;
    credentials = (struct aws_credentials){0};
    log_info("credentials replaced");
    return c->store ? courier_store_authorise(c->store, &c->credentials) : RESULT_OK;
}

result courier_go_on(struct courier *c)
{
    struct courier_store_head head;
    if (c->store && courier_store_take_head(c->store, &head))
        TRY(courier_load_on_store_head(c, &head));
    result r = courier_outbox_flush(c->outbox, c->keeper);
    if (r.code)
        return error_prefix(r, "keeper");
    return courier_outbox_is_empty(c->outbox) ? courier_load_on_room(c) : RESULT_OK;
}

static must_check result take_packet(struct courier *c)
{
    static const struct {
        enum ipc_type type;
        result (*handle)(struct courier *c, struct ipc_message *m);
    } handlers[] = {
        {IPC_STATUS, on_status},
        {IPC_DOCUMENT, on_document},
        {IPC_POLICY_RESULT, on_policy_result},
        {IPC_LOAD_RESULT, on_load_result},
        {IPC_STORE_OPEN, on_store_open},
        {IPC_STORE_HEAD_WANTED, on_store},
        {IPC_STORE_HEAD_SET, on_store},
        {IPC_STORE_LOAD, on_store},
        {IPC_STORE_ADVANCE, on_store},
    };
    size_t length = 0;
    struct ipc_message m;
    TRY(ipc_receive(c->keeper, c->incoming, &length, NULL));
    TRY(ipc_open(&m, c->incoming, length));
    for (size_t i = 0; i < ARRAY_LENGTH(handlers); i++) {
        if (handlers[i].type == m.type)
            return handlers[i].handle(c, &m);
    }
    FAIL(E_PEER, "message 0x%04x is not for the courier", (unsigned)m.type);
}

result courier_take_keeper_packet(struct courier *c)
{
    result r = take_packet(c);
    return r.code ? error_prefix(r, "keeper") : r;
}
