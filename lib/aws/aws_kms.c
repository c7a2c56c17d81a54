/* aws_kms.c - see aws_kms.h.
 *
 * Requests are written, not built as JSON trees: three fixed members, of which base64 needs no escaping and
 * the key id is checked. That keeps a plaintext out of a JSON library's heap. */
#include "aws/aws_kms.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_kms_private.h"
#include "aws/aws_wiped_buffer.h"
#include "base/base64.h"
#include "json/json.h"

#define ENCRYPT "TrentService.Encrypt"
#define DECRYPT "TrentService.Decrypt"

enum { ANSWER_VALUES_MAX = 64, ENCRYPT_OVERHEAD = 64 };

result aws_kms_check_key_id(const char *key_id)
{
    size_t length = strlen(key_id);
    ENSURE(length > 0 && length <= AWS_KMS_KEY_ID_MAX, E_INPUT, "KMS key: must have from 1 to %d characters",
           AWS_KMS_KEY_ID_MAX);
    ENSURE(strspn(key_id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:/_-") == length,
           E_INPUT, "KMS key: must be a key ARN");
    return RESULT_OK;
}

/* Comes before everything else: an answer with a plaintext is refused whatever else it holds. */
static must_check result check_no_plaintext(const json_t *root)
{
    const json_t *plaintext = json_object_get(root, "Plaintext");
    bool absent = !plaintext || json_is_null(plaintext) ||
                  (json_is_string(plaintext) && json_string_length(plaintext) == 0);
    ENSURE(absent, E_PEER, "Plaintext: must be absent (this service does not honour Recipient)");
    return RESULT_OK;
}

/* Appends the decoded member of an answer that belongs to our key. */
static must_check result parse_answer(struct buffer *out, const struct buffer *answer, const char *key_id,
                                      const char *member, size_t member_max)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    const char *answered_key = NULL, *text = NULL;
    size_t text_len = 0;
    TRY(json_read(&root, (const char *)answer->data, answer->length, AWS_KMS_RESPONSE_MAX,
                  ANSWER_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(check_no_plaintext(root));
    TRY(json_get_text(&answered_key, NULL, &view, "KeyId"));
    ENSURE(strcmp(answered_key, key_id) == 0, E_PEER, "KeyId: is another key than the one pinned");
    TRY(json_get_text(&text, &text_len, &view, member));
    ENSURE(text_len > 0 && BASE64_DECODED_MAX(text_len) <= member_max + 2, E_PEER,
           "%s: must have from 1 to %zu bytes", member, member_max);
    TRY(buffer_reserve(out, BASE64_DECODED_MAX(text_len)));
    size_t length = 0;
    result r = base64_decode(out->data + out->length, &length, member_max, text, text_len);
    if (r.code)
        return json_blame(r, &view, member);
    out->length += length;
    out->data[out->length] = 0;
    return RESULT_OK;
}

/* Calls, then takes one member of the answer; whatever is wrong with an answer is the peer's fault. */
static must_check result call(struct aws_client *client, struct buffer *out, const char *operation,
                              const struct aws_credentials *credentials, const struct cursor *body,
                              const char *key_id)
{
    bool decrypting = strcmp(operation, DECRYPT) == 0;
    AUTO(wiped_buffer) answer = {0};
    /* In one piece, so that growing leaves no copies behind. */
    TRY(buffer_reserve(&answer.bytes, AWS_KMS_RESPONSE_MAX));
    TRY(aws_client_call(client, &answer.bytes, operation, credentials, body->at, body->left));
    buffer_consume(out, out->length);
    result r = decrypting
                   ? parse_answer(out, &answer.bytes, key_id, "CiphertextForRecipient", AWS_KMS_ENVELOPE_MAX)
                   : parse_answer(out, &answer.bytes, key_id, "CiphertextBlob", AWS_KMS_CIPHERTEXT_MAX);
    return aws_error_in_answer(r, operation);
}

result aws_kms_decrypt(struct aws_client *client, struct buffer *envelope,
                       const struct aws_credentials *credentials, const struct aws_kms_decrypt *request)
{
    TRY(aws_kms_check_key_id(request->key_id));
    ENSURE(request->ciphertext_len > 0 && request->ciphertext_len <= AWS_KMS_CIPHERTEXT_MAX, E_INPUT,
           "ciphertext: must have from 1 to %d bytes", AWS_KMS_CIPHERTEXT_MAX);
    AUTO(buffer) body = {0};
    TRY(buffer_append_text(&body, "{\"CiphertextBlob\":\""));
    TRY(base64_append(&body, request->ciphertext, request->ciphertext_len));
    TRY(buffer_printf(&body,
                      "\",\"KeyId\":\"%s\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",\"Recipient\":"
                      "{\"KeyEncryptionAlgorithm\":\"RSAES_OAEP_SHA_256\",\"AttestationDocument\":\"",
                      request->key_id));
    TRY(base64_append(&body, request->document, request->document_len));
    TRY(buffer_append_text(&body, "\"}}"));
    const struct cursor whole = {body.data, body.length};
    return call(client, envelope, DECRYPT, credentials, &whole, request->key_id);
}

/* The request, with the plaintext in it. */
static must_check result make_encrypt(struct secret *ret_body, const char *key_id,
                                      const struct secret *plaintext)
{
    TRY(aws_kms_check_key_id(key_id));
    ENSURE(plaintext->length > 0 && plaintext->length <= AWS_KMS_PLAINTEXT_MAX, E_TOO_LARGE,
           "plaintext: must have from 1 to %d bytes", AWS_KMS_PLAINTEXT_MAX);
    AUTO(secret) body = {0};
    size_t capacity = BASE64_LENGTH(plaintext->length) + strlen(key_id) + ENCRYPT_OVERHEAD;
    TRY(secret_new(&body, capacity));
    int head = snprintf((char *)body.data, capacity, "{\"KeyId\":\"%s\",\"Plaintext\":\"", key_id);
    ENSURE(head > 0, E_INTERNAL, "bad format");
    size_t length = (size_t)head;
    base64_encode((char *)body.data + length, plaintext->data, plaintext->length);
    length += BASE64_LENGTH(plaintext->length);
    memcpy(body.data + length, "\"}", 2);
    secret_truncate(&body, length + 2);
    *ret_body = body;
    body = (struct secret){0};
    return RESULT_OK;
}

result aws_kms_encrypt(struct aws_client *client, struct buffer *ciphertext,
                       const struct aws_credentials *credentials, const char *key_id,
                       const struct secret *plaintext)
{
    AUTO(secret) body = {0};
    TRY(make_encrypt(&body, key_id, plaintext));
    const struct cursor whole = {body.data, body.length};
    return call(client, ciphertext, ENCRYPT, credentials, &whole, key_id);
}

/* What the calls of aws_kms_encrypt_many hold. */
struct encrypts {
    struct aws_call calls[AWS_KMS_ENCRYPT_MAX];
    struct secret bodies[AWS_KMS_ENCRYPT_MAX];
    struct buffer answers[AWS_KMS_ENCRYPT_MAX];
};

static void encrypts_cleanup(struct encrypts *e)
{
    for (size_t i = 0; i < AWS_KMS_ENCRYPT_MAX; i++) {
        secret_cleanup(&e->bodies[i]);
        buffer_cleanup(&e->answers[i]);
    }
}

static must_check result take_ciphertext(struct aws_kms_encrypt *encrypt, const struct aws_call *made,
                                         const char *key_id)
{
    encrypt->outcome = made->outcome;
    memcpy(encrypt->text, made->text, sizeof encrypt->text);
    if (encrypt->outcome.code)
        return error_set((enum error_code)encrypt->outcome.code, "%s: %s", made->target, made->text);
    buffer_consume(&encrypt->ciphertext, encrypt->ciphertext.length);
    result r =
        parse_answer(&encrypt->ciphertext, made->answer, key_id, "CiphertextBlob", AWS_KMS_CIPHERTEXT_MAX);
    r = aws_error_in_answer(r, made->target);
    encrypt->outcome = r;
    (void)snprintf(encrypt->text, sizeof encrypt->text, "%s", r.code ? error_text() : "");
    return r;
}

result aws_kms_encrypt_many(struct aws_client *client, struct aws_kms_encrypt *encrypts, size_t num_encrypts,
                            const struct aws_credentials *credentials, const char *key_id,
                            uint64_t deadline_ns)
{
    AUTO(encrypts) e = {0};
    ENSURE(num_encrypts <= AWS_KMS_ENCRYPT_MAX, E_INTERNAL, "more than %d plaintexts at once",
           AWS_KMS_ENCRYPT_MAX);
    for (size_t i = 0; i < num_encrypts; i++) {
        TRY(make_encrypt(&e.bodies[i], key_id, encrypts[i].plaintext));
        e.calls[i] = (struct aws_call){
            .target = ENCRYPT, .body = {e.bodies[i].data, e.bodies[i].length}, .answer = &e.answers[i]};
    }
    /* Each call has its outcome, and its sentence is made below. */
    result called = aws_client_call_many(client, e.calls, num_encrypts, credentials, deadline_ns);
    (void)called;
    result first = RESULT_OK;
    for (size_t i = 0; i < num_encrypts; i++) {
        result r = take_ciphertext(&encrypts[i], &e.calls[i], key_id);
        first = first.code ? first : r;
    }
    return first;
}
