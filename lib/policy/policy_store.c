/* policy_store.c - the text that names a store, taken apart. The account is kept beside the text, the table
 * is its end: nothing is put together again, so there is nothing that could differ. */
#include "policy/policy.h"

#include <stdio.h>
#include <string.h>

/* Each begins with its prefix; without a place the prefix is the whole text. */
static const struct {
    const char *prefix;
    bool has_place;
} stores[] = {[POLICY_STORE_NONE] = {"none", false},
              [POLICY_STORE_SQLITE] = {"sqlite:", true},
              [POLICY_STORE_DYNAMODB] = {"dynamodb:", true},
              [POLICY_STORE_POSTGRESQL] = {"postgresql", false}};

static must_check result store_kind_of(enum policy_store_kind *ret_kind, const char *text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(stores); i++) {
        size_t length = strlen(stores[i].prefix);
        if (strncmp(text, stores[i].prefix, length) == 0 && (stores[i].has_place || text[length] == 0)) {
            *ret_kind = (enum policy_store_kind)i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "must be sqlite:/PATH, dynamodb:ACCOUNT/TABLE, dynamodb:TABLE, postgresql or none");
}

/* Amazon's rule for names of tables. */
static bool is_table_name(const char *name)
{
    size_t length = strlen(name);
    return length >= 3 && length <= 255 &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == length;
}

/* "ACCOUNT/TABLE" or "TABLE"; ret_account becomes "" without one. */
static must_check result take_table(char ret_account[static POLICY_ACCOUNT_LEN + 1], const char *place)
{
    const char *slash = strchr(place, '/');
    ENSURE(!slash ||
               (slash - place == POLICY_ACCOUNT_LEN && strspn(place, "0123456789") == POLICY_ACCOUNT_LEN),
           E_INPUT, "dynamodb: the account before the table must be of %d digits", POLICY_ACCOUNT_LEN);
    ENSURE(is_table_name(slash ? slash + 1 : place), E_INPUT,
           "dynamodb: must be followed by a table's name, 3 to 255 of A-Z a-z 0-9 _ . -");
    (void)snprintf(ret_account, POLICY_ACCOUNT_LEN + 1, "%s", slash ? place : "");
    return RESULT_OK;
}

result policy_set_store(struct policy *policy, const char *text)
{
    enum policy_store_kind kind = POLICY_STORE_NONE;
    char account[POLICY_ACCOUNT_LEN + 1] = "";
    TRY(store_kind_of(&kind, text));
    const char *place = text + strlen(stores[kind].prefix);
    ENSURE(kind != POLICY_STORE_SQLITE || place[0] == '/', E_INPUT,
           "sqlite: must be followed by an absolute path");
    if (kind == POLICY_STORE_DYNAMODB)
        TRY(take_table(account, place));
    size_t length = strlen(text);
    ENSURE(length < sizeof policy->store, E_INPUT, "must have at most %zu characters",
           sizeof policy->store - 1);
    memcpy(policy->store, text, length + 1);
    memcpy(policy->store_account, account, sizeof account);
    policy->store_kind = kind;
    policy->single_mode = kind == POLICY_STORE_NONE || kind == POLICY_STORE_SQLITE;
    return RESULT_OK;
}

const char *policy_store_place(const struct policy *policy)
{
    const char *place = policy->store + strlen(stores[policy->store_kind].prefix);
    return policy->store_account[0] ? place + POLICY_ACCOUNT_LEN + 1 : place;
}

const char *policy_store_account(const struct policy *policy)
{
    return policy->store_account[0] ? policy->store_account : NULL;
}
