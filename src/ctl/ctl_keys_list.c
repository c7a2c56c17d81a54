/* ctl_keys_list.c - keys list: what is in the validator-key table, key by key. Nothing is decrypted. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "ctl_key_table.h"

struct options {
    struct ctl_aws_options aws;
    struct ctl_table_options table;
    bool all;
};

struct counts {
    size_t keystores, sealed, inactive, damaged, batches;
};

static void count(struct counts *n, const struct ctl_table *table)
{
    for (size_t i = 0; i < table->num_items; i++) {
        const struct ctl_table_item *item = &table->items[i];
        n->damaged += item->is_damaged;
        n->batches += item->is_sealed;
        if (item->is_sealed)
            n->sealed += item->num_keys;
        else
            n->keystores += item->num_keys;
        if (!item->active && !item->is_damaged)
            n->inactive += item->num_keys;
    }
}

/* What an item says of itself may be anything: only what is printable is printed. */
static void print_word(const char *text, int width)
{
    char word[128];
    size_t length = 0;
    for (; text[length] && length + 1 < sizeof word; length++)
        word[length] = text[length] > ' ' && text[length] < 0x7f ? text[length] : '?';
    word[length] = 0;
    (void)printf("  %-*s", width, length ? word : "-");
}

static const char *state_of(const struct ctl_table_item *item)
{
    return item->is_damaged ? "damaged" : item->active ? "active" : "inactive";
}

static void print_key(const char *pubkey, const struct ctl_table_item *item)
{
    (void)fputs(pubkey, stdout);
    print_word(item->is_sealed ? "sealed" : "keystore", 8);
    print_word(state_of(item), 8);
    print_word(item->chain, 8);
    print_word(item->datetime, 20);
    print_word(item->uuid, 0);
    if (item->is_sealed)
        print_word(item->name, 0);
    (void)puts("");
}

static void print_text(const struct ctl_table *table)
{
    struct counts n = {0};
    for (size_t i = 0; i < table->num_keys; i++) {
        char text[CTL_PUBKEY_TEXT + 2];
        hex_encode_0x(text, table->keys[i].pubkey, BLS_PUBKEY_LEN);
        print_key(text, &table->items[table->keys[i].item]);
    }
    for (size_t i = 0; i < table->num_items; i++)
        if (table->items[i].is_damaged && table->items[i].num_keys == 0) {
            (void)fputs("damaged item", stdout);
            print_word(table->items[i].name, 0);
            print_word(table->items[i].uuid, 0);
            (void)puts("");
        }
    count(&n, table);
    (void)printf("%zu keys: %zu in keystores, %zu sealed in %zu batches; %zu inactive; %zu damaged items\n",
                 table->num_keys, n.keystores, n.sealed, n.batches, n.inactive, n.damaged);
}

static must_check result append_key(struct buffer *out, const struct ctl_table_key *key,
                                    const struct ctl_table_item *item)
{
    char text[CTL_PUBKEY_TEXT + 2];
    hex_encode_0x(text, key->pubkey, BLS_PUBKEY_LEN);
    TRY(buffer_printf(
        out, "{\"pubkey\": \"%s\", \"kind\": \"%s\", \"active\": %s, \"damaged\": %s, \"item\": ", text,
        item->is_sealed ? "sealed" : "keystore", item->active ? "true" : "false",
        item->is_damaged ? "true" : "false"));
    TRY(json_append_quoted(out, item->name));
    TRY(buffer_append_text(out, ", \"web3signer_uuid\": "));
    TRY(json_append_quoted(out, item->uuid));
    TRY(buffer_append_text(out, ", \"chain\": "));
    TRY(json_append_quoted(out, item->chain));
    TRY(buffer_append_text(out, ", \"datetime\": "));
    TRY(json_append_quoted(out, item->datetime));
    return buffer_append_text(out, "}");
}

static must_check result print_json(const struct ctl_table *table)
{
    AUTO(buffer) out = {0};
    struct counts n = {0};
    count(&n, table);
    TRY(buffer_printf(&out,
                      "{\"count\": %zu, \"keystores\": %zu, \"sealed\": %zu, \"batches\": %zu, \"inactive\": "
                      "%zu, \"damaged_items\": %zu, \"keys\": [",
                      table->num_keys, n.keystores, n.sealed, n.batches, n.inactive, n.damaged));
    for (size_t i = 0; i < table->num_keys; i++) {
        TRY(buffer_append_text(&out, i ? ",\n  " : "\n  "));
        TRY(append_key(&out, &table->keys[i], &table->items[table->keys[i].item]));
    }
    (void)printf("%s]}\n", (const char *)out.data);
    return RESULT_OK;
}

result ctl_keys_list(struct ctl_call *call)
{
    struct options o = {.all = false};
    const struct option table[] = {
        {"all", OPTION_FLAG, &o.all, "whosever they are (those of --stack or --uuid)", 0, 0},
        CTL_TABLE_ROWS(o.table),
        CTL_AWS_ROWS(o.aws),
    };
    char *const *none;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_table_client) client = {0};
    AUTO(ctl_table) found = {0};
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(ctl_table_open(&client, &aws, call, &o.table));
    if (!o.all)
        TRY(ctl_require(call, client.uuid, "stack"));
    TRY(ctl_table_read(&found, &client, o.all ? NULL : client.uuid));
    if (aws.json)
        return print_json(&found);
    print_text(&found);
    return RESULT_OK;
}
