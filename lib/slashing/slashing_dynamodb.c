/* slashing_dynamodb.c - opening a table, credentials, and which operation goes where. */
#include "slashing/slashing_dynamodb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "slashing/slashing_dynamodb_private.h"

enum {
    CONNECTIONS = 32,
    CONNECT_TIMEOUT_MS = 1000,
    ATTEMPT_TIMEOUT_MS = 1250,
    DEADLINE_MS = 4000,
    NS_PER_MS = 1000000
};

static void store_free(struct slashing_dynamodb *store)
{
    aws_client_close(store->client);
    aws_credentials_cleanup(&store->credentials);
    free(store->transaction.held);
    free(store);
}

static void slashing_dynamodb_auto_free(struct slashing_dynamodb **store)
{
    if (*store)
        store_free(*store);
}

result slashing_dynamodb_failure(const struct slashing_dynamodb *store, result failed)
{
    int code = failed.code == E_MEMORY || failed.code == E_INTERNAL ? failed.code : (int)E_STORE;
    return error_prefix((result){code}, "DynamoDB table %s", store->table);
}

result slashing_dynamodb_call(struct slashing_dynamodb *store, struct aws_call *calls, size_t num_calls)
{
    ENSURE(store->credentials.secret_access_key.length > 0, E_STORE, "there are no AWS credentials yet");
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)store->deadline_ms * (uint64_t)NS_PER_MS;
    if (store->account[0] && !store->is_verified) {
        TRY(slashing_dynamodb_verify(store, deadline_ns));
        store->is_verified = true;
    }
    return aws_client_call_many(store->client, calls, num_calls, &store->credentials, deadline_ns);
}

result slashing_dynamodb_ask(struct slashing_dynamodb *store, struct buffer *answer, const char *operation,
                             const struct buffer *body)
{
    struct aws_call call = {.target = operation, .body = {body->data, body->length}, .answer = answer};
    return slashing_dynamodb_call(store, &call, 1);
}

static void close_store(struct slashing_store *base)
{
    store_free(dynamodb_of(base));
}

static result head(struct slashing_store *base, struct slashing_head *ret_head)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    return store->transaction.open ? slashing_dynamodb_pending_head(store, ret_head)
                                   : slashing_dynamodb_head(store, ret_head);
}

static result set_head(struct slashing_store *base, const struct slashing_head *old,
                       const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                       size_t num_enrolments)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    if (!store->transaction.open)
        return slashing_dynamodb_set_head(store, old, next, enrolments, num_enrolments);
    ENSURE(num_enrolments == 0, E_UNSUPPORTED, "validators are not enrolled within a transaction");
    return slashing_dynamodb_pending_set_head(store, old, next);
}

static result load_many(struct slashing_store *base, struct slashing_entry *ret_entries,
                        const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    return store->transaction.open ? slashing_dynamodb_pending_load(store, ret_entries, pubkeys, num_pubkeys)
                                   : slashing_dynamodb_load_many(store, ret_entries, pubkeys, num_pubkeys);
}

static result advance(struct slashing_store *base, struct slashing_advance *advances, size_t num_advances)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    return store->transaction.open ? slashing_dynamodb_pending_advance(store, advances, num_advances)
                                   : slashing_dynamodb_advance(store, advances, num_advances);
}

static result transaction(struct slashing_store *base, result (*work)(void *context), void *context)
{
    return slashing_dynamodb_transaction(dynamodb_of(base), work, context);
}

static result scan(struct slashing_store *base, slashing_visit *visit, void *context)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    return store->transaction.open ? slashing_dynamodb_pending_scan(store, visit, context)
                                   : slashing_dynamodb_scan(store, visit, context);
}

static const struct slashing_store_operations operations = {.close = close_store,
                                                            .head = head,
                                                            .set_head = set_head,
                                                            .load_many = load_many,
                                                            .advance = advance,
                                                            .transaction = transaction,
                                                            .scan = scan};

/* These go into JSON and a URL as they are. */
static must_check result check_names(const struct slashing_dynamodb_config *config)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.";
    size_t table_len = strlen(config->table), region_len = strlen(config->region);
    ENSURE(table_len >= 3 && table_len <= DYNAMODB_TABLE_MAX && strspn(config->table, letters) == table_len,
           E_INPUT, "table: must be 3 to %d letters, digits, '_', '-' or '.'", DYNAMODB_TABLE_MAX);
    ENSURE(region_len > 0 && region_len < 64 && strspn(config->region, letters) == region_len, E_INPUT,
           "region: must be letters, digits and '-'");
    const char *account = config->account;
    ENSURE(!account || (strlen(account) == DYNAMODB_ACCOUNT_LEN &&
                        strspn(account, "0123456789") == DYNAMODB_ACCOUNT_LEN),
           E_INPUT, "account: must be %d digits", DYNAMODB_ACCOUNT_LEN);
    return RESULT_OK;
}

static must_check result open_client(struct slashing_dynamodb *store,
                                     const struct slashing_dynamodb_config *config)
{
    char endpoint[128];
    (void)snprintf(endpoint, sizeof endpoint, "https://dynamodb.%s.amazonaws.com", config->region);
    const struct aws_client_config client = {
        .endpoint = config->endpoint ? config->endpoint : endpoint,
        .region = config->region,
        .service = "dynamodb",
        .via = config->via,
        .ca_pem = config->ca_pem,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .attempt_timeout_ms = config->attempt_timeout_ms ? config->attempt_timeout_ms : ATTEMPT_TIMEOUT_MS,
        .attempts = 0, /* until the deadline */
        .response_max = DYNAMODB_ANSWER_MAX,
        .content_type = "application/x-amz-json-1.0",
        .connections = config->connections ? config->connections : CONNECTIONS};
    return aws_client_open(&store->client, &client);
}

result slashing_dynamodb_open(struct slashing_store **ret_store,
                              const struct slashing_dynamodb_config *config)
{
    TRY(check_names(config));
    __attribute__((cleanup(slashing_dynamodb_auto_free))) struct slashing_dynamodb *store =
        calloc(1, sizeof *store);
    ENSURE(store, E_MEMORY, "out of memory for a store");
    store->base.operations = &operations;
    store->deadline_ms = config->deadline_ms ? config->deadline_ms : DEADLINE_MS;
    (void)snprintf(store->table, sizeof store->table, "%s", config->table);
    (void)snprintf(store->region, sizeof store->region, "%s", config->region);
    (void)snprintf(store->account, sizeof store->account, "%s", config->account ? config->account : "");
    TRY(open_client(store, config));
    *ret_store = &store->base;
    store = NULL;
    return RESULT_OK;
}

result slashing_dynamodb_set_credentials(struct slashing_store *base,
                                         const struct aws_credentials *credentials)
{
    struct slashing_dynamodb *store = dynamodb_of(base);
    struct aws_credentials copy = {.access_key_id = ""};
    ENSURE(base->operations == &operations, E_INTERNAL, "not a DynamoDB store");
    TRY(aws_credentials_copy(&copy, credentials));
    aws_credentials_cleanup(&store->credentials);
    store->credentials = copy;
    store->is_verified = false; /* they may lead elsewhere */
    return RESULT_OK;
}
