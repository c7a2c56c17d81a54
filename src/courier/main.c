/* main.c - nitro-signer-courier: carries attestation documents out and ciphertexts in.
 *
 * It sees the control port and KMS, never a plaintext key. The main thread polls: control port, keeper, KMS
 * thread, SIGTERM. One thread more makes the KMS calls (courier_kms.c). */
#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret_allocators.h"
#include "courier.h"

enum { KEEPER_FD = 3, CONTROL_FD = 4, SECURE_HEAP = 1024 * 1024 };
enum {
    POLL_KEEPER,
    POLL_OUTBOX,
    POLL_KMS,
    POLL_SIGNAL,
    POLL_CONTROL,
    POLLS_MAX = POLL_CONTROL + COURIER_CONNECTIONS_MAX + 1
};

struct options {
    const char *kms_via, *kms_endpoint, *ca_file, *log_level;
};

static must_check result parse_options(struct options *o, enum log_level *ret_level, int argc,
                                       char *const argv[])
{
    *o = (struct options){.kms_endpoint = getenv("AWS_ENDPOINT_URL_KMS"),
                          .ca_file = getenv("AWS_CA_BUNDLE"),
                          .log_level = "info"};
    const struct option table[] = {
        {"kms-via", OPTION_TEXT, &o->kms_via, "the proxy through which KMS is reached, such as vsock:3:8000",
         0, 0},
        {"kms-endpoint", OPTION_TEXT, &o->kms_endpoint,
         "URL of KMS (AWS_ENDPOINT_URL_KMS, https://kms.REGION.amazonaws.com)", 0, 0},
        {"ca-file", OPTION_TEXT, &o->ca_file,
         "PEM file of the authorities KMS's certificate may come from (AWS_CA_BUNDLE, the system's)", 0, 0},
        {"log-level", OPTION_TEXT, &o->log_level, "error, warn, info, debug (info)", 0, 0},
    };
    int next = 0;
    TRY(options_parse(
        &next, table, ARRAY_LENGTH(table),
        "nitro-signer-courier [options]\n"
        "Between host, KMS and keeper; started by nitro-signer-enclave with the keeper on descriptor 3\n"
        "and the control socket, listening, on 4.",
        argc, argv));
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    ENSURE(o->kms_via, E_INPUT, "--kms-via: is needed");
    return log_level_parse(ret_level, o->log_level);
}

/* In the sandbox there are no files to resolve a name with. */
static must_check result check_via(const struct net_address *via)
{
    uint8_t bytes[sizeof(struct in6_addr)];
    bool numeric = via->family != NET_TCP || inet_pton(AF_INET, via->host, bytes) == 1 ||
                   inet_pton(AF_INET6, via->host, bytes) == 1;
    ENSURE(numeric, E_INPUT, "--kms-via: the host of a tcp address must be numeric");
    return RESULT_OK;
}

/* What must be read or made before the sandbox. */
static must_check result prepare(struct courier_kms_settings *settings, const struct options *o)
{
    result r = net_address_parse(&settings->via, o->kms_via);
    if (r.code)
        return error_prefix(r, "--kms-via");
    TRY(check_via(&settings->via));
    settings->endpoint = o->kms_endpoint;
    TRY(process_harden());
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    TRY(aws_library_open());
    json_set_alloc_funcs(malloc, secret_wiping_free); /* trees hold credentials for a moment */
    json_object_seed(0);
    return aws_authorities_read(&settings->ca_pem, o->ca_file);
}

static must_check result open_signals(int *ret_fd)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigaddset(&wanted, SIGINT);
    ENSURE(pthread_sigmask(SIG_BLOCK, &wanted, NULL) == 0, E_IO, "signal mask");
    int fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    ENSURE(fd >= 0, E_IO, "signalfd: %s", strerror(errno));
    *ret_fd = fd;
    return RESULT_OK;
}

/* While the keeper is behind with reading, it is not asked for more to answer. It never waits for us, so it
 * will catch up. */
static short keeper_events(const struct courier *c)
{
    short events = courier_outbox_is_empty(c->outbox) ? 0 : POLLOUT;
    return courier_outbox_is_long(c->outbox) ? events : (short)(events | POLLIN);
}

/* Until a signal or a failure; a packet of the keeper goes before what peers send. */
static must_check result run(struct courier *c, int signals)
{
    for (;;) {
        struct pollfd polls[POLLS_MAX] = {
            [POLL_KEEPER] = {.fd = c->keeper, .events = keeper_events(c)},
            [POLL_OUTBOX] = {.fd = courier_outbox_descriptor(c->outbox), .events = POLLIN},
            [POLL_KMS] = {.fd = courier_kms_descriptor(c->kms), .events = POLLIN},
            [POLL_SIGNAL] = {.fd = signals, .events = POLLIN},
        };
        size_t num = POLL_CONTROL + courier_control_poll(c->control, polls + POLL_CONTROL);
        int ready = poll(polls, num, -1);
        ENSURE(ready >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
        if (ready < 0)
            continue;
        if (polls[POLL_SIGNAL].revents)
            return RESULT_OK;
        if (polls[POLL_KEEPER].revents & (POLLIN | POLLHUP | POLLERR))
            TRY(courier_take_keeper_packet(c));
        if (polls[POLL_KMS].revents)
            TRY(courier_load_on_kms(c));
        TRY(courier_control_serve(c->control, polls + POLL_CONTROL));
        TRY(courier_go_on(c));
    }
}

static must_check result serve(const struct courier_kms_settings *settings,
                               const struct courier_backend_settings *backend_settings, enum log_level level)
{
    static struct courier courier; /* two packets of 64 KiB */
    int signals = -1;
    courier = (struct courier){.keeper = KEEPER_FD,
                               .backend_settings = backend_settings,
                               .log_level = level,
                               .started_ns = clock_monotonic_ns()};
    TRY(open_signals(&signals));
    TRY(courier_sandbox_enter());
    TRY(courier_outbox_new(&courier.outbox));
    TRY(courier_kms_start(&courier.kms, settings));
    TRY(courier_control_new(&courier.control, CONTROL_FD, courier_take_message, &courier));
    log_info("ready");
    result r = run(&courier, signals);
    if (courier_kms_busy(courier.kms) || (courier.store && courier_store_busy(courier.store))) {
        /* A call may take a minute; nothing it could still do matters. */
        if (r.code)
            log_error("%s", error_text());
        _exit(r.code ? 1 : 0);
    }
    courier_load_cleanup(&courier.load);
    aws_credentials_cleanup(&courier.credentials);
    courier_control_free(courier.control);
    courier_kms_stop(courier.kms);
    courier_store_stop(courier.store);
    courier_outbox_free(courier.outbox);
    return r;
}

int main(int argc, char *argv[])
{
    struct options options;
    enum log_level level = LOG_LEVEL_INFO;
    struct courier_kms_settings settings = {0};
    struct courier_backend_settings backend_settings = {0};
    log_open("courier", LOG_LEVEL_INFO);
    if (parse_options(&options, &level, argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    log_set_level(level);
    result r = prepare(&settings, &options);
    if (!r.code)
        r = serve(&settings, &backend_settings, level);
    buffer_cleanup(&settings.ca_pem);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
