/* test_ctl_stack_policy.c - what a key policy comes to, and differences of texts: src/ctl/ctl_stack_policy.h,
 * ctl_diff.h. */
#include "testing.h"

#include "ctl/ctl_diff.h"
#include "ctl/ctl_stack_policy.h"

#define ALLOW                                                                                                \
    "{\"Effect\":\"Allow\",\"Principal\":{\"AWS\":\"arn:x\"},\"Action\":\"kms:Decrypt\",\"Resource\":\"*\","
#define CONDITION(operator, key) "\"Condition\":{\"" operator"\":{\"" key "\":[\"aa\",\"bb\"]}}}"
#define DENY(principal, action, resource)                                                                    \
    "{\"Effect\":\"Deny\",\"Principal\":" principal ",\"Action\":" action ",\"Resource\":" resource
#define BOTH "[\"kms:Decrypt\",\"kms:ReEncryptFrom\"]"
#define PCR0 "kms:RecipientAttestation:ImageSha384"

static void decrypt_rule_is(enum ctl_decrypt_rule expected, size_t num_demands, const char *statements)
{
    AUTO_POINTER(json_t) document = NULL;
    AUTO(buffer) text = {0};
    struct ctl_policy_reading reading;
    assert_ok(buffer_printf(&text, "{\"Version\":\"2012-10-17\",\"Statement\":[%s]}", statements));
    assert_ok(json_read(&document, (const char *)text.data, text.length, 65536, 1000));
    assert_ok(ctl_stack_policy_read(&reading, document));
    if (reading.decrypt != expected || reading.num_demands != num_demands)
        fail_msg("%s: is %s with %zu demands", statements, ctl_decrypt_rule_name(reading.decrypt),
                 reading.num_demands);
}

static void only_a_deny_for_everybody_closes(void **state)
{
    (void)state;
    static const char mismatch[] = "," CONDITION("StringNotEqualsIgnoreCase", PCR0);
    char text[1024];
    decrypt_rule_is(CTL_DECRYPT_OPEN, 0, "");
    decrypt_rule_is(CTL_DECRYPT_OPEN, 0, ALLOW CONDITION("StringEqualsIgnoreCase", PCR0));
    static const struct {
        const char *head;
        bool closes;
    } heads[] = {{DENY("\"*\"", BOTH, "\"*\""), true},
                 {DENY("\"*\"", "\"kms:Decrypt\"", "\"*\""), false},
                 {DENY("\"*\"", "[\"kms:Decrypt\",\"kms:ReEncrypt*\"]", "\"*\""), true},
                 {DENY("{\"AWS\":\"*\"}", "[\"kms:ReEncryptFrom\",\"kms:Decrypt\"]", "[\"*\"]"), true},
                 {DENY("{\"AWS\":[\"*\"]}", "\"kms:*\"", "\"*\""), true},
                 {DENY("{\"AWS\":\"arn:x\"}", BOTH, "\"*\""), false},
                 {DENY("\"*\"", "\"kms:ReEncryptFrom\"", "\"*\""), false},
                 {DENY("\"*\"", BOTH, "\"arn:y\""), false}};
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++) {
        (void)snprintf(text, sizeof text, "%s%s", heads[i].head, mismatch);
        decrypt_rule_is(heads[i].closes ? CTL_DECRYPT_ATTESTED : CTL_DECRYPT_OPEN, heads[i].closes, text);
        (void)snprintf(text, sizeof text, "%s}", heads[i].head);
        decrypt_rule_is(heads[i].closes ? CTL_DECRYPT_NOBODY : CTL_DECRYPT_OPEN, 0, text);
    }
}

static void other_conditions_close_nothing(void **state)
{
    (void)state;
    decrypt_rule_is(CTL_DECRYPT_OPEN, 0,
                    DENY("\"*\"", BOTH, "\"*\"") "," CONDITION("StringEqualsIgnoreCase", PCR0));
    decrypt_rule_is(CTL_DECRYPT_OPEN, 0,
                    DENY("\"*\"", BOTH, "\"*\"") "," CONDITION("StringNotEquals", "aws:PrincipalArn"));
    decrypt_rule_is(CTL_DECRYPT_OPEN, 0,
                    DENY("\"*\"", BOTH, "\"*\"") ",\"Condition\":{\"StringNotEquals\":{\"" PCR0
                                                 "\":\"aa\"},\"Bool\":{\"x\":\"true\"}}}");
    decrypt_rule_is(CTL_DECRYPT_OPEN, 0,
                    DENY("\"*\"", BOTH, "\"*\"") ",\"Condition\":{\"StringNotEquals\":{\"" PCR0
                                                 "\":\"aa\",\"kms:RecipientAttestation:PCR3\":\"b\"}}}");
}

static void equal(bool expected, const char *a, const char *b)
{
    AUTO_POINTER(json_t) left = NULL;
    AUTO_POINTER(json_t) right = NULL;
    bool equal = !expected;
    assert_ok(json_read(&left, a, strlen(a), 65536, 1000));
    assert_ok(json_read(&right, b, strlen(b), 65536, 1000));
    assert_ok(ctl_stack_policy_equal(&equal, left, right));
    assert_int_equal(equal, expected);
}

static void what_aws_does_not_keep_makes_no_difference(void **state)
{
    (void)state;
    equal(true, "{\"a\":[\"x\"],\"b\":{\"c\":[\"2\",\"1\"]}}", "{\"b\":{\"c\":[\"1\",\"2\"]},\"a\":\"x\"}");
    equal(false, "{\"a\":[\"x\",\"y\"]}", "{\"a\":\"x\"}");
    equal(false, "{\"a\":[{\"b\":\"1\"},{\"b\":\"2\"}]}", "{\"a\":[{\"b\":\"2\"},{\"b\":\"1\"}]}");
    equal(true, "{\"a\":[{\"b\":[\"1\"]}]}", "{\"a\":[{\"b\":\"1\"}]}");
    equal(false, "{\"a\":\"x\"}", "{\"a\":\"x\",\"b\":\"y\"}");
}

static void difference_is(const char *expected, const char *old, const char *new)
{
    AUTO(buffer) out = {0};
    assert_ok(buffer_append_text(&out, ""));
    assert_ok(ctl_diff(&out, old, new));
    assert_string_equal((const char *)out.data, expected);
}

static void lines_that_differ(void **state)
{
    (void)state;
    difference_is("", "", "");
    difference_is("  a\n  b\n", "a\nb\n", "a\nb");
    difference_is("+ a\n", "", "a");
    difference_is("- a\n", "a\n", "");
    difference_is("  a\n- b\n+ x\n  c\n+ d\n", "a\nb\nc\n", "a\nx\nc\nd\n");
    difference_is("- a\n  b\n- c\n  b\n", "a\nb\nc\nb", "b\nb");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_deny_for_everybody_closes),
        cmocka_unit_test(other_conditions_close_nothing),
        cmocka_unit_test(what_aws_does_not_keep_makes_no_difference),
        cmocka_unit_test(lines_that_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
