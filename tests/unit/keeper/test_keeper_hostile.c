/* test_keeper_hostile.c - packets that nobody ought to send, from each peer, and messages out of their time.
 * The keeper closes the channel and ends in order; it never crashes and never answers. */
#include "keeper_rig.h"

#include <sys/socket.h>
#include <unistd.h>

static uint8_t bytes[IPC_PACKET_MAX + 1];

/* Whatever the packet, sent past our own encoders. */
static void send_raw(int socket, const void *packet, size_t packet_len)
{
    assert_int_equal(send(socket, packet, packet_len, MSG_NOSIGNAL), (ssize_t)packet_len);
}

static size_t pack_sign(uint8_t *out)
{
    struct packer p = {.data = out, .capacity = IPC_PACKET_MAX};
    struct ipc_order order = {.id = 1, .order = rig_vote(0, 1, 2, 1)};
    ipc_begin(&p, IPC_SIGN, 1);
    ipc_pack_order(&p, &order);
    assert_ok(pack_end(&p));
    return p.length;
}

struct hostile {
    const char *what;
    size_t length;
    uint8_t packet[400];
};

/* Variations on a valid SIGN. */
static size_t make_hostile(struct hostile *all)
{
    uint8_t sign[400];
    size_t length = pack_sign(sign), count = 0;
    static const struct {
        const char *what;
        size_t at;
        uint8_t value;
    } changes[] = {{"unknown type", 0, 0x99},   {"reserved byte", 2, 1}, {"count 0", 4, 0},
                   {"count 2", 4, 2},           {"huge count", 7, 0xff}, {"kind 0", 16, 0},
                   {"kind 12", 16, 12},         {"flag 2", 17, 2},       {"padding", 20, 1},
                   {"root without flag", 72, 1}};
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++, count++) {
        all[count] = (struct hostile){.what = changes[i].what, .length = length};
        memcpy(all[count].packet, sign, length);
        all[count].packet[changes[i].at] = changes[i].value;
    }
    static const size_t lengths[] = {1, 7, 8, 9, 279, 281};
    for (size_t i = 0; i < ARRAY_LENGTH(lengths); i++, count++) {
        all[count] = (struct hostile){.what = "cut or extended", .length = lengths[i]};
        memcpy(all[count].packet, sign, length);
    }
    return count;
}

static void packets_of_a_hostile_front(void **state)
{
    struct rig *rig = *state;
    struct hostile all[20];
    size_t count = make_hostile(all);
    for (size_t i = 0; i < count; i++) {
        rig_boot(rig, 1);
        send_raw(rig->front, all[i].packet, all[i].length);
        rig_expect_end(rig, 1);
    }
}

/* Whatever has become of the front: without the option there is no key manager. */
static void a_front_cannot_manage_keys_when_that_is_off(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[400], item[IPC_STORE_NAMED_ENTRY_LEN] = {1};
    rig_boot(rig, 1);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_manage(&p, &(struct ipc_manage){.action = IPC_MANAGE_DELETE, .items = item, .num_items = 1});
    rig_send(rig->front, &p);
    rig_expect_end(rig, 1);
    rig_boot(rig, 1);
    p = (struct packer){.data = packet, .capacity = sizeof packet};
    ipc_pack_keystore(&p, &(struct ipc_keystore){.pubkey = item, .json = {item, 1}});
    rig_send(rig->front, &p);
    rig_expect_end(rig, 1);
}

static void a_packet_that_is_too_long(void **state)
{
    struct rig *rig = *state;
    uint8_t sign[400];
    rig_boot(rig, 1);
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, sign, pack_sign(sign));
    send_raw(rig->front, bytes, sizeof bytes);
    rig_expect_end(rig, 1);
}

static void a_descriptor_nobody_asked_for(void **state)
{
    struct rig *rig = *state;
    uint8_t sign[400];
    rig_boot(rig, 1);
    size_t length = pack_sign(sign);
    assert_ok(ipc_send(rig->front, sign, length, STDERR_FILENO));
    rig_expect_end(rig, 1);
}

/* Each message that some peer may send at some time, sent to a channel where it is not permitted now. */
static void messages_out_of_their_time(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[400];
    static const enum ipc_type empty[] = {IPC_SERVE, IPC_LOAD_ABORT, IPC_STATUS_WANTED, IPC_LOADER_START};
    for (size_t i = 0; i < ARRAY_LENGTH(empty); i++) {
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_pack_empty(&p, empty[i]);
        rig_boot(rig, 1);
        rig_send(i % 2 ? rig->supervisor : rig->front, &p);
        rig_expect_end(rig, 1);
    }
    /* Orders before there are keys. */
    rig_start(rig, "standalone", NULL);
    send_raw(rig->front, packet, pack_sign(packet));
    rig_expect_end(rig, 1);
    rig_boot_to_load(rig);
    send_raw(rig->front, packet, pack_sign(packet));
    rig_expect_end(rig, 1);
    /* The front that says it listens before it was asked; a second policy. */
    rig_start(rig, "standalone", NULL);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_listening(&p, 1);
    rig_send(rig->front, &p);
    rig_expect_end(rig, 1);
    rig_boot(rig, 1);
    p = (struct packer){.data = bytes, .capacity = sizeof bytes};
    ipc_pack_bytes_message(&p, IPC_POLICY,
                           (struct ipc_bytes){rig->policy_text.data, (uint32_t)rig->policy_text.length});
    rig_send(rig->supervisor, &p);
    rig_expect_end(rig, 1);
}

static void a_policy_that_is_none(void **state)
{
    struct rig *rig = *state;
    static const char text[] = "nitro-signer-policy 3\nnetwork x\n";
    rig_start(rig, "standalone", NULL);
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    ipc_pack_bytes_message(&p, IPC_POLICY, (struct ipc_bytes){(const uint8_t *)text, sizeof text - 1});
    rig_send(rig->supervisor, &p);
    rig_expect_end(rig, 1);
}

/* A stand-alone signer whose only load fails ends; nothing is served. */
static void a_hostile_loader(void **state)
{
    struct rig *rig = *state;
    uint8_t packet[400], secret[32];
    for (int attack = 0; attack < 7; attack++) {
        struct packer p = {.data = packet, .capacity = sizeof packet};
        rig_secret(secret, 0);
        rig_boot_to_load(rig);
        switch (attack) {
        case 0: /* a public key that is not the secret's */
            ipc_begin(&p, IPC_KEY, 1);
            ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){0, secret, rig_pubkey(1)});
            break;
        case 1: /* no key at all: zero */
            memset(secret, 0, sizeof secret);
            ipc_begin(&p, IPC_KEY, 1);
            ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){0, secret, rig_pubkey(1)});
            break;
        case 2: /* counts that are not so */
            ipc_pack_loader_end(&p, &(struct ipc_loader_end){.keys = 1});
            break;
        case 3:
            ipc_pack_loader_end(&p, &(struct ipc_loader_end){.failed = 1});
            break;
        case 4: /* cut */
            ipc_begin(&p, IPC_KEY, 1);
            break;
        case 5: /* an order */
            p.length = pack_sign(packet);
            break;
        default: /* gone */
            fd_auto_close(&rig->loader);
            break;
        }
        if (rig->loader >= 0)
            rig_send(rig->loader, &p);
        rig_expect_end(rig, 1);
    }
}

static void random_packets_never_crash_it(void **state)
{
    struct rig *rig = *state;
    srandom(99);
    for (int round = 0; round < 40; round++) {
        uint8_t packet[400];
        rig_boot(rig, 1);
        size_t length = pack_sign(packet);
        for (int changes = 0; changes < 3; changes++)
            packet[(size_t)random() % 40] ^= (uint8_t)(1 + random() % 255);
        send_raw(rig->front, packet, length);
        (void)shutdown(rig->front,
                       SHUT_WR); /* refused, or answered and then left: an orderly end in both cases */
        rig_expect_end(rig, 1);
    }
}

int main(void)
{
#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        RIG_TEST(packets_of_a_hostile_front), RIG_TEST(a_front_cannot_manage_keys_when_that_is_off),
        RIG_TEST(a_packet_that_is_too_long),  RIG_TEST(a_descriptor_nobody_asked_for),
        RIG_TEST(messages_out_of_their_time), RIG_TEST(a_policy_that_is_none),
        RIG_TEST(a_hostile_loader),           RIG_TEST(random_packets_never_crash_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
