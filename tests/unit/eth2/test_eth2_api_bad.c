/* test_eth2_api_bad.c - every member of every type of request, made wrong in every way we could
 * think of: the answer must be E_INPUT naming the member by its path, and nothing may leak (asan).
 *
 * The requests are Lodestar's; the walk finds their members by itself, so a new member is tested
 * without anybody thinking of it.
 */
#include "requests.h"

#include <strings.h>

#include "testing_signing.h"

enum { PATH_CAPACITY = 200, TEXT_CAPACITY = 600 };

/* Where the walk is. */
struct spot {
    json_t *root;   /* the whole request */
    json_t *parent; /* object or array */
    const char *key;
    size_t index;
    char path[PATH_CAPACITY];
    const struct eth2_network *network;
};

static size_t mutants;

static void put(const struct spot *spot, json_t *value)
{
    if (json_is_object(spot->parent))
        assert_int_equal(json_object_set_new(spot->parent, spot->key, value), 0);
    else
        assert_int_equal(json_array_set_new(spot->parent, spot->index, value), 0);
}

static void expect(const struct spot *spot, const char *names, const char *mutation)
{
    struct eth2_order order;
    result r = parse_request(&order, spot->network, spot->root);
    mutants++;
    if (r.code != E_INPUT || !strstr(error_text(), names))
        fail_msg("%s: %s gave %s: %s", spot->path, mutation, error_name(r.code), r.code ? error_text() : "");
}

/* In place of the value; back to the old one afterwards. */
static void try_value(const struct spot *spot, json_t *mutant, const char *names, const char *mutation)
{
    json_t *old = json_is_object(spot->parent) ? json_object_get(spot->parent, spot->key)
                                               : json_array_get(spot->parent, spot->index);
    assert_non_null(mutant);
    json_incref(old);
    put(spot, mutant);
    expect(spot, names, mutation);
    put(spot, old);
}

static void try_text(const struct spot *spot, const char *text)
{
    try_value(spot, json_string(text), spot->path, text);
}

static json_t *nested(size_t depth)
{
    json_t *value = json_integer(1);
    for (size_t i = 0; i < depth; i++)
        value = i % 2 ? json_pack("{s:o}", "x", value) : json_pack("[o]", value);
    return value;
}

/* The only one; null stands for absent. */
static bool is_optional(const struct spot *spot)
{
    return strcmp(spot->path, "signingRoot") == 0;
}

static void wrong_types(const struct spot *spot, const json_t *good)
{
    bool is_number =
        json_is_string(good) && strspn(json_string_value(good), "0123456789") == json_string_length(good);
    if (!is_optional(spot))
        try_value(spot, json_null(), spot->path, "null");
    if (!json_is_boolean(good))
        try_value(spot, json_true(), spot->path, "true");
    try_value(spot, json_real(1.5), spot->path, "1.5");
    try_value(spot, json_integer(-1), spot->path, "-1");
    if (!is_number)
        try_value(spot, json_integer(5), spot->path, "5");
    /* Where data is an object it is the wrapper's, and its version is missed. */
    bool is_auth_data = json_is_string(good) && strcmp(spot->path, "builder_request_auth.data") == 0;
    if (!json_is_object(good))
        try_value(spot, json_object(), is_auth_data ? "builder_request_auth.version" : spot->path, "{}");
    if (!json_is_array(good))
        try_value(spot, json_array(), spot->path, "[]");
    if (!json_is_string(good))
        try_text(spot, "text");
    try_value(spot, nested(40), "nested deeper", "nested 40 deep");
}

static void wrong_numbers(const struct spot *spot)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "1e3",
                                      "0x10",
                                      "18446744073709551616",
                                      "1\n",
                                      "\xd9\xa1",
                                      "99999999999999999999999999999999"};
    bool is_wide = spot->key && strcmp(spot->key, "base_fee_per_gas") == 0;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (!is_wide || strlen(bad[i]) < 20)
            try_text(spot, bad[i]);
    }
    if (is_wide) /* 2^256 */
        try_text(spot, "115792089237316195423570985008687907853269984665640564039457584007913129639936");
}

static void wrong_hex_of_fixed_size(const struct spot *spot, const char *good)
{
    char text[TEXT_CAPACITY];
    size_t length = strlen(good);
    assert_true(length + 3 < sizeof text);
    (void)snprintf(text, sizeof text, "%s00", good);
    try_text(spot, text); /* too long */
    (void)snprintf(text, sizeof text, "%s0", good);
    try_text(spot, text); /* odd */
    (void)snprintf(text, sizeof text, "%.*s", (int)length - 2, good);
    try_text(spot, text); /* too short */
    (void)snprintf(text, sizeof text, "0X%s", good + 2);
    try_text(spot, text);
    (void)snprintf(text, sizeof text, "%s", good);
    text[length - 1] = 'g';
    try_text(spot, text);
    text[length - 1] = ' ';
    try_text(spot, text);
    try_text(spot, "");
    try_text(spot, "0x");
}

static void wrong_bit_lists(const struct spot *spot)
{
    static char text[2 + 2 * 20000 + 1]; /* more than any preset's */
    memset(text, 'f', sizeof text - 1);
    memcpy(text, "0x", 2);
    try_text(spot, text);
    static const char *const bad[] = {"", "0x", "0x00", "0x0100", "0x1", "0xg1", "0X01"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        try_text(spot, bad[i]);
}

/* Of any length, some of them up to a limit. */
static void wrong_byte_lists(const struct spot *spot)
{
    static const char *const bad[] = {"0x1", "0xg1", "0X01", "0x01 ", "0x0x01", "1", "0x\xc3\xa4"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
        try_text(spot, bad[i]);
    size_t limit = strstr(spot->path, "extra_data") ? 32 : strstr(spot->path, "request_auth") ? 4096 : 0;
    if (limit == 0)
        return;
    static char text[2 + 2 * 4097 + 1];
    memset(text, '0', sizeof text);
    text[1] = 'x';
    text[2 + 2 * limit] = 0;
    struct eth2_order order;
    json_t *old = json_incref(json_object_get(spot->parent, spot->key));
    put(spot, json_string(text));
    assert_ok(parse_request(&order, spot->network, spot->root));
    put(spot, old);
    memcpy(text + 2 + 2 * limit, "00", 3);
    try_text(spot, text);
}

static bool is_byte_list(const struct spot *spot)
{
    static const char *const paths[] = {"extra_data", "block_access_list", "transactions[0]",
                                        "builder_request_auth.data.data"};
    for (size_t i = 0; i < ARRAY_LENGTH(paths); i++) {
        size_t length = strlen(paths[i]), whole = strlen(spot->path);
        if (whole >= length && strcmp(spot->path + whole - length, paths[i]) == 0)
            return true;
    }
    return strcmp(spot->path, "builder_request_auth.data") == 0;
}

static void wrong_arrays(const struct spot *spot, const json_t *good)
{
    static const struct {
        const char *name;
        size_t limit;
    } long_lists[] = {{"attesting_indices", 2048},
                      {"blob_kzg_commitments", 4096},
                      {"execution_requests.deposits", 8192},
                      {"transactions", 1048576}};
    json_t *array = json_array();
    size_t largest = 128; /* limit of any other list */
    for (size_t i = 0; i < ARRAY_LENGTH(long_lists); i++) {
        if (strstr(spot->path, long_lists[i].name))
            largest = long_lists[i].limit;
    }
    AUTO_POINTER(json_t) element = json_incref(json_array_get(good, 0));
    if (json_is_string(element) && largest > 8192) { /* a body has no room for so many long ones */
        json_decref(element);
        element = json_string("0x");
    }
    for (size_t i = 0; i <= largest; i++)
        assert_int_equal(json_array_append(array, element), 0);
    try_value(spot, array, spot->path, "too many elements");
    if (strcmp(spot->key, "proof") == 0) {
        json_t *shorter = json_copy((json_t *)(uintptr_t)good);
        (void)json_array_remove(shorter, 0);
        try_value(spot, shorter, spot->path, "too few elements");
    }
}

static void missing(const struct spot *spot, json_t *good)
{
    json_incref(good);
    assert_int_equal(json_object_del(spot->parent, spot->key), 0);
    expect(spot, spot->path, "missing");
    put(spot, good);
}

/* jansson cannot hold a member twice: it is written under another name, and renamed in the text. */
static void duplicated(const struct spot *spot, json_t *good)
{
    const char *stand_in = "~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"; /* longer than any name */
    assert_int_equal(json_object_set(spot->parent, stand_in, good), 0);
    char *text = json_dumps(spot->root, JSON_COMPACT), *at = strstr(text, stand_in);
    assert_int_equal(json_object_del(spot->parent, stand_in), 0);
    size_t length = strlen(spot->key), gap = strlen(stand_in) - length;
    memcpy(at, spot->key, length);
    memmove(at + length, at + length + gap, strlen(at + length + gap) + 1);
    struct eth2_order order;
    mutants++;
    assert_fails(E_INPUT, eth2_api_parse(&order, spot->network, text, strlen(text)));
    assert_error_names("twice");
    free(text);
}

static bool is_ignored(const struct spot *spot)
{
    return strcmp(spot->path, "sync_committee_message.validator_index") == 0;
}

static void make_wrong(const struct spot *spot, json_t *good)
{
    wrong_types(spot, good);
    if (json_is_object(spot->parent)) {
        if (!is_optional(spot))
            missing(spot, good);
        duplicated(spot, good);
    }
    if (json_is_array(good))
        wrong_arrays(spot, good);
    if (!json_is_string(good))
        return;
    const char *text = json_string_value(good);
    bool is_bit_list =
        spot->key && strcmp(spot->key, "aggregation_bits") == 0 && !strstr(spot->path, "contribution");
    if (is_bit_list)
        wrong_bit_lists(spot);
    else if (is_byte_list(spot))
        wrong_byte_lists(spot);
    else if (strncmp(text, "0x", 2) == 0)
        wrong_hex_of_fixed_size(spot, text);
    else if (strspn(text, "0123456789") == strlen(text))
        wrong_numbers(spot);
    else
        try_text(spot, "NO_SUCH_NAME");
}

static void walk(const struct spot *above, json_t *value);

static void visit(struct spot *spot, json_t *value)
{
    if (is_ignored(spot))
        return;
    make_wrong(spot, value);
    walk(spot, value);
}

static void walk(const struct spot *above, json_t *value)
{
    struct spot spot = *above;
    spot.parent = value;
    if (json_is_array(value)) { /* its first element stands for all */
        spot.key = NULL;
        (void)snprintf(spot.path, sizeof spot.path, "%.180s[0]", above->path);
        visit(&spot, json_array_get(value, 0));
    }
    if (!json_is_object(value))
        return;
    const char *keys[32];
    size_t num_keys = 0;
    const char *key;
    json_t *member;
    json_object_foreach(value, key, member)
    {
        assert_true(num_keys < ARRAY_LENGTH(keys));
        keys[num_keys++] = strdup(key);
    }
    for (size_t i = 0; i < num_keys; i++) {
        spot.key = keys[i];
        (void)snprintf(spot.path, sizeof spot.path, "%.100s%s%.60s", above->path, *above->path ? "." : "",
                       keys[i]);
        visit(&spot, json_object_get(value, keys[i]));
        free((void *)(uintptr_t)keys[i]);
    }
}

static void make_all_wrong(json_t *request, const struct eth2_network *network)
{
    struct eth2_order order;
    struct spot spot = {.root = request, .network = network, .path = ""};
    assert_ok(parse_request(&order, network, request));
    walk(&spot, request);
    assert_ok(parse_request(&order, network, request)); /* everything was put back */
}

/* One of each type and shape. */
static void every_member_of_every_type(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) vectors = vector_json("lodestar-generated/signing/sepolia.json");
    struct eth2_network network = built_in("sepolia");
    const char *seen[32];
    size_t num_seen = 0;
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        const json_t *vector = json_array_get(vectors, i);
        json_t *request = json_object_get(vector, "request");
        const char *type = vector_text(vector, "type", NULL), *fork = vector_text(vector, "fork", NULL);
        bool is_electra = strcmp(fork, "electra") == 0;
        bool is_whole = json_object_get(request, "block") ||
                        json_object_get(json_object_get(request, "beacon_block"), "block");
        if (is_whole || (!is_electra && strcmp(fork, "altair") != 0 && strcmp(fork, "any") != 0 &&
                         strcmp(fork, "bellatrix") != 0))
            continue;
        char shape[96];
        (void)snprintf(shape, sizeof shape, "%s %s", type, is_electra ? "since Electra" : "");
        bool known = false;
        for (size_t j = 0; j < num_seen; j++)
            known = known || strcmp(seen[j], shape) == 0;
        if (known)
            continue;
        assert_true(num_seen < ARRAY_LENGTH(seen));
        seen[num_seen++] = strdup(shape);
        AUTO_POINTER(json_t) whole = signing_request(vectors, vector, 0);
        make_all_wrong(whole, &network);
    }
    print_message("%zu shapes, %zu mutants\n", num_seen, mutants);
    for (size_t j = 0; j < num_seen; j++)
        free((void *)(uintptr_t)seen[j]);
    assert_true(num_seen == 22 && mutants > 4500);
}

static bool lists_are_filled(const json_t *value)
{
    const char *key;
    json_t *member;
    if (json_is_array(value))
        return json_array_size(value) > 0 && lists_are_filled(json_array_get(value, 0));
    json_object_foreach((json_t *)(uintptr_t)value, key, member)
    {
        if (!lists_are_filled(member))
            return false;
    }
    return true;
}

/* Of the containers that Gloas adds, one that has something in each list. */
static json_t *filled_payload(const struct signing_form *form)
{
    char file[128];
    (void)snprintf(file, sizeof file, "lodestar-generated/ssz/gloas/%s.json", form->vector);
    AUTO_POINTER(json_t) cases = vector_json(file);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        json_t *value = json_object_get(json_array_get(cases, i), "value");
        if (lists_are_filled(value))
            return json_incref(value);
    }
    fail_msg("%s: every case has an empty list", file);
    return NULL;
}

static void trim(json_t *value);

static void every_member_that_gloas_adds(void **state)
{
    (void)state;
    struct eth2_network network = built_in("mainnet");
    size_t before = mutants;
    for (size_t i = 0; i < ARRAY_LENGTH(signing_forms); i++) {
        AUTO_POINTER(json_t) payload = filled_payload(&signing_forms[i]);
        trim(payload);
        for (unsigned form = 0; form < 2; form++) {
            AUTO_POINTER(json_t)
            request = json_pack("{s:{s:s, s:{s:s, s:s, s:s}}}", "fork_info", "genesis_validators_root",
                                "0x4b363db94e286120d76eb905340fdd4e54bfe9f06bf33ff6cf5ad27f511bfe95", "fork",
                                "previous_version", "0x06000000", "current_version", "0x07000000", "epoch",
                                "500000");
            if (strcmp(signing_forms[i].vector, "BuilderRequestAuth") == 0) /* it would be ignored */
                assert_int_equal(json_object_del(request, "fork_info"), 0);
            assert_true(signing_put(request, &signing_forms[i], payload, form));
            make_all_wrong(request, &network);
        }
    }
    print_message("%zu mutants\n", mutants - before);
    assert_true(mutants - before > 3500);
}

/* Every list but a deposit's proof down to one element. */
static void trim(json_t *value)
{
    const char *key;
    json_t *member;
    if (json_is_array(value)) {
        while (json_array_size(value) > 1)
            (void)json_array_remove(value, 1);
        trim(json_array_get(value, 0));
    }
    if (!json_is_object(value))
        return;
    json_object_foreach(value, key, member)
    {
        if (strcmp(key, "proof") != 0)
            trim(member);
    }
}

static json_t *whole_block(const char *fork, const char *case_name, const char *slot)
{
    char file[128];
    (void)snprintf(file, sizeof file, "consensus-spec-tests-v1.1.0-alpha.8/mainnet/%s/BeaconBlock.json",
                   fork);
    AUTO_POINTER(json_t) vectors = vector_json(file);
    const json_t *cases = json_object_get(vectors, "cases");
    json_t *block = NULL;
    for (size_t i = 0; i < json_array_size(cases); i++) {
        if (strcmp(vector_text(json_array_get(cases, i), "case", NULL), case_name) == 0)
            block = json_incref(json_object_get(json_array_get(cases, i), "value"));
    }
    assert_non_null(block);
    trim(block);
    assert_int_equal(json_object_set_new(block, "slot", json_string(slot)), 0);
    return block;
}

static json_t *fork_info(void)
{
    return json_pack("{s:{s:s, s:s, s:s}, s:s}", "fork", "previous_version", "0x90000069", "current_version",
                     "0x90000070", "epoch", "50", "genesis_validators_root",
                     "0xd8ea171f3c94aea21ebc42a1ed61052acf3f9209c00e4efbaaddac09ed9b8078");
}

/* The cases whose bodies have something in every list. */
static void every_member_of_whole_blocks(void **state)
{
    (void)state;
    struct eth2_network network = built_in("sepolia"); /* Altair from epoch 50 on */
    mutants = 0;
    AUTO_POINTER(json_t)
    old = json_pack("{s:s, s:o, s:o}", "type", "BLOCK", "fork_info", fork_info(), "block",
                    whole_block("phase0", "case_2", "1599"));
    make_all_wrong(old, &network);
    AUTO_POINTER(json_t)
    altair = json_pack("{s:s, s:o, s:{s:s, s:o}}", "type", "BLOCK_V2", "fork_info", fork_info(),
                       "beacon_block", "version", "altair", "block", whole_block("altair", "case_1", "1600"));
    make_all_wrong(altair, &network);
    print_message("%zu mutants\n", mutants);
    assert_true(mutants > 3000);
    /* A slot on the other side of the fork. */
    struct eth2_order order;
    (void)json_object_set_new(json_object_get(old, "block"), "slot", json_string("1600"));
    assert_fails(E_INPUT, parse_request(&order, &network, old));
    assert_error_names("block.slot: is in altair");
    (void)json_object_set_new(json_object_get(json_object_get(altair, "beacon_block"), "block"), "slot",
                              json_string("1599"));
    assert_fails(E_INPUT, parse_request(&order, &network, altair));
    assert_error_names("beacon_block.block.slot: is in phase0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_of_every_type),
        cmocka_unit_test(every_member_that_gloas_adds),
        cmocka_unit_test(every_member_of_whole_blocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
