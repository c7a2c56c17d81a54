/* test_devcloud_kms_operations.c - Encrypt and Decrypt below HTTP, with the dossier's synthetic attestation
 * documents, at times of our choosing. The documents carry the public half of an RSA key whose private half
 * is among the vectors, so an answer is opened as an enclave would open it. */
#include "testing.h"

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "devcloud/devcloud_kms_blob.h"
#include "devcloud/devcloud_kms_operations.h"
#include "nitro/nitro_envelope.h"
#include "json/json.h"

#define DOCUMENT_MS UINT64_C(1767225600000) /* 2026-01-01T00:00:00Z, inside every synthetic document */
#define ROLE "arn:aws:iam::111122223333:role/signer"
#define PLAINTEXT_B64 "YXR0YWNrIGF0IGRhd24="
#define DENY_ALL "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"kms:Decrypt\",\"Resource\":\"*\"}"
#define ALLOW_ALL "{\"Effect\":\"Allow\",\"Principal\":\"*\",\"Action\":\"kms:*\",\"Resource\":\"*\"}"
#define ZEROS_48                                                                                             \
    "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
#define NO_DEBUG                                                                                             \
    "{\"Effect\":\"Deny\",\"Principal\":\"*\",\"Action\":\"kms:Decrypt\",\"Resource\":\"*\",\"Condition\":"  \
    "{\"StringEquals\":{\"kms:RecipientAttestation:PCR0\":\"" ZEROS_48 "\"}}}"

static struct kms_key key;

static void read_vector(struct buffer *out, const char *name)
{
    char path[1024];
    vector_path(path, sizeof path, name);
    assert_ok(file_read(out, path, 65536));
}

static void set_policy(const char *statements)
{
    char text[2048];
    (void)snprintf(text, sizeof text, "{\"Version\":\"2012-10-17\",\"Statement\":[%s]}", statements);
    devcloud_kms_policy_free(key.policy);
    key.policy = NULL;
    assert_ok(devcloud_kms_policy_parse(&key.policy, text, strlen(text)));
}

static int open_key(void **state)
{
    (void)state;
    AUTO(buffer) pem = {0};
    read_vector(&pem, "nitro/SYNTHETIC/synthetic_root.pem");
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    X509 *root = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    uint8_t *der = NULL;
    int der_len = i2d_X509(root, &der);
    assert_true(der_len > 0);
    assert_ok(buffer_append(&key.nsm_root, der, (size_t)der_len));
    OPENSSL_free(der);
    X509_free(root);
    BIO_free(bio);
    (void)snprintf(key.arn, sizeof key.arn, "arn:aws:kms:us-east-1:111122223333:key/0000-1");
    key.id = strrchr(key.arn, '/') + 1;
    (void)snprintf(key.account, sizeof key.account, "111122223333");
    (void)snprintf(key.principal_arn, sizeof key.principal_arn, ROLE);
    assert_ok(secret_copy(&key.master_key, "0123456789abcdef0123456789abcdef", KMS_MASTER_KEY_LEN));
    set_policy(ALLOW_ALL);
    return 0;
}

static int close_key(void **state)
{
    (void)state;
    devcloud_kms_key_cleanup(&key);
    return 0;
}

static result operate(struct buffer *out, const char **ret_type, const char *target, const char *body,
                      uint64_t now_ms)
{
    struct kms_refusal refusal = {0};
    AUTO(buffer) text = {0};
    assert_ok(buffer_append_text(&text, body));
    buffer_consume(out, out->length);
    result r = devcloud_kms_operate(out, &refusal, &key, target, &text, now_ms);
    *ret_type = refusal.type;
    return r;
}

static void assert_refused(const char *type, const char *target, const char *body, uint64_t now_ms)
{
    AUTO(buffer) out = {0};
    const char *got = NULL;
    result r = operate(&out, &got, target, body, now_ms);
    if (r.code == E_NONE || strcmp(got, type) != 0)
        fail_msg("%s %.300s: expected %s, got %s: %s", target, body, type, r.code ? got : "an answer",
                 error_text());
}

/* The decoded member of an answer. */
static void take_member(struct buffer *out, const struct buffer *answer, const char *name)
{
    AUTO_POINTER(json_t) root = NULL;
    assert_ok(json_read(&root, (const char *)answer->data, answer->length, 65536, 64));
    const char *text = json_string_value(json_object_get(root, name));
    if (!text)
        fail_msg("no %s in %s", name, (const char *)answer->data);
    size_t length = 0;
    assert_ok(buffer_reserve(out, strlen(text)));
    assert_ok(base64_decode(out->data, &length, strlen(text), text, strlen(text)));
    out->length = length;
    out->data[length] = 0;
}

/* The ciphertext of PLAINTEXT_B64 in base64. */
static void encrypt(char *ret_blob, size_t capacity)
{
    AUTO(buffer) out = {0};
    AUTO(buffer) blob = {0};
    const char *type = NULL;
    assert_ok(operate(&out, &type, "TrentService.Encrypt",
                      "{\"KeyId\":\"0000-1\",\"Plaintext\":\"" PLAINTEXT_B64 "\"}", 1));
    take_member(&blob, &out, "CiphertextBlob");
    assert_true(BASE64_LENGTH(blob.length) < capacity);
    base64_encode(ret_blob, blob.data, blob.length);
}

static void decrypt_body(struct buffer *out, const char *blob, const char *document_vector)
{
    AUTO(buffer) document = {0};
    char path[128];
    (void)snprintf(path, sizeof path, "nitro/SYNTHETIC/%s", document_vector);
    read_vector(&document, path);
    assert_ok(buffer_printf(out,
                            "{\"CiphertextBlob\":\"%s\",\"KeyId\":\"%s\",\"Recipient\":"
                            "{\"KeyEncryptionAlgorithm\":\"RSAES_OAEP_SHA_256\",\"AttestationDocument\":\"",
                            blob, key.arn));
    assert_ok(buffer_reserve(out, BASE64_LENGTH(document.length) + 1));
    base64_encode((char *)out->data + out->length, document.data, document.length);
    out->length += BASE64_LENGTH(document.length);
    assert_ok(buffer_append_text(out, "\"}}"));
}

static EVP_PKEY *recipient_key(void)
{
    AUTO(buffer) pem = {0};
    read_vector(&pem, "nitro/edgebitio_nitro-enclaves-sdk-go/recipient_key_rsa2048.pem");
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.length);
    EVP_PKEY *private_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    assert_non_null(private_key);
    return private_key;
}

static void an_enclave_gets_an_envelope_it_can_open(void **state)
{
    (void)state;
    char blob[512];
    encrypt(blob, sizeof blob);
    EVP_PKEY *private_key = recipient_key();
    const char *const documents[] = {"attdoc_valid.bin", "attdoc_valid_tag18.bin"};
    for (size_t i = 0; i < ARRAY_LENGTH(documents); i++) {
        AUTO(buffer) body = {0};
        AUTO(buffer) out = {0};
        AUTO(buffer) envelope = {0};
        AUTO(secret) plaintext = {0};
        const char *type = NULL;
        decrypt_body(&body, blob, documents[i]);
        assert_ok(operate(&out, &type, "TrentService.Decrypt", (const char *)body.data,
                          DOCUMENT_MS + KMS_DOCUMENT_AGE_MS));
        assert_null(strstr((const char *)out.data, "\"Plaintext\""));
        assert_non_null(strstr((const char *)out.data, key.arn));
        take_member(&envelope, &out, "CiphertextForRecipient");
        assert_ok(envelope_open(&plaintext, private_key, envelope.data, envelope.length));
        assert_int_equal(plaintext.length, 14);
        assert_memory_equal(plaintext.data, "attack at dawn", 14);
    }
    EVP_PKEY_free(private_key);
}

static void documents_that_are_not_genuine_or_not_fresh(void **state)
{
    (void)state;
    char blob[512];
    encrypt(blob, sizeof blob);
    static const char *const bad[] = {
        "attdoc_bad_signature.bin",        "attdoc_expired_leaf.bin",
        "attdoc_empty_cabundle.bin",       "attdoc_trailing_byte.bin",
        "attdoc_qemu_layout_unsigned.bin", "attdoc_nulls.bin" /* genuine, but without a public key */};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        AUTO(buffer) body = {0};
        decrypt_body(&body, blob, bad[i]);
        assert_refused("ValidationException", "TrentService.Decrypt", (const char *)body.data, DOCUMENT_MS);
    }
    AUTO(buffer) body = {0};
    decrypt_body(&body, blob, "attdoc_valid.bin");
    assert_refused("ValidationException", "TrentService.Decrypt", (const char *)body.data,
                   DOCUMENT_MS + KMS_DOCUMENT_AGE_MS + 1);
    assert_refused("ValidationException", "TrentService.Decrypt", (const char *)body.data,
                   DOCUMENT_MS - KMS_DOCUMENT_AGE_MS - 1);
}

static void the_policy_decides(void **state)
{
    (void)state;
    char blob[512];
    encrypt(blob, sizeof blob);
    AUTO(buffer) body = {0};
    AUTO(buffer) debug = {0};
    AUTO(buffer) out = {0};
    const char *type = NULL;
    decrypt_body(&body, blob, "attdoc_valid.bin");
    decrypt_body(&debug, blob, "attdoc_debug_zero_pcrs.bin");
    set_policy(ALLOW_ALL "," NO_DEBUG);
    assert_ok(operate(&out, &type, "TrentService.Decrypt", (const char *)body.data, DOCUMENT_MS));
    assert_refused("AccessDeniedException", "TrentService.Decrypt", (const char *)debug.data, DOCUMENT_MS);
    set_policy(ALLOW_ALL "," DENY_ALL);
    assert_refused("AccessDeniedException", "TrentService.Decrypt", (const char *)body.data, DOCUMENT_MS);
    assert_refused("AccessDeniedException", "TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\"}",
                   DOCUMENT_MS);
    set_policy(DENY_ALL);
    assert_refused("AccessDeniedException", "TrentService.Encrypt",
                   "{\"KeyId\":\"0000-1\",\"Plaintext\":\"AAAA\"}", 1);
    assert_refused("AccessDeniedException", "TrentService.DescribeKey", "{\"KeyId\":\"0000-1\"}", 1);
    set_policy(ALLOW_ALL);
}

static void without_a_recipient_the_plaintext_itself(void **state)
{
    (void)state;
    char blob[512], body[1024];
    AUTO(buffer) out = {0};
    AUTO(buffer) plaintext = {0};
    const char *type = NULL;
    encrypt(blob, sizeof blob);
    (void)snprintf(body, sizeof body, "{\"CiphertextBlob\":\"%s\"}", blob);
    assert_ok(operate(&out, &type, "TrentService.Decrypt", body, 1));
    take_member(&plaintext, &out, "Plaintext");
    assert_string_equal((const char *)plaintext.data, "attack at dawn");

    blob[20] = blob[20] == 'A' ? 'B' : 'A';
    (void)snprintf(body, sizeof body, "{\"CiphertextBlob\":\"%s\"}", blob);
    assert_refused("InvalidCiphertextException", "TrentService.Decrypt", body, 1);
}

/* The ARN is bound to the ciphertext. */
static void a_ciphertext_of_another_key_does_not_open(void **state)
{
    (void)state;
    char blob[512], body[1024];
    encrypt(blob, sizeof blob);
    (void)snprintf(body, sizeof body, "{\"CiphertextBlob\":\"%s\"}", blob);
    key.arn[strlen(key.arn) - 1] = '2';
    assert_refused("InvalidCiphertextException", "TrentService.Decrypt", body, 1);
    key.arn[strlen(key.arn) - 1] = '1';
}

static void malformed_requests(void **state)
{
    (void)state;
    static const struct {
        const char *target, *body, *type;
    } cases[] = {
        {"TrentService.Sign", "{}", "UnknownOperationException"},
        {"", "{}", "UnknownOperationException"},
        {"TrentService.Decrypt", "", "SerializationException"},
        {"TrentService.Decrypt", "[]", "SerializationException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\"", "SerializationException"},
        {"TrentService.Decrypt", "{}", "ValidationException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":7}", "ValidationException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"\"}", "ValidationException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"A\"}", "ValidationException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\"}", "InvalidCiphertextException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\",\"KeyId\":\"other\"}", "NotFoundException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\",\"EncryptionContext\":{}}",
         "UnsupportedOperationException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\",\"EncryptionAlgorithm\":\"RSAES_OAEP_SHA_1\"}",
         "InvalidKeyUsageException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\",\"Recipient\":null}",
         "InvalidCiphertextException"},
        {"TrentService.Decrypt", "{\"CiphertextBlob\":\"AAAA\",\"Recipient\":{}}", "ValidationException"},
        {"TrentService.Decrypt",
         "{\"CiphertextBlob\":\"AAAA\",\"Recipient\":{\"KeyEncryptionAlgorithm\":\"x\","
         "\"AttestationDocument\":\"AAAA\"}}",
         "ValidationException"},
        {"TrentService.Decrypt",
         "{\"CiphertextBlob\":\"AAAA\",\"Recipient\":{\"KeyEncryptionAlgorithm\":\"RSAES_OAEP_SHA_256\","
         "\"AttestationDocument\":\"AAAA\"}}",
         "ValidationException"},
        {"TrentService.Encrypt", "{\"Plaintext\":\"AAAA\"}", "ValidationException"},
        {"TrentService.Encrypt", "{\"KeyId\":\"0000-1\"}", "ValidationException"},
        {"TrentService.Encrypt", "{\"KeyId\":\"0000-1\",\"Plaintext\":\"\"}", "ValidationException"},
        {"TrentService.Encrypt", "{\"KeyId\":\"0000-2\",\"Plaintext\":\"AAAA\"}", "NotFoundException"},
        {"TrentService.DescribeKey", "{}", "ValidationException"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        assert_refused(cases[i].type, cases[i].target, cases[i].body, DOCUMENT_MS);

    char *huge = malloc(16384);
    assert_non_null(huge);
    int head = snprintf(huge, 16384, "{\"KeyId\":\"0000-1\",\"Plaintext\":\"");
    memset(huge + head, 'A', 5464); /* 4098 bytes */
    memcpy(huge + head + 5464, "\"}", 3);
    assert_refused("ValidationException", "TrentService.Encrypt", huge, 1);
    free(huge);
}

static void describe_key_tells_the_arn(void **state)
{
    (void)state;
    AUTO(buffer) out = {0};
    const char *type = NULL;
    assert_ok(operate(&out, &type, "TrentService.DescribeKey", "{\"KeyId\":\"0000-1\"}", 1));
    AUTO_POINTER(json_t) root = NULL;
    assert_ok(json_read(&root, (const char *)out.data, out.length, 65536, 64));
    const json_t *metadata = json_object_get(root, "KeyMetadata");
    assert_string_equal(json_string_value(json_object_get(metadata, "Arn")), key.arn);
}

int main(void)
{
    if (secret_heap_open(262144).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_enclave_gets_an_envelope_it_can_open),
        cmocka_unit_test(documents_that_are_not_genuine_or_not_fresh),
        cmocka_unit_test(the_policy_decides),
        cmocka_unit_test(without_a_recipient_the_plaintext_itself),
        cmocka_unit_test(a_ciphertext_of_another_key_does_not_open),
        cmocka_unit_test(malformed_requests),
        cmocka_unit_test(describe_key_tells_the_arn),
    };
    return cmocka_run_group_tests(tests, open_key, close_key);
}
