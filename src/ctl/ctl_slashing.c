/* ctl_slashing.c - reaching a table, and slashing status: what it says of itself. */
#include "ctl_slashing.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/hex.h"
#include "ctl_history.h"
#include "ctl_report.h"
#include "slashing/slashing_sealed.h"

enum { DEADLINE_MS = 30000, ATTEMPT_MS = 10000, CONNECTIONS = 8 };

result ctl_slashing_open(struct slashing_store **ret_store, struct ctl_aws *aws, struct ctl_call *call,
                         const struct ctl_slashing_options *o)
{
    AUTO_POINTER(slashing_store) store = NULL;
    struct net_address via;
    const char *table = o->table;
    char endpoint[CTL_AWS_URL_MAX];
    if (!table && aws->stack_name)
        TRY(ctl_aws_output(&table, aws, call, "SlashingProtectionTableName"));
    TRY(ctl_require(call, table, "table"));
    if (o->via)
        TRY(ctl_address(&via, call, o->via, "dynamodb-via"));
    TRY(ctl_aws_endpoint(endpoint, aws, &ctl_aws_dynamodb));
    const struct slashing_dynamodb_config config = {.endpoint = o->endpoint ? o->endpoint : endpoint,
                                                    .region = aws->region,
                                                    .table = table,
                                                    .via = o->via ? &via : NULL,
                                                    .ca_pem = &aws->ca_pem,
                                                    .connections = CONNECTIONS,
                                                    .attempt_timeout_ms = ATTEMPT_MS,
                                                    .deadline_ms = DEADLINE_MS};
    result r = slashing_dynamodb_open(&store, &config);
    call->is_usage_error = r.code == E_INPUT;
    TRY(r);
    TRY(slashing_dynamodb_set_credentials(store, &aws->credentials));
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

static json_t *hex_or_null(bool has, const uint8_t *bytes, size_t bytes_len)
{
    char digits[2 * SLASHING_IDENTITY_LEN + 1];
    if (!has || bytes_len > SLASHING_IDENTITY_LEN)
        return json_null();
    hex_encode(digits, bytes, bytes_len);
    return json_pack("s+", "0x", digits);
}

/* Epochs and slots as texts, as in EIP-3076: they may be larger than what JSON readers keep exactly. */
static json_t *mark_or_null(const struct slashing_head *head)
{
    char epoch[24], slot[24];
    if (!head->has_high_watermark)
        return json_null();
    (void)snprintf(epoch, sizeof epoch, "%" PRIu64, head->high_epoch);
    (void)snprintf(slot, sizeof slot, "%" PRIu64, head->high_slot);
    return json_pack("{s:s,s:s}", "epoch", epoch, "slot", slot);
}

/* identity NULL: the seals were not checked. */
static must_check result print_json(const struct slashing_head *head, const uint8_t *identity)
{
    AUTO_POINTER(json_t)
    object = json_pack(
        "{s:o,s:I,s:I,s:o,s:o,s:s,s:o,s:b}", "store_id",
        hex_or_null(true, head->store_id, sizeof head->store_id), "generation", (json_int_t)head->generation,
        "validators", (json_int_t)head->num_validators, "genesis_validators_root",
        hex_or_null(head->has_genesis, head->genesis_validators_root, 32), "high_watermark",
        mark_or_null(head), "key", head->sealed_key_len ? "sealed_by_kms" : "from_file_or_none", "identity",
        hex_or_null(identity, identity, SLASHING_IDENTITY_LEN), "seals_checked", identity != NULL);
    return ctl_print_json(object);
}

static result ignore_entry(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)context;
    (void)pubkey;
    (void)entry;
    return RESULT_OK;
}

/* Takes the store over: every record is read and checked. */
static must_check result check_all(uint8_t ret_identity[static SLASHING_IDENTITY_LEN],
                                   struct slashing_store **store, const char *key_file,
                                   const struct slashing_head *head)
{
    AUTO(secret) key = {0};
    AUTO(slashing_seal) seal = {0};
    result r = secret_read_file(&key, key_file, SLASHING_SEAL_KEY_LEN);
    if (r.code)
        return error_prefix(r, "--key-file");
    TRY(slashing_seal_open(&seal, &key, head->store_id));
    AUTO_POINTER(slashing_store) sealed = NULL;
    TRY(slashing_sealed_open(&sealed, *store, &seal));
    *store = NULL;
    TRY(slashing_store_scan(sealed, ignore_entry, NULL));
    return slashing_seal_identity(ret_identity, &seal);
}

static must_check result show_file(const struct ctl_call *call, const char *path)
{
    AUTO(slashing_history) h = {.num_validators = 0};
    TRY(ctl_history_read(&h, path));
    return ctl_history_print(call, &h);
}

result ctl_slashing_show(struct ctl_call *call)
{
    struct ctl_slashing_options o = {0};
    AUTO(ctl_aws) aws = {.json = false};
    const char *key_file = NULL, *file = NULL;
    const struct option table[] = {
        CTL_SLASHING_ROWS(o),
        {"file", OPTION_FILE, &file, "instead of a table: an EIP-3076 file (none)", 0, 0},
        {"key-file", OPTION_FILE, &key_file, "32 bytes of key: checks the seal of every record (none)", 0, 0},
    };
    char *const *none;
    AUTO_POINTER(slashing_store) store = NULL;
    struct slashing_head head;
    uint8_t identity[SLASHING_IDENTITY_LEN];
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    if (file)
        return show_file(call, file);
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(ctl_slashing_open(&store, &aws, call, &o));
    TRY(slashing_store_head(store, &head));
    if (!aws.json)
        print_head(&head);
    if (key_file)
        TRY(check_all(identity, &store, key_file, &head));
    if (aws.json)
        return print_json(&head, key_file ? identity : NULL);
    if (key_file)
        ctl_slashing_print_bytes("identity ", identity, sizeof identity);
    (void)puts(key_file ? "seals right" : "seals unchecked");
    return RESULT_OK;
}
