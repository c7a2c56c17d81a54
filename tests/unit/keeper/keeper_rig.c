/* keeper_rig.c - see keeper_rig.h. */
#include "keeper_rig.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_io.h"
#include "ipc/ipc_proxy.h"
#include "process/process.h"

enum { PATIENCE_MS = 20000 };

static uint8_t pubkeys[RIG_KEYS_MAX][48];
static bool pubkey_known[RIG_KEYS_MAX];

void rig_secret(uint8_t out[static 32], uint32_t i)
{
    memset(out, 0, 32);
    out[30] = (uint8_t)((i + 1) >> 8);
    out[31] = (uint8_t)(i + 1);
}

const uint8_t *rig_pubkey(uint32_t i)
{
    assert_true(i < RIG_KEYS_MAX);
    if (!pubkey_known[i]) {
        uint8_t secret[32];
        rig_secret(secret, i);
        assert_ok(bls_public_key(pubkeys[i], secret));
        pubkey_known[i] = true;
    }
    return pubkeys[i];
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

int rig_setup(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    if (!rig)
        return -1;
    rig->supervisor = rig->front = rig->courier = rig->loader = rig->descriptor = -1;
    char store[sizeof rig->store + 8];
    (void)snprintf(rig->folder, sizeof rig->folder, "/tmp/ns-keeper-XXXXXX");
    if (!mkdtemp(rig->folder))
        return -1;
    (void)snprintf(rig->store, sizeof rig->store, "%s/store", rig->folder);
    rig->policy = (struct policy){.slashing_protection = true,
                                  .single_mode = true,
                                  .has_far_future = true,
                                  .far_future_epochs = POLICY_FAR_FUTURE_DEFAULT,
                                  .kms_key = "none",
                                  .region = "none",
                                  .log_level = LOG_LEVEL_DEBUG};
    (void)snprintf(store, sizeof store, "sqlite:%s", rig->store);
    assert_ok(policy_set_store(&rig->policy, store));
    *state = rig;
    return eth2_network_by_name(&rig->policy.network, "hoodi").code;
}

/* A keeper that a test has left alone ends in order; only one that does not, by force. */
static void end_in_order(struct rig *rig)
{
    if (rig->pid <= 0 || kill(rig->pid, SIGTERM) != 0)
        return;
    for (int waited = 0; waited < PATIENCE_MS && rig->pid > 0; waited++) {
        if (waitpid(rig->pid, NULL, WNOHANG) == rig->pid)
            rig->pid = 0;
        else
            (void)usleep(1000);
    }
}

int rig_teardown(void **state)
{
    struct rig *rig = *state;
    end_in_order(rig);
    rig_kill(rig);
    buffer_cleanup(&rig->policy_text);
    int removed = nftw(rig->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    free(rig);
    return removed;
}

void rig_start(struct rig *rig, const char *mode, const char *nsm)
{
    char path[4096], mode_option[64], nsm_option[256];
    const char *folder = getenv("NS_BIN_DIR");
    assert_non_null(folder);
    (void)snprintf(path, sizeof path, "%s/nitro-signer-keeper", folder);
    if (rig->program)
        (void)snprintf(path, sizeof path, "%s", rig->program);
    (void)snprintf(mode_option, sizeof mode_option, "--mode=%s", mode);
    (void)snprintf(nsm_option, sizeof nsm_option, "--nsm=%s", nsm ? nsm : "/nonexistent");
    /* More threads than processors: they are interrupted wherever it hurts. */
    char level[32], threads[] = "--signing-threads=4", option[64];
    (void)snprintf(level, sizeof level, "--log-level=%s", rig->log_level ? rig->log_level : "error");
    (void)snprintf(option, sizeof option, "%s", rig->option ? rig->option : "");
    char *argv[] = {path, mode_option, nsm_option, level, threads, rig->option ? option : NULL, NULL};
    if (rig->has_default_threads) {
        argv[4] = argv[5];
        argv[5] = NULL;
    }
    int pairs[3][2], theirs[3];
    size_t count = strcmp(mode, "enclave") == 0 || rig->has_courier ? 3 : 2;
    for (size_t i = 0; i < count; i++) {
        assert_ok(process_socketpair(pairs[i]));
        theirs[i] = pairs[i][1];
    }
    assert_ok(process_start(&rig->pid, path, argv, theirs, count));
    for (size_t i = 0; i < count; i++)
        (void)close(theirs[i]);
    rig->supervisor = pairs[0][0];
    rig->front = pairs[1][0];
    rig->courier = count == 3 ? pairs[2][0] : -1;
}

static int own_stderr = -1;

static void log_path(char out[static 128], const struct rig *rig)
{
    (void)snprintf(out, 128, "%s/log", rig->folder);
}

void rig_begin_log(const struct rig *rig)
{
    char path[128];
    log_path(path, rig);
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    own_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    assert_true(fd >= 0 && own_stderr >= 0);
    assert_true(dup2(fd, STDERR_FILENO) >= 0);
}

void rig_end_log(void)
{
    assert_true(dup2(own_stderr, STDERR_FILENO) >= 0);
    fd_auto_close(&own_stderr);
}

static bool is_logged(const struct rig *rig, const char *part)
{
    char path[128];
    AUTO(buffer) text = {0};
    log_path(path, rig);
    assert_ok(file_read(&text, path, 1 << 20));
    assert_ok(buffer_append(&text, "", 1));
    return strstr((const char *)text.data, part);
}

void rig_expect_logged(const struct rig *rig, const char *part)
{
    if (!is_logged(rig, part))
        fail_msg("expected \"%s\" in the log", part);
}

void rig_expect_not_logged(const struct rig *rig, const char *part)
{
    if (is_logged(rig, part))
        fail_msg("expected no \"%s\" in the log", part);
}

void rig_send(int socket, const struct packer *packed)
{
    assert_ok(pack_end(packed));
    assert_ok(ipc_send(socket, packed->data, packed->length, -1));
}

bool rig_is_readable(int socket, int patience_ms)
{
    struct pollfd wait = {.fd = socket, .events = POLLIN};
    return poll(&wait, 1, patience_ms) == 1;
}

void rig_receive(struct rig *rig, int socket)
{
    size_t length = 0;
    fd_auto_close(&rig->descriptor);
    if (!rig_is_readable(socket, PATIENCE_MS))
        fail_msg("waited in vain for a message");
    assert_ok(ipc_receive(socket, rig->packet, &length, &rig->descriptor));
    assert_ok(ipc_open(&rig->message, rig->packet, length));
}

void rig_expect(struct rig *rig, int socket, enum ipc_type type)
{
    if (!rig_is_readable(socket, PATIENCE_MS))
        fail_msg("waited in vain for message 0x%04x", type);
    rig_receive(rig, socket);
    if (rig->message.type != type)
        fail_msg("expected message 0x%04x, got 0x%04x", type, rig->message.type);
}

void rig_expect_state(struct rig *rig, enum ipc_keeper_state state, uint32_t keys, uint32_t failed)
{
    struct ipc_state found;
    rig_expect(rig, rig->supervisor, IPC_STATE);
    assert_ok(ipc_take_state(&found, &rig->message));
    assert_int_equal(found.state, state);
    assert_int_equal(found.keys, keys);
    assert_int_equal(found.failed, failed);
}

void rig_expect_silence(int socket)
{
    assert_false(rig_is_readable(socket, 50));
}

static int wait_for_end(struct rig *rig)
{
    int status = 0;
    for (int waited = 0; waited < PATIENCE_MS; waited += 5) {
        if (waitpid(rig->pid, &status, WNOHANG) == rig->pid) {
            rig->pid = 0;
            return status;
        }
        (void)usleep(5000);
    }
    fail_msg("the keeper does not end");
    return -1;
}

void rig_expect_end(struct rig *rig, int status)
{
    int found = wait_for_end(rig);
    if (!WIFEXITED(found) || WEXITSTATUS(found) != status)
        fail_msg("ended with wait status 0x%x, expected exit %d", (unsigned)found, status);
    rig_kill(rig);
}

void rig_pause(struct rig *rig)
{
    int status = 0;
    assert_int_equal(kill(rig->pid, SIGSTOP), 0);
    assert_int_equal(waitpid(rig->pid, &status, WUNTRACED), rig->pid);
    assert_true(WIFSTOPPED(status));
}

void rig_go_on(struct rig *rig)
{
    assert_int_equal(kill(rig->pid, SIGCONT), 0);
}

void rig_stop(struct rig *rig)
{
    assert_int_equal(kill(rig->pid, SIGTERM), 0);
    rig_expect_end(rig, 0);
}

void rig_kill(struct rig *rig)
{
    if (rig->pid > 0) {
        (void)kill(rig->pid, SIGKILL);
        (void)waitpid(rig->pid, NULL, 0);
        rig->pid = 0;
    }
    fd_auto_close(&rig->supervisor);
    fd_auto_close(&rig->front);
    fd_auto_close(&rig->courier);
    fd_auto_close(&rig->loader);
    fd_auto_close(&rig->descriptor);
}

void rig_take_loader(struct rig *rig)
{
    rig_expect(rig, rig->supervisor, IPC_LOADER_START);
    assert_ok(ipc_take_empty(&rig->message));
    assert_true(rig->descriptor >= 0);
    fd_auto_close(&rig->loader);
    rig->loader = fd_take(&rig->descriptor);
}

void rig_load_keys(struct rig *rig, uint32_t first, uint32_t count)
{
    static uint8_t packet[IPC_PACKET_MAX];
    for (uint32_t sent = 0; sent < count;) {
        uint32_t now = count - sent < IPC_LOADED_KEYS_MAX ? count - sent : IPC_LOADED_KEYS_MAX;
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_begin(&p, IPC_KEY, now);
        for (uint32_t i = first + sent; i < first + sent + now; i++) {
            uint8_t secret[32];
            rig_secret(secret, i);
            ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){i, secret, rig_pubkey(i)});
        }
        rig_send(rig->loader, &p);
        sent += now;
    }
}

void rig_loader_end(struct rig *rig, uint32_t keys, uint32_t failed)
{
    uint8_t packet[64];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_loader_end(&p, &(struct ipc_loader_end){.keys = keys, .failed = failed});
    rig_send(rig->loader, &p);
}

void rig_boot_to_load(struct rig *rig)
{
    rig_start(rig, "standalone", NULL);
    static uint8_t packet[IPC_PACKET_MAX];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    buffer_cleanup(&rig->policy_text);
    assert_ok(policy_format(&rig->policy_text, &rig->policy));
    ipc_pack_bytes_message(&p, IPC_POLICY,
                           (struct ipc_bytes){rig->policy_text.data, (uint32_t)rig->policy_text.length});
    rig_send(rig->supervisor, &p);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
    rig_expect_state(rig, IPC_LOAD_STATE, 0, 0);
    rig_take_loader(rig);
}

static void expect_keys(struct rig *rig, uint32_t count)
{
    uint32_t seen = 0;
    for (bool last = false; !last;) {
        struct ipc_keys keys;
        rig_expect(rig, rig->front, IPC_KEYS);
        assert_ok(ipc_take_keys(&keys, &rig->message));
        assert_int_equal(keys.first, seen == 0);
        for (uint32_t i = 0; i < keys.num_keys; i++)
            assert_memory_equal(keys.pubkeys + (size_t)i * 48, rig_pubkey(seen + i), 48);
        seen += keys.num_keys;
        last = keys.last;
    }
    assert_int_equal(seen, count);
}

void rig_expect_proxies(struct rig *rig)
{
    struct ipc_proxies proxies = {0};
    rig->num_proxies = 0;
    for (bool first = true; !proxies.last; first = false) {
        rig_expect(rig, rig->front, IPC_PROXIES);
        assert_ok(ipc_take_proxies(&proxies, &rig->message));
        assert_int_equal(proxies.first, first);
        rig->num_proxies += proxies.num_proxies;
    }
}

void rig_boot(struct rig *rig, uint32_t count)
{
    rig_boot_to_load(rig);
    rig_load_keys(rig, 0, count);
    rig_loader_end(rig, count, 0);
    rig_begin_to_serve(rig, count);
}

void rig_begin_to_serve(struct rig *rig, uint32_t count)
{
    struct ipc_bytes settings;
    struct ipc_health health;
    rig_expect(rig, rig->front, IPC_SETTINGS);
    assert_ok(ipc_take_bytes_message(&settings, &rig->message, IPC_POLICY_MAX));
    assert_int_equal(settings.length, rig->policy_text.length);
    assert_memory_equal(settings.data, rig->policy_text.data, settings.length);
    expect_keys(rig, count);
    if (rig->has_proxies)
        rig_expect_proxies(rig);
    rig_expect(rig, rig->front, IPC_HEALTH);
    assert_ok(ipc_take_health(&health, &rig->message));
    assert_true(health.store_ok && health.keys == count && health.failed == 0);
    rig_expect(rig, rig->front, IPC_SERVE);
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_listening(&p, 9000);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
}

static uint64_t next_id = 1000;

void rig_send_many(struct rig *rig, struct ipc_order *orders, uint32_t count, bool more)
{
    static uint8_t packet[IPC_PACKET_MAX], named[IPC_SIGN_KEYS_MAX][48];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    struct ipc_sign_many many = {.more = more, .order = orders[0], .pubkeys = named[0], .num_keys = count};
    assert_in_range(count, 1, IPC_SIGN_KEYS_MAX);
    for (uint32_t i = 0; i < count; i++) {
        orders[i].id = next_id++;
        memcpy(named[i], orders[i].order.pubkey, 48);
    }
    many.order.id = orders[0].id;
    memset(many.order.order.pubkey, 0, 48);
    ipc_pack_sign_many(&p, &many);
    rig_send(rig->front, &p);
}

void rig_send_orders(struct rig *rig, struct ipc_order *orders, uint32_t count)
{
    static uint8_t packet[IPC_PACKET_MAX];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_begin(&p, IPC_SIGN, count);
    for (uint32_t i = 0; i < count; i++) {
        orders[i].id = next_id++;
        ipc_pack_order(&p, &orders[i]);
    }
    rig_send(rig->front, &p);
}

void rig_take_answers(struct rig *rig, struct ipc_answer *ret_answers, const struct ipc_order *orders,
                      uint32_t count)
{
    for (uint32_t taken = 0; taken < count;) {
        rig_expect(rig, rig->front, IPC_SIGNED);
        assert_in_range(rig->message.count, 1, count - taken);
        for (uint32_t i = 0; i < rig->message.count; i++, taken++) {
            struct ipc_answer answer;
            assert_ok(ipc_take_answer(&answer, &rig->message.body));
            assert_in_range(answer.id, orders[0].id, orders[0].id + count - 1); /* in any order */
            ret_answers[answer.id - orders[0].id] = answer;
        }
    }
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(ret_answers[i].id, orders[i].id);
}

void rig_sign(struct rig *rig, struct ipc_answer *ret_answers, struct ipc_order *orders, uint32_t count)
{
    rig_send_orders(rig, orders, count);
    rig_take_answers(rig, ret_answers, orders, count);
}

struct ipc_answer rig_sign_one(struct rig *rig, struct eth2_order order)
{
    struct ipc_order wrapped = {.order = order};
    struct ipc_answer answer;
    rig_sign(rig, &answer, &wrapped, 1);
    return answer;
}

void rig_assert_signed(struct rig *rig, const struct ipc_answer *answer, const struct eth2_order *order)
{
    uint8_t root[32];
    assert_int_equal(answer->status, IPC_ANSWER_SIGNED);
    assert_ok(eth2_order_signing_root(root, &rig->policy.network, order));
    assert_memory_equal(answer->signing_root, root, 32);
    assert_ok(bls_verify(order->pubkey, answer->signature, root, 32));
}

struct eth2_order rig_order(uint32_t key, enum eth2_order_kind kind)
{
    struct eth2_order order = {.kind = kind};
    memcpy(order.pubkey, rig_pubkey(key), 48);
    memcpy(order.fork_info.previous_version, "\x10\0\0\x38", 4);
    memcpy(order.fork_info.current_version, "\x20\0\0\x38", 4);
    memset(order.fork_info.genesis_validators_root, 0x21, 32);
    return order;
}

struct eth2_order rig_vote(uint32_t key, uint64_t source, uint64_t target, uint8_t variety)
{
    struct eth2_order order = rig_order(key, ETH2_ORDER_ATTESTATION);
    order.of.attestation = (struct eth2_attestation_data){
        .slot = target * 32, .source.epoch = source, .target.epoch = target, .beacon_block_root = {variety}};
    return order;
}

struct eth2_order rig_block(uint32_t key, uint64_t slot, uint8_t variety)
{
    struct eth2_order order = rig_order(key, ETH2_ORDER_BLOCK);
    order.of.header = (struct eth2_block_header){.slot = slot, .proposer_index = key, .body_root = {variety}};
    return order;
}
