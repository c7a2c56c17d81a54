/* test_aws_profile.c - AWS's shared credentials file, lib/aws/aws_credentials_file.h. */
#include "testing.h"

#include <unistd.h>

#include "aws/aws_credentials_file.h"
#include "base/file_io.h"

static char path[] = "/tmp/ns-test-profile-XXXXXX";

static result read_text(struct aws_credentials *ret_credentials, const char *text, const char *profile)
{
    assert_ok(file_write(path, text, strlen(text), 0600));
    return aws_profile_read(ret_credentials, path, profile);
}

static void profiles_are_told_apart(void **state)
{
    (void)state;
    static const char text[] = "aws_access_key_id = OUTSIDE\n[ first ]\r\naws_access_key_id=ONE\r\n"
                               "; comment = x\naws_secret_access_key = a/b=c \n\n[default]\n"
                               "\taws_access_key_id\t=\tTWO\nregion = r\n#aws_secret_access_key = no\n"
                               "aws_secret_access_key=two\naws_session_token = token==";
    AUTO(aws_credentials) first = {0}, second = {0};
    assert_ok(read_text(&first, text, "first"));
    assert_string_equal(first.access_key_id, "ONE");
    assert_string_equal((const char *)first.secret_access_key.data, "a/b=c");
    assert_int_equal(first.session_token.length, 0);
    assert_ok(read_text(&second, text, "default"));
    assert_string_equal(second.access_key_id, "TWO");
    assert_string_equal((const char *)second.secret_access_key.data, "two");
    assert_string_equal((const char *)second.session_token.data, "token==");
}

static void what_is_not_there_or_no_good(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int error;
    } cases[] = {{"", E_NOT_FOUND},
                 {"[other]\naws_access_key_id = A\naws_secret_access_key = hunter2\n", E_NOT_FOUND},
                 {"[default\naws_access_key_id = A\naws_secret_access_key = hunter2\n", E_NOT_FOUND},
                 {"[default]\naws_access_key_id = A\n", E_NOT_FOUND},
                 {"[default]\naws_access_key_id\naws_secret_access_key = hunter2\n", E_NOT_FOUND},
                 {"[default]\naws_access_key_id = A\naws_secret_access_key =\n", E_INPUT},
                 {"[default]\naws_access_key_id = A\naws_secret_access_key = hunter2 hunter2\n", E_INPUT}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(aws_credentials) credentials = {0};
        assert_fails(cases[i].error, read_text(&credentials, cases[i].text, "default"));
        assert_null(strstr(error_text(), "hunter2"));
    }
    AUTO(aws_credentials) credentials = {0};
    assert_fails(E_NOT_FOUND, aws_profile_read(&credentials, "/tmp/ns-there-is-no-such-file", "default"));
}

static void the_region_of_a_section(void **state)
{
    (void)state;
    static const char text[] =
        "region = outside\n[default]\nregion=eu-central-1\n[profile ops]\noutput = json\n"
        "region = us-west-2 \n[profile none]\naws_access_key_id = A\n"
        "[profile elsewhere]\nregion = a/b\n[profile empty]\nregion =\n";
    char region[AWS_REGION_MAX + 1] = "";
    assert_ok(file_write(path, text, strlen(text), 0600));
    assert_ok(aws_profile_region(region, path, "default"));
    assert_string_equal(region, "eu-central-1");
    assert_ok(aws_profile_region(region, path, "profile ops"));
    assert_string_equal(region, "us-west-2");
    assert_fails(E_NOT_FOUND, aws_profile_region(region, path, "profile none"));
    assert_fails(E_INPUT, aws_profile_region(region, path, "profile elsewhere"));
    assert_fails(E_INPUT, aws_profile_region(region, path, "profile empty"));
    assert_fails(E_NOT_FOUND, aws_profile_region(region, path, "ops"));
    assert_fails(E_NOT_FOUND, aws_profile_region(region, "/tmp/ns-there-is-no-such-file", "default"));
    assert_string_equal(region, "us-west-2");
}

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_are_told_apart),
        cmocka_unit_test(what_is_not_there_or_no_good),
        cmocka_unit_test(the_region_of_a_section),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
