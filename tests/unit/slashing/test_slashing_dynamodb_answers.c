/* test_slashing_dynamodb_answers.c - the DynamoDB store above a service that says what it should not. */
#include "scripted_dynamodb.h"

/* ---- answers are wrong ---- */

static void names_are_checked(void **state)
{
    (void)state;
    static char long_name[300];
    memset(long_name, 'a', sizeof long_name - 1);
    static const struct {
        const char *table, *region, *account, *named;
    } cases[] = {
        {"ab", "eu", NULL, "table"},
        {long_name, "eu", NULL, "table"},
        {"a/b", "eu", NULL, "table"},
        {TABLE, "", NULL, "region"},
        {TABLE, long_name, NULL, "region"},
        {TABLE, "eu west", NULL, "region"},
        {TABLE, "eu", "12345678901", "account"},
        {TABLE, "eu", "12345678901x", "account"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct slashing_store *store = NULL;
        const struct slashing_dynamodb_config config = {
            .table = cases[i].table, .region = cases[i].region, .account = cases[i].account};
        assert_fails(E_INPUT, slashing_dynamodb_open(&store, &config));
        assert_error_names(cases[i].named);
        assert_null(store);
    }
}

static void answers_to_a_table_are_checked(void **state)
{
    (void)state;
#define KEY_OF(schema, types)                                                                                \
    "{\"Table\":{\"KeySchema\":[" schema "],\"AttributeDefinitions\":[" types                                \
    "],\"TableStatus\":\"UPDATING\"}}"
#define PK "{\"AttributeName\":\"pk\"}"
    static const struct {
        struct answer created, described;
        int code;
        const char *named;
    } cases[] = {
        {{.status = 400, .error = "ResourceInUseException"}, {.text = DESCRIPTION}, E_NONE, ""},
        {{.status = 200},
         {.text = KEY_OF(PK, "{\"AttributeName\":\"pk\",\"AttributeType\":\"S\"}")},
         E_NONE,
         ""},
        {{.status = 400, .error = "Denied", .code = E_DENIED}, {.text = "{}"}, E_DENIED, TABLE},
        {{.status = 200}, {.status = 400, .code = E_DENIED}, E_DENIED, TABLE},
        {{.status = 200}, {.text = KEY_OF(PK "," PK, "")}, E_MISMATCH, "key"},
        {{.status = 200}, {.text = KEY_OF("{\"AttributeName\":\"sk\"}", "")}, E_MISMATCH, "key"},
        {{.status = 200},
         {.text = KEY_OF(PK, "{\"AttributeName\":\"pk\",\"AttributeType\":\"N\"}")},
         E_MISMATCH,
         "key"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct answer both[] = {cases[i].created, cases[i].described};
        both[0].operation = "CreateTable";
        both[1].operation = "DescribeTable";
        struct slashing_store *store = open_store(NULL);
        bool created = false;
        serve(both, 2);
        assert_fails(cases[i].code, slashing_dynamodb_create_table(store, &created));
        if (cases[i].code)
            assert_error_names(cases[i].named);
        slashing_store_close(store);
    }
}

/* A new table may be unknown for a while, and then not ready for a while. */
static void a_table_is_waited_for(void **state)
{
    (void)state;
    const struct answer slow[] = {
        {.operation = "CreateTable"},
        {.operation = "DescribeTable", .status = 400, .code = E_NOT_FOUND},
        {.operation = "DescribeTable",
         .text =
             "{\"Table\":{\"KeySchema\":[" PK "],\"AttributeDefinitions\":[],\"TableStatus\":\"CREATING\"}}"},
        {.operation = "DescribeTable", .text = DESCRIPTION},
    };
    struct slashing_store *store = open_store(NULL);
    bool created = false;
    serve(slow, ARRAY_LENGTH(slow));
    assert_ok(slashing_dynamodb_create_table(store, &created));
    assert_true(created);
    slashing_store_close(store);
}

#define REASONS(codes) "{\"CancellationReasons\":[" codes "]}"

static void answers_to_a_head_are_checked(void **state)
{
    (void)state;
    static const char other[] = "ffffffffffffffffffffffffffffffff";
    AUTO(buffer) of_other = {0};
    const char *at = strstr((const char *)get_head.data, "TOKEN");
    assert_ok(buffer_printf(&of_other, "%.*s%s%s", (int)(at - (const char *)get_head.data),
                            (const char *)get_head.data, other, at + 5));
    const struct {
        struct answer written, read;
        int code;
    } cases[] = {
        {{.status = 200}, {.text = NULL}, E_NONE},
        {{.status = 400, .error = "Denied", .code = E_DENIED}, {.text = NULL}, E_STORE},
        {{.status = 400, .error = "Odd", .code = E_MISMATCH}, {.text = NULL}, E_STORE},
        {{.status = 400, .error = "Odd", .code = E_INTERNAL}, {.text = NULL}, E_INTERNAL},
        {{.status = 400,
          .error = "TransactionCanceledException",
          .text = REASONS("{\"Code\":\"None\"},{\"Code\":\"TransactionConflict\"}")},
         {.text = NULL},
         E_STORE},
        {{.status = 400,
          .error = "TransactionCanceledException",
          .text = REASONS("{\"Code\":\"ValidationError\"}")},
         {.text = NULL},
         E_STORE},
        /* Refused, but it was an attempt of ours before that the head is of. */
        {{.status = 400,
          .error = "TransactionCanceledException",
          .text = REASONS("{\"Code\":\"ConditionalCheckFailed\"},{\"Code\":\"None\"}")},
         {.text = (const char *)get_head.data},
         E_NONE},
        {{.status = 400,
          .error = "TransactionCanceledException",
          .text = REASONS("{\"Code\":\"ConditionalCheckFailed\"}")},
         {.text = (const char *)of_other.data},
         E_MISMATCH},
        {{.status = 400,
          .error = "TransactionCanceledException",
          .text = REASONS("{\"Code\":\"ConditionalCheckFailed\"}")},
         {.text = "{}"},
         E_MISMATCH},
        {{.status = 400,
          .error = "TransactionCanceledException",
          .text = REASONS("{\"Code\":\"ConditionalCheckFailed\"}")},
         {.status = 500},
         E_STORE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct answer both[] = {cases[i].written, cases[i].read};
        both[0].operation = "TransactWriteItems";
        both[1].operation = "GetItem";
        struct slashing_store *store = open_store(NULL);
        struct slashing_head none = {.store_id = {1}}; /* not a beginning: its id is there */
        serve(both, 2);
        assert_fails(cases[i].code, slashing_store_set_head(store, &none, &head, NULL, 0));
        slashing_store_close(store);
    }
}

static void answers_to_a_load_are_checked(void **state)
{
    (void)state;
    struct slashing_store *store = open_store(NULL);
    struct slashing_entry loaded[2];
    char pk[DYNAMODB_KEY_LEN + 1];
    slashing_dynamodb_key(pk, keys[0]);
    AUTO(buffer) foreign = {0};
    AUTO(buffer) repeated = {0};
    AUTO(buffer) left_over = {0};
    AUTO(buffer) found_and_left = {0};
    assert_ok(buffer_printf(&foreign, "{\"Responses\":{\"" TABLE "\":[%s]}}", (const char *)items[2].data));
    assert_ok(buffer_printf(&repeated, "{\"Responses\":{\"" TABLE "\":[%s,%s]}}", (const char *)items[0].data,
                            (const char *)items[0].data));
    assert_ok(buffer_printf(
        &left_over,
        "{\"Responses\":{},\"UnprocessedKeys\":{\"" TABLE "\":{\"Keys\":[{\"pk\":{\"S\":\"%s\"}}]}}}", pk));
    assert_ok(buffer_printf(&found_and_left,
                            "{\"Responses\":{\"" TABLE "\":[%s]},\"UnprocessedKeys\":{\"" TABLE
                            "\":{\"Keys\":[{\"pk\":{\"S\":\"%s\"}}]}}}",
                            (const char *)items[1].data, pk));
    const struct {
        const char *text, *named;
    } cases[] = {
        {(const char *)foreign.data, "not asked for"},
        {(const char *)repeated.data, "not asked for"},
        {(const char *)left_over.data, "left unprocessed"},
        {"{\"Responses\":{}}", "enrolled"},
        {"{\"Responses\":{},\"UnprocessedKeys\":{\"" TABLE "\":{\"Keys\":[]}}}", "UnprocessedKeys"},
        {"{\"Responses\":{\"" TABLE "\":[{\"pk\":{\"S\":\"store\"}}]}}", "hex"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        serve(&(struct answer){.operation = "BatchGetItem", .text = cases[i].text}, 1);
        assert_fails(E_STORE, slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2));
        assert_error_names(cases[i].named);
    }
    /* The rest comes when it is asked for again; what was found by then may not come twice. */
    AUTO(buffer) first = {0};
    assert_ok(buffer_printf(&first, "{\"Responses\":{\"" TABLE "\":[%s]}}", (const char *)items[0].data));
    const struct answer rest[] = {{.operation = "BatchGetItem", .text = (const char *)found_and_left.data},
                                  {.operation = "BatchGetItem", .text = (const char *)first.data}};
    serve(rest, 2);
    assert_ok(slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2));
    assert_true(loaded[0].stamp.mac[0] == 1 && loaded[1].stamp.mac[0] == 2);
    const struct answer twice[] = {{.operation = "BatchGetItem", .text = (const char *)found_and_left.data},
                                   {.operation = "BatchGetItem", .text = (const char *)two_items.data}};
    serve(twice, 2);
    assert_fails(E_STORE, slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2));
    assert_error_names("not asked for");
    slashing_store_close(store);
}

static void answers_to_a_scan_are_checked(void **state)
{
    (void)state;
    struct slashing_store *store = open_store(NULL);
    static const char *const bad[] = {
        "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"0x12\"}}}",
        "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":"
        "\"\\\"0000000000000000000000000000000000000000000000000000000000"
        "000000000000000000000000000000000000000\"}}}",
        "{\"Items\":[{\"pk\":{\"S\":\"0X00\"}}]}",
    };
    size_t num = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        serve(&(struct answer){.operation = "Scan", .text = bad[i]}, 1);
        assert_fails(E_STORE, slashing_store_scan(store, count, &num));
    }
    /* A page may be empty, and end with the head. */
    const struct answer pages[] = {
        {.operation = "Scan", .text = "{\"Items\":[],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"store\"}}}"},
        {.operation = "Scan", .text = "{\"Items\":[]}"}};
    serve(pages, 2);
    assert_ok(slashing_store_scan(store, count, &num));
    assert_int_equal(num, 0);
    slashing_store_close(store);
}

/* poll, which only pauses here, is wrapped: a minute is over at once. */
int __wrap_poll(void *polls, unsigned long num_polls, int timeout_ms);
int __wrap_poll(void *polls, unsigned long num_polls, int timeout_ms)
{
    (void)polls;
    (void)num_polls;
    (void)timeout_ms;
    return 0;
}

static void a_table_is_not_waited_for_for_ever(void **state)
{
    (void)state;
    const struct answer never[] = {{.operation = "CreateTable"},
                                   {.operation = "DescribeTable", .status = 400, .code = E_NOT_FOUND}};
    struct slashing_store *store = open_store(NULL);
    bool created = false;
    serve(never, 2);
    assert_fails(E_TIMEOUT, slashing_dynamodb_create_table(store, &created));
    assert_false(created);
    slashing_store_close(store);
}

static void a_store_needs_credentials_and_to_be_one(void **state)
{
    (void)state;
    static struct slashing_dynamodb other;
    struct slashing_store *store = NULL;
    struct slashing_head found;
    const struct slashing_dynamodb_config config = {
        .region = "eu-west-1", .table = TABLE, .endpoint = "https://dynamodb.example"};
    struct aws_credentials credentials = {.access_key_id = ""};
    assert_ok(slashing_dynamodb_open(&store, &config));
    assert_fails(E_STORE, slashing_store_head(store, &found));
    assert_error_names("no AWS credentials yet");
    assert_fails(E_INTERNAL, slashing_dynamodb_set_credentials(&other.base, &credentials));
    slashing_store_close(store);
}

static result advance_each(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct slashing_advance advance = {
        .old_stamp = entry->stamp, .next = block_record(1, 1), .next_stamp.mac = {77}};
    memcpy(advance.pubkey, pubkey, 48);
    TRY(slashing_store_advance(context, &advance, 1));
    ENSURE(advance.done, E_INTERNAL, "not advanced");
    return RESULT_OK;
}

static result advance_all(void *context)
{
    return slashing_store_scan(context, advance_each, context);
}

/* More than are applied at once, over three pages. */
static void long_transactions_are_applied_in_pieces(void **state)
{
    (void)state;
    enum { VALIDATORS = 2510, PER_PAGE = 1000 };
    struct buffer pages[3] = {{0}, {0}, {0}};
    char pk[DYNAMODB_KEY_LEN + 1];
    for (int i = 0; i < VALIDATORS; i++) {
        uint8_t pubkey[48] = {(uint8_t)(i >> 8), (uint8_t)i};
        struct buffer *page = &pages[i / PER_PAGE];
        assert_ok(buffer_append_text(page, page->length ? "," : "{\"Items\":["));
        assert_ok(slashing_dynamodb_entry_append(page, pubkey, &entries[0]));
        slashing_dynamodb_key(pk, pubkey);
        if (i % PER_PAGE == PER_PAGE - 1)
            assert_ok(buffer_printf(page, "],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"%s\"}}}", pk));
    }
    assert_ok(buffer_append_text(&pages[2], "]}"));
    const struct answer all[] = {
        {.operation = "Scan", .text = (const char *)pages[0].data},
        {.operation = "Scan", .text = (const char *)pages[1].data},
        {.operation = "Scan", .text = (const char *)pages[2].data},
        {.operation = "BatchExecuteStatement",
         .times = 100,
         .text =
             "{\"Responses\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}"},
        {.operation = "BatchExecuteStatement", .text = "{\"Responses\":[{},{},{},{},{},{},{},{},{},{}]}"}};
    struct slashing_store *store = open_store(NULL);
    serve(all, ARRAY_LENGTH(all));
    assert_ok(slashing_store_transaction(store, advance_all, store));
    slashing_store_close(store);
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++)
        buffer_cleanup(&pages[i]);
}

static void answers_to_an_advance_are_checked(void **state)
{
    (void)state;
    AUTO(buffer) of_another = {0};
    assert_ok(buffer_printf(
        &of_another, "{\"Responses\":[{},{\"Error\":{\"Code\":\"ConditionalCheckFailed\",\"Item\":%s}}]}",
        (const char *)items[2].data));
    const struct {
        const char *text, *named;
    } cases[] = {
        {NULL, "Denied"},
        {"{\"Responses\":[{}]}", "missing"},
        {"{\"Responses\":[{},{},{}]}", "too many"},
        {(const char *)of_another.data, "another key"},
        {"{\"Responses\":[{},{\"Error\":{\"Code\":\"AccessDenied 1\"}}]}", "AccessDenied"},
        {"{\"Responses\":[{},{\"Error\":{\"Code\":\"Abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\"}}]"
         "}",
         "Abcdefghijklmnopqrstuvwxyzabcdefghijklm"},
        {"{\"Responses\":[{\"Error\":{\"Code\":\"ThrottlingError\"}},{\"Error\":{\"Code\":\"Denied\"}}]}",
         "Denied"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct slashing_advance advances[2];
        struct slashing_store *store = open_store(NULL);
        prepare_advances(advances);
        serve(&(struct answer){.operation = "BatchExecuteStatement",
                               .text = cases[i].text,
                               .status = cases[i].text ? 200 : 400,
                               .error = "Denied"},
              1);
        assert_fails(E_STORE, slashing_store_advance(store, advances, 2));
        assert_error_names(cases[i].named);
        slashing_store_close(store);
    }
    /* One that is throttled, first of the two or second, is sent again, without the other. */
    for (int turn = 0; turn < 2; turn++) {
        struct slashing_advance advances[2];
        struct slashing_store *store = open_store(NULL);
        const struct answer throttled[] = {
            {.operation = "BatchExecuteStatement",
             .text = turn ? "{\"Responses\":[{},{\"Error\":{\"Code\":\"InternalServerError\"}}]}"
                          : "{\"Responses\":[{\"Error\":{\"Code\":\"ThrottlingError\"}},{}]}"},
            {.operation = "BatchExecuteStatement", .text = "{\"Responses\":[{}]}"}};
        prepare_advances(advances);
        serve(throttled, 2);
        assert_ok(slashing_store_advance(store, advances, 2));
        assert_true(advances[0].done && advances[1].done);
        assert_ok(slashing_store_advance(store, advances, 0));
        memcpy(advances[1].pubkey, advances[0].pubkey, 48);
        assert_fails(E_INPUT, slashing_store_advance(store, advances, 2));
        slashing_store_close(store);
    }
}

static void the_table_of_the_account_is_verified(void **state)
{
    (void)state;
#define OF(arn, id) "{\"Table\":{\"TableArn\":\"" arn "\"" id "}}"
#define RIGHT "arn:aws:dynamodb:eu-west-1:" ACCOUNT ":table/" TABLE
    static const struct {
        struct answer described;
        int code;
    } cases[] = {
        {{.text = OF(RIGHT, "")}, E_NONE},
        {{.text = OF(RIGHT "\\u0000x", "")}, E_STORE},
        {{.text = OF("arn:aws:dynamodb:eu-west-1:210987654321:table/" TABLE, "")}, E_STORE},
        {{.text =
              OF(RIGHT,
                 ",\"TableId\":\"0123456789012345678901234567890123456789012345678901234567890123456789\"")},
         E_STORE},
        {{.status = 400, .code = E_NOT_FOUND}, E_NOT_FOUND},
        {{.status = 400, .code = E_INTERNAL}, E_INTERNAL},
        {{.status = 400, .code = E_MISMATCH}, E_STORE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct slashing_head found;
        struct slashing_store *store = open_store(ACCOUNT);
        struct answer both[] = {cases[i].described,
                                {.operation = "GetItem", .text = (const char *)get_head.data}};
        both[0].operation = "DescribeTable";
        memset(token, 'a', DYNAMODB_TOKEN_LEN);
        serve(both, 2);
        assert_fails(cases[i].code, slashing_store_head(store, &found));
        slashing_store_close(store);
    }
}

static result enrol_within(void *context)
{
    struct slashing_head found;
    const struct slashing_enrolment enrolment = {.entry = entries[0]};
    TRY(slashing_store_head(context, &found));
    return slashing_store_set_head(context, &found, &found, &enrolment, 1);
}

static result set_head_twice(void *context)
{
    struct slashing_head found, next;
    TRY(slashing_store_head(context, &found));
    next = found;
    TRY(slashing_store_set_head(context, &found, &next, NULL, 0)); /* changes nothing */
    TRY(slashing_store_set_head(context, &found, &next, NULL, 0));
    next.mac[0]++;
    return slashing_store_set_head(context, &next, &found, NULL, 0);
}

static result load_unknown(void *context)
{
    struct slashing_entry loaded;
    return slashing_store_load_many(context, &loaded, (const uint8_t(*)[48])keys[2], 1);
}

static result begin_another(void *context)
{
    return slashing_store_transaction(context, load_unknown, context);
}

static result advance_unknown(void *context)
{
    struct slashing_advance advance = {.done = false};
    memcpy(advance.pubkey, keys[2], 48);
    return slashing_store_advance(context, &advance, 1);
}

static result visit_no_more(void *context, const uint8_t pubkey[static 48],
                            const struct slashing_entry *entry)
{
    (void)context;
    (void)pubkey;
    (void)entry;
    FAIL(E_DENIED, "the visitor has seen enough");
}

static result scan_and_stop(void *context)
{
    return slashing_store_scan(context, visit_no_more, NULL);
}

/* What is there already is done; nothing is written for it. */
static result advance_to_the_same(void *context)
{
    struct slashing_advance advance = {
        .next = entries[0].record, .next_stamp = entries[0].stamp, .old_stamp.mac = {99}};
    memcpy(advance.pubkey, keys[0], 48);
    TRY(slashing_store_advance(context, &advance, 1));
    ENSURE(advance.done && !advance.conflict, E_INTERNAL, "it is there");
    return RESULT_OK;
}

static result advance_one(void *context)
{
    struct slashing_advance advances[2];
    prepare_advances(advances);
    return slashing_store_advance(context, advances, 1);
}

static void transactions_have_their_limits(void **state)
{
    (void)state;
    const struct {
        result (*work)(void *context);
        int code;
        const char *named;
    } cases[] = {{enrol_within, E_UNSUPPORTED, "not enrolled within"},
                 {set_head_twice, E_MISMATCH, "another by now"},
                 {load_unknown, E_STORE, "never enrolled"},
                 {advance_unknown, E_STORE, "never enrolled"},
                 {advance_one, E_STORE, "by another signer meanwhile"},
                 {scan_and_stop, E_DENIED, "seen enough"},
                 {advance_to_the_same, E_NONE, ""},
                 {begin_another, E_INTERNAL, "within a transaction"}};
    AUTO(buffer) changed = {0};
    assert_ok(buffer_printf(&changed,
                            "{\"Responses\":[{\"Error\":{\"Code\":\"ConditionalCheckFailed\",\"Item\":%s}}]}",
                            (const char *)items[0].data));
    const struct answer rivals[] = {
        {.operation = "DescribeTable", .text = DESCRIPTION},
        {.operation = "Scan", .text = (const char *)first_page.data},
        {.operation = "Scan", .text = (const char *)last_page.data},
        {.operation = "BatchExecuteStatement", .text = (const char *)changed.data}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct slashing_store *store = open_store(ACCOUNT);
        serve_all();
        if (cases[i].work == advance_one)
            serve(rivals, ARRAY_LENGTH(rivals));
        assert_fails(cases[i].code, slashing_store_transaction(store, cases[i].work, store));
        assert_error_names(cases[i].named);
        const struct answer empty[] = {{.operation = "DescribeTable", .text = DESCRIPTION},
                                       {.operation = "Scan", .text = "{\"Items\":[]}"}};
        serve(empty, 2);
        assert_fails(E_STORE, slashing_store_transaction(store, load_unknown, store));
        slashing_store_close(store);
    }
}

int main(void)
{
    write_answers();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(answers_to_a_table_are_checked),
        cmocka_unit_test(a_table_is_waited_for),
        cmocka_unit_test(answers_to_a_head_are_checked),
        cmocka_unit_test(answers_to_a_load_are_checked),
        cmocka_unit_test(answers_to_a_scan_are_checked),
        cmocka_unit_test(a_table_is_not_waited_for_for_ever),
        cmocka_unit_test(a_store_needs_credentials_and_to_be_one),
        cmocka_unit_test(long_transactions_are_applied_in_pieces),
        cmocka_unit_test(answers_to_an_advance_are_checked),
        cmocka_unit_test(the_table_of_the_account_is_verified),
        cmocka_unit_test(transactions_have_their_limits),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    release_answers();
    return status;
}
