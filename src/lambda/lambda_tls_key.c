/* lambda_tls_key.c - the signer's TLS key: made, shown encrypted, and, where KMS lets us, decrypted.
 *
 * KMS makes the key pair, so that its randomness is the one that the account's auditors know; the plaintext
 * of the private key is here for as long as a certificate and a PKCS#12 file take. The file is encrypted
 * without an encryption context, because the enclave asks KMS without one, as the system we replace does. */
#include <openssl/ec.h>
#include <openssl/objects.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <string.h>

#include "aws/aws_dynamodb_item.h"
#include "aws/aws_kms_plain.h"
#include "base/base64.h"
#include "base/log.h"
#include "lambda_operations.h"
#include "tls_item/tls_item.h"

enum { PASSWORD_RANDOM_LEN = 24, PEM_MAX = 65536 };

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)

static const struct aws_dynamodb_attribute row_key = {"key_id", "N", "1"};

void lambda_tls_row_cleanup(struct lambda_tls_row *row)
{
    buffer_cleanup(&row->ciphertext_b64);
    buffer_cleanup(&row->pem);
}

static must_check result decode(struct buffer *out, const char *text, size_t text_len, size_t max,
                                const char *name)
{
    size_t length = 0;
    ENSURE(text_len > 0 && BASE64_DECODED_MAX(text_len) <= max + 2, E_INPUT,
           "%s: must have from 1 to %zu bytes", name, max);
    TRY(buffer_reserve(out, BASE64_DECODED_MAX(text_len) + 1));
    result r = base64_decode(out->data, &length, max, text, text_len);
    if (r.code)
        return error_prefix(r, "%s", name);
    out->length = length;
    out->data[length] = 0;
    return RESULT_OK;
}

static must_check result parse_row(struct lambda_tls_row *row, const struct json_view *item)
{
    const char *ciphertext = NULL, *pem = NULL;
    size_t ciphertext_len = 0, pem_len = 0;
    TRY(aws_dynamodb_item_text(&ciphertext, &ciphertext_len, item, "encrypted_tls_key_b64"));
    TRY(aws_dynamodb_item_text(&pem, &pem_len, item, "cert_pem"));
    TRY(buffer_append(&row->ciphertext_b64, ciphertext, ciphertext_len));
    TRY(decode(&row->pem, pem, pem_len, PEM_MAX, "cert_pem"));
    return tls_item_certificate_check(&row->pem);
}

result lambda_tls_row_get(struct lambda_tls_row *ret_row, const struct lambda_call *call)
{
    AUTO_POINTER(aws_client) client = NULL;
    AUTO_POINTER(json_t) root = NULL;
    AUTO(lambda_tls_row) row = {0};
    struct json_view item;
    const struct lambda_environment *e = call->environment;
    TRY(lambda_dynamodb_open(&client, call));
    result r = aws_dynamodb_item_get(client, &root, &e->credentials, e->table, &row_key);
    if (r.code == E_NOT_FOUND)
        return error_prefix(r, "TLS_KEYS_TABLE_NAME");
    TRY(r);
    TRY(json_view_root(&item, root));
    r = parse_row(&row, &item);
    if (r.code)
        return error_prefix(r, "item of the TLS table");
    *ret_row = row;
    row = (struct lambda_tls_row){0};
    return RESULT_OK;
}

/* KMS's private key must be a P-256 key, and the one of its public key. */
static must_check result read_pair(EVP_PKEY **ret_key, const struct aws_kms_key_pair *pair)
{
    const unsigned char *at = pair->private_key.data;
    AUTO_POINTER(PKCS8_PRIV_KEY_INFO)
    info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long)pair->private_key.length);
    ENSURE(info && at == pair->private_key.data + pair->private_key.length, E_PEER,
           "PrivateKeyPlaintext: must be a PKCS#8 private key");
    AUTO_POINTER(EVP_PKEY) key = EVP_PKCS82PKEY(info);
    char group[32] = "";
    bool is_p256 = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
                   EVP_PKEY_get_group_name(key, group, sizeof group, NULL) == 1 &&
                   OBJ_txt2nid(group) == NID_X9_62_prime256v1;
    ENSURE(is_p256, E_PEER, "PrivateKeyPlaintext: must be a P-256 key");
    unsigned char *spki = NULL;
    int length = i2d_PUBKEY(key, &spki);
    bool same = length > 0 && (size_t)length == pair->public_key.length &&
                memcmp(spki, pair->public_key.data, (size_t)length) == 0;
    OPENSSL_free(spki);
    ENSURE(same, E_PEER, "PublicKey: is not that of PrivateKeyPlaintext");
    *ret_key = TAKE(key);
    return RESULT_OK;
}

static must_check result make_password(struct secret *ret_password)
{
    AUTO(secret) bytes = {0};
    TRY(secret_new(&bytes, PASSWORD_RANDOM_LEN));
    ENSURE(RAND_priv_bytes(bytes.data, (int)bytes.length) == 1, E_CRYPTO, "no randomness");
    return base64_secret(ret_password, bytes.data, bytes.length);
}

static must_check result make_item(struct tls_item *ret_item, struct aws_client *kms,
                                   const struct lambda_environment *e)
{
    AUTO(aws_kms_key_pair) pair = {0};
    AUTO(secret) password = {0};
    AUTO_POINTER(EVP_PKEY) key = NULL;
    TRY(aws_kms_plain_key_pair(kms, &pair, &e->credentials, e->key_arn));
    result r = read_pair(&key, &pair);
    if (r.code)
        return error_prefix(r, "GenerateDataKeyPair: answer");
    TRY(make_password(&password));
    return tls_item_make(ret_item, key, e->signer_name, &password);
}

static must_check result put_row(const struct lambda_call *call, const struct buffer *ciphertext,
                                 const struct buffer *pem)
{
    AUTO_POINTER(aws_client) client = NULL;
    AUTO(buffer) ciphertext_b64 = {0};
    AUTO(buffer) pem_b64 = {0};
    const struct lambda_environment *e = call->environment;
    TRY(base64_append(&ciphertext_b64, ciphertext->data, ciphertext->length));
    TRY(base64_append(&pem_b64, pem->data, pem->length));
    const struct aws_dynamodb_attribute row[] = {
        row_key,
        {"encrypted_tls_key_b64", "S", (const char *)ciphertext_b64.data},
        {"cert_pem", "S", (const char *)pem_b64.data},
    };
    TRY(lambda_dynamodb_open(&client, call));
    return aws_dynamodb_item_put(client, &e->credentials, e->table, row, ARRAY_LENGTH(row), true);
}

result lambda_tls_key_set(struct buffer *answer, const struct lambda_call *call)
{
    AUTO_POINTER(aws_client) kms = NULL;
    AUTO(tls_item) item = {0};
    AUTO(buffer) ciphertext = {0};
    const struct lambda_environment *e = call->environment;
    TRY(lambda_kms_open(&kms, call));
    TRY(make_item(&item, kms, e));
    TRY(aws_kms_encrypt(kms, &ciphertext, &e->credentials, e->key_arn, &item.plaintext));
    TRY(put_row(call, &ciphertext, &item.pem));
    log_info("a new TLS key and certificate for %s are in the table", e->signer_name);
    return buffer_append_text(answer, "{\"ResponseMetadata\":{\"HTTPStatusCode\":200}}");
}

result lambda_tls_key_get(struct buffer *answer, const struct lambda_call *call)
{
    AUTO(lambda_tls_row) row = {0};
    TRY(lambda_tls_row_get(&row, call));
    return json_append_quoted(answer, (const char *)row.ciphertext_b64.data);
}

result lambda_tls_key_decrypt(struct buffer *answer, const struct lambda_call *call)
{
    AUTO(lambda_tls_row) row = {0};
    AUTO(buffer) ciphertext = {0};
    AUTO(secret) plaintext = {0};
    AUTO_POINTER(aws_client) kms = NULL;
    const struct lambda_environment *e = call->environment;
    TRY(lambda_tls_row_get(&row, call));
    TRY(decode(&ciphertext, (const char *)row.ciphertext_b64.data, row.ciphertext_b64.length,
               AWS_KMS_CIPHERTEXT_MAX, "item of the TLS table: encrypted_tls_key_b64"));
    TRY(lambda_kms_open(&kms, call));
    result r = aws_kms_plain_decrypt(kms, &plaintext, &e->credentials, e->key_arn, &ciphertext);
    if (r.code == E_DENIED)
        return error_prefix(r, "only the attested enclave may decrypt, unless this is a dev stack");
    TRY(r);
    TRY(tls_item_check(&plaintext, &row.pem));
    return buffer_append_text(answer, "null");
}
