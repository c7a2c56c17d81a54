/* test_watchdog_nitro_cli.c - nitro-cli's answers as its versions give them, and what is none of them. */
#include "testing.h"

#include "watchdog/watchdog_nitro_cli.h"

#define ID "i-0abc-enc0123456789abcdef"
#define PCR0                                                                                                 \
    "ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
#define NOT_PCR0                                                                                             \
    "gBCDEF0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
#define RUNNING                                                                                              \
    "{\"EnclaveName\":\"signer\",\"EnclaveID\":\"" ID "\",\"ProcessID\":12,\"EnclaveCID\":16,"               \
    "\"NumberOfCPUs\":2,\"CPUIDs\":[1,3],\"MemoryMiB\":512,\"State\":\"RUNNING\",\"Flags\":\"NONE\","        \
    "\"Measurements\":{\"HashAlgorithm\":\"Sha384 { ... }\",\"PCR0\":\"" PCR0 "\"}}"

static struct buffer text_of(const char *text)
{
    struct buffer b = {0};
    assert_ok(buffer_append_text(&b, text));
    return b;
}

static void test_describe_finds_by_name_or_id(void **state)
{
    (void)state;
    AUTO(buffer) text = text_of("[" RUNNING ",{\"EnclaveID\":\"i-1-enc2\",\"EnclaveCID\":17}]");
    struct watchdog_cli_described d;
    bool found = false;
    assert_ok(watchdog_cli_read_describe(&d, &found, &text, "signer", NULL));
    assert_true(found && d.running && !d.debug_mode);
    assert_int_equal(d.cid, 16);
    assert_string_equal(d.id, ID);
    assert_int_equal(strspn(d.pcr0, "0123456789abcdef"), WATCHDOG_CLI_PCR0_LEN);
    assert_ok(watchdog_cli_read_describe(&d, &found, &text, NULL, "i-1-enc2"));
    assert_true(found && d.cid == 17);
    assert_ok(watchdog_cli_read_describe(&d, &found, &text, "sign", NULL));
    assert_false(found);
}

static void test_one_that_runs_comes_before_one_that_ends(void **state)
{
    (void)state;
    AUTO(buffer)
    text = text_of(
        "[{\"EnclaveName\":\"signer\",\"EnclaveID\":\"old\",\"EnclaveCID\":9,\"State\":\"TERMINATING\"}"
        "," RUNNING
        ",{\"EnclaveName\":\"signer\",\"EnclaveID\":\"older\",\"EnclaveCID\":8,\"State\":\"EMPTY\"}]");
    struct watchdog_cli_described d;
    bool found = false;
    assert_ok(watchdog_cli_read_describe(&d, &found, &text, "signer", NULL));
    assert_string_equal(d.id, ID);
}

static void test_what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[",
        "{}",
        "null",
        "[1]",
        "[{}]",
        "[{\"EnclaveID\":7,\"EnclaveCID\":16}]",
        "[{\"EnclaveID\":\"--all\",\"EnclaveCID\":16}]",
        "[{\"EnclaveID\":\"a b\",\"EnclaveCID\":16}]",
        "[{\"EnclaveID\":\"\",\"EnclaveCID\":16}]",
        "[{\"EnclaveID\":\"x\",\"EnclaveCID\":4294967296}]",
        "[{\"EnclaveID\":\"x\",\"EnclaveCID\":16,\"Measurements\":{\"PCR0\":\"00\"}}]",
        "[{\"EnclaveID\":\"x\",\"EnclaveCID\":16,\"Measurements\":{\"PCR0\":\"" NOT_PCR0 "\"}}]",
        "[] []"};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        AUTO(buffer) text = text_of(wrong[i]);
        struct watchdog_cli_described d;
        bool found;
        assert_fails(E_PEER, watchdog_cli_read_describe(&d, &found, &text, "signer", NULL));
    }
}

static void test_terminate_has_two_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool terminated;
    } cases[] = {{"{\"EnclaveName\":\"s\",\"EnclaveID\":\"" ID "\",\"Terminated\":true}", true},
                 {"[{\"EnclaveName\":\"s\",\"EnclaveID\":\"" ID "\",\"Terminated\":true}]", true},
                 {"[{\"EnclaveID\":\"" ID "\",\"Terminated\":false}]", false},
                 {"[{\"EnclaveID\":\"other\",\"Terminated\":true}]", false},
                 {"[]", false}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) text = text_of(cases[i].text);
        bool terminated = !cases[i].terminated;
        assert_ok(watchdog_cli_read_terminate(&terminated, &text, ID));
        assert_int_equal(terminated, cases[i].terminated);
    }
}

static void test_codes_are_found_where_nitro_cli_puts_them(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code;
        enum watchdog_cli_cure cure;
    } cases[] = {
        {"Start allocating memory...\n[ E27 ] Insufficient memory available.", "E27", WATCHDOG_CLI_RETRY},
        {"[E26] x [ E27 ]", "E26", WATCHDOG_CLI_OPERATOR},
        {"[1, 3] [ Exx ] [ E36 ] y", "E36", WATCHDOG_CLI_RETRY},
        {"[ E99 ]", "E99", WATCHDOG_CLI_RETRY},
        {"[ E2", "", WATCHDOG_CLI_RETRY},
        {"[ E222 ]", "", WATCHDOG_CLI_RETRY},
        {"", "", WATCHDOG_CLI_RETRY}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) text = text_of(cases[i].text);
        struct watchdog_cli_failure failure;
        watchdog_cli_failure(&failure, &text);
        assert_string_equal(failure.code, cases[i].code);
        assert_int_equal(failure.cure, cases[i].cure);
        assert_true(failure.sentence[0]);
    }
    struct watchdog_cli_failure nothing;
    watchdog_cli_failure(&nothing, &(struct buffer){0});
    assert_string_equal(nothing.code, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_describe_finds_by_name_or_id),
        cmocka_unit_test(test_one_that_runs_comes_before_one_that_ends),
        cmocka_unit_test(test_what_is_no_answer_is_refused),
        cmocka_unit_test(test_terminate_has_two_forms),
        cmocka_unit_test(test_codes_are_found_where_nitro_cli_puts_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
