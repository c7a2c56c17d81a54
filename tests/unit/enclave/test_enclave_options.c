/* test_enclave_options.c - options of nitro-signer-enclave, as arguments and as words of the kernel's command
 * line. */
#include "testing.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <unistd.h>

#include "base/base64.h"
#include "enclave/enclave_options.h"

static struct enclave_words words;

static result read_words(const char *line)
{
    return enclave_options_words(&words, line, strlen(line));
}

/* As PID 1 of a machine reads them. */
static result read_line(struct enclave_options *o, const char *line)
{
    enclave_options_default(o, true);
    TRY(read_words(line));
    return enclave_options_parse(o, words.argc, words.argv);
}

static void words_of_ours_are_arguments(void **state)
{
    (void)state;
    assert_ok(read_words("reboot=k panic=30 pci=off nomodules console=ttyS0 i8042.noaux random.trust_cpu=on "
                         "nitro_signer.parent-cid=2\tnitro_signer.kms-endpoint=https://kms.example/?a=b "
                         "virtio_mmio.device=4K@0xd0000000:5\n"));
    assert_int_equal(words.argc, 3);
    assert_string_equal(words.argv[0], "nitro-signer-enclave");
    assert_string_equal(words.argv[1], "--parent-cid=2");
    assert_string_equal(words.argv[2], "--kms-endpoint=https://kms.example/?a=b");
    assert_null(words.argv[3]);
    assert_ok(read_words(""));
    assert_int_equal(words.argc, 1);
    assert_ok(read_words("nitro_signer nitro-signer.log=unix:/x xnitro_signer.log=unix:/y"));
    assert_int_equal(words.argc, 1);
}

static void mistakes_are_named(void **state)
{
    (void)state;
    static const char *const mistakes[][2] = {
        {"quiet nitro_signer.no-such=1", "nitro_signer.no-such: unknown"},
        {"nitro_signer.help", "nitro_signer.help: unknown"},
        {"nitro_signer.version=1", "nitro_signer.version: unknown"},
        {"nitro_signer.parent-ci=1", "nitro_signer.parent-ci: unknown"},
        {"nitro_signer.parent-cid", "nitro_signer.parent-cid: needs a value"},
        {"nitro_signer.parent-cid=", "nitro_signer.parent-cid: needs a value"},
        {"nitro_signer.parent_cid=2", "nitro_signer.parent: names are"},
        {"nitro_signer.=2", "nitro_signer.: names are"},
        {"nitro_signer.", "nitro_signer.: names are"},
        {"nitro_signer.log=a nitro_signer.log=b", "nitro_signer.log: given twice"},
        {"nitro_signer.log=\"unix:/a b\"", "nitro_signer.log: must be printable"},
        {"nitro_signer.log=unix:\x01", "nitro_signer.log: must be printable"},
        {"nitro_signer.log=unix:\xc3\xbc", "nitro_signer.log: must be printable"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(mistakes); i++) {
        assert_fails(E_INPUT, read_words(mistakes[i][0]));
        assert_error_names(mistakes[i][1]);
    }
    struct enclave_options o;
    assert_fails(E_INPUT, read_line(&o, "nitro_signer.parent-cid=0"));
    assert_error_names("--parent-cid");
    assert_fails(E_INPUT, read_line(&o, "nitro_signer.parent-cid=4294967295"));
    assert_fails(E_INPUT, read_line(&o, "nitro_signer.log-level=loud"));
    assert_error_names("--log-level");
}

static void the_line_is_bounded(void **state)
{
    (void)state;
    static char line[ENCLAVE_COMMAND_LINE_MAX + 1];
    memset(line, 'a', sizeof line);
    assert_fails(E_TOO_LARGE, enclave_options_words(&words, line, sizeof line));
    assert_ok(enclave_options_words(&words, line, sizeof line - 1));
    /* One word of ours as long as the line, with what is made of it. */
    memcpy(line, "nitro_signer.authority=", 23);
    assert_ok(enclave_options_words(&words, line, sizeof line - 1));
    assert_int_equal(strlen(words.argv[1]), sizeof line - 1 - 13 + 2);
}

static void addresses_follow_the_parent(void **state)
{
    (void)state;
    struct enclave_options o;
    assert_ok(read_line(&o, "quiet"));
    assert_int_equal(o.parent_cid, 3);
    assert_string_equal(o.kms_via, "vsock:3:8000");
    assert_string_equal(o.dynamodb_via, "vsock:3:8001");
    assert_string_equal(o.log, "vsock:3:8002");
    assert_string_equal(o.metrics, "vsock:any:9001");
    assert_string_equal(o.ca_file, "/etc/nitro-signer/authorities.pem");
    assert_true(o.drop_privileges);
    assert_ok(read_line(&o, "nitro_signer.dynamodb-via=vsock:9:1 nitro_signer.parent-cid=4294967294"));
    assert_string_equal(o.kms_via, "vsock:4294967294:8000");
    assert_string_equal(o.dynamodb_via, "vsock:9:1");
    assert_string_equal(o.log, "vsock:4294967294:8002");
    /* What was understood before a mistake holds: the mistake is told on that log. */
    assert_fails(E_INPUT, read_line(&o, "nitro_signer.parent-cid=2 nitro_signer.log-level=loud"));
    assert_string_equal(o.log, "vsock:2:8002");
}

static void a_plain_supervisor_sends_nothing_anywhere(void **state)
{
    (void)state;
    struct enclave_options o;
    enclave_options_default(&o, false);
    assert_null(o.log);
    assert_null(o.metrics);
    assert_null(o.ca_file);
    assert_false(o.drop_privileges);
    char program[] = "p", log[] = "--log=unix:/x", word[] = "word";
    char *argv[] = {program, log, NULL};
    assert_ok(enclave_options_parse(&o, 2, argv));
    assert_string_equal(o.log, "unix:/x");
    argv[1] = word;
    assert_fails(E_INPUT, enclave_options_parse(&o, 2, argv));
}

/* A certificate that OpenSSL signs here and now, base64. */
static void make_certificate(char *out, size_t out_capacity)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    assert_non_null(key);
    (void)X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    assert_int_equal(X509_set_pubkey(certificate, key), 1);
    assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int der_len = i2d_X509(certificate, &der);
    assert_true(der_len > 0 && BASE64_LENGTH((size_t)der_len) < out_capacity);
    base64_encode(out, der, (size_t)der_len);
    OPENSSL_free(der);
    X509_free(certificate);
    EVP_PKEY_free(key);
}

static void an_authority_becomes_a_file(void **state)
{
    (void)state;
    char text[2048], path[] = "/tmp/test-enclave-XXXXXX";
    make_certificate(text, sizeof text);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    struct enclave_options o;
    enclave_options_default(&o, true);
    assert_ok(enclave_options_write_authority(&o, path));
    assert_string_equal(o.ca_file, "/etc/nitro-signer/authorities.pem");
    o.authority = text;
    assert_ok(enclave_options_write_authority(&o, path));
    assert_string_equal(o.ca_file, path);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char first[64];
    assert_non_null(fgets(first, sizeof first, file));
    assert_string_equal(first, "-----BEGIN CERTIFICATE-----\n");
    (void)fclose(file);
    char command[128];
    (void)snprintf(command, sizeof command, "openssl x509 -in %s -noout", path);
    assert_int_equal(system(command), 0); /* another reader takes it */

    text[strlen(text) - 8] = '!';
    assert_fails(E_INPUT, enclave_options_write_authority(&o, path));
    assert_error_names("--authority");
    (void)snprintf(text, sizeof text, "aGVsbG8=");
    assert_fails(E_INPUT, enclave_options_write_authority(&o, path));
    assert_error_names("--authority: must be one X.509 certificate");
    /* A byte behind the certificate; without padding in the first text, so that only the length is wrong. */
    do
        make_certificate(text, sizeof text);
    while (text[strlen(text) - 1] == '=');
    (void)snprintf(text + strlen(text), 5, "AA==");
    assert_fails(E_INPUT, enclave_options_write_authority(&o, path));
    assert_error_names("--authority: must be one X.509 certificate");
    (void)close(fd);
    (void)unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_ours_are_arguments),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(the_line_is_bounded),
        cmocka_unit_test(addresses_follow_the_parent),
        cmocka_unit_test(a_plain_supervisor_sends_nothing_anywhere),
        cmocka_unit_test(an_authority_becomes_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
