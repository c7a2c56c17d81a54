/* test_policy_access.c - access documents, and the digest that a policy pins. */
#include "testing.h"

#include <openssl/sha.h>

#include "policy/policy_access.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Written by hand from PROTOCOL.control section 4. */
static const char document[] = "nitro-signer-access 1\n"
                               "client Lodestar " B64 "\n"
                               "client teku two " A64 "\n"
                               "ca AQID\n"
                               "ca BAUG\n"
                               "path_token_sha256 " A64 "\n"
                               "basic_sha256 " B64 "\n"
                               "basic_sha256 " A64 "\n"
                               "host [::1]\n"
                               "host signer.example\n"
                               "cors https://example.org:8443\n";

static void a_document_becomes_the_forms_of_the_files(void **state)
{
    (void)state;
    AUTO(policy_access) access = {0};
    assert_ok(policy_access_parse(&access, document, strlen(document)));
    assert_string_equal((char *)access.clients.data, "Lodestar " B64 "\nteku two " A64 "\n");
    assert_int_equal(access.num_clients, 2);
    assert_int_equal(access.num_authorities, 2);
    assert_int_equal(access.authorities.length, 6);
    assert_memory_equal(access.authorities.data, "\1\2\3\4\5\6", 6);
    assert_int_equal(access.path_tokens.length, 32);
    assert_int_equal(access.path_tokens.data[31], 0xaa);
    assert_int_equal(access.basic.length, 64);
    assert_memory_equal(access.basic.data, "\x01\x23\x45", 3);
    assert_string_equal((char *)access.hosts.data, "[::1],signer.example");
    assert_string_equal((char *)access.origins.data, "https://example.org:8443");
}

#define ONE "client a " A64 "\n"

static void every_malformed_line_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *lines, *names;
    } bad[] = {
        {"", "admits nobody"},
        {"host a\ncors https://a\n", "admits nobody"},
        {"client a " A64, "line 2: must end with a newline"},
        {ONE "\n", "line 3: must be client, ca"},
        {"# comment\n" ONE, "line 2: must be client, ca"},
        {"client\n", "line 2: must be client, ca"},
        {"client \n", "line 2: must be client, ca"},
        {"clients a " A64 "\n", "line 2: must be client, ca"},
        {"bearer_sha256 " A64 "\n", "line 2: must be client, ca"},
        {"client a " A64 "\r\n", "line 2: must be printable ASCII"},
        {"client a\t" A64 "\n", "line 2: must be printable ASCII"},
        {"client \xc3\xa9 " A64 "\n", "line 2: must be printable ASCII"},
        {"client " A64 "\n", "line 2: client: must be a common name and"},
        {"client a" A64 "\n", "line 2: client: must be a common name and"},
        {"client  " A64 "\n", "line 2: client: must be a common name and"},
        {"client a  " A64 "\n", "line 2: client: a name has"},
        {"client  a " A64 "\n", "line 2: client: a name has"},
        {"client # a " A64 "\n", "line 2: client: a name has"},
        {"client a A" B64 "\n", "line 2: client: must be a common name and"},
        {"client a 0x" A64 "\n", "line 2: client: must be a common name and"},
        {"client a AAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
         "line 2: client: must be"},
        {"client a " B64 "\nclient a " A64 "\n", "line 3: client: this name stands in a line above"},
        {"client a " B64 "\nclient a 5 " A64 "\nclient a " A64 "\n", "line 4: client: this name stands"},
        {ONE ONE, "line 3: is the line above again"},
        {"client b " A64 "\n" ONE, "line 3: must stand before the line above"},
        {"ca AQID\n" ONE, "line 3: client must stand before ca"},
        {"ca AQI\n", "line 2: ca: must be the base64"},
        {"ca AQ==ID\n", "line 2: ca: must be the base64"},
        {"ca ====\n", "line 2: ca: must be the base64"},
        {"ca AQID \n", "line 2: ca: must be the base64"},
        {"path_token_sha256 0x" A64 "\n", "line 2: path_token_sha256: must be a SHA-256"},
        {"path_token_sha256 " A64 "a\n", "line 2: path_token_sha256: must be a SHA-256"},
        {"path_token_sha256 a secret that was not hashed\n", "line 2: path_token_sha256: must be a SHA-256"},
        {"basic_sha256 user:password\n", "line 2: basic_sha256: must be a SHA-256"},
        {"basic_sha256 " A64 "\npath_token_sha256 " A64 "\n",
         "line 3: path_token_sha256 must stand before basic"},
        {ONE "host Signer\n", "line 3: host: must be a host's name"},
        {ONE "host a,b\n", "line 3: host: must be a host's name"},
        {ONE "host *\n", "line 3: host: must be a host's name"},
        {ONE "host all\n", "line 3: host: must be a host's name"},
        {ONE "host none\n", "line 3: host: must be a host's name"},
        {ONE "cors example.org\n", "line 3: cors: must be an origin"},
        {ONE "cors https://\n", "line 3: cors: must be an origin"},
        {ONE "cors ://a\n", "line 3: cors: must be an origin"},
        {ONE "cors https://a/b\n", "line 3: cors: must be an origin"},
        {ONE "cors *\n", "line 3: cors: must be an origin"},
        {ONE "cors a+b://c\n", "line 3: cors: must be an origin"},
        {ONE "cors https://a,https://b\n", "line 3: cors: must be an origin"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(buffer) text = {0};
        AUTO(policy_access) access = {0};
        assert_ok(buffer_printf(&text, "nitro-signer-access 1\n%s", bad[i].lines));
        result r = policy_access_parse(&access, (char *)text.data, text.length);
        if (r.code != E_INPUT || !strstr(error_text(), bad[i].names))
            fail_msg("%s gave %s: %s", bad[i].lines, error_name(r.code), error_text());
        assert_null(access.clients.data);
    }
    AUTO(policy_access) access = {0};
    assert_fails(E_INPUT, policy_access_parse(&access, "", 0));
    assert_error_names("access: line 1");
    assert_fails(E_INPUT, policy_access_parse(&access, "nitro-signer-access 2\n" ONE, 95));
    assert_error_names("access: line 1");
}

/* Cut, with a NUL in it, and every single byte changed: another document, or a refusal; never a crash. */
static void damage(void **state)
{
    (void)state;
    char text[sizeof document];
    size_t length = strlen(document), accepted = 0, refused = 0;
    struct policy policy = {.has_access = false};
    assert_ok(policy_set_access(&policy, document, length));
    memcpy(text, document, sizeof text);
    for (size_t i = 0; i < length; i++) {
        AUTO(policy_access) cut = {0};
        result r = policy_access_parse(&cut, document, i);
        assert_true(r.code == E_INPUT || document[i - 1] == '\n');
        for (unsigned byte = 0; byte < 256; byte++) {
            AUTO(policy_access) access = {0};
            text[i] = (char)byte;
            r = policy_access_parse(&access, text, length);
            assert_true(r.code == E_NONE || r.code == E_INPUT);
            assert_true(byte != 0 || r.code == E_INPUT);
            accepted += r.code == E_NONE;
            refused += r.code == E_INPUT;
            int expected = text[i] == document[i] ? E_NONE : E_MISMATCH;
            assert_int_equal(policy_check_access(&policy, text, length).code, expected);
        }
        text[i] = document[i];
    }
    assert_true(accepted > length && refused > accepted);
}

static void append_clients(struct buffer *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_ok(buffer_printf(text, "client c%04u " A64 "\n", i));
}

static void limits(void **state)
{
    (void)state;
    AUTO(buffer) text = {0}, more = {0}, authorities = {0};
    AUTO(policy_access) access = {0};
    assert_ok(buffer_append_text(&text, "nitro-signer-access 1\n"));
    append_clients(&text, POLICY_ACCESS_CLIENTS_MAX);
    assert_ok(policy_access_parse(&access, (char *)text.data, text.length));
    assert_int_equal(access.num_clients, POLICY_ACCESS_CLIENTS_MAX);
    assert_ok(buffer_printf(&text, "client d " A64 "\n"));
    policy_access_cleanup(&access);
    assert_fails(E_INPUT, policy_access_parse(&access, (char *)text.data, text.length));
    assert_error_names("line 514: more than 512 lines of client");

    /* The longest document there can be, and one byte more. */
    assert_ok(buffer_append_text(&more, "nitro-signer-access 1\n"));
    append_clients(&more, 400);
    for (unsigned i = 0; more.length + 2000 < POLICY_ACCESS_MAX; i++) {
        assert_ok(buffer_printf(&more, "ca AA%c%c", 'A' + (int)i, 'A' + (int)i));
        for (unsigned j = 0; j < 400; j++)
            assert_ok(buffer_append_text(&more, "AAAA"));
        assert_ok(buffer_append_text(&more, "\n"));
    }
    size_t left = POLICY_ACCESS_MAX - more.length - strlen("path_token_sha256 ") - 65;
    assert_ok(buffer_printf(&more, "path_token_sha256 " A64 "\n"));
    while (left > 200) {
        assert_ok(buffer_printf(&more, "host h%05zu%.*s\n", POLICY_ACCESS_MAX - left, 88, A64 A64));
        left -= 100;
    }
    assert_ok(buffer_printf(&more, "host i%.*s\n", (int)left - 7, A64 A64 A64 A64));
    assert_int_equal(more.length, POLICY_ACCESS_MAX);
    assert_ok(policy_access_parse(&access, (char *)more.data, more.length));
    assert_ok(buffer_append_text(&more, "\n"));
    policy_access_cleanup(&access);
    assert_fails(E_INPUT, policy_access_parse(&access, (char *)more.data, more.length));
    assert_error_names("access: must have at most 49152 bytes");

    assert_ok(buffer_append_text(&authorities, "nitro-signer-access 1\nca "));
    for (unsigned i = 0; i < 2731; i++)
        assert_ok(buffer_append_text(&authorities, "AAAA"));
    assert_ok(buffer_append_text(&authorities, "\n"));
    assert_fails(E_INPUT, policy_access_parse(&access, (char *)authorities.data, authorities.length));
    assert_error_names("ca: must be the base64 of a certificate of at most 8192 bytes");
}

static void what_a_policy_pins(void **state)
{
    (void)state;
    struct policy policy = {.has_access = false};
    uint8_t digest[32];
    size_t length = strlen(document);
    assert_ok(policy_check_access(&policy, "", 0));
    assert_fails(E_MISMATCH, policy_check_access(&policy, document, length));
    assert_error_names("says any");
    assert_ok(policy_set_access(&policy, document, length));
    (void)SHA256((const uint8_t *)document, length, digest);
    assert_true(policy.has_access);
    assert_memory_equal(policy.access, digest, 32);
    assert_ok(policy_check_access(&policy, document, length));
    assert_fails(E_MISMATCH, policy_check_access(&policy, document, length - 1));
    assert_error_names("SHA-256 the policy pins");
    assert_fails(E_MISMATCH, policy_check_access(&policy, "", 0));
    assert_error_names("none came");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_becomes_the_forms_of_the_files),
        cmocka_unit_test(every_malformed_line_is_named),
        cmocka_unit_test(damage),
        cmocka_unit_test(limits),
        cmocka_unit_test(what_a_policy_pins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
