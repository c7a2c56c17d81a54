/* test_slashing_dynamodb_calls.c - the DynamoDB store above a service that answers as it is told to: every
 * call that the store makes of other files fails in turn, and the service says what it should not. (DynamoDB
 * itself, and networks that fail, are tests/integration/test_store_dynamodb.py.) */
#include "store_testing.h"

#include "dynamodb_calls.def"
#include "faults.h"
#include "slashing/slashing_dynamodb_private.h"

#define ACCOUNT "123456789012"
#define TABLE "table"
#define DESCRIPTION                                                                                          \
    "{\"Table\":{\"TableName\":\"" TABLE "\",\"TableArn\":\"arn:aws:dynamodb:eu-west-1:" ACCOUNT             \
    ":table/" TABLE "\","                                                                                    \
    "\"TableId\":\"id-1\",\"TableStatus\":\"ACTIVE\",\"KeySchema\":[{\"AttributeName\":\"pk\",\"KeyType\":"  \
    "\"HASH\"}],"                                                                                            \
    "\"AttributeDefinitions\":[{\"AttributeName\":\"other\",\"AttributeType\":\"N\"},{\"AttributeName\":"    \
    "\"pk\",\"AttributeType\":\"S\"}]}}"

/* ---- the service ---- */

enum { ANSWERS_MAX = 12 };

/* What is answered to operations of that name, in turn; the last one again and again. */
static struct answer {
    const char *operation;
    const char *text;
    long status;       /* 0: 200 */
    const char *error; /* its type */
    enum error_code code;
} answers[ANSWERS_MAX];
static bool is_spent[ANSWERS_MAX];
static char token[DYNAMODB_TOKEN_LEN + 1]; /* that the latest transaction had */

static void serve(const struct answer *with, size_t num)
{
    memset(answers, 0, sizeof answers);
    memset(is_spent, 0, sizeof is_spent);
    memcpy(answers, with, num * sizeof *with);
}

static const struct answer *next_answer(const char *target)
{
    const char *operation = strchr(target, '.') + 1;
    const struct answer *last = NULL;
    for (size_t i = 0; i < ANSWERS_MAX && answers[i].operation; i++) {
        if (strcmp(answers[i].operation, operation) != 0)
            continue;
        last = &answers[i];
        if (!is_spent[i]) {
            is_spent[i] = true;
            break;
        }
    }
    if (!last)
        fail_msg("%s was not expected", operation);
    return last;
}

static void answer(struct buffer *out, const char *text)
{
    const char *at = strstr(text, "TOKEN");
    buffer_consume(out, out->length);
    assert_ok(buffer_append(out, text, at ? (size_t)(at - text) : strlen(text)));
    if (at) {
        assert_ok(buffer_append_text(out, token));
        assert_ok(buffer_append_text(out, at + 5));
    }
}

static result call_once(struct aws_call *call, bool *ret_again)
{
    const struct answer *a = next_answer(call->target);
    const char *sent = memmem(call->body.at, call->body.left, "ClientRequestToken\":\"", 21);
    if (sent)
        memcpy(token, sent + 21, DYNAMODB_TOKEN_LEN);
    struct faults *paused = faults_pause();
    answer(call->answer, a->text ? a->text : "{}");
    faults_go_on(paused);
    call->status = a->status ? a->status : 200;
    call->error = (struct aws_error){.code = a->code ? a->code : E_PEER};
    (void)snprintf(call->error.type, sizeof call->error.type, "%s", a->error ? a->error : "");
    if (!call->answered)
        return call->status == 200 ? RESULT_OK : aws_error_result(&call->error, call->status);
    return call->answered(call, ret_again);
}

result __wrap_aws_client_call_many(struct aws_client *client, struct aws_call *calls, size_t num_calls,
                                   const struct aws_credentials *credentials, uint64_t deadline_ns);
result __wrap_aws_client_call_many(struct aws_client *client, struct aws_call *calls, size_t num_calls,
                                   const struct aws_credentials *credentials, uint64_t deadline_ns)
{
    (void)client;
    (void)deadline_ns;
    result first = RESULT_OK;
    assert_true(credentials->secret_access_key.length > 0);
    if (faults_now("aws_client_call_many"))
        return error_set(E_TIMEOUT, "made to fail");
    for (size_t i = 0; i < num_calls; i++) {
        bool again = true;
        for (int attempt = 0; again && attempt < 3; attempt++) {
            again = false;
            calls[i].outcome = call_once(&calls[i], &again);
        }
        (void)snprintf(calls[i].text, sizeof calls[i].text, "%s", error_text());
        if (!first.code)
            first = calls[i].outcome;
    }
    return first;
}

/* ---- what it holds ---- */

static uint8_t keys[3][48];
static struct slashing_entry entries[3]; /* 0: as it was enrolled; 1: another's; 2: what is wanted */
static struct slashing_head head;
static struct buffer items[3], get_head, two_items, first_page, last_page, held_item;

static void write_answers(void)
{
    AUTO(buffer) head_item = {0};
    for (int i = 0; i < 3; i++) {
        memset(keys[i], i + 1, 48);
        entries[i].stamp.mac[0] = (uint8_t)(i + 1);
        entries[i].stamp.generation = (uint64_t)i;
        assert_ok(slashing_dynamodb_entry_append(&items[i], keys[i], &entries[i]));
    }
    entries[1].record = vote_record(1, 2, 3);
    head = (struct slashing_head){.has_genesis = true,
                                  .has_high_watermark = true,
                                  .num_validators = 2,
                                  .sealed_key_len = 4,
                                  .mac = {9}};
    memset(head.store_id, 7, sizeof head.store_id);
    assert_ok(slashing_dynamodb_head_append(&head_item, &head, "TOKEN"));
    assert_ok(buffer_printf(&get_head, "{\"Item\":%s}", (const char *)head_item.data));
    assert_ok(buffer_printf(&two_items, "{\"Responses\":{\"" TABLE "\":[%s,%s]},\"UnprocessedKeys\":{}}",
                            (const char *)items[1].data, (const char *)items[0].data));
    char pk[DYNAMODB_KEY_LEN + 1];
    slashing_dynamodb_key(pk, keys[0]);
    assert_ok(buffer_printf(&first_page, "{\"Items\":[%s,%s],\"LastEvaluatedKey\":{\"pk\":{\"S\":\"%s\"}}}",
                            (const char *)items[0].data, (const char *)head_item.data, pk));
    assert_ok(buffer_printf(&last_page, "{\"Items\":[%s]}", (const char *)items[1].data));
    assert_ok(buffer_printf(
        &held_item, "{\"Responses\":[{},{\"Error\":{\"Code\":\"ConditionalCheckFailed\",\"Item\":%s}}]}",
        (const char *)items[1].data));
}

static struct slashing_store *open_store(const char *account)
{
    struct slashing_store *store = NULL;
    const struct slashing_dynamodb_config config = {
        .region = "eu-west-1", .table = TABLE, .account = account};
    struct aws_credentials credentials = {.access_key_id = ""};
    assert_ok(aws_credentials_new(&credentials, "AKIDEXAMPLE", "secret", ""));
    assert_ok(slashing_dynamodb_open(&store, &config));
    assert_ok(slashing_dynamodb_set_credentials(store, &credentials));
    aws_credentials_cleanup(&credentials);
    return store;
}

/* ---- calls fail ---- */

static result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

static void prepare_advances(struct slashing_advance advances[static 2])
{
    for (size_t i = 0; i < 2; i++) {
        advances[i] = (struct slashing_advance){.next = vote_record(4, 5, 6), .old_stamp = entries[0].stamp};
        struct slashing_record block = block_record(8, 8);
        advances[i].next.has_block = advances[i].next.block_has_root = true;
        advances[i].next.block_slot = block.block_slot;
        memcpy(advances[i].next.block_root, block.block_root, 32);
        advances[i].next_stamp.mac[0] = 5;
        memcpy(advances[i].pubkey, keys[i], 48);
    }
}

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

static void serve_all(void)
{
    const struct answer all[] = {
        {.operation = "DescribeTable", .text = DESCRIPTION},
        {.operation = "CreateTable"},
        {.operation = "GetItem", .text = (const char *)get_head.data},
        {.operation = "TransactWriteItems"},
        {.operation = "BatchGetItem", .text = (const char *)two_items.data},
        {.operation = "BatchExecuteStatement", .text = (const char *)held_item.data},
        {.operation = "BatchExecuteStatement", .text = "{\"Responses\":[{}]}"},
        {.operation = "Scan", .text = (const char *)first_page.data},
        {.operation = "Scan", .text = (const char *)last_page.data},
        {.operation = "Scan", .text = (const char *)first_page.data},
        {.operation = "Scan", .text = (const char *)last_page.data},
    };
    serve(all, ARRAY_LENGTH(all));
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
        const char *text;
        int code;
    } cases[] = {
        {(const char *)foreign.data, E_STORE},
        {(const char *)repeated.data, E_STORE},
        {(const char *)left_over.data, E_STORE},
        {"{\"Responses\":{}}", E_STORE},
        {"{\"Responses\":{},\"UnprocessedKeys\":{\"" TABLE "\":{\"Keys\":[]}}}", E_STORE},
        {"{\"Responses\":{\"" TABLE "\":[{\"pk\":{\"S\":\"store\"}}]}}", E_STORE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        serve(&(struct answer){.operation = "BatchGetItem", .text = cases[i].text}, 1);
        assert_fails(cases[i].code, slashing_store_load_many(store, loaded, (const uint8_t(*)[48])keys, 2));
        assert_error_names(TABLE);
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
        serve(&(struct answer){.operation = "BatchExecuteStatement", .text = cases[i].text}, 1);
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

/* The condition failed and no item was shown: it is asked for. */
static void what_is_not_shown_is_looked_up(void **state)
{
    (void)state;
    const struct answer both[] = {
        {.operation = "BatchExecuteStatement",
         .text = "{\"Responses\":[{\"Error\":{\"Code\":\"ConditionalCheckFailed\"}},{}]}"},
        {.operation = "BatchGetItem", .text = NULL}};
    AUTO(buffer) found = {0};
    assert_ok(buffer_printf(&found, "{\"Responses\":{\"" TABLE "\":[%s]}}", (const char *)items[0].data));
    for (struct faults f = {0}; faults_again(&f);) {
        struct slashing_advance advances[2];
        struct slashing_store *store = open_store(NULL);
        prepare_advances(advances);
        serve(both, 2);
        answers[1].text = (const char *)found.data;
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
                 {begin_another, E_INTERNAL, "within a transaction"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct slashing_store *store = open_store(ACCOUNT);
        serve_all();
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
    if (secret_heap_open(1 << 16).code)
        return 1;
    assert_ok(aws_library_open());
    write_answers();
    memset(token, 'a', DYNAMODB_TOKEN_LEN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_call_fails_is_a_refusal),
        cmocka_unit_test(a_table_is_made_or_not),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(answers_to_a_table_are_checked),
        cmocka_unit_test(a_table_is_waited_for),
        cmocka_unit_test(answers_to_a_head_are_checked),
        cmocka_unit_test(answers_to_a_load_are_checked),
        cmocka_unit_test(answers_to_a_scan_are_checked),
        cmocka_unit_test(answers_to_an_advance_are_checked),
        cmocka_unit_test(what_is_not_shown_is_looked_up),
        cmocka_unit_test(the_table_of_the_account_is_verified),
        cmocka_unit_test(transactions_have_their_limits),
    };
    int status = cmocka_run_group_tests(tests, NULL, NULL);
    struct buffer *all[] = {&items[0],  &items[1],   &items[2],  &get_head,
                            &two_items, &first_page, &last_page, &held_item};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        buffer_cleanup(all[i]);
    return status;
}
