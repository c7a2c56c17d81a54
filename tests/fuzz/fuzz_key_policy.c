/* fuzz_key_policy.c - the key policy that is in force, as AWS hands it out, read by ctl: two parts, each
 * behind 0xff, are two policies. What is read of one demands registers that stand in it, and does not depend
 * on the order of members or on how it is written; a policy is equal to itself; two that are equal read the
 * same; their difference has every line. */
#include "ctl/ctl_diff.h"
#include "ctl/ctl_stack_policy.h"
#include "fuzz.h"

enum { POLICY_MAX = 32768, VALUES_MAX = 4096 };

static bool same_reading(const struct ctl_policy_reading *a, const struct ctl_policy_reading *b)
{
    if (a->decrypt != b->decrypt || a->num_demands != b->num_demands)
        return false;
    for (size_t i = 0; i < a->num_demands; i++)
        if (strcmp(a->demands[i].name, b->demands[i].name) != 0)
            return false;
    return true;
}

/* The policy, and what it comes to; NULL when it is none. */
static json_t *read_policy(struct ctl_policy_reading *ret_reading, struct fuzz_part part)
{
    json_t *document = NULL;
    if (!fuzz_accepted(json_read(&document, (const char *)part.data, part.size, POLICY_MAX, VALUES_MAX)))
        return NULL;
    if (!fuzz_accepted(ctl_stack_policy_read(ret_reading, document))) {
        json_decref(document);
        return NULL;
    }
    PROMISE(ret_reading->num_demands <= CTL_DEMANDS_MAX);
    PROMISE(ret_reading->num_demands > 0 || ret_reading->decrypt != CTL_DECRYPT_ATTESTED);
    PROMISE(*ctl_decrypt_rule_name(ret_reading->decrypt));
    return document;
}

/* Too deep for a comparison is what it may be. */
static bool are_equal(bool *ret_equal, const json_t *a, const json_t *b)
{
    *ret_equal = false;
    result r = ctl_stack_policy_equal(ret_equal, a, b);
    PROMISE(!r.code || r.code == E_MEMORY || r.code == E_TOO_LARGE);
    return r.code == 0;
}

static void check_itself(const json_t *document, const struct ctl_policy_reading *reading)
{
    char *text = json_dumps(document, JSON_SORT_KEYS | JSON_INDENT(1));
    PROMISE(text);
    json_t *again = json_loads(text, 0, NULL);
    struct ctl_policy_reading other;
    bool equal;
    if (again && are_equal(&equal, document, again)) {
        PROMISE(equal && ctl_stack_policy_read(&other, again).code == 0);
        PROMISE(same_reading(reading, &other));
    }
    json_decref(again);
    free(text);
}

static void check_difference(const char *old, const char *new)
{
    AUTO(buffer) lines = {0};
    size_t num_old = 0, num_new = 0;
    if (!fuzz_accepted(ctl_diff(&lines, old, new)))
        return;
    PROMISE(buffer_append(&lines, "", 1).code == 0);
    for (const char *at = (const char *)lines.data; at && *at;
         at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
        PROMISE((*at == ' ' || *at == '-' || *at == '+') && at[1] == ' ');
        num_old += *at != '+';
        num_new += *at != '-';
    }
    for (; *old; old = strchr(old, '\n') ? strchr(old, '\n') + 1 : "")
        num_old--;
    for (; *new; new = strchr(new, '\n') ? strchr(new, '\n') + 1 : "")
        num_new--;
    PROMISE(num_old == 0 && num_new == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ctl_policy_reading one = {0}, two = {0};
    struct fuzz_part first = fuzz_next_part(&data, &size), second = fuzz_next_part(&data, &size);
    bool equal;
    fuzz_forget_reason();
    char *old = fuzz_text(first.data, first.size), *new = fuzz_text(second.data, second.size);
    check_difference(old, new);
    json_t *a = read_policy(&one, first), *b = read_policy(&two, second);
    if (a)
        check_itself(a, &one);
    if (a && b && are_equal(&equal, a, b) && equal)
        PROMISE(one.decrypt == two.decrypt);
    json_decref(a);
    json_decref(b);
    free(old);
    free(new);
    return 0;
}
