/* bench_load.c - asks a signer for signatures over HTTPS connections, as fast as it answers.
 *
 * It says what it used of the processors that it shares with the signer. The last answer of every
 * connection is verified, outside the clock. A run is a stream (each connection asks again when it is
 * answered), or bursts: all keys once, as fast as it goes, and then a pause. One connection is a lone
 * client: its latencies are those of an idle signer. A client that sleeps while it waits has to be woken,
 * which a processor that sleeps with it makes expensive; --spin keeps it awake, and so its wake-up out of the
 * figures. Prints one JSON line; exits with 1 if any answer was not a signature.
 */
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "bench_clients.h"

enum { CONNECTIONS_MAX = 4096, BURSTS_MAX = 1000, PAUSE_NS = 50000000 };

struct settings {
    const char *address, *ca_file, *keys_file, *type, *opening, *tls;
    uint32_t connections, milliseconds, first_epoch, bursts;
    bool distinct, batches, spins, resumes;
};

static result exchange_bursts(struct bench_clients *clients, double *burst_ms,
                              const struct settings *settings)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    for (uint32_t i = 0; i < settings->bursts; i++) {
        (void)nanosleep(&pause, NULL);
        uint64_t start = clock_monotonic_ns();
        TRY(bench_clients_burst(clients, settings->first_epoch + i));
        burst_ms[i] = (double)(clock_monotonic_ns() - start) / 1e6;
    }
    return RESULT_OK;
}

static void print_latencies(struct bench_samples *samples)
{
    static const struct {
        const char *name;
        unsigned per_mille;
    } quantiles[] = {{"p50_us", 500}, {"p90_us", 900}, {"p99_us", 990}, {"p999_us", 999}};
    for (size_t i = 0; i < ARRAY_LENGTH(quantiles); i++)
        printf("\"%s\": %.1f, ", quantiles[i].name, bench_samples_quantile(samples, quantiles[i].per_mille));
}

static result run_clients(struct bench_clients *clients, const struct settings *settings)
{
    double burst_ms[BURSTS_MAX], cpu = bench_cpu_seconds();
    uint64_t start = clock_monotonic_ns(), last_epoch;
    if (settings->bursts)
        TRY(exchange_bursts(clients, burst_ms, settings));
    else
        TRY(bench_clients_stream(clients, settings->first_epoch,
                                 start + (uint64_t)settings->milliseconds * 1000000));
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    cpu = bench_cpu_seconds() - cpu;
    TRY(bench_clients_verify(clients, &last_epoch));
    printf("{\"signed\": %zu, \"verified\": %zu, \"seconds\": %.4f, \"cpu_seconds\": %.4f, ",
           clients->samples.length, clients->num_clients, seconds, cpu);
    print_latencies(&clients->samples);
    printf("\"handshakes\": %zu, \"resumed\": %zu, \"last_epoch\": %llu, \"burst_ms\": [",
           clients->handshakes, clients->resumed, (unsigned long long)last_epoch);
    for (uint32_t i = 0; i < settings->bursts; i++)
        printf("%s%.3f", i ? ", " : "", burst_ms[i]);
    printf("]}\n");
    return RESULT_OK;
}

static result run(const struct settings *settings, SSL_CTX *context)
{
    AUTO(bench_keys) keys = {0};
    AUTO(bench_clients) clients = {.epoll = -1};
    struct bench_plan plan = {.context = context,
                              .batches = settings->batches,
                              .spins = settings->spins,
                              .resumes = settings->resumes};
    TRY(net_address_parse(&plan.address, settings->address));
    TRY(bench_type_by_name(&plan.type, settings->distinct ? "distinct" : settings->type));
    TRY(bench_opening_by_name(&plan.opening, settings->opening));
    TRY(bench_keys_read(&keys, settings->keys_file));
    TRY(bench_clients_open(&clients, &keys, settings->connections, &plan));
    return run_clients(&clients, settings);
}

static result make_context(SSL_CTX **ret_context, const struct settings *settings)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ENSURE(context, E_MEMORY, "no TLS context");
    *ret_context = context;
    uint64_t version;
    TRY(parse_u64(&version, settings->tls));
    ENSURE(version == 12 || version == 13, E_INPUT, "--tls: 12 or 13");
    int limit = version == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    ENSURE(SSL_CTX_set_min_proto_version(context, limit) == 1 &&
               SSL_CTX_set_max_proto_version(context, limit) == 1,
           E_INPUT, "--tls: not had here");
    ENSURE(SSL_CTX_load_verify_locations(context, settings->ca_file, NULL) == 1, E_INPUT,
           "--ca-file: not a certificate");
    return RESULT_OK;
}

/* 0, or the exit status of a program that was called wrongly. */
static int read_options(struct settings *settings, int argc, char *argv[])
{
    const struct option table[] = {
        {"address", OPTION_TEXT, &settings->address, "where the signer listens, tcp:HOST:PORT", 0, 0},
        {"ca-file", OPTION_TEXT, &settings->ca_file, "its certificate, PEM", 0, 0},
        {"keys", OPTION_TEXT, &settings->keys_file, "file of public keys, one a line", 0, 0},
        {"connections", OPTION_U32, &settings->connections, "connections at a time (16)", 1, CONNECTIONS_MAX},
        {"opening", OPTION_TEXT, &settings->opening,
         "how long a connection lives: kept, per-burst or per-request (kept)", 0, 0},
        {"tls", OPTION_TEXT, &settings->tls, "version of TLS: 12 or 13 (13)", 0, 0},
        {"resume", OPTION_FLAG, &settings->resumes, "connections resume the session before (false)", 0, 0},
        {"milliseconds", OPTION_U32, &settings->milliseconds, "for how long (1000)", 0, 60000},
        {"bursts", OPTION_U32, &settings->bursts, "that many, of all keys once each, instead (0)", 0,
         BURSTS_MAX},
        {"batches", OPTION_FLAG, &settings->batches,
         "one request a connection, and the next when all are answered (false)", 0, 0},
        {"type", OPTION_TEXT, &settings->type,
         "attestation, distinct, selection-proof, registration or mix (attestation)", 0, 0},
        {"distinct", OPTION_FLAG, &settings->distinct, "the same as --type=distinct (false)", 0, 0},
        {"spin", OPTION_FLAG, &settings->spins, "poll without sleeping (false)", 0, 0},
        {"first-epoch", OPTION_U32, &settings->first_epoch, "target epoch of the first request (1)", 1,
         UINT32_MAX},
    };
    int next = 0;
    if (options_parse(&next, table, ARRAY_LENGTH(table), "bench_load [options]", argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    if (next != argc || !settings->address || !settings->ca_file || !settings->keys_file) {
        log_error("--address, --ca-file and --keys are needed, and nothing else");
        return PROGRAM_EXIT_USAGE;
    }
    return 0;
}

int main(int argc, char *argv[])
{
    struct settings settings = {.connections = 16,
                                .milliseconds = 1000,
                                .first_epoch = 1,
                                .type = "attestation",
                                .opening = "kept",
                                .tls = "13"};
    SSL_CTX *context = NULL;
    log_open("bench_load", LOG_LEVEL_INFO);
    int usage = read_options(&settings, argc, argv);
    if (usage)
        return usage;
    bool failed =
        process_harden().code || make_context(&context, &settings).code || run(&settings, context).code;
    if (failed)
        log_error("%s", error_text());
    SSL_CTX_free(context);
    return failed ? 1 : 0;
}
