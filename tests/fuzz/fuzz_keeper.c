/* fuzz_keeper.c - the keeper as a whole, between hostile peers: the front, the loader, the supervisor. An
 * input is what they say after a start, or instead of it. Whatever that is, every message of the keeper's is
 * one that its decoders accept and that has one form, no answer is given to an order that was not, and no
 * signature comes by an order without one of the keys that are served.
 *
 * The first byte says how far the start goes, and in which of four worlds: stand-alone without protection,
 * with a SQLite store, or with one across a network, whose courier is then a peer too; and in an enclave,
 * where policy and records come by the courier and the NSM (ours; its answers are fuzz_nsm's matter) locks
 * the measure. Then each message is a byte for the peer, a byte for its length and the message, of which 0
 * means one of the table (its number follows), so that not every input has to find 272 bytes of an order. The
 * keeper's own main is compiled in, but for its name. */
int keeper_main(int argc, char *argv[]);
#define main keeper_main
#include "keeper/main.c" /* NOLINT: its loop is static */
#undef main

#include <openssl/rsa.h>
#include <unistd.h>

#include "bls/bls.h"
#include "fuzz.h"
#include "fuzz_secret.h"
#include "keeper/keeper_sandbox.h"
#include "unit/ipc/ipc_table.h"

enum { PEERS = 4, TURNS = 3 };
enum { SUPERVISOR_END, FRONT_END, LOADER_END, COURIER_END };
enum world { ALONE, FILE_STORE, REMOTE_STORE, ENCLAVE, WORLDS };

static struct keeper *k;

result keeper_sandbox_enter(const char *store)
{
    (void)store;
    return RESULT_OK;
}
static int ends[PEERS]; /* -1: gone */
static enum world world;
static char folder[32], store_path[40];
static uint8_t key_secret[32], key_public[48];

static bool is_ours(const uint8_t *pubkey)
{
    return memcmp(pubkey, key_public, sizeof key_public) == 0;
}

static bool has_key_order;

/* Of the table's rows of that type one takes it. */
static void check_packet(const uint8_t *packet, size_t length)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    struct ipc_message m;
    bool taken = false;
    PROMISE(ipc_open(&m, packet, length).code == 0);
    for (size_t i = 0; i < num_messages && !taken; i++) {
        struct packer again = {.data = bytes, .capacity = sizeof bytes};
        struct ipc_message copy = m;
        taken = messages[i].type == m.type && !messages[i].take(&again, &copy).code &&
                !pack_end(&again).code && again.length == length && memcmp(bytes, packet, length) == 0;
    }
    PROMISE(taken);
    if (m.type != IPC_SIGNED)
        return;
    for (uint32_t i = 0; i < m.count; i++) {
        struct ipc_answer answer;
        PROMISE(ipc_take_answer(&answer, &m.body).code == 0);
        PROMISE(answer.status != IPC_ANSWER_SIGNED || has_key_order);
    }
}

/* What the keeper has said; a loader's socket that it passes on is ours from then on. */
static void hear_keeper(void)
{
    static uint8_t packet[IPC_PACKET_MAX];
    for (size_t i = 0; i < PEERS; i++) {
        size_t length = 0;
        int descriptor = -1;
        while (ends[i] >= 0 && ipc_receive(ends[i], packet, &length, &descriptor).code == 0) {
            check_packet(packet, length);
            if (descriptor < 0)
                continue;
            fd_auto_close(&ends[LOADER_END]);
            PROMISE(fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0);
            ends[LOADER_END] = fd_take(&descriptor);
        }
    }
}

static void let_keeper_work(void)
{
    sigset_t none;
    (void)sigemptyset(&none);
    for (int i = 0; i < TURNS && !k->ended; i++) {
        k->is_busy = true; /* the loop does not wait */
        PROMISE(turn(k, &none).code == 0);
        hear_keeper();
    }
}

static void say(size_t peer, const uint8_t *packet, size_t length)
{
    if (ends[peer] >= 0 && length > 0)
        (void)send(ends[peer], packet, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    let_keeper_work();
}

static struct packer new_packet(void)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    return (struct packer){.data = bytes, .capacity = sizeof bytes};
}

static void say_policy(void)
{
    struct policy policy = {.log_level = LOG_LEVEL_ERROR, .kms_key = "none", .region = "none"};
    AUTO(buffer) text = {0};
    char place[64] = "none";
    struct packer p = new_packet();
    if (world == REMOTE_STORE)
        (void)snprintf(place, sizeof place, "postgresql");
    else if (world != ALONE)
        (void)snprintf(place, sizeof place, "sqlite:%s", store_path);
    policy.slashing_protection = world != ALONE;
    PROMISE(eth2_network_by_name(&policy.network, "mainnet").code == 0);
    PROMISE(policy_set_store(&policy, place).code == 0 && policy_format(&text, &policy).code == 0);
    ipc_pack_bytes_message(&p, IPC_POLICY, (struct ipc_bytes){text.data, (uint32_t)text.length});
    say(world == ENCLAVE ? COURIER_END : SUPERVISOR_END, p.data, p.length);
    if (world != ENCLAVE)
        return;
    PROMISE(k->state == IPC_ATTEST_STATE);
    p = new_packet();
    ipc_pack_load_begin(&p, false);
    say(COURIER_END, p.data, p.length);
}

static void say_key(void)
{
    struct packer p = new_packet();
    ipc_begin(&p, IPC_KEY, 1);
    ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){0, key_secret, key_public});
    if (world == ENCLAVE) {
        static const uint8_t bytes[4] = {1, 2, 3, 4};
        struct packer enclave = {.data = (uint8_t[256]){0}, .capacity = 256};
        ipc_pack_tls(&enclave, &(struct ipc_tls){.private_key = {bytes, 4}, .certificates = {bytes, 4}});
        say(LOADER_END, enclave.data, enclave.length);
        enclave.length = 0;
        ipc_pack_record(&enclave, &(struct ipc_record){.kind = IPC_RECORD_VALIDATOR, .envelope = {bytes, 4}});
        say(COURIER_END, enclave.data, enclave.length);
        enclave.length = 0;
        ipc_pack_load_end(&enclave, 1);
        say(COURIER_END, enclave.data, enclave.length);
    }
    say(LOADER_END, p.data, p.length);
    p = new_packet();
    ipc_pack_loader_end(&p, &(struct ipc_loader_end){.keys = 1});
    say(LOADER_END, p.data, p.length);
}

static void say_listening(void)
{
    struct packer p = new_packet();
    ipc_pack_listening(&p, 9000);
    say(FRONT_END, p.data, p.length);
}

/* ---- a module that does what it is told ---- */

static struct {
    uint8_t value[NSM_PCR_LEN];
    bool is_locked;
} pcr;

result __wrap_nsm_describe_pcr(const struct nsm *n, uint8_t *ret_value, bool *ret_locked, uint16_t index);
result __wrap_nsm_describe_pcr(const struct nsm *n, uint8_t *ret_value, bool *ret_locked, uint16_t index)
{
    (void)n, (void)index;
    memcpy(ret_value, pcr.value, sizeof pcr.value);
    *ret_locked = pcr.is_locked;
    return RESULT_OK;
}

result __wrap_nsm_extend_pcr(const struct nsm *n, uint8_t *ret_value, uint16_t index, const uint8_t *data,
                             size_t data_len);
result __wrap_nsm_extend_pcr(const struct nsm *n, uint8_t *ret_value, uint16_t index, const uint8_t *data,
                             size_t data_len)
{
    (void)n;
    PROMISE(index == 16 && !pcr.is_locked); /* measured once, before it is locked */
    TRY(policy_measure(pcr.value, (const char *)data, data_len));
    memcpy(ret_value, pcr.value, sizeof pcr.value);
    return RESULT_OK;
}

result __wrap_nsm_lock_pcr(const struct nsm *n, uint16_t index);
result __wrap_nsm_lock_pcr(const struct nsm *n, uint16_t index)
{
    (void)n, (void)index;
    pcr.is_locked = true;
    return RESULT_OK;
}

result __wrap_nsm_attest(const struct nsm *n, struct buffer *out, const uint8_t *user_data,
                         size_t user_data_len, const uint8_t *nonce, size_t nonce_len,
                         const uint8_t *public_key, size_t public_key_len);
result __wrap_nsm_attest(const struct nsm *n, struct buffer *out, const uint8_t *user_data,
                         size_t user_data_len, const uint8_t *nonce, size_t nonce_len,
                         const uint8_t *public_key, size_t public_key_len)
{
    (void)n, (void)user_data, (void)nonce, (void)public_key;
    PROMISE(pcr.is_locked); /* no document before there is a policy that stays */
    PROMISE(user_data_len <= 512 && nonce_len <= 512 && public_key_len <= 1024);
    return buffer_append_text(out, "a document");
}

static EVP_PKEY *recipient;

static void forget_store(void)
{
    char path[64];
    (void)unlink(store_path);
    (void)snprintf(path, sizeof path, "%s-wal", store_path);
    (void)unlink(path);
    (void)snprintf(path, sizeof path, "%s-journal", store_path);
    (void)unlink(path);
}

static void forget_folder(void)
{
    forget_store();
    (void)rmdir(folder);
    EVP_PKEY_free(recipient);
}

static void connect_peer(size_t peer, struct keeper_channel *channel)
{
    int pair[2];
    PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    PROMISE(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0 && adopt(channel, pair[0]).code == 0);
    ends[peer] = pair[1];
}

static void start_keeper(void)
{
    k = calloc(1, sizeof *k);
    PROMISE(k);
    name_channels(k);
    k->state = IPC_WAIT_STATE;
    k->store.ok = k->reported_ok = true;
    k->standalone = world != ENCLAVE;
    k->has_key_manager = k->signs_extensions = k->has_commit_boost = k->standalone;
    k->reload_timeout_seconds = 1800;
    k->nsm_address = "";
    ends[LOADER_END] = ends[COURIER_END] = -1;
    memset(&pcr, 0, sizeof pcr);
    forget_store();
    keeper_phases_begin(&k->phases);
    PROMISE(secret_new(&k->incoming, IPC_PACKET_MAX).code == 0 &&
            keeper_pool_new(&k->pool, 1, NULL).code == 0);
    connect_peer(SUPERVISOR_END, &k->supervisor);
    connect_peer(FRONT_END, &k->front);
    if (world == REMOTE_STORE || world == ENCLAVE)
        connect_peer(COURIER_END, &k->courier);
    if (world == ENCLAVE)
        PROMISE(EVP_PKEY_up_ref(recipient) == 1 && (k->recipient_key = recipient));
    k->probed_ns = clock_monotonic_ns();
    keeper_orders_open(&k->orders);
    keeper_requests_open(&k->requests);
}

static void end_keeper(void)
{
    cleanup(k);
    for (size_t i = 0; i < PEERS; i++)
        fd_auto_close(&ends[i]);
    free(k);
    k = NULL;
}

/* For the key that is served, if the message has room for one: else no signature could ever come. */
static void say_row(size_t peer, size_t row, uint8_t where)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    messages[row % num_messages].pack(&p);
    PROMISE(pack_end(&p).code == 0);
    if ((size_t)where + sizeof key_public <= p.length && where >= IPC_HEADER_LEN)
        memcpy(bytes + where, key_public, sizeof key_public);
    has_key_order = has_key_order || memmem(bytes, p.length, key_public, sizeof key_public);
    say(peer, bytes, p.length);
}

static void say_input(const uint8_t *data, size_t size)
{
    while (size >= 2 && !k->ended) {
        size_t peer = data[0] % (size_t)(world < REMOTE_STORE ? COURIER_END : PEERS), length = data[1];
        data += 2, size -= 2;
        if (length == 0 && size >= 2) {
            say_row(peer, data[0], data[1]);
            data += 2, size -= 2;
            continue;
        }
        length = length < size ? length : size;
        has_key_order =
            has_key_order || (length >= 48 && memmem(data, length, key_public, sizeof key_public));
        say(peer, data, length);
        data += length, size -= length;
    }
}

static void make_key(void)
{
    key_secret[31] = 7;
    PROMISE(bls_public_key(key_public, key_secret).code == 0 && is_ours(key_public));
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(1 + i * 7 % 251);
    log_open("fuzz", LOG_LEVEL_ERROR);
    log_never_wait();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(folder, sizeof folder, "/dev/shm/fuzz-keeper-XXXXXX");
    PROMISE(mkdtemp(folder) && atexit(forget_folder) == 0);
    (void)snprintf(store_path, sizeof store_path, "%s/s", folder);
    recipient = EVP_RSA_gen(2048);
    PROMISE(recipient);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const steps[])(void) = {say_policy, say_key, say_listening};
    if (key_secret[31] == 0) {
        fuzz_open_secret_heap();
        make_key();
    }
    if (size < 1)
        return 0;
    has_key_order = false;
    fuzz_forget_reason();
    world = data[0] / 4 % WORLDS;
    start_keeper();
    for (size_t i = 0; i < data[0] % 4U; i++)
        steps[i]();
    /* With a store across a network the keys wait for what the courier says of it. */
    PROMISE(data[0] % 4U < 3 || world == REMOTE_STORE || k->state == IPC_SERVE_STATE);
    say_input(data + 1, size - 1);
    end_keeper();
    return 0;
}
