/* test_slashing_dynamodb_calls.c - every call that the DynamoDB store makes of other files fails in turn,
 * above a service that goes well. (Networks and services that fail are
 * tests/integration/test_store_dynamodb.py.) */
#include "faults.h"
#include "scripted_dynamodb.h"

/* What fails. */
#include "dynamodb_calls.def"

/* ---- calls fail ---- */

static result in_transaction(void *context)
{
    struct slashing_store *store = context;
    struct slashing_head found, next;
    struct slashing_entry loaded[2];
    struct slashing_advance advances[2];
    size_t num = 0;
    TRY(slashing_store_head(store, &found));
    next = found;
    next.generation++;
    TRY(slashing_store_set_head(store, &found, &next, NULL, 0));
    TRY(slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2));
    prepare_advances(advances);
    TRY(slashing_store_advance(store, advances, 2));
    ENSURE(advances[0].done && advances[1].conflict, E_INTERNAL, "advances within a transaction");
    TRY(slashing_store_scan(store, count, &num));
    ENSURE(num == 2, E_INTERNAL, "%zu validators", num);
    return RESULT_OK;
}

static result work(struct slashing_store *store, bool *ret_done, struct slashing_entry ret_loaded[static 2])
{
    struct slashing_head found, none = {.generation = 0};
    struct slashing_advance advances[2];
    const struct slashing_enrolment enrolment = {.entry = entries[0]};
    size_t num = 0;
    TRY(slashing_store_set_head(store, &none, &head, &enrolment, 1));
    TRY(slashing_store_head(store, &found));
    ENSURE(found.num_validators == 2 && found.sealed_key_len == 4, E_INTERNAL, "the head");
    TRY(slashing_store_set_head(store, &found, &head, NULL, 0));
    TRY(slashing_store_load_many(store, ret_loaded, (const uint8_t(*)[48])keys, 2));
    prepare_advances(advances);
    result r = slashing_store_advance(store, advances, 2);
    *ret_done = advances[0].done;
    TRY(r);
    ENSURE(advances[0].done && advances[1].conflict, E_INTERNAL, "advances");
    TRY(slashing_store_scan(store, count, &num));
    ENSURE(num == 2, E_INTERNAL, "%zu validators", num);
    return slashing_store_transaction(store, in_transaction, store);
}

static void whatever_call_fails_is_a_refusal(void **state)
{
    (void)state;
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_store *store = open_store(ACCOUNT);
        struct slashing_entry loaded[2] = {{.stamp.generation = 77}};
        bool done = false;
        serve_all();
        faults_begin(&f);
        result r = work(store, &done, loaded);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(loaded[0].stamp.generation == 77 || loaded[0].stamp.mac[0] == 1);
        assert_true(r.code || done);
        slashing_store_close(store);
    }
}

static result begin(struct slashing_store **ret_store, bool *ret_created)
{
    const struct slashing_dynamodb_config config = {.region = "eu-west-1", .table = TABLE};
    AUTO(aws_credentials) credentials = {.access_key_id = ""};
    struct slashing_store *store = NULL;
    TRY(aws_credentials_new(&credentials, "AKIDEXAMPLE", "secret", ""));
    TRY(slashing_dynamodb_open(&store, &config));
    result r = slashing_dynamodb_set_credentials(store, &credentials);
    if (!r.code)
        r = slashing_dynamodb_create_table(store, ret_created);
    if (r.code)
        slashing_store_close(store);
    else
        *ret_store = store;
    return r;
}

static void a_table_is_made_or_not(void **state)
{
    (void)state;
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_store *store = NULL;
        bool created = false;
        serve_all();
        faults_begin(&f);
        result r = begin(&store, &created);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(!r.code == created && !r.code == (store != NULL));
        if (store)
            slashing_store_close(store);
    }
}

/* The condition failed and no item was shown: it is asked for. */
static void what_is_not_shown_is_looked_up(void **state)
{
    (void)state;
    AUTO(buffer) found = {0};
    assert_ok(buffer_printf(&found, "{\"Responses\":{\"" TABLE "\":[%s]}}", (const char *)items[0].data));
    const struct answer both[] = {
        {.operation = "BatchExecuteStatement",
         .text = "{\"Responses\":[{\"Error\":{\"Code\":\"ConditionalCheckFailed\"}},{}]}"},
        {.operation = "BatchGetItem", .text = (const char *)found.data}};
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_advance advances[2];
        struct slashing_store *store = open_store(NULL);
        prepare_advances(advances);
        serve(both, 2);
        faults_begin(&f);
        result r = slashing_store_advance(store, advances, 2);
        faults_end(&f);
        assert_fault(&f, r);
        if (!r.code)
            assert_true(advances[0].conflict && advances[1].done && advances[0].found.stamp.mac[0] == 1);
        assert_false(advances[0].done);
        slashing_store_close(store);
    }
}

/* Refused for a condition, which an earlier attempt of the same call may have been the cause of. */
static void a_refusal_is_looked_into_whatever_fails(void **state)
{
    (void)state;
    const struct answer both[] = {
        {.operation = "TransactWriteItems",
         .status = 400,
         .error = "TransactionCanceledException",
         .text = "{\"CancellationReasons\":[{\"Code\":\"ConditionalCheckFailed\"},{\"Code\":\"None\"}]}"},
        {.operation = "GetItem", .text = (const char *)get_head.data}};
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_store *store = open_store(NULL);
        const struct slashing_head none = {.generation = 0};
        serve(both, 2);
        faults_begin(&f);
        result r = slashing_store_set_head(store, &none, &head, NULL, 0);
        faults_end(&f);
        assert_fault(&f, r);
        assert_int_not_equal(r.code, E_MISMATCH);
        slashing_store_close(store);
    }
}

static void what_is_left_over_is_asked_for_again_whatever_fails(void **state)
{
    (void)state;
    char pk[DYNAMODB_KEY_LEN + 1];
    AUTO(buffer) left = {0};
    AUTO(buffer) rest = {0};
    slashing_dynamodb_key(pk, keys[0]);
    assert_ok(buffer_printf(&left,
                            "{\"Responses\":{\"" TABLE "\":[%s]},\"UnprocessedKeys\":{\"" TABLE
                            "\":{\"Keys\":[{\"pk\":{\"S\":\"%s\"}}]}}}",
                            (const char *)items[1].data, pk));
    assert_ok(buffer_printf(&rest, "{\"Responses\":{\"" TABLE "\":[%s]}}", (const char *)items[0].data));
    const struct answer all[] = {{.operation = "BatchGetItem", .text = (const char *)left.data},
                                 {.operation = "BatchGetItem", .text = (const char *)rest.data},
                                 {.operation = "BatchExecuteStatement",
                                  .text = "{\"Responses\":[{},{\"Error\":{\"Code\":\"ThrottlingError\"}}]}"},
                                 {.operation = "BatchExecuteStatement", .text = "{\"Responses\":[{}]}"}};
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_store *store = open_store(NULL);
        struct slashing_entry loaded[2];
        struct slashing_advance advances[2];
        prepare_advances(advances);
        serve(all, ARRAY_LENGTH(all));
        faults_begin(&f);
        result r = slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2);
        if (!r.code)
            r = slashing_store_advance(store, advances, 2);
        faults_end(&f);
        assert_fault(&f, r);
        assert_true(r.code || (advances[0].done && advances[1].done));
        slashing_store_close(store);
    }
}

int main(void)
{
    write_answers();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_call_fails_is_a_refusal),
        cmocka_unit_test(a_table_is_made_or_not),
        cmocka_unit_test(what_is_not_shown_is_looked_up),
        cmocka_unit_test(a_refusal_is_looked_into_whatever_fails),
        cmocka_unit_test(what_is_left_over_is_asked_for_again_whatever_fails),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    release_answers();
    return status;
}
