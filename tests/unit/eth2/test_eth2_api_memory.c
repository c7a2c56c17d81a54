/* test_eth2_api_memory.c - a body that is known yields the order that it was parsed to, and no other does. */
#include "testing.h"

#include "eth2/eth2_api_memory.h"

static unsigned parsed;

result __wrap_eth2_api_parse_shape(struct eth2_order *ret_order, enum eth2_api_shape *ret_shape,
                                   const struct eth2_network *network, const char *body, size_t body_len);
result __real_eth2_api_parse_shape(struct eth2_order *ret_order, enum eth2_api_shape *ret_shape,
                                   const struct eth2_network *network, const char *body, size_t body_len);

result __wrap_eth2_api_parse_shape(struct eth2_order *ret_order, enum eth2_api_shape *ret_shape,
                                   const struct eth2_network *network, const char *body, size_t body_len)
{
    parsed++;
    return __real_eth2_api_parse_shape(ret_order, ret_shape, network, body, body_len);
}

static struct eth2_api_memory memory;
static struct eth2_network network;

static int setup(void **state)
{
    (void)state;
    memset(&memory, 0, sizeof memory);
    parsed = 0;
    return eth2_network_by_name(&network, "mainnet").code;
}

#define ROOT "0x1111111111111111111111111111111111111111111111111111111111111111"

static struct eth2_api_text attestation(char text[static 1024], unsigned slot)
{
    int length =
        snprintf(text, 1024,
                 "{\"type\":\"ATTESTATION\",\"fork_info\":{\"fork\":{\"previous_version\":\"0x06000000\","
                 "\"current_version\":\"0x06000000\",\"epoch\":\"0\"},\"genesis_validators_root\":\"" ROOT
                 "\"},\"attestation\":{\"slot\":\"%u\",\"index\":\"0\",\"beacon_block_root\":\"" ROOT
                 "\",\"source\":{\"epoch\":\"1\",\"root\":\"" ROOT
                 "\"},\"target\":{\"epoch\":\"2\",\"root\":\"" ROOT "\"}}}",
                 slot);
    return (struct eth2_api_text){text, (size_t)length};
}

static void expect_slot(struct eth2_api_text body, uint64_t slot)
{
    struct eth2_order order = {0}, plain = {0};
    enum eth2_api_shape shape = ETH2_SHAPE_END, plain_shape = ETH2_SHAPE_END;
    assert_ok(eth2_api_recall(&order, &shape, &memory, &network, body));
    assert_ok(__real_eth2_api_parse_shape(&plain, &plain_shape, &network, body.data, body.length));
    assert_int_equal(order.of.attestation.slot, slot);
    assert_memory_equal(&order, &plain, sizeof order);
    assert_int_equal(shape, plain_shape);
}

static void the_same_body_is_parsed_once(void **state)
{
    (void)state;
    char text[1024], copy[1024];
    struct eth2_api_text body = attestation(text, 64);
    for (size_t i = 0; i < 5; i++)
        expect_slot(i % 2 ? body : attestation(copy, 64), 64);
    assert_int_equal(parsed, 1);
}

static void another_body_is_not_it(void **state)
{
    (void)state;
    char text[1024];
    expect_slot(attestation(text, 64), 64);
    expect_slot(attestation(text, 65), 65); /* as long, in the same place */
    expect_slot(attestation(text, 100), 100);
    assert_int_equal(parsed, 3);
    struct eth2_api_text shorter = attestation(text, 64);
    shorter.length--;
    struct eth2_order order = {0};
    enum eth2_api_shape shape;
    assert_fails(E_INPUT, eth2_api_recall(&order, &shape, &memory, &network, shorter));
    assert_fails(E_INPUT, eth2_api_recall(&order, &shape, &memory, &network, shorter));
    assert_fails(E_INPUT,
                 eth2_api_recall(&order, &shape, &memory, &network, (struct eth2_api_text){text, 0}));
    assert_int_equal(parsed, 6);
}

static void the_oldest_goes_first(void **state)
{
    (void)state;
    char text[1024];
    for (unsigned i = 0; i <= ETH2_API_MEMORY_BODIES; i++)
        expect_slot(attestation(text, 64 + i), 64 + i);
    assert_int_equal(parsed, ETH2_API_MEMORY_BODIES + 1);
    for (unsigned i = 1; i <= ETH2_API_MEMORY_BODIES; i++)
        expect_slot(attestation(text, 64 + i), 64 + i);
    assert_int_equal(parsed, ETH2_API_MEMORY_BODIES + 1);
    expect_slot(attestation(text, 64), 64);
    assert_int_equal(parsed, ETH2_API_MEMORY_BODIES + 2);
}

static void another_network_forgets(void **state)
{
    (void)state;
    char text[1024];
    expect_slot(attestation(text, 64), 64);
    network.fork_epoch[ETH2_GLOAS]--;
    expect_slot(attestation(text, 64), 64);
    assert_int_equal(parsed, 2);
}

static void a_long_body_is_parsed_each_time(void **state)
{
    (void)state;
    static char text[ETH2_API_MEMORY_BODY_MAX + 1];
    char first[1024];
    struct eth2_api_text body = attestation(first, 64);
    memset(text, ' ', sizeof text);
    memcpy(text, first, body.length);
    body = (struct eth2_api_text){text, ETH2_API_MEMORY_BODY_MAX};
    expect_slot(body, 64);
    expect_slot(body, 64);
    assert_int_equal(parsed, 1);
    body.length++;
    expect_slot(body, 64);
    expect_slot(body, 64);
    assert_int_equal(parsed, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_same_body_is_parsed_once, setup),
        cmocka_unit_test_setup(another_body_is_not_it, setup),
        cmocka_unit_test_setup(the_oldest_goes_first, setup),
        cmocka_unit_test_setup(another_network_forgets, setup),
        cmocka_unit_test_setup(a_long_body_is_parsed_each_time, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
