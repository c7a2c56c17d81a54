/* test_aws_calls.c - many calls against a scripted HTTPS server. (At once, and with a network that fails:
 * tests/integration/test_store_dynamodb.py.) */
#include "testing.h"

#include <signal.h>
#include <stdatomic.h>

#include "aws/aws_client.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "scripted_server.h"

#define HOST "dynamodb.us-east-1.amazonaws.com"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define BAD_HEAD "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
#define BUSY                                                                                                 \
    BAD_HEAD "{\"__type\":\"com.amazonaws.dynamodb.v20120810#ThrottlingException\",\"message\":\"later\"}"
#define CONDITION BAD_HEAD "{\"__type\":\"x#ConditionalCheckFailedException\",\"message\":\"no\"}"

static struct scripted_server server;
static struct buffer ca_pem;
static struct aws_credentials credentials;

enum { CALLS = 3 };

struct made {
    struct aws_call calls[CALLS];
    struct buffer answers[CALLS];
};

static void made_cleanup(struct made *made)
{
    for (size_t i = 0; i < CALLS; i++)
        buffer_cleanup(&made->answers[i]);
}

static void prepare(struct made *made)
{
    for (size_t i = 0; i < CALLS; i++)
        made->calls[i] = (struct aws_call){
            .target = "T.Call", .body = {(const uint8_t *)"{}", 2}, .answer = &made->answers[i]};
}

static result make(struct made *made, unsigned attempts, uint64_t deadline_ns)
{
    struct aws_client *client = NULL;
    const struct aws_client_config config = {.endpoint = "https://" HOST,
                                             .region = "us-east-1",
                                             .service = "dynamodb",
                                             .via = &server.address,
                                             .ca_pem = &ca_pem,
                                             .connect_timeout_ms = 5000,
                                             .attempt_timeout_ms = 5000,
                                             .attempts = attempts,
                                             .response_max = 4096,
                                             .content_type = "application/x-amz-json-1.0"};
    assert_ok(aws_client_open(&client, &config));
    result r = aws_client_call_many(client, made->calls, CALLS, &credentials, deadline_ns);
    aws_client_close(client);
    return r;
}

static uint64_t in_seconds(uint64_t seconds)
{
    return clock_monotonic_ns() + seconds * 1000000000u;
}

static void each_call_has_its_own_outcome(void **state)
{
    (void)state;
    static const struct scripted_answer script[] = {
        {.bytes = OK_HEAD "one"}, {.bytes = CONDITION}, {.bytes = OK_HEAD "three"}};
    AUTO(made) made = {.calls = {{.target = NULL}}};
    prepare(&made);
    scripted_server_begin(&server, script, ARRAY_LENGTH(script));
    assert_fails(E_MISMATCH, make(&made, 3, 0));
    scripted_server_end(&server);
    assert_error_names("T.Call: ConditionalCheckFailedException: no");
    assert_non_null(strstr((const char *)server.request.data, "application/x-amz-json-1.0"));
    assert_int_equal(made.calls[0].outcome.code, E_NONE);
    assert_int_equal(made.calls[1].outcome.code, E_MISMATCH);
    assert_int_equal(made.calls[1].status, 400);
    assert_string_equal(made.calls[1].error.type, "ConditionalCheckFailedException");
    assert_int_equal(made.calls[2].outcome.code, E_NONE);
    assert_string_equal((const char *)made.answers[0].data, "one");
    assert_string_equal((const char *)made.answers[2].data, "three");
}

static void what_is_busy_is_asked_again(void **state)
{
    (void)state;
    /* One connection: a call that pauses lets others go first, so only their number is certain. */
    static const struct scripted_answer script[] = {
        {.bytes = BUSY},
        {.bytes = BUSY},
        {.bytes = "HTTP/1.1 503 Busy\r\nConnection: close\r\n\r\n"},
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf"},
        {.bytes = OK_HEAD "one"},
        {.bytes = OK_HEAD "one"},
        {.bytes = OK_HEAD "one"}};
    AUTO(made) made = {.calls = {{.target = NULL}}};
    prepare(&made);
    scripted_server_begin(&server, script, ARRAY_LENGTH(script));
    assert_ok(make(&made, 0, in_seconds(20)));
    scripted_server_end(&server);
    for (size_t i = 0; i < CALLS; i++)
        assert_string_equal((const char *)made.answers[i].data, "one");
}

static void attempts_come_to_an_end(void **state)
{
    (void)state;
    static const struct scripted_answer script[] = {{.bytes = BUSY}, {.bytes = BUSY}, {.bytes = BUSY},
                                                    {.bytes = BUSY}, {.bytes = BUSY}, {.bytes = BUSY}};
    AUTO(made) made = {.calls = {{.target = NULL}}};
    prepare(&made);
    scripted_server_begin(&server, script, ARRAY_LENGTH(script));
    assert_fails(E_PEER, make(&made, 2, 0));
    scripted_server_end(&server);
    assert_error_names("ThrottlingException");
}

static void nothing_begins_after_the_deadline(void **state)
{
    (void)state;
    AUTO(made) made = {.calls = {{.target = NULL}}};
    prepare(&made);
    assert_fails(E_TIMEOUT, make(&made, 0, clock_monotonic_ns()));
    for (size_t i = 0; i < CALLS; i++) {
        assert_int_equal(made.calls[i].outcome.code, E_TIMEOUT);
        assert_int_equal(made.calls[i].status, 0);
    }
    assert_fails(E_INTERNAL, make(&made, 0, 0)); /* it might never end */
}

/* Asks for two more attempts, each with a body of its own, and fails in the end where the context says so. */
static result answered(struct aws_call *call, bool *ret_again)
{
    int *times = call->context;
    ++*times;
    if (*times == 1)
        assert_int_equal(call->status, 400);
    *ret_again = *times < 3;
    call->body = (struct cursor){(const uint8_t *)"{\"a\":1}", 7};
    ENSURE(*times == 3, E_STORE, "not yet");
    return RESULT_OK;
}

static void a_hook_may_ask_for_more(void **state)
{
    (void)state;
    static const struct scripted_answer script[] = {
        {.bytes = CONDITION}, {.bytes = OK_HEAD "a"}, {.bytes = OK_HEAD "b"}};
    int times = 0;
    AUTO(buffer) answer = {0};
    struct aws_call call = {.target = "T.Call",
                            .body = {(const uint8_t *)"{}", 2},
                            .answer = &answer,
                            .answered = answered,
                            .context = &times};
    struct aws_client *client = NULL;
    const struct aws_client_config config = {.endpoint = "https://" HOST,
                                             .region = "us-east-1",
                                             .service = "dynamodb",
                                             .via = &server.address,
                                             .ca_pem = &ca_pem,
                                             .connect_timeout_ms = 5000,
                                             .attempt_timeout_ms = 5000,
                                             .response_max = 4096,
                                             .connections = 4};
    scripted_server_begin(&server, script, ARRAY_LENGTH(script));
    assert_ok(aws_client_open(&client, &config));
    assert_ok(aws_client_call_many(client, &call, 1, &credentials, in_seconds(20)));
    aws_client_close(client);
    scripted_server_end(&server);
    assert_int_equal(times, 3);
    assert_non_null(strstr((const char *)server.request.data, "{\"a\":1}"));
    assert_string_equal((const char *)answer.data, "b");
}

static result stops(struct aws_call *call, bool *ret_again)
{
    *ret_again = false;
    atomic_store((atomic_bool *)call->context, true);
    return RESULT_OK;
}

/* One is answered while the others are under way. */
static void what_ends_all_of_them_is_told(void **state)
{
    (void)state;
    static const struct scripted_answer script[] = {{.bytes = OK_HEAD "one"}};
    atomic_bool stop = false;
    AUTO(made) made = {.calls = {{.target = NULL}}};
    struct aws_client *client = NULL;
    const struct aws_client_config config = {.endpoint = "https://" HOST,
                                             .region = "us-east-1",
                                             .service = "dynamodb",
                                             .via = &server.address,
                                             .ca_pem = &ca_pem,
                                             .connect_timeout_ms = 5000,
                                             .attempt_timeout_ms = 5000,
                                             .response_max = 4096,
                                             .stop = &stop,
                                             .connections = CALLS};
    prepare(&made);
    for (size_t i = 0; i < CALLS; i++) {
        made.calls[i].answered = stops;
        made.calls[i].context = &stop;
    }
    scripted_server_begin(&server, script, ARRAY_LENGTH(script));
    assert_ok(aws_client_open(&client, &config));
    assert_fails(E_TIMEOUT, aws_client_call_many(client, made.calls, CALLS, &credentials, in_seconds(20)));
    assert_error_names("given up");
    aws_client_close(client);
    scripted_server_end(&server);
}

static int group_setup(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    if (secret_heap_open(1 << 16).code || aws_library_open().code)
        return -1;
    scripted_server_open(&server, HOST);
    return aws_credentials_new(&credentials, "AKIDEXAMPLE", "wJalrXUtnFEMI", "").code ||
                   file_read(&ca_pem, server.ca_path, 1 << 20).code
               ? -1
               : 0;
}

static int group_teardown(void **state)
{
    (void)state;
    aws_credentials_cleanup(&credentials);
    buffer_cleanup(&ca_pem);
    scripted_server_close(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_has_its_own_outcome), cmocka_unit_test(what_is_busy_is_asked_again),
        cmocka_unit_test(attempts_come_to_an_end),       cmocka_unit_test(nothing_begins_after_the_deadline),
        cmocka_unit_test(a_hook_may_ask_for_more),       cmocka_unit_test(what_ends_all_of_them_is_told),
    };
    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
