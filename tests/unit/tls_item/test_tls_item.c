/* test_tls_item.c - the certificate and PKCS#12 file, judged by the openssl program, and what is refused of
 * plaintexts. */
#include "testing.h"

#include <jansson.h>
#include <openssl/ec.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/secret_allocators.h"
#include "tls_item/tls_item.h"
#include "json/json_secret.h"

#define NAME "signer.devnitrovalidator.private"

static EVP_PKEY *key;
static struct secret password;
static char folder[] = "/tmp/ns-tls-item-XXXXXX";

/* Standard output of a command in the folder. */
static void ask(char *out, size_t out_capacity, const char *command)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "cd %s && %s 2>&1", folder, command);
    FILE *pipe = popen(line, "r");
    assert_non_null(pipe);
    size_t length = fread(out, 1, out_capacity - 1, pipe);
    out[length] = 0;
    if (pclose(pipe) != 0)
        fail_msg("%s: %s", command, out);
}

static void write_file(const char *name, const void *bytes, size_t length)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_ok(file_write(path, bytes, length, 0600));
}

/* The member of the plaintext, decoded. */
static size_t member(uint8_t *out, size_t out_capacity, const struct tls_item *item, const char *name)
{
    json_t *root = json_loadb((const char *)item->plaintext.data, item->plaintext.length, 0, NULL);
    const char *text = json_string_value(json_object_get(root, name));
    size_t length = 0;
    assert_non_null(text);
    assert_int_equal(json_object_size(root), 2);
    assert_ok(base64_decode(out, &length, out_capacity, text, strlen(text)));
    json_decref(root);
    return length;
}

static void openssl_finds_what_clients_and_the_enclave_need(void **state)
{
    (void)state;
    AUTO(tls_item) item = {0};
    char out[16384];
    uint8_t bytes[4096];
    assert_ok(tls_item_make(&item, key, NAME, &password));
    assert_true(item.plaintext.length <= 4096); /* what KMS encrypts */
    write_file("cert.pem", item.pem.data, item.pem.length);
    write_file("key.p12", bytes, member(bytes, sizeof bytes, &item, "tls_keystore_b64"));
    assert_int_equal(member(bytes, sizeof bytes, &item, "tls_password_b64"), password.length);
    assert_memory_equal(bytes, password.data, password.length);

    ask(out, sizeof out, "openssl x509 -in cert.pem -noout -text");
    assert_non_null(strstr(out, "DNS:" NAME ", DNS:localhost, DNS:127.0.0.1, IP Address:127.0.0.1"));
    assert_non_null(strstr(out, "CA:TRUE, pathlen:0"));
    assert_non_null(strstr(out, "Subject: CN = " NAME));
    assert_non_null(strstr(out, "ASN1 OID: prime256v1"));
    assert_non_null(strstr(out, "ecdsa-with-SHA256"));
    ask(out, sizeof out,
        "openssl verify -CAfile cert.pem -purpose sslserver -verify_hostname " NAME " cert.pem");
    ask(out, sizeof out, "openssl x509 -in cert.pem -noout -checkend 315000000");
    (void)snprintf(out, sizeof out,
                   "openssl pkcs12 -in key.p12 -passin pass:%s -nodes | openssl pkey -pubout > a && "
                   "openssl x509 -in cert.pem -noout -pubkey > b && cmp a b",
                   (const char *)password.data);
    char compare[1024];
    (void)snprintf(compare, sizeof compare, "%.*s", (int)sizeof compare - 1, out);
    ask(out, sizeof out, compare);
    (void)snprintf(compare, sizeof compare, "openssl pkcs12 -in key.p12 -passin pass:%s -nodes",
                   (const char *)password.data);
    ask(out, sizeof out, compare);
    assert_non_null(strstr(out, "friendlyName: signer"));
    assert_ok(tls_item_check(&item.plaintext, &item.pem));
}

static void names_that_would_change_the_extension_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a,DNS:b",
        "a b",
        "a\n",
        "*.private",
        "a/b",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" /* 65 */};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(tls_item) item = {0};
        assert_false(tls_item_name_valid(bad[i]));
        assert_fails(E_INPUT, tls_item_make(&item, key, bad[i], &password));
        assert_null(item.plaintext.data);
    }
    assert_true(tls_item_name_valid(NAME));
}

static void check_text(const char *text, const struct buffer *pem, enum error_code code, const char *names)
{
    AUTO(secret) plaintext = {0};
    assert_ok(secret_copy(&plaintext, text, strlen(text)));
    result r = tls_item_check(&plaintext, pem);
    if (r.code != (int)code || !strstr(error_text(), names))
        fail_msg("%s: %s (%s)", text, error_text(), error_name(r.code));
}

static void what_no_signer_could_load_is_named(void **state)
{
    (void)state;
    AUTO(tls_item) item = {0};
    AUTO(tls_item) other = {0};
    AUTO(secret) mixed = {0};
    uint8_t file[4096];
    assert_ok(tls_item_make(&item, key, NAME, &password));
    assert_ok(tls_item_make(&other, key, NAME, &password)); /* another serial number */
    assert_fails(E_MISMATCH, tls_item_check(&item.plaintext, &other.pem));
    assert_error_names("cert_pem");
    uint8_t bytes[] = "garbage";
    const struct buffer garbage = {bytes, 7, sizeof bytes};
    assert_fails(E_INPUT, tls_item_check(&item.plaintext, &garbage));
    assert_fails(E_INPUT, tls_item_certificate_check(&garbage));
    assert_error_names("cert_pem");
    assert_ok(tls_item_certificate_check(&item.pem));

    check_text("", &item.pem, E_INPUT, "JSON");
    check_text("[]", &item.pem, E_INPUT, "object");
    check_text("{\"tls_keystore_b64\":\"YQ==\"}", &item.pem, E_INPUT, "tls_password_b64");
    check_text("{\"tls_password_b64\":\"YQ==\"}", &item.pem, E_INPUT, "tls_keystore_b64");
    check_text("{\"tls_password_b64\":\"YQ\",\"tls_keystore_b64\":\"YQ==\"}", &item.pem, E_INPUT,
               "tls_password_b64");
    check_text("{\"tls_password_b64\":\"\",\"tls_keystore_b64\":\"YQ==\"}", &item.pem, E_INPUT,
               "tls_password_b64: must not be empty");
    check_text("{\"tls_password_b64\":\"YQ==\",\"tls_keystore_b64\":7}", &item.pem, E_INPUT,
               "tls_keystore_b64");
    check_text("{\"tls_password_b64\":\"YQ==\",\"tls_keystore_b64\":\"YQ==\"}", &item.pem, E_INPUT,
               "PKCS#12");
    size_t length = member(file, sizeof file, &item, "tls_keystore_b64");
    assert_ok(json_secret_pair(&mixed,
                               &(struct json_secret_member){"tls_password_b64", (const uint8_t *)"wrong", 5},
                               &(struct json_secret_member){"tls_keystore_b64", file, length}));
    assert_fails(E_AUTH, tls_item_check(&mixed, &item.pem));
    secret_cleanup(&mixed);
    AUTO(secret) with_nul = {0};
    assert_ok(secret_new(&with_nul, password.length + 2));
    memcpy(with_nul.data, password.data, password.length);
    assert_ok(json_secret_pair(
        &mixed, &(struct json_secret_member){"tls_password_b64", with_nul.data, with_nul.length},
        &(struct json_secret_member){"tls_keystore_b64", file, length}));
    assert_fails(E_INPUT, tls_item_check(&mixed, &item.pem));
    assert_error_names("NUL");
}

static int open_all(void **state)
{
    (void)state;
    key = EVP_EC_gen("P-256");
    return !key || !mkdtemp(folder) || secret_copy(&password, "correct-horse-battery", 21).code;
}

static int close_all(void **state)
{
    (void)state;
    char command[64];
    (void)snprintf(command, sizeof command, "rm -r %s", folder);
    EVP_PKEY_free(key);
    secret_cleanup(&password);
    return system(command);
}

int main(void)
{
    if (secret_openssl_wipes().code || secret_heap_open(262144).code)
        return 1;
    json_set_alloc_funcs(malloc, secret_wiping_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_finds_what_clients_and_the_enclave_need),
        cmocka_unit_test(names_that_would_change_the_extension_are_refused),
        cmocka_unit_test(what_no_signer_could_load_is_named),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
