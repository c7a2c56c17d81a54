/* test_slashing_postgresql_calls.c - every call that the PostgreSQL store makes of libpq, above a scripted
 * server, and of other files fails in turn. What was said to be durable is there, and nothing of what was
 * not. */
#include "faults.h"
#include "scripted_postgresql.h"

/* What fails. */
#include "postgresql_calls.def"

#define ROOT "1111111111111111111111111111111111111111111111111111111111111111"

static const struct slashing_record none;
static struct slashing_store *store;

static struct slashing_record vote(uint64_t source, uint64_t target, bool has_root)
{
    struct slashing_record r = vote_record(source, target, 0x11);
    r.attestation_has_root = has_root;
    memset(r.attestation_root, has_root ? 0x11 : 0, 32);
    return r;
}

static struct slashing_head head_of(bool has_genesis, bool has_high, uint64_t epoch, uint64_t slot)
{
    struct slashing_head head = {
        .has_genesis = has_genesis, .has_high_watermark = has_high, .high_epoch = epoch, .high_slot = slot};
    memset(head.genesis_validators_root, has_genesis ? 0x11 : 0, 32);
    return head;
}

struct done {
    struct slashing_advance advances[5], again[2];
    bool locked, applied;
};

static result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

static result raise_and_disable(void *context)
{
    struct slashing_record both = vote(2, 3, true), disabled;
    struct slashing_head old, next;
    (void)context;
    both.has_block = both.block_has_root = true;
    both.block_slot = 9;
    disabled = both;
    disabled.disabled = true;
    struct slashing_advance advances[] = {advance_of(5, &none, &disabled), advance_of(6, &none, &both)};
    TRY(slashing_store_head(store, &old));
    next = old;
    next.has_high_watermark = true;
    next.high_epoch = next.high_slot = 1000000;
    TRY(slashing_store_set_head(store, &old, &next, NULL, 0));
    TRY(slashing_store_advance(store, advances, 2));
    ENSURE(advances[0].done && advances[1].done, E_INTERNAL, "conflicts within a transaction");
    return RESULT_OK;
}

static result work(struct done *done)
{
    const struct slashing_head empty = {0}, locked = head_of(true, false, 0, 0);
    const struct slashing_enrolment enrolment = {.pubkey = {0}};
    struct slashing_record both = vote(1, 2, true), marks = vote(1, 2, false), disabled = none,
                           higher = vote(1, 3, true);
    struct slashing_entry entries[2];
    const uint8_t pubkeys[2][48] = {{1}, {2}};
    size_t num = 0;
    disabled.disabled = true;
    both.has_block = both.block_has_root = marks.has_block = true;
    both.block_slot = marks.block_slot = 5;
    higher.has_block = true;
    higher.block_slot = 6;
    TRY(server_try_open(&store));
    TRY(slashing_store_set_head(store, &empty, &locked, &enrolment, 1));
    done->locked = true;
    uint8_t keys[2][48];
    memcpy(keys, pubkeys, sizeof keys);
    TRY(slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, 2));
    done->advances[0] = advance_of(1, &none, &both);
    done->advances[1] = advance_of(2, &none, &marks);
    done->advances[2] = advance_of(3, &none, &disabled);
    done->advances[3] = advance_of(4, &both, &higher); /* conflicts */
    done->advances[4] = advance_of(7, &marks, &higher);
    TRY(slashing_store_advance(store, done->advances, 5));
    done->again[0] = advance_of(1, &both, &both);
    done->again[0].is_history = true;
    done->again[1] = advance_of(3, &disabled, &disabled);
    TRY(slashing_store_advance(store, done->again, 2));
    TRY(slashing_store_transaction(store, raise_and_disable, NULL));
    done->applied = true;
    TRY(slashing_store_scan(store, count, &num));
    ENSURE(num > 0, E_INTERNAL, "no validators");
    return RESULT_OK;
}

static void check_durable(const struct done *done)
{
    assert_true(!done->locked || strcmp(server.genesis, ROOT) == 0);
    assert_true(!done->advances[0].done ||
                (strcmp(server.of[1].slot, "5") == 0 && strcmp(server.of[1].vote_root, ROOT) == 0));
    assert_true(!done->advances[1].done ||
                (strcmp(server.of[2].low_slot, "5") == 0 && server.of[2].vote_root[0] == 0));
    assert_true(!done->advances[2].done || server.of[3].disabled);
    assert_true(!done->again[0].done ||
                (strcmp(server.of[1].kept_slot, "5") == 0 && strcmp(server.of[1].kept_target, "2") == 0));
    assert_true(!done->again[1].done || server.of[3].touched > 0);
    assert_false(done->advances[3].done || done->advances[4].done || server.of[4].slot[0] ||
                 server.of[7].slot[0]);
    assert_true(!done->applied || (server.of[5].disabled && strcmp(server.of[6].slot, "9") == 0));
    assert_true(server.of[5].disabled == (server.of[6].slot[0] != 0)); /* both or none */
}

static void what_was_said_is_there_whatever_fails(void **state)
{
    (void)state;
    unsigned num_refused = 0, num_borne = 0;
    for (struct faults f = {0}; faults_again(&f);) {
        struct done done = {0};
        server_begin();
        store = NULL;
        faults_begin(&f);
        result r = work(&done);
        faults_end(&f);
        slashing_store_close(store);
        check_durable(&done);
        assert_true(f.function || !r.code);
        assert_true(!r.code || error_text()[0]);
        /* What is lost is asked for again, if not all is; a refusal of ours is one. */
        num_refused += r.code != 0;
        num_borne += f.function && !r.code;
        bool is_libpq = f.function && f.function[0] == 'P' && f.function[1] == 'Q';
        if (f.function && !is_libpq && !r.code)
            fail_msg("taken though %s failed, call %u", f.function, f.at);
    }
    assert_true(num_refused > 100 && num_borne > 10);
}

int main(void)
{
    if (secret_heap_open(1 << 16).code)
        return 1;
    slashing_postgresql_forget_environment();
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_said_is_there_whatever_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
