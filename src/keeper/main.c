/* main.c - nitro-signer-keeper: start, the loop, the end.
 *
 * One turn: wait, then at most one packet from each peer, so that none can starve the others.
 * Any peer but the loader ends the signer by going: there are no half-alive states. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/process_sandbox.h"
#include "base/secret_allocators.h"
#include "keeper.h"
#include "keeper_dispatch.h"
#include "keeper_sign.h"

enum {
    SUPERVISOR_FD = 3,
    FRONT_FD = 4,
    COURIER_FD = 5,
    PROBE_SECONDS = 30,
    FAILED_PROBE_SECONDS = 2,
    HEAP_LEAST = 4 << 20,
    HEAP_MOST = 16 << 20,
    LOADER_WAITING_MAX = 64 /* records; with more, the courier has to wait */
};

static volatile sig_atomic_t terminated;

static void on_signal(int number)
{
    (void)number;
    terminated = 1;
}

/* SIGTERM and SIGINT are blocked but while the loop waits: then none is lost between test and wait. */
static must_check result prepare_signals(sigset_t *ret_while_waiting)
{
    struct sigaction end = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    (void)sigaddset(&blocked, SIGINT);
    ENSURE(sigprocmask(SIG_BLOCK, &blocked, NULL) == 0 && sigaction(SIGTERM, &end, NULL) == 0 &&
               sigaction(SIGINT, &end, NULL) == 0 && sigaction(SIGXFSZ, &ignore, NULL) == 0,
           E_IO, "signals: %s",
           strerror(errno)); /* a file size limit is to be an error of the store's write */
    (void)sigemptyset(ret_while_waiting);
    return RESULT_OK;
}

struct settings {
    const char *mode, *nsm;
    struct log_options log;
    bool key_manager, extension_signing, commit_boost;
    uint32_t heap_mib;        /* 0: not given */
    uint32_t signing_threads; /* 0: not given */
    uint32_t reload_timeout;
};

static must_check result parse_options(struct settings *settings, int argc, char *const argv[])
{
    const struct option table[] = {
        {"mode", OPTION_TEXT, &settings->mode, "enclave or standalone", 0, 0},
        {"nsm", OPTION_TEXT, &settings->nsm, "the NSM: /dev/nsm or unix:PATH (enclave)", 0, 0},
        {"secure-heap-mib", OPTION_U32, &settings->heap_mib,
         "memory for secrets, a power of two (as much of 16 as may be locked, at least 4)", 1, 1024},
        {"signing-threads", OPTION_U32, &settings->signing_threads,
         "threads that sign (as many as there are processors and MiB for secrets, at most 16)", 1,
         KEEPER_THREADS_MAX},
        {"key-manager", OPTION_FLAG, &settings->key_manager,
         "keys may be imported and deleted by way of the front (false; standalone)", 0, 0},
        {"reload-timeout-seconds", OPTION_U32, &settings->reload_timeout,
         "a reload that takes longer is given up (1800; standalone)", 1, 604800},
        {"extension-signing", OPTION_FLAG, &settings->extension_signing,
         "the front may have JSON texts signed as they are (false; standalone)", 0, 0},
        {"commit-boost", OPTION_FLAG, &settings->commit_boost,
         "keep proxy keys, and sign for modules of Commit-Boost (false; standalone)", 0, 0},
        LOG_OPTION_ROWS(&settings->log),
    };
    int next = 0;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table),
                      "nitro-signer-keeper [options] (started by a supervisor, with sockets 3, 4 and 5)",
                      argc, argv));
    ENSURE(next == argc, E_INPUT, "takes no arguments");
    ENSURE(strcmp(settings->mode, "enclave") == 0 || strcmp(settings->mode, "standalone") == 0, E_INPUT,
           "--mode: must be enclave or standalone");
    /* In an enclave only the policy decides which keys there are. */
    ENSURE(!settings->key_manager || strcmp(settings->mode, "standalone") == 0, E_INPUT,
           "--key-manager: not in an enclave");
    ENSURE(!settings->extension_signing || strcmp(settings->mode, "standalone") == 0, E_INPUT,
           "--extension-signing: not in an enclave");
    ENSURE(!settings->commit_boost || strcmp(settings->mode, "standalone") == 0, E_INPUT,
           "--commit-boost: not in an enclave");
    ENSURE((settings->heap_mib & (settings->heap_mib - 1)) == 0, E_INPUT,
           "--secure-heap-mib: must be a power of two");
    return RESULT_OK;
}

static must_check result adopt(struct keeper_channel *channel, int fd)
{
    int type = 0;
    socklen_t type_len = sizeof type;
    ENSURE(getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 && type == SOCK_SEQPACKET, E_INPUT,
           "descriptor %d is not the %s's socket", fd, channel->name);
    ENSURE(fcntl(fd, F_SETFD, FD_CLOEXEC) == 0, E_IO, "descriptor %d: %s", fd, strerror(errno));
    channel->fd = fd;
    return RESULT_OK;
}

static must_check result start(struct keeper *k, const struct settings *settings)
{
    TRY(process_harden());
    (void)mallopt(
        M_ARENA_MAX,
        1); /* those that make the RSA key end before there are keys, those that sign allocate nothing */
    (void)umask(077);
    TRY(secret_openssl_wipes());
    /* No file of the machine is to have a say in how keys are used; and later none could be opened. */
    ENSURE(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1, E_CRYPTO, "OpenSSL does not start");
    if (settings->heap_mib)
        TRY(secret_heap_open((size_t)settings->heap_mib << 20));
    else /* 4 MiB hold 100,000 keys and threads to sign with; a reload takes the old and the new keys */
        TRY(secret_heap_open_up_to(HEAP_LEAST, HEAP_MOST));
    TRY(secret_new(&k->incoming, IPC_PACKET_MAX));
    TRY(keeper_pool_new(&k->pool,
                        settings->signing_threads ? settings->signing_threads
                                                  : keeper_pool_default_threads(secret_heap_size()),
                        process_sandbox_thread));
    TRY(adopt(&k->supervisor, SUPERVISOR_FD));
    TRY(adopt(&k->front, FRONT_FD));
    /* Stand-alone there is a courier only when the store is across a network. */
    if (!k->standalone || fcntl(COURIER_FD, F_GETFD) >= 0)
        TRY(adopt(&k->courier, COURIER_FD));
    if (k->standalone)
        return RESULT_OK;
    return keeper_attest_open(k);
}

static bool is_heard(const struct keeper *k, const struct keeper_channel *channel)
{
    if (channel == &k->front)
        return keeper_has_room(k);
    return channel != &k->courier || k->loader.num_waiting < LOADER_WAITING_MAX;
}

/* What a broken channel means. */
static void close_broken(struct keeper *k, struct keeper_channel *channel)
{
    if (!channel->broken)
        return;
    bool wanted = channel == &k->supervisor && channel->gone;
    keeper_channel_close(channel);
    if (channel == &k->loader)
        keeper_load_fail(k, channel->why);
    else if (channel == &k->boost.maker)
        keeper_boost_fail(k);
    else
        keeper_end(k, wanted ? 0 : 1);
}

static uint64_t next_probe_ns(const struct keeper *k)
{
    return k->probed_ns + (k->store.ok ? PROBE_SECONDS : FAILED_PROBE_SECONDS) * UINT64_C(1000000000);
}

static void probe(struct keeper *k)
{
    uint64_t now = clock_monotonic_ns();
    if (now < next_probe_ns(k))
        return;
    k->probed_ns = now;
    if (k->keys)
        keeper_store_probe(k);
}

/* What piled up while the batch before was made durable and signed becomes one batch: one fsync or one packet
 * for all of it, and no wait for a lone order. */
static void hear_front(struct keeper *k)
{
    struct pollfd more = {.fd = k->front.fd, .events = POLLIN};
    size_t before = k->orders.num_orders;
    do
        keeper_dispatch(k, &k->front);
    while (!k->front.broken && k->orders.num_orders > before && is_heard(k, &k->front) &&
           (k->batch_is_open || k->orders.num_orders - before <= KEEPER_HEARD_MAX - IPC_BATCH_MAX) &&
           ppoll(&more, 1, &(struct timespec){0}, NULL) == 1);
}

static void hear(struct keeper *k, struct keeper_channel *channel)
{
    if (channel == &k->front)
        hear_front(k);
    else
        keeper_dispatch(k, channel);
}

/* Orders that have waited too long, for whatever it is. Their requests to the store go on. A late one is
 * found when it would be signed, too; here it is so that its place is free, however many are before it. */
static void expire(struct keeper *k)
{
    struct keeper_order *order;
    uint64_t now = clock_monotonic_ns();
    while ((order = keeper_orders_late(&k->orders, now))) {
        order->answer.status = IPC_ANSWER_LATE;
        keeper_answer(k, order);
    }
    while ((order = keeper_orders_expired(&k->orders, now))) {
        order->answer.status = IPC_ANSWER_STORE;
        keeper_answer(k, order);
    }
}

/* How long the loop may wait for the peers. */
static struct timespec time_left(const struct keeper *k)
{
    uint64_t now = clock_monotonic_ns(), until = keeper_orders_deadline_ns(&k->orders);
    if (next_probe_ns(k) < until)
        until = next_probe_ns(k);
    if (keeper_load_deadline_ns(k) < until)
        until = keeper_load_deadline_ns(k);
    if (keeper_identity_due_ns(k) < until)
        until = keeper_identity_due_ns(k);
    uint64_t left = k->is_busy || until <= now ? 0 : until - now;
    return (struct timespec){.tv_sec = (time_t)(left / 1000000000), .tv_nsec = (long)(left % 1000000000)};
}

/* With the keys being replaced or none there yet, there is nothing to sign with. */
static void work(struct keeper *k)
{
    keeper_load_expire(k);
    keeper_reload_turn(k);
    k->is_busy = !k->front.broken && !k->courier.broken && k->keys && keeper_sign(k);
    if (keeper_store_is_remote(&k->store)) {
        keeper_remote_send(k);
        keeper_head_turn(k);
    }
    expire(k);
    keeper_send_answers(k);
    keeper_report_store(k);
    keeper_identity_turn(k);
}

static must_check result turn(struct keeper *k, const sigset_t *while_waiting)
{
    struct keeper_channel *channels[] = {&k->supervisor, &k->front, &k->courier, &k->loader, &k->boost.maker};
    struct pollfd polls[ARRAY_LENGTH(channels)];
    struct timespec limit = time_left(k);
    for (size_t i = 0; i < ARRAY_LENGTH(channels); i++) {
        short out = channels[i]->first ? POLLOUT : 0;
        bool heard = is_heard(k, channels[i]);
        polls[i] = (struct pollfd){.fd = heard || out ? channels[i]->fd : -1,
                                   .events = (short)(heard ? POLLIN | out : out)};
    }
    int ready = ppoll(polls, ARRAY_LENGTH(polls), &limit, while_waiting);
    ENSURE(ready >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
    for (size_t i = 0; i < ARRAY_LENGTH(channels) && ready > 0; i++) {
        if (polls[i].revents & POLLOUT)
            keeper_channel_flush(channels[i]);
        /* An earlier handler of this turn may have closed the loader and even opened the next. */
        if (polls[i].revents & (POLLIN | POLLHUP | POLLERR) && channels[i]->fd == polls[i].fd &&
            !channels[i]->broken)
            hear(k, channels[i]);
    }
    probe(k);
    work(k);
    for (size_t i = 0; i < ARRAY_LENGTH(channels); i++)
        close_broken(k, channels[i]);
    return RESULT_OK;
}

static void cleanup(struct keeper *k)
{
    keeper_pool_free(k->pool);
    keeper_load_cleanup(&k->load);
    keeper_start_cancel(k);
    keeper_keys_free(k->keys);
    keeper_keys_free(k->retired);
    keeper_store_close(&k->store);
    keeper_recipient_cleanup(&k->recipient);
    EVP_PKEY_free(k->recipient_key);
    nsm_cleanup(&k->nsm);
    secret_cleanup(&k->incoming);
    keeper_proxies_cleanup(&k->boost.proxies);
    keeper_channel_close(&k->boost.maker);
    keeper_channel_close(&k->loader);
    keeper_channel_close(&k->front);
    keeper_channel_close(&k->courier);
    keeper_channel_close(&k->supervisor);
}

static must_check result run(struct keeper *k, const struct settings *settings)
{
    sigset_t while_waiting;
    TRY(prepare_signals(&while_waiting));
    keeper_phases_begin(&k->phases);
    TRY(start(k, settings));
    k->probed_ns = clock_monotonic_ns();
    keeper_orders_open(&k->orders);
    keeper_requests_open(&k->requests);
    while (!k->ended && !terminated)
        TRY(turn(k, &while_waiting));
    return RESULT_OK;
}

static void name_channels(struct keeper *k)
{
    k->supervisor = (struct keeper_channel){.name = "supervisor", .fd = -1};
    k->front = (struct keeper_channel){.name = "front", .fd = -1};
    k->courier = (struct keeper_channel){.name = "courier", .fd = -1};
    k->loader = (struct keeper_channel){.name = "loader", .fd = -1};
    k->boost.maker = (struct keeper_channel){.name = "maker of a proxy key", .fd = -1};
}

int main(int argc, char *argv[])
{
    static struct keeper
        k; /* its tables are large: no initialiser, or they would be bytes of the executable */
    struct settings settings = {
        .mode = "enclave", .nsm = "/dev/nsm", .log = LOG_OPTIONS_DEFAULT, .reload_timeout = 1800};
    log_open("nitro-signer-keeper", LOG_LEVEL_INFO);
    if (parse_options(&settings, argc, argv).code || log_configure(&settings.log).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    name_channels(&k);
    k.state = IPC_WAIT_STATE;
    k.store.ok = k.reported_ok = true;
    k.log_level = log_level_in_force();
    k.standalone = strcmp(settings.mode, "standalone") == 0;
    k.has_key_manager = settings.key_manager;
    k.signs_extensions = settings.extension_signing;
    k.reload_timeout_seconds = settings.reload_timeout;
    k.has_commit_boost = settings.commit_boost;
    k.nsm_address = settings.nsm;
    if (run(&k, &settings).code) {
        log_error("%s", error_text());
        k.exit_status = 1;
    }
    cleanup(&k);
    return k.exit_status;
}
