/* main.c - nitro-signer-proxy: relays bytes between the network and the enclave, and prints the enclave's
 * log.
 *
 * Holds no secret and parses nothing: TLS ends inside the enclave. What may be reached from inside is an
 * exact list, checked before anything listens. One event loop serves all relays. */
#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/process_limits.h"
#include "net/net_loop.h"
#include "net/net_pipes.h"
#include "net/net_relay.h"
#include "process/process_notify.h"
#include "proxy.h"

enum {
    MAX_RELAYS = 2 * OPTION_LIST_MAX,
    NAME_SERVICE = 53,
    BACKLOG = 4096,
    LOG_BACKLOG = 128,
    CONNECT_SECONDS = 10,
    OTHER_DESCRIPTORS = 128 + 2 * NET_PIPES
};

struct options {
    struct option_list inbound, outbound, allow;
    const char *log_sink; /* NULL: none */
    uint32_t max_connections;
};

struct proxy {
    struct options options;
    struct proxy_route routes[MAX_RELAYS];
    size_t num_routes;
    struct event_base *base;
    struct evdns_base *dns;
    struct event *terminate, *interrupt;
    struct net_pipes *pipes;
    struct net_relay *relays[MAX_RELAYS];
    size_t num_relays;
    struct proxy_log *log;
};

static must_check result parse_routes(struct proxy *proxy, const char *option, const struct option_list *list,
                                      bool must_be_allowed)
{
    for (size_t i = 0; i < list->num_values; i++) {
        struct proxy_route *route = &proxy->routes[proxy->num_routes];
        bool allowed = true;
        result r = proxy_route_parse(route, list->values[i]);
        if (r.code)
            return error_prefix(r, "--%s", option);
        if (must_be_allowed)
            TRY(proxy_allowed(&allowed, &proxy->options.allow, &route->target));
        ENSURE(allowed, E_DENIED, "--%s: target %zu is not in --allow", option, i + 1);
        proxy->num_routes++;
    }
    return RESULT_OK;
}

static must_check result parse_options(struct proxy *proxy, int argc, char *const argv[])
{
    struct options *o = &proxy->options;
    struct log_options log = LOG_OPTIONS_DEFAULT;
    o->max_connections = 4096;
    const struct option table[] = {
        {"inbound", OPTION_LIST, &o->inbound, "LISTEN=CONNECT: relay clients to the enclave", 0, 0},
        {"outbound", OPTION_LIST, &o->outbound, "LISTEN=CONNECT: relay the enclave to a target in --allow", 0,
         0},
        {"allow", OPTION_LIST, &o->allow, "an address that --outbound may connect to", 0, 0},
        {"log-sink", OPTION_TEXT, &o->log_sink, "where the enclave's log lines arrive, to be printed", 0, 0},
        {"max-connections", OPTION_U32, &o->max_connections, "at once, each relay (4096)", 1, 1000000},
        LOG_OPTION_ROWS(&log),
    };
    int next;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table),
                      "nitro-signer-proxy [options]\nRelays between the network and an enclave.", argc,
                      argv));
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    TRY(log_configure(&log));
    TRY(parse_routes(proxy, "inbound", &o->inbound, false));
    TRY(parse_routes(proxy, "outbound", &o->outbound, true));
    ENSURE(proxy->num_routes > 0 || o->log_sink, E_INPUT,
           "nothing to do: give --inbound, --outbound or --log-sink");
    return RESULT_OK;
}

/* Two descriptors a connection, beside those of the pipes; fewer connections when the system does not give
 * that many. */
static must_check result limit_connections(struct proxy *proxy)
{
    struct rlimit limit;
    ENSURE(getrlimit(RLIMIT_NOFILE, &limit) == 0, E_IO, "RLIMIT_NOFILE: %s", strerror(errno));
    rlim_t relays = proxy->num_routes > 0 ? proxy->num_routes : 1;
    rlim_t wanted = 2 * (rlim_t)proxy->options.max_connections * relays + OTHER_DESCRIPTORS;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    ENSURE(limit.rlim_cur > OTHER_DESCRIPTORS + 2 * relays, E_IO, "RLIMIT_NOFILE: too few descriptors");
    ENSURE(setrlimit(RLIMIT_NOFILE, &limit) == 0, E_IO, "RLIMIT_NOFILE: %s", strerror(errno));
    rlim_t possible = (limit.rlim_cur - OTHER_DESCRIPTORS) / 2 / relays;
    if (possible < proxy->options.max_connections) {
        log_warn("only %llu connections a relay: the limit of open files is %llu",
                 (unsigned long long)possible, (unsigned long long)limit.rlim_cur);
        proxy->options.max_connections = (uint32_t)possible;
    }
    return RESULT_OK;
}

static bool has_target(const struct proxy *proxy, enum net_family family)
{
    for (size_t i = 0; i < proxy->num_routes; i++) {
        if (proxy->routes[i].target.family == family)
            return true;
    }
    return false;
}

static must_check result start_relay(struct proxy *proxy, const struct proxy_route *route)
{
    struct net_relay_config config = {.target = route->target,
                                      .dns = proxy->dns,
                                      .pipes = proxy->pipes,
                                      .max_connections = proxy->options.max_connections,
                                      .connect_timeout_seconds = CONNECT_SECONDS};
    char from[300], to[300];
    net_address_format(from, sizeof from, &route->listen);
    net_address_format(to, sizeof to, &route->target);
    AUTO_FD listener = -1;
    TRY(net_listen(&listener, &route->listen, BACKLOG));
    TRY(net_relay_new(&proxy->relays[proxy->num_relays], proxy->base, &config, listener));
    proxy->num_relays++;
    (void)fd_take(&listener);
    log_info("relaying %s to %s", from, to);
    return RESULT_OK;
}

static must_check result start_log(struct proxy *proxy)
{
    struct net_address address;
    AUTO_FD listener = -1;
    result r = net_address_parse(&address, proxy->options.log_sink);
    if (r.code)
        return error_prefix(r, "--log-sink");
    TRY(net_listen(&listener, &address, LOG_BACKLOG));
    TRY(proxy_log_new(&proxy->log, proxy->base, listener));
    (void)fd_take(&listener);
    return RESULT_OK;
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    (void)event_base_loopbreak(context);
}

static must_check result start(struct proxy *proxy)
{
    TRY(process_harden());
    TRY(limit_connections(proxy));
    proxy->base = event_base_new();
    ENSURE(proxy->base, E_MEMORY, "no event loop");
    proxy->terminate = evsignal_new(proxy->base, SIGTERM, on_signal, proxy->base);
    proxy->interrupt = evsignal_new(proxy->base, SIGINT, on_signal, proxy->base);
    ENSURE(proxy->terminate && proxy->interrupt && event_add(proxy->terminate, NULL) == 0 &&
               event_add(proxy->interrupt, NULL) == 0,
           E_MEMORY, "no signal handlers");
    if (has_target(proxy, NET_TCP)) {
        proxy->dns = evdns_base_new(proxy->base, EVDNS_BASE_INITIALIZE_NAMESERVERS);
        ENSURE(proxy->dns, E_IO, "the resolver's configuration cannot be read");
    }
    TRY(net_pipes_new(&proxy->pipes, NET_PIPES));
    for (size_t i = 0; i < proxy->num_routes; i++)
        TRY(start_relay(proxy, &proxy->routes[i]));
    return proxy->options.log_sink ? start_log(proxy) : RESULT_OK;
}

/* Ports of targets, and that of name servers, should an answer come by TCP. */
static must_check result enter_sandbox(const struct proxy *proxy)
{
    uint16_t ports[MAX_RELAYS + 1] = {NAME_SERVICE};
    struct proxy_reach reach = {.internet = has_target(proxy, NET_TCP),
                                .vsock = has_target(proxy, NET_VSOCK),
                                .ports = ports,
                                .num_ports = 1};
    for (size_t i = 0; i < proxy->num_routes; i++) {
        if (proxy->routes[i].target.family == NET_TCP)
            ports[reach.num_ports++] = (uint16_t)proxy->routes[i].target.port;
    }
    return proxy_enter_sandbox(&reach);
}

static must_check result serve(struct proxy *proxy)
{
    TRY(start(proxy));
    TRY(enter_sandbox(proxy));
    process_notify("READY=1");
    ENSURE(event_base_dispatch(proxy->base) >= 0, E_IO, "the event loop failed");
    process_notify("STOPPING=1");
    return RESULT_OK;
}

static void stop(struct proxy *proxy)
{
    if (proxy->dns)
        evdns_base_free(proxy->dns, 1);
    for (size_t i = 0; i < proxy->num_relays; i++) {
        struct net_relay_counts counts;
        net_relay_count(&counts, proxy->relays[i]);
        log_info("relay %zu: %llu connections, %llu without a target", i + 1,
                 (unsigned long long)counts.accepted, (unsigned long long)counts.connect_failures);
        net_relay_free(proxy->relays[i]);
    }
    net_pipes_free(proxy->pipes);
    proxy_log_free(proxy->log);
    if (proxy->terminate)
        event_free(proxy->terminate);
    if (proxy->interrupt)
        event_free(proxy->interrupt);
    net_loop_free(proxy->base);
}

int main(int argc, char *argv[])
{
    static struct proxy proxy;
    log_open("nitro-signer-proxy", LOG_LEVEL_INFO);
    if (parse_options(&proxy, argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    result r = serve(&proxy);
    if (r.code)
        log_error("%s", error_text());
    stop(&proxy);
    return r.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
