/* test_aws_items.c - the calls of those who make keys: GenerateDataKeyPair, Decrypt with a plaintext, and
 * items of a table, against a scripted HTTPS server. */
#include "testing.h"

#include <signal.h>

#include "aws/aws_dynamodb_item.h"
#include "aws/aws_kms_plain.h"
#include "base/base64.h"
#include "base/secret_allocators.h"
#include "scripted_server.h"

#define HOST "kms.us-east-1.amazonaws.com"
#define KEY "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define OTHER_KEY "arn:aws:kms:us-east-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define PAIR_REST ",\"PrivateKeyCiphertextBlob\":\"YmxvYg==\",\"KeyPairSpec\":\"ECC_NIST_P256\"}"

static struct scripted_server server;
static struct buffer ca_pem;
static struct aws_client *client;
static struct aws_credentials credentials;

static const char *sent_body(void)
{
    return strstr((const char *)server.request.data, "\r\n\r\n") + 4;
}

static void begin(struct scripted_answer *script, const char *answer)
{
    *script = (struct scripted_answer){.bytes = answer};
    scripted_server_begin(&server, script, 1);
}

static result key_pair(struct aws_kms_key_pair *ret_pair, const char *answer)
{
    struct scripted_answer script;
    begin(&script, answer);
    result r = aws_kms_plain_key_pair(client, ret_pair, &credentials, KEY);
    scripted_server_end(&server);
    return r;
}

static void a_key_pair_is_taken_whole(void **state)
{
    (void)state;
    AUTO(aws_kms_key_pair) pair = {0};
    assert_ok(key_pair(&pair, OK_HEAD "{\"KeyId\":\"" KEY "\",\"PrivateKeyPlaintext\":\"c2VjcmV0\","
                                      "\"PublicKey\":\"cHVibGlj\"" PAIR_REST));
    assert_int_equal(pair.private_key.length, 6);
    assert_memory_equal(pair.private_key.data, "secret", 6);
    assert_int_equal(pair.public_key.length, 6);
    assert_memory_equal(pair.public_key.data, "public", 6);
    assert_string_equal(sent_body(), "{\"KeyId\":\"" KEY "\",\"KeyPairSpec\":\"ECC_NIST_P256\"}");
    assert_non_null(strstr((const char *)server.request.data, "TrentService.GenerateDataKeyPair\r\n"));
    assert_fails(E_INPUT, aws_kms_plain_key_pair(client, &pair, &credentials, "a\"b"));
}

static void hostile_pairs_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *names;
    } cases[] = {
        {"{\"KeyId\":\"" OTHER_KEY
         "\",\"PrivateKeyPlaintext\":\"c2VjcmV0\",\"PublicKey\":\"cHVibGlj\"" PAIR_REST,
         "KeyId"},
        {"{\"KeyId\":\"" KEY "\",\"PublicKey\":\"cHVibGlj\"" PAIR_REST, "PrivateKeyPlaintext"},
        {"{\"KeyId\":\"" KEY "\",\"PrivateKeyPlaintext\":\"\",\"PublicKey\":\"cHVibGlj\"" PAIR_REST,
         "PrivateKeyPlaintext"},
        {"{\"KeyId\":\"" KEY "\",\"PrivateKeyPlaintext\":\"c2VjcmV0!\",\"PublicKey\":\"cHVibGlj\"" PAIR_REST,
         "PrivateKeyPlaintext"},
        {"{\"KeyId\":\"" KEY "\",\"PrivateKeyPlaintext\":\"c2VjcmV0\"" PAIR_REST, "PublicKey"},
        {"{\"KeyId\":\"" KEY "\",\"PrivateKeyPlaintext\":\"c2VjcmV0\",\"PublicKey\":\"cHVibGlj\","
         "\"KeyPairSpec\":\"ECC_NIST_P384\"}",
         "KeyPairSpec"},
        {"[]", "object"},
        {"", "JSON"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(aws_kms_key_pair) pair = {0};
        char answer[1024];
        (void)snprintf(answer, sizeof answer, "%s%s", OK_HEAD, cases[i].answer);
        result r = key_pair(&pair, answer);
        if (r.code != E_PEER || !strstr(error_text(), cases[i].names) || strstr(error_text(), "c2Vj"))
            fail_msg("case %zu: %s (%s)", i, error_text(), error_name(r.code));
        assert_null(pair.private_key.data);
        assert_null(pair.public_key.data);
    }
}

static result decrypt(struct secret *ret_plaintext, const char *answer)
{
    struct scripted_answer script;
    uint8_t blob[] = "blob";
    const struct buffer ciphertext = {blob, 4, sizeof blob};
    begin(&script, answer);
    result r = aws_kms_plain_decrypt(client, ret_plaintext, &credentials, KEY, &ciphertext);
    scripted_server_end(&server);
    return r;
}

static void a_plaintext_is_decrypted_for_those_who_may(void **state)
{
    (void)state;
    AUTO(secret) plaintext = {0};
    assert_ok(decrypt(&plaintext, OK_HEAD "{\"KeyId\":\"" KEY "\",\"Plaintext\":\"c2VjcmV0\"}"));
    assert_int_equal(plaintext.length, 6);
    assert_memory_equal(plaintext.data, "secret", 7);
    assert_string_equal(sent_body(), "{\"CiphertextBlob\":\"YmxvYg==\",\"KeyId\":\"" KEY
                                     "\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}");
    secret_cleanup(&plaintext);
    assert_fails(E_DENIED, decrypt(&plaintext, "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n"
                                               "{\"__type\":\"AccessDeniedException\",\"message\":\"no\"}"));
    assert_fails(E_PEER, decrypt(&plaintext, OK_HEAD "{\"KeyId\":\"" KEY "\"}"));
    assert_fails(E_PEER,
                 decrypt(&plaintext, OK_HEAD "{\"KeyId\":\"" OTHER_KEY "\",\"Plaintext\":\"c2VjcmV0\"}"));
    assert_null(plaintext.data);
}

static void an_item_is_put_whole(void **state)
{
    (void)state;
    struct scripted_answer script;
    const struct aws_dynamodb_attribute item[] = {{"key_id", "N", "1"}, {"cert_pem", "S", "a\"b"}};
    begin(&script, OK_HEAD "{}");
    assert_ok(aws_dynamodb_item_put(client, &credentials, "tls-keys", item, ARRAY_LENGTH(item), true));
    scripted_server_end(&server);
#define PUT "{\"TableName\":\"tls-keys\",\"Item\":{\"key_id\":{\"N\":\"1\"},\"cert_pem\":{\"S\":\"a\\\"b\"}}"
    assert_string_equal(sent_body(), PUT "}");
    begin(&script, "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n"
                   "{\"__type\":\"x#ConditionalCheckFailedException\",\"message\":\"no\"}");
    assert_fails(E_MISMATCH,
                 aws_dynamodb_item_put(client, &credentials, "tls-keys", item, ARRAY_LENGTH(item), false));
    scripted_server_end(&server);
    assert_string_equal(sent_body(), PUT ",\"ConditionExpression\":\"attribute_not_exists(#k)\","
                                         "\"ExpressionAttributeNames\":{\"#k\":\"key_id\"}}");
    assert_fails(E_INPUT, aws_dynamodb_item_put(client, &credentials, "a\"b", item, 1, true));
    assert_fails(E_INPUT, aws_dynamodb_item_put(client, &credentials, "ab", item, 1, true));
}

static result get(json_t **ret_item, const char *answer)
{
    struct scripted_answer script;
    const struct aws_dynamodb_attribute key = {"key_id", "N", "1"};
    begin(&script, answer);
    result r = aws_dynamodb_item_get(client, ret_item, &credentials, "tls-keys", &key);
    scripted_server_end(&server);
    return r;
}

static void an_item_is_got_and_its_texts_read(void **state)
{
    (void)state;
    AUTO_POINTER(json_t) item = NULL;
    struct json_view view;
    const char *text = NULL;
    size_t length = 0;
    assert_ok(get(&item, OK_HEAD "{\"Item\":{\"cert_pem\":{\"S\":\"YQ==\"},\"key_id\":{\"N\":\"1\"}}}"));
    assert_string_equal(
        sent_body(),
        "{\"TableName\":\"tls-keys\",\"ConsistentRead\":true,\"Key\":{\"key_id\":{\"N\":\"1\"}}}");
    assert_ok(json_view_root(&view, item));
    assert_ok(aws_dynamodb_item_text(&text, &length, &view, "cert_pem"));
    assert_string_equal(text, "YQ==");
    assert_int_equal(length, 4);
    assert_fails(E_INPUT, aws_dynamodb_item_text(&text, &length, &view, "key_id"));
    assert_error_names("key_id");
    assert_fails(E_INPUT, aws_dynamodb_item_text(&text, &length, &view, "missing"));
    assert_error_names("missing");

    AUTO_POINTER(json_t) none = NULL;
    assert_fails(E_NOT_FOUND, get(&none, OK_HEAD "{}"));
    assert_fails(E_PEER, get(&none, OK_HEAD "{\"Item\":[]}"));
    assert_fails(E_PEER, get(&none, OK_HEAD "no JSON"));
    assert_fails(E_NOT_FOUND,
                 get(&none, "HTTP/1.1 400 Bad\r\nConnection: close\r\n\r\n"
                            "{\"__type\":\"x#ResourceNotFoundException\",\"message\":\"no table\"}"));
    assert_null(none);
}

static int open_all(void **state)
{
    (void)state;
    scripted_server_open(&server, HOST);
    struct aws_client_config config = {.endpoint = "https://" HOST,
                                       .region = "us-east-1",
                                       .service = "kms",
                                       .via = &server.address,
                                       .ca_pem = &ca_pem,
                                       .connect_timeout_ms = 5000,
                                       .attempt_timeout_ms = 5000,
                                       .attempts = 2,
                                       .response_max = AWS_KMS_RESPONSE_MAX};
    return aws_authorities_read(&ca_pem, server.ca_path).code ||
           aws_credentials_new(&credentials, "AKIDEXAMPLE", "s", "").code ||
           aws_client_open(&client, &config).code;
}

static int close_all(void **state)
{
    (void)state;
    aws_client_close(client);
    aws_credentials_cleanup(&credentials);
    scripted_server_close(&server);
    buffer_cleanup(&ca_pem);
    return 0;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as process_harden does in programs */
    if (secret_heap_open(262144).code || aws_library_open().code)
        return 1;
    json_set_alloc_funcs(malloc, secret_wiping_free);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_pair_is_taken_whole),
        cmocka_unit_test(hostile_pairs_are_refused),
        cmocka_unit_test(a_plaintext_is_decrypted_for_those_who_may),
        cmocka_unit_test(an_item_is_put_whole),
        cmocka_unit_test(an_item_is_got_and_its_texts_read),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
