/* main.c - nitro-signer-courier: carries attestation documents out and ciphertexts in, and asks the store.
 *
 * It sees the control port, KMS and a store across a network, never a plaintext key. The main thread polls:
 * control port, keeper, SIGTERM and what the other threads have done: one makes the KMS calls
 * (courier_kms.c), a few ask the store (courier_store.c). Stand-alone there is no control port and no KMS,
 * but the supervisor, who knows how the store may be entered. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret_allocators.h"
#include "courier.h"
#include "courier_access.h"
#include "courier_options.h"

enum { KEEPER_FD = 3, OUTSIDE_FD = 4, SECURE_HEAP = 1024 * 1024 };
enum {
    POLL_KEEPER,
    POLL_OUTBOX,
    POLL_KMS,
    POLL_SUPERVISOR,
    POLL_SIGNAL,
    POLL_CONTROL,
    POLLS_MAX = POLL_CONTROL + COURIER_CONNECTIONS_MAX + 1
};

/* The secrets of the stand-alone courier, for as long as it runs. */
struct outside {
    struct courier_options options;
    struct courier_kms_settings kms;
    struct courier_backend_settings backend;
    struct aws_credentials credentials;
};

static void outside_cleanup(struct outside *outside)
{
    buffer_cleanup(&outside->kms.ca_pem);
    slashing_postgresql_settings_cleanup(&outside->backend.postgresql);
    aws_credentials_cleanup(&outside->credentials);
    net_resolver_stop(outside->backend.resolver);
}

static must_check result take_url(struct slashing_postgresql_settings *settings,
                                  const struct courier_access *access)
{
    TRY(slashing_postgresql_parse_url(settings, (const char *)access->extra.data));
    if (access->name.length) {
        int length = snprintf(settings->user, sizeof settings->user, "%s", (const char *)access->name.data);
        ENSURE(length > 0 && (size_t)length < sizeof settings->user, E_INPUT, "user: is too long");
    }
    if (!access->secret.length)
        return RESULT_OK;
    secret_cleanup(&settings->password);
    return secret_copy(&settings->password, access->secret.data, access->secret.length);
}

static must_check result take_access(struct outside *outside)
{
    AUTO(courier_access) access = {0};
    TRY(courier_access_receive(&access, OUTSIDE_FD));
    bool is_url = access.extra.length && strstr((const char *)access.extra.data, "://");
    outside->backend.has_postgresql = is_url;
    return is_url ? take_url(&outside->backend.postgresql, &access)
                  : courier_access_credentials(&outside->credentials, &access);
}

/* What must be read or made before the sandbox; the resolver before the first secret. */
static must_check result prepare(struct outside *outside)
{
    const struct courier_options *o = &outside->options;
    TRY(process_harden());
    slashing_postgresql_forget_environment();
    if (o->standalone)
        TRY(net_resolver_start(&outside->backend.resolver));
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    TRY(aws_library_open());
    json_set_alloc_funcs(malloc, secret_wiping_free); /* trees hold credentials for a moment */
    json_object_seed(0);
    outside->kms.via = o->kms_via;
    outside->kms.endpoint = o->kms_endpoint;
    outside->backend.has_dynamodb_via = o->has_dynamodb_via;
    outside->backend.dynamodb_via = o->dynamodb_via;
    outside->backend.dynamodb_endpoint = o->dynamodb_endpoint;
    outside->backend.ca_pem = &outside->kms.ca_pem;
    if (o->standalone)
        TRY(take_access(outside));
    if (outside->backend.has_postgresql)
        return RESULT_OK;
    return aws_authorities_read(&outside->kms.ca_pem, o->ca_file);
}

static must_check result open_signals(int *ret_fd)
{
    sigset_t wanted;
    (void)sigemptyset(&wanted);
    (void)sigaddset(&wanted, SIGTERM);
    (void)sigaddset(&wanted, SIGINT);
    (void)sigaddset(&wanted, SIGCHLD);
    ENSURE(pthread_sigmask(SIG_BLOCK, &wanted, NULL) == 0, E_IO, "signal mask");
    /* A resolver that is paused, or goes on, has not ended. */
    const struct sigaction ends_only = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDSTOP};
    ENSURE(sigaction(SIGCHLD, &ends_only, NULL) == 0, E_IO, "sigaction: %s", strerror(errno));
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

/* The only child is the resolver; without it a store that has moved would never be found again. */
static must_check result end_by_signal(int signals)
{
    struct signalfd_siginfo information;
    ENSURE(read(signals, &information, sizeof information) == sizeof information, E_IO, "signalfd: %s",
           strerror(errno));
    ENSURE(information.ssi_signo != SIGCHLD, E_PEER, "the resolver has ended");
    return RESULT_OK;
}

/* Until a signal or a failure; a packet of the keeper goes before what peers send. */
static must_check result run(struct courier *c, int signals)
{
    for (;;) {
        struct pollfd polls[POLLS_MAX] = {
            [POLL_KEEPER] = {.fd = c->keeper, .events = keeper_events(c)},
            [POLL_OUTBOX] = {.fd = courier_outbox_descriptor(c->outbox), .events = POLLIN},
            [POLL_KMS] = {.fd = courier_kms_descriptor(c->kms), .events = POLLIN},
            [POLL_SUPERVISOR] = {.fd = c->supervisor, .events = POLLIN},
            [POLL_SIGNAL] = {.fd = signals, .events = POLLIN},
        };
        size_t num = POLL_CONTROL + courier_control_poll(c->control, polls + POLL_CONTROL);
        int ready = poll(polls, num, -1);
        ENSURE(ready >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
        if (ready < 0)
            continue;
        if (polls[POLL_SIGNAL].revents)
            return end_by_signal(signals);
        if (polls[POLL_KEEPER].revents & (POLLIN | POLLHUP | POLLERR))
            TRY(courier_take_keeper_packet(c));
        if (polls[POLL_KMS].revents)
            TRY(courier_load_on_kms(c));
        if (polls[POLL_SUPERVISOR].revents)
            TRY(courier_take_access(c));
        TRY(courier_control_serve(c->control, polls + POLL_CONTROL));
        TRY(courier_go_on(c));
    }
}

static const char *if_given(const char *path)
{
    return path[0] ? path : NULL;
}

static void reach_add(struct courier_reach *reach, enum net_family family)
{
    switch (family) {
    case NET_TCP:
        reach->internet = true;
        return;
    case NET_UNIX:
        reach->local = true;
        return;
    case NET_VSOCK:
        reach->vsock = true;
    }
}

/* Stand-alone it makes the connections itself; PostgreSQL may be on this machine. */
static struct courier_reach reach_of(const struct outside *outside)
{
    const struct courier_options *o = &outside->options;
    struct courier_reach reach = {.internet = o->standalone,
                                  .local = outside->backend.has_postgresql,
                                  /* libpq reads its certificates anew for each connection. */
                                  .files = {if_given(outside->backend.postgresql.sslrootcert),
                                            if_given(outside->backend.postgresql.sslcert),
                                            if_given(outside->backend.postgresql.sslkey)}};
    if (!o->standalone)
        reach_add(&reach, o->kms_via.family);
    if (o->has_dynamodb_via)
        reach_add(&reach, o->dynamodb_via.family);
    return reach;
}

static must_check result begin(struct courier *c, struct outside *outside)
{
    const struct courier_reach reach = reach_of(outside);
    TRY(courier_sandbox_enter(&reach));
    TRY(courier_outbox_new(&c->outbox));
    TRY(courier_control_new(&c->control, outside->options.standalone ? -1 : OUTSIDE_FD, courier_take_message,
                            c));
    if (outside->credentials.access_key_id[0])
        TRY(aws_credentials_copy(&c->credentials, &outside->credentials));
    return courier_kms_start(&c->kms, &outside->kms);
}

static must_check result serve(struct outside *outside)
{
    static struct courier courier; /* two packets of 64 KiB */
    int signals = -1;
    courier = (struct courier){.keeper = KEEPER_FD,
                               .supervisor = outside->options.standalone ? OUTSIDE_FD : -1,
                               .backend_settings = &outside->backend,
                               .log_level = outside->options.log_level,
                               .started_ns = clock_monotonic_ns()};
    TRY(open_signals(&signals));
    TRY(begin(&courier, outside));
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
    static struct outside outside;
    log_open("courier", LOG_LEVEL_INFO);
    if (courier_options_parse(&outside.options, argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    result r = prepare(&outside);
    if (!r.code)
        r = serve(&outside);
    outside_cleanup(&outside);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
