/* soak_load.c - asks a signer for signatures over HTTPS for as long as it is told to, and keeps count.
 *
 * Lines on standard input steer it: pause, go, end. Standard output has a line of JSON a second, one for each
 * answer that needs an explanation, one for each signature of a sample, "paused" when no answer is to come
 * any more, and the oracle's verdict at the end. Times are of the monotonic clock, which soak.py reads as
 * well.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "soak_clients.h"

enum { CONNECTIONS_MAX = 1024, SECOND_NS = 1000000000, COMMAND_MAX = 64 };

struct settings {
    const char *address, *ca_file, *keys_file, *marks_file, *version, *genesis;
    uint32_t connections, seed, answer_seconds, sample_one_in, first_height;
};

static void print_second(struct soak_clients *l, double seconds)
{
    struct soak_counts *c = &l->counts;
    static const char *const names[] = {"200", "400", "404", "412", "500", "503", "other"};
    printf("{\"event\":\"second\",\"at\":%.3f,\"seconds\":%.3f,\"asking\":%zu,\"sent\":%llu,\"cut\":%llu,"
           "\"lost\":%llu,"
           "\"handshakes\":%llu,\"not_sent\":%llu,\"not_connected\":%llu,\"p50_us\":%.0f,\"p99_us\":%.0f,"
           "\"max_us\":%.0f,"
           "\"statuses\":{",
           (double)clock_monotonic_ns() / 1e9, seconds, soak_clients_asking(l), (unsigned long long)c->sent,
           (unsigned long long)c->cut, (unsigned long long)c->lost, (unsigned long long)c->handshakes,
           (unsigned long long)c->not_sent, (unsigned long long)c->not_connected,
           bench_samples_quantile(&c->samples, 500), bench_samples_quantile(&c->samples, 990),
           bench_samples_quantile(&c->samples, 1000));
    for (size_t i = 0; i < SOAK_STATUSES; i++)
        printf("%s\"%s\":%llu", i ? "," : "", names[i], (unsigned long long)c->statuses[i]);
    printf("}}\n");
    (void)fflush(stdout);
    struct bench_samples samples = c->samples;
    samples.length = 0;
    *c = (struct soak_counts){.samples = samples};
}

/* The next line, if one has come, and no byte of the one behind it; "end" when nobody steers any more. */
static void read_command(char command[static COMMAND_MAX])
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    size_t length = 0;
    command[0] = '\0';
    if (poll(&input, 1, 0) != 1)
        return;
    while (length < COMMAND_MAX - 1 && read(STDIN_FILENO, command + length, 1) == 1 &&
           command[length] != '\n')
        length++;
    if (length == 0)
        memcpy(command, "end", sizeof "end");
    else
        command[length] = '\0';
}

static result run_clients(struct soak_clients *l)
{
    bool ending = false, told = true;
    uint64_t second = clock_monotonic_ns();
    while (!ending || soak_clients_asking(l) > 0) {
        char command[COMMAND_MAX];
        TRY(soak_clients_turn(l));
        read_command(command);
        ending = ending || strcmp(command, "end") == 0;
        l->pausing = ending || strcmp(command, "pause") == 0 || (l->pausing && strcmp(command, "go") != 0);
        told = told && !(strcmp(command, "pause") == 0);
        if (l->pausing && !told && soak_clients_asking(l) == 0) {
            printf("{\"event\":\"paused\"}\n");
            (void)fflush(stdout);
            told = true;
        }
        uint64_t now = clock_monotonic_ns();
        if (now - second >= SECOND_NS) {
            print_second(l, (double)(now - second) / 1e9);
            second = now;
        }
    }
    print_second(l, (double)(clock_monotonic_ns() - second) / 1e9);
    return RESULT_OK;
}

static result report(struct soak_clients *l, const char *marks_file)
{
    struct soak_verdict v;
    TRY(soak_oracle_judge(&v, &l->oracle));
    FILE *marks = fopen(marks_file, "we");
    ENSURE(marks, E_IO, "%s: cannot be written", marks_file);
    soak_oracle_print_marks(&l->oracle, &l->orders, marks);
    ENSURE(fclose(marks) == 0, E_IO, "%s: cannot be written", marks_file);
    printf("{\"event\":\"verdict\",\"signed\":%llu,\"doubles\":%llu,\"surrounds\":%llu,\"unsteady\":%llu,"
           "\"crossed\":%llu}\n",
           (unsigned long long)v.num_signed, (unsigned long long)v.doubles, (unsigned long long)v.surrounds,
           (unsigned long long)v.unsteady, (unsigned long long)v.crossed);
    return RESULT_OK;
}

static result run(const struct settings *settings)
{
    AUTO(soak_clients) clients = {.epoll = -1};
    AUTO(soak_orders) orders = {0};
    struct net_address address;
    TRY(net_address_parse(&address, settings->address));
    TRY(soak_orders_open(&orders, settings->keys_file, settings->version, settings->genesis, settings->seed,
                         settings->first_height));
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    ENSURE(context, E_MEMORY, "no TLS context");
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    TRY(soak_clients_open(&clients, &orders, context, settings->connections));
    ENSURE(SSL_CTX_load_verify_locations(context, settings->ca_file, NULL) == 1, E_INPUT,
           "--ca-file: not a certificate");
    clients.address = address;
    clients.answer_ns = (uint64_t)settings->answer_seconds * SECOND_NS;
    clients.sample_one_in = settings->sample_one_in;
    TRY(run_clients(&clients));
    return report(&clients, settings->marks_file);
}

/* 0, or the exit status of a program that was called wrongly. */
static int read_options(struct settings *settings, int argc, char *argv[])
{
    const struct option table[] = {
        {"address", OPTION_TEXT, &settings->address, "where the signer listens, tcp:HOST:PORT", 0, 0},
        {"ca-file", OPTION_TEXT, &settings->ca_file, "its certificates, PEM", 0, 0},
        {"keys", OPTION_TEXT, &settings->keys_file, "file of public keys, one a line", 0, 0},
        {"marks", OPTION_TEXT, &settings->marks_file, "file to write: what was signed of each key at most", 0,
         0},
        {"fork-version", OPTION_TEXT, &settings->version, "of what is to be signed", 0, 0},
        {"genesis", OPTION_TEXT, &settings->genesis, "genesis validators root", 0, 0},
        {"connections", OPTION_U32, &settings->connections, "connections at a time (64)", 1, CONNECTIONS_MAX},
        {"seed", OPTION_U32, &settings->seed, "of what is asked (1)", 0, UINT32_MAX},
        {"answer-seconds", OPTION_U32, &settings->answer_seconds, "a later answer is lost (60)", 1, 3600},
        {"sample-one-in", OPTION_U32, &settings->sample_one_in, "signatures that are printed (1000)", 1,
         UINT32_MAX},
        {"first-height", OPTION_U32, &settings->first_height, "slots and epochs begin there (10)", 4,
         UINT32_MAX / 2},
    };
    int next = 0;
    if (options_parse(&next, table, ARRAY_LENGTH(table), "soak_load [options]", argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    if (next != argc || !settings->address || !settings->ca_file || !settings->keys_file ||
        !settings->marks_file || !settings->version || !settings->genesis) {
        log_error("--address, --ca-file, --keys, --marks, --fork-version and --genesis are needed, and "
                  "nothing else");
        return PROGRAM_EXIT_USAGE;
    }
    return 0;
}

int main(int argc, char *argv[])
{
    struct settings settings = {
        .connections = 64, .seed = 1, .answer_seconds = 60, .sample_one_in = 1000, .first_height = 10};
    log_open("soak_load", LOG_LEVEL_INFO);
    int usage = read_options(&settings, argc, argv);
    if (usage)
        return usage;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!run(&settings).code)
        return 0;
    log_error("%s", error_text());
    return 1;
}
