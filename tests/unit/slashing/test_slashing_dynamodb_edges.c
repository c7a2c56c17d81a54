/* test_slashing_dynamodb_edges.c - the DynamoDB store's own limits and names: whose table it is, whatever the
 * configuration says of time, and batches that are empty, repeated, or there already. */
#include "base/clock.h"
#include "scripted_dynamodb.h"

static struct aws_client_config opened;

result __wrap_aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config);
result __real_aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config);
result __wrap_aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config)
{
    opened = *config;
    return __real_aws_client_open(ret_client, config);
}

static struct slashing_store *open_with(const struct slashing_dynamodb_config *config)
{
    struct slashing_store *store = NULL;
    struct aws_credentials credentials = {.access_key_id = ""};
    assert_ok(aws_credentials_new(&credentials, "AKIDEXAMPLE", "secret", ""));
    assert_ok(slashing_dynamodb_open(&store, config));
    assert_ok(slashing_dynamodb_set_credentials(store, &credentials));
    aws_credentials_cleanup(&credentials);
    return store;
}

/* What is 0 is the default, and only that. */
static void times_and_connections_are_as_configured(void **state)
{
    (void)state;
    static const struct {
        struct slashing_dynamodb_config config;
        int attempt_ms, deadline_ms;
        unsigned connections;
    } rows[] = {{{.region = "eu-west-1", .table = TABLE}, 1250, 4000, 32},
                {{.region = "eu-west-1",
                  .table = TABLE,
                  .endpoint = "https://127.0.0.1:1",
                  .connections = 3,
                  .attempt_timeout_ms = 77,
                  .deadline_ms = 3600000},
                 77,
                 3600000,
                 3}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slashing_head found;
        struct slashing_store *store = open_with(&rows[i].config);
        assert_int_equal(opened.attempt_timeout_ms, rows[i].attempt_ms);
        assert_int_equal(opened.connections, rows[i].connections);
        assert_true(!rows[i].config.endpoint || strcmp(opened.endpoint, rows[i].config.endpoint) == 0);
        serve_all();
        uint64_t before = clock_monotonic_ns();
        assert_ok(slashing_store_head(store, &found));
        uint64_t deadline_ns = (uint64_t)rows[i].deadline_ms * 1000000;
        assert_true(asked_until_ns >= before + deadline_ns);
        assert_true(asked_until_ns <= clock_monotonic_ns() + deadline_ns);
        slashing_store_close(store);
    }
}

#define ARN(text) "{\"Table\":{\"TableArn\":\"" text "\",\"TableId\":\"id-1\"}}"

static void whose_table_it_is_stands_in_its_arn(void **state)
{
    (void)state;
    static const struct {
        const char *described;
        int code;
    } rows[] = {
        {ARN("arn:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE), E_NONE},
        {ARN("arn:aws-cn:dynamodb:cn-north-1:" ACCOUNT ":table/" TABLE), E_NONE},
        {ARN("ARN:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE), E_STORE},
        {ARN(""), E_STORE},
        {ARN("arn:"), E_STORE},
        {ARN("arn::dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE), E_STORE},
        {ARN("arn:aws:dynamo:eu-west-1:" ACCOUNT ":table/" TABLE), E_STORE},
        {ARN("arn:aws:s3:eu-west-1:" ACCOUNT ":table/" TABLE), E_STORE},
        {ARN("arn:aws:dynamodb::" ACCOUNT ":table/" TABLE), E_STORE},
        {ARN("arn:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE "/index/x"), E_STORE},
        {ARN("arn:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE "2"), E_STORE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slashing_head found = {.generation = 77};
        struct slashing_store *store = open_store(ACCOUNT);
        const struct answer both[] = {{.operation = "DescribeTable", .text = rows[i].described},
                                      {.operation = "GetItem", .text = (const char *)get_head.data}};
        serve(both, 2);
        result r = slashing_store_head(store, &found);
        if (r.code != rows[i].code)
            fail_msg("%s: %s", rows[i].described, r.code ? error_text() : "taken");
        assert_true(!r.code || found.generation == 77);
        slashing_store_close(store);
    }
}

/* New credentials are asked about again, and may lead to another table of the name, or the same. */
static void a_table_stays_the_one_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *second;
        int code;
    } rows[] = {
        {DESCRIPTION, E_NONE},
        {"{\"Table\":{\"TableArn\":\"arn:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE
         "\",\"TableId\":\"id-2\"}}",
         E_STORE},
        {"{\"Table\":{\"TableArn\":\"arn:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE "\"}}", E_STORE}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slashing_head found;
        struct slashing_store *store = open_store(ACCOUNT);
        const struct answer all[] = {{.operation = "DescribeTable", .text = DESCRIPTION},
                                     {.operation = "DescribeTable", .text = rows[i].second},
                                     {.operation = "GetItem", .text = (const char *)get_head.data}};
        AUTO(aws_credentials) credentials = {.access_key_id = ""};
        serve(all, ARRAY_LENGTH(all));
        assert_ok(slashing_store_head(store, &found));
        assert_ok(aws_credentials_new(&credentials, "AKIDEXAMPLE", "another", ""));
        assert_ok(slashing_dynamodb_set_credentials(store, &credentials));
        assert_fails(rows[i].code, slashing_store_head(store, &found));
        if (rows[i].code)
            assert_error_names("another table of the same name");
        slashing_store_close(store);
    }
}

static void a_table_without_a_head_was_never_begun(void **state)
{
    (void)state;
    struct slashing_head found = {.generation = 77};
    struct slashing_store *store = open_store(NULL);
    const struct answer empty = {.operation = "GetItem", .text = "{}"};
    serve(&empty, 1);
    assert_fails(E_NOT_FOUND, slashing_store_head(store, &found));
    assert_error_names("was never begun");
    assert_int_equal(found.generation, 77);
    slashing_store_close(store);
}

static void batches_of_none_ask_nothing(void **state)
{
    (void)state;
    struct slashing_store *store = open_store(NULL);
    serve(NULL, 0); /* whatever is asked fails the test */
    assert_ok(slashing_store_load_many(store, NULL, NULL, 0));
    assert_ok(slashing_store_advance(store, NULL, 0));
    slashing_store_close(store);
}

/* BatchGetItem refuses a request that names a key twice. */
static void keys_that_are_asked_for_twice_are_sent_once(void **state)
{
    (void)state;
    uint8_t wanted[4][48];
    struct slashing_entry loaded[4] = {0};
    for (size_t i = 0; i < 4; i++)
        memcpy(wanted[i], keys[i % 2], 48);
    struct slashing_store *store = open_store(NULL);
    const struct answer both = {.operation = "BatchGetItem", .text = (const char *)two_items.data};
    serve(&both, 1);
    assert_ok(slashing_store_load_many(store, loaded, (const uint8_t(*)[48])wanted, 4));
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(loaded[i].stamp.mac[0], i % 2 + 1);
    slashing_store_close(store);
}

static void a_refused_load_is_the_stores_failure(void **state)
{
    (void)state;
    static const struct answer refusals[] = {{.operation = "BatchGetItem", .status = 400, .code = E_DENIED},
                                             {.operation = "BatchGetItem", .status = 500, .code = E_PEER}};
    for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
        struct slashing_entry loaded[2] = {{.stamp.generation = 77}};
        struct slashing_store *store = open_store(NULL);
        serve(&refusals[i], 1);
        assert_fails(E_STORE, slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2));
        assert_int_equal(loaded[0].stamp.generation, 77);
        slashing_store_close(store);
    }
}

/* The condition failed because an earlier attempt of the same write came through. */
static void what_is_there_already_is_done(void **state)
{
    (void)state;
    AUTO(buffer) item = {0};
    AUTO(buffer) answer = {0};
    struct slashing_advance advances[2];
    prepare_advances(advances);
    const struct slashing_entry next = {advances[0].next, advances[0].next_stamp};
    assert_ok(slashing_dynamodb_entry_append(&item, keys[0], &next));
    assert_ok(buffer_printf(&answer,
                            "{\"Responses\":[{\"Error\":{\"Code\":\"ConditionalCheckFailed\",\"Item\":%s}}]}",
                            (const char *)item.data));
    const struct answer one = {.operation = "BatchExecuteStatement", .text = (const char *)answer.data};
    struct slashing_store *store = open_store(NULL);
    serve(&one, 1);
    assert_ok(slashing_store_advance(store, advances, 1));
    assert_true(advances[0].done && !advances[0].conflict);
    slashing_store_close(store);
}

static result only_scan(void *context)
{
    size_t num = 0;
    return slashing_store_scan(context, count, &num);
}

static result keep_the_head(void *context)
{
    struct slashing_head found;
    TRY(slashing_store_head(context, &found));
    return slashing_store_set_head(context, &found, &found, NULL, 0);
}

static result change_the_head(void *context)
{
    struct slashing_head found, next;
    TRY(slashing_store_head(context, &found));
    next = found;
    next.generation++;
    return slashing_store_set_head(context, &found, &next, NULL, 0);
}

static void transactions_write_what_changed(void **state)
{
    (void)state;
    struct slashing_store *store = open_store(NULL);
    const struct answer cut[] = {{.operation = "Scan", .status = 400, .code = E_DENIED}},
                        head_only[] = {{.operation = "GetItem", .text = (const char *)get_head.data}},
                        both[] = {{.operation = "GetItem", .text = (const char *)get_head.data},
                                  {.operation = "TransactWriteItems", .status = 400, .code = E_DENIED}};
    serve(cut, 1);
    assert_fails(E_STORE, slashing_store_transaction(store, only_scan, store));
    serve(head_only, 1); /* a write would fail the test */
    assert_ok(slashing_store_transaction(store, keep_the_head, store));
    serve(both, 2);
    assert_fails(E_STORE, slashing_store_transaction(store, change_the_head, store));
    slashing_store_close(store);
}

int main(void)
{
    write_answers();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_and_connections_are_as_configured),
        cmocka_unit_test(whose_table_it_is_stands_in_its_arn),
        cmocka_unit_test(a_table_stays_the_one_it_was),
        cmocka_unit_test(a_table_without_a_head_was_never_begun),
        cmocka_unit_test(batches_of_none_ask_nothing),
        cmocka_unit_test(keys_that_are_asked_for_twice_are_sent_once),
        cmocka_unit_test(a_refused_load_is_the_stores_failure),
        cmocka_unit_test(what_is_there_already_is_done),
        cmocka_unit_test(transactions_write_what_changed),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    release_answers();
    return status;
}
