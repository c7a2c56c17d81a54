/* fetcher_aws.c - see fetcher_aws.h.
 *
 * Secrets of a page are asked for sixteen at a time, and answered before the next sixteen: what is in memory
 * does not grow with the account. Where nothing of a group had an answer in time, the rest is not tried. */
#include "fetcher_aws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_endpoint.h"
#include "aws/aws_secrets.h"
#include "base/clock.h"
#include "fetcher_answer.h"

enum { CONNECT_MS = 5000, ATTEMPT_MS = 10000, ATTEMPTS = 6, GROUP_S = 60 };
#define GROUP_NS (GROUP_S * UINT64_C(1000000000))

void fetcher_aws_cleanup(struct fetcher_aws *aws)
{
    aws_client_close(aws->client);
    *aws = (struct fetcher_aws){0};
}

static must_check result make_endpoint(struct fetcher_aws *aws, const struct fetcher *fetcher,
                                       const char *region, const char *endpoint)
{
    if (!region || !*region)
        region = fetcher->access.environment_region;
    ENSURE(region && *region, E_INPUT, "region: is missing, and AWS_REGION does not say it");
    int length = snprintf(aws->region, sizeof aws->region, "%s", region);
    ENSURE(length > 0 && (size_t)length < sizeof aws->region &&
               strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-") == (size_t)length,
           E_INPUT, "region: must be the name of a region");
    const char *domain = strncmp(region, "cn-", 3) == 0 ? "amazonaws.com.cn" : "amazonaws.com";
    length = endpoint && *endpoint ? snprintf(aws->endpoint, sizeof aws->endpoint, "%s", endpoint)
                                   : snprintf(aws->endpoint, sizeof aws->endpoint,
                                              "https://secretsmanager.%s.%s", region, domain);
    ENSURE(length > 0 && (size_t)length < sizeof aws->endpoint, E_INPUT, "endpoint: is too long");
    while (length > 0 && aws->endpoint[length - 1] == '/')
        aws->endpoint[--length] = 0;
    ENSURE(length > 0, E_INPUT, "endpoint: must be a URL");
    return RESULT_OK;
}

/* client is not opened, the rest is. */
static must_check result find(struct fetcher_aws *aws, struct fetcher *fetcher, const char *region,
                              const char *endpoint)
{
    struct net_address asked;
    TRY(make_endpoint(aws, fetcher, region, endpoint));
    TRY(aws_endpoint_address(&asked, aws->endpoint));
    return fetcher_hosts_find(&fetcher->hosts, &aws->address, asked.host, asked.port);
}

static must_check result open_client(struct aws_client **ret_client, const struct fetcher *fetcher,
                                     const struct fetcher_aws *aws, size_t response_max, unsigned connections)
{
    ENSURE(fetcher->aws_authorities.length, E_AUTH, "there are no certificate authorities to trust");
    const struct aws_client_config config = {.endpoint = aws->endpoint,
                                             .region = aws->region,
                                             .service = "secretsmanager",
                                             .via = &aws->address,
                                             .ca_pem = &fetcher->aws_authorities,
                                             .connect_timeout_ms = CONNECT_MS,
                                             .attempt_timeout_ms = ATTEMPT_MS,
                                             .attempts = ATTEMPTS,
                                             .response_max = response_max,
                                             .connections = connections};
    return aws_client_open(ret_client, &config);
}

/* The thread's client for this request. */
static must_check result choose_client(struct fetcher_aws *aws, struct fetcher *fetcher, const char *region,
                                       const char *endpoint)
{
    struct fetcher_aws wanted = {0};
    TRY(find(&wanted, fetcher, region, endpoint));
    if (aws->client && strcmp(aws->endpoint, wanted.endpoint) == 0 && strcmp(aws->region, wanted.region) == 0)
        return RESULT_OK;
    TRY(open_client(&wanted.client, fetcher, &wanted, AWS_SECRETS_VALUE_RESPONSE_MAX, 1));
    fetcher_aws_cleanup(aws);
    *aws = wanted;
    return RESULT_OK;
}

/* The texts of a request end with a NUL that the queue has put there. */
static const char *text_of(const struct ipc_fetch *fetch, enum ipc_fetch_aws_text which)
{
    return (const char *)fetch->texts[which].data;
}

static must_check result choose_credentials(struct aws_credentials *ret_credentials,
                                            const struct fetcher *fetcher, const struct ipc_fetch *fetch)
{
    if (!fetch->environment)
        return aws_credentials_new(ret_credentials, text_of(fetch, IPC_FETCH_ACCESS_KEY_ID),
                                   text_of(fetch, IPC_FETCH_SECRET_ACCESS_KEY), "");
    ENSURE(fetcher->access.environment.access_key_id[0], E_AUTH, "the environment has no AWS credentials");
    return aws_credentials_copy(ret_credentials, &fetcher->access.environment);
}

static must_check result get_one(struct secret *ret_value, struct fetcher *fetcher, struct fetcher_aws *aws,
                                 const struct ipc_fetch *fetch)
{
    AUTO(aws_credentials) credentials = {0};
    AUTO(aws_secrets_value) value = {.name = text_of(fetch, IPC_FETCH_SECRET_NAME)};
    TRY(choose_credentials(&credentials, fetcher, fetch));
    TRY(choose_client(aws, fetcher, text_of(fetch, IPC_FETCH_REGION), text_of(fetch, IPC_FETCH_ENDPOINT)));
    TRY(aws_secrets_get(aws->client, &value, 1, &credentials, clock_monotonic_ns() + GROUP_NS));
    fetcher_hosts_note(&fetcher->hosts, &aws->address, value.outcome);
    ENSURE(!value.outcome.code, (enum error_code)value.outcome.code, "%s", value.text);
    *ret_value = value.string;
    value.string = (struct secret){0};
    return RESULT_OK;
}

result fetcher_aws_fetch(struct fetcher *fetcher, struct fetcher_aws *aws, const struct ipc_fetch *fetch)
{
    AUTO(secret) value = {0};
    result r = get_one(&value, fetcher, aws, fetch);
    return fetcher_answer_outcome(fetcher->loader, fetch->id, r, &value);
}

/* All secrets of the options: two clients, for pages and for values. */
struct all {
    struct fetcher *fetcher;
    uint32_t id;
    const struct aws_credentials *credentials; /* borrowed */
    struct fetcher_aws place;                  /* its client asks for values */
    struct aws_client *lists;
    struct aws_secrets_page *page;
};

static void all_cleanup(struct all *all)
{
    fetcher_aws_cleanup(&all->place);
    aws_client_close(all->lists);
    if (all->page)
        aws_secrets_page_cleanup(all->page);
    free(all->page);
}

static must_check result open_all(struct all *all)
{
    const struct fetcher_settings *s = all->fetcher->settings;
    const struct fetcher_access *access = &all->fetcher->access;
    all->credentials = s->environment ? &access->environment : &access->specified;
    ENSURE(all->credentials->access_key_id[0], E_AUTH, "there are no AWS credentials");
    all->page = calloc(1, sizeof *all->page);
    ENSURE(all->page, E_MEMORY, "out of memory for a list");
    TRY(find(&all->place, all->fetcher, s->region, s->endpoint));
    TRY(open_client(&all->lists, all->fetcher, &all->place, AWS_SECRETS_PAGE_RESPONSE_MAX, 1));
    return open_client(&all->place.client, all->fetcher, &all->place, AWS_SECRETS_VALUE_RESPONSE_MAX,
                       AWS_SECRETS_AT_ONCE);
}

static must_check result answer(const struct all *all, const struct aws_secrets_value *value)
{
    struct ipc_fetched failed = {.id = all->id, .error = (enum error_code)value->outcome.code};
    if (!value->outcome.code)
        return fetcher_answer_value(all->fetcher->loader, all->id, value->name, &value->string, false);
    failed.name = (struct ipc_bytes){(const uint8_t *)value->name, (uint32_t)strlen(value->name)};
    return fetcher_answer_failure(all->fetcher->loader, &failed, value->text);
}

struct group {
    struct aws_secrets_value values[AWS_SECRETS_AT_ONCE];
    size_t num;
};

static void group_cleanup(struct group *group)
{
    for (size_t i = 0; i < group->num; i++)
        aws_secrets_value_cleanup(&group->values[i]);
}

static must_check result fetch_group(const struct all *all, size_t first)
{
    AUTO(group) group = {0};
    size_t silent = 0;
    for (size_t i = first; i < all->page->num_names && group.num < AWS_SECRETS_AT_ONCE; i++)
        group.values[group.num++].name = all->page->names[i];
    TRY(aws_secrets_get(all->place.client, group.values, group.num, all->credentials,
                        clock_monotonic_ns() + GROUP_NS));
    for (size_t i = 0; i < group.num; i++) {
        int code = group.values[i].outcome.code;
        silent += code == E_TIMEOUT || code == E_IO;
        TRY(answer(all, &group.values[i]));
    }
    ENSURE(silent < group.num, E_TIMEOUT, "none of %zu secrets was answered; the others are not asked for",
           silent);
    return RESULT_OK;
}

static must_check result fetch_pages(struct all *all)
{
    const struct fetcher_settings *s = all->fetcher->settings;
    const struct aws_secrets_filter filter = {s->name_prefixes, s->tag_keys, s->tag_values};
    do {
        TRY(aws_secrets_list(all->lists, all->page, all->credentials, &filter));
        for (size_t i = 0; i < all->page->num_names; i += AWS_SECRETS_AT_ONCE)
            TRY(fetch_group(all, i));
    } while (all->page->next.length);
    return RESULT_OK;
}

result fetcher_aws_fetch_all(struct fetcher *fetcher, const struct ipc_fetch *fetch)
{
    AUTO(all) all = {.fetcher = fetcher, .id = fetch->id};
    result r = open_all(&all);
    if (!r.code)
        r = fetch_pages(&all);
    return r.code ? fetcher_answer_outcome(fetcher->loader, fetch->id, r, NULL)
                  : fetcher_answer_end(fetcher->loader, fetch->id);
}
