/* ctl_slashing.c - reaching a table, and slashing status: what it says of itself. */
#include "ctl_slashing.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_client.h"
#include "aws/aws_credentials_file.h"
#include "base/secret_allocators.h"
#include "slashing/slashing_sealed.h"
#include "json/json.h"

enum { DEADLINE_MS = 30000, ATTEMPT_MS = 10000, CONNECTIONS = 8 };

static const char *or_environment(const char *value, const char *name)
{
    const char *set = value ? value : secure_getenv(name);
    return set && set[0] ? set : NULL;
}

result ctl_slashing_secrets_open(void)
{
    TRY(ctl_secrets_open());
    json_set_alloc_funcs(malloc, secret_wiping_free);
    return RESULT_OK;
}

result ctl_slashing_open(struct slashing_store **ret_store, struct ctl_call *call,
                         const struct ctl_slashing_options *o)
{
    AUTO(aws_credentials) credentials = {.access_key_id = ""};
    AUTO(buffer) ca_pem = {0};
    AUTO_POINTER(slashing_store) store = NULL;
    struct net_address via;
    TRY(ctl_require(call, o->table, "table"));
    TRY(ctl_require(call, o->region, "region"));
    TRY(ctl_require(call, o->credentials, "credentials"));
    if (o->via)
        TRY(ctl_address(&via, call, o->via, "dynamodb-via"));
    TRY(aws_credentials_read(&credentials, o->credentials));
    TRY(aws_library_open());
    TRY(aws_authorities_read(&ca_pem, or_environment(o->ca_file, "AWS_CA_BUNDLE")));
    const struct slashing_dynamodb_config config = {
        .endpoint = or_environment(o->endpoint, "AWS_ENDPOINT_URL_DYNAMODB"),
        .region = o->region,
        .table = o->table,
        .via = o->via ? &via : NULL,
        .ca_pem = &ca_pem,
        .connections = CONNECTIONS,
        .attempt_timeout_ms = ATTEMPT_MS,
        .deadline_ms = DEADLINE_MS};
    result r = slashing_dynamodb_open(&store, &config);
    call->is_usage_error = r.code == E_INPUT;
    TRY(r);
    TRY(slashing_dynamodb_set_credentials(store, &credentials));
    *ret_store = TAKE(store);
    return RESULT_OK;
}

void ctl_slashing_print_bytes(const char *name, const uint8_t *bytes, size_t bytes_len)
{
    (void)printf("%s0x", name);
    for (size_t i = 0; i < bytes_len; i++)
        (void)printf("%02x", bytes[i]);
    (void)puts("");
}

static void print_head(const struct slashing_head *head)
{
    ctl_slashing_print_bytes("store_id ", head->store_id, sizeof head->store_id);
    (void)printf("generation %" PRIu64 "\nvalidators %" PRIu64 "\n", head->generation, head->num_validators);
    if (head->has_genesis)
        ctl_slashing_print_bytes("genesis_validators_root ", head->genesis_validators_root, 32);
    else
        (void)puts("genesis_validators_root none");
    if (head->has_high_watermark)
        (void)printf("high_watermark epoch %" PRIu64 " slot %" PRIu64 "\n", head->high_epoch,
                     head->high_slot);
    else
        (void)puts("high_watermark none");
    (void)puts(head->sealed_key_len ? "key sealed_by_kms" : "key from_file_or_none");
}

static result ignore_entry(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)context;
    (void)pubkey;
    (void)entry;
    return RESULT_OK;
}

/* Takes the store over: every record is read and checked. */
static must_check result check_all(struct slashing_store **store, const char *key_file,
                                   const struct slashing_head *head)
{
    AUTO(secret) key = {0};
    AUTO(slashing_seal) seal = {0};
    uint8_t identity[SLASHING_IDENTITY_LEN];
    result r = secret_read_file(&key, key_file, SLASHING_SEAL_KEY_LEN);
    if (r.code)
        return error_prefix(r, "--key-file");
    TRY(slashing_seal_open(&seal, &key, head->store_id));
    AUTO_POINTER(slashing_store) sealed = NULL;
    TRY(slashing_sealed_open(&sealed, *store, &seal));
    *store = NULL;
    TRY(slashing_store_scan(sealed, ignore_entry, NULL));
    TRY(slashing_seal_identity(identity, &seal));
    ctl_slashing_print_bytes("identity ", identity, sizeof identity);
    (void)puts("seals right");
    return RESULT_OK;
}

result ctl_slashing_status(struct ctl_call *call)
{
    struct ctl_slashing_options o = {0};
    const char *key_file = NULL;
    const struct option table[] = {
        CTL_SLASHING_ROWS(o),
        {"key-file", OPTION_TEXT, &key_file, "32 bytes of key: checks the seal of every record (none)", 0, 0},
    };
    char *const *none;
    AUTO_POINTER(slashing_store) store = NULL;
    struct slashing_head head;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table),
                  "nitro-signer-ctl slashing status [options]\n"
                  "What the table's head says. Without the key nothing of it is proven.",
                  0, &none));
    TRY(ctl_slashing_secrets_open());
    TRY(ctl_slashing_open(&store, call, &o));
    TRY(slashing_store_head(store, &head));
    print_head(&head);
    if (key_file)
        return check_all(&store, key_file, &head);
    (void)puts("seals unchecked");
    return RESULT_OK;
}
