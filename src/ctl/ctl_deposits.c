/* ctl_deposits.c - keys check-deposit-data and keys export-deposit-data: the file for the staking launchpad.
 * What is exported is checked first, as the launchpad will. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_deposit_check.h"
#include "ctl_key_table.h"
#include "ctl_report.h"
#include "ctl_terminal.h"
#include "eth2/eth2_config.h"

enum { VALUES_EACH = 16, ITEM_FILE_MAX = 32 << 20, ITEM_VALUES_MAX = 64, GWEI_DIGITS = 9 };

static must_check result read_list(json_t **ret_list, const char *text, size_t text_len)
{
    return json_read(ret_list, text, text_len, CTL_DEPOSITS_FILE_MAX, CTL_DEPOSITS_MAX * VALUES_EACH);
}

/* ---- check-deposit-data ---- */

struct judgement {
    bool json;
    json_t *deposits;
    size_t num;
};

static result see(void *context, const struct ctl_deposit *d)
{
    struct judgement *j = context;
    char pubkey[2 * BLS_PUBKEY_LEN + 3], credentials[67];
    hex_encode_0x(pubkey, d->message.pubkey, BLS_PUBKEY_LEN);
    hex_encode_0x(credentials, d->message.withdrawal_credentials, 32);
    j->num++;
    if (!j->json) {
        (void)printf("%s  %" PRIu64 ".%0*" PRIu64 " ETH  %s\n", pubkey,
                     d->message.amount / UINT64_C(1000000000), GWEI_DIGITS,
                     d->message.amount % UINT64_C(1000000000), credentials);
        return RESULT_OK;
    }
    json_t *one = json_pack("{s:s,s:I,s:s}", "pubkey", pubkey, "amount_gwei", (json_int_t)d->message.amount,
                            "withdrawal_credentials", credentials);
    ENSURE(json_array_append_new(j->deposits, one) == 0, E_MEMORY, "no memory for the output");
    return RESULT_OK;
}

static must_check result judge(struct judgement *j, const char *path, const struct eth2_network *network)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) list = NULL;
    TRY(file_read(&text, path, CTL_DEPOSITS_FILE_MAX));
    result r = read_list(&list, text.data ? (const char *)text.data : "", text.length);
    if (!r.code)
        r = ctl_deposits_check(list, network, see, j);
    return r.code ? error_prefix(r, "%s", path) : r;
}

result ctl_keys_check_deposits(struct ctl_call *call)
{
    const char *name = NULL;
    const struct option table[] = {
        {"network", OPTION_TEXT, &name, "that it must be for: name or configuration YAML (that it names)", 0,
         0},
    };
    char *const *file;
    struct eth2_network network;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &file));
    result r = name ? eth2_network_of_option(&network, name) : RESULT_OK;
    call->is_usage_error = r.code != 0;
    TRY(r);
    AUTO_POINTER(json_t) object = json_pack("{s:b,s:[]}", "valid", 1, "deposits");
    struct judgement j = {.json = call->json, .deposits = json_object_get(object, "deposits")};
    TRY(judge(&j, file[0], name ? &network : NULL));
    if (call->json)
        return ctl_print_json(object);
    (void)printf("%s%zu deposits, all right%s\n", ctl_style(CTL_GOOD), j.num, ctl_style(CTL_PLAIN));
    return RESULT_OK;
}

/* ---- export-deposit-data ---- */

struct options {
    struct ctl_aws_options aws;
    struct ctl_table_options table;
    const char *items, *out, *network;
};

/* The data of an item, base64 of a list, put behind those that there are. */
static must_check result add_encoded(json_t *all, const char *text, size_t text_len)
{
    AUTO(buffer) bytes = {0};
    AUTO_POINTER(json_t) list = NULL;
    size_t length = 0;
    TRY(buffer_reserve(&bytes, BASE64_DECODED_MAX(text_len) + 1));
    TRY(base64_decode(bytes.data, &length, BASE64_DECODED_MAX(text_len), text, text_len));
    TRY(read_list(&list, (const char *)bytes.data, length));
    ENSURE(json_array_extend(all, list) == 0, E_INPUT, "must be a list");
    return RESULT_OK;
}

/* A file of items/validators has its datum inside; one of items/deposits is a list. */
static must_check result add_file(json_t *all, const char *path, bool is_item)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view view;
    const char *encoded;
    size_t encoded_len;
    TRY(file_read(&text, path, ITEM_FILE_MAX));
    const char *bytes = text.data ? (const char *)text.data : "";
    if (!is_item) {
        TRY(read_list(&document, bytes, text.length));
        ENSURE(json_array_extend(all, document) == 0, E_INPUT, "must be a list");
        return RESULT_OK;
    }
    TRY(json_read(&document, bytes, text.length, ITEM_FILE_MAX, ITEM_VALUES_MAX));
    TRY(json_view_root(&view, document));
    TRY(json_get_text(&encoded, &encoded_len, &view, "deposit_json_b64"));
    result r = add_encoded(all, encoded, encoded_len);
    return r.code ? json_blame(r, &view, "deposit_json_b64") : r;
}

static int is_json_name(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".json") == 0;
}

static must_check result add_entries(json_t *all, const char *folder, struct dirent **entries, int num,
                                     bool are_items)
{
    for (int i = 0; i < num; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--items: the path is too long");
        result r = add_file(all, path, are_items);
        if (r.code)
            return error_prefix(r, "%s", path);
    }
    return RESULT_OK;
}

static must_check result add_folder(json_t *all, const char *items, const char *name, bool are_items)
{
    char folder[PATH_MAX];
    struct dirent **entries = NULL;
    int length = snprintf(folder, sizeof folder, "%s/%s", items, name);
    ENSURE(length > 0 && (size_t)length < sizeof folder, E_INPUT, "--items: the path is too long");
    int num = scandir(folder, &entries, is_json_name, alphasort);
    ENSURE(num >= 0 || errno == ENOENT, E_IO, "%s: %s", folder, strerror(errno));
    result r = add_entries(all, folder, entries, num, are_items);
    for (int i = 0; i < num; i++)
        free(entries[i]);
    free(entries);
    return r;
}

static must_check result add_row(json_t *all, const struct ctl_table_client *client,
                                 const struct ctl_table_item *item)
{
    AUTO_POINTER(json_t) answer = NULL;
    struct json_view view;
    const char *text;
    size_t text_len;
    const struct aws_dynamodb_attribute key[] = {{"web3signer_uuid", "S", item->uuid},
                                                 {"pubkey", "S", item->name}};
    TRY(aws_dynamodb_item_get_by_pair(client->client, &answer, &client->aws->credentials, client->table, key,
                                      ctl_table_deadline()));
    TRY(json_view_root(&view, answer));
    TRY(aws_dynamodb_item_text(&text, &text_len, &view, "deposit_json_b64"));
    result r = add_encoded(all, text, text_len);
    return r.code ? error_prefix(r, "deposit_json_b64") : r;
}

/* Batches have no deposit data in the table; what made them wrote a file. */
static must_check result add_rows(json_t *all, const struct ctl_table_client *client,
                                  const struct ctl_table *table)
{
    AUTO(ctl_progress) progress = ctl_progress_begin(table->num_items, "items");
    for (size_t i = 0; i < table->num_items; i++) {
        const struct ctl_table_item *item = &table->items[i];
        ENSURE(!item->is_sealed, E_UNSUPPORTED,
               "%.110s: is a sealed batch, whose deposit data are in the file that --deposits of keys upload "
               "named",
               item->name);
        ENSURE(!item->is_damaged, E_STATE, "%.110s: is damaged", item->name);
        result r = add_row(all, client, item);
        if (r.code)
            return error_prefix(r, "item %.110s", item->name);
        ctl_progress_tell(&progress, i + 1);
    }
    return RESULT_OK;
}

static must_check result add_table(json_t *all, struct ctl_call *call, const struct options *o)
{
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_table_client) client = {0};
    AUTO(ctl_table) table = {0};
    TRY(ctl_aws_open(&aws, call, &o->aws));
    TRY(ctl_table_open(&client, &aws, call, &o->table));
    client.aws = &aws;
    TRY(ctl_require(call, client.uuid, "stack"));
    TRY(ctl_table_read(&table, &client, client.uuid));
    return add_rows(all, &client, &table);
}

static must_check result put_out(const json_t *all, const struct ctl_call *call, const char *path)
{
    char *text = json_dumps(all, JSON_COMPACT);
    ENSURE(text, E_MEMORY, "no memory for the output");
    result r = RESULT_OK;
    if (!path)
        (void)puts(text);
    else
        r = file_write(path, text, strlen(text), 0644);
    ctl_json_free(text);
    TRY(r);
    if (path && !call->json)
        (void)printf("%zu deposits, all right, in %s\n", json_array_size(all), path);
    if (!path || !call->json)
        return RESULT_OK;
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:I}", "file", path, "deposits", (json_int_t)json_array_size(all));
    return ctl_print_json(object);
}

result ctl_keys_export_deposits(struct ctl_call *call)
{
    struct options o = {.items = NULL};
    const struct option table[] = {
        {"items", OPTION_FOLDER, &o.items, "folder that keys generate --out has written (the table)", 0, 0},
        {"network", OPTION_TEXT, &o.network,
         "that the data must be for: name or configuration YAML (that they name)", 0, 0},
        {"out", OPTION_FILE, &o.out, "file for the list (standard output)", 0, 0},
        CTL_TABLE_ROWS(o.table),
        CTL_AWS_ROWS(o.aws),
    };
    char *const *none;
    struct eth2_network network;
    AUTO_POINTER(json_t) all = json_array();
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    result r = o.network ? eth2_network_of_option(&network, o.network) : RESULT_OK;
    call->is_usage_error = r.code != 0;
    TRY(r);
    call->is_usage_error = o.items && (o.aws.stack || o.table.table);
    ENSURE(!call->is_usage_error, E_INPUT, "--items: not together with --stack or --table");
    if (o.items) {
        TRY(add_folder(all, o.items, "validators", true));
        TRY(add_folder(all, o.items, "deposits", false));
    } else {
        TRY(add_table(all, call, &o));
    }
    ENSURE(json_array_size(all) > 0, E_NOT_FOUND, "there are no deposit data");
    TRY(ctl_deposits_check(all, o.network ? &network : NULL, NULL, NULL));
    return put_out(all, call, o.out);
}
