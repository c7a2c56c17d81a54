/* test_keeper_faults_serve.c - a keeper that serves, and memory, OpenSSL, descriptors or the file that fail
 * under it: what was asked for is refused and says why, what served before serves on. The test is front,
 * loader and maker. */
#include "keeper_faults.h"
#include "keeper_manager.h"

#include <unistd.h>

#include "base/secret.h"
#include "ecdsa/ecdsa.h"
#include "ipc/ipc_proxy.h"
#include "slashing/slashing_rules.h"

static uint8_t packet[IPC_PACKET_MAX];

static struct packer begin(void)
{
    return (struct packer){.data = packet, .capacity = sizeof packet};
}

static void expect_signed(struct rig *rig, struct eth2_order order)
{
    struct ipc_answer answer = rig_sign_one(rig, order);
    rig_assert_signed(rig, &answer, &order);
}

/* ---- reloads ---- */

static void ask_reload(struct rig *rig, uint32_t served)
{
    struct packer p = begin();
    ipc_pack_empty(&p, IPC_RELOAD);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, served, 0);
}

static void expect_not_reloaded(struct rig *rig, uint32_t served, const char *part)
{
    struct ipc_load_result answer;
    char text[IPC_TEXT_MAX + 1];
    rig_expect(rig, rig->front, IPC_RELOADED);
    assert_ok(ipc_take_reloaded(&answer, &rig->message));
    (void)snprintf(text, sizeof text, "%.*s", (int)answer.text.length, (const char *)answer.text.data);
    if (answer.ok || !strstr(text, part))
        fail_msg("expected \"%s\", got \"%s\"", part, text);
    assert_int_equal(answer.keys, served);
}

static void expect_reloaded(struct rig *rig, uint32_t count)
{
    struct ipc_load_result answer;
    manager_expect_keys(rig, count);
    rig_expect(rig, rig->front, IPC_RELOADED);
    assert_ok(ipc_take_reloaded(&answer, &rig->message));
    assert_true(answer.ok);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
}

/* A reload of these keys, up to the end of the loader, at which a call fails. */
static void reload_with_fault(struct rig *rig, uint32_t served, uint32_t first, uint32_t count,
                              enum fault fault, const char *part)
{
    ask_reload(rig, served);
    rig_take_loader(rig);
    rig_load_keys(rig, first, count);
    faults_fail(fault, 1);
    rig_loader_end(rig, count, 0);
    expect_not_reloaded(rig, served, part);
    assert_true(faults_stop(fault));
    rig_expect_state(rig, IPC_SERVE_STATE, served, 0);
    expect_signed(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL));
}

static void a_reload_that_fails_leaves_things_as_they_were(void **state)
{
    struct rig *rig = *state;
    static const enum fault begins[] = {FAULT_keeper_keys_new, FAULT_socketpair};
    rig_boot(rig, 2);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    for (size_t i = 0; i < ARRAY_LENGTH(begins); i++) {
        faults_fail(begins[i], 1);
        ask_reload(rig, 2);
        expect_not_reloaded(rig, 2,
                            begins[i] == FAULT_socketpair ? "no socket pair" : "keeper_keys_new fails");
        assert_true(faults_stop(begins[i]));
        rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    }
    reload_with_fault(rig, 2, 1, 1, FAULT_calloc, "out of memory for 1 keys"); /* the list of what is gone */
    reload_with_fault(rig, 2, 0, 3, FAULT_slashing_store_load,
                      "slashing_store_load fails"); /* a new key's record */
    reload_with_fault(rig, 2, 1, 1, FAULT_keeper_keys_remember, "keeper_keys_remember fails");
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 2)).status, IPC_ANSWER_SLASHABLE);
    rig_stop(rig);
}

/* 16 keys and more have a table, which takes memory. */
static void a_first_load_without_memory_is_none(void **state)
{
    struct rig *rig = *state;
    static const enum fault faults[] = {FAULT_keeper_keys_new, FAULT_bls_fixed_base_new, FAULT_bls_public_key,
                                        FAULT_realloc,         FAULT_EVP_MAC_init,       FAULT_EVP_MAC_update,
                                        FAULT_EVP_MAC_final};
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        rig_boot_to_load(rig);
        faults_fail(faults[i], 1);
        rig_load_keys(rig, 0, faults[i] == FAULT_bls_public_key ? 2 : 20);
        if (faults[i] == FAULT_keeper_keys_new) /* those that will once have served */
            rig_loader_end(rig, 20, 0);
        rig_expect_end(rig, 1);
        assert_true(faults_stop(faults[i]));
    }
    rig_boot(rig, 20);
    rig_stop(rig);
}

/* A key that is gone is to be disabled, and what the file says of it cannot be read any more. */
static void a_key_that_cannot_be_disabled_stays(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    ask_reload(rig, 2);
    rig_take_loader(rig);
    rig_load_keys(rig, 1, 1);
    faults_fail(FAULT_slashing_store_advance, 1);
    rig_loader_end(rig, 1, 0);
    expect_reloaded(rig, 1); /* at the second attempt */
    assert_true(faults_stop(FAULT_slashing_store_advance));
    rig_stop(rig);
}

/* What memory has of a key that served before in this run is more than the file says now. */
static void a_file_that_forgets_while_a_key_is_away_is_not_believed(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 2);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    ask_reload(rig, 2);
    rig_take_loader(rig);
    rig_load_keys(rig, 1, 1);
    rig_loader_end(rig, 1, 0);
    expect_reloaded(rig, 1);
    ask_reload(rig, 1);
    rig_take_loader(rig);
    rig_load_keys(rig, 0, 2);
    faults_bend(FAULT_slashing_store_load, 1, E_NONE); /* nothing was ever signed */
    rig_loader_end(rig, 2, 0);
    expect_not_reloaded(rig, 1, "a record is not as it was");
    assert_true(faults_stop(FAULT_slashing_store_load));
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_int_equal(rig_sign_one(rig, rig_vote(1, 1, 2, 1)).status, IPC_ANSWER_STORE);
}

/* ---- where keys come from ---- */

static void end_with_counts(struct rig *rig, uint32_t keys, const struct ipc_counts *counts)
{
    struct packer p = begin();
    ipc_pack_loader_end(&p, &(struct ipc_loader_end){.keys = keys, .counts = *counts});
    rig_send(rig->loader, &p);
}

static struct ipc_health take_health(struct rig *rig)
{
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_KEYS);
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    return health;
}

static void reload_with_counts(struct rig *rig, uint32_t served, uint32_t count,
                               const struct ipc_counts *counts)
{
    ask_reload(rig, served);
    rig_take_loader(rig);
    rig_load_keys(rig, 0, count);
    end_with_counts(rig, count, counts);
}

static void finish_reload(struct rig *rig, uint32_t count)
{
    rig_expect(rig, rig->front, IPC_RELOADED);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
}

/* A folder that is not mounted looks as if all its keys were gone: then none is disabled. */
static void keys_of_a_source_that_is_lost_are_not_disabled(void **state)
{
    struct rig *rig = *state;
    static const struct ipc_counts before = {2,
                                             {{IPC_SOURCE_CONFIG_FILES, 2, 0}, {IPC_SOURCE_KEYSTORES, 1, 0}}},
                                   lost = {2,
                                           {{IPC_SOURCE_CONFIG_FILES, 2, 0}, {IPC_SOURCE_KEYSTORES, 0, 0}}},
                                   fewer = {2,
                                            {{IPC_SOURCE_CONFIG_FILES, 1, 0}, {IPC_SOURCE_KEYSTORES, 0, 0}}},
                                   one = {1, {{IPC_SOURCE_KEYSTORES, 3, 0}}},
                                   twice = {2,
                                            {{IPC_SOURCE_CONFIG_FILES, 3, 0}, {IPC_SOURCE_KEYSTORES, 9, 0}}};
    rig_boot(rig, 3);
    reload_with_counts(rig, 3, 3, &before);
    struct ipc_health health = take_health(rig);
    assert_int_equal(health.counts.sources[0].keys, 2);
    assert_int_equal(health.counts.sources[1].keys, 1);
    finish_reload(rig, 3);
    reload_with_counts(rig, 3, 2, &lost); /* key 2 is missing */
    (void)take_health(rig);
    finish_reload(rig, 2);
    reload_with_counts(rig, 2, 1, &fewer); /* key 1 is gone: that source has another key still */
    (void)take_health(rig);
    finish_reload(rig, 1);
    reload_with_counts(rig, 1, 3, &before); /* all back: which of them sign? */
    (void)take_health(rig);
    finish_reload(rig, 3);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    assert_int_equal(rig_sign_one(rig, rig_vote(1, 1, 2, 1)).verdict, SLASHING_REFUSE_DISABLED);
    expect_signed(rig, rig_vote(2, 1, 2, 1));
    reload_with_counts(rig, 3, 3, &one); /* the first source is another: its count is what was said */
    health = take_health(rig);
    assert_int_equal(health.counts.num_sources, 1);
    assert_int_equal(health.counts.sources[0].keys, 3);
    finish_reload(rig, 3);
    ask_reload(rig, 3); /* each key from several files: more than there are, and nothing is made of it */
    rig_take_loader(rig);
    for (int times = 0; times < 4; times++)
        rig_load_keys(rig, 0, 3);
    end_with_counts(rig, 12, &twice);
    health = take_health(rig);
    assert_int_equal(health.counts.sources[0].keys, 3);
    finish_reload(rig, 3);
    rig_stop(rig);
}

static void without_a_store_nothing_is_disabled(void **state)
{
    struct rig *rig = *state;
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    rig_boot(rig, 2);
    ask_reload(rig, 2);
    rig_take_loader(rig);
    rig_load_keys(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    expect_reloaded(rig, 1);
    rig_stop(rig);
}

/* ---- what is signed ---- */

static void a_lost_store_takes_all_signing_with_it(void **state)
{
    struct rig *rig = *state;
    struct ipc_signature signature;
    static uint8_t text[IPC_EXTENSION_MIN];
    rig->option = "--extension-signing";
    rig_boot(rig, 1);
    faults_fail(FAULT_bls_sign, 1);
    memset(text, ' ', sizeof text);
    text[0] = '{';
    text[sizeof text - 1] = '}';
    for (int round = 0; round < 3; round++) {
        static const enum ipc_answer_status expected[] = {IPC_ANSWER_INTERNAL, IPC_ANSWER_SIGNED,
                                                          IPC_ANSWER_STORE};
        if (round == 2) {
            faults_fail(FAULT_slashing_store_advance, 1);
            faults_fail(FAULT_slashing_store_load, 1);
            expect_signed(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL));
            (void)rig_sign_one(rig, rig_vote(0, 0, 1, 1)); /* reads its record */
            rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
            rig_expect(rig, rig->front, IPC_HEALTH);
        }
        struct packer p = begin();
        ipc_pack_extension_sign(&p, &(struct ipc_extension_sign){
                                        .id = 3, .pubkey = rig_pubkey(0), .payload = {text, sizeof text}});
        rig_send(rig->front, &p);
        rig_expect(rig, rig->front, IPC_EXTENSION_SIGNED);
        assert_ok(ipc_take_signature(&signature, &rig->message));
        assert_int_equal(signature.status, expected[round]);
        assert_int_equal(signature.signature.length, expected[round] == IPC_ANSWER_SIGNED ? 96 : 0);
    }
    rig_stop(rig);
}

static void an_order_whose_root_fails_is_bad(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    faults_fail(FAULT_eth2_order_recall_root, 1);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_BAD_ORDER);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    rig_stop(rig);
}

/* The file works, and yet its look from time to time fails: it is not healthy until it has been written. */
static void a_probe_that_fails_is_told(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    faults_fail(FAULT_slashing_store_advance, 1);
    faults_bend_all(FAULT_clock_monotonic_ns, INT64_MAX / 2);
    struct packer p = begin();
    ipc_pack_empty(&p, IPC_HIGH_WATERMARK_WANTED); /* so that it looks at the clock */
    rig_send(rig->front, &p);
    rig_expect(rig, rig->front, IPC_HIGH_WATERMARK);
    assert_true(faults_stop(FAULT_clock_monotonic_ns));
    assert_true(faults_stop(FAULT_slashing_store_advance)); /* and a write in the same turn did not fail */
    rig_expect_silence(rig->front);
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    rig_stop(rig);
}

/* ---- proxy keys ---- */

enum { PROXIES = 600 };

struct proxy {
    uint8_t secret[32], pubkey[48];
};

static struct proxy make_proxy(enum ipc_scheme scheme, uint32_t number)
{
    struct proxy proxy = {{0}, {0}};
    rig_secret(proxy.secret, 40000 + number);
    if (scheme == IPC_SCHEME_ECDSA)
        assert_ok(ecdsa_public_key(proxy.pubkey, proxy.secret));
    else
        assert_ok(bls_public_key(proxy.pubkey, proxy.secret));
    return proxy;
}

static void send_proxy(int socket, enum ipc_scheme scheme, uint32_t delegator, const struct proxy *proxy)
{
    struct packer p = begin();
    ipc_pack_proxy_key(
        &p, &(struct ipc_proxy_key){{scheme, rig_pubkey(delegator), proxy->pubkey}, proxy->secret});
    rig_send(socket, &p);
}

static void boot_with_proxies(struct rig *rig, uint32_t keys, uint32_t num_proxies)
{
    rig->option = "--commit-boost";
    rig->has_proxies = true;
    rig_boot_to_load(rig);
    for (uint32_t i = 0; i < num_proxies; i++) {
        struct proxy proxy = make_proxy(IPC_SCHEME_ECDSA, i);
        send_proxy(rig->loader, IPC_SCHEME_ECDSA, i % keys, &proxy);
    }
    rig_load_keys(rig, 0, keys);
    rig_loader_end(rig, keys, 0);
    rig_begin_to_serve(rig, keys);
    assert_int_equal(rig->num_proxies, num_proxies);
}

static void a_long_list_of_proxy_keys_takes_several_messages(void **state)
{
    struct rig *rig = *state;
    boot_with_proxies(rig, 10, PROXIES);
    rig_stop(rig);
}

static void boost_sign(struct rig *rig, enum ipc_scheme scheme, const uint8_t *pubkey,
                       enum ipc_answer_status status)
{
    static const uint8_t root[32] = {7};
    struct ipc_signature signature;
    struct packer p = begin();
    ipc_pack_boost_sign(&p, &(struct ipc_boost_sign){5, scheme, pubkey, root});
    rig_send(rig->front, &p);
    rig_expect(rig, rig->front, IPC_BOOST_SIGNED);
    assert_ok(ipc_take_signature(&signature, &rig->message));
    assert_int_equal(signature.status, status);
    assert_int_equal(signature.signature.length > 0, status == IPC_ANSWER_SIGNED);
}

static void want(struct rig *rig)
{
    struct packer p = begin();
    ipc_pack_proxy_wanted(&p, &(struct ipc_proxy_wanted){9, IPC_SCHEME_BLS, rig_pubkey(0)});
    rig_send(rig->front, &p);
}

static int take_maker(struct rig *rig)
{
    rig_expect(rig, rig->supervisor, IPC_PROXY_START);
    int maker = fd_take(&rig->descriptor);
    rig_expect(rig, maker, IPC_PROXY_WANTED);
    return maker;
}

static int begin_making(struct rig *rig, uint32_t keys)
{
    boot_with_proxies(rig, keys, 0);
    want(rig);
    return take_maker(rig);
}

static void expect_made(struct rig *rig, enum ipc_proxy_status status)
{
    struct ipc_proxy_made made;
    rig_expect(rig, rig->front, IPC_PROXY_MADE);
    assert_ok(ipc_take_proxy_made(&made, &rig->message));
    assert_int_equal(made.id, 9);
    assert_int_equal(made.status, status);
}

static void signatures_of_modules_fail_one_by_one(void **state)
{
    struct rig *rig = *state;
    struct proxy first = make_proxy(IPC_SCHEME_ECDSA, 0), bls = make_proxy(IPC_SCHEME_BLS, 9);
    boot_with_proxies(rig, 1, 1);
    static const struct {
        enum fault fault;
        enum ipc_scheme scheme;
        enum ipc_answer_status status;
    } rows[] = {{FAULT_ecdsa_sign, IPC_SCHEME_ECDSA, IPC_ANSWER_INTERNAL},
                {FAULT_bls_sign, IPC_SCHEME_CONSENSUS, IPC_ANSWER_INTERNAL},
                {FAULT_eth2_commit_boost_root, IPC_SCHEME_ECDSA, IPC_ANSWER_BAD_ORDER}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const uint8_t *pubkey = rows[i].scheme == IPC_SCHEME_ECDSA ? first.pubkey : rig_pubkey(0);
        faults_fail(rows[i].fault, 1);
        boost_sign(rig, rows[i].scheme, pubkey, rows[i].status);
        assert_true(faults_stop(rows[i].fault));
        boost_sign(rig, rows[i].scheme, pubkey, IPC_ANSWER_SIGNED);
    }
    boost_sign(rig, IPC_SCHEME_BLS, bls.pubkey, IPC_ANSWER_UNKNOWN_KEY);
    rig_stop(rig);
}

static void a_proxy_key_that_cannot_be_made_or_delegated_is_told(void **state)
{
    struct rig *rig = *state;
    struct proxy made = make_proxy(IPC_SCHEME_BLS, 50);
    boot_with_proxies(rig, 2, 0);
    faults_fail(FAULT_socketpair, 1);
    want(rig);
    expect_made(rig, IPC_PROXY_FAILED);
    faults_fail(FAULT_bls_sign, 1); /* the delegation */
    want(rig);
    AUTO_FD maker = take_maker(rig);
    send_proxy(maker, IPC_SCHEME_BLS, 0, &made);
    expect_made(rig, IPC_PROXY_FAILED);
    assert_true(faults_stop(FAULT_bls_sign));
    /* One by one: another key's, another scheme's, garbled. */
    for (int attack = 0; attack < 3; attack++) {
        want(rig);
        fd_auto_close(&maker);
        maker = take_maker(rig);
        struct proxy proxy = make_proxy(attack == 1 ? IPC_SCHEME_ECDSA : IPC_SCHEME_BLS, 51);
        if (attack < 2) {
            send_proxy(maker, attack == 1 ? IPC_SCHEME_ECDSA : IPC_SCHEME_BLS, attack == 0, &proxy);
        } else {
            struct packer p = begin();
            ipc_begin(&p, IPC_PROXY_KEY, 1);
            rig_send(maker, &p);
        }
        expect_made(rig, IPC_PROXY_FAILED);
    }
    rig_stop(rig);
}

/* Meanwhile its consensus key has gone, or the store. */
static void a_proxy_key_of_a_key_that_has_gone_is_none(void **state)
{
    struct rig *rig = *state;
    struct proxy made = make_proxy(IPC_SCHEME_BLS, 50);
    AUTO_FD maker = begin_making(rig, 2);
    ask_reload(rig, 2);
    rig_take_loader(rig);
    rig_load_keys(rig, 1, 1);
    rig_loader_end(rig, 1, 0);
    rig_expect(rig, rig->front, IPC_KEYS);
    rig_expect_proxies(rig);
    rig_expect(rig, rig->front, IPC_HEALTH);
    rig_expect(rig, rig->front, IPC_RELOADED);
    rig_expect_state(rig, IPC_SERVE_STATE, 1, 0);
    send_proxy(maker, IPC_SCHEME_BLS, 0, &made);
    expect_made(rig, IPC_PROXY_UNKNOWN_KEY);
    rig_stop(rig);
}

static void a_lost_store_makes_and_delegates_nothing(void **state)
{
    struct rig *rig = *state;
    struct proxy made = make_proxy(IPC_SCHEME_BLS, 50);
    AUTO_FD maker = begin_making(rig, 1);
    faults_fail(FAULT_slashing_store_advance, 1);
    faults_fail(FAULT_slashing_store_load, 1);
    assert_int_equal(rig_sign_one(rig, rig_vote(0, 1, 2, 1)).status, IPC_ANSWER_STORE);
    rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
    rig_expect(rig, rig->front, IPC_HEALTH);
    send_proxy(maker, IPC_SCHEME_BLS, 0, &made);
    expect_made(rig, IPC_PROXY_FAILED);
    want(rig);
    expect_made(rig, IPC_PROXY_FAILED);
    boost_sign(rig, IPC_SCHEME_CONSENSUS, rig_pubkey(0), IPC_ANSWER_STORE);
    rig_stop(rig);
}

/* ---- late ---- */

static void who_has_waited_too_long_is_not_signed_for(void **state)
{
    struct rig *rig = *state;
    static struct ipc_order orders[RIG_ORDERS_MAX];
    static struct ipc_answer answers[RIG_ORDERS_MAX];
    uint32_t num_late = 0;
    rig_boot(rig, 1);
    for (uint32_t i = 0; i < RIG_ORDERS_MAX; i++) {
        orders[i] = (struct ipc_order){.order = rig_order(0, ETH2_ORDER_RANDAO_REVEAL), .patience_ms = 1000};
        memcpy(orders[i].order.of.object.root, &i,
               sizeof i); /* each a message of its own, more than are signed together */
    }
    faults_delay(FAULT_bls_batch_sign, 1500);
    rig_sign(rig, answers, orders, RIG_ORDERS_MAX);
    assert_true(faults_stop(FAULT_bls_batch_sign));
    for (uint32_t i = 0; i < RIG_ORDERS_MAX; i++) {
        assert_true(answers[i].status == IPC_ANSWER_SIGNED || answers[i].status == IPC_ANSWER_LATE);
        num_late += answers[i].status == IPC_ANSWER_LATE;
    }
    assert_in_range(num_late, 1, RIG_ORDERS_MAX);
    rig_stop(rig);
}

int main(void)
{
#define FAULTY(function) cmocka_unit_test_setup_teardown(function, faults_setup, faults_teardown)
    const struct CMUnitTest tests[] = {
        FAULTY(a_reload_that_fails_leaves_things_as_they_were),
        FAULTY(a_first_load_without_memory_is_none),
        FAULTY(a_key_that_cannot_be_disabled_stays),
        FAULTY(a_file_that_forgets_while_a_key_is_away_is_not_believed),
        FAULTY(keys_of_a_source_that_is_lost_are_not_disabled),
        FAULTY(without_a_store_nothing_is_disabled),
        FAULTY(a_lost_store_takes_all_signing_with_it),
        FAULTY(an_order_whose_root_fails_is_bad),
        FAULTY(a_probe_that_fails_is_told),
        FAULTY(a_long_list_of_proxy_keys_takes_several_messages),
        FAULTY(signatures_of_modules_fail_one_by_one),
        FAULTY(a_proxy_key_that_cannot_be_made_or_delegated_is_told),
        FAULTY(a_proxy_key_of_a_key_that_has_gone_is_none),
        FAULTY(a_lost_store_makes_and_delegates_nothing),
        FAULTY(who_has_waited_too_long_is_not_signed_for),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
