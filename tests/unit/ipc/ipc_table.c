/* ipc_table.c - one row a message; see ipc_table.h. */
#include "ipc_table.h"

uint8_t pattern[IPC_PACKET_MAX];

struct ipc_bytes some(uint32_t length)
{
    return (struct ipc_bytes){.data = pattern, .length = length};
}

static void pack_policy(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_POLICY, some(700));
}

static void pack_settings(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_SETTINGS, some(4096));
}

static void pack_access(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_ACCESS, some(IPC_ACCESS_MAX));
}

static void pack_document(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_DOCUMENT, some(5000));
}

static void pack_no_document(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_DOCUMENT, some(0));
}

static void pack_identity_wanted(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_IDENTITY_WANTED, some(IPC_IDENTITY_NONCE_MAX));
}

static void pack_identity(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_IDENTITY, some(5000));
}

static void pack_no_identity(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_IDENTITY, some(0));
}

static void pack_recipient_key(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_RECIPIENT_KEY, some(1217));
}

static result take_bytes(struct packer *again, struct ipc_message *m)
{
    struct ipc_bytes bytes;
    TRY(ipc_take_bytes_message(&bytes, m,
                               m->type == IPC_DOCUMENT || m->type == IPC_IDENTITY ? IPC_DOCUMENT_MAX
                               : m->type == IPC_IDENTITY_WANTED                   ? IPC_IDENTITY_NONCE_MAX
                               : m->type == IPC_ACCESS                            ? IPC_ACCESS_MAX
                                                                                  : IPC_POLICY_MAX));
    ipc_pack_bytes_message(again, m->type, bytes);
    return RESULT_OK;
}

static void pack_store_open(struct packer *p)
{
    ipc_pack_bytes_message(p, IPC_STORE_OPEN, some(900));
}

static void pack_store_head_wanted(struct packer *p)
{
    ipc_pack_empty(p, IPC_STORE_HEAD_WANTED);
}

static void pack_serve(struct packer *p)
{
    ipc_pack_empty(p, IPC_SERVE);
}

static void pack_load_abort(struct packer *p)
{
    ipc_pack_empty(p, IPC_LOAD_ABORT);
}

static void pack_status_wanted(struct packer *p)
{
    ipc_pack_empty(p, IPC_STATUS_WANTED);
}

static void pack_loader_start(struct packer *p)
{
    ipc_pack_empty(p, IPC_LOADER_START);
}

static void pack_manager_start(struct packer *p)
{
    ipc_pack_empty(p, IPC_MANAGER_START);
}

static void pack_loader_stop(struct packer *p)
{
    ipc_pack_empty(p, IPC_LOADER_STOP);
}

static void pack_proxy_start(struct packer *p)
{
    ipc_pack_empty(p, IPC_PROXY_START);
}

static result take_empty(struct packer *again, struct ipc_message *m)
{
    TRY(ipc_take_empty(m));
    ipc_pack_empty(again, m->type);
    return RESULT_OK;
}

static void pack_state(struct packer *p)
{
    ipc_pack_state(p, &(struct ipc_state){IPC_SERVE_STATE, 7, 8, 65535});
}

static result take_state(struct packer *again, struct ipc_message *m)
{
    struct ipc_state state;
    TRY(ipc_take_state(&state, m));
    ipc_pack_state(again, &state);
    return RESULT_OK;
}

const struct ipc_counts by_source = {2, {{IPC_SOURCE_CONFIG_FILES, 1, 4}, {IPC_SOURCE_KEYSTORES, 2, 0}}};

static void pack_tls(struct packer *p)
{
    ipc_pack_tls(p, &(struct ipc_tls){some(1200), some(3000), {1, 2, 3}});
}

static result take_tls(struct packer *again, struct ipc_message *m)
{
    struct ipc_tls tls;
    TRY(ipc_take_tls(&tls, m));
    ipc_pack_tls(again, &tls);
    return RESULT_OK;
}

static void pack_keys(struct packer *p)
{
    ipc_pack_keys(p, &(struct ipc_keys){.first = true, .last = true, .pubkeys = pattern, .num_keys = 5});
}

static void pack_no_keys(struct packer *p)
{
    ipc_pack_keys(p, &(struct ipc_keys){.last = true, .pubkeys = pattern});
}

static result take_keys(struct packer *again, struct ipc_message *m)
{
    struct ipc_keys keys;
    TRY(ipc_take_keys(&keys, m));
    ipc_pack_keys(again, &keys);
    return RESULT_OK;
}

static void pack_listening(struct packer *p)
{
    ipc_pack_listening(p, 9000);
}

static result take_listening(struct packer *again, struct ipc_message *m)
{
    uint32_t port;
    TRY(ipc_take_listening(&port, m));
    ipc_pack_listening(again, port);
    return RESULT_OK;
}

static void pack_refusal(struct packer *p)
{
    ipc_pack_policy_result(p, &(struct ipc_policy_result){false, some(255)});
}

static void pack_acceptance(struct packer *p)
{
    ipc_pack_policy_result(p, &(struct ipc_policy_result){true, some(0)});
}

static result take_policy_result(struct packer *again, struct ipc_message *m)
{
    struct ipc_policy_result r;
    TRY(ipc_take_policy_result(&r, m));
    ipc_pack_policy_result(again, &r);
    return RESULT_OK;
}

static void pack_attest(struct packer *p)
{
    ipc_pack_attest(p, &(struct ipc_attest){IPC_ATTEST_IDENTITY, some(512)});
}

static result take_attest(struct packer *again, struct ipc_message *m)
{
    struct ipc_attest attest;
    TRY(ipc_take_attest(&attest, m));
    ipc_pack_attest(again, &attest);
    return RESULT_OK;
}

static void pack_load_begin(struct packer *p)
{
    ipc_pack_load_begin(p, true);
}

static result take_load_begin(struct packer *again, struct ipc_message *m)
{
    bool add;
    TRY(ipc_take_load_begin(&add, m));
    ipc_pack_load_begin(again, add);
    return RESULT_OK;
}

static void pack_record(struct packer *p)
{
    ipc_pack_record(p, &(struct ipc_record){IPC_RECORD_TLS, 77, some(8192), NULL});
}

static void pack_labelled_record(struct packer *p)
{
    ipc_pack_record(p, &(struct ipc_record){IPC_RECORD_VALIDATOR, 77, some(500), pattern + 3});
}

static void pack_sealed_keys(struct packer *p)
{
    ipc_pack_sealed_keys(
        p, &(struct ipc_sealed_keys){
               .index = 9500, .uuid = some(IPC_UUID_MAX), .keys = pattern, .num_keys = IPC_SEALED_KEYS_MAX});
}

static result take_sealed_keys(struct packer *again, struct ipc_message *m)
{
    struct ipc_sealed_keys sealed;
    TRY(ipc_take_sealed_keys(&sealed, m));
    ipc_pack_sealed_keys(again, &sealed);
    return RESULT_OK;
}

static result take_record(struct packer *again, struct ipc_message *m)
{
    struct ipc_record record;
    TRY(ipc_take_record(&record, m));
    ipc_pack_record(again, &record);
    return RESULT_OK;
}

static void pack_load_end(struct packer *p)
{
    ipc_pack_load_end(p, 12);
}

static result take_load_end(struct packer *again, struct ipc_message *m)
{
    uint32_t records;
    TRY(ipc_take_load_end(&records, m));
    ipc_pack_load_end(again, records);
    return RESULT_OK;
}

static void pack_loader_end(struct packer *p)
{
    ipc_pack_loader_end(p, &(struct ipc_loader_end){.keys = 12, .failed = 13});
}

static void pack_loader_end_by_source(struct packer *p)
{
    ipc_pack_loader_end(p, &(struct ipc_loader_end){.keys = 3, .failed = 4, .counts = by_source});
}

static result take_loader_end(struct packer *again, struct ipc_message *m)
{
    struct ipc_loader_end end;
    TRY(ipc_take_loader_end(&end, m));
    ipc_pack_loader_end(again, &end);
    return RESULT_OK;
}

static void pack_high_watermark(struct packer *p)
{
    ipc_pack_high_watermark(p, &(struct ipc_high_watermark){IPC_HIGH_WATERMARK_SET, 7, 19998});
}

static void pack_no_high_watermark(struct packer *p)
{
    ipc_pack_high_watermark(p, &(struct ipc_high_watermark){.status = IPC_HIGH_WATERMARK_NONE});
}

static result take_high_watermark(struct packer *again, struct ipc_message *m)
{
    struct ipc_high_watermark high;
    TRY(ipc_take_high_watermark(&high, m));
    ipc_pack_high_watermark(again, &high);
    return RESULT_OK;
}

static void pack_high_watermark_wanted(struct packer *p)
{
    ipc_pack_empty(p, IPC_HIGH_WATERMARK_WANTED);
}

static void pack_reload(struct packer *p)
{
    ipc_pack_empty(p, IPC_RELOAD);
}

static void pack_reloaded(struct packer *p)
{
    ipc_pack_reloaded(p, &(struct ipc_load_result){true, 4, 1, some(20)});
}

static result take_reloaded(struct packer *again, struct ipc_message *m)
{
    struct ipc_load_result r;
    TRY(ipc_take_reloaded(&r, m));
    ipc_pack_reloaded(again, &r);
    return RESULT_OK;
}

static void pack_load_result(struct packer *p)
{
    ipc_pack_load_result(p, &(struct ipc_load_result){true, 4, 1, some(20)});
}

static result take_load_result(struct packer *again, struct ipc_message *m)
{
    struct ipc_load_result r;
    TRY(ipc_take_load_result(&r, m));
    ipc_pack_load_result(again, &r);
    return RESULT_OK;
}

static void pack_record_failed(struct packer *p)
{
    ipc_pack_record_failed(p, &(struct ipc_record_failed){3, E_AUTH, some(30), NULL});
}

static void pack_labelled_record_failed(struct packer *p)
{
    ipc_pack_record_failed(p, &(struct ipc_record_failed){3, E_AUTH, some(30), pattern + 3});
}

static result take_record_failed(struct packer *again, struct ipc_message *m)
{
    struct ipc_record_failed failed;
    TRY(ipc_take_record_failed(&failed, m));
    ipc_pack_record_failed(again, &failed);
    return RESULT_OK;
}

static void pack_loaded_keys(struct packer *p)
{
    ipc_begin(p, IPC_KEY, 3);
    for (uint32_t i = 0; i < 3; i++)
        ipc_pack_loaded_key(p, &(struct ipc_loaded_key){i, pattern + i, pattern + 50 + i});
}

static result take_loaded_keys(struct packer *again, struct ipc_message *m)
{
    ipc_begin(again, IPC_KEY, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_loaded_key key;
        TRY(ipc_take_loaded_key(&key, &m->body));
        ipc_pack_loaded_key(again, &key);
    }
    return cursor_end(&m->body);
}

static struct ipc_order order_of(enum eth2_order_kind kind)
{
    struct ipc_order order = {
        .id = 0x1122334455667788, .patience_ms = 0x9988, .order = {.kind = kind, .has_client_root = true}};
    struct eth2_order *o = &order.order;
    memcpy(o->pubkey, pattern, 48);
    memcpy(o->client_root, pattern + 48, 32);
    memset(o->fork_info.previous_version, 1, 4);
    memset(o->fork_info.current_version, 2, 4);
    o->fork_info.epoch = UINT64_MAX;
    memset(o->fork_info.genesis_validators_root, 3, 32);
    if (kind == ETH2_ORDER_ATTESTATION) {
        o->of.attestation =
            (struct eth2_attestation_data){.slot = 5, .index = 6, .source.epoch = 7, .target.epoch = 8};
        memset(o->of.attestation.source.root, 9, 32);
        memset(o->of.attestation.target.root, 10, 32);
        memset(o->of.attestation.beacon_block_root, 11, 32);
    } else if (kind == ETH2_ORDER_BLOCK) {
        o->of.header = (struct eth2_block_header){.slot = 12, .proposer_index = 13};
        memset(o->of.header.parent_root, 14, 32);
        memset(o->of.header.state_root, 15, 32);
        memset(o->of.header.body_root, 16, 32);
    } else {
        memset(o->of.object.root, 17, 32);
        o->of.object.epoch = 18;
    }
    return order;
}

static void pack_sign(struct packer *p)
{
    ipc_begin(p, IPC_SIGN, ETH2_ORDER_KIND_END - 1);
    for (int kind = 1; kind < ETH2_ORDER_KIND_END; kind++) {
        struct ipc_order order = order_of((enum eth2_order_kind)kind);
        ipc_pack_order(p, &order);
    }
}

static result take_sign(struct packer *again, struct ipc_message *m)
{
    ipc_begin(again, IPC_SIGN, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_order order;
        TRY(ipc_take_order(&order, &m->body));
        ipc_pack_order(again, &order);
    }
    return cursor_end(&m->body);
}

static void pack_sign_many(struct packer *p)
{
    struct ipc_order order = order_of(ETH2_ORDER_ATTESTATION);
    memset(order.order.pubkey, 0, sizeof order.order.pubkey);
    ipc_pack_sign_many(
        p, &(struct ipc_sign_many){.more = true, .order = order, .pubkeys = pattern, .num_keys = 7});
}

static result take_sign_many(struct packer *again, struct ipc_message *m)
{
    struct ipc_sign_many many;
    TRY(ipc_take_sign_many(&many, m));
    ipc_pack_sign_many(again, &many);
    return RESULT_OK;
}

struct ipc_answer answer_of(enum ipc_answer_status status)
{
    struct ipc_answer answer = {.id = 99, .status = status};
    memset(answer.signing_root, 0x5a, 32);
    if (status == IPC_ANSWER_SIGNED)
        memset(answer.signature, 0xa5, 96);
    if (status == IPC_ANSWER_SLASHABLE) {
        answer.verdict = 7;
        answer.recorded_slot = UINT64_MAX;
        answer.recorded_source = 2;
        answer.recorded_target = 3;
        answer.has_recorded_block = answer.has_recorded_attestation = true;
        answer.has_limit = true;
        answer.limit = UINT64_MAX - 1;
    }
    return answer;
}

static void pack_signed(struct packer *p)
{
    ipc_begin(p, IPC_SIGNED, IPC_ANSWER_LATE + 1);
    for (int status = 0; status <= IPC_ANSWER_LATE; status++) {
        struct ipc_answer answer = answer_of((enum ipc_answer_status)status);
        ipc_pack_answer(p, &answer);
    }
}

static result take_signed(struct packer *again, struct ipc_message *m)
{
    ipc_begin(again, IPC_SIGNED, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_answer answer;
        TRY(ipc_take_answer(&answer, &m->body));
        ipc_pack_answer(again, &answer);
    }
    return cursor_end(&m->body);
}

const struct table_row messages[] = {
    {"POLICY", IPC_POLICY, pack_policy, take_bytes, 8 + 700},
    {"STATE", IPC_STATE, pack_state, take_state, 8 + 13},
    {"LOADER_START", IPC_LOADER_START, pack_loader_start, take_empty, 8},
    {"LOADER_STOP", IPC_LOADER_STOP, pack_loader_stop, take_empty, 8},
    {"SETTINGS", IPC_SETTINGS, pack_settings, take_bytes, 8 + 4096},
    {"ACCESS", IPC_ACCESS, pack_access, take_bytes, 8 + IPC_ACCESS_MAX},
    {"TLS", IPC_TLS, pack_tls, take_tls, 8 + 32 + 4 + 1200 + 4 + 3000},
    {"KEYS", IPC_KEYS, pack_keys, take_keys, 8 + 1 + 5 * 48},
    {"KEYS, none", IPC_KEYS, pack_no_keys, take_keys, 8 + 1},
    {"SERVE", IPC_SERVE, pack_serve, take_empty, 8},
    {"LISTENING", IPC_LISTENING, pack_listening, take_listening, 8 + 4},
    {"HEALTH", IPC_HEALTH, pack_health, take_health, 8 + 9 + 24 + 1},
    {"HEALTH by source", IPC_HEALTH, pack_health_by_source, take_health, 8 + 9 + 24 + 1 + 2 * 9},
    {"HEALTH with names", IPC_HEALTH, pack_health_with_names, take_health, 8 + 9 + 24 + 1 + 2 * 48 + 2 * 9},
    {"HIGH_WATERMARK_WANTED", IPC_HIGH_WATERMARK_WANTED, pack_high_watermark_wanted, take_empty, 8},
    {"HIGH_WATERMARK", IPC_HIGH_WATERMARK, pack_high_watermark, take_high_watermark, 8 + 17},
    {"HIGH_WATERMARK, none", IPC_HIGH_WATERMARK, pack_no_high_watermark, take_high_watermark, 8 + 17},
    {"SIGN", IPC_SIGN, pack_sign, take_sign, 8 + 18 * 272},
    {"SIGN_MANY", IPC_SIGN_MANY, pack_sign_many, take_sign_many, 8 + 1 + 272 + 7 * 48},
    {"SIGNED", IPC_SIGNED, pack_signed, take_signed, 8 + 8 * 192},
    {"POLICY_RESULT, refused", IPC_POLICY_RESULT, pack_refusal, take_policy_result, 8 + 1 + 255},
    {"POLICY_RESULT, accepted", IPC_POLICY_RESULT, pack_acceptance, take_policy_result, 8 + 1},
    {"ATTEST", IPC_ATTEST, pack_attest, take_attest, 8 + 1 + 512},
    {"DOCUMENT", IPC_DOCUMENT, pack_document, take_bytes, 8 + 5000},
    {"IDENTITY_WANTED", IPC_IDENTITY_WANTED, pack_identity_wanted, take_bytes, 8 + 64},
    {"IDENTITY", IPC_IDENTITY, pack_identity, take_bytes, 8 + 5000},
    {"IDENTITY, none", IPC_IDENTITY, pack_no_identity, take_bytes, 8},
    {"DOCUMENT, none", IPC_DOCUMENT, pack_no_document, take_bytes, 8},
    {"LOAD_BEGIN", IPC_LOAD_BEGIN, pack_load_begin, take_load_begin, 8 + 1},
    {"SEALED_KEYS", IPC_SEALED_KEYS, pack_sealed_keys, take_sealed_keys, 8 + 5 + 64 + 500 * 108},
    {"RECORD", IPC_RECORD, pack_record, take_record, 8 + 5 + 48 + 8192},
    {"RECORD with a label", IPC_RECORD, pack_labelled_record, take_record, 8 + 5 + 48 + 500},
    {"LOAD_END to the loader", IPC_LOAD_END, pack_load_end, take_load_end, 8 + 4},
    {"LOAD_END from the loader", IPC_LOAD_END, pack_loader_end, take_loader_end, 8 + 8},
    {"LOAD_END by source", IPC_LOAD_END, pack_loader_end_by_source, take_loader_end, 8 + 8 + 2 * 9},
    {"LOAD_ABORT", IPC_LOAD_ABORT, pack_load_abort, take_empty, 8},
    {"LOAD_RESULT", IPC_LOAD_RESULT, pack_load_result, take_load_result, 8 + 9 + 20},
    {"STATUS_WANTED", IPC_STATUS_WANTED, pack_status_wanted, take_empty, 8},
    {"STATUS", IPC_STATUS, pack_status, take_status, 8 + 10 + 96 + 24 + 1},
    {"STATUS with names", IPC_STATUS, pack_status_with_names, take_status, 8 + 10 + 96 + 24 + 1 + 16 * 48},
    {"RECIPIENT_KEY", IPC_RECIPIENT_KEY, pack_recipient_key, take_bytes, 8 + 1217},
    {"KEY", IPC_KEY, pack_loaded_keys, take_loaded_keys, 8 + 3 * 84},
    {"RECORD_FAILED", IPC_RECORD_FAILED, pack_record_failed, take_record_failed, 8 + 5 + 48 + 30},
    {"RECORD_FAILED with a label", IPC_RECORD_FAILED, pack_labelled_record_failed, take_record_failed,
     8 + 5 + 48 + 30},
    {"STORE_KEY", IPC_STORE_KEY, pack_store_key, take_store_key, 8 + 32},
    {"STORE_OPEN", IPC_STORE_OPEN, pack_store_open, take_bytes, 8 + 900},
    {"STORE_HEAD", IPC_STORE_HEAD, pack_store_head, take_store_head, 8 + 1 + 1152},
    {"STORE_HEAD, none", IPC_STORE_HEAD, pack_store_no_head, take_store_head, 8 + 1 + 1152 + 40},
    {"STORE_HEAD_WANTED", IPC_STORE_HEAD_WANTED, pack_store_head_wanted, take_empty, 8},
    {"STORE_HEAD_SET", IPC_STORE_HEAD_SET, pack_store_head_set, take_store_head_set,
     8 + 8 + 2 * 1152 + 2 * 184},
    {"STORE_HEAD_IS_SET", IPC_STORE_HEAD_IS_SET, pack_store_head_is_set, take_store_head_is_set, 8 + 9 + 50},
    {"STORE_LOAD", IPC_STORE_LOAD, pack_store_load, take_store_load, 8 + 8 + 3 * 48},
    {"STORE_LOAD of all", IPC_STORE_LOAD, pack_store_load_all, take_store_load, 8 + 8},
    {"STORE_ENTRIES", IPC_STORE_ENTRIES, pack_store_entries, take_store_entries, 8 + 9 + 2 * 184},
    {"STORE_ENTRIES, failed", IPC_STORE_ENTRIES, pack_store_entries_failed, take_store_entries, 8 + 9},
    {"STORE_ADVANCE", IPC_STORE_ADVANCE, pack_store_advance, take_store_advance, 8 + 3 * 336},
    {"STORE_ACCESS", IPC_STORE_ACCESS, pack_store_access, take_store_access, 8 + 12 + 20 + 40},
    {"STORE_ADVANCED", IPC_STORE_ADVANCED, pack_store_advanced, take_store_advanced, 8 + 3 * 152},
    {"MANAGER_START", IPC_MANAGER_START, pack_manager_start, take_empty, 8},
    {"MANAGE", IPC_MANAGE, pack_manage, take_manage, 8 + 34 + 3 * 184},
    {"KEYSTORE", IPC_KEYSTORE, pack_keystore, take_keystore, 8 + 4 + 48 + 4 + 20 + 700},
    {"FILES", IPC_FILES, pack_files, take_files, 8 + 1 + 3 * 52},
    {"FILE_DONE", IPC_FILE_DONE, pack_file_done, take_file_done, 8 + 5 + 30},
    {"MANAGED", IPC_MANAGED, pack_managed, take_managed, 8 + 5 + 33 + 136 + 40},
    {"KEY_INFO", IPC_KEY_INFO, pack_key_info, take_key_info, 8 + 2 * 177},
    {"RELOAD", IPC_RELOAD, pack_reload, take_empty, 8},
    {"RELOADED", IPC_RELOADED, pack_reloaded, take_reloaded, 8 + 9 + 20},
    {"PROXY_START", IPC_PROXY_START, pack_proxy_start, take_empty, 8},
    {"PROXY_KEY", IPC_PROXY_KEY, pack_proxy_key, take_proxy_key, 8 + 97 + 32},
    {"PROXIES", IPC_PROXIES, pack_proxies, take_proxies, 8 + 1 + 2 * 97},
    {"PROXIES, none", IPC_PROXIES, pack_no_proxies, take_proxies, 8 + 1},
    {"PROXY_WANTED", IPC_PROXY_WANTED, pack_proxy_wanted, take_proxy_wanted, 8 + 57},
    {"PROXY_MADE", IPC_PROXY_MADE, pack_proxy_made, take_proxy_made, 8 + 57 + 96},
    {"PROXY_MADE, not", IPC_PROXY_MADE, pack_proxy_not_made, take_proxy_made, 8 + 57},
    {"BOOST_SIGN", IPC_BOOST_SIGN, pack_boost_sign, take_boost_sign, 8 + 89},
    {"BOOST_SIGN by a proxy", IPC_BOOST_SIGN, pack_boost_sign_by_proxy, take_boost_sign, 8 + 89},
    {"BOOST_SIGNED", IPC_BOOST_SIGNED, pack_boost_signed, take_signature, 8 + 9 + 64},
    {"EXTENSION_SIGN", IPC_EXTENSION_SIGN, pack_extension_sign, take_extension_sign, 8 + 56 + 4096},
    {"EXTENSION_SIGN, short", IPC_EXTENSION_SIGN, pack_short_extension, take_extension_sign, 8 + 56 + 33},
    {"EXTENSION_SIGNED", IPC_EXTENSION_SIGNED, pack_extension_signed, take_signature, 8 + 9 + 96},
    {"EXTENSION_SIGNED, not", IPC_EXTENSION_SIGNED, pack_extension_refused, take_signature, 8 + 9},
    {"FETCH_ACCESS", IPC_FETCH_ACCESS, pack_fetch_access, take_fetch_access, 8 + 12 + 960},
    {"FETCH_ACCESS, none", IPC_FETCH_ACCESS, pack_no_fetch_access, take_fetch_access, 8 + 12},
    {"FETCH", IPC_FETCH, pack_fetch, take_fetch, 8 + 16 + 32 + 280},
    {"FETCH of all", IPC_FETCH, pack_fetch_all, take_fetch, 8 + 16 + 32},
    {"FETCHED", IPC_FETCHED, pack_fetched, take_fetched, 8 + 11 + 512 + 60000},
    {"FETCHED, a failure", IPC_FETCHED, pack_fetched_failure, take_fetched, 8 + 11 + 255},
};
const size_t num_messages = ARRAY_LENGTH(messages);
