/* fetcher_hosts.c - see fetcher_hosts.h.
 *
 * The process lives as long as one load, so an address is not asked for twice. A server that is not there
 * would otherwise cost every one of ten thousand keys its timeout. */
#include "fetcher_hosts.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { SILENCES_MAX = 32 };

result fetcher_hosts_start(struct fetcher_hosts *hosts)
{
    ENSURE(pthread_mutex_init(&hosts->lock, NULL) == 0, E_MEMORY, "cannot make a lock");
    return net_resolver_start(&hosts->resolver);
}

static must_check result resolve(struct fetcher_hosts *hosts, struct net_address *ret_address,
                                 const char *name, uint32_t port)
{
    uint8_t numeric[16];
    struct net_address address = {.family = NET_TCP, .port = port};
    if (inet_pton(AF_INET, name, numeric) != 1 && inet_pton(AF_INET6, name, numeric) != 1)
        return net_resolver_ask(hosts->resolver, ret_address, name, port);
    (void)snprintf(address.host, sizeof address.host, "%s", name);
    *ret_address = address;
    return RESULT_OK;
}

static must_check result find(struct fetcher_hosts *hosts, struct fetcher_host **ret_host, const char *name,
                              uint32_t port)
{
    for (size_t i = 0; i < hosts->num_hosts; i++) {
        struct fetcher_host *host = &hosts->hosts[i];
        *ret_host = host;
        if (host->port == port && strcmp(host->name, name) == 0)
            return RESULT_OK;
    }
    struct fetcher_host host = {.port = port};
    ENSURE(hosts->num_hosts < FETCHER_HOSTS_MAX, E_TOO_LARGE, "more than %d servers", FETCHER_HOSTS_MAX);
    ENSURE(strlen(name) < sizeof host.name, E_INPUT, "the host's name is too long");
    memcpy(host.name, name, strlen(name) + 1);
    TRY(resolve(hosts, &host.address, name, port));
    *ret_host = &hosts->hosts[hosts->num_hosts++];
    **ret_host = host;
    return RESULT_OK;
}

static must_check result find_answering(struct fetcher_hosts *hosts, struct net_address *ret_address,
                                        const char *name, uint32_t port)
{
    struct fetcher_host *host = NULL;
    TRY(find(hosts, &host, name, port));
    ENSURE(host->silences < SILENCES_MAX, E_TIMEOUT,
           "%s:%u has not answered %d requests in a row and is not asked again", host->name, port,
           SILENCES_MAX);
    *ret_address = host->address;
    return RESULT_OK;
}

result fetcher_hosts_find(struct fetcher_hosts *hosts, struct net_address *ret_address, const char *name,
                          uint32_t port)
{
    (void)pthread_mutex_lock(&hosts->lock);
    result r = find_answering(hosts, ret_address, name, port);
    (void)pthread_mutex_unlock(&hosts->lock);
    return r;
}

void fetcher_hosts_note(struct fetcher_hosts *hosts, const struct net_address *address, result outcome)
{
    bool silent = outcome.code == E_TIMEOUT || outcome.code == E_IO;
    (void)pthread_mutex_lock(&hosts->lock);
    for (size_t i = 0; i < hosts->num_hosts; i++) {
        struct fetcher_host *host = &hosts->hosts[i];
        if (host->port == address->port && strcmp(host->address.host, address->host) == 0)
            host->silences = silent ? host->silences + 1 : 0;
    }
    (void)pthread_mutex_unlock(&hosts->lock);
}
