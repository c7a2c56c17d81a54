/* devcloud_kms_policy.c - see devcloud_kms_policy.h.
 *
 * Parsing gives a table of statements whose strings live in the JSON tree, kept beside it; evaluation walks
 * the table and reads no JSON. */
#include "devcloud_kms_policy.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hex.h"
#include "base/options.h"
#include "json/json.h"

enum { POLICY_MAX = 32768, VALUES_MAX = 1024, STATEMENTS_MAX = 32, TEXTS_MAX = 32, CONDITIONS_MAX = 64 };
#define ATTESTATION_KEY "kms:RecipientAttestation:"

/* One or many strings of the tree. */
struct text_list {
    const char *texts[TEXTS_MAX];
    size_t num;
};

enum condition_operator {
    STRING_EQUALS,
    STRING_EQUALS_IGNORE_CASE,
    STRING_NOT_EQUALS,
    STRING_NOT_EQUALS_IGNORE_CASE,
    IS_NULL
};

static const char *const operator_names[] = {
    [STRING_EQUALS] = "StringEquals",
    [STRING_EQUALS_IGNORE_CASE] = "StringEqualsIgnoreCase",
    [STRING_NOT_EQUALS] = "StringNotEquals",
    [STRING_NOT_EQUALS_IGNORE_CASE] = "StringNotEqualsIgnoreCase",
    [IS_NULL] = "Null",
};

struct condition {
    enum condition_operator operator;
    unsigned pcr; /* ImageSha384 is PCR0 by another name */
    struct text_list values;
};

struct statement {
    bool deny;
    struct text_list principals, actions;
    struct condition conditions[CONDITIONS_MAX];
    size_t num_conditions;
};

struct kms_policy {
    json_t *root;
    struct statement statements[STATEMENTS_MAX];
    size_t num_statements;
};

static must_check result take_text(struct text_list *list, const json_t *value, const char *element)
{
    ENSURE(json_is_string(value), E_INPUT, "%s: must be a string or an array of strings", element);
    ENSURE(list->num < TEXTS_MAX, E_TOO_LARGE, "%s: more than %d values", element, TEXTS_MAX);
    list->texts[list->num++] = json_string_value(value);
    return RESULT_OK;
}

static must_check result take_texts(struct text_list *list, const json_t *value, const char *element)
{
    if (!json_is_array(value))
        return take_text(list, value, element);
    for (size_t i = 0; i < json_array_size(value); i++)
        TRY(take_text(list, json_array_get(value, i), element));
    ENSURE(list->num > 0, E_INPUT, "%s: must not be empty", element);
    return RESULT_OK;
}

static must_check result take_principals(struct statement *s, const json_t *value)
{
    if (!json_is_object(value))
        return take_texts(&s->principals, value, "Principal");
    ENSURE(json_object_size(value) == 1 && json_object_get(value, "AWS"), E_UNSUPPORTED,
           "Principal: only AWS principals are supported");
    return take_texts(&s->principals, json_object_get(value, "AWS"), "Principal.AWS");
}

static must_check result take_condition_key(unsigned *ret_pcr, const char *key)
{
    ENSURE(strncasecmp(key, ATTESTATION_KEY, strlen(ATTESTATION_KEY)) == 0, E_UNSUPPORTED,
           "Condition: key %.64s is not supported", key);
    const char *name = key + strlen(ATTESTATION_KEY);
    if (strcasecmp(name, "ImageSha384") == 0) {
        *ret_pcr = 0;
        return RESULT_OK;
    }
    uint64_t pcr = 0;
    bool numbered = strncasecmp(name, "PCR", 3) == 0 && !parse_u64(&pcr, name + 3).code &&
                    pcr < ATTESTATION_PCR_COUNT && (name[3] != '0' || name[4] == 0);
    ENSURE(numbered, E_UNSUPPORTED, "Condition: key %.64s is not supported", key);
    *ret_pcr = (unsigned)pcr;
    return RESULT_OK;
}

static must_check result check_null_value(const struct condition *c)
{
    for (size_t i = 0; i < c->values.num; i++) {
        bool boolean = strcmp(c->values.texts[i], "true") == 0 || strcmp(c->values.texts[i], "false") == 0;
        ENSURE(boolean, E_INPUT, "Condition: Null must be \"true\" or \"false\"");
    }
    return RESULT_OK;
}

static must_check result take_condition(struct statement *s, enum condition_operator operator,
                                        const char * key, const json_t *value)
{
    ENSURE(s->num_conditions < CONDITIONS_MAX, E_TOO_LARGE, "Condition: more than %d", CONDITIONS_MAX);
    struct condition *c = &s->conditions[s->num_conditions];
    c->operator= operator;
    TRY(take_condition_key(&c->pcr, key));
    TRY(take_texts(&c->values, value, key));
    if (operator== IS_NULL)
        TRY(check_null_value(c));
    s->num_conditions++;
    return RESULT_OK;
}

static must_check result find_operator(enum condition_operator *ret_operator, const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(operator_names); i++) {
        if (strcmp(name, operator_names[i]) == 0) {
            *ret_operator = (enum condition_operator)i;
            return RESULT_OK;
        }
    }
    FAIL(E_UNSUPPORTED, "Condition: operator %.64s is not supported", name);
}

static must_check result take_conditions(struct statement *s, json_t *value)
{
    ENSURE(json_is_object(value), E_INPUT, "Condition: must be an object");
    const char *name, *key;
    json_t *keys, *expected;
    json_object_foreach(value, name, keys)
    {
        enum condition_operator operator= IS_NULL;
        TRY(find_operator(&operator, name));
        ENSURE(json_is_object(keys) && json_object_size(keys) > 0, E_INPUT,
               "Condition: %.64s: must be an object", name);
        json_object_foreach(keys, key, expected) TRY(take_condition(s, operator, key, expected));
    }
    return RESULT_OK;
}

static must_check result take_element(struct statement *s, const char *name, json_t *value)
{
    if (strcmp(name, "Sid") == 0)
        return RESULT_OK;
    if (strcmp(name, "Effect") == 0) {
        const char *effect = json_is_string(value) ? json_string_value(value) : "";
        s->deny = strcmp(effect, "Deny") == 0;
        ENSURE(s->deny || strcmp(effect, "Allow") == 0, E_INPUT, "Effect: must be Allow or Deny");
        return RESULT_OK;
    }
    if (strcmp(name, "Principal") == 0)
        return take_principals(s, value);
    if (strcmp(name, "Action") == 0)
        return take_texts(&s->actions, value, "Action");
    if (strcmp(name, "Resource") == 0) {
        ENSURE(json_is_string(value) && strcmp(json_string_value(value), "*") == 0, E_UNSUPPORTED,
               "Resource: only \"*\", which means this key, is supported");
        return RESULT_OK;
    }
    if (strcmp(name, "Condition") == 0)
        return take_conditions(s, value);
    FAIL(E_UNSUPPORTED, "element %.64s is not supported", name);
}

static must_check result take_statement(struct statement *s, json_t *value)
{
    static const char *const needed[] = {"Effect", "Principal", "Action", "Resource"};
    ENSURE(json_is_object(value), E_INPUT, "must be an object");
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++)
        ENSURE(json_object_get(value, needed[i]), E_INPUT, "%s: is missing", needed[i]);
    const char *name;
    json_t *element;
    json_object_foreach(value, name, element) TRY(take_element(s, name, element));
    return RESULT_OK;
}

static must_check result take_document(struct kms_policy *policy)
{
    const char *name;
    json_t *value;
    ENSURE(json_is_object(policy->root), E_INPUT, "must be an object");
    json_object_foreach(policy->root, name, value)
    {
        bool known =
            strcmp(name, "Version") == 0 || strcmp(name, "Id") == 0 || strcmp(name, "Statement") == 0;
        ENSURE(known, E_UNSUPPORTED, "element %.64s is not supported", name);
    }
    const json_t *version = json_object_get(policy->root, "Version");
    ENSURE(json_is_string(version) && strcmp(json_string_value(version), "2012-10-17") == 0, E_UNSUPPORTED,
           "Version: must be 2012-10-17");
    json_t *list = json_object_get(policy->root, "Statement");
    size_t num = json_array_size(list);
    ENSURE(num >= 1 && num <= STATEMENTS_MAX, E_INPUT, "Statement: must be an array of 1 to %d",
           STATEMENTS_MAX);
    for (size_t i = 0; i < num; i++) {
        result r = take_statement(&policy->statements[i], json_array_get(list, i));
        if (r.code)
            return error_prefix(r, "Statement[%zu]", i);
    }
    policy->num_statements = num;
    return RESULT_OK;
}

result devcloud_kms_policy_parse(struct kms_policy **ret_policy, const char *text, size_t text_len)
{
    struct kms_policy *policy = calloc(1, sizeof *policy);
    ENSURE(policy, E_MEMORY, "out of memory for a key policy");
    result r = json_read(&policy->root, text, text_len, POLICY_MAX, VALUES_MAX);
    if (!r.code)
        r = take_document(policy);
    if (r.code) {
        devcloud_kms_policy_free(policy);
        return error_prefix(r, "key policy");
    }
    *ret_policy = policy;
    return RESULT_OK;
}

void devcloud_kms_policy_free(struct kms_policy *policy)
{
    if (!policy)
        return;
    json_decref(policy->root);
    free(policy);
}

static bool same_letter(char a, char b)
{
    return strncasecmp(&a, &b, 1) == 0;
}

/* '*' is any run, '?' any one character; without regard to case, as actions are compared. Linear: on a
 * mismatch only the latest '*' takes one character more. */
static bool glob_matches(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;
    while (*text) {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern && (*pattern == '?' || same_letter(*pattern, *text))) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++resume;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == 0;
}

static bool action_matches(const struct statement *s, const char *action)
{
    for (size_t i = 0; i < s->actions.num; i++) {
        if (glob_matches(s->actions.texts[i], action))
            return true;
    }
    return false;
}

/* arn:aws:iam::ACCOUNT:root of the principal's own account. */
static bool is_account_root(const char *named, const char *principal)
{
    const char *resource = strrchr(named, ':');
    if (!resource || strcmp(resource, ":root") != 0)
        return false;
    size_t through_account = (size_t)(resource + 1 - named);
    return strncmp(named, principal, through_account) == 0;
}

static bool principal_matches(const struct statement *s, const char *principal)
{
    for (size_t i = 0; i < s->principals.num; i++) {
        const char *named = s->principals.texts[i];
        if (strcmp(named, "*") == 0 || strcmp(named, principal) == 0 ||
            (s->deny && is_account_root(named, principal)))
            return true;
    }
    return false;
}

static bool any_equals(const struct text_list *values, const char *actual, bool ignore_case)
{
    for (size_t i = 0; i < values->num; i++) {
        if ((ignore_case ? strcasecmp : strcmp)(values->texts[i], actual) == 0)
            return true;
    }
    return false;
}

static bool condition_holds(const struct condition *c, const struct attestation *attestation)
{
    char actual[2 * ATTESTATION_PCR_LEN + 1] = "";
    bool present = attestation && (attestation->pcr_present >> c->pcr & 1);
    if (present)
        hex_encode(actual, attestation->pcr[c->pcr], ATTESTATION_PCR_LEN);
    switch (c->operator) {
    case STRING_EQUALS:
        return present && any_equals(&c->values, actual, false);
    case STRING_EQUALS_IGNORE_CASE:
        return present && any_equals(&c->values, actual, true);
    case STRING_NOT_EQUALS:
        return !present || !any_equals(&c->values, actual, false);
    case STRING_NOT_EQUALS_IGNORE_CASE:
        return !present || !any_equals(&c->values, actual, true);
    case IS_NULL:
        return any_equals(&c->values, present ? "false" : "true", false);
    }
    return false;
}

static bool statement_applies(const struct statement *s, const struct kms_policy_request *request)
{
    if (!principal_matches(s, request->principal) || !action_matches(s, request->action))
        return false;
    for (size_t i = 0; i < s->num_conditions; i++) {
        if (!condition_holds(&s->conditions[i], request->attestation))
            return false;
    }
    return true;
}

bool devcloud_kms_policy_allows(const struct kms_policy *policy, const struct kms_policy_request *request)
{
    bool allowed = false;
    for (size_t i = 0; i < policy->num_statements; i++) {
        if (!statement_applies(&policy->statements[i], request))
            continue;
        if (policy->statements[i].deny)
            return false;
        allowed = true;
    }
    return allowed;
}
