/* slashing_dynamodb_account.c - whose table is it?
 *
 * A request names a table; the account that it is looked up in is that of the credentials, and in an enclave
 * these come from the host. A table that was copied, head and seals included, into an account of the host's
 * own is genuine by everything that it contains. What tells it apart is its ARN, asked for with the very
 * credentials that are used next, over the TLS session of which the service holds the certificate. One
 * question a set of credentials and handle; a set belongs to one account for good.
 *
 * The ARN's region is not compared: the endpoint's name, which TLS verifies, and the signature's scope fix it
 * already, and DynamoDB Local calls its region by a name of its own. Rejected: the table's ARN in each
 * request instead of its name, because a policy on a table may admit principals of other accounts, and then
 * the ARN would prove nothing about who is asked; STS GetCallerIdentity, which needs another endpoint. */
#include <stdio.h>
#include <string.h>

#include "slashing/slashing_dynamodb_private.h"

#define TARGET "DynamoDB_20120810.DescribeTable"
#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789-"

/* arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME */
static bool is_arn_of(const char *arn, const char *account, const char *table)
{
    static const char service[] = ":dynamodb:";
    char tail[DYNAMODB_ACCOUNT_LEN + DYNAMODB_TABLE_MAX + 16];
    (void)snprintf(tail, sizeof tail, ":%s:table/%s", account, table);
    if (strncmp(arn, "arn:", 4) != 0)
        return false;
    const char *partition = arn + 4;
    const char *behind = partition + strspn(partition, NAME_CHARACTERS);
    if (behind == partition || strncmp(behind, service, sizeof service - 1) != 0)
        return false;
    const char *region = behind + sizeof service - 1;
    size_t region_len = strspn(region, NAME_CHARACTERS);
    return region_len > 0 && strcmp(region + region_len, tail) == 0;
}

static must_check result check_table(struct slashing_dynamodb *store, const struct json_view *table)
{
    const char *arn, *id;
    TRY(json_get_text(&arn, NULL, table, "TableArn")); /* no text has a NUL in it: lib/json */
    ENSURE(is_arn_of(arn, store->account, store->table), E_STORE,
           "this is another account's table: the credentials do not lead to the one in account %s",
           store->account);
    TRY(json_get_text_optional(&id, NULL, table, "TableId"));
    if (!id)
        id = "";
    ENSURE(!store->table_id[0] || strcmp(store->table_id, id) == 0, E_STORE,
           "this is another table of the same name: the one that was here is gone");
    ENSURE(strlen(id) <= DYNAMODB_TABLE_ID_MAX, E_STORE, "TableId: is too long");
    (void)snprintf(store->table_id, sizeof store->table_id, "%s", id);
    return RESULT_OK;
}

static must_check result describe(struct slashing_dynamodb *store, uint64_t deadline_ns)
{
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, table;
    TRY(buffer_printf(&body, "{\"TableName\":\"%s\"}", store->table));
    struct aws_call call = {.target = TARGET, .body = {body.data, body.length}, .answer = &answer};
    TRY(aws_client_call_many(store->client, &call, 1, &store->credentials, deadline_ns));
    TRY(json_read(&root, (const char *)answer.data, answer.length, DYNAMODB_ANSWER_MAX, DYNAMODB_VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_object(&table, &view, "Table"));
    return check_table(store, &table);
}

result slashing_dynamodb_verify(struct slashing_dynamodb *store, uint64_t deadline_ns)
{
    result r = describe(store, deadline_ns);
    if (!r.code)
        return r;
    /* Never E_MISMATCH or E_INPUT, which callers take for the answer to what they asked themselves. */
    bool keeps_code = r.code == E_MEMORY || r.code == E_INTERNAL || r.code == E_NOT_FOUND;
    return error_prefix((result){keeps_code ? r.code : (int)E_STORE}, "DescribeTable");
}
