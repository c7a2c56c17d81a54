/* fetcher_hosts.h - where servers are, and which of them do not answer. */
#ifndef FETCHER_FETCHER_HOSTS_H
#define FETCHER_FETCHER_HOSTS_H

#include <pthread.h>

#include "net/net_address.h"
#include "net/net_resolver.h"

enum { FETCHER_HOSTS_MAX = 64 };

struct fetcher_host {
    char name[256];
    uint32_t port;
    struct net_address address;
    unsigned silences; /* requests that got no answer since the last that did */
};

struct fetcher_hosts {
    pthread_mutex_t lock;
    struct net_resolver *resolver;
    struct fetcher_host hosts[FETCHER_HOSTS_MAX];
    size_t num_hosts;
};

/* Forks the resolver: before there are secrets, threads or a sandbox. */
must_check result fetcher_hosts_start(struct fetcher_hosts *hosts);

/* The numeric address of a server; a name is resolved once. E_NOT_FOUND when it does not resolve, E_TIMEOUT
 * when so many requests in a row had no answer that the server is not asked again. Any thread. */
must_check result fetcher_hosts_find(struct fetcher_hosts *hosts, struct net_address *ret_address,
                                     const char *name, uint32_t port);

/* What became of a request to it: E_TIMEOUT and E_IO are silence. Any thread; the error's sentence stays. */
void fetcher_hosts_note(struct fetcher_hosts *hosts, const struct net_address *address, result outcome);

#endif
