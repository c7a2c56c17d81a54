/* test_lambda_event.c - events as the console, the CLI and mistakes make them. */
#include "testing.h"

#include "lambda/lambda_event.h"

static result parse(enum lambda_operation *ret_operation, const char *text)
{
    AUTO(buffer) event = {0};
    assert_ok(buffer_append_text(&event, text));
    return lambda_event_parse(ret_operation, &event);
}

static void every_operation_has_its_name(void **state)
{
    (void)state;
    static const struct {
        const char *event;
        enum lambda_operation operation;
    } cases[] = {
        {"{\"operation\":\"set_tls_key\"}", LAMBDA_SET_TLS_KEY},
        {"{\"operation\": \"get_tls_key\"}\n", LAMBDA_GET_TLS_KEY},
        {"{\"operation\":\"decrypt_tls_key\"}", LAMBDA_DECRYPT_TLS_KEY},
        {"{\"operation\":\"web3signer_status\",\"key1\":\"value1\"}", LAMBDA_WEB3SIGNER_STATUS},
        {"{\"operation\":\"web3signer_public_keys\"}", LAMBDA_WEB3SIGNER_PUBLIC_KEYS},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        enum lambda_operation operation;
        assert_ok(parse(&operation, cases[i].event));
        assert_int_equal(operation, cases[i].operation);
    }
}

static void mistakes_name_the_member_and_echo_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *event, *names;
    } cases[] = {
        {"", "event: "},
        {"7", "event: "},
        {"\"set_tls_key\"", "event: "},
        {"[]", "event: document: must be an object"},
        {"{}", "event: operation"},
        {"{\"operation\":null}", "event: operation"},
        {"{\"operation\":7}", "event: operation"},
        {"{\"operation\":[\"set_tls_key\"]}", "event: operation"},
        {"{\"operation\":\"\"}", "event: operation: must be set_tls_key"},
        {"{\"operation\":\"SET_TLS_KEY\"}", "event: operation: must be set_tls_key"},
        {"{\"operation\":\"hunter2\"}", "event: operation: must be set_tls_key"},
        {"{\"operation\":\"set_tls_key\\u0000\"}", "event: "},
        {"{\"operation\":\"set_tls_key\",\"operation\":\"get_tls_key\"}", "event: "},
        {"{\"operation\":\"set_tls_key\"}}", "event: "},
        {"{\"operation\":\"set_tls_key\"", "event: "},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        enum lambda_operation operation;
        result r = parse(&operation, cases[i].event);
        if (r.code != E_INPUT || !strstr(error_text(), cases[i].names) || strstr(error_text(), "hunter2"))
            fail_msg("%s: %s (%s)", cases[i].event, error_text(), error_name(r.code));
    }
    char large[LAMBDA_EVENT_MAX + 64];
    enum lambda_operation operation;
    memset(large, ' ', sizeof large - 1);
    large[sizeof large - 1] = 0;
    memcpy(large, "{\"operation\":\"set_tls_key\"}", 27);
    assert_fails(E_TOO_LARGE, parse(&operation, large));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_has_its_name),
        cmocka_unit_test(mistakes_name_the_member_and_echo_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
