/* test_lambda_environment.c - the variables, their defaults, and what is said of each mistake. */
#include "testing.h"

#include "lambda/lambda_environment.h"

extern char **environ;

static void set_good(void)
{
    static const char *const good[][2] = {
        {"NITRO_INSTANCE_PRIVATE_DNS", "signer.devnitrovalidator.private"},
        {"TLS_KEYS_TABLE_NAME", "tls-keys"},
        {"KEY_ARN", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"},
        {"AWS_REGION", "eu-west-1"},
        {"AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"},
        {"AWS_SECRET_ACCESS_KEY", "hunter2hunter2"},
        {"AWS_SESSION_TOKEN", "TOKEN=="},
    };
    assert_int_equal(clearenv(), 0);
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++)
        assert_int_equal(setenv(good[i][0], good[i][1], 1), 0);
}

static void a_deployed_function_reads_its_own(void **state)
{
    (void)state;
    AUTO(lambda_environment) e = {0};
    set_good();
    const char *secret = getenv("AWS_SECRET_ACCESS_KEY");
    assert_ok(lambda_environment_read(&e));
    assert_string_equal(e.kms_endpoint, "https://kms.eu-west-1.amazonaws.com");
    assert_string_equal(e.dynamodb_endpoint, "https://dynamodb.eu-west-1.amazonaws.com");
    assert_string_equal(e.table, "tls-keys");
    assert_false(e.has_signer_address);
    assert_int_equal(e.log_level, LOG_LEVEL_INFO);
    assert_int_equal(e.log_format, LOG_FORMAT_PLAIN);
    assert_string_equal((const char *)e.credentials.session_token.data, "TOKEN==");
    assert_string_equal((const char *)e.credentials.secret_access_key.data, "hunter2hunter2");
    /* Gone from where anybody could read it, and not only from the list. */
    assert_null(getenv("AWS_SECRET_ACCESS_KEY"));
    assert_null(getenv("AWS_SESSION_TOKEN"));
    assert_int_equal(secret[0], 0);
}

static void what_is_optional_is_taken(void **state)
{
    (void)state;
    AUTO(lambda_environment) e = {0};
    set_good();
    assert_int_equal(setenv("AWS_ENDPOINT_URL", "https://all.example", 1), 0);
    assert_int_equal(setenv("AWS_ENDPOINT_URL_KMS", "https://127.0.0.1:4000", 1), 0);
    assert_int_equal(setenv("AWS_CA_BUNDLE", "/nonexistent/ca.pem", 1), 0);
    assert_int_equal(setenv("SIGNER_ADDRESS", "unix:/run/signer", 1), 0);
    assert_int_equal(setenv("LOG_LEVEL", "WARNING", 1), 0);
    assert_int_equal(setenv("AWS_LAMBDA_LOG_FORMAT", "JSON", 1), 0);
    assert_int_equal(unsetenv("AWS_SESSION_TOKEN"), 0);
    assert_ok(lambda_environment_read(&e));
    assert_string_equal(e.kms_endpoint, "https://127.0.0.1:4000");
    assert_string_equal(e.dynamodb_endpoint, "https://all.example");
    assert_string_equal(e.ca_file, "/nonexistent/ca.pem");
    assert_true(e.has_signer_address);
    assert_int_equal(e.log_level, LOG_LEVEL_WARN);
    assert_int_equal(e.log_format, LOG_FORMAT_JSON);
    assert_int_equal(e.credentials.session_token.length, 0);
}

static void every_mistake_names_its_variable(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value; /* NULL: not set */
    } cases[] = {
        {"NITRO_INSTANCE_PRIVATE_DNS", NULL},
        {"NITRO_INSTANCE_PRIVATE_DNS", "a,DNS:b"},
        {"NITRO_INSTANCE_PRIVATE_DNS", "name:443"},
        {"TLS_KEYS_TABLE_NAME", NULL},
        {"TLS_KEYS_TABLE_NAME", "a\"b"},
        {"KEY_ARN", NULL},
        {"KEY_ARN", ""},
        {"KEY_ARN", "alias/key"},
        {"AWS_REGION", NULL},
        {"AWS_REGION", "eu-west-1/"},
        {"AWS_ACCESS_KEY_ID", NULL},
        {"AWS_SECRET_ACCESS_KEY", NULL},
        {"AWS_ENDPOINT_URL_KMS", "http://127.0.0.1"},
        {"AWS_ENDPOINT_URL_DYNAMODB", "127.0.0.1"},
        {"SIGNER_ADDRESS", "127.0.0.1:443"},
        {"LOG_LEVEL", "loud"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(lambda_environment) e = {0};
        set_good();
        assert_int_equal(cases[i].value ? setenv(cases[i].name, cases[i].value, 1) : unsetenv(cases[i].name),
                         0);
        assert_fails(E_INPUT, lambda_environment_read(&e));
        assert_error_names(cases[i].name);
        assert_error_names("environment: ");
        assert_null(strstr(error_text(), "hunter2"));
    }
    AUTO(lambda_environment) e = {0};
    set_good();
    assert_int_equal(setenv("AWS_SESSION_TOKEN", "two words", 1), 0);
    assert_fails(E_INPUT, lambda_environment_read(&e));
    assert_error_names("environment: AWS credentials: ");
    assert_null(strstr(error_text(), "two words"));
    assert_null(getenv("AWS_SECRET_ACCESS_KEY"));
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deployed_function_reads_its_own),
        cmocka_unit_test(what_is_optional_is_taken),
        cmocka_unit_test(every_mistake_names_its_variable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
