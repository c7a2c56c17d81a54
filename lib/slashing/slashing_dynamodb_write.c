/* slashing_dynamodb_write.c - advances: one condition a key, 25 keys a call, many calls at once.
 *
 * BatchExecuteStatement carries 25 conditional updates, each of its own fate, in one signed request.
 * Rejected: an UpdateItem or PutItem a key, which costs the service as much and us many times the requests to
 * sign and to encrypt; TransactWriteItems, where one conflict would hold up all others and each write costs
 * double.
 *
 * A write whose answer was lost is sent again. If it had been carried out, the condition fails then, and the
 * item that comes with the failure is exactly what we wanted to write: that is done. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "slashing/slashing_dynamodb_private.h"

enum { STATEMENTS_PER_CALL = 25 };

struct write {
    struct slashing_advance *advance;
    bool open;   /* in the call's latest body */
    bool absent; /* the condition failed, and no item came with it */
};

struct batch {
    const struct slashing_dynamodb *store;
    struct write *writes;
    size_t num_writes;
    struct buffer body, answer;
};

struct advancing {
    struct write *writes; /* ascending by key */
    struct batch *batches;
    struct aws_call *calls;
    size_t num_batches;
};

static void advancing_cleanup(struct advancing *a)
{
    for (size_t i = 0; a->batches && i < a->num_batches; i++) {
        buffer_cleanup(&a->batches[i].body);
        buffer_cleanup(&a->batches[i].answer);
    }
    free(a->batches);
    free(a->calls);
    free(a->writes);
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(((const struct write *)a)->advance->pubkey, ((const struct write *)b)->advance->pubkey, 48);
}

static must_check result write_body(struct batch *batch)
{
    bool any = false;
    buffer_consume(&batch->body, batch->body.length);
    TRY(buffer_append_text(&batch->body, "{\"Statements\":["));
    for (size_t i = 0; i < batch->num_writes; i++) {
        if (!batch->writes[i].open)
            continue;
        if (any)
            TRY(buffer_append_text(&batch->body, ","));
        TRY(slashing_dynamodb_statement_append(&batch->body, batch->store->table, batch->writes[i].advance));
        any = true;
    }
    return buffer_append_text(&batch->body, "]}");
}

/* What became of one statement. */
struct fate {
    enum { DONE, HELD, ABSENT, LATER, REFUSED } kind;
    struct slashing_entry held; /* HELD: what the item is */
    char code[40];              /* REFUSED */
};

static bool is_transient(const char *code)
{
    static const char *const codes[] = {"ThrottlingError", "ProvisionedThroughputExceeded",
                                        "RequestLimitExceeded", "TransactionConflict", "InternalServerError"};
    for (size_t i = 0; i < ARRAY_LENGTH(codes); i++)
        if (strcmp(code, codes[i]) == 0)
            return true;
    return false;
}

/* Cut, and letters only: it will be part of a log line. */
static void copy_word(char *out, size_t out_capacity, const char *text)
{
    size_t length = 0;
    for (; isalpha((unsigned char)text[length]) && length + 1 < out_capacity; length++)
        out[length] = text[length];
    out[length] = 0;
}

static must_check result read_fate(struct fate *ret_fate, const struct json_view *response,
                                   const uint8_t pubkey[static 48])
{
    struct json_view failure, item;
    const char *code;
    uint8_t found[48];
    *ret_fate = (struct fate){.kind = DONE};
    if (!json_has(response, "Error"))
        return RESULT_OK;
    TRY(json_get_object(&failure, response, "Error"));
    TRY(json_get_text(&code, NULL, &failure, "Code"));
    if (strcmp(code, "ConditionalCheckFailed") != 0) {
        ret_fate->kind = is_transient(code) ? LATER : REFUSED;
        copy_word(ret_fate->code, sizeof ret_fate->code, code);
        return RESULT_OK;
    }
    ret_fate->kind = ABSENT;
    if (!json_has(&failure, "Item"))
        return RESULT_OK;
    TRY(json_get_object(&item, &failure, "Item"));
    TRY(slashing_dynamodb_key_parse(found, &item));
    ENSURE(memcmp(found, pubkey, sizeof found) == 0, E_PEER, "an item of another key");
    ret_fate->kind = HELD;
    return slashing_dynamodb_entry_parse(&ret_fate->held, &item);
}

/* The condition failed for that entry: it is what we wanted, or a conflict. */
static void settle(struct slashing_advance *a, const struct slashing_entry *held)
{
    const struct slashing_entry next = {a->next, a->next_stamp};
    a->done = slashing_dynamodb_entry_equal(held, &next);
    a->conflict = !a->done;
    if (a->conflict)
        a->found = *held;
}

static void apply(struct write *write, const struct fate *fate)
{
    write->open = fate->kind == LATER;
    write->absent = fate->kind == ABSENT;
    if (fate->kind == DONE)
        write->advance->done = true;
    if (fate->kind == HELD)
        settle(write->advance, &fate->held);
}

static must_check result read_fates(const struct batch *batch, struct fate fates[static STATEMENTS_PER_CALL],
                                    const struct buffer *answer)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, responses, response;
    size_t at = 0;
    TRY(json_read(&root, (const char *)answer->data, answer->length, DYNAMODB_ANSWER_MAX,
                  DYNAMODB_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_array(&responses, &view, "Responses", STATEMENTS_PER_CALL));
    for (size_t i = 0; i < batch->num_writes; i++) {
        if (!batch->writes[i].open)
            continue;
        ENSURE(at < json_array_size(responses.value), E_PEER, "Responses: one is missing");
        TRY(json_element_object(&response, &responses, at++));
        TRY(read_fate(&fates[i], &response, batch->writes[i].advance->pubkey));
    }
    ENSURE(at == json_array_size(responses.value), E_PEER, "Responses: there are too many");
    return RESULT_OK;
}

static result batch_answered(struct aws_call *call, bool *ret_again)
{
    struct batch *batch = call->context;
    struct fate fates[STATEMENTS_PER_CALL];
    const char *refused = NULL;
    bool is_left = false;
    if (call->status != 200)
        return aws_error_result(&call->error, call->status);
    TRY(read_fates(batch, fates, call->answer));
    for (size_t i = 0; i < batch->num_writes; i++) {
        if (!batch->writes[i].open)
            continue;
        apply(&batch->writes[i], &fates[i]);
        is_left = is_left || fates[i].kind == LATER;
        refused = fates[i].kind == REFUSED ? fates[i].code : refused;
    }
    /* Then nothing is asked again: the call has failed as it is. */
    ENSURE(!refused, E_STORE, "a statement was refused: %s", refused);
    if (!is_left)
        return RESULT_OK;
    TRY(write_body(batch));
    call->body = (struct cursor){batch->body.data, batch->body.length};
    *ret_again = true; /* now that there is a body for it */
    FAIL(E_STORE, "statements were throttled");
}

static must_check result sort_writes(struct advancing *a, struct slashing_advance *advances,
                                     size_t num_advances)
{
    a->writes = calloc(num_advances, sizeof *a->writes);
    ENSURE(a->writes, E_MEMORY, "out of memory for %zu advances", num_advances);
    for (size_t i = 0; i < num_advances; i++)
        a->writes[i] = (struct write){.advance = &advances[i], .open = true};
    qsort(a->writes, num_advances, sizeof *a->writes, compare_keys);
    for (size_t i = 1; i < num_advances; i++)
        ENSURE(compare_keys(&a->writes[i - 1], &a->writes[i]) != 0, E_INPUT,
               "two advances of one validator in a batch");
    return RESULT_OK;
}

static must_check result prepare(struct advancing *a, const struct slashing_dynamodb *store,
                                 size_t num_advances)
{
    a->num_batches = (num_advances + STATEMENTS_PER_CALL - 1) / STATEMENTS_PER_CALL;
    a->batches = calloc(a->num_batches, sizeof *a->batches);
    a->calls = calloc(a->num_batches, sizeof *a->calls);
    ENSURE(a->batches && a->calls, E_MEMORY, "out of memory for %zu calls", a->num_batches);
    for (size_t i = 0; i < a->num_batches; i++) {
        struct batch *batch = &a->batches[i];
        size_t first = i * STATEMENTS_PER_CALL, left = num_advances - first;
        batch->store = store;
        batch->writes = a->writes + first;
        batch->num_writes = left < STATEMENTS_PER_CALL ? left : STATEMENTS_PER_CALL;
        TRY(write_body(batch));
        a->calls[i] = (struct aws_call){.target = "DynamoDB_20120810.BatchExecuteStatement",
                                        .body = {batch->body.data, batch->body.length},
                                        .answer = &batch->answer,
                                        .answered = batch_answered,
                                        .context = batch};
    }
    return RESULT_OK;
}

/* A condition that failed and showed no item: there is none, or the service does not show it. */
static must_check result look_up_absent(struct slashing_dynamodb *store, struct write *writes,
                                        size_t num_writes)
{
    for (size_t i = 0; i < num_writes; i++) {
        struct slashing_entry held;
        if (!writes[i].absent)
            continue;
        TRY(slashing_dynamodb_load_many(store, &held, (const uint8_t(*)[48])writes[i].advance->pubkey, 1));
        settle(writes[i].advance, &held);
    }
    return RESULT_OK;
}

result slashing_dynamodb_advance(struct slashing_dynamodb *store, struct slashing_advance *advances,
                                 size_t num_advances)
{
    AUTO(advancing) a = {0};
    if (num_advances == 0)
        return RESULT_OK;
    TRY(sort_writes(&a, advances, num_advances));
    TRY(prepare(&a, store, num_advances));
    result r = slashing_dynamodb_call(store, a.calls, a.num_batches);
    if (r.code)
        return slashing_dynamodb_failure(store, r);
    return look_up_absent(store, a.writes, num_advances);
}
