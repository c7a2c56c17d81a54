/* test_keeper_boost.c - proxy keys and Commit-Boost's signatures, with the test in the place of front,
 * supervisor, loader and maker. */
#include "keeper_rig.h"

#include <unistd.h>

#include "ecdsa/ecdsa.h"
#include "eth2/eth2_commit_boost.h"
#include "ipc/ipc_proxy.h"

static uint8_t packet[IPC_PACKET_MAX];
static const uint8_t object_root[32] = {0xab, 1, 2, 3};

/* One proxy key; the views of key point into the latest one that was made. */
struct proxy {
    uint8_t secret[32], pubkey[48];
    struct ipc_proxy_key key;
};

static struct proxy *make_proxy(enum ipc_scheme scheme, const uint8_t *delegator, uint32_t i)
{
    static struct proxy proxy;
    proxy = (struct proxy){0};
    rig_secret(proxy.secret, 40000 + i);
    if (scheme == IPC_SCHEME_ECDSA)
        assert_ok(ecdsa_public_key(proxy.pubkey, proxy.secret));
    else
        assert_ok(bls_public_key(proxy.pubkey, proxy.secret));
    proxy.key = (struct ipc_proxy_key){{scheme, delegator, proxy.pubkey}, proxy.secret};
    return &proxy;
}

static void send_key(int socket, const struct ipc_proxy_key *key)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_proxy_key(&p, key);
    rig_send(socket, &p);
}

static void to_load(struct rig *rig)
{
    rig->option = "--commit-boost";
    rig->has_proxies = true;
    rig_boot_to_load(rig);
}

static void to_serve(struct rig *rig)
{
    rig_load_keys(rig, 0, 2);
    rig_loader_end(rig, 2, 0);
    rig_begin_to_serve(rig, 2);
}

static struct ipc_signature sign(struct rig *rig, enum ipc_scheme scheme, const uint8_t *pubkey)
{
    struct ipc_signature signature;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_boost_sign(&p, &(struct ipc_boost_sign){7, scheme, pubkey, object_root});
    rig_send(rig->front, &p);
    rig_expect(rig, rig->front, IPC_BOOST_SIGNED);
    assert_ok(ipc_take_signature(&signature, &rig->message));
    assert_int_equal(signature.id, 7);
    return signature;
}

static void want(struct rig *rig, const uint8_t *delegator)
{
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_proxy_wanted(&p, &(struct ipc_proxy_wanted){9, IPC_SCHEME_BLS, delegator});
    rig_send(rig->front, &p);
}

/* The maker's socket, with the request that came over it. */
static int take_maker(struct rig *rig)
{
    struct ipc_proxy_wanted wanted;
    rig_expect(rig, rig->supervisor, IPC_PROXY_START);
    assert_ok(ipc_take_empty(&rig->message));
    assert_true(rig->descriptor >= 0);
    int maker = fd_take(&rig->descriptor);
    rig_expect(rig, maker, IPC_PROXY_WANTED);
    assert_ok(ipc_take_proxy_wanted(&wanted, &rig->message));
    assert_int_equal(wanted.scheme, IPC_SCHEME_BLS);
    return maker;
}

static struct ipc_proxy_made take_made(struct rig *rig)
{
    struct ipc_proxy_made made;
    rig_expect(rig, rig->front, IPC_PROXY_MADE);
    assert_ok(ipc_take_proxy_made(&made, &rig->message));
    assert_int_equal(made.id, 9);
    return made;
}

static void roots(uint8_t root[static 32], const struct rig *rig, const uint8_t *object)
{
    assert_ok(eth2_commit_boost_root(root, &rig->policy.network, object));
}

static void keys_that_were_loaded_sign(void **state)
{
    struct rig *rig = *state;
    uint8_t root[32], expected[ECDSA_SIGNATURE_LEN];
    to_load(rig);
    struct proxy bls = *make_proxy(IPC_SCHEME_BLS, rig_pubkey(0), 1);
    send_key(rig->loader, &make_proxy(IPC_SCHEME_BLS, rig_pubkey(0), 1)->key);
    send_key(rig->loader, &make_proxy(IPC_SCHEME_BLS, rig_pubkey(0), 1)->key); /* it is there already */
    struct proxy ecdsa = *make_proxy(IPC_SCHEME_ECDSA, rig_pubkey(1), 2);
    send_key(rig->loader, &make_proxy(IPC_SCHEME_ECDSA, rig_pubkey(1), 2)->key);
    to_serve(rig);
    assert_int_equal(rig->num_proxies, 2);
    roots(root, rig, object_root);
    struct ipc_signature signature = sign(rig, IPC_SCHEME_BLS, bls.pubkey);
    assert_int_equal(signature.status, IPC_ANSWER_SIGNED);
    assert_ok(bls_verify(bls.pubkey, signature.signature.data, root, sizeof root));
    signature = sign(rig, IPC_SCHEME_ECDSA, ecdsa.pubkey);
    assert_int_equal(signature.signature.length, ECDSA_SIGNATURE_LEN);
    assert_ok(ecdsa_sign(expected, ecdsa.secret, root, sizeof root));
    assert_memory_equal(signature.signature.data, expected, sizeof expected);
    signature = sign(rig, IPC_SCHEME_CONSENSUS, rig_pubkey(1));
    assert_ok(bls_verify(rig_pubkey(1), signature.signature.data, root, sizeof root));
    /* A proxy is no consensus key, and the other way round. */
    assert_int_equal(sign(rig, IPC_SCHEME_CONSENSUS, bls.pubkey).status, IPC_ANSWER_UNKNOWN_KEY);
    assert_int_equal(sign(rig, IPC_SCHEME_BLS, rig_pubkey(0)).status, IPC_ANSWER_UNKNOWN_KEY);
    rig_stop(rig);
}

static void a_proxy_of_a_key_that_is_not_served_signs_nothing(void **state)
{
    struct rig *rig = *state;
    to_load(rig);
    struct proxy *proxy = make_proxy(IPC_SCHEME_BLS, rig_pubkey(5), 1);
    send_key(rig->loader, &proxy->key);
    to_serve(rig);
    assert_int_equal(sign(rig, IPC_SCHEME_BLS, proxy->pubkey).status, IPC_ANSWER_UNKNOWN_KEY);
    rig_stop(rig);
}

static void a_public_key_that_lies_ends_the_load(void **state)
{
    struct rig *rig = *state;
    to_load(rig);
    struct proxy *proxy = make_proxy(IPC_SCHEME_BLS, rig_pubkey(0), 1);
    proxy->key.proxy.pubkey = rig_pubkey(1);
    send_key(rig->loader, &proxy->key);
    rig_expect_end(rig, 1);
}

static void more_than_a_key_may_have_are_left_out(void **state)
{
    struct rig *rig = *state;
    to_load(rig);
    for (uint32_t i = 0; i < IPC_PROXIES_OF_KEY_MAX + 3; i++)
        send_key(rig->loader, &make_proxy(IPC_SCHEME_BLS, rig_pubkey(0), i)->key);
    for (uint32_t i = 0; i < 3; i++)
        send_key(rig->loader, &make_proxy(IPC_SCHEME_BLS, rig_pubkey(1), 100 + i)->key);
    to_serve(rig);
    assert_int_equal(rig->num_proxies, IPC_PROXIES_OF_KEY_MAX + 3);
    want(rig, rig_pubkey(0));
    assert_int_equal(take_made(rig).status, IPC_PROXY_TOO_MANY);
    want(rig, rig_pubkey(2));
    assert_int_equal(take_made(rig).status, IPC_PROXY_UNKNOWN_KEY);
    rig_stop(rig);
}

static void a_key_is_made_and_delegated_to(void **state)
{
    struct rig *rig = *state;
    uint8_t object[32], root[32];
    to_load(rig);
    to_serve(rig);
    want(rig, rig_pubkey(1));
    int maker = take_maker(rig);
    /* The duties go on meanwhile. */
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    struct ipc_answer answer = rig_sign_one(rig, vote);
    rig_assert_signed(rig, &answer, &vote);
    struct proxy *proxy = make_proxy(IPC_SCHEME_BLS, rig_pubkey(1), 3);
    send_key(maker, &proxy->key);
    struct ipc_proxy_made made = take_made(rig);
    assert_int_equal(made.status, IPC_PROXY_DONE);
    assert_memory_equal(made.pubkey, proxy->pubkey, sizeof proxy->pubkey);
    eth2_delegation_root(object, rig_pubkey(1), proxy->pubkey, sizeof proxy->pubkey);
    roots(root, rig, object);
    assert_ok(bls_verify(rig_pubkey(1), made.signature.data, root, sizeof root));
    assert_int_equal(sign(rig, IPC_SCHEME_BLS, proxy->pubkey).status, IPC_ANSWER_SIGNED);
    (void)close(maker);
    rig_stop(rig);
}

/* Each costs its key, and nothing else. */
static void makers_that_fail(void **state)
{
    struct rig *rig = *state;
    to_load(rig);
    to_serve(rig);
    for (int fault = 0; fault < 4; fault++) {
        want(rig, rig_pubkey(1));
        int maker = take_maker(rig);
        struct proxy *proxy =
            make_proxy(fault == 1 ? IPC_SCHEME_ECDSA : IPC_SCHEME_BLS, rig_pubkey(fault == 2 ? 0 : 1), 3);
        if (fault == 3)
            proxy->secret[0] ^= 1;
        if (fault > 0)
            send_key(maker, &proxy->key);
        (void)close(maker);
        assert_int_equal(take_made(rig).status, IPC_PROXY_FAILED);
        assert_int_equal(sign(rig, IPC_SCHEME_BLS, proxy->pubkey).status, IPC_ANSWER_UNKNOWN_KEY);
    }
    rig_stop(rig);
}

static void one_at_a_time(void **state)
{
    struct rig *rig = *state;
    to_load(rig);
    to_serve(rig);
    want(rig, rig_pubkey(0));
    (void)close(take_maker(rig));
    (void)take_made(rig);
    want(rig, rig_pubkey(0));
    want(rig, rig_pubkey(0));
    rig_expect_end(rig, 1);
}

/* Whatever has become of the front or the loader. */
static void nothing_of_it_when_that_is_off(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    want(rig, rig_pubkey(0));
    rig_expect_end(rig, 1);
    rig_boot(rig, 1);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_boost_sign(&p, &(struct ipc_boost_sign){7, IPC_SCHEME_CONSENSUS, rig_pubkey(0), object_root});
    rig_send(rig->front, &p);
    rig_expect_end(rig, 1);
    rig_boot_to_load(rig);
    send_key(rig->loader, &make_proxy(IPC_SCHEME_BLS, rig_pubkey(0), 1)->key);
    rig_expect_end(rig, 1);
    rig->option = "--commit-boost";
    rig_start(rig, "enclave", NULL);
    rig_expect_end(rig, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(keys_that_were_loaded_sign, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_proxy_of_a_key_that_is_not_served_signs_nothing, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_public_key_that_lies_ends_the_load, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(more_than_a_key_may_have_are_left_out, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_key_is_made_and_delegated_to, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(makers_that_fail, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(one_at_a_time, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(nothing_of_it_when_that_is_off, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
