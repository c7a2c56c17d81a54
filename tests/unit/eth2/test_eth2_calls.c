/* test_eth2_calls.c - every call that the readers of sign requests and networks make of other files fails in
 * turn, for a request of each type: nothing is taken that was not read whole, and on a refusal the outputs
 * are as they were. */
#include "testing.h"

#include <dirent.h>

#include "base/file_io.h"
#include "eth2/eth2_api_parts.h"
#include "eth2/eth2_commit_boost.h"
#include "eth2/eth2_config.h"
#include "faults.h"

/* What fails. */
#include "eth2_calls.def"

#define CORPUS NS_FUZZ_FOLDER "/corpus/"

static struct eth2_network network;

static int set_up(void **state)
{
    (void)state;
    network = (struct eth2_network){0};
    if (eth2_network_by_name(&network, "mainnet").code)
        return -1;
    network.has_genesis_validators_root = true;
    return 0;
}

static void parse_with_faults(const struct buffer *body, const char *name)
{
    struct eth2_order order, before;
    enum eth2_api_shape shape = ETH2_SHAPE_END;
    uint8_t root[32];
    memset(&before, 0x5a, sizeof before);
    for (struct faults f = {0}; faults_again(&f);) {
        memset(&order, 0x5a, sizeof order);
        faults_begin(&f);
        result r = eth2_api_parse_shape(&order, &shape, &network, (const char *)body->data, body->length);
        if (!r.code)
            r = eth2_order_signing_root(root, &network, &order);
        faults_end(&f);
        if (f.function && !r.code)
            fail_msg("%s: taken though %s failed, call %u", name, f.function, f.at);
        assert_fault(&f, r);
        if (r.code && strcmp(f.function, "eth2_domain") != 0)
            assert_memory_equal(&order, &before, sizeof order);
    }
}

static void a_request_is_taken_whole_or_not(void **state)
{
    (void)state;
    unsigned num = 0;
    DIR *names = opendir(CORPUS "order");
    assert_non_null(names);
    for (const struct dirent *name; (name = readdir(names));) {
        char path[1024];
        AUTO(buffer) body = {0};
        struct eth2_order order;
        if (name->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof path, CORPUS "order/%s", name->d_name);
        assert_ok(file_read(&body, path, 1 << 20));
        if (eth2_api_parse(&order, &network, (const char *)body.data, body.length).code)
            continue; /* of another network's preset */
        parse_with_faults(&body, name->d_name);
        num++;
    }
    (void)closedir(names);
    assert_true(num >= 25);
}

#define ROOT "0x1111111111111111111111111111111111111111111111111111111111111111"
#define LIST                                                                                                 \
    "{\"slot\":\"3200\",\"validator_index\":\"7\",\"dependent_root\":\"" ROOT                                \
    "\",\"transactions\":[\"0x0102\",\"0x03\"]}"

static result parse(struct eth2_order *ret_order, const char *text)
{
    return eth2_api_parse(ret_order, &network, text, strlen(text));
}

/* As Lodestar sends them: the version is then the schedule's. */
static void an_inclusion_list_needs_no_fork_info(void **state)
{
    (void)state;
    static const char without[] = "{\"type\":\"INCLUSION_LIST\",\"inclusion_list\":" LIST "}";
    AUTO(buffer) body = {0};
    struct eth2_order order;
    assert_ok(buffer_append_text(&body, without));
    assert_ok(parse(&order, without));
    assert_int_equal(order.of.object.epoch, 100);
    assert_memory_equal(order.fork_info.current_version, network.fork_version[ETH2_PHASE0], 4);
    parse_with_faults(&body, "without fork_info");
    network.has_genesis_validators_root = false;
    assert_fails(E_INPUT, parse(&order, without));
    assert_error_names("genesis_validators_root is not known");
    network.has_genesis_validators_root = true;
    assert_fails(E_INPUT, parse(&order, "{\"type\":\"RANDAO_REVEAL\",\"randao_reveal\":{\"epoch\":\"1\"}}"));
    assert_error_names("fork_info");
}

/* A body of more than 10 MiB is looked at for its type only, before memory is spent on it. */
static void a_large_body_is_looked_at_first(void **state)
{
    (void)state;
    static const struct {
        const char *start, *end;
    } cases[] = {
        {"{\"more\":\"", "\"}"},                            /* has no type */
        {"{\"more\":\"", "\",\"type\":\"RANDAO_REVEAL\"}"}, /* one that is not large */
        {"{\"type\":7,\"more\":\"", "\"}"},                 /* no text */
        {"{\"type\":\"EXECUTION_PAYLOAD_ENVELOPE\",\"more\":\"",
         "\"}"}, /* a large one, without what it must have */
    };
    enum { LARGE = 11 * 1024 * 1024 };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) body = {0};
        struct eth2_order order;
        size_t start_len = strlen(cases[i].start);
        assert_ok(buffer_append_text(&body, cases[i].start));
        assert_ok(buffer_reserve(&body, LARGE));
        memset(body.data + start_len, 'a', LARGE);
        body.length += LARGE;
        assert_ok(buffer_append_text(&body, cases[i].end));
        result r = eth2_api_parse(&order, &network, (const char *)body.data, body.length);
        assert_true(r.code == E_TOO_LARGE || r.code == E_INPUT);
        for (struct faults f = {0}; i == 1 && faults_again(&f) && !f.rest;) {
            faults_begin(&f);
            r = eth2_api_parse(&order, &network, (const char *)body.data, body.length);
            faults_end(&f);
            assert_int_not_equal(r.code, E_NONE);
        }
    }
}

static void a_batch_is_taken_whole_or_not(void **state)
{
    (void)state;
    char body[2048], keys[2][99];
    for (int i = 0; i < 2; i++) {
        memset(keys[i], '1' + i, 98);
        keys[i][1 - 1] = '0';
        keys[i][1] = 'x';
        keys[i][98] = 0;
    }
    (void)snprintf(body, sizeof body,
                   "{\"identifiers\":[\"%s\",\"%s\"],\"signing_request\":{\"type\":\"RANDAO_REVEAL\",\"fork_"
                   "info\":{\"fork\":{"
                   "\"previous_version\":\"0x00000000\",\"current_version\":\"0x00000000\",\"epoch\":\"0\"},"
                   "\"genesis_validators_root\":\"" ROOT "\"},\"randao_reveal\":{\"epoch\":\"1\"}}}",
                   keys[1], keys[0]);
    for (struct faults f = {0}; faults_again(&f);) {
        AUTO(buffer) pubkeys = {0};
        struct eth2_order order;
        faults_begin(&f);
        result r = eth2_api_parse_batch(&order, &pubkeys, &network, body, strlen(body));
        faults_end(&f);
        assert_fault(&f, r);
        assert_int_equal(pubkeys.length, r.code ? 0 : 96);
    }
}

static void a_network_is_read_whole_or_not(void **state)
{
    (void)state;
    static const char *const names[] = {CORPUS "network/hoodi-config.yaml", CORPUS "network/gloas.yaml",
                                        CORPUS "network/short.yaml"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        for (struct faults f = {0}; faults_again(&f);) {
            struct eth2_network found = {.seconds_per_slot = 77};
            faults_begin(&f);
            result r = eth2_network_of_option(&found, names[i]);
            faults_end(&f);
            assert_fault(&f, r);
            assert_true(!r.code == (found.seconds_per_slot != 77));
        }
    }
    struct eth2_network found;
    assert_ok(eth2_network_of_option(&found, "sepolia"));
    assert_string_equal(found.name, "sepolia");
    assert_fails(E_INPUT, eth2_network_of_option(&found, "/nonexistent/config.yaml"));
    assert_error_names("--network");
}

static void roots_are_made_or_not(void **state)
{
    (void)state;
    static const uint8_t object_root[32] = {1};
    static struct eth2_order_memory memory;
    const struct eth2_order order = {.kind = ETH2_ORDER_RANDAO_REVEAL};
    for (struct faults f = {0}; faults_again(&f);) {
        uint8_t roots[2][32] = {{0}};
        memory = (struct eth2_order_memory){0};
        faults_begin(&f);
        result r = eth2_commit_boost_root(roots[0], &network, object_root);
        if (!r.code)
            r = eth2_order_recall_root(roots[1], &memory, &network, &order);
        faults_end(&f);
        assert_fault(&f, r);
    }
}

static void what_a_seed_is_taken_for_changes_nothing(void **state)
{
    (void)state;
    struct eth2_order order;
    eth2_api_open();
    assert_ok(parse(&order, "{\"type\":\"INCLUSION_LIST\",\"inclusion_list\":" LIST "}"));
}

static void orders_are_due_and_shapes_have_names(void **state)
{
    (void)state;
    assert_int_equal(eth2_order_due(ETH2_ORDER_VOLUNTARY_EXIT), ETH2_DUE_WHENEVER);
    assert_int_not_equal(eth2_order_due(ETH2_ORDER_BLOCK), ETH2_DUE_WHENEVER);
    assert_int_equal(eth2_order_due((enum eth2_order_kind)999), ETH2_DUE_WHENEVER);
    for (int shape = 0; shape < ETH2_SHAPE_END; shape++) {
        const char *name = eth2_api_shape_name((enum eth2_api_shape)shape);
        assert_non_null(name);
        for (int other = 0; other < shape; other++)
            assert_string_not_equal(name, eth2_api_shape_name((enum eth2_api_shape)other));
    }
    assert_string_equal(eth2_api_shape_name(ETH2_SHAPE_END), "?");
}

/* What no caller asks for, since its sizes are constants, is refused before it is read into an array. */
static void sizes_that_no_preset_has(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) object = json_pack("{s:s}", "x", "0x00");
    struct json_view view;
    struct ssz_tree tree = {.count = 0};
    uint8_t root[1][SSZ_ROOT_LEN] = {{0x5a}};
    const struct eth2_sizes sizes = eth2_preset_sizes(ETH2_PRESET_MAINNET);
    const struct eth2_api_member member = {"x", 257};
    const struct eth2_api_request request = {.network = &network};
    struct eth2_order order = {.kind = ETH2_ORDER_EXECUTION_PAYLOAD_ENVELOPE};
    assert_non_null(object);
    assert_ok(json_view_root(&view, object));
    assert_fails(E_INTERNAL, eth2_api_bit_list(root[0], &view, "x", 131072 + 8, ETH2_ELECTRA));
    assert_fails(E_INTERNAL, eth2_api_bit_vector(root[0], &view, "x", 64 * 8 + 1));
    assert_fails(E_INTERNAL, eth2_api_add_bytes(&tree, &view, "x", 257));
    assert_int_equal(tree.count, 0);
    assert_fails(E_INTERNAL, eth2_api_members(root, &view, &member, 1));
    assert_fails(E_INTERNAL, eth2_api_body(root[0], &view, ETH2_BELLATRIX, &sizes));
    assert_fails(E_INTERNAL, eth2_api_take_envelope(&order, &request));
    assert_int_equal(root[0][0], 0x5a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_whole_or_not),
        cmocka_unit_test(an_inclusion_list_needs_no_fork_info),
        cmocka_unit_test(a_large_body_is_looked_at_first),
        cmocka_unit_test(a_batch_is_taken_whole_or_not),
        cmocka_unit_test(a_network_is_read_whole_or_not),
        cmocka_unit_test(roots_are_made_or_not),
        cmocka_unit_test(what_a_seed_is_taken_for_changes_nothing),
        cmocka_unit_test(orders_are_due_and_shapes_have_names),
        cmocka_unit_test(sizes_that_no_preset_has),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
