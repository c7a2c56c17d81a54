/* test_aws_kms.c - the client against a scripted HTTPS server: good answers, every refusal, hostile answers.
 */
#include "testing.h"

#include <curl/curl.h>
#include <signal.h>
#include <stdarg.h>
#include <unistd.h>

#include "aws/aws_error.h"
#include "aws/aws_kms.h"
#include "base/base64.h"
#include "scripted_server.h"

#define HOST "kms.us-east-1.amazonaws.com"
#define KEY "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define OTHER_KEY "arn:aws:kms:us-east-1:111122223333:key/ffffffff-12ab-34cd-56ef-1234567890ab"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define BAD_HEAD "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
#define GOOD_ANSWER                                                                                          \
    OK_HEAD "{\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\",\"KeyId\":\"" KEY "\",\"Plaintext\":null,"         \
            "\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\",\"Unknown\":{\"a\":[1]}}"

static struct scripted_server server;
static struct buffer ca_pem;

static struct aws_client_config config(void)
{
    return (struct aws_client_config){.endpoint = "https://" HOST,
                                      .region = "us-east-1",
                                      .service = "kms",
                                      .via = &server.address,
                                      .ca_pem = &ca_pem,
                                      .connect_timeout_ms = 5000,
                                      .attempt_timeout_ms = 5000,
                                      .attempts = 3,
                                      .response_max = AWS_KMS_RESPONSE_MAX};
}

static result decrypt_with(const struct aws_client_config *settings, struct buffer *envelope)
{
    struct aws_client *client = NULL;
    AUTO(aws_credentials) credentials = {0};
    assert_ok(aws_credentials_new(&credentials, "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                                  "TOKEN=="));
    result r = aws_client_open(&client, settings);
    if (r.code)
        return r;
    const uint8_t document[300] = {1};
    const struct aws_kms_decrypt request = {.key_id = KEY,
                                            .ciphertext = (const uint8_t *)"blob",
                                            .ciphertext_len = 4,
                                            .document = document,
                                            .document_len = sizeof document};
    r = aws_kms_decrypt(client, envelope, &credentials, &request);
    aws_client_close(client);
    return r;
}

/* One answer, or several, to one Decrypt. */
static result decrypt(struct buffer *envelope, const struct scripted_answer *script, size_t num_answers)
{
    struct aws_client_config settings = config();
    scripted_server_begin(&server, script, num_answers);
    result r = decrypt_with(&settings, envelope);
    scripted_server_end(&server);
    assert_int_equal(server.answered, num_answers);
    return r;
}

static result decrypt_one(struct buffer *envelope, const char *answer)
{
    const struct scripted_answer script = {.bytes = answer};
    return decrypt(envelope, &script, 1);
}

static void a_good_answer_and_the_request_that_asked(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    assert_ok(decrypt_one(&envelope, GOOD_ANSWER));
    assert_int_equal(envelope.length, 8);
    assert_memory_equal(envelope.data, "envelope", 8);

    const char *request = (const char *)server.request.data;
    assert_ptr_equal(strstr(request, "POST / HTTP/1.1\r\n"), request);
    assert_null(strstr(request, "Expect"));
    static const struct scripted_signer signer = {
        HOST, "us-east-1", "kms", "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "TOKEN=="};
    char target[64], type[64];
    scripted_header(target, sizeof target, request, "X-Amz-Target");
    scripted_header(type, sizeof type, request, "Content-Type");
    assert_string_equal(target, "TrentService.Decrypt");
    assert_string_equal(type, "application/x-amz-json-1.1");
    assert_ok(scripted_check_signature(request, &signer));
    const char *body = strstr(request, "\r\n\r\n") + 4;
    assert_non_null(strstr(body, "\"CiphertextBlob\":\"YmxvYg==\""));
    assert_non_null(strstr(body, "\"KeyId\":\"" KEY "\""));
    assert_non_null(strstr(body, "\"KeyEncryptionAlgorithm\":\"RSAES_OAEP_SHA_256\""));
}

/* An option that libcurl was built without; 0: none. */
static CURLoption left_out;

CURLcode __real_curl_easy_setopt(CURL *curl, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
    va_list values;
    va_start(values, option);
    void *value = va_arg(values, void *); /* as wide as any other kind */
    va_end(values);
    CURLcode code = __real_curl_easy_setopt(curl, option, value); /* this libcurl has proxies to switch off */
    return option == left_out ? CURLE_UNKNOWN_OPTION : code;
}

/* As in the enclave's image. */
static void a_libcurl_that_knows_no_proxies_will_do(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    struct aws_client_config settings = config();
    left_out = CURLOPT_PROXY;
    result r = decrypt_one(&envelope, GOOD_ANSWER);
    left_out = CURLOPT_CAINFO_BLOB;
    result other = decrypt_with(&settings, &envelope);
    left_out = 0;
    assert_ok(r);
    assert_int_equal(envelope.length, 8);
    assert_int_equal(other.code, E_INTERNAL);
}

static void hostile_answers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        const char *names;
    } cases[] = {
        /* what moto answers: it has never heard of Recipient */
        {OK_HEAD "{\"KeyId\":\"" KEY
                 "\",\"Plaintext\":\"c2VjcmV0\",\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}",
         "Plaintext"},
        {OK_HEAD "{\"KeyId\":\"" KEY
                 "\",\"Plaintext\":\"c2VjcmV0\",\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\"}",
         "Plaintext"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\",\"Plaintext\":7,\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\"}",
         "Plaintext"},
        {OK_HEAD "{\"KeyId\":\"" OTHER_KEY "\",\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\"}", "KeyId"},
        {OK_HEAD "{\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\"}", "KeyId"},
        {OK_HEAD "{\"KeyId\":[],\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\"}", "KeyId"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\"}", "CiphertextForRecipient"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\",\"CiphertextForRecipient\":null}", "CiphertextForRecipient"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\",\"CiphertextForRecipient\":\"\"}", "CiphertextForRecipient"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\",\"CiphertextForRecipient\":\"ZW52ZWxvcGU\"}",
         "CiphertextForRecipient"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\",\"KeyId\":\"" KEY "\",\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\"}",
         "twice"},
        {OK_HEAD "{\"KeyId\":\"" KEY "\",\"CiphertextForRecip", "JSON"},
        {OK_HEAD "<html>it works</html>", "JSON"},
        {OK_HEAD, "JSON"},
        {OK_HEAD "[]", "object"},
        {OK_HEAD "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}",
         "nested"},
        {"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n", "204"},
        {"HTTP/1.1 301 Moved\r\nLocation: https://example.com/\r\nContent-Length: 0\r\nConnection: "
         "close\r\n\r\n",
         "301"},
        {"SSH-2.0-OpenSSH_9.2\r\n", ""},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(buffer) envelope = {0};
        result r = decrypt_one(&envelope, cases[i].answer);
        if (r.code != E_PEER || !strstr(error_text(), cases[i].names))
            fail_msg("case %zu: %s (%s)", i, error_text(), error_name(r.code));
        assert_int_equal(envelope.length, 0);
        assert_null(strstr(error_text(), "c2VjcmV0"));
    }
}

static void a_huge_answer_is_cut_off(void **state)
{
    (void)state;
    enum { HUGE_LEN = 4 * AWS_KMS_RESPONSE_MAX };
    char *huge = malloc(HUGE_LEN);
    assert_non_null(huge);
    memset(huge, 'a', HUGE_LEN);
    memcpy(huge, OK_HEAD, strlen(OK_HEAD));
    const struct scripted_answer script = {.bytes = huge, .bytes_len = HUGE_LEN};
    AUTO(buffer) envelope = {0};
    assert_fails(E_TOO_LARGE, decrypt(&envelope, &script, 1));
    free(huge);

    char text[BASE64_LENGTH(AWS_KMS_ENVELOPE_MAX + 1) + 1], answer[16384];
    uint8_t bytes[AWS_KMS_ENVELOPE_MAX + 1] = {0};
    base64_encode(text, bytes, sizeof bytes);
    (void)snprintf(answer, sizeof answer, "%s{\"KeyId\":\"%s\",\"CiphertextForRecipient\":\"%s\"}", OK_HEAD,
                   KEY, text);
    assert_fails(E_PEER, decrypt_one(&envelope, answer));
    assert_error_names("CiphertextForRecipient");
}

static void a_lost_or_broken_connection_is_tried_again(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    const struct scripted_answer script[] = {
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\nConnection: close\r\n\r\n{\"KeyId\""},
        {.bytes = "HTTP/1.1 503 Slow Down\r\nConnection: close\r\n\r\n"},
        {.bytes = GOOD_ANSWER},
    };
    assert_ok(decrypt(&envelope, script, 3));
    assert_memory_equal(envelope.data, "envelope", 8);
}

static void throttling_is_tried_again_but_not_for_ever(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    const struct scripted_answer throttled = {.bytes = BAD_HEAD
                                              "{\"__type\":\"ThrottlingException\",\"message\":\"slow\"}"};
    const struct scripted_answer internal = {
        .bytes = "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n{\"__type\":\"KMSInternalException\"}"};
    const struct scripted_answer bare = {.bytes = "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\noops"};
    const struct scripted_answer good = {.bytes = GOOD_ANSWER};
    assert_ok(decrypt(&envelope, (struct scripted_answer[]){throttled, internal, good}, 3));
    assert_fails(E_PEER, decrypt(&envelope, (struct scripted_answer[]){throttled, bare, throttled}, 3));
    assert_error_names("ThrottlingException: slow");
    assert_fails(E_PEER, decrypt(&envelope, (struct scripted_answer[]){bare, bare, bare}, 3));
    assert_error_names("HTTP status 500");
}

static void refusals_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        enum error_code code;
        const char *names;
    } cases[] = {
        {"{\"__type\":\"AccessDeniedException\",\"Message\":\"not authorized\"}", E_DENIED, "not authorized"},
        {"{\"__type\":\"com.amazon.coral.service#AccessDeniedException\"}", E_DENIED,
         "AccessDeniedException"},
        {"{\"__type\":\"ExpiredTokenException\",\"message\":\"expired\"}", E_AUTH, "expired"},
        {"{\"__type\":\"UnrecognizedClientException\"}", E_AUTH, ""},
        {"{\"__type\":\"InvalidSignatureException\"}", E_AUTH, ""},
        {"{\"__type\":\"InvalidCiphertextException\"}", E_INPUT, "InvalidCiphertextException"},
        {"{\"__type\":\"NotFoundException\"}", E_NOT_FOUND, ""},
        {"{\"__type\":\"IncorrectKeyException\"}", E_MISMATCH, ""},
        {"{\"__type\":\"SomethingNew\\r\\nevil\"}", E_PEER, "SomethingNew??evil"},
        {"{\"__type\":{}}", E_PEER, "HTTP status 400"},
        {"not JSON", E_PEER, "HTTP status 400"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        char answer[512];
        AUTO(buffer) envelope = {0};
        (void)snprintf(answer, sizeof answer, "%s%s", BAD_HEAD, cases[i].body);
        result r = decrypt_one(&envelope, answer); /* one answer: none of these is tried again */
        if (r.code != (int)cases[i].code || !strstr(error_text(), cases[i].names))
            fail_msg("%s: %s (%s)", cases[i].body, error_text(), error_name(r.code));
    }
}

static void a_slow_server_is_given_up(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    struct aws_client_config settings = config();
    settings.attempt_timeout_ms = 200;
    const struct scripted_answer script = {.bytes = GOOD_ANSWER, .delay_ms = 600};
    scripted_server_begin(&server, &script, 1);
    assert_fails(E_TIMEOUT, decrypt_with(&settings, &envelope));
    scripted_server_end(&server);
}

static void only_the_endpoint_with_a_trusted_certificate_is_spoken_to(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    const struct scripted_answer good = {.bytes = GOOD_ANSWER};

    struct aws_client_config settings = config();
    settings.endpoint = "https://kms.eu-west-1.amazonaws.com"; /* the certificate is for another name */
    scripted_server_begin(&server, &good, 1);
    assert_fails(E_AUTH, decrypt_with(&settings, &envelope));
    scripted_server_end(&server);
    assert_int_equal(server.request.length, 0);

    settings = config();
    AUTO(buffer) of_system = {0};
    assert_ok(aws_authorities_read(&of_system, NULL));
    settings.ca_pem = &of_system; /* they do not know it */
    scripted_server_begin(&server, &good, 1);
    assert_fails(E_AUTH, decrypt_with(&settings, &envelope));
    scripted_server_end(&server);
    assert_int_equal(server.answered, 0);
}

static void tcp_is_one_way_among_others(void **state)
{
    (void)state;
    int unix_listener = server.listener;
    struct net_address loopback = {.family = NET_TCP, .host = "127.0.0.1"};
    assert_ok(net_listen(&server.listener, &loopback, 4));
    assert_ok(net_local_port(&loopback.port, server.listener));
    struct aws_client_config settings = config();
    settings.via = &loopback;
    AUTO(buffer) envelope = {0};
    const struct scripted_answer good = {.bytes = GOOD_ANSWER};
    scripted_server_begin(&server, &good, 1);
    assert_ok(decrypt_with(&settings, &envelope));
    scripted_server_end(&server);
    (void)close(server.listener);
    server.listener = unix_listener;
}

static void configuration_mistakes_are_named(void **state)
{
    (void)state;
    AUTO(buffer) envelope = {0};
    static const char *const bad[] = {"http://" HOST,
                                      "https://" HOST "/path",
                                      "https://" HOST "/?q",
                                      "ftp://" HOST,
                                      "https://u:p@" HOST,
                                      "https://" HOST ":99999",
                                      "",
                                      "https://",
                                      HOST};
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        struct aws_client_config settings = config();
        settings.endpoint = bad[i];
        if (decrypt_with(&settings, &envelope).code != E_INPUT || !strstr(error_text(), "endpoint"))
            fail_msg("%s: %s", bad[i], error_text());
    }
    struct aws_client_config settings = config();
    assert_fails(E_NOT_FOUND, aws_authorities_read(&envelope, "/nonexistent/ca.pem"));
    assert_error_names("CA file");
    struct net_address nowhere = {.family = NET_UNIX, .host = "/nonexistent/socket"};
    settings.via = &nowhere;
    assert_fails(E_IO, decrypt_with(&settings, &envelope));
    /* Nobody listens there; a kernel without vsock loopback does not even say so. */
    nowhere = (struct net_address){.family = NET_VSOCK, .cid = 1, .port = 0xfffffffe};
    settings.connect_timeout_ms = 300;
    result r = decrypt_with(&settings, &envelope);
    assert_true(r.code == E_IO || r.code == E_TIMEOUT);
    nowhere = (struct net_address){.family = NET_TCP, .host = "127.0.0.1", .port = 1};
    assert_fails(E_IO, decrypt_with(&settings, &envelope));
}

static void encrypt_sends_the_plaintext_and_takes_the_ciphertext(void **state)
{
    (void)state;
    struct aws_client *client = NULL;
    AUTO(aws_credentials) credentials = {0};
    AUTO(secret) plaintext = {0};
    AUTO(secret) too_long = {0};
    AUTO(buffer) ciphertext = {0};
    struct aws_client_config settings = config();
    assert_ok(aws_credentials_new(&credentials, "AKIDEXAMPLE", "s", ""));
    assert_ok(secret_copy(&plaintext, "attack at dawn", 14));
    assert_ok(secret_new(&too_long, AWS_KMS_PLAINTEXT_MAX + 1));
    assert_ok(aws_client_open(&client, &settings));
    const struct scripted_answer script = {.bytes = OK_HEAD "{\"KeyId\":\"" KEY
                                                            "\",\"CiphertextBlob\":\"YmxvYg==\"}"};
    scripted_server_begin(&server, &script, 1);
    assert_ok(aws_kms_encrypt(client, &ciphertext, &credentials, KEY, &plaintext));
    scripted_server_end(&server);
    assert_memory_equal(ciphertext.data, "blob", 5);
    const char *request = (const char *)server.request.data;
    assert_non_null(strstr(request, "X-Amz-Target: TrentService.Encrypt\r\n"));
    assert_string_equal(strstr(request, "\r\n\r\n") + 4,
                        "{\"KeyId\":\"" KEY "\",\"Plaintext\":\"YXR0YWNrIGF0IGRhd24=\"}");
    assert_null(strstr(request, "X-Amz-Security-Token"));
    assert_fails(E_TOO_LARGE, aws_kms_encrypt(client, &ciphertext, &credentials, KEY, &too_long));
    assert_fails(E_INPUT, aws_kms_encrypt(client, &ciphertext, &credentials, "arn\",\"x\":\"", &plaintext));
    aws_client_close(client);
}

static int open_server(void **state)
{
    (void)state;
    scripted_server_open(&server, HOST);
    return aws_authorities_read(&ca_pem, server.ca_path).code;
}

static int close_server(void **state)
{
    (void)state;
    scripted_server_close(&server);
    buffer_cleanup(&ca_pem);
    return 0;
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as process_harden does in programs */
    /* Proxies of the environment must not be used; a proxy that does not exist would break every case. */
    if (setenv("https_proxy", "http://127.0.0.1:1", 1) || setenv("ALL_PROXY", "http://127.0.0.1:1", 1))
        return 1;
    if (secret_heap_open(262144).code || aws_library_open().code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_answer_and_the_request_that_asked),
        cmocka_unit_test(a_libcurl_that_knows_no_proxies_will_do),
        cmocka_unit_test(hostile_answers_are_refused),
        cmocka_unit_test(a_huge_answer_is_cut_off),
        cmocka_unit_test(a_lost_or_broken_connection_is_tried_again),
        cmocka_unit_test(throttling_is_tried_again_but_not_for_ever),
        cmocka_unit_test(refusals_are_told_apart),
        cmocka_unit_test(a_slow_server_is_given_up),
        cmocka_unit_test(only_the_endpoint_with_a_trusted_certificate_is_spoken_to),
        cmocka_unit_test(tcp_is_one_way_among_others),
        cmocka_unit_test(configuration_mistakes_are_named),
        cmocka_unit_test(encrypt_sends_the_plaintext_and_takes_the_ciphertext),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
