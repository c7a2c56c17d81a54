/* torture_aws.c - KMS is asked for an envelope and DynamoDB for an item, over TLS, of a server in a thread of
 * its own whose calls do not fail. Whatever fails, what comes is right or nothing, and no whole request has
 * gone out that is not signed. */
#include "unit/testing.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "aws/aws_dynamodb_item.h"
#include "aws/aws_kms.h"
#include "torture.h"
#include "unit/aws/scripted_server.h"

#define HOST "kms.us-east-1.amazonaws.com"
#define KEY "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define ENVELOPE                                                                                             \
    OK_HEAD "{\"CiphertextForRecipient\":\"ZW52ZWxvcGU=\",\"KeyId\":\"" KEY "\",\"Plaintext\":null,"         \
            "\"EncryptionAlgorithm\":\"SYMMETRIC_DEFAULT\"}"
#define ITEM OK_HEAD "{\"Item\":{\"name\":{\"S\":\"text\"}}}"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static void prepare(void)
{
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    torture_must(aws_library_open());
}

/* The signature again, from what really arrived; of a request that is cut off nothing is said. */
static void check_signed(const struct buffer *request)
{
    static const struct scripted_signer signer = {HOST, "us-east-1", "kms", "AKIDEXAMPLE", SECRET, "TOKEN"};
    const char *text = request->data ? (const char *)request->data : "", *body = strstr(text, "\r\n\r\n");
    char length[16];
    scripted_header(length, sizeof length, text, "Content-Length");
    if (!body || strlen(body + 4) < strtoul(length, NULL, 10))
        return;
    torture_require(!scripted_check_signature(text, &signer).code, "a request is not signed: %.80s", text);
}

static result decrypt(struct aws_client *client, const struct aws_credentials *credentials)
{
    AUTO(buffer) envelope = {0};
    const uint8_t document[300] = {1};
    const struct aws_kms_decrypt request = {.key_id = KEY,
                                            .ciphertext = (const uint8_t *)"blob",
                                            .ciphertext_len = 4,
                                            .document = document,
                                            .document_len = sizeof document};
    result r = aws_kms_decrypt(client, &envelope, credentials, &request);
    torture_require(r.code || (envelope.length == 8 && memcmp(envelope.data, "envelope", 8) == 0),
                    "another envelope");
    torture_require(!r.code || envelope.length == 0, "a refusal left an envelope");
    return r;
}

static result get(struct aws_client *client, const struct aws_credentials *credentials)
{
    AUTO_POINTER(json_t) item = NULL;
    const struct aws_dynamodb_attribute key = {"key_id", "N", "1"};
    struct json_view view;
    const char *text;
    size_t text_len;
    result r = aws_dynamodb_item_get(client, &item, credentials, "table", &key);
    torture_require(!r.code == (item != NULL), "a refusal left an item");
    TRY(r);
    TRY(json_view_root(&view, item));
    TRY(aws_dynamodb_item_text(&text, &text_len, &view, "name"));
    torture_require(strcmp(text, "text") == 0, "another item");
    return RESULT_OK;
}

static result ask(const struct aws_client_config *config,
                  result (*call)(struct aws_client *client, const struct aws_credentials *credentials))
{
    AUTO(aws_credentials) credentials = {0};
    struct aws_client *client = NULL;
    TRY(aws_credentials_new(&credentials, "AKIDEXAMPLE", SECRET, "TOKEN"));
    TRY(aws_client_open(&client, config));
    result r = call(client, &credentials);
    aws_client_close(client);
    return r;
}

/* With a server of its own for one call, or as many as are made. */
static result exchange(const char *answer,
                       result (*call)(struct aws_client *client, const struct aws_credentials *credentials))
{
    struct scripted_server server;
    const struct scripted_answer script = {.bytes = answer};
    AUTO(buffer) ca_pem = {0};
    int waker = -1;
    torture_pause();
    scripted_server_open(&server, HOST);
    torture_must(aws_authorities_read(&ca_pem, server.ca_path));
    scripted_server_begin(&server, &script, 1);
    const struct aws_client_config config = {.endpoint = "https://" HOST,
                                             .region = "us-east-1",
                                             .service = "kms",
                                             .via = &server.address,
                                             .ca_pem = &ca_pem,
                                             .connect_timeout_ms = 30000,
                                             .attempt_timeout_ms = 30000,
                                             .attempts = 1,
                                             .response_max = AWS_KMS_RESPONSE_MAX};
    torture_go_on();
    result r = ask(&config, call);
    torture_pause();
    /* It may wait for who never came. */
    if (!net_connect(&waker, &server.address, 10000).code)
        (void)close(waker);
    scripted_server_end(&server);
    check_signed(&server.request);
    scripted_server_close(&server);
    torture_go_on();
    return r;
}

static void act(const char *folder)
{
    (void)folder;
    torture_begin();
    torture_outcome(exchange(ENVELOPE, decrypt));
    torture_outcome(exchange(ITEM, get));
    torture_lift();
    torture_recovered(exchange(ENVELOPE, decrypt));
    torture_recovered(exchange(ITEM, get));
    torture_end();
}

int main(void)
{
    const struct torture_scenario scenario = {
        .name = NS_TORTURE_NAME,
        .spared = "SSL_read" /* libcurl frees twice what it cannot keep of a session */,
        .prepare = prepare,
        .act = act,
        .one_place_in = 200};
    return torture_main(&scenario);
}
