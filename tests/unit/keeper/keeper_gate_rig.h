/* keeper_gate_rig.h - the gate's own sources, over a store that fails, lags and lies as it is told, and
 * answers that are collected. Test programs that have it are made by gate_test() of CMakeLists.txt, which
 * wraps what it stands in for. */
#ifndef KEEPER_GATE_RIG_H
#define KEEPER_GATE_RIG_H

#include "testing.h"

#include "keeper/keeper_sign.h"

enum { GATE_KEYS = 3, GATE_ANSWERS_MAX = 128 };

/* What the store under the gate does, and how often it was asked. */
struct gate_store {
    int advance_code, load_code;
    size_t done_before_failing; /* of a transaction with advance_code, this many are durable all the same */
    size_t refused;             /* 1 + index of an advance whose compare-and-set fails, once */
    struct slashing_record stored; /* what load finds */
    bool silent;                   /* says neither done nor refused */
    void (*on_advance)(void);      /* before anything is durable; or NULL */
    size_t last_batch;             /* advances in the latest transaction */
    unsigned advances, loads, settled;
};

extern struct gate_store gate_store;
extern struct keeper gate_keeper;
extern uint8_t gate_pubkeys[GATE_KEYS][48];
/* As they came, since orders were heard. */
extern struct ipc_answer gate_answers[GATE_ANSWERS_MAX];
extern size_t gate_num_answers;

/* A keeper with these keys and nothing signed yet; what was before is let go. */
void gate_open(size_t num_threads);
void gate_close(void);

/* They have come: their ids are their places. */
void gate_hear(const struct ipc_order *orders, size_t num_orders);
/* One batch through the gate; answers in the order of the orders. */
void gate_ask(struct ipc_answer *ret_answers, const struct ipc_order *orders, size_t num_orders);

struct ipc_order gate_block(uint32_t key, uint64_t slot, uint8_t variety);
struct ipc_order gate_vote(uint32_t key, uint64_t source, uint64_t target);
struct ipc_order gate_randao(uint32_t key);

#endif
