/* ctl_keys_change.c - keys activate, deactivate and assign: the attribute active, and whose a key is.
 *
 * Each looks at the whole table before: a key that is in two places is nobody's to activate, but in each of
 * them it can be deactivated. */
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "ctl_key_table.h"
#include "ctl_report.h"
#include "ctl_verbs.h"

#define CIPHERTEXT "encrypted_key_password_mnemonic_b64"

struct options {
    struct ctl_aws_options aws;
    struct ctl_table_options table;
    const char *from;
    bool yes;
};

/* What a call works with. */
struct change {
    struct options options;
    struct buffer report; /* --output=json: the inside of its list */
    struct ctl_aws aws;
    struct ctl_table_client client;
    struct ctl_table table;
};

static void change_cleanup(struct change *c)
{
    ctl_table_cleanup(&c->table);
    ctl_table_client_cleanup(&c->client);
    ctl_aws_cleanup(&c->aws);
    buffer_cleanup(&c->report);
}

/* A line, or a member of the list that is printed at the end: also when one of them fails, of those before.
 */
static must_check result tell(struct change *c, const char *word, const char *state)
{
    if (!c->aws.json) {
        (void)printf("%s %s\n", word, state);
        return RESULT_OK;
    }
    TRY(buffer_append_text(&c->report, c->report.length ? ",\n  {\"key\": " : "\n  {\"key\": "));
    TRY(json_append_quoted(&c->report, word));
    return buffer_printf(&c->report, ", \"state\": \"%s\"}", state);
}

static result finish(const struct change *c, result r)
{
    if (c->aws.json)
        (void)printf("{\"keys\": [%s]}\n", c->report.data ? (const char *)c->report.data : "");
    return r;
}

static must_check result open_change(struct change *c, struct ctl_call *call, char *const **ret_words)
{
    bool assigns = call->verb->run == ctl_keys_assign, removes = call->verb->run == ctl_keys_remove;
    const struct option yes = {"yes", OPTION_FLAG, &c->options.yes, "do not ask (false)", 0, 0};
    const struct option from = {
        "from", OPTION_TEXT, &c->options.from, "web3signer_uuid that has them now, inactive (none)", 0, 0};
    const struct option table[] = {
        assigns ? from : yes,
        CTL_TABLE_ROWS(c->options.table),
        CTL_AWS_ROWS(c->options.aws),
    };
    /* Only what cannot be undone asks. */
    size_t left_out = assigns || removes ? 0 : 1;
    TRY(ctl_parse(call, table + left_out, ARRAY_LENGTH(table) - left_out, ret_words));
    TRY(ctl_aws_open(&c->aws, call, &c->options.aws));
    TRY(ctl_table_open(&c->client, &c->aws, call, &c->options.table));
    c->client.aws = &c->aws;
    TRY(ctl_require(call, c->client.uuid, "stack"));
    return ctl_table_read(&c->table, &c->client, NULL);
}

/* Of two items of a key, which should not be, the one that is ours, and not sealed, is meant. */
static bool is_rather(const struct ctl_table_item *item, const struct ctl_table_item *other, const char *uuid)
{
    bool is_ours = strcmp(item->uuid, uuid) == 0, other_is = other && strcmp(other->uuid, uuid) == 0;
    return !other || (is_ours != other_is ? is_ours : other->is_sealed && !item->is_sealed);
}

static must_check result find_batch(const struct ctl_table_item **ret_item, const struct change *c,
                                    const char *name)
{
    const struct ctl_table_item *found = NULL;
    for (size_t i = 0; i < c->table.num_items; i++) {
        const struct ctl_table_item *item = &c->table.items[i];
        if (strcmp(item->name, name) == 0 && is_rather(item, found, c->client.uuid))
            found = item;
    }
    ENSURE(found, E_NOT_FOUND, "%.110s: the table has no such batch", name);
    *ret_item = found;
    return RESULT_OK;
}

/* The item with that key, or of that name. */
static must_check result find_item(const struct ctl_table_item **ret_item, const struct change *c,
                                   const char *word)
{
    const struct ctl_table_item *found = NULL;
    const struct ctl_table_key *key = NULL;
    uint8_t pubkey[BLS_PUBKEY_LEN];
    if (strncmp(word, "sealed-", 7) == 0)
        return find_batch(ret_item, c, word);
    result r = hex_decode(pubkey, sizeof pubkey, word, strlen(word));
    if (r.code)
        return error_prefix(r, "the public key");
    while ((key = ctl_table_find(&c->table, pubkey, key)))
        if (is_rather(&c->table.items[key->item], found, c->client.uuid))
            found = &c->table.items[key->item];
    ENSURE(found, E_NOT_FOUND, "%.98s: the table has no such key", word);
    ENSURE(!found->is_sealed, E_STATE, "%.98s: is sealed in the batch %.110s, which goes as a whole", word,
           found->name);
    *ret_item = found;
    return RESULT_OK;
}

/* No key of an item that is to sign, or to be given away, may be anywhere else. */
static must_check result check_alone(const struct ctl_table *table, const struct ctl_table_item *item)
{
    char text[CTL_PUBKEY_TEXT];
    for (size_t i = 1; i < table->num_keys; i++) {
        const struct ctl_table_key *one = &table->keys[i - 1], *other = &table->keys[i];
        bool concerns = &table->items[one->item] == item || &table->items[other->item] == item;
        hex_encode(text, other->pubkey, BLS_PUBKEY_LEN);
        ENSURE(!concerns || memcmp(one->pubkey, other->pubkey, BLS_PUBKEY_LEN) != 0, E_STATE,
               "0x%s: is in two items of the table: see keys list --all", text);
    }
    return RESULT_OK;
}

static must_check result write_one(const struct ctl_table_client *client, struct aws_dynamodb_write *write,
                                   const char *word)
{
    TRY(ctl_table_write(client, write, 1));
    ENSURE(!write->refused, E_STATE, "%.110s: somebody else has changed its item meanwhile", word);
    return RESULT_OK;
}

static must_check result set_active(struct change *c, const char *word, bool active)
{
    const struct ctl_table_item *item;
    AUTO(aws_dynamodb_write) write = {0};
    TRY(find_item(&item, c, word));
    ENSURE(strcmp(item->uuid, c->client.uuid) == 0, E_STATE, "%.110s: is under web3signer_uuid %.64s", word,
           item->uuid);
    if (active)
        TRY(check_alone(&c->table, item));
    const struct aws_dynamodb_attribute key[] = {{"web3signer_uuid", "S", item->uuid},
                                                 {"pubkey", "S", item->name}};
    TRY(aws_dynamodb_write_truth(&write, c->client.table, key, "active", active));
    TRY(write_one(&c->client, &write, word));
    return tell(c, word, active ? "active" : "inactive");
}

static must_check result change_active(struct ctl_call *call, bool active)
{
    AUTO(change) c = {.aws = {.json = false}};
    char *const *words;
    TRY(open_change(&c, call, &words));
    result r = RESULT_OK;
    for (; *words && !r.code; words++)
        r = set_active(&c, *words, active);
    return finish(&c, r);
}

result ctl_keys_activate(struct ctl_call *call)
{
    return change_active(call, true);
}

result ctl_keys_deactivate(struct ctl_call *call)
{
    return change_active(call, false);
}

/* ---- assign ---- */

static must_check result read_item(json_t **ret_answer, struct json_view *ret_item,
                                   const struct ctl_table_client *client, const struct ctl_table_item *item)
{
    AUTO_POINTER(json_t) answer = NULL;
    const struct aws_dynamodb_attribute key[] = {{"web3signer_uuid", "S", item->uuid},
                                                 {"pubkey", "S", item->name}};
    TRY(aws_dynamodb_item_get_by_pair(client->client, &answer, &client->aws->credentials, client->table, key,
                                      ctl_table_deadline()));
    TRY(json_view_root(ret_item, answer));
    *ret_answer = TAKE(answer);
    return RESULT_OK;
}

static must_check result text_or_null(const char **ret_text, const struct json_view *item, const char *name)
{
    *ret_text = NULL;
    return json_has(item, name) ? aws_dynamodb_item_text(ret_text, NULL, item, name) : RESULT_OK;
}

static must_check result assign(struct change *c, const char *word)
{
    const struct ctl_table_item *old;
    AUTO(aws_dynamodb_write) write = {0};
    AUTO_POINTER(json_t) answer = NULL;
    struct json_view view;
    TRY(find_item(&old, c, word));
    TRY(check_alone(&c->table, old));
    ENSURE(!old->is_sealed && !old->is_damaged, E_STATE,
           "%.110s: sealed batches are bound to their web3signer_uuid, and damaged items go nowhere", word);
    if (strcmp(old->uuid, c->client.uuid) == 0)
        return tell(c, word, "there already");
    const char *from = c->options.from ? c->options.from : CTL_UNASSIGNED;
    ENSURE(strcmp(old->uuid, from) == 0, E_STATE,
           "%.110s: is under web3signer_uuid %.64s, not \"%.64s\": it is another signer's", word, old->uuid,
           from);
    ENSURE(strcmp(from, CTL_UNASSIGNED) == 0 || !old->active, E_STATE,
           "%.110s: is active there: keys deactivate --uuid=%.64s comes first, and the end of the signers "
           "that have it",
           word, from);
    TRY(read_item(&answer, &view, &c->client, old));
    struct ctl_new_item item = {.uuid = c->client.uuid, .name = old->name, .active = old->active};
    TRY(aws_dynamodb_item_text(&item.ciphertext, NULL, &view, CIPHERTEXT));
    TRY(text_or_null(&item.chain, &view, "chain"));
    TRY(text_or_null(&item.datetime, &view, "datetime"));
    TRY(text_or_null(&item.deposit, &view, "deposit_json_b64"));
    TRY(ctl_table_move(&write, &c->client, &item, old));
    TRY(write_one(&c->client, &write, word));
    return tell(c, word, "assigned");
}

result ctl_keys_assign(struct ctl_call *call)
{
    AUTO(change) c = {.aws = {.json = false}};
    char *const *words;
    TRY(open_change(&c, call, &words));
    ENSURE(strcmp(c.client.uuid, CTL_UNASSIGNED) != 0, E_INPUT, "--uuid: none is nobody");
    result r = RESULT_OK;
    for (; *words && !r.code; words++)
        r = assign(&c, *words);
    return finish(&c, r);
}

/* ---- remove ---- */

/* An active key is one that signers take when they are started the next time: that is to be ended first. */
static must_check result check_removable(const struct change *c, const char *word)
{
    const struct ctl_table_item *item;
    TRY(find_item(&item, c, word));
    ENSURE(strcmp(item->uuid, c->client.uuid) == 0, E_STATE, "%.110s: is under web3signer_uuid %.64s", word,
           item->uuid);
    ENSURE(!item->active, E_STATE, "%.110s: is active: keys deactivate comes first", word);
    ENSURE(!item->is_damaged, E_STATE, "%.110s: its item is damaged: keys deactivate mends it", word);
    return RESULT_OK;
}

static must_check result remove_one(struct change *c, const char *word)
{
    const struct ctl_table_item *item;
    AUTO(aws_dynamodb_write) write = {0};
    TRY(find_item(&item, c, word));
    const struct aws_dynamodb_attribute key[] = {{"web3signer_uuid", "S", item->uuid},
                                                 {"pubkey", "S", item->name}};
    TRY(aws_dynamodb_write_delete(&write, c->client.table, key, "active", false));
    TRY(write_one(&c->client, &write, word));
    return tell(c, word, "removed");
}

result ctl_keys_remove(struct ctl_call *call)
{
    AUTO(change) c = {.aws = {.json = false}};
    char *const *words;
    char question[160];
    TRY(open_change(&c, call, &words));
    size_t num = 0;
    for (; words[num]; num++)
        TRY(check_removable(&c, words[num]));
    (void)snprintf(question, sizeof question,
                   "Remove %zu items from table %.60s? What is not kept elsewhere is lost.", num,
                   c.client.table);
    if (!c.options.yes)
        TRY(ctl_confirm(question));
    result r = RESULT_OK;
    for (; *words && !r.code; words++)
        r = remove_one(&c, *words);
    return finish(&c, r);
}
