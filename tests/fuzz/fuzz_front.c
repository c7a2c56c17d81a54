/* fuzz_front.c - the front as a whole: what a client sends becomes messages to the keeper, and what the
 * keeper answers replies. Every message to the keeper is one that its decoders accept; every request has one
 * reply whose JSON is JSON; no signature is in a reply when the keeper gave none; and whatever the client
 * did, the front goes on.
 *
 * The first byte says what the keeper answers. Its others are HTTP, plain, with every optional route on. */
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "eth2/eth2_api.h"
#include "front/front.h"
#include "fuzz.h"
#include "fuzz_secret.h"
#include "http_client.h"
#include "slashing/slashing_codec.h"

enum { STATUSES_MAX = 512, NUM_KEYS = 3, PUBKEY_LEN = 48, SLOTS = 64, SIGNATURE = 0xa5 };

static struct front front;
static struct http_client client;
static int keeper;
static uint8_t mode;
static unsigned num_signed; /* by the keeper, of this input */

static void send_packet(const struct packer *p)
{
    PROMISE(pack_end(p).code == 0 && ipc_send(keeper, p->data, p->length, -1).code == 0);
}

static struct packer new_packet(void)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    return (struct packer){.data = bytes, .capacity = sizeof bytes};
}

/* One of the ways in which an order can end. */
static struct ipc_answer answer_of(uint64_t id)
{
    struct ipc_answer answer = {.id = id,
                                .status = (enum ipc_answer_status)(mode % (IPC_ANSWER_INTERNAL + 1))};
    memset(answer.signing_root, 0x5a, sizeof answer.signing_root);
    if (answer.status == IPC_ANSWER_SIGNED) {
        memset(answer.signature, SIGNATURE, sizeof answer.signature);
        num_signed++;
    }
    if (answer.status == IPC_ANSWER_SLASHABLE) {
        answer.verdict = (uint8_t)(IPC_VERDICT_FIRST + mode / 8 % (IPC_VERDICT_LAST - IPC_VERDICT_FIRST + 1));
        answer.has_recorded_block = true;
        answer.recorded_slot = UINT64_MAX;
    }
    return answer;
}

static void answer_sign(struct ipc_message *m)
{
    struct packer p = new_packet();
    ipc_begin(&p, IPC_SIGNED, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        struct ipc_order order;
        PROMISE(ipc_take_order(&order, &m->body).code == 0);
        struct ipc_answer answer = answer_of(order.id);
        ipc_pack_answer(&p, &answer);
    }
    PROMISE(cursor_end(&m->body).code == 0);
    send_packet(&p);
}

static void answer_sign_many(struct ipc_message *m)
{
    struct ipc_sign_many many;
    PROMISE(ipc_take_sign_many(&many, m).code == 0);
    for (uint32_t done = 0; done < many.num_keys;) {
        struct packer p = new_packet();
        uint32_t num = many.num_keys - done < IPC_BATCH_MAX ? many.num_keys - done : IPC_BATCH_MAX;
        ipc_begin(&p, IPC_SIGNED, num);
        for (uint32_t i = 0; i < num; i++) {
            struct ipc_answer answer = answer_of(many.order.id + done + i);
            ipc_pack_answer(&p, &answer);
        }
        send_packet(&p);
        done += num;
    }
}

static void answer_manage(struct ipc_message *m)
{
    static uint8_t entry[SLASHING_ENTRY_BYTES];
    struct ipc_manage manage;
    static const char text[] = "why \"not\"";
    PROMISE(ipc_take_manage(&manage, m).code == 0);
    for (uint32_t i = 0; i < manage.num_items; i++) {
        struct slashing_entry history;
        PROMISE(
            slashing_entry_decode(&history, manage.items + (size_t)i * IPC_STORE_NAMED_ENTRY_LEN + PUBKEY_LEN)
                .code == 0);
        struct packer p = new_packet();
        ipc_pack_managed(&p,
                         &(struct ipc_managed){.index = i,
                                               .status = mode % 8 < 6 ? (enum ipc_managed_status)(mode % 8)
                                                                      : IPC_MANAGED_ERROR,
                                               .entry = entry,
                                               .text = {(const uint8_t *)text, sizeof text - 1}});
        send_packet(&p);
    }
}

static void answer_keystore(struct ipc_message *m)
{
    struct ipc_keystore keystore;
    PROMISE(ipc_take_keystore(&keystore, m).code == 0 && keystore.json.length > 0);
}

static void answer_reload(struct ipc_message *m)
{
    struct packer p = new_packet();
    PROMISE(ipc_take_empty(m).code == 0);
    ipc_pack_reloaded(&p, &(struct ipc_load_result){.ok = true, .keys = NUM_KEYS});
    send_packet(&p);
}

static void answer_watermark(struct ipc_message *m)
{
    struct packer p = new_packet();
    PROMISE(ipc_take_empty(m).code == 0);
    ipc_pack_high_watermark(
        &p, &(struct ipc_high_watermark){.status = IPC_HIGH_WATERMARK_SET, .epoch = 1, .slot = 2});
    send_packet(&p);
}

static void answer_wanted(struct ipc_message *m)
{
    struct ipc_proxy_wanted wanted;
    struct packer p = new_packet();
    static const uint8_t pubkey[PUBKEY_LEN] = {2, 7};
    PROMISE(ipc_take_proxy_wanted(&wanted, m).code == 0);
    /* Never DONE: each would be one proxy more for good. */
    ipc_pack_proxy_made(
        &p, &(struct ipc_proxy_made){.id = wanted.id,
                                     .status = mode % 2 ? IPC_PROXY_TOO_MANY : IPC_PROXY_UNKNOWN_KEY,
                                     .pubkey = pubkey});
    send_packet(&p);
}

static void reply_signature(enum ipc_type type, uint64_t id)
{
    static uint8_t bytes[IPC_SIGNATURE_MAX];
    struct packer p = new_packet();
    struct ipc_signature signature = {.id = id, .status = IPC_ANSWER_UNKNOWN_KEY};
    if (mode % 2) {
        memset(bytes, SIGNATURE, sizeof bytes);
        signature = (struct ipc_signature){id, IPC_ANSWER_SIGNED, {bytes, sizeof bytes}};
        num_signed++;
    }
    ipc_pack_signature(&p, type, &signature);
    send_packet(&p);
}

static void answer_boost(struct ipc_message *m)
{
    struct ipc_boost_sign sign;
    PROMISE(ipc_take_boost_sign(&sign, m).code == 0);
    reply_signature(IPC_BOOST_SIGNED, sign.id);
}

static void answer_extension(struct ipc_message *m)
{
    struct ipc_extension_sign sign;
    PROMISE(ipc_take_extension_sign(&sign, m).code == 0);
    reply_signature(IPC_EXTENSION_SIGNED, sign.id);
}

static void take_listening(struct ipc_message *m)
{
    uint32_t port;
    PROMISE(ipc_take_listening(&port, m).code == 0 && port == 0);
}

/* What a front may say without an enclave. */
static const struct {
    enum ipc_type type;
    void (*answer)(struct ipc_message *m);
} questions[] = {{IPC_LISTENING, take_listening},
                 {IPC_SIGN, answer_sign},
                 {IPC_SIGN_MANY, answer_sign_many},
                 {IPC_MANAGE, answer_manage},
                 {IPC_KEYSTORE, answer_keystore},
                 {IPC_RELOAD, answer_reload},
                 {IPC_HIGH_WATERMARK_WANTED, answer_watermark},
                 {IPC_PROXY_WANTED, answer_wanted},
                 {IPC_BOOST_SIGN, answer_boost},
                 {IPC_EXTENSION_SIGN, answer_extension}};

static void be_keeper(void *context)
{
    static uint8_t bytes[IPC_PACKET_MAX];
    (void)context;
    for (;;) {
        size_t length = 0, i = 0;
        struct ipc_message m;
        result r = ipc_receive(keeper, bytes, &length, NULL);
        if (r.code == E_TIMEOUT)
            return;
        PROMISE(r.code == 0 && ipc_open(&m, bytes, length).code == 0);
        while (i < ARRAY_LENGTH(questions) && questions[i].type != m.type)
            i++;
        PROMISE(i < ARRAY_LENGTH(questions));
        questions[i].answer(&m);
    }
}

static void send_start(void)
{
    struct policy policy = {
        .slashing_protection = true, .log_level = LOG_LEVEL_ERROR, .kms_key = "none", .region = "none"};
    AUTO(buffer) text = {0};
    uint8_t pubkeys[NUM_KEYS][PUBKEY_LEN];
    for (size_t i = 0; i < NUM_KEYS; i++)
        memset(pubkeys[i], (int)(0xa0 + i), PUBKEY_LEN);
    PROMISE(eth2_network_by_name(&policy.network, "mainnet").code == 0);
    PROMISE(policy_set_store(&policy, "sqlite:/a").code == 0 && policy_format(&text, &policy).code == 0);
    struct packer p = new_packet();
    ipc_pack_bytes_message(&p, IPC_SETTINGS, (struct ipc_bytes){text.data, (uint32_t)text.length});
    send_packet(&p);
    p = new_packet();
    ipc_pack_keys(
        &p, &(struct ipc_keys){.first = true, .last = true, .pubkeys = pubkeys[0], .num_keys = NUM_KEYS});
    send_packet(&p);
    p = new_packet();
    ipc_pack_proxies(&p, &(struct ipc_proxies){.first = true, .last = true});
    send_packet(&p);
    p = new_packet();
    ipc_pack_empty(&p, IPC_SERVE);
    send_packet(&p);
}

static void start(void)
{
    int ends[2];
    log_open("fuzz", LOG_LEVEL_ERROR);
    fuzz_open_secret_heap();
    PROMISE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    keeper = ends[1];
    PROMISE(fcntl(keeper, F_SETFL, O_NONBLOCK) == 0);
    front = (struct front){.keeper = ends[0], .metrics_listener = -1, .max_connections = SLOTS};
    front.options = (struct front_options){
        .idle_timeout_seconds = 30, .extension_signing = true, .commit_boost = true, .key_manager = true};
    PROMISE(policy_names_parse(&front.hosts, "hosts", "*").code == 0);
    PROMISE(policy_names_parse(&front.metrics_hosts, "hosts", "*").code == 0);
    PROMISE(policy_origins_parse(&front.origins, "origins", "https://a.example").code == 0);
    eth2_api_open();
    PROMISE((front.base = event_base_new()));
    http_client_listen(&client, front.base);
    client.work = be_keeper;
    front.listener = client.listener;
    PROMISE(front_log_open(&front).code == 0 && front_metrics_new(&front.metrics).code == 0);
    PROMISE(front_manager_new(&front.manager, &front).code == 0 &&
            front_asking_new(&front.asking, &front).code == 0);
    PROMISE(front_batches_new(&front.batches, &front).code == 0 &&
            front_boost_new(&front.boost, &front).code == 0);
    PROMISE(front_desk_new(&front.desk, &front, SLOTS).code == 0 && front_keeper_open(&front).code == 0);
    send_start();
    http_client_turn(&client);
    PROMISE(front.server && !front.stopping);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int statuses[STATUSES_MAX];
    static const char signature[] = "a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5";
    AUTO(buffer) replies = {0};
    if (!front.base)
        start();
    if (size < 2)
        return 0;
    mode = data[0];
    num_signed = 0;
    http_client_exchange(&client, &replies, data + 1, size - 1, size);
    http_client_turn(&client);
    PROMISE(!front.stopping && !front_manager_is_busy(front.manager) && !front_reload_runs(&front));
    PROMISE(front.watermark.num_waiting == 0);
    if (replies.length > 0 && num_signed == 0 && !memmem(data, size, "a5", 2) && !memmem(data, size, "A5", 2))
        PROMISE(!memmem(replies.data, replies.length, signature, sizeof signature - 1));
    if (size > 4 && memcmp(data + 1, "PRI", 3) == 0)
        return 0;
    (void)http_client_check(&replies, statuses, STATUSES_MAX);
    return 0;
}
