/* ctl_stack_policy_read.c - what a key policy comes to, and whether two say the same; ctl_stack_policy.h.
 *
 * Only Deny statements are believed: an Allow with conditions closes nothing, because another statement, or
 * IAM, may allow the same without. A Deny counts when it is for everybody, names kms:Decrypt and
 * kms:ReEncryptFrom, which is a way around it, (or all of KMS), every resource, and has either no condition
 * or the one that a register's value must match. */
#include "ctl_stack_policy.h"

#include <stdlib.h>
#include <string.h>

enum { STATEMENTS_MAX = 256, NESTED_MAX = 16 };

static const char prefix[] = "kms:RecipientAttestation:";

const char *ctl_decrypt_rule_name(enum ctl_decrypt_rule rule)
{
    switch (rule) {
    case CTL_DECRYPT_ATTESTED:
        return "attested";
    case CTL_DECRYPT_NOBODY:
        return "nobody";
    case CTL_DECRYPT_OPEN:
        return "open";
    }
    return "open";
}

/* Whether a text, or a list of texts, is or has one of them. */
static bool has_one(const json_t *value, const char *const *wanted, size_t num_wanted)
{
    size_t num = json_is_array(value) ? json_array_size(value) : 1;
    for (size_t i = 0; i < num; i++) {
        const char *text = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        for (size_t k = 0; k < num_wanted && text; k++)
            if (strcmp(text, wanted[k]) == 0)
                return true;
    }
    return false;
}
#define HAS_ONE(value, ...)                                                                                  \
    has_one((value), (const char *const[]){__VA_ARGS__},                                                     \
            sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static bool denies_everybody(const json_t *statement)
{
    const json_t *principal = json_object_get(statement, "Principal");
    const json_t *whom = json_is_object(principal) ? json_object_get(principal, "AWS") : principal;
    const json_t *action = json_object_get(statement, "Action");
    return HAS_ONE(json_object_get(statement, "Effect"), "Deny") && HAS_ONE(whom, "*") &&
           HAS_ONE(action, "kms:Decrypt", "kms:*", "*") &&
           HAS_ONE(action, "kms:ReEncryptFrom", "kms:ReEncrypt*", "kms:*", "*") &&
           HAS_ONE(json_object_get(statement, "Resource"), "*");
}

/* The only condition of a statement when it is that a register has one of some values. */
static const char *register_of(const json_t **ret_values, const json_t *condition)
{
    const char *operators[] = {"StringNotEqualsIgnoreCase", "StringNotEquals"};
    for (size_t i = 0; i < ARRAY_LENGTH(operators); i++) {
        json_t *tests = json_object_get(condition, operators[i]);
        if (json_object_size(condition) != 1 || json_object_size(tests) != 1)
            continue;
        const char *key = json_object_iter_key(json_object_iter(tests));
        *ret_values = json_object_get(tests, key);
        if (strncmp(key, prefix, strlen(prefix)) == 0)
            return key + strlen(prefix);
    }
    return NULL;
}

static must_check result take_statement(struct ctl_policy_reading *reading, const json_t *statement)
{
    const json_t *condition = json_object_get(statement, "Condition"), *values = NULL;
    if (!denies_everybody(statement))
        return RESULT_OK;
    if (!condition || json_object_size(condition) == 0) {
        reading->decrypt = CTL_DECRYPT_NOBODY;
        return RESULT_OK;
    }
    const char *name = register_of(&values, condition);
    if (!name)
        return RESULT_OK;
    ENSURE(reading->num_demands < CTL_DEMANDS_MAX, E_TOO_LARGE, "more than %d registers", CTL_DEMANDS_MAX);
    reading->demands[reading->num_demands].name = name;
    reading->demands[reading->num_demands++].values = values;
    if (reading->decrypt == CTL_DECRYPT_OPEN)
        reading->decrypt = CTL_DECRYPT_ATTESTED;
    return RESULT_OK;
}

result ctl_stack_policy_read(struct ctl_policy_reading *ret_reading, const json_t *document)
{
    struct ctl_policy_reading reading = {.decrypt = CTL_DECRYPT_OPEN};
    struct json_view root, list, statement;
    TRY(json_view_root(&root, document));
    TRY(json_get_array(&list, &root, "Statement", STATEMENTS_MAX));
    for (size_t i = 0; i < json_array_size(list.value); i++) {
        TRY(json_element_object(&statement, &list, i));
        TRY(take_statement(&reading, statement.value));
    }
    *ret_reading = reading;
    return RESULT_OK;
}

static int by_text(const void *a, const void *b)
{
    json_t *const *left = a, *const *right = b;
    return strcmp(json_string_value(*left), json_string_value(*right));
}

static json_t *normal_form(const json_t *value, unsigned depth);

static bool is_list_of_texts(const json_t *value)
{
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!json_is_string(json_array_get(value, i)))
            return false;
    return json_array_size(value) > 0;
}

/* Of texts. NULL when there is no memory. */
static json_t *sorted_list(const json_t *value)
{
    size_t num = json_array_size(value);
    json_t *array = json_array(), **sorted = calloc(num, sizeof(json_t *));
    for (size_t i = 0; i < num && sorted; i++)
        sorted[i] = json_array_get(value, i);
    if (sorted)
        qsort(sorted, num, sizeof *sorted, by_text);
    for (size_t i = 0; i < num && sorted; i++)
        (void)json_array_append(array, sorted[i]);
    free(sorted);
    if (json_array_size(array) == num)
        return array;
    json_decref(array);
    return NULL;
}

/* A list of one text is the text; of several, sorted; of other things, in its order. */
static json_t *normal_array(const json_t *value, unsigned depth)
{
    if (is_list_of_texts(value))
        return json_array_size(value) == 1 ? json_deep_copy(json_array_get(value, 0)) : sorted_list(value);
    json_t *array = json_array();
    for (size_t i = 0; i < json_array_size(value); i++)
        if (json_array_append_new(array, normal_form(json_array_get(value, i), depth + 1)) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

/* NULL when there is no memory, or it is nested too deeply. */
static json_t *normal_form(const json_t *value, unsigned depth)
{
    const char *name;
    json_t *member;
    if (depth > NESTED_MAX)
        return NULL;
    if (json_is_array(value))
        return normal_array(value, depth);
    if (!json_is_object(value))
        return json_deep_copy(value);
    json_t *object = json_object();
    json_object_foreach((json_t *)(uintptr_t)value, name,
                        member) if (json_object_set_new(object, name, normal_form(member, depth + 1)) != 0)
    {
        json_decref(object);
        return NULL;
    }
    return object;
}

result ctl_stack_policy_equal(bool *ret_equal, const json_t *a, const json_t *b)
{
    AUTO_POINTER(json_t) left = normal_form(a, 0);
    AUTO_POINTER(json_t) right = normal_form(b, 0);
    ENSURE(left && right, E_MEMORY, "no memory to compare key policies");
    *ret_equal = json_equal(left, right);
    return RESULT_OK;
}
