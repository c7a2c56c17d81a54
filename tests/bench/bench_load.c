/* bench_load.c - asks a signer for attestations over kept HTTPS connections, as fast as it answers.
 *
 * One thread and epoll: the generator shares the cores with what it measures, so it must be
 * cheap, and it says what it used. Each connection owns every n-th key and walks through its
 * keys, then on to the next epoch, so the order of one key's requests never depends on timing and
 * nothing is slashable. The last answer of every connection is verified, outside the clock. All keys have the
 * same to sign in an epoch, unless --distinct gives each a committee index of its own. --bursts is the
 * slot's: all keys once, as fast as it goes, and then a pause. One connection is a lone client: its latencies
 * are those of an idle signer. Prints one JSON line; exits with 1 if any answer was not a signature.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "bench_connection.h"
#include "bench_order.h"
#include "bench_samples.h"

enum { CONNECTIONS_MAX = 256, IDLE_MS = 10000, BURSTS_MAX = 1000, PAUSE_NS = 50000000 };

struct settings {
    const char *address, *ca_file, *keys_file;
    uint32_t connections, milliseconds, first_epoch, bursts;
    bool distinct;
};

struct client {
    struct bench_connection connection;
    size_t key; /* of the request under way */
    uint64_t epoch;
    uint64_t sent_ns;
};

struct load {
    struct client clients[CONNECTIONS_MAX];
    size_t num_clients, under_way;
    struct bench_keys keys;
    struct bench_samples samples;
    uint64_t until_ns;
    bool is_burst, distinct;
    double burst_ms[BURSTS_MAX];
    int epoll;
};

static void load_cleanup(struct load *l)
{
    for (size_t i = 0; i < l->num_clients; i++)
        bench_connection_cleanup(&l->clients[i].connection);
    bench_keys_cleanup(&l->keys);
    bench_samples_cleanup(&l->samples);
    fd_auto_close(&l->epoll);
}

static uint64_t index_of(const struct load *l, const struct client *c)
{
    return l->distinct ? c->key : 0;
}

static result send_next(struct load *l, struct client *c)
{
    AUTO(buffer) request = {0};
    c->key += l->num_clients;
    if (c->key >= l->keys.num_keys && l->is_burst) {
        c->key -= l->num_clients; /* the last one, whose answer is verified */
        return RESULT_OK;
    }
    if (c->key >= l->keys.num_keys) {
        c->key %= l->num_clients;
        c->epoch++;
    }
    TRY(bench_order_request(&request, l->keys.texts[c->key], c->epoch, index_of(l, c)));
    c->sent_ns = clock_monotonic_ns();
    l->under_way++;
    return bench_connection_send(&c->connection, &request);
}

static result answered(struct load *l, struct client *c)
{
    uint64_t now = clock_monotonic_ns();
    l->under_way--;
    ENSURE(c->connection.status == 200, E_DENIED, "the signer answered %d: %.200s", c->connection.status,
           bench_connection_body(&c->connection));
    TRY(bench_samples_add(&l->samples, now - c->sent_ns));
    return now < l->until_ns ? send_next(l, c) : RESULT_OK;
}

static result open_clients(struct load *l, const struct settings *settings, SSL_CTX *context)
{
    struct net_address address;
    TRY(net_address_parse(&address, settings->address));
    for (size_t i = 0; i < settings->connections; i++) {
        struct client *c = &l->clients[i];
        TRY(bench_connection_open(&c->connection, &address, context));
        l->num_clients++;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        ENSURE(epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->connection.fd, &event) == 0, E_IO, "epoll_ctl");
    }
    return RESULT_OK;
}

static result exchange(struct load *l)
{
    struct epoll_event events[CONNECTIONS_MAX];
    for (size_t i = 0; i < l->num_clients; i++)
        TRY(send_next(l, &l->clients[i]));
    while (l->under_way > 0) {
        int ready = epoll_wait(l->epoll, events, CONNECTIONS_MAX, IDLE_MS);
        ENSURE(ready > 0, E_TIMEOUT, "the signer fell silent with %zu requests under way", l->under_way);
        for (int i = 0; i < ready; i++) {
            struct client *c = events[i].data.ptr;
            bool complete;
            TRY(bench_connection_receive(&c->connection, &complete));
            if (complete)
                TRY(answered(l, c));
        }
    }
    return RESULT_OK;
}

static void begin(struct load *l, uint64_t epoch)
{
    for (size_t i = 0; i < l->num_clients; i++) {
        l->clients[i].key = i - l->num_clients; /* send_next adds num_clients: the i-th key comes first */
        l->clients[i].epoch = epoch;
    }
}

static result exchange_bursts(struct load *l, const struct settings *settings)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    l->is_burst = true;
    l->until_ns = UINT64_MAX;
    for (uint32_t i = 0; i < settings->bursts; i++) {
        (void)nanosleep(&pause, NULL);
        begin(l, settings->first_epoch + i);
        uint64_t start = clock_monotonic_ns();
        TRY(exchange(l));
        l->burst_ms[i] = (double)(clock_monotonic_ns() - start) / 1e6;
    }
    return RESULT_OK;
}

static result verify_last_answers(const struct load *l, uint64_t *ret_last_epoch)
{
    uint64_t last = 0;
    for (size_t i = 0; i < l->num_clients; i++) {
        const struct client *c = &l->clients[i];
        TRY(bench_order_verify(l->keys.texts[c->key], c->epoch, index_of(l, c),
                               bench_connection_body(&c->connection)));
        last = c->epoch > last ? c->epoch : last;
    }
    *ret_last_epoch = last;
    return RESULT_OK;
}

static result run(const struct settings *settings, SSL_CTX *context)
{
    AUTO(load) l = {.distinct = settings->distinct};
    l.epoll = epoll_create1(EPOLL_CLOEXEC);
    ENSURE(l.epoll >= 0, E_IO, "epoll_create1");
    TRY(bench_keys_read(&l.keys, settings->keys_file));
    ENSURE(settings->connections <= l.keys.num_keys, E_INPUT, "fewer keys than connections");
    TRY(open_clients(&l, settings, context));
    double cpu = bench_cpu_seconds();
    uint64_t start = clock_monotonic_ns(), last_epoch;
    l.until_ns = start + (uint64_t)settings->milliseconds * 1000000;
    begin(&l, settings->first_epoch);
    TRY(settings->bursts ? exchange_bursts(&l, settings) : exchange(&l));
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    cpu = bench_cpu_seconds() - cpu;
    TRY(verify_last_answers(&l, &last_epoch));
    printf("{\"signed\": %zu, \"verified\": %zu, \"seconds\": %.4f, \"cpu_seconds\": %.4f, \"p50_us\": %.1f, "
           "\"p99_us\": %.1f, \"last_epoch\": %llu, \"burst_ms\": [",
           l.samples.length, l.num_clients, seconds, cpu, bench_samples_quantile(&l.samples, 500),
           bench_samples_quantile(&l.samples, 990), (unsigned long long)last_epoch);
    for (uint32_t i = 0; i < settings->bursts; i++)
        printf("%s%.3f", i ? ", " : "", l.burst_ms[i]);
    printf("]}\n");
    return RESULT_OK;
}

static result make_context(SSL_CTX **ret_context, const char *ca_file)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ENSURE(context, E_MEMORY, "no TLS context");
    *ret_context = context;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    ENSURE(SSL_CTX_load_verify_locations(context, ca_file, NULL) == 1, E_INPUT,
           "--ca-file: not a certificate");
    return RESULT_OK;
}

int main(int argc, char *argv[])
{
    struct settings settings = {.connections = 16, .milliseconds = 1000, .first_epoch = 1};
    const struct option table[] = {
        {"address", OPTION_TEXT, &settings.address, "where the signer listens, tcp:HOST:PORT", 0, 0},
        {"ca-file", OPTION_TEXT, &settings.ca_file, "its certificate, PEM", 0, 0},
        {"keys", OPTION_TEXT, &settings.keys_file, "file of public keys, one a line", 0, 0},
        {"connections", OPTION_U32, &settings.connections, "kept connections (16)", 1, CONNECTIONS_MAX},
        {"milliseconds", OPTION_U32, &settings.milliseconds, "for how long (1000)", 0, 60000},
        {"bursts", OPTION_U32, &settings.bursts, "that many, of all keys once each, instead (0)", 0,
         BURSTS_MAX},
        {"distinct", OPTION_FLAG, &settings.distinct, "every key signs a message of its own (false)", 0, 0},
        {"first-epoch", OPTION_U32, &settings.first_epoch, "target epoch of the first request (1)", 1,
         UINT32_MAX},
    };
    int next = 0;
    SSL_CTX *context = NULL;
    log_open("bench_load", LOG_LEVEL_INFO);
    if (options_parse(&next, table, ARRAY_LENGTH(table), "bench_load [options]", argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    if (next != argc || !settings.address || !settings.ca_file || !settings.keys_file) {
        log_error("--address, --ca-file and --keys are needed, and nothing else");
        return PROGRAM_EXIT_USAGE;
    }
    bool failed = process_harden().code || make_context(&context, settings.ca_file).code ||
                  run(&settings, context).code;
    if (failed)
        log_error("%s", error_text());
    SSL_CTX_free(context);
    return failed ? 1 : 0;
}
