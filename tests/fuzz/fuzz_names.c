/* fuzz_names.c - texts of options with a form of their own: lists of hosts and origins, what a relay joins,
 * a database's URL, a store, an epoch limit, IMDS's times. Accepted names are lower case and none is empty; a
 * store that is accepted says the same again. */
#include <ctype.h>

#include "aws/aws_imds.h"
#include "fuzz.h"
#include "policy/policy.h"
#include "policy/policy_names.h"
#include "proxy/proxy.h"
#include "slashing/slashing_postgresql_url.h"

static void check_names(const struct policy_names *names)
{
    PROMISE(names->num_names <= POLICY_NAMES_MAX && !(names->any && names->num_names));
    for (size_t i = 0; i < names->num_names; i++) {
        PROMISE(*names->names[i]);
        for (const char *at = names->names[i]; *at; at++)
            PROMISE(*at != ',' && *at != ' ' && !isupper((unsigned char)*at));
    }
}

static void try_names(const char *text)
{
    AUTO(policy_names) names = {0}, origins = {0};
    if (fuzz_accepted(policy_names_parse(&names, "hosts", text)))
        check_names(&names);
    if (fuzz_accepted(policy_origins_parse(&origins, "origins", text)))
        check_names(&origins);
}

static void try_policy_texts(const char *text)
{
    struct policy policy = {0}, again = {0};
    if (fuzz_accepted(policy_set_store(&policy, text))) {
        PROMISE(strcmp(policy.store, text) == 0);
        PROMISE(policy_set_store(&again, policy.store).code == 0 && again.store_kind == policy.store_kind);
        PROMISE(strlen(policy_store_place(&policy)) < strlen(text) || policy.store_kind == POLICY_STORE_NONE);
    }
    if (fuzz_accepted(policy_set_far_future(&policy, text)))
        PROMISE(!policy.has_far_future || policy.far_future_epochs <= POLICY_FAR_FUTURE_MAX);
}

static void try_route(const char *text)
{
    struct proxy_route route;
    struct option_list allow = {.values = {text}, .num_values = 1};
    bool allowed = false;
    char target[320];
    if (!fuzz_accepted(proxy_route_parse(&route, text)))
        return;
    net_address_format(target, sizeof target, &route.target);
    allow.values[0] = target;
    PROMISE(proxy_allowed(&allowed, &allow, &route.target).code == 0 && allowed);
}

static void try_time(const char *text)
{
    uint64_t time_ms;
    if (fuzz_accepted(aws_imds_time(&time_ms, text)))
        PROMISE(strlen(text) == strlen("2026-01-31T12:00:00Z") && time_ms % 1000 == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    fuzz_forget_reason();
    try_names(text);
    try_policy_texts(text);
    try_route(text);
    try_time(text);
    free(text);
    return 0;
}
