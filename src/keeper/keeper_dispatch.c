/* keeper_dispatch.c - the table: which message is permitted from whom, when, and who handles it.
 *
 * A row of the table is a row of PROTOCOL.ipc section 1. Handlers take a message apart completely
 * and then call the function that acts on it. There is no other way in. */
#include "keeper_dispatch.h"

#include <string.h>

#include "base/clock.h"
#include "keeper_sign.h"

enum {
    WAIT = 1 << IPC_WAIT_STATE,
    ATTEST = 1 << IPC_ATTEST_STATE,
    LOAD = 1 << IPC_LOAD_STATE,
    SERVE = 1 << IPC_SERVE_STATE,
    FAILED = 1 << IPC_FAILED_STATE,
    RELOAD = 1 << 6,   /* LOAD, and the old keys serve */
    GIVEN_UP = 1 << 7, /* FAILED during a load, whose end the courier has not said yet */
    ANSWER = 1 << 8,   /* no state: all that a courier says stand-alone */
    ASKED = ANSWER | ATTEST | LOAD | SERVE | FAILED, /* the handlers know what was asked */
    ANY = WAIT | ATTEST | LOAD | SERVE | FAILED
};

enum peer { SUPERVISOR, FRONT, COURIER, LOADER, MAKER };

static must_check result on_supervisor_policy(struct keeper *k, struct ipc_message *m)
{
    struct ipc_bytes text;
    TRY(ipc_take_bytes_message(&text, m, IPC_POLICY_MAX));
    ENSURE(k->standalone, E_STATE, "a policy from the supervisor is for the stand-alone signer");
    if (keeper_take_policy(k, text).code) {
        log_error("%s", error_text());
        keeper_end(k, 1);
        return RESULT_OK;
    }
    keeper_head_open(k);
    keeper_load_begin(k, false);
    return RESULT_OK;
}

static must_check result on_courier_policy(struct keeper *k, struct ipc_message *m)
{
    struct ipc_bytes text;
    TRY(ipc_take_bytes_message(&text, m, IPC_POLICY_MAX));
    keeper_answer_policy(k, text);
    return RESULT_OK;
}

static must_check result on_access(struct keeper *k, struct ipc_message *m)
{
    struct ipc_bytes text;
    TRY(ipc_take_bytes_message(&text, m, IPC_ACCESS_MAX));
    keeper_answer_access(k, text);
    return RESULT_OK;
}

static must_check result on_listening(struct keeper *k, struct ipc_message *m)
{
    uint32_t port;
    TRY(ipc_take_listening(&port, m));
    keeper_front_listens(k, port);
    return RESULT_OK;
}

void keeper_send_answers(struct keeper *k)
{
    if (k->num_answers == 0)
        return;
    struct packer p = keeper_pack(k);
    ipc_begin(&p, IPC_SIGNED, k->num_answers);
    for (uint32_t i = 0; i < k->num_answers; i++)
        ipc_pack_answer(&p, &k->answers[i]);
    keeper_send(&k->front, &p);
    k->num_answers = 0;
}

void keeper_answer(struct keeper *k, struct keeper_order *order)
{
    k->answers[k->num_answers++] = order->answer;
    keeper_orders_remove(&k->orders, order);
    if (k->num_answers == KEEPER_ANSWERS_TOGETHER)
        keeper_send_answers(k);
}

static must_check result on_sign(struct keeper *k, struct ipc_message *m)
{
    static struct ipc_order orders[IPC_BATCH_MAX];
    uint64_t now = clock_monotonic_ns();
    ENSURE(m->count <= keeper_orders_room(&k->orders), E_INTERNAL, "no room for %u orders", m->count);
    for (uint32_t i = 0; i < m->count; i++)
        TRY(ipc_take_order(&orders[i], &m->body));
    for (uint32_t i = 0; i < m->count; i++)
        (void)keeper_orders_add(&k->orders, &orders[i], now);
    return RESULT_OK;
}

/* From here on they are orders as any other: each is decided and recorded by itself. */
static must_check result on_sign_many(struct keeper *k, struct ipc_message *m)
{
    struct ipc_sign_many many;
    uint64_t now = clock_monotonic_ns();
    TRY(ipc_take_sign_many(&many, m));
    ENSURE(many.num_keys <= keeper_orders_room(&k->orders), E_INTERNAL, "no room for %u orders",
           many.num_keys);
    for (uint32_t i = 0; i < many.num_keys; i++) {
        struct ipc_order order = many.order;
        order.id += i;
        memcpy(order.order.pubkey, many.pubkeys + (size_t)i * sizeof order.order.pubkey,
               sizeof order.order.pubkey);
        keeper_orders_add(&k->orders, &order, now)->is_of_many = true;
    }
    k->batch_is_open = many.more;
    return RESULT_OK;
}

static must_check result on_attest(struct keeper *k, struct ipc_message *m)
{
    struct ipc_attest attest;
    TRY(ipc_take_attest(&attest, m));
    keeper_attest(k, &attest);
    return RESULT_OK;
}

static must_check result on_identity_wanted(struct keeper *k, struct ipc_message *m)
{
    struct ipc_bytes nonce;
    TRY(ipc_take_bytes_message(&nonce, m, IPC_IDENTITY_NONCE_MAX));
    ENSURE(!k->standalone, E_STATE, "nothing is attested stand-alone");
    return keeper_identity_want(k, nonce);
}

static must_check result on_load_begin(struct keeper *k, struct ipc_message *m)
{
    bool add;
    TRY(ipc_take_load_begin(&add, m));
    ENSURE(!k->policy.has_access || k->access_len > 0, E_STATE, "a load before it is known who may connect");
    keeper_load_begin(k, add);
    if (k->state == IPC_FAILED_STATE)
        keeper_load_fail(k, "nothing is signed any more");
    return RESULT_OK;
}

static must_check result on_record(struct keeper *k, struct ipc_message *m)
{
    struct ipc_record record;
    TRY(ipc_take_record(&record, m));
    ENSURE(!k->load.sent_all, E_STATE, "a record after the end of the records");
    keeper_load_record(k, &record);
    return RESULT_OK;
}

static must_check result on_sealed_keys(struct keeper *k, struct ipc_message *m)
{
    struct ipc_sealed_keys sealed;
    TRY(ipc_take_sealed_keys(&sealed, m));
    ENSURE(!k->load.sent_all, E_STATE, "sealed keys after the end of the records");
    keeper_load_sealed(k, &sealed);
    return RESULT_OK;
}

static must_check result on_load_end(struct keeper *k, struct ipc_message *m)
{
    uint32_t records;
    TRY(ipc_take_load_end(&records, m));
    return keeper_load_records_end(k, records);
}

static must_check result on_load_abort(struct keeper *k, struct ipc_message *m)
{
    TRY(ipc_take_empty(m));
    keeper_load_abort(k);
    return RESULT_OK;
}

static must_check result on_status_wanted(struct keeper *k, struct ipc_message *m)
{
    TRY(ipc_take_empty(m));
    keeper_answer_status(k);
    return RESULT_OK;
}

static must_check result on_key(struct keeper *k, struct ipc_message *m)
{
    struct ipc_loaded_key keys[IPC_LOADED_KEYS_MAX];
    for (uint32_t i = 0; i < m->count; i++)
        TRY(ipc_take_loaded_key(&keys[i], &m->body));
    return keeper_load_take_keys(k, keys, m->count);
}

static must_check result on_tls(struct keeper *k, struct ipc_message *m)
{
    struct ipc_tls tls;
    TRY(ipc_take_tls(&tls, m));
    return keeper_load_tls(k, &tls);
}

static must_check result on_store_key(struct keeper *k, struct ipc_message *m)
{
    const uint8_t *key;
    TRY(ipc_take_store_key(&key, m));
    return keeper_load_store_key(k, key);
}

static must_check result on_store_head(struct keeper *k, struct ipc_message *m)
{
    struct ipc_store_head head;
    TRY(ipc_take_store_head(&head, m));
    return keeper_head_take(k, &head);
}

static must_check result on_store_head_is_set(struct keeper *k, struct ipc_message *m)
{
    struct ipc_store_head_is_set set;
    TRY(ipc_take_store_head_is_set(&set, m));
    return keeper_head_take_set(k, &set);
}

static must_check result on_store_entries(struct keeper *k, struct ipc_message *m)
{
    struct ipc_store_entries entries;
    TRY(ipc_take_store_entries(&entries, m));
    return keeper_remote_take_entries(k, &entries);
}

static must_check result on_record_failed(struct keeper *k, struct ipc_message *m)
{
    struct ipc_record_failed failed;
    TRY(ipc_take_record_failed(&failed, m));
    keeper_load_record_failed(k, &failed);
    return RESULT_OK;
}

static must_check result on_record_refused(struct keeper *k, struct ipc_message *m)
{
    struct ipc_record_failed failed;
    TRY(ipc_take_record_failed(&failed, m));
    return keeper_load_record_refused(k, &failed);
}

static must_check result on_loader_end(struct keeper *k, struct ipc_message *m)
{
    struct ipc_loader_end end;
    TRY(ipc_take_loader_end(&end, m));
    return keeper_load_loader_end(k, &end);
}

static must_check result on_high_watermark_wanted(struct keeper *k, struct ipc_message *m)
{
    TRY(ipc_take_empty(m));
    keeper_want_high_watermark(k);
    return RESULT_OK;
}

static must_check result on_reload(struct keeper *k, struct ipc_message *m)
{
    TRY(ipc_take_empty(m));
    ENSURE(k->standalone && !k->manage.is_active, E_STATE,
           "a reload in an enclave, or beside the key manager");
    keeper_reload_begin(k);
    return RESULT_OK;
}

static must_check result on_manage(struct keeper *k, struct ipc_message *m)
{
    struct ipc_manage manage;
    TRY(ipc_take_manage(&manage, m));
    ENSURE(k->has_key_manager, E_STATE, "there is no key manager");
    return keeper_manage_begin(k, &manage);
}

static must_check result on_keystore(struct keeper *k, struct ipc_message *m)
{
    struct ipc_keystore keystore;
    TRY(ipc_take_keystore(&keystore, m));
    result r = keeper_manage_take_keystore(k, &keystore);
    secret_wipe(k->incoming.data, k->incoming.length);
    return r;
}

static must_check result on_file_done(struct keeper *k, struct ipc_message *m)
{
    struct ipc_record_failed done;
    TRY(ipc_take_file_done(&done, m));
    return keeper_manage_take_file_done(k, &done);
}

/* For the front alone: it is passed on once it is known to be well formed. */
static must_check result on_key_info(struct keeper *k, struct ipc_message *m)
{
    struct packer p = keeper_pack(k);
    ENSURE(k->has_key_manager, E_STATE, "there is no key manager");
    ipc_begin(&p, IPC_KEY_INFO, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_key_info info;
        TRY(ipc_take_key_info(&info, &m->body));
        ipc_pack_key_info(&p, &info);
    }
    keeper_send(&k->front, &p);
    return RESULT_OK;
}

/* What was not asked to be possible breaks the channel, as a message that does not exist. */
static must_check result on_extension_sign(struct keeper *k, struct ipc_message *m)
{
    struct ipc_extension_sign wanted;
    uint8_t signature[BLS_SIGNATURE_LEN];
    TRY(ipc_take_extension_sign(&wanted, m));
    ENSURE(k->signs_extensions, E_STATE, "there is no extension signing");
    struct ipc_signature answer = {.id = wanted.id};
    answer.status = keeper_sign_extension(k, signature, &wanted);
    if (answer.status == IPC_ANSWER_SIGNED)
        answer.signature = (struct ipc_bytes){signature, sizeof signature};
    struct packer p = keeper_pack(k);
    ipc_pack_signature(&p, IPC_EXTENSION_SIGNED, &answer);
    keeper_send(&k->front, &p);
    return RESULT_OK;
}

static must_check result on_boost_sign(struct keeper *k, struct ipc_message *m)
{
    struct ipc_boost_sign wanted;
    uint8_t signature[IPC_SIGNATURE_MAX];
    TRY(ipc_take_boost_sign(&wanted, m));
    ENSURE(k->has_commit_boost, E_STATE, "there is no Commit-Boost");
    struct ipc_signature answer = {.id = wanted.id, .signature.data = signature};
    answer.status = keeper_sign_boost(k, signature, &answer.signature.length, &wanted);
    struct packer p = keeper_pack(k);
    ipc_pack_signature(&p, IPC_BOOST_SIGNED, &answer);
    keeper_send(&k->front, &p);
    return RESULT_OK;
}

static must_check result on_proxy_wanted(struct keeper *k, struct ipc_message *m)
{
    struct ipc_proxy_wanted wanted;
    TRY(ipc_take_proxy_wanted(&wanted, m));
    return keeper_boost_make(k, &wanted);
}

static must_check result on_proxy_key(struct keeper *k, struct ipc_message *m)
{
    struct ipc_proxy_key key;
    TRY(ipc_take_proxy_key(&key, m));
    return keeper_boost_load(k, &key);
}

static must_check result on_proxy_made(struct keeper *k, struct ipc_message *m)
{
    struct ipc_proxy_key key;
    TRY(ipc_take_proxy_key(&key, m));
    return keeper_boost_take_made(k, &key);
}

static const struct rule {
    enum ipc_type type;
    enum peer from;
    unsigned states;
    result (*handle)(struct keeper *k, struct ipc_message *m);
} rules[] = {
    {IPC_POLICY, SUPERVISOR, WAIT, on_supervisor_policy},
    {IPC_POLICY, COURIER, WAIT | ATTEST, on_courier_policy},
    {IPC_ACCESS, COURIER, ATTEST, on_access},
    {IPC_LISTENING, FRONT, LOAD | SERVE, on_listening},
    {IPC_SIGN, FRONT, SERVE | RELOAD | FAILED, on_sign},
    {IPC_BOOST_SIGN, FRONT, SERVE | RELOAD | FAILED, on_boost_sign},
    {IPC_PROXY_WANTED, FRONT, SERVE | RELOAD | FAILED, on_proxy_wanted},
    {IPC_PROXY_KEY, LOADER, LOAD, on_proxy_key},
    {IPC_PROXY_KEY, MAKER, ANY, on_proxy_made},
    {IPC_EXTENSION_SIGN, FRONT, SERVE | RELOAD | FAILED, on_extension_sign},
    {IPC_SIGN_MANY, FRONT, SERVE | RELOAD | FAILED, on_sign_many},
    {IPC_IDENTITY_WANTED, FRONT, SERVE | RELOAD | FAILED, on_identity_wanted},
    /* The courier hears of a failure by and by. */
    {IPC_ATTEST, COURIER, ATTEST | LOAD | SERVE | FAILED, on_attest},
    {IPC_LOAD_BEGIN, COURIER, ATTEST | SERVE | FAILED, on_load_begin},
    {IPC_RECORD, COURIER, LOAD | GIVEN_UP, on_record},
    {IPC_SEALED_KEYS, COURIER, LOAD | GIVEN_UP, on_sealed_keys},
    {IPC_RECORD_FAILED, COURIER, LOAD | GIVEN_UP, on_record_refused},
    {IPC_LOAD_END, COURIER, LOAD | GIVEN_UP, on_load_end},
    {IPC_LOAD_ABORT, COURIER, LOAD | GIVEN_UP, on_load_abort},
    {IPC_STATUS_WANTED, COURIER, ANY, on_status_wanted},
    {IPC_KEY, LOADER, LOAD, on_key},
    {IPC_TLS, LOADER, LOAD, on_tls},
    {IPC_STORE_KEY, LOADER, LOAD, on_store_key},
    {IPC_RECORD_FAILED, LOADER, LOAD, on_record_failed},
    {IPC_LOAD_END, LOADER, LOAD, on_loader_end},
    {IPC_HIGH_WATERMARK_WANTED, FRONT, SERVE | RELOAD | FAILED, on_high_watermark_wanted},
    {IPC_RELOAD, FRONT, SERVE | FAILED, on_reload},
    {IPC_MANAGE, FRONT, SERVE | FAILED, on_manage},
    {IPC_KEYSTORE, FRONT, LOAD | FAILED, on_keystore},
    {IPC_FILE_DONE, LOADER, LOAD, on_file_done},
    {IPC_KEY_INFO, LOADER, LOAD, on_key_info},
    {IPC_STORE_HEAD, COURIER, ASKED, on_store_head},
    {IPC_STORE_HEAD_IS_SET, COURIER, ASKED, on_store_head_is_set},
    {IPC_STORE_ENTRIES, COURIER, ASKED, on_store_entries},
    {IPC_STORE_ADVANCED, COURIER, ASKED, keeper_remote_take_advanced},
};

static unsigned states_now(const struct keeper *k)
{
    bool reload = k->state == IPC_LOAD_STATE && k->keys && !k->load.listening_awaited;
    bool given_up = k->state == IPC_FAILED_STATE && k->load.failed;
    return 1u << k->state | (reload ? RELOAD : 0u) | (given_up ? GIVEN_UP : 0u);
}

static enum peer peer_of(const struct keeper *k, const struct keeper_channel *channel)
{
    if (channel == &k->supervisor)
        return SUPERVISOR;
    if (channel == &k->front)
        return FRONT;
    if (channel == &k->boost.maker)
        return MAKER;
    return channel == &k->courier ? COURIER : LOADER;
}

static must_check result act(struct keeper *k, const struct keeper_channel *channel, size_t packet_len)
{
    struct ipc_message m;
    TRY(ipc_open(&m, k->incoming.data, packet_len));
    for (size_t i = 0; i < ARRAY_LENGTH(rules); i++) {
        if (rules[i].type != m.type || rules[i].from != peer_of(k, channel))
            continue;
        ENSURE(!k->standalone || rules[i].from != COURIER || rules[i].states & ANSWER, E_STATE,
               "message 0x%04x is for enclaves", m.type);
        ENSURE(rules[i].states & states_now(k), E_STATE, "message 0x%04x is not permitted in state %d",
               m.type, (int)k->state);
        return rules[i].handle(k, &m);
    }
    FAIL(E_STATE, "message 0x%04x is never permitted here", m.type);
}

void keeper_dispatch(struct keeper *k, struct keeper_channel *channel)
{
    size_t packet_len = 0;
    result r = ipc_receive(channel->fd, k->incoming.data, &packet_len, NULL);
    if (!r.code)
        r = act(k, channel, packet_len);
    if (channel == &k->loader || channel == &k->boost.maker || r.code)
        secret_wipe(k->incoming.data, k->incoming.length);
    if (r.code)
        keeper_channel_break(channel, r);
    else if (channel == &k->loader)
        keeper_load_heard(k);
}
