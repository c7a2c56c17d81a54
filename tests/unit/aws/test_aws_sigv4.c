/* test_aws_sigv4.c - every header-signing case of the two official suites, step by step, and what the
 * suites leave out. */
#include "testing.h"

#include <dirent.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "aws/aws_credentials.h"
#include "aws/aws_sigv4.h"
#include "base/file_io.h"
#include "base/hex.h"

enum { PATH_SIZE = 1024 };
#define SECRET_KEY "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

/* A request of a suite, cut up in place. */
struct suite_request {
    struct buffer text;
    struct aws_sigv4_header headers[AWS_SIGV4_HEADERS_MAX];
    struct aws_sigv4_request request;
};

static void suite_request_cleanup(struct suite_request *r)
{
    buffer_cleanup(&r->text);
}

static void add_header(struct suite_request *r, const char *name, const char *value)
{
    assert_true(r->request.num_headers < AWS_SIGV4_HEADERS_MAX);
    r->headers[r->request.num_headers++] = (struct aws_sigv4_header){name, value};
}

/* The end of a header: a newline that no blank follows. */
static char *header_end(char *at)
{
    char *end = strchr(at, '\n');
    while (end && (end[1] == ' ' || end[1] == '\t'))
        end = strchr(end + 1, '\n');
    return end;
}

static void parse_request_line(struct suite_request *r, char *line)
{
    char *target = strchr(line, ' ');
    char *version = strrchr(line, ' ');
    assert_true(target && version > target);
    *target++ = 0;
    *version = 0;
    char *query = strchr(target, '?');
    if (query)
        *query++ = 0;
    r->request = (struct aws_sigv4_request){.method = line, .path = target, .query = query ? query : ""};
    r->request.headers = r->headers;
}

static void read_request(struct suite_request *r, const char *path)
{
    assert_ok(file_read(&r->text, path, 65536));
    char *at = (char *)r->text.data;
    char *end = strchr(at, '\n');
    assert_non_null(end);
    *end = 0;
    parse_request_line(r, at);
    for (at = end + 1; end && *at && *at != '\n'; at = end + 1) {
        end = header_end(at);
        if (end)
            *end = 0;
        char *value = strchr(at, ':');
        assert_non_null(value);
        *value++ = 0;
        add_header(r, at, value);
        if (!end)
            return;
    }
    if (*at == '\n') {
        r->request.body = (uint8_t *)at + 1;
        r->request.body_len = strlen(at + 1);
    }
}

static void assert_file_equals(const char *path, const struct buffer *ours)
{
    AUTO(buffer) expected = {0};
    assert_ok(file_read(&expected, path, 65536));
    if (expected.length != ours->length || memcmp(expected.data, ours->data, ours->length) != 0)
        fail_msg("%s\n--- expected\n%s\n--- ours\n%s", path, (char *)expected.data, (char *)ours->data);
}

struct expected_files {
    char canonical[PATH_SIZE], string_to_sign[PATH_SIZE], signature[PATH_SIZE], authorization[PATH_SIZE];
};

static void check_steps(const struct expected_files *files, const struct aws_sigv4_request *request)
{
    const struct aws_sigv4_scope scope = {"20150830T123600Z", "us-east-1", "service"};
    AUTO(secret) key = {0};
    AUTO(buffer) canonical = {0};
    AUTO(buffer) to_sign = {0};
    AUTO(buffer) authorization = {0};
    AUTO(buffer) signature = {0};
    assert_ok(secret_copy(&key, SECRET_KEY, strlen(SECRET_KEY)));

    assert_ok(aws_sigv4_canonical_request(&canonical, request));
    assert_file_equals(files->canonical, &canonical);
    assert_ok(aws_sigv4_string_to_sign(&to_sign, &scope, &canonical));
    assert_file_equals(files->string_to_sign, &to_sign);
    if (files->signature[0]) {
        char text[AWS_SIGV4_SIGNATURE_LEN + 1];
        assert_ok(aws_sigv4_signature(text, &scope, &key, &to_sign));
        assert_ok(buffer_append_text(&signature, text));
        assert_file_equals(files->signature, &signature);
    }
    if (files->authorization[0]) {
        assert_ok(aws_sigv4_authorization(&authorization, request, &scope, "AKIDEXAMPLE", &key));
        assert_file_equals(files->authorization, &authorization);
    }
}

static void run_awslabs_case(const char *folder)
{
    char path[PATH_SIZE + 64], digest_text[2 * SHA256_DIGEST_LENGTH + 1];
    AUTO(suite_request) r = {0};
    (void)snprintf(path, sizeof path, "%s/request.txt", folder);
    read_request(&r, path);

    (void)snprintf(path, sizeof path, "%s/context.json", folder);
    json_t *context = json_load_file(path, 0, NULL);
    assert_non_null(context);
    assert_string_equal(json_string_value(json_object_get(context, "timestamp")), "2015-08-30T12:36:00Z");
    r.request.keep_path = json_is_false(json_object_get(context, "normalize"));
    add_header(&r, "X-Amz-Date", "20150830T123600Z");
    const json_t *token = json_object_get(json_object_get(context, "credentials"), "token");
    if (token && !json_is_true(json_object_get(context, "omit_session_token")))
        add_header(&r, "X-Amz-Security-Token", json_string_value(token));
    if (json_is_true(json_object_get(context, "sign_body"))) {
        uint8_t digest[SHA256_DIGEST_LENGTH];
        (void)SHA256(r.request.body, r.request.body_len, digest);
        hex_encode(digest_text, digest, sizeof digest);
        add_header(&r, "x-amz-content-sha256", digest_text);
    }

    struct expected_files files = {0};
    (void)snprintf(files.canonical, PATH_SIZE, "%s/header-canonical-request.txt", folder);
    (void)snprintf(files.string_to_sign, PATH_SIZE, "%s/header-string-to-sign.txt", folder);
    (void)snprintf(files.signature, PATH_SIZE, "%s/header-signature.txt", folder);
    check_steps(&files, &r.request);
    json_decref(context);
}

static void run_botocore_case(const char *folder)
{
    const char *name = strrchr(folder, '/') + 1;
    char path[PATH_SIZE];
    AUTO(suite_request) r = {0};
    (void)snprintf(path, sizeof path, "%s/%s.req", folder, name);
    read_request(&r, path);
    /* Here the token comes from the credentials, and the file shows the request before. */
    if (strcmp(name, "get-vanilla-with-session-token") == 0)
        add_header(&r, "X-Amz-Security-Token",
                   "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267");
    struct expected_files files = {0};
    (void)snprintf(files.canonical, PATH_SIZE, "%s/%s.creq", folder, name);
    (void)snprintf(files.string_to_sign, PATH_SIZE, "%s/%s.sts", folder, name);
    (void)snprintf(files.authorization, PATH_SIZE, "%s/%s.authz", folder, name);
    check_steps(&files, &r.request);
}

/* Runs every folder that holds a request; returns how many. */
static unsigned walk(const char *folder, const char *request_suffix, void (*run)(const char *folder))
{
    unsigned found = 0;
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    bool is_case = false;
    for (struct dirent *entry = readdir(directory); entry; entry = readdir(directory)) {
        const char *dot = strrchr(entry->d_name, '.');
        is_case = is_case || (dot && strcmp(dot, request_suffix) == 0 && !strstr(entry->d_name, "signed"));
        if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
            continue;
        char inner[PATH_SIZE];
        (void)snprintf(inner, sizeof inner, "%s/%s", folder, entry->d_name);
        found += walk(inner, request_suffix, run);
    }
    (void)closedir(directory);
    if (is_case)
        run(folder);
    return found + is_case;
}

static void awslabs_suite(void **state)
{
    (void)state;
    char folder[PATH_SIZE];
    vector_path(folder, sizeof folder, "nitro/awslabs_aws-c-auth/tests/aws-signing-test-suite/v4");
    assert_int_equal(walk(folder, ".json", run_awslabs_case), 38);
}

static void botocore_suite(void **state)
{
    (void)state;
    char folder[PATH_SIZE];
    vector_path(folder, sizeof folder, "nitro/boto_botocore/tests/unit/auth/aws4_testsuite");
    assert_int_equal(walk(folder, ".req", run_botocore_case), 34);
}

static void dates_have_one_form(void **state)
{
    (void)state;
    char text[AWS_SIGV4_DATE_LEN + 1];
    uint64_t time_ms = 0;
    aws_sigv4_date(text, 1440938160999);
    assert_string_equal(text, "20150830T123600Z");
    assert_ok(aws_sigv4_date_parse(&time_ms, text));
    assert_int_equal(time_ms, 1440938160000);
    static const char *const bad[] = {"",
                                      "20150830T123600",
                                      "20150830T123600Zx",
                                      "20151330T123600Z",
                                      "20150230T123600Z",
                                      "2015830T0123600Z",
                                      "2015-08-30T12:36",
                                      " 0150830T123600Z",
                                      "19690830T123600Z"};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        if (aws_sigv4_date_parse(&time_ms, bad[i]).code != E_INPUT)
            fail_msg("accepted '%s'", bad[i]);
    }
}

static void credentials_refuse_what_would_break_a_header(void **state)
{
    (void)state;
    AUTO(aws_credentials) c = {0};
    assert_fails(E_INPUT, aws_credentials_new(&c, "", "s", ""));
    assert_error_names("access_key_id");
    assert_fails(E_INPUT, aws_credentials_new(&c, "A/B", "s", ""));
    assert_fails(E_INPUT, aws_credentials_new(&c, "A", "s\r\nX: y", ""));
    assert_error_names("secret_access_key");
    assert_null(strstr(error_text(), "X: y"));
    assert_fails(E_INPUT, aws_credentials_new(&c, "A", "s", "t t"));
    assert_error_names("token");
    assert_null(c.secret_access_key.data);

    assert_ok(aws_credentials_new(&c, "AKID", SECRET_KEY, "token=="));
    assert_true(CRYPTO_secure_allocated(c.secret_access_key.data));
    AUTO(aws_credentials) copy = {0};
    assert_ok(aws_credentials_copy(&copy, &c));
    assert_string_equal((char *)copy.secret_access_key.data, SECRET_KEY);
    assert_string_equal((char *)copy.session_token.data, "token==");
}

/* Long-term ones that somebody put together have no token at all. */
static void credentials_without_a_token_are_copied(void **state)
{
    (void)state;
    AUTO(aws_credentials) of_nobody = {0};
    AUTO(aws_credentials) c = {.access_key_id = "AKID"};
    AUTO(aws_credentials) copy = {0};
    assert_fails(E_INPUT, aws_credentials_copy(&copy, &of_nobody));
    assert_error_names("access_key_id");
    assert_fails(E_INPUT, aws_credentials_copy(&copy, &c));
    assert_error_names("secret_access_key");
    assert_null(copy.secret_access_key.data);
    assert_ok(secret_copy(&c.secret_access_key, SECRET_KEY, strlen(SECRET_KEY)));
    assert_ok(aws_credentials_copy(&copy, &c));
    assert_string_equal(copy.access_key_id, "AKID");
    assert_string_equal((char *)copy.secret_access_key.data, SECRET_KEY);
    assert_int_equal(copy.session_token.length, 0);
}

static void limits_are_enforced(void **state)
{
    (void)state;
    struct aws_sigv4_header many[AWS_SIGV4_HEADERS_MAX + 1];
    for (size_t i = 0; i < ARRAY_LENGTH(many); i++)
        many[i] = (struct aws_sigv4_header){"a", "b"};
    struct aws_sigv4_request request = {.method = "GET", .path = "/", .query = "", .headers = many};
    request.num_headers = ARRAY_LENGTH(many);
    AUTO(buffer) out = {0};
    assert_fails(E_TOO_LARGE, aws_sigv4_canonical_request(&out, &request));
    request.num_headers--;
    assert_ok(aws_sigv4_canonical_request(&out, &request));

    char query[2 * AWS_SIGV4_PARAMETERS_MAX + 3] = "";
    for (size_t i = 0; i <= AWS_SIGV4_PARAMETERS_MAX; i++)
        memcpy(query + 2 * i, "a&", 3);
    request.query = query;
    assert_fails(E_TOO_LARGE, aws_sigv4_canonical_request(&out, &request));
    request.path = "no-slash";
    assert_fails(E_INPUT, aws_sigv4_canonical_request(&out, &request));
}

int main(void)
{
    if (secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dates_have_one_form),
        cmocka_unit_test(credentials_refuse_what_would_break_a_header),
        cmocka_unit_test(credentials_without_a_token_are_copied),
        cmocka_unit_test(limits_are_enforced),
        cmocka_unit_test(awslabs_suite),
        cmocka_unit_test(botocore_suite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
