/* keeper_rig.h - a real nitro-signer-keeper with the test in the place of its supervisor, front, courier and
 * loader. Every wait has a limit; whatever goes wrong fails the test and kills the keeper. */
#ifndef KEEPER_RIG_H
#define KEEPER_RIG_H

#include "testing.h"

#include <sys/types.h>

#include "bls/bls.h"
#include "ipc/ipc.h"
#include "policy/policy.h"

enum { RIG_KEYS_MAX = 2600, RIG_ORDERS_MAX = IPC_BATCH_MAX };

struct rig {
    pid_t pid;
    bool has_courier;                       /* stand-alone too */
    const char *program;                    /* its path, or NULL: the product's */
    const char *option;                     /* one more of the keeper's, or NULL */
    bool has_default_threads;               /* it is not told how many */
    const char *log_level;                  /* NULL: error */
    bool has_proxies;                       /* that option is --commit-boost */
    uint32_t num_proxies;                   /* that the front was told of last */
    int supervisor, front, courier, loader; /* our ends; -1 when closed */
    uint8_t packet[IPC_PACKET_MAX];         /* the latest one received */
    struct ipc_message message;
    int descriptor; /* that came with it, or -1 */
    char folder[64], store[96];
    struct policy policy;
    struct buffer policy_text;
};

/* Key number i of every test: secret i + 1. */
void rig_secret(uint8_t out[static 32], uint32_t i);
const uint8_t *rig_pubkey(uint32_t i);

/* For cmocka: a fresh folder and policy (hoodi, protection on, any genesis); the teardown ends the keeper,
 * which must still listen to SIGTERM, and removes. */
int rig_setup(void **state);
int rig_teardown(void **state);

/* Starts the keeper with that --mode; nsm may be NULL. */
void rig_start(struct rig *rig, const char *mode, const char *nsm);
/* What keepers that are started between the two write to stderr goes to a file, which contains this part. */
void rig_begin_log(const struct rig *rig);
void rig_end_log(void);
void rig_expect_logged(const struct rig *rig, const char *part);
void rig_expect_not_logged(const struct rig *rig, const char *part);
/* Sends what was packed. */
void rig_send(int socket, const struct packer *packed);
/* Whether something comes in so many milliseconds. */
bool rig_is_readable(int socket, int patience_ms);
/* Receives one packet. */
void rig_receive(struct rig *rig, int socket);
/* The same, which must be of that type. */
void rig_expect(struct rig *rig, int socket, enum ipc_type type);
void rig_expect_state(struct rig *rig, enum ipc_keeper_state state, uint32_t keys, uint32_t failed);
/* Nothing has been sent to us. */
void rig_expect_silence(int socket);
/* The keeper ends by itself with that status. */
void rig_expect_end(struct rig *rig, int status);
/* SIGTERM, and status 0. */
void rig_stop(struct rig *rig);
/* The keeper stands still until it goes on: what is sent to it meanwhile it finds together. */
void rig_pause(struct rig *rig);
void rig_go_on(struct rig *rig);
/* SIGKILL. */
void rig_kill(struct rig *rig);

/* Takes the loader's end out of LOADER_START. */
void rig_take_loader(struct rig *rig);
/* As a loader: keys [first, first + count), in as many messages as it takes. */
void rig_load_keys(struct rig *rig, uint32_t first, uint32_t count);
void rig_loader_end(struct rig *rig, uint32_t keys, uint32_t failed);

/* The whole list of proxy keys, to the front. */
void rig_expect_proxies(struct rig *rig);

/* Stand-alone, from start to SERVE with keys 0..count-1. */
void rig_boot(struct rig *rig, uint32_t count);
/* From the end of the loader to SERVE. */
void rig_begin_to_serve(struct rig *rig, uint32_t count);
/* Up to the loader's socket in hand. */
void rig_boot_to_load(struct rig *rig);

/* Sends orders in one packet; gives each an id. */
void rig_send_orders(struct rig *rig, struct ipc_order *orders, uint32_t count);
/* The same of orders that differ in their keys only, as one batch; more: another part of it follows. */
void rig_send_many(struct rig *rig, struct ipc_order *orders, uint32_t count, bool more);
/* Receives their answers, in any order, in one packet or several. */
void rig_take_answers(struct rig *rig, struct ipc_answer *ret_answers, const struct ipc_order *orders,
                      uint32_t count);
/* Both. */
void rig_sign(struct rig *rig, struct ipc_answer *ret_answers, struct ipc_order *orders, uint32_t count);
/* One order. */
struct ipc_answer rig_sign_one(struct rig *rig, struct eth2_order order);
/* The answer has a signature that verifies for this order. */
void rig_assert_signed(struct rig *rig, const struct ipc_answer *answer, const struct eth2_order *order);

struct eth2_order rig_vote(uint32_t key, uint64_t source, uint64_t target, uint8_t variety);
struct eth2_order rig_block(uint32_t key, uint64_t slot, uint8_t variety);
struct eth2_order rig_order(uint32_t key, enum eth2_order_kind kind);

#endif
