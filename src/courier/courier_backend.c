/* courier_backend.c - see courier_backend.h.
 *
 * How many threads, and how much at once: a call to DynamoDB takes a round trip whatever is in it, and a
 * batch is spread over the connections of its thread; more threads are for what arrives meanwhile.
 * PostgreSQL's limit is its own disk, where transactions that commit together share a flush. */
#include "courier_backend.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_endpoint.h"
#include "base/options.h"
#include "slashing/slashing_dynamodb.h"

enum { DYNAMODB_THREADS = 4, DYNAMODB_BATCH = 640, DYNAMODB_CONNECTIONS = 16 };
enum { POSTGRESQL_THREADS = 2, POSTGRESQL_BATCH = 640, POSTGRESQL_PORT = 5432 };

static result open_dynamodb(void *context, struct slashing_store **ret_store)
{
    const struct courier_backend *b = context;
    struct net_address address;
    const struct net_address *via = &b->settings->dynamodb_via;
    if (b->host[0]) {
        TRY(net_resolver_ask(b->settings->resolver, &address, b->host, b->port));
        via = &address;
    }
    const struct slashing_dynamodb_config config = {.endpoint = b->endpoint,
                                                    .region = b->region,
                                                    .table = b->table,
                                                    .account = b->account[0] ? b->account : NULL,
                                                    .via = via,
                                                    .ca_pem = b->settings->ca_pem,
                                                    .connections = DYNAMODB_CONNECTIONS};
    return slashing_dynamodb_open(ret_store, &config);
}

static must_check result choose_dynamodb(struct courier_backend *b, const struct policy *policy)
{
    ENSURE(b->settings->has_dynamodb_via || b->settings->resolver, E_UNSUPPORTED,
           "--dynamodb-via: is needed for this policy's store");
    (void)snprintf(b->table, sizeof b->table, "%s", policy_store_place(policy));
    memcpy(b->account, policy->store_account, sizeof b->account);
    (void)snprintf(b->region, sizeof b->region, "%s", policy->region);
    int length =
        b->settings->dynamodb_endpoint
            ? snprintf(b->endpoint, sizeof b->endpoint, "%s", b->settings->dynamodb_endpoint)
            : snprintf(b->endpoint, sizeof b->endpoint, "https://dynamodb.%s.amazonaws.com", b->region);
    ENSURE(length > 0 && (size_t)length < sizeof b->endpoint, E_INPUT, "endpoint: is too long");
    if (!b->settings->has_dynamodb_via) {
        struct net_address address;
        TRY(aws_endpoint_address(&address, b->endpoint));
        memcpy(b->host, address.host, sizeof b->host);
        b->port = address.port;
    }
    b->store = (struct courier_store_backend){.name = "the store",
                                              .open = open_dynamodb,
                                              .authorise = slashing_dynamodb_set_credentials,
                                              .reopen = b->host[0] != 0,
                                              .context = b,
                                              .num_threads = DYNAMODB_THREADS,
                                              .batch_max = DYNAMODB_BATCH};
    return RESULT_OK;
}

static result open_postgresql(void *context, struct slashing_store **ret_store)
{
    const struct courier_backend *b = context;
    AUTO(slashing_postgresql_settings) settings = b->settings->postgresql;
    settings.password = (struct secret){0};
    if (b->settings->postgresql.password.length)
        TRY(secret_copy(&settings.password, b->settings->postgresql.password.data,
                        b->settings->postgresql.password.length));
    if (b->host[0]) {
        struct net_address address;
        TRY(net_resolver_ask(b->settings->resolver, &address, b->host, b->port));
        ENSURE(strlen(address.host) < sizeof settings.host_address, E_INPUT,
               "the host's address is too long");
        memcpy(settings.host_address, address.host, strlen(address.host) + 1);
    }
    return slashing_postgresql_open(ret_store, &settings);
}

static must_check result choose_postgresql(struct courier_backend *b)
{
    const struct slashing_postgresql_settings *p = &b->settings->postgresql;
    ENSURE(b->settings->has_postgresql, E_UNSUPPORTED, "there is no PostgreSQL for signers in enclaves");
    if (p->host[0] != '/')
        (void)snprintf(b->host, sizeof b->host, "%s", p->host);
    uint64_t port = POSTGRESQL_PORT;
    if (p->port[0])
        TRY(parse_u64(&port, p->port));
    b->port = (uint32_t)port;
    b->store = (struct courier_store_backend){.name = "the store",
                                              .open = open_postgresql,
                                              .reopen = true,
                                              .context = b,
                                              .num_threads = POSTGRESQL_THREADS,
                                              .batch_max = POSTGRESQL_BATCH};
    return RESULT_OK;
}

result courier_backend_choose(struct courier_backend *backend,
                              const struct courier_backend_settings *settings, const struct policy *policy)
{
    *backend = (struct courier_backend){.settings = settings};
    switch (policy->store_kind) {
    case POLICY_STORE_DYNAMODB:
        return choose_dynamodb(backend, policy);
    case POLICY_STORE_POSTGRESQL:
        return choose_postgresql(backend);
    case POLICY_STORE_NONE:
    case POLICY_STORE_SQLITE:
        break;
    }
    FAIL(E_UNSUPPORTED, "the store is not one across a network");
}
