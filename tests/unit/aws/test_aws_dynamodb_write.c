/* test_aws_dynamodb_write.c - conditional writes against a scripted HTTPS server: what is asked, and what is
 * made of each answer. What DynamoDB makes of the requests is for tests/integration/test_ctl_keys.py. */
#include "testing.h"

#include <signal.h>

#include "aws/aws_dynamodb_write.h"
#include "base/clock.h"
#include "base/secret_allocators.h"
#include "scripted_server.h"

#define HOST "dynamodb.us-east-1.amazonaws.com"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define BAD_HEAD "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
#define REFUSED BAD_HEAD "{\"__type\":\"x#ConditionalCheckFailedException\",\"message\":\"no\"}"
#define CANCELLED(first, second)                                                                             \
    BAD_HEAD "{\"__type\":\"x#TransactionCanceledException\",\"message\":\"no\",\"CancellationReasons\":["   \
             "{\"Code\":\"" first "\"},{\"Code\":\"" second "\"}]}"
#define READ_ITEM(proof) OK_HEAD "{\"Item\":{\"secret\":{\"S\":\"" proof "\"}}}"

static struct scripted_server server;
static struct buffer ca_pem;
static struct aws_client *client;
static struct aws_credentials credentials;

static const struct aws_dynamodb_attribute item[] = {
    {"stack", "S", "a\"b"}, {"pubkey", "S", "01"}, {"active", "BOOL", "true"}, {"secret", "S", "mine"}};
static const struct aws_dynamodb_attribute old_key[] = {{"stack", "S", "none"}, {"pubkey", "S", "01"}};

static const char *sent_body(void)
{
    return strstr((const char *)server.request.data, "\r\n\r\n") + 4;
}

static result write_all(struct aws_dynamodb_write *write, const char *const *answers, size_t num_answers)
{
    struct scripted_answer script[SCRIPT_MAX] = {{0}};
    for (size_t i = 0; i < num_answers; i++)
        script[i].bytes = answers[i];
    scripted_server_begin(&server, script, num_answers);
    result r = aws_dynamodb_write_all(client, write, 1, "keys", &credentials,
                                      clock_monotonic_ns() + UINT64_C(10000000000));
    scripted_server_end(&server);
    return r;
}

static void put(struct aws_dynamodb_write *write)
{
    assert_ok(aws_dynamodb_write_put(write, "keys", item, ARRAY_LENGTH(item), "secret", NULL));
}

static void an_item_is_put_where_there_is_none(void **state)
{
    (void)state;
    AUTO(aws_dynamodb_write) write = {0};
    static const char *const answers[] = {OK_HEAD "{}"};
    put(&write);
    assert_ok(write_all(&write, answers, 1));
    assert_false(write.refused);
    assert_string_equal(
        sent_body(),
        "{\"TableName\":\"keys\",\"Item\":{\"stack\":{\"S\":\"a\\\"b\"},\"pubkey\":{\"S\":\"01\"},"
        "\"active\":{\"BOOL\":true},\"secret\":{\"S\":\"mine\"}},\"ConditionExpression\":"
        "\"attribute_not_exists(#k)\",\"ExpressionAttributeNames\":{\"#k\":\"stack\"}}");
    assert_fails(E_INTERNAL, aws_dynamodb_write_put(&write, "keys", item, 3, "secret", NULL));
}

static void an_item_takes_the_place_of_what_was_seen(void **state)
{
    (void)state;
    static const struct {
        struct aws_dynamodb_seen seen;
        const char *condition;
    } cases[] = {
        {{"active", true, false},
         ",\"ConditionExpression\":\"attribute_exists(#k) AND #a = :a\","
         "\"ExpressionAttributeNames\":{\"#k\":\"stack\",\"#a\":\"active\"},"
         "\"ExpressionAttributeValues\":{\":a\":{\"BOOL\":false}}}"},
        {{"active", false, false},
         ",\"ConditionExpression\":\"attribute_exists(#k) AND NOT attribute_type(#a, :a)\","
         "\"ExpressionAttributeNames\":{\"#k\":\"stack\",\"#a\":\"active\"},"
         "\"ExpressionAttributeValues\":{\":a\":{\"S\":\"BOOL\"}}}"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(aws_dynamodb_write) write = {0};
        assert_ok(aws_dynamodb_write_put(&write, "keys", item, ARRAY_LENGTH(item), "secret", &cases[i].seen));
        const char *body = (const char *)write.body.data;
        size_t condition_len = strlen(cases[i].condition);
        assert_string_equal(body + strlen(body) - condition_len, cases[i].condition);
    }
}

/* The proof decides; an item without it is somebody else's, and so is none. */
static void a_condition_that_fails_is_looked_into(void **state)
{
    (void)state;
    static const struct {
        const char *read;
        bool refused;
    } cases[] = {{READ_ITEM("mine"), false},
                 {READ_ITEM("theirs"), true},
                 {OK_HEAD "{\"Item\":{}}", true},
                 {OK_HEAD "{}", true}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(aws_dynamodb_write) write = {0};
        const char *const answers[] = {REFUSED, cases[i].read};
        put(&write);
        assert_ok(write_all(&write, answers, 2));
        assert_int_equal(write.refused, cases[i].refused);
        assert_string_equal(
            sent_body(),
            "{\"TableName\":\"keys\",\"ConsistentRead\":true,\"ProjectionExpression\":\"#p\","
            "\"ExpressionAttributeNames\":{\"#p\":\"secret\"},\"Key\":{\"stack\":{\"S\":\"a\\\"b\"},"
            "\"pubkey\":{\"S\":\"01\"}}}");
    }
    AUTO(aws_dynamodb_write) write = {0};
    const char *const nonsense[] = {REFUSED, OK_HEAD "{\"Item\":7}"};
    put(&write);
    assert_fails(E_PEER, write_all(&write, nonsense, 2));
    assert_int_equal(write.outcome.code, E_PEER);
}

static void move(struct aws_dynamodb_write *write)
{
    const struct aws_dynamodb_seen seen = {"active", false, false};
    assert_ok(aws_dynamodb_write_move(write, "keys", item, ARRAY_LENGTH(item), "secret", old_key, &seen));
}

static void a_move_is_one_transaction(void **state)
{
    (void)state;
    AUTO(aws_dynamodb_write) write = {0}, other = {0};
    static const char *const answers[] = {CANCELLED("None", "TransactionConflict"), OK_HEAD "{}"};
    move(&write);
    move(&other);
    /* A token of its own, or the second would be taken for the first again. */
    assert_int_not_equal(strcmp((const char *)write.body.data, (const char *)other.body.data), 0);
    assert_ok(write_all(&write, answers, 2));
    assert_false(write.refused);
    assert_non_null(strstr(
        sent_body(), "\",\"TransactItems\":[{\"Delete\":{\"TableName\":\"keys\",\"Key\":{\"stack\":{\"S\":"
                     "\"none\"},\"pubkey\":{\"S\":\"01\"}},\"ConditionExpression\":"
                     "\"attribute_exists(#k) AND NOT attribute_type(#a, :a)\","));
    assert_non_null(strstr((const char *)server.request.data, "DynamoDB_20120810.TransactWriteItems\r\n"));
}

static void a_move_may_ask_for_a_truth(void **state)
{
    (void)state;
    AUTO(aws_dynamodb_write) write = {0};
    const struct aws_dynamodb_seen seen = {"active", true, false};
    assert_ok(aws_dynamodb_write_move(&write, "keys", item, ARRAY_LENGTH(item), "secret", old_key, &seen));
    assert_non_null(strstr((const char *)write.body.data,
                           ",\"ConditionExpression\":\"attribute_exists(#k) AND #a = :a\","
                           "\"ExpressionAttributeNames\":{\"#k\":\"stack\",\"#a\":\"active\"},"
                           "\"ExpressionAttributeValues\":{\":a\":{\"BOOL\":false}}}},{\"Put\":"));
}

static void a_move_whose_condition_fails_is_looked_into(void **state)
{
    (void)state;
    AUTO(aws_dynamodb_write) mine = {0}, theirs = {0};
    static const char *const done[] = {CANCELLED("ConditionalCheckFailed", "None"), READ_ITEM("mine")};
    static const char *const lost[] = {CANCELLED("None", "ConditionalCheckFailed"), READ_ITEM("theirs")};
    move(&mine);
    assert_ok(write_all(&mine, done, 2));
    assert_false(mine.refused);
    move(&theirs);
    assert_ok(write_all(&theirs, lost, 2));
    assert_true(theirs.refused);
}

static void a_truth_is_set_only_where_there_is_an_item(void **state)
{
    (void)state;
    AUTO(aws_dynamodb_write) write = {0};
    static const char *const answers[] = {REFUSED};
    assert_ok(aws_dynamodb_write_truth(&write, "keys", old_key, "active", false));
    assert_ok(write_all(&write, answers, 1));
    assert_true(write.refused);
    assert_string_equal(
        sent_body(), "{\"TableName\":\"keys\",\"Key\":{\"stack\":{\"S\":\"none\"},\"pubkey\":{\"S\":\"01\"}},"
                     "\"UpdateExpression\":\"SET #a = :a\",\"ConditionExpression\":\"attribute_exists(#k)\","
                     "\"ExpressionAttributeNames\":{\"#a\":\"active\",\"#k\":\"stack\"},"
                     "\"ExpressionAttributeValues\":{\":a\":{\"BOOL\":false}}}");
}

static void a_refusal_that_is_no_condition_fails(void **state)
{
    (void)state;
    AUTO(aws_dynamodb_write) write = {0};
    static const char *const answers[] = {BAD_HEAD
                                          "{\"__type\":\"x#AccessDeniedException\",\"Message\":\"no\"}"};
    put(&write);
    assert_fails(E_DENIED, write_all(&write, answers, 1));
    assert_int_equal(write.outcome.code, E_DENIED);
    assert_non_null(strstr(write.text, "AccessDeniedException"));
}

static int open_all(void **state)
{
    (void)state;
    scripted_server_open(&server, HOST);
    struct aws_client_config config = {.endpoint = "https://" HOST,
                                       .region = "us-east-1",
                                       .service = "dynamodb",
                                       .via = &server.address,
                                       .ca_pem = &ca_pem,
                                       .connect_timeout_ms = 5000,
                                       .attempt_timeout_ms = 5000,
                                       .response_max = AWS_DYNAMODB_ITEM_RESPONSE_MAX,
                                       .content_type = AWS_DYNAMODB_CONTENT_TYPE};
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
        cmocka_unit_test(an_item_is_put_where_there_is_none),
        cmocka_unit_test(an_item_takes_the_place_of_what_was_seen),
        cmocka_unit_test(a_condition_that_fails_is_looked_into),
        cmocka_unit_test(a_move_may_ask_for_a_truth),
        cmocka_unit_test(a_move_is_one_transaction),
        cmocka_unit_test(a_move_whose_condition_fails_is_looked_into),
        cmocka_unit_test(a_truth_is_set_only_where_there_is_an_item),
        cmocka_unit_test(a_refusal_that_is_no_condition_fails),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
