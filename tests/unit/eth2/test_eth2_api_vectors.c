/* test_eth2_api_vectors.c - whole sign requests of others, through the JSON reader to signing root
 * and signature: Lodestar's packages on five networks, Web3Signer's documentation and ours from it. */
#include "requests.h"

#include <ctype.h>

#include "testing_signing.h"

struct tally {
    size_t run, of_gloas;
};

static void assert_refused(const struct eth2_network *network, const json_t *request, const char *names)
{
    struct eth2_order order;
    assert_fails(E_INPUT, parse_request(&order, network, request));
    assert_error_names(names);
}

/* In every form in which a client may send it. */
static void run_signing_vector(struct tally *tally, const struct eth2_network *network, const json_t *vectors,
                               const json_t *vector, const char *file)
{
    for (unsigned form = 0; form < SIGNING_FORMS_MAX; form++) {
        struct eth2_order order;
        uint8_t root[32];
        AUTO_POINTER(json_t) request = signing_request(vectors, vector, form);
        if (!request)
            continue;
        assert_request(&order, root, network, request, vector_text(vector, "expected", "signing_root"), file);
        assert_signature(root, vector_text(vector, "secret_key", NULL),
                         vector_text(vector, "expected", "signature"), file);
        assert_true(order.has_client_root);
        assert_memory_equal(order.client_root, root, 32);
        tally->run++;
        tally->of_gloas += strncmp(vector_text(vector, "type", NULL), "GLOAS:", 6) == 0;
    }
}

static void run_signing_file(struct tally *tally, const struct eth2_network *network, const char *file)
{
    AUTO_POINTER(json_t) vectors = vector_json(file);
    assert_true(json_array_size(vectors) > 0);
    for (size_t i = 0; i < json_array_size(vectors); i++)
        run_signing_vector(tally, network, vectors, json_array_get(vectors, i), file);
}

static void run_network(struct tally *tally, const struct eth2_network *network, const char *name)
{
    char file[128];
    (void)snprintf(file, sizeof file, "lodestar-generated/signing/%s.json", name);
    run_signing_file(tally, network, file);
    (void)snprintf(file, sizeof file, "lodestar-generated/signing/%s-previous-version.json", name);
    run_signing_file(tally, network, file);
}

static void lodestar_signing_vectors(void **state)
{
    (void)state;
    static const char *const names[] = {"hoodi", "sepolia", "gnosis", "chiado"};
    struct tally tally = {0};
    struct eth2_network network;
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        network = built_in(names[i]);
        run_network(&tally, &network, names[i]);
    }
    network = signing_devnet();
    run_network(&tally, &network, "corpus-devnet");
    print_message("%zu signed, %zu of them Gloas's\n", tally.run, tally.of_gloas);
    /* Ten of each of the four, in twelve forms, and the others in two. */
    assert_int_equal(tally.of_gloas, 10 * (12 + 2 + 2 + 2));
    assert_int_equal(tally.run - tally.of_gloas, 1354 - 40);
}

/* Web3Signer's examples are of a network with minimal's versions on which forks begin as the example needs.
 */
static struct eth2_network example_network(enum eth2_preset preset, enum eth2_fork first_fork)
{
    struct eth2_network network = built_in("minimal");
    network.preset = preset;
    for (enum eth2_fork fork = ETH2_ALTAIR; fork <= first_fork; fork++)
        network.fork_epoch[fork] = 0;
    return network;
}

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

static enum eth2_fork example_fork(const json_t *request, const char *name)
{
    bool is_altair =
        has(vector_text(request, "type", NULL), "SYNC_COMMITTEE") || has(name, "BLOCK_V2 (ALTAIR)");
    return is_altair ? ETH2_ALTAIR : ETH2_PHASE0;
}

/* Two of the published examples have camelCase members, which the server they document refuses as well. */
static json_t *snake_case(const json_t *value)
{
    if (json_is_array(value)) {
        json_t *array = json_array();
        for (size_t i = 0; i < json_array_size(value); i++)
            (void)json_array_append_new(array, snake_case(json_array_get(value, i)));
        return array;
    }
    if (!json_is_object(value))
        return json_deep_copy(value);
    json_t *object = json_object();
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        char snake[64];
        size_t length = 0;
        for (const char *c = key; *c && length < sizeof snake - 2; c++) {
            if (isupper((unsigned char)*c))
                snake[length++] = '_';
            snake[length++] = (char)tolower((unsigned char)*c);
        }
        snake[length] = 0;
        (void)json_object_set_new(object, snake, snake_case(member));
    }
    return object;
}

/* The request as the documentation has it, or, where that is refused for its camelCase, as the server wants
 * it. */
static json_t *example_request(const json_t *published, const struct eth2_network *network, bool is_camel)
{
    struct eth2_order order;
    if (!is_camel)
        return json_incref((json_t *)(uintptr_t)published);
    assert_fails(E_INPUT, parse_request(&order, network, published));
    assert_error_names("fork_info.fork.previous_version: is missing");
    return snake_case(published);
}

static void web3signer_vectors(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) root = vector_json("web3signer/web3signer-vectors.json");
    const json_t *vectors = json_object_get(root, "sign");
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *vector = json_array_get(vectors, i), *published = json_object_get(vector, "request");
        const char *name = vector_text(vector, "name", NULL),
                   *network_name = vector_text(vector, "network", NULL);
        struct eth2_network network =
            strcmp(network_name, "minimal") == 0
                ? example_network(ETH2_PRESET_MINIMAL, example_fork(published, name))
                : built_in("mainnet");
        uint8_t signing_root[32];
        AUTO_POINTER(json_t)
        request = example_request(published, &network, strcmp(name, "openapi AGGREGATION_SLOT") == 0);
        assert_request(NULL, signing_root, &network, request, vector_text(vector, "signing_root", NULL),
                       name);
        assert_signature(signing_root, vector_text(vector, "secret_key", NULL),
                         vector_text(vector, "signature", NULL), name);
    }
    assert_int_equal(json_array_size(vectors), 35);
}

static void run_example(const json_t *vector, enum eth2_preset preset)
{
    const char *name = vector_text(vector, "name", NULL);
    const json_t *published = json_object_get(vector, "request"),
                 *expected = json_object_get(vector, "expected");
    bool is_camel = json_is_true(json_object_get(expected, "signing_root_matches_after_snake_case"));
    const char *computed = vector_text(expected, "signing_root_computed_mainnet_preset", NULL);
    const char *wanted = computed ? computed : vector_text(expected, "signing_root", NULL);
    struct eth2_network network =
        example_network(preset, computed ? ETH2_ELECTRA : example_fork(published, name));
    struct eth2_order order;
    uint8_t root[32];
    AUTO_POINTER(json_t) request = example_request(published, &network, is_camel);
    if (has(name, "CONTRIBUTION") && preset == ETH2_PRESET_MAINNET) { /* its one byte of bits is minimal's */
        assert_refused(&network, request, "contribution_and_proof.contribution.aggregation_bits");
        return;
    }
    assert_request(&order, root, &network, request, wanted, name);
    assert_true(order.has_client_root);
    if (computed) /* the two whose published root is of something else: the mismatch is what a keeper would
                     see */
        assert_memory_not_equal(order.client_root, root, 32);
    else
        assert_memory_equal(order.client_root, root, 32);
}

static void web3signer_openapi_examples(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) vectors = vector_json("web3signer-openapi/sign-requests.json");
    size_t run = 0;
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *vector = json_array_get(vectors, i);
        const json_t *presets = json_object_get(json_object_get(vector, "expected"), "preset");
        for (size_t j = 0; j < json_array_size(presets); j++, run++) {
            enum eth2_preset preset;
            assert_ok(eth2_preset_parse(&preset, json_string_value(json_array_get(presets, j))));
            run_example(vector, preset);
        }
        if (json_array_size(presets) == 0) {
            run_example(vector, ETH2_PRESET_MAINNET);
            run++;
        }
    }
    print_message("%zu requests, with %zu presets\n", json_array_size(vectors), run);
    assert_int_equal(json_array_size(vectors), 41);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lodestar_signing_vectors),
        cmocka_unit_test(web3signer_vectors),
        cmocka_unit_test(web3signer_openapi_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
