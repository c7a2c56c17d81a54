/* test_ctl_samples.c - each sample is a request that our own reader accepts, on every network. */
#include "testing.h"

#include "ctl/ctl_samples.h"

#include "eth2/eth2_api.h"

static const char pubkey[] =
    "989d34725a2bfc3f15105f3f5fc8741f436c25ee1ee4f948e425d6bcb8c56bce6e06c269635b7e985a7ffa639e2409bf";

static struct ctl_sample_world world_of(const char *network, uint64_t epoch, const char *variant)
{
    struct ctl_sample_world world = {.epoch = epoch, .variant = variant, .pubkey = pubkey};
    assert_ok(eth2_network_by_name(&world.network, network));
    return world;
}

static void check_all(const char *network, uint64_t epoch)
{
    const struct ctl_sample_world world = world_of(network, epoch, "a");
    unsigned kinds = 0;
    for (size_t i = 0; i < ctl_num_samples; i++) {
        struct eth2_order order;
        AUTO(buffer) body = {0};
        assert_ok(ctl_sample_body(&body, &ctl_samples[i], &world));
        assert_ok(eth2_api_parse(&order, &world.network, (const char *)body.data, body.length));
        kinds |= 1u << order.kind;
    }
    /* Every kind there is has a sample. */
    assert_int_equal(kinds, (1u << ETH2_ORDER_KIND_END) - 2);
}

static void test_every_sample_is_a_request(void **state)
{
    (void)state;
    check_all("mainnet", 500000);
    check_all("mainnet", 300000); /* Deneb: aggregates have their old shape */
    check_all("hoodi", 60000);
    check_all("gnosis", 2000000);
}

static void test_variants_conflict_and_repeat(void **state)
{
    (void)state;
    const struct ctl_sample_world a = world_of("mainnet", 500000, "a"), b = world_of("mainnet", 500000, "b");
    AUTO(buffer) first = {0};
    AUTO(buffer) again = {0};
    AUTO(buffer) other = {0};
    struct eth2_order one, two;
    assert_string_equal(ctl_samples[0].type, "ATTESTATION");
    assert_ok(ctl_sample_body(&first, &ctl_samples[0], &a));
    assert_ok(ctl_sample_body(&again, &ctl_samples[0], &a));
    assert_ok(ctl_sample_body(&other, &ctl_samples[0], &b));
    assert_int_equal(first.length, again.length);
    assert_memory_equal(first.data, again.data, first.length);
    assert_ok(eth2_api_parse(&one, &a.network, (const char *)first.data, first.length));
    assert_ok(eth2_api_parse(&two, &b.network, (const char *)other.data, other.length));
    assert_true(one.of.attestation.target.epoch == two.of.attestation.target.epoch);
    assert_memory_not_equal(one.of.attestation.beacon_block_root, two.of.attestation.beacon_block_root, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_sample_is_a_request),
        cmocka_unit_test(test_variants_conflict_and_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
