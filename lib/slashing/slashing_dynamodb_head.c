/* slashing_dynamodb_head.c - the head, and validators that are enrolled beside it.
 *
 * A head is written by a transaction on condition that the old one is still there. When the condition fails,
 * it may be that an attempt of our own succeeded and its answer was lost: every head carries the random token
 * of the call that wrote it, so a second read tells. Comparing heads instead would not do: two signers that
 * take the next generation at the same time write the same head, and only one of them may have it. DynamoDB's
 * own ClientRequestToken says the same for ten minutes; it is sent too. */
#include <openssl/rand.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "slashing/slashing_dynamodb_private.h"

#define SERVICE "DynamoDB_20120810."
#define UNIQUE "\"ConditionExpression\":\"attribute_not_exists(pk)\""

/* *ret_held false: the table is there, its head is not. */
static must_check result get_head(struct slashing_dynamodb *store, bool *ret_held,
                                  struct slashing_head *ret_head,
                                  char ret_write_token[static DYNAMODB_TOKEN_LEN + 1])
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, item;
    TRY(buffer_printf(&body,
                      "{\"TableName\":\"%s\",\"Key\":{\"pk\":{\"S\":\"store\"}},\"ConsistentRead\":true}",
                      store->table));
    TRY(slashing_dynamodb_ask(store, &answer, SERVICE "GetItem", &body));
    TRY(json_read(&root, (const char *)answer.data, answer.length, DYNAMODB_ANSWER_MAX, DYNAMODB_VALUES_MAX));
    TRY(json_view_root(&view, root));
    *ret_held = json_has(&view, "Item");
    if (!*ret_held)
        return RESULT_OK;
    TRY(json_get_object(&item, &view, "Item"));
    result r = slashing_dynamodb_head_parse(ret_head, ret_write_token, &item);
    return r.code ? error_prefix(r, "head") : r;
}

result slashing_dynamodb_head(struct slashing_dynamodb *store, struct slashing_head *ret_head)
{
    char token[DYNAMODB_TOKEN_LEN + 1];
    bool held = false;
    struct slashing_head found;
    result r = get_head(store, &held, &found, token);
    if (r.code == E_NOT_FOUND)
        FAIL(E_NOT_FOUND,
             "there is no DynamoDB table %s in %s for these credentials (slashing init makes it)",
             store->table, store->region);
    if (r.code)
        return slashing_dynamodb_failure(store, r);
    ENSURE(held, E_NOT_FOUND, "the DynamoDB table %s was never begun as a store: slashing init must be run",
           store->table);
    *ret_head = found;
    return RESULT_OK;
}

static bool is_begin(const struct slashing_head *old)
{
    static const struct slashing_head none;
    return memcmp(old->mac, none.mac, SLASHING_MAC_LEN) == 0 &&
           memcmp(old->store_id, none.store_id, SLASHING_STORE_ID_LEN) == 0;
}

static must_check result append_put_head(struct buffer *out, const struct slashing_dynamodb *store,
                                         const struct slashing_head *old, const struct slashing_head *next,
                                         const char *token)
{
    TRY(buffer_printf(out, "{\"Put\":{\"TableName\":\"%s\",\"Item\":", store->table));
    TRY(slashing_dynamodb_head_append(out, next, token));
    if (is_begin(old))
        return buffer_append_text(out, "," UNIQUE "}}");
    TRY(buffer_append_text(out, ",\"ConditionExpression\":\"mac = :old\",\"ExpressionAttributeValues\":"
                                "{\":old\":{\"B\":\""));
    TRY(base64_append(out, old->mac, SLASHING_MAC_LEN));
    return buffer_append_text(out, "\"}}}}");
}

static must_check result append_transaction(struct buffer *out, const struct slashing_dynamodb *store,
                                            const struct slashing_head *old, const struct slashing_head *next,
                                            const struct slashing_enrolment *enrolments,
                                            size_t num_enrolments, const char *token)
{
    TRY(buffer_printf(out, "{\"ClientRequestToken\":\"%s\",\"TransactItems\":[", token));
    TRY(append_put_head(out, store, old, next, token));
    for (size_t i = 0; i < num_enrolments; i++) {
        TRY(buffer_printf(out, ",{\"Put\":{\"TableName\":\"%s\",\"Item\":", store->table));
        TRY(slashing_dynamodb_entry_append(out, enrolments[i].pubkey, &enrolments[i].entry));
        TRY(buffer_append_text(out, "," UNIQUE "}}"));
    }
    return buffer_append_text(out, "]}");
}

/* A transaction is refused for a condition that failed, or because something was in its way. */
static must_check result read_reasons(const struct aws_call *call, bool *ret_condition)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, reasons, reason;
    *ret_condition = false;
    TRY(json_read(&root, (const char *)call->answer->data, call->answer->length, DYNAMODB_ANSWER_MAX,
                  DYNAMODB_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_array(&reasons, &view, "CancellationReasons", SLASHING_ENROLMENTS_MAX + 1));
    for (size_t i = 0; i < json_array_size(reasons.value); i++) {
        const char *code;
        TRY(json_element_object(&reason, &reasons, i));
        TRY(json_get_text(&code, NULL, &reason, "Code"));
        *ret_condition = *ret_condition || strcmp(code, "ConditionalCheckFailed") == 0;
        ENSURE(strcmp(code, "ValidationError") != 0, E_STORE, "TransactWriteItems: %s", code);
    }
    return RESULT_OK;
}

static result transaction_answered(struct aws_call *call, bool *ret_again)
{
    bool condition = false;
    if (call->status == 200)
        return RESULT_OK;
    if (strcmp(call->error.type, "TransactionCanceledException") != 0) {
        result r = aws_error_result(&call->error, call->status);
        if (r.code == E_MISMATCH)
            r.code = E_STORE;
        return r;
    }
    TRY(read_reasons(call, &condition));
    *ret_again = !condition;
    FAIL(condition ? E_MISMATCH : E_STORE, "%s",
         condition ? "the store's head is another by now, or a validator is enrolled already"
                   : "TransactWriteItems: another transaction is in the way");
}

static must_check result make_token(char out[static DYNAMODB_TOKEN_LEN + 1])
{
    uint8_t random[DYNAMODB_TOKEN_LEN / 2];
    ENSURE(RAND_bytes(random, sizeof random) == 1, E_CRYPTO, "no randomness");
    hex_encode(out, random, sizeof random);
    return RESULT_OK;
}

/* RESULT_OK when the head that is stored now was written by the call with that token. */
static must_check result check_ours(struct slashing_dynamodb *store, const char *token, const char *refusal)
{
    struct slashing_head found;
    char found_token[DYNAMODB_TOKEN_LEN + 1];
    bool held = false;
    result r = get_head(store, &held, &found, found_token);
    if (r.code)
        return slashing_dynamodb_failure(store, r); /* the outcome is open */
    ENSURE(held && strcmp(found_token, token) == 0, E_MISMATCH, "DynamoDB table %s: %s", store->table,
           refusal);
    return RESULT_OK;
}

result slashing_dynamodb_set_head(struct slashing_dynamodb *store, const struct slashing_head *old,
                                  const struct slashing_head *next,
                                  const struct slashing_enrolment *enrolments, size_t num_enrolments)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    char token[DYNAMODB_TOKEN_LEN + 1];
    TRY(make_token(token));
    TRY(append_transaction(&body, store, old, next, enrolments, num_enrolments, token));
    struct aws_call call = {.target = SERVICE "TransactWriteItems",
                            .body = {body.data, body.length},
                            .answer = &answer,
                            .answered = transaction_answered};
    result r = slashing_dynamodb_call(store, &call, 1);
    if (!r.code)
        return r;
    return r.code == E_MISMATCH ? check_ours(store, token, call.text) : slashing_dynamodb_failure(store, r);
}
