/* keeper_courier.h - the test in the place of the courier: a store in memory, whose answers can be bent. */
#ifndef KEEPER_COURIER_H
#define KEEPER_COURIER_H

#include "ipc/ipc_store.h"
#include "keeper_rig.h"
#include "slashing/slashing_codec.h"
#include "slashing/slashing_seal.h"

enum { COURIER_ROWS_MAX = RIG_KEYS_MAX + 8, COURIER_KEPT_MAX = 64 };

/* What it does with a request. */
enum courier_habit {
    COURIER_HONEST,
    COURIER_LOSES,   /* does nothing, and says that it does not know */
    COURIER_FORGETS, /* does it, and says that it does not know */
    COURIER_LIES,    /* does nothing, and says done */
    COURIER_KEEPS    /* the packet, unanswered: courier_answer_kept */
};

struct courier {
    bool is_sealed;
    uint8_t key[32];
    struct slashing_seal seal;
    enum ipc_store_head_status status;
    struct slashing_head head;
    struct slashing_enrolment rows[COURIER_ROWS_MAX];
    size_t num_rows;
    enum courier_habit advances, loads, head_sets, heads;
    unsigned num_advances, num_histories, num_packets, num_loads, num_head_sets, num_heads;
    bool has_load_result, load_ok;
    char load_text[IPC_TEXT_MAX + 1];
    struct buffer kept[COURIER_KEPT_MAX]; /* packets */
    size_t num_kept;
};

/* A store that was begun: with a seal (DynamoDB), or without (PostgreSQL); the rig's policy names it. */
void courier_open(struct courier *c, struct rig *rig, bool is_sealed);
void courier_close(struct courier *c);

/* NULL when there is none. */
struct slashing_enrolment *courier_row(struct courier *c, uint32_t key);
/* Writes a row as another signer of that generation would. */
void courier_write(struct courier *c, uint32_t key, const struct slashing_record *record,
                   uint64_t generation);
void courier_seal_head(struct courier *c);

/* Answers the keeper until that socket of ours is readable, or a LOAD_RESULT has come. */
void courier_serve_until(struct courier *c, struct rig *rig, int socket);
/* Answers the keeper's next packet. */
void courier_serve(struct courier *c, struct rig *rig);
/* Answers the keeper's next packet, which must be of that type. */
void courier_serve_one(struct courier *c, struct rig *rig, enum ipc_type type);
/* Answers a packet that was kept, honestly, whatever it asks for. */
void courier_answer_kept(struct courier *c, struct rig *rig, size_t number);
/* Sends an answer to one advance. */
void courier_send_advanced(struct rig *rig, const struct ipc_store_advanced *advanced);
/* The id of the first advance of a packet that was kept. */
uint64_t courier_kept_id(const struct courier *c, size_t number);

/* Stand-alone, from start to SERVE with keys 0..count-1. */
void courier_boot(struct courier *c, struct rig *rig, uint32_t count);
/* The same up to the end of the loader. */
void courier_boot_to_start(struct courier *c, struct rig *rig, uint32_t count);
/* Orders in one packet, and their answers. */
void courier_sign(struct courier *c, struct rig *rig, struct ipc_answer *ret_answers,
                  struct ipc_order *orders, uint32_t count);
struct ipc_answer courier_sign_one(struct courier *c, struct rig *rig, struct eth2_order order);
/* The key from the loader. */
void courier_send_store_key(const struct courier *c, struct rig *rig);

/* Beside a rig. */
struct slashing_record courier_vote_record(uint64_t source, uint64_t target);
void courier_send_order(struct rig *rig, struct ipc_order *ret_order, struct eth2_order order);
/* An answer that comes without the courier having to be served. */
struct ipc_answer courier_take_answer(struct rig *rig, const struct ipc_order *order);
void courier_expect_health(struct rig *rig, bool store_ok);
/* State FAILED with 2 keys, and nothing is signed any more. */
void courier_expect_fenced(struct courier *c, struct rig *rig);

/* The test's own, and cmocka's set-up and end of a stand-alone keeper beside it. */
extern struct courier courier;
int courier_setup_sealed(void **state);
int courier_setup_plain(void **state);
int courier_teardown(void **state);

#endif
