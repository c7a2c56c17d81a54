/* test_keeper_parts.c - parts of the keeper by themselves: proxy keys up to their limits, requests and their
 * places, and the times of a start. */
#include "testing.h"

#include "base/clock.h"
#include "base/secret.h"
#include "ecdsa/ecdsa.h"
#include "keeper/keeper_phases.h"
#include "keeper/keeper_proxies.h"
#include "keeper/keeper_requests.h"

static bool realloc_fails, key_fails;
static uint64_t now_ns;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size)
{
    return realloc_fails ? NULL : __real_realloc(old, size);
}

/* Quick ones: that of a secret is the secret. */
static result copy_secret(uint8_t *ret_pubkey, const uint8_t secret[static 32])
{
    ENSURE(!key_fails, E_CRYPTO, "told to fail");
    memcpy(ret_pubkey, secret, 32);
    return RESULT_OK;
}

result __wrap_bls_public_key(uint8_t ret_pubkey[static 48], const uint8_t secret[static 32]);
result __wrap_bls_public_key(uint8_t ret_pubkey[static 48], const uint8_t secret[static 32])
{
    return copy_secret(ret_pubkey, secret);
}

result __wrap_ecdsa_public_key(uint8_t ret_pubkey[static 33], const uint8_t secret[static 32]);
result __wrap_ecdsa_public_key(uint8_t ret_pubkey[static 33], const uint8_t secret[static 32])
{
    return copy_secret(ret_pubkey, secret);
}

uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void)
{
    return now_ns;
}

/* ---- proxy keys ---- */

static result add(struct keeper_proxies *proxies, uint32_t of_key, uint32_t number, enum ipc_scheme scheme)
{
    uint8_t secret[32] = {(uint8_t)(number >> 8), (uint8_t)number, 1}, pubkey[48] = {0}, delegator[48] = {0};
    memcpy(pubkey, secret, sizeof secret);
    memcpy(delegator, &of_key, sizeof of_key);
    return keeper_proxies_add(proxies, &(struct ipc_proxy_key){{scheme, delegator, pubkey}, secret});
}

static void proxy_keys_have_limits(void **state)
{
    (void)state;
    struct keeper_proxies proxies = {0};
    for (uint32_t i = 0; i < IPC_PROXIES_OF_KEY_MAX; i++)
        assert_ok(add(&proxies, 0, i, IPC_SCHEME_BLS));
    assert_fails(E_TOO_LARGE, add(&proxies, 0, IPC_PROXIES_OF_KEY_MAX, IPC_SCHEME_BLS));
    assert_ok(add(&proxies, 0, 0, IPC_SCHEME_BLS)); /* it is there already */
    for (uint32_t i = IPC_PROXIES_OF_KEY_MAX; i < IPC_PROXIES_IN_ALL_MAX; i++)
        assert_ok(add(&proxies, i / IPC_PROXIES_OF_KEY_MAX, i, IPC_SCHEME_ECDSA));
    assert_int_equal(proxies.num_entries, IPC_PROXIES_IN_ALL_MAX);
    assert_fails(E_TOO_LARGE, add(&proxies, 9999, 60000, IPC_SCHEME_ECDSA));
    assert_error_names("8192 in all");
    assert_int_equal(proxies.num_entries, IPC_PROXIES_IN_ALL_MAX);
    for (uint32_t i = 0; i < IPC_PROXIES_IN_ALL_MAX; i += 127) {
        const struct keeper_proxy *proxy = &proxies.entries[i];
        assert_memory_equal(keeper_proxies_secret(&proxies, proxy), proxy->pubkey, 32);
    }
    keeper_proxies_cleanup(&proxies);
}

static void what_cannot_be_checked_or_kept_is_not_added(void **state)
{
    (void)state;
    struct keeper_proxies proxies = {0};
    key_fails = true;
    assert_fails(E_CRYPTO, add(&proxies, 0, 0, IPC_SCHEME_BLS));
    assert_fails(E_CRYPTO, add(&proxies, 0, 0, IPC_SCHEME_ECDSA));
    key_fails = false;
    realloc_fails = true;
    assert_fails(E_MEMORY, add(&proxies, 0, 0, IPC_SCHEME_BLS));
    realloc_fails = false;
    assert_int_equal(proxies.num_entries, 0);
    assert_ok(add(&proxies, 0, 0, IPC_SCHEME_BLS));
    keeper_proxies_cleanup(&proxies);
}

/* ---- requests ---- */

static void an_answer_finds_the_request_that_was_sent(void **state)
{
    (void)state;
    static struct keeper_requests requests;
    static const uint8_t pubkey[48] = {1};
    keeper_requests_open(&requests);
    struct keeper_request *advance = keeper_requests_new(&requests, KEEPER_ADVANCE, pubkey);
    struct keeper_request *read = keeper_requests_new(&requests, KEEPER_READ, pubkey);
    uint64_t id = advance->id;
    assert_null(keeper_requests_find(&requests, id)); /* not sent yet */
    keeper_requests_mark_sent(&requests, advance);
    assert_ptr_equal(keeper_requests_find(&requests, id), advance);
    assert_null(keeper_requests_find(&requests, 0));
    assert_null(keeper_requests_find(&requests, id + KEEPER_REQUESTS_MAX)); /* the same place, later */
    keeper_requests_remove(&requests, advance);
    assert_null(keeper_requests_find(&requests, id));
    assert_null(keeper_requests_find(&requests, 0));
    keeper_requests_remove(&requests, read); /* never sent */
    assert_true(TAILQ_EMPTY(&requests.unsent_reads) && TAILQ_EMPTY(&requests.unsent_advances));
    struct keeper_request *unsent[3];
    for (size_t i = 0; i < 3; i++)
        unsent[i] = keeper_requests_new(&requests, KEEPER_CLAIM, pubkey);
    assert_int_not_equal(unsent[0]->id, id);
    keeper_requests_remove(&requests, unsent[1]);
    assert_ptr_equal(TAILQ_FIRST(&requests.unsent_advances), unsent[0]);
    assert_ptr_equal(TAILQ_NEXT(unsent[0], in_list), unsent[2]);
}

static void there_are_so_many_places_and_no_more(void **state)
{
    (void)state;
    static struct keeper_requests requests;
    static const uint8_t pubkey[48] = {1};
    struct keeper_request *last = NULL;
    keeper_requests_open(&requests);
    for (size_t i = 0; i < KEEPER_REQUESTS_MAX; i++) {
        last = keeper_requests_new(&requests, KEEPER_ADVANCE, pubkey);
        assert_non_null(last);
    }
    assert_null(keeper_requests_new(&requests, KEEPER_ADVANCE, pubkey));
    keeper_requests_remove(&requests, last);
    assert_ptr_equal(keeper_requests_new(&requests, KEEPER_READ, pubkey), last);
    assert_null(keeper_requests_new(&requests, KEEPER_READ, pubkey));
}

/* ---- phases ---- */

static void a_phase_of_hours_is_told_as_the_longest_there_is(void **state)
{
    (void)state;
    struct keeper_phases phases;
    now_ns = 5;
    keeper_phases_begin(&phases);
    now_ns += 3000;
    keeper_phases_spend(&phases, IPC_PHASE_INIT);
    assert_int_equal(phases.spent.us[IPC_PHASE_INIT], 3);
    now_ns += UINT64_C(7200000000000); /* two hours: more microseconds than 32 bits hold */
    keeper_phases_spend(&phases, IPC_PHASE_INIT);
    assert_int_equal(phases.spent.us[IPC_PHASE_INIT], UINT32_MAX);
    now_ns += 2000;
    keeper_phases_end(&phases, 1);
    assert_int_equal(phases.spent.us[IPC_PHASE_READY], 2);
    now_ns += 2000;
    keeper_phases_end(&phases, 1); /* once */
    assert_int_equal(phases.spent.us[IPC_PHASE_READY], 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(proxy_keys_have_limits),
        cmocka_unit_test(what_cannot_be_checked_or_kept_is_not_added),
        cmocka_unit_test(an_answer_finds_the_request_that_was_sent),
        cmocka_unit_test(there_are_so_many_places_and_no_more),
        cmocka_unit_test(a_phase_of_hours_is_told_as_the_longest_there_is),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
