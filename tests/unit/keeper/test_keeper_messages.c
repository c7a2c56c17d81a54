/* test_keeper_messages.c - every message the keeper takes, once in no form that it has, and once where it may
 * not be sent: the peer's channel is closed, and but for a loader's the signer ends. */
#include "ipc/ipc_store.h"
#include "keeper_cloud.h"

#include <sys/socket.h>

static uint8_t packet[IPC_PACKET_MAX];

/* A header that is right, with that many bytes behind it that are not. */
static void send_garbled(int socket, enum ipc_type type, size_t body_len)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_begin(&p, type, 1);
    for (size_t i = 0; i < body_len; i++)
        pack_u8(&p, 0xff);
    assert_int_equal(send(socket, packet, p.length, MSG_NOSIGNAL), (ssize_t)p.length);
}

static void send_empty(int socket, enum ipc_type type)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, type);
    rig_send(socket, &p);
}

/* ---- stand-alone ---- */

static const struct {
    enum ipc_type type;
    const char *option;
} of_the_front[] = {
    {IPC_LISTENING, NULL},
    {IPC_SIGN_MANY, NULL},
    {IPC_HIGH_WATERMARK_WANTED, NULL},
    {IPC_RELOAD, NULL},
    {IPC_IDENTITY_WANTED, NULL},
    {IPC_MANAGE, "--key-manager"},
    {IPC_BOOST_SIGN, "--commit-boost"},
    {IPC_PROXY_WANTED, "--commit-boost"},
    {IPC_EXTENSION_SIGN, "--extension-signing"},
};

static void garbled_messages_of_the_front(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(of_the_front); i++) {
        rig->option = of_the_front[i].option;
        rig->has_proxies = rig->option && strcmp(rig->option, "--commit-boost") == 0;
        rig_boot(rig, 1);
        send_garbled(rig->front, of_the_front[i].type, 3);
        rig_expect_end(rig, 1);
    }
    rig->option = NULL;
    rig->has_proxies = false;
    rig_boot(rig, 1);
    send_empty(rig->front, IPC_RELOAD);
    send_garbled(rig->front, IPC_KEYSTORE, 3);
    rig_expect_end(rig, 1);
}

static void what_is_for_enclaves_is_refused_stand_alone(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    rig_boot(rig, 1);
    ipc_pack_bytes_message(&p, IPC_IDENTITY_WANTED, (struct ipc_bytes){(const uint8_t *)"nonce", 5});
    rig_send(rig->front, &p);
    rig_expect_end(rig, 1);
}

static void a_front_may_say_again_where_it_listens(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    rig_boot(rig, 1);
    ipc_pack_listening(&p, 9001);
    rig_send(rig->front, &p);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_SIGNED);
    rig_expect_silence(rig->supervisor); /* it serves since long */
    rig_stop(rig);
}

static void garbled_messages_of_the_loader(void **state)
{
    struct rig *rig = *state;
    static const enum ipc_type types[] = {IPC_TLS,      IPC_STORE_KEY, IPC_RECORD_FAILED,
                                          IPC_LOAD_END, IPC_PROXY_KEY, IPC_FILE_DONE};
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        rig_boot_to_load(rig);
        send_garbled(rig->loader, types[i], 3);
        rig_expect_end(rig, 1);
    }
    rig->option = "--key-manager";
    rig_boot_to_load(rig);
    send_garbled(rig->loader, IPC_KEY_INFO, IPC_KEY_INFO_LEN);
    rig_expect_end(rig, 1);
}

static void a_file_is_done_that_belongs_to_no_request(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    rig_boot_to_load(rig);
    ipc_pack_file_done(&p, &(struct ipc_record_failed){0, E_NONE, {NULL, 0}, NULL});
    rig_send(rig->loader, &p);
    rig_expect_end(rig, 1);
}

static void send_key_infos(struct rig *rig, uint32_t num)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_begin(&p, IPC_KEY_INFO, num);
    for (uint32_t i = 0; i < num; i++)
        ipc_pack_key_info(&p, &(struct ipc_key_info){rig_pubkey(i), i == 0, {(const uint8_t *)"m/1", 3}});
    rig_send(rig->loader, &p);
}

static void where_keys_come_from_is_told_to_a_front_that_manages_them(void **state)
{
    struct rig *rig = *state;
    struct ipc_key_info info;
    rig->option = "--key-manager";
    rig_boot_to_load(rig);
    send_key_infos(rig, 2);
    rig_expect(rig, rig->front, IPC_KEY_INFO);
    assert_int_equal(rig->message.count, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_ok(ipc_take_key_info(&info, &rig->message.body));
        assert_memory_equal(info.pubkey, rig_pubkey(i), 48);
        assert_int_equal(info.readonly, i == 0);
        assert_int_equal(info.path.length, 3);
    }
    rig_stop(rig);
    rig->option = NULL;
    rig_boot_to_load(rig);
    send_key_infos(rig, 1);
    rig_expect_end(rig, 1);
}

static void a_garbled_policy_of_the_supervisor(void **state)
{
    struct rig *rig = *state;
    rig_start(rig, "standalone", NULL);
    send_garbled(rig->supervisor, IPC_POLICY, 3);
    rig_expect_end(rig, 1);
}

/* ---- in an enclave ---- */

static const struct {
    enum ipc_type type;
    enum ipc_keeper_state state;
    size_t body_len;
} of_the_courier[] = {
    {IPC_POLICY, IPC_WAIT_STATE, 3},
    {IPC_STATUS_WANTED, IPC_WAIT_STATE, 3},
    {IPC_ACCESS, IPC_ATTEST_STATE, 3},
    {IPC_ATTEST, IPC_ATTEST_STATE, 3},
    {IPC_LOAD_BEGIN, IPC_ATTEST_STATE, 3},
    {IPC_STORE_HEAD, IPC_ATTEST_STATE, 3},
    {IPC_STORE_HEAD_IS_SET, IPC_ATTEST_STATE, 3},
    {IPC_STORE_ENTRIES, IPC_ATTEST_STATE, 3},
    {IPC_STORE_ADVANCED, IPC_ATTEST_STATE, IPC_STORE_ADVANCED_LEN},
    {IPC_RECORD, IPC_LOAD_STATE, 3},
    {IPC_SEALED_KEYS, IPC_LOAD_STATE, 3},
    {IPC_RECORD_FAILED, IPC_LOAD_STATE, 3},
    {IPC_LOAD_END, IPC_LOAD_STATE, 3},
    {IPC_LOAD_ABORT, IPC_LOAD_STATE, 3},
};

static void garbled_messages_of_the_courier(void **state)
{
    struct rig *rig = *state;
    for (size_t i = 0; i < ARRAY_LENGTH(of_the_courier); i++) {
        if (of_the_courier[i].state == IPC_WAIT_STATE) {
            cloud_start(rig);
            assert_int_equal(cloud_status(rig).state, IPC_WAIT_STATE);
        } else {
            cloud_boot(rig);
        }
        if (of_the_courier[i].state == IPC_LOAD_STATE)
            cloud_load_begin(rig, false);
        send_garbled(rig->courier, of_the_courier[i].type, of_the_courier[i].body_len);
        rig_expect_end(rig, 1);
    }
}

static void send_sealed_keys(struct rig *rig)
{
    static uint8_t keys[2 * IPC_SEALED_LEN];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_sealed_keys(&p,
                         &(struct ipc_sealed_keys){
                             .index = 0, .uuid = {(const uint8_t *)"uuid", 4}, .keys = keys, .num_keys = 2});
    rig_send(rig->courier, &p);
}

static void sealed_keys_go_to_the_loader_before_the_end_only(void **state)
{
    struct rig *rig = *state;
    struct ipc_sealed_keys sealed;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    send_sealed_keys(rig);
    rig_expect(rig, rig->loader, IPC_SEALED_KEYS);
    assert_ok(ipc_take_sealed_keys(&sealed, &rig->message));
    assert_int_equal(sealed.num_keys, 2);
    ipc_pack_load_end(&p, 2); /* each key counts as a record */
    rig_send(rig->courier, &p);
    rig_expect(rig, rig->loader, IPC_LOAD_END);
    send_sealed_keys(rig);
    rig_expect_end(rig, 1);
}

static void records_end_once(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    cloud_records(rig, 1);
    ipc_pack_load_end(&p, 1);
    rig_send(rig->courier, &p);
    rig_expect_end(rig, 1);
}

static void an_enclave_reloads_for_its_courier_only(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_first_load(rig, 0, 1);
    send_empty(rig->front, IPC_RELOAD);
    rig_expect_end(rig, 1);
}

/* Too late: the new keys are in force, and the front is about to listen. */
static void a_load_that_is_complete_is_not_aborted(void **state)
{
    struct rig *rig = *state;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    cloud_records(rig, 2);
    cloud_load_tls(rig);
    rig_load_keys(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_TLS);
    cloud_expect_reload(rig, 1);
    rig_expect(rig, rig->front, IPC_SERVE);
    send_empty(rig->courier, IPC_LOAD_ABORT);
    assert_int_equal(cloud_status(rig).state, IPC_LOAD_STATE);
    ipc_pack_listening(&p, 0);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    assert_true(cloud_load_result(rig).ok);
    rig_stop(rig);
}

/* The reason is that of the failure. */
static void a_load_that_has_failed_may_be_aborted(void **state)
{
    struct rig *rig = *state;
    size_t length = 0;
    cloud_boot(rig);
    cloud_load_begin(rig, false);
    rig_loader_end(rig, 0, 0);
    assert_fails(E_PEER, ipc_receive(rig->loader, rig->packet, &length, NULL));
    send_empty(rig->courier, IPC_LOAD_ABORT);
    struct ipc_load_result answer = cloud_load_result(rig);
    assert_false(answer.ok);
    assert_non_null(memmem(answer.text.data, answer.text.length, "ends before the records do", 26));
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    rig_stop(rig);
}

static void adding_to_no_keys_is_a_first_load(void **state)
{
    struct rig *rig = *state;
    cloud_boot(rig);
    cloud_load_begin(rig, true);
    send_empty(rig->courier, IPC_LOAD_ABORT);
    assert_false(cloud_load_result(rig).ok);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    cloud_first_load(rig, 0, 1);
    rig_stop(rig);
}

int main(void)
{
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
#define CLOUD_TEST(function) cmocka_unit_test_setup_teardown(function, cloud_setup, cloud_teardown)
    const struct CMUnitTest tests[] = {
        RIG_TEST(garbled_messages_of_the_front),
        RIG_TEST(what_is_for_enclaves_is_refused_stand_alone),
        RIG_TEST(a_front_may_say_again_where_it_listens),
        RIG_TEST(garbled_messages_of_the_loader),
        RIG_TEST(a_file_is_done_that_belongs_to_no_request),
        RIG_TEST(where_keys_come_from_is_told_to_a_front_that_manages_them),
        RIG_TEST(a_garbled_policy_of_the_supervisor),
        CLOUD_TEST(garbled_messages_of_the_courier),
        CLOUD_TEST(sealed_keys_go_to_the_loader_before_the_end_only),
        CLOUD_TEST(records_end_once),
        CLOUD_TEST(an_enclave_reloads_for_its_courier_only),
        CLOUD_TEST(a_load_that_is_complete_is_not_aborted),
        CLOUD_TEST(a_load_that_has_failed_may_be_aborted),
        CLOUD_TEST(adding_to_no_keys_is_a_first_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
