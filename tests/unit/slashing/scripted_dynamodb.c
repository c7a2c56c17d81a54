/* scripted_dynamodb.c - see scripted_dynamodb.h. */
#include "scripted_dynamodb.h"

#include "faults.h"

static struct answer answers[ANSWERS_MAX];
static int num_used[ANSWERS_MAX];
char token[DYNAMODB_TOKEN_LEN + 1];
uint64_t asked_until_ns;

void serve(const struct answer *with, size_t num)
{
    memset(answers, 0, sizeof answers);
    memset(num_used, 0, sizeof num_used);
    if (num > 0)
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
        if (num_used[i]++ < (last->times ? last->times : 1))
            break;
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
    asked_until_ns = deadline_ns;
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

uint8_t keys[3][48];
struct slashing_entry entries[3];
struct slashing_head head;
struct buffer items[3], get_head, two_items, first_page, last_page, held_item;

void write_answers(void)
{
    assert_ok(secret_heap_open(1 << 16));
    assert_ok(aws_library_open());
    memset(token, 'a', DYNAMODB_TOKEN_LEN);
    AUTO(buffer) head_item = {0};
    entries[1].record = vote_record(1, 2, 3);
    for (int i = 0; i < 3; i++) {
        memset(keys[i], i + 1, 48);
        entries[i].stamp.mac[0] = (uint8_t)(i + 1);
        entries[i].stamp.generation = (uint64_t)i;
        assert_ok(slashing_dynamodb_entry_append(&items[i], keys[i], &entries[i]));
    }
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

struct slashing_store *open_store(const char *account)
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

result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

void prepare_advances(struct slashing_advance advances[static 2])
{
    for (size_t i = 0; i < 2; i++) {
        advances[i] = (struct slashing_advance){
            .next = vote_record(4, 5, 6), .old_stamp = entries[0].stamp, .old = vote_record(1, 2, 3)};
        advances[i].next.attestation_has_root = false;
        struct slashing_record block = block_record(8, 8);
        advances[i].next.has_block = advances[i].next.block_has_root = true;
        advances[i].next.block_slot = block.block_slot;
        memcpy(advances[i].next.block_root, block.block_root, 32);
        advances[i].next_stamp.mac[0] = 5;
        memcpy(advances[i].pubkey, keys[i], 48);
    }
}

void serve_all(void)
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

void release_answers(void)
{
    struct buffer *all[] = {&items[0],  &items[1],   &items[2],  &get_head,
                            &two_items, &first_page, &last_page, &held_item};
    for (size_t i = 0; i < ARRAY_LENGTH(all); i++)
        buffer_cleanup(all[i]);
}
