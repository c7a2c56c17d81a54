/* devcloud_kms_operations.c - see devcloud_kms_operations.h.
 *
 * The order is AWS's: the request is well formed, the attestation document is genuine, the policy allows, and
 * only then is the ciphertext looked at. A member that would change the outcome and is not done here
 * (EncryptionContext, GrantTokens) is refused, never ignored. */
#include "devcloud_kms_operations.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/log.h"
#include "devcloud_kms_blob.h"
#include "devcloud_unsigned.h"
#include "nitro/nitro_envelope.h"
#include "json/json.h"

enum {
    REQUEST_VALUES_MAX = 64,
    REQUEST_MAX = 512 * 1024,
    RECIPIENT_KEY_MIN_BITS = 2048,
    KMS_CIPHERTEXT_MAX = 6144,
    KMS_PLAINTEXT_MAX = 4096
};

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)

void devcloud_kms_key_cleanup(struct kms_key *key)
{
    secret_cleanup(&key->master_key);
    devcloud_kms_policy_free(key->policy);
    buffer_cleanup(&key->nsm_root);
    *key = (struct kms_key){0};
}

static must_check result get_base64(struct buffer *out, const struct json_view *view, const char *name,
                                    size_t max)
{
    const char *text = NULL;
    size_t text_len = 0, length = 0;
    TRY(json_get_text(&text, &text_len, view, name));
    TRY(buffer_reserve(out, BASE64_DECODED_MAX(text_len) + 1));
    result r = base64_decode(out->data, &length, max, text, text_len);
    if (!r.code && length == 0)
        r = error_set(E_INPUT, "must not be empty");
    if (r.code)
        return json_blame(r, view, name);
    out->length = length;
    return RESULT_OK;
}

static must_check result check_key_id(struct kms_refusal *refusal, const struct kms_key *key,
                                      const struct json_view *view, bool optional)
{
    const char *id = NULL;
    TRY(optional ? json_get_text_optional(&id, NULL, view, "KeyId")
                 : json_get_text(&id, NULL, view, "KeyId"));
    if (id)
        KMS_ENSURE(strcmp(id, key->arn) == 0 || strcmp(id, key->id) == 0, refusal, "NotFoundException",
                   "Key does not exist");
    return RESULT_OK;
}

static must_check result refuse_unsupported(struct kms_refusal *refusal, const struct json_view *view)
{
    static const char *const members[] = {"EncryptionContext", "GrantTokens", "DryRun"};
    for (size_t i = 0; i < ARRAY_LENGTH(members); i++)
        KMS_ENSURE(!json_has(view, members[i]), refusal, "UnsupportedOperationException",
                   "%s: is not supported by this stand-in", members[i]);
    const char *algorithm = NULL;
    TRY(json_get_text_optional(&algorithm, NULL, view, "EncryptionAlgorithm"));
    KMS_ENSURE(!algorithm || strcmp(algorithm, "SYMMETRIC_DEFAULT") == 0, refusal, "InvalidKeyUsageException",
               "EncryptionAlgorithm: must be SYMMETRIC_DEFAULT");
    return RESULT_OK;
}

static must_check result authorize(struct kms_refusal *refusal, const struct kms_key *key, const char *action,
                                   const struct attestation *attestation)
{
    const struct kms_policy_request request = {key->principal_arn, action, attestation};
    KMS_ENSURE(
        devcloud_kms_policy_allows(key->policy, &request), refusal, "AccessDeniedException",
        "User: %s is not authorized to perform: %s on resource: %s because the key policy does not allow it",
        key->principal_arn, action, key->arn);
    return RESULT_OK;
}

/* The key the answer will be encrypted for: RSA, as SubjectPublicKeyInfo, nothing behind it. */
static must_check result check_recipient_key(struct kms_refusal *refusal,
                                             const struct attestation *attestation)
{
    const unsigned char *end = attestation->public_key.bytes;
    AUTO_POINTER(EVP_PKEY) key = NULL;
    if (attestation->public_key.present)
        key = d2i_PUBKEY(NULL, &end, (long)attestation->public_key.length);
    bool usable = key && end == attestation->public_key.bytes + attestation->public_key.length &&
                  EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
                  EVP_PKEY_get_bits(key) >= RECIPIENT_KEY_MIN_BITS;
    KMS_ENSURE(usable, refusal, "ValidationException", "AttestationDocument: public_key: must be an RSA key");
    return RESULT_OK;
}

/* Unsigned is all that a document of an emulated enclave is, and E_UNSUPPORTED what lib/nitro says of its
 * algorithm. */
static must_check result believe_document(struct attestation *ret_attestation, const struct kms_key *key,
                                          const struct buffer *document, uint64_t now_ms)
{
    result r = attestation_verify(ret_attestation, document->data, document->length, key->nsm_root.data,
                                  key->nsm_root.length, now_ms);
    if (r.code != E_UNSUPPORTED || !key->accept_unsigned)
        return r;
    TRY(devcloud_unsigned_read(ret_attestation, document->data, document->length));
    log_warn("an attestation document that nobody has signed is believed: module %s",
             ret_attestation->module_id);
    return RESULT_OK;
}

static must_check result verify_document(struct attestation *ret_attestation, struct kms_refusal *refusal,
                                         const struct kms_key *key, const struct buffer *document,
                                         uint64_t now_ms)
{
    TRY(believe_document(ret_attestation, key, document, now_ms));
    uint64_t then = ret_attestation->timestamp_ms;
    uint64_t age = then > now_ms ? then - now_ms : now_ms - then;
    KMS_ENSURE(age <= KMS_DOCUMENT_AGE_MS, refusal, "ValidationException",
               "AttestationDocument: is more than five minutes old");
    return check_recipient_key(refusal, ret_attestation);
}

static must_check result read_recipient(struct attestation *ret_attestation, struct kms_refusal *refusal,
                                        const struct kms_key *key, const struct json_view *view,
                                        uint64_t now_ms)
{
    struct json_view recipient;
    const char *algorithm = NULL;
    AUTO(buffer) document = {0};
    TRY(json_get_object(&recipient, view, "Recipient"));
    TRY(json_get_text(&algorithm, NULL, &recipient, "KeyEncryptionAlgorithm"));
    KMS_ENSURE(strcmp(algorithm, "RSAES_OAEP_SHA_256") == 0, refusal, "ValidationException",
               "KeyEncryptionAlgorithm: must be RSAES_OAEP_SHA_256");
    TRY(get_base64(&document, &recipient, "AttestationDocument", ATTESTATION_DOCUMENT_MAX));
    return verify_document(ret_attestation, refusal, key, &document, now_ms);
}

static must_check result append_base64_member(struct buffer *out, const char *name, const uint8_t *bytes,
                                              size_t bytes_len)
{
    TRY(buffer_printf(out, "\"%s\":\"", name));
    TRY(base64_append(out, bytes, bytes_len));
    return buffer_append_text(out, "\"");
}

static must_check result append_tail(struct buffer *out, const struct kms_key *key)
{
    return buffer_printf(out, ",\"KeyId\":\"%s\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}", key->arn);
}

static must_check result append_decrypted(struct buffer *out, const struct kms_key *key,
                                          const struct secret *plaintext,
                                          const struct attestation *attestation)
{
    TRY(buffer_append_text(out, "{"));
    if (!attestation) {
        TRY(append_base64_member(out, "Plaintext", plaintext->data, plaintext->length));
        return append_tail(out, key);
    }
    AUTO(buffer) envelope = {0};
    TRY(envelope_seal(&envelope, attestation->public_key.bytes, attestation->public_key.length,
                      plaintext->data, plaintext->length));
    TRY(append_base64_member(out, "CiphertextForRecipient", envelope.data, envelope.length));
    return append_tail(out, key);
}

static void log_decrypt(const struct attestation *attestation)
{
    if (attestation)
        log_info("KMS Decrypt for an enclave: module %s", attestation->module_id);
    else
        log_info("KMS Decrypt without a recipient");
}

static must_check result decrypt(struct buffer *out, struct kms_refusal *refusal, const struct kms_key *key,
                                 const struct json_view *view, uint64_t now_ms)
{
    AUTO(buffer) blob = {0};
    AUTO(secret) plaintext = {0};
    struct attestation verified;
    const struct attestation *attestation = NULL;
    TRY(get_base64(&blob, view, "CiphertextBlob", KMS_CIPHERTEXT_MAX));
    TRY(check_key_id(refusal, key, view, true));
    TRY(refuse_unsupported(refusal, view));
    if (json_has(view, "Recipient")) {
        TRY(read_recipient(&verified, refusal, key, view, now_ms));
        attestation = &verified;
    }
    TRY(authorize(refusal, key, "kms:Decrypt", attestation));
    refusal->type = "InvalidCiphertextException";
    TRY(devcloud_kms_blob_open(&plaintext, &key->master_key, key->arn, blob.data, blob.length));
    log_decrypt(attestation);
    return append_decrypted(out, key, &plaintext, attestation);
}

static must_check result encrypt(struct buffer *out, struct kms_refusal *refusal, const struct kms_key *key,
                                 const struct json_view *view)
{
    const char *text = NULL;
    size_t text_len = 0, length = 0;
    AUTO(secret) plaintext = {0};
    AUTO(buffer) blob = {0};
    TRY(check_key_id(refusal, key, view, false));
    TRY(refuse_unsupported(refusal, view));
    TRY(json_get_text(&text, &text_len, view, "Plaintext"));
    TRY(secret_new(&plaintext, KMS_PLAINTEXT_MAX));
    result r = base64_decode(plaintext.data, &length, KMS_PLAINTEXT_MAX, text, text_len);
    if (!r.code && length == 0)
        r = error_set(E_INPUT, "must not be empty");
    if (r.code)
        return json_blame(r, view, "Plaintext");
    secret_truncate(&plaintext, length);
    TRY(authorize(refusal, key, "kms:Encrypt", NULL));
    TRY(devcloud_kms_blob_seal(&blob, &key->master_key, key->arn, &plaintext));
    log_info("KMS Encrypt");
    TRY(buffer_append_text(out, "{"));
    TRY(append_base64_member(out, "CiphertextBlob", blob.data, blob.length));
    return append_tail(out, key);
}

static must_check result describe_key(struct buffer *out, struct kms_refusal *refusal,
                                      const struct kms_key *key, const struct json_view *view)
{
    TRY(check_key_id(refusal, key, view, false));
    TRY(authorize(refusal, key, "kms:DescribeKey", NULL));
    return buffer_printf(
        out,
        "{\"KeyMetadata\":{\"AWSAccountId\":\"%s\",\"KeyId\":\"%s\",\"Arn\":\"%s\",\"Enabled\":true,"
        "\"KeyState\":\"Enabled\",\"KeyUsage\":\"ENCRYPT_DECRYPT\",\"KeySpec\":\"SYMMETRIC_DEFAULT\","
        "\"EncryptionAlgorithms\":[\"SYMMETRIC_DEFAULT\"],\"Origin\":\"AWS_KMS\","
        "\"KeyManager\":\"CUSTOMER\",\"MultiRegion\":false}}",
        key->account, key->id, key->arn);
}

result devcloud_kms_operate(struct buffer *out, struct kms_refusal *refusal, const struct kms_key *key,
                            const char *target, const struct buffer *body, uint64_t now_ms)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    refusal->type = "SerializationException";
    TRY(json_read(&root, (const char *)body->data, body->length, REQUEST_MAX, REQUEST_VALUES_MAX));
    TRY(json_view_root(&view, root));
    refusal->type = "ValidationException";
    if (strcmp(target, "TrentService.Decrypt") == 0)
        return decrypt(out, refusal, key, &view, now_ms);
    if (strcmp(target, "TrentService.Encrypt") == 0)
        return encrypt(out, refusal, key, &view);
    if (strcmp(target, "TrentService.DescribeKey") == 0)
        return describe_key(out, refusal, key, &view);
    refusal->type = "UnknownOperationException";
    FAIL(E_UNSUPPORTED, "this operation is not supported by this stand-in");
}
