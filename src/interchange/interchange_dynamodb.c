/* interchange_dynamodb.c - see interchange_dynamodb.h.
 *
 * The endpoint's name is resolved once, before the sandbox: within it libcurl can connect again, and needs no
 * resolver's files. The whole work takes seconds. */
#include "interchange_dynamodb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_client.h"
#include "aws/aws_credentials_file.h"
#include "aws/aws_endpoint.h"
#include "base/hex.h"
#include "base/secret_allocators.h"
#include "slashing/slashing_dynamodb.h"
#include "slashing/slashing_sealed.h"
#include "json/json.h"

enum { SECURE_HEAP = 64 * 1024, CONNECTIONS = 8, CONNECT_MS = 5000, ATTEMPT_MS = 10000, DEADLINE_MS = 60000 };

typedef struct slashing_store slashing_store;
DEFINE_AUTO_POINTER(slashing_store, slashing_store_close)

/* JSON trees are on the ordinary heap, which wipes what it frees: a table would not fit into locked memory.
 */
static must_check result open_libraries(void)
{
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    json_set_alloc_funcs(malloc, secret_wiping_free);
    return aws_library_open();
}

static const char *environment(const char *name)
{
    const char *value = secure_getenv(name);
    return value && value[0] ? value : NULL;
}

static must_check result connect_to(struct slashing_store **ret_store, const struct interchange_table *t)
{
    AUTO(aws_credentials) credentials = {.access_key_id = ""};
    AUTO(buffer) ca_pem = {0};
    AUTO_POINTER(slashing_store) store = NULL;
    const char *set = environment("AWS_ENDPOINT_URL_DYNAMODB");
    struct net_address via;
    char endpoint[320];
    int length = set ? snprintf(endpoint, sizeof endpoint, "%s", set)
                     : snprintf(endpoint, sizeof endpoint, "https://dynamodb.%s.amazonaws.com", t->region);
    ENSURE(length > 0 && (size_t)length < sizeof endpoint, E_INPUT, "endpoint: is too long");
    result r = aws_credentials_read(&credentials, t->credentials_file);
    if (r.code)
        return error_prefix(r, "--aws-credentials-file");
    TRY(aws_authorities_read(&ca_pem, environment("AWS_CA_BUNDLE")));
    TRY(aws_endpoint_resolve(&via, endpoint, CONNECT_MS));
    const struct slashing_dynamodb_config config = {.endpoint = endpoint,
                                                    .region = t->region,
                                                    .table = t->name,
                                                    .account = t->account,
                                                    .via = &via,
                                                    .ca_pem = &ca_pem,
                                                    .connections = CONNECTIONS,
                                                    .attempt_timeout_ms = ATTEMPT_MS,
                                                    .deadline_ms = DEADLINE_MS};
    TRY(slashing_dynamodb_open(&store, &config));
    TRY(slashing_dynamodb_set_credentials(store, &credentials));
    *ret_store = TAKE(store);
    return RESULT_OK;
}

static must_check result read_key(struct secret *ret_key, const char *key_file)
{
    if (!key_file)
        return secret_new(ret_key, SLASHING_SEAL_KEY_LEN); /* zeros: seals that find mistakes only */
    result r = secret_read_file(ret_key, key_file, SLASHING_SEAL_KEY_LEN);
    return r.code ? error_prefix(r, "--slashing-protection-dynamodb-key-file") : r;
}

static must_check result check_identity(const struct slashing_seal *seal, const char *wanted)
{
    uint8_t identity[SLASHING_IDENTITY_LEN], expected[SLASHING_IDENTITY_LEN];
    if (!wanted)
        return RESULT_OK;
    result r = hex_decode(expected, sizeof expected, wanted, strlen(wanted));
    if (r.code)
        return error_prefix(r, "--slashing-protection-dynamodb-identity");
    TRY(slashing_seal_identity(identity, seal));
    ENSURE(memcmp(identity, expected, sizeof identity) == 0, E_MISMATCH,
           "--slashing-protection-dynamodb-identity: is not that of this table and key");
    return RESULT_OK;
}

/* What has to hold of a head before anything is done with the table. */
static must_check result check_head(const struct slashing_head *head)
{
    ENSURE(head->sealed_key_len == 0, E_UNSUPPORTED,
           "this table belongs to enclaves: its key is released to them alone, and nobody else can change or "
           "prove "
           "its records; a history is brought in before their first start, by nitro-signer-ctl slashing init "
           "--from");
    /* As slashing init leaves it until the last validator is in; whoever takes it away makes a store of it
     * that lacks some. */
    ENSURE(!head->has_high_watermark || head->high_epoch != 0 || head->high_slot != 0, E_STATE,
           "this table was begun, and that was not finished: delete it and begin again, by nitro-signer-ctl "
           "slashing init");
    return RESULT_OK;
}

static must_check result seal_over(struct interchange_store *store, const struct interchange_table *table)
{
    AUTO(secret) key = {0};
    struct slashing_store *raw = store->store;
    struct slashing_head head;
    TRY(slashing_store_head(raw, &head));
    TRY(check_head(&head));
    TRY(read_key(&key, table->key_file));
    TRY(slashing_seal_open(&store->seal, &key, head.store_id));
    TRY(check_identity(&store->seal, table->identity));
    TRY(slashing_sealed_open(&store->store, raw, &store->seal));
    return slashing_store_head(store->store, &head);
}

result interchange_dynamodb_open(struct interchange_store *ret_store, const struct interchange_table *table)
{
    TRY(open_libraries());
    TRY(connect_to(&ret_store->store, table));
    result r = seal_over(ret_store, table);
    return r.code ? error_prefix(r, "DynamoDB table %s", table->name) : r;
}
