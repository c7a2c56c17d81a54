/* test_keeper_limits.c - epochs and slots at times that the test says. */
#include "testing.h"

#include "base/clock.h"
#include "keeper/keeper_limits.h"

static uint64_t now_ms;

uint64_t __wrap_clock_realtime_ms(void);
uint64_t __wrap_clock_realtime_ms(void)
{
    return now_ms;
}

enum { GENESIS = 1000000 };

static struct policy policy_of(enum eth2_preset preset, uint64_t seconds_per_slot)
{
    return (struct policy){
        .network = {.preset = preset, .genesis_time = GENESIS, .seconds_per_slot = seconds_per_slot},
        .slashing_protection = true,
        .has_far_future = true,
        .far_future_epochs = 2};
}

static struct slashing_limits at(uint64_t ms, const struct policy *policy)
{
    struct slashing_limits limits = {0};
    now_ms = ms;
    keeper_limits_begin(&limits, policy);
    keeper_limits_update(&limits, policy);
    return limits;
}

static void the_latest_follows_the_clock(void **state)
{
    (void)state;
    static const struct {
        enum eth2_preset preset;
        uint64_t seconds_per_slot, ms, epoch, slot;
    } rows[] = {
        {ETH2_PRESET_MAINNET, 12, 0, 2, 95}, /* long before genesis */
        {ETH2_PRESET_MAINNET, 12, GENESIS * 1000ull - 1, 2, 95},
        {ETH2_PRESET_MAINNET, 12, GENESIS * 1000ull, 2, 95},
        {ETH2_PRESET_MAINNET, 12, GENESIS * 1000ull + 383999, 2, 95}, /* the last moment of epoch 0 */
        {ETH2_PRESET_MAINNET, 12, GENESIS * 1000ull + 384000, 3, 127},
        {ETH2_PRESET_GNOSIS, 5, GENESIS * 1000ull + 80000, 3, 63},
        {ETH2_PRESET_MINIMAL, 6, GENESIS * 1000ull + 48000, 3, 31},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct policy policy = policy_of(rows[i].preset, rows[i].seconds_per_slot);
        struct slashing_limits limits = at(rows[i].ms, &policy);
        assert_true(limits.has_latest && !limits.has_floor && !limits.has_high_watermark);
        assert_int_equal(limits.latest_epoch, rows[i].epoch);
        assert_int_equal(limits.latest_slot, rows[i].slot);
    }
}

/* What is known of mainnet: epoch 364032, of Electra, began on 7 May 2025 at 10:05:11 UTC. */
static void mainnet_s_electra_began_when_it_did(void **state)
{
    (void)state;
    struct policy policy = {.slashing_protection = true, .has_far_future = true, .boot_floor = true};
    assert_ok(eth2_network_by_name(&policy.network, "mainnet"));
    struct slashing_limits limits = at(1746612311000, &policy);
    assert_int_equal(limits.latest_epoch, 364032);
    assert_int_equal(limits.latest_slot, 364032 * 32 + 31);
    assert_int_equal(limits.floor_epoch, 364032);
    assert_int_equal(limits.floor_slot, 364032 * 32);
    limits = at(1746612310999, &policy);
    assert_int_equal(limits.latest_epoch, 364031);
    assert_int_equal(limits.floor_slot, 364032 * 32 - 1);
}

static void sums_end_at_the_largest_number(void **state)
{
    (void)state;
    struct policy policy = policy_of(ETH2_PRESET_MAINNET, 1);
    policy.far_future_epochs = UINT64_MAX;
    struct slashing_limits limits = at(GENESIS * 1000ull + 64000, &policy);
    assert_int_equal(limits.latest_epoch, UINT64_MAX);
    assert_int_equal(limits.latest_slot, UINT64_MAX);
    policy.far_future_epochs = UINT64_MAX / 32;
    limits = at(GENESIS * 1000ull, &policy);
    assert_int_equal(limits.latest_epoch, UINT64_MAX / 32);
    assert_int_equal(limits.latest_slot, UINT64_MAX);
    policy.far_future_epochs = UINT64_MAX / 32 - 1;
    limits = at(GENESIS * 1000ull, &policy);
    assert_int_equal(limits.latest_slot, UINT64_MAX - 32);
}

static void without_a_genesis_time_there_is_no_bound(void **state)
{
    (void)state;
    struct policy policy = policy_of(ETH2_PRESET_MAINNET, 12);
    policy.network.genesis_time = 0;
    policy.boot_floor = true;
    struct slashing_limits limits = at(1746612311000, &policy);
    assert_false(limits.has_latest || limits.has_floor);
}

static void any_means_no_bound(void **state)
{
    (void)state;
    struct policy policy = policy_of(ETH2_PRESET_MAINNET, 12);
    policy.has_far_future = false;
    struct slashing_limits limits = at(GENESIS * 1000ull, &policy);
    assert_false(limits.has_latest);
}

/* The floor is that of the start; the bound moves with the clock, also back. */
static void a_clock_that_steps_moves_only_the_bound(void **state)
{
    (void)state;
    struct policy policy = policy_of(ETH2_PRESET_MAINNET, 12);
    policy.boot_floor = true;
    struct slashing_limits limits = at(GENESIS * 1000ull + 10 * 384000 + 12000, &policy);
    limits.has_high_watermark = true;
    assert_true(limits.has_floor);
    assert_int_equal(limits.floor_epoch, 10);
    assert_int_equal(limits.floor_slot, 321);
    assert_int_equal(limits.latest_epoch, 12);
    for (uint64_t epoch = 20; epoch > 0; epoch -= 10) {
        now_ms = GENESIS * 1000ull + epoch * 384000;
        keeper_limits_update(&limits, &policy);
        assert_int_equal(limits.latest_epoch, epoch + 2);
        assert_int_equal(limits.floor_epoch, 10);
        assert_int_equal(limits.floor_slot, 321);
        assert_true(limits.has_high_watermark);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_follows_the_clock),
        cmocka_unit_test(mainnet_s_electra_began_when_it_did),
        cmocka_unit_test(sums_end_at_the_largest_number),
        cmocka_unit_test(without_a_genesis_time_there_is_no_bound),
        cmocka_unit_test(any_means_no_bound),
        cmocka_unit_test(a_clock_that_steps_moves_only_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
