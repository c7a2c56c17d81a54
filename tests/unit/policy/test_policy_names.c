/* test_policy_names.c - lists of hosts and origins. */
#include "testing.h"

#include "policy/policy_names.h"

static void names_are_split_and_stripped(void **state)
{
    (void)state;
    AUTO(policy_names) names = {0};
    assert_ok(policy_names_parse(&names, "hosts", "A.example, [::1]\t,127.0.0.1 ,[],[all]"));
    static const char *const wanted[] = {"a.example", "::1", "127.0.0.1", "[]", "[all]"};
    assert_int_equal(names.num_names, ARRAY_LENGTH(wanted));
    assert_false(names.any);
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++)
        assert_string_equal(names.names[i], wanted[i]);
}

static void all_and_none_stand_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool any;
    } rows[] = {{"*", true}, {"All", true}, {" none ", false}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        AUTO(policy_names) names = {0};
        assert_ok(policy_names_parse(&names, "hosts", rows[i].text));
        assert_true(names.any == rows[i].any && names.num_names == 0);
    }
    static const char *const bracketed[] = {"[*]", "[all]", "[none]"}; /* names, if of nobody */
    for (size_t i = 0; i < ARRAY_LENGTH(bracketed); i++) {
        AUTO(policy_names) names = {0};
        assert_ok(policy_names_parse(&names, "hosts", bracketed[i]));
        assert_true(!names.any && names.num_names == 1);
    }
    AUTO(policy_names) names = {0};
    static const char *const wrong[] = {"", ",", "a,", "a, ,b", "*,a", "a,none", "a b", "[: :1]"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_fails(E_INPUT, policy_names_parse(&names, "hosts", wrong[i]));
}

static void there_is_a_most(void **state)
{
    (void)state;
    AUTO(policy_names) names = {0};
    char text[2 * POLICY_NAMES_MAX + 3] = "";
    for (size_t i = 0; i <= POLICY_NAMES_MAX; i++)
        (void)snprintf(text + 2 * i, 3, "a,");
    text[2 * POLICY_NAMES_MAX + 1] = 0;
    assert_fails(E_INPUT, policy_names_parse(&names, "hosts", text));
    text[2 * POLICY_NAMES_MAX - 1] = 0;
    assert_ok(policy_names_parse(&names, "hosts", text));
    assert_int_equal(names.num_names, POLICY_NAMES_MAX);
}

static void origins_are_no_regular_expressions(void **state)
{
    (void)state;
    AUTO(policy_names) origins = {0};
    static const char *const wrong[] = {"example.org", "https://",      "https://a/b",
                                        "https://.*",  "https://(a|b)", "https://a b"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++)
        assert_fails(E_INPUT, policy_origins_parse(&origins, "origins", wrong[i]));
    assert_ok(policy_origins_parse(&origins, "origins", "https://a.example:8443, http://b"));
    assert_string_equal(origins.names[1], "http://b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_split_and_stripped),
        cmocka_unit_test(all_and_none_stand_alone),
        cmocka_unit_test(there_is_a_most),
        cmocka_unit_test(origins_are_no_regular_expressions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
