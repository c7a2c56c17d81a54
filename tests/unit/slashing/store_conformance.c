/* store_conformance.c - see store_conformance.h. Records only ever rise, as those of a signer do. */
#include "store_testing.h"

#include <pthread.h>

#include "base/clock.h"
#include "slashing/slashing_interchange.h"
#include "store_conformance.h"

enum { MANY = 10000, FEW = 64 };

static struct conformance_target *target;
static const struct slashing_record nothing;

/* Validator number n, in ascending order of n. */
static void key_of(uint8_t out[static 48], uint32_t n)
{
    memset(out, 0xa5, 48);
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(n >> (24 - 8 * i));
}

static uint32_t number_of(const uint8_t pubkey[static 48])
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n = n << 8 | pubkey[i];
    return n;
}

/* An empty store that knows validators 0 to num - 1, opened. */
static struct slashing_store *begin(size_t num)
{
    uint8_t(*keys)[48] = calloc(num, sizeof *keys);
    assert_non_null(keys);
    for (size_t i = 0; i < num; i++)
        key_of(keys[i], (uint32_t)i);
    target->begin(target, (const uint8_t(*)[48])keys, num);
    free(keys);
    return target->open(target);
}

static void reopen(struct slashing_store **store)
{
    slashing_store_close(*store);
    *store = target->open(target);
}

static struct slashing_record record_of(struct slashing_store *store, uint32_t n)
{
    uint8_t pubkey[48];
    struct slashing_record r;
    key_of(pubkey, n);
    assert_ok(slashing_store_load(store, &r, pubkey));
    return r;
}

static void assert_holds(struct slashing_store *store, uint32_t n, const struct slashing_record *wanted)
{
    struct slashing_record r = record_of(store, n);
    assert_record_equal(&r, wanted);
}

static struct slashing_advance advance_from(uint32_t n, const struct slashing_record *old,
                                            const struct slashing_record *next)
{
    struct slashing_advance advance = {.old = *old, .next = *next};
    key_of(advance.pubkey, n);
    return advance;
}

static void advance_one(struct slashing_store *store, uint32_t n, const struct slashing_record *old,
                        const struct slashing_record *next)
{
    struct slashing_advance advance = advance_from(n, old, next);
    assert_ok(slashing_store_advance(store, &advance, 1));
    assert_true(advance.done && !advance.conflict);
}

static struct slashing_record both(struct slashing_record block, struct slashing_record vote)
{
    struct slashing_record r;
    slashing_merge(&r, &block, &vote);
    return r;
}

/* One of each form a record may have. */
static size_t forms(struct slashing_record out[static 8])
{
    size_t n = 0;
    out[n++] = block_record(0, 1);
    out[n++] = vote_record(0, 0, 2);
    out[n++] = both(block_record(7, 3), vote_record(8, 9, 4));
    out[n++] = block_record(INT64_MAX, 5);
    out[n++] = vote_record(INT64_MAX - 1, INT64_MAX, 6);
    out[n] = vote_record(3, 4, 7);
    out[n++].attestation_has_root = false;
    memset(out[n - 1].attestation_root, 0, 32);
    out[n] = block_record(5, 8);
    out[n++].block_has_root = false;
    memset(out[n - 1].block_root, 0, 32);
    out[n] = both(block_record(1, 9), vote_record(1, 2, 9));
    out[n++].disabled = true;
    return n;
}

static void every_form_of_a_record_is_durable(void **state)
{
    (void)state;
    struct slashing_record records[8];
    struct slashing_advance advances[8];
    size_t num = forms(records);
    struct slashing_store *store = begin(num + 1);
    for (size_t i = 0; i < num; i++)
        advances[i] = advance_from((uint32_t)i, &nothing, &records[i]);
    assert_ok(slashing_store_advance(store, advances, num));
    for (size_t i = 0; i < num; i++)
        assert_true(advances[i].done && !advances[i].conflict);
    reopen(&store);
    for (size_t i = 0; i < num; i++)
        assert_holds(store, (uint32_t)i, &records[i]);
    assert_holds(store, (uint32_t)num, &nothing);
    slashing_store_close(store);
}

static void entries_come_in_the_order_of_the_keys(void **state)
{
    (void)state;
    struct slashing_store *store = begin(FEW);
    static const uint32_t order[] = {5, 0, FEW - 1, 17, 5, 2};
    uint8_t keys[ARRAY_LENGTH(order)][48];
    struct slashing_entry entries[ARRAY_LENGTH(order)];
    for (uint32_t i = 0; i < FEW; i++) {
        struct slashing_record r = block_record(i, (uint8_t)i);
        advance_one(store, i, &nothing, &r);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++)
        key_of(keys[i], order[i]);
    assert_ok(slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, ARRAY_LENGTH(order)));
    for (size_t i = 0; i < ARRAY_LENGTH(order); i++)
        assert_int_equal(entries[i].record.block_slot, order[i]);
    assert_ok(slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, 0));
    assert_ok(slashing_store_advance(store, NULL, 0));
    slashing_store_close(store);
}

static void a_conflict_changes_nothing_and_shows_what_is_there(void **state)
{
    (void)state;
    struct slashing_store *store = begin(8);
    struct slashing_record held = both(block_record(4, 1), vote_record(3, 4, 1));
    struct slashing_record next = both(block_record(9, 2), vote_record(8, 9, 2));
    struct slashing_record wrong[6] = {nothing, held, held, held, held, held};
    wrong[1].block_slot--;
    wrong[2].block_root[31] ^= 1;
    wrong[3].source_epoch--;
    wrong[4].attestation_root[0] ^= 1;
    wrong[5].block_has_root = false;
    memset(wrong[5].block_root, 0, 32);
    advance_one(store, 0, &nothing, &held);
    for (uint32_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct slashing_advance batch[] = {advance_from(0, &wrong[i], &next),
                                           advance_from(1 + i, &nothing, &next)};
        assert_ok(slashing_store_advance(store, batch, 2));
        assert_true(batch[0].conflict && !batch[0].done);
        assert_record_equal(&batch[0].found.record, &held);
        assert_true(batch[1].done && !batch[1].conflict); /* the others of the batch are not held up */
        assert_holds(store, 0, &held);
    }
    slashing_store_close(store);
}

/* As after an answer that was lost: done, or shown to be there already; never anything else. */
static void an_advance_that_is_sent_again_is_recognised(void **state)
{
    (void)state;
    struct slashing_store *store = begin(1);
    struct slashing_record one = vote_record(1, 2, 1), two = vote_record(2, 3, 2);
    advance_one(store, 0, &nothing, &one);
    struct slashing_advance again = advance_from(0, &nothing, &one);
    assert_ok(slashing_store_advance(store, &again, 1));
    assert_true(again.done != again.conflict);
    if (again.conflict)
        assert_record_equal(&again.found.record, &one);
    assert_holds(store, 0, &one);
    advance_one(store, 0, &one, &two);
    again = advance_from(0, &nothing, &one);
    assert_ok(slashing_store_advance(store, &again, 1));
    assert_true(again.conflict && !again.done);
    assert_holds(store, 0, &two);
    slashing_store_close(store);
}

static void one_key_twice_in_a_batch(void **state)
{
    (void)state;
    struct slashing_store *store = begin(2);
    struct slashing_record one = block_record(1, 1), two = block_record(2, 2);
    struct slashing_advance batch[] = {advance_from(1, &nothing, &one), advance_from(0, &nothing, &one),
                                       advance_from(1, &one, &two)};
    if (target->repeats_in_batch) {
        assert_ok(slashing_store_advance(store, batch, 3));
        assert_true(batch[0].done && batch[1].done && batch[2].done);
        assert_holds(store, 1, &two);
    } else {
        assert_fails(E_INPUT, slashing_store_advance(store, batch, 3));
        for (size_t i = 0; i < 3; i++)
            assert_false(batch[i].done || batch[i].conflict);
        assert_holds(store, 0, &nothing);
        assert_holds(store, 1, &nothing);
    }
    slashing_store_close(store);
}

static void a_validator_nobody_enrolled(void **state)
{
    (void)state;
    struct slashing_store *store = begin(3);
    uint8_t keys[2][48];
    struct slashing_entry entries[2];
    key_of(keys[0], 1);
    key_of(keys[1], 3);
    if (!target->has_identity) {
        assert_ok(slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, 2));
        assert_record_equal(&entries[1].record, &nothing);
    } else {
        assert_fails(E_STORE, slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, 2));
        assert_error_names("0x00000003a5");
        struct slashing_record one = block_record(1, 1);
        struct slashing_advance batch[] = {advance_from(3, &nothing, &one), advance_from(1, &nothing, &one)};
        assert_fails(E_STORE, slashing_store_advance(store, batch, 2));
        assert_false(batch[0].done || batch[0].conflict);
    }
    slashing_store_close(store);
}

static void the_genesis_root_is_locked_once(void **state)
{
    (void)state;
    uint8_t root[32], one[32] = {1}, two[32] = {2};
    struct slashing_store *store = begin(1);
    assert_fails(E_NOT_FOUND, slashing_store_genesis(store, root));
    assert_ok(slashing_store_lock_genesis(store, one));
    assert_ok(slashing_store_lock_genesis(store, one));
    assert_fails(E_MISMATCH, slashing_store_lock_genesis(store, two));
    reopen(&store);
    assert_ok(slashing_store_genesis(store, root));
    assert_memory_equal(root, one, 32);
    slashing_store_close(store);
}

struct visits {
    uint8_t *seen;
    size_t num, stop_at; /* 0: never */
    uint32_t last;
};

static result visit(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct visits *visits = context;
    uint32_t n = number_of(pubkey);
    assert_int_equal(entry->record.target_epoch, n + 1);
    assert_int_equal(visits->seen[n], 0);
    assert_true(!target->ordered || visits->num == 0 || n > visits->last);
    visits->seen[n] = 1;
    visits->last = n;
    ENSURE(++visits->num != visits->stop_at, E_INTERNAL, "enough");
    return RESULT_OK;
}

static double seconds_since(uint64_t start_ns)
{
    return (double)(clock_monotonic_ns() - start_ns) / 1e9;
}

/* Validators 0 to num - 1, each from nothing to its own vote; tells how long it took. */
static void advance_many(struct slashing_store *store, size_t num)
{
    struct slashing_advance *advances = calloc(num, sizeof *advances);
    assert_non_null(advances);
    for (size_t i = 0; i < num; i++) {
        struct slashing_record r = vote_record(0, i + 1, (uint8_t)i);
        advances[i] = advance_from((uint32_t)i, &nothing, &r);
    }
    uint64_t start = clock_monotonic_ns();
    assert_ok(slashing_store_advance(store, advances, num));
    print_message("%s: %zu advances in %.3f s\n", target->name, num, seconds_since(start));
    for (size_t i = 0; i < num; i++)
        assert_true(advances[i].done && !advances[i].conflict);
    free(advances);
}

static void many_validators_at_once(void **state)
{
    (void)state;
    size_t num = target->many ? target->many : MANY;
    struct slashing_store *store = begin(num);
    uint8_t(*keys)[48] = calloc(num, sizeof *keys);
    struct slashing_entry *entries = calloc(num, sizeof *entries);
    struct visits visits = {.seen = calloc(num, 1), .stop_at = num / 2};
    assert_true(keys && entries && visits.seen);
    for (size_t i = 0; i < num; i++)
        key_of(keys[i], (uint32_t)i);
    advance_many(store, num);
    reopen(&store);
    uint64_t start = clock_monotonic_ns();
    assert_ok(slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, num));
    print_message("%s: %zu loaded in %.3f s\n", target->name, num, seconds_since(start));
    for (size_t i = 0; i < num; i++)
        assert_int_equal(entries[i].record.target_epoch, i + 1);

    assert_fails(E_INTERNAL, slashing_store_scan(store, visit, &visits)); /* left half-way ... */
    memset(visits.seen, 0, num);
    visits = (struct visits){.seen = visits.seen};
    start = clock_monotonic_ns();
    assert_ok(slashing_store_scan(store, visit, &visits)); /* ... and complete when begun again */
    print_message("%s: %zu scanned in %.3f s\n", target->name, num, seconds_since(start));
    assert_int_equal(visits.num, num);
    free(visits.seen);
    free(entries);
    free(keys);
    slashing_store_close(store);
}

struct work {
    struct slashing_store *store;
    result end;
};

static result advance_in_two_steps(void *context)
{
    struct work *work = context;
    struct slashing_record one = block_record(1, 1), two = block_record(2, 2);
    for (uint32_t i = 0; i < FEW; i++) {
        advance_one(work->store, i, &nothing, &one);
        assert_holds(work->store, i, &one);
        advance_one(work->store, i, &one, &two);
        assert_holds(work->store, i, &two);
        struct slashing_advance stale = advance_from(i, &one, &two);
        stale.next.block_slot = 3;
        assert_ok(slashing_store_advance(work->store, &stale, 1));
        assert_true(stale.conflict && !stale.done);
        assert_record_equal(&stale.found.record, &two);
    }
    return work->end;
}

static void a_transaction_counts_when_it_ends(void **state)
{
    (void)state;
    struct slashing_store *store = begin(FEW + 1);
    struct slashing_record two = block_record(2, 2), three = block_record(3, 3);
    struct work fails = {.store = store, .end = {E_INPUT}}, works = {.store = store};
    assert_fails(E_INPUT, slashing_store_transaction(store, advance_in_two_steps, &fails));
    for (uint32_t i = 0; i < FEW; i++)
        assert_holds(store, i, &nothing);
    assert_ok(slashing_store_transaction(store, advance_in_two_steps, &works));
    reopen(&store);
    for (uint32_t i = 0; i < FEW; i++)
        assert_holds(store, i, &two);
    assert_holds(store, FEW, &nothing);
    advance_one(store, 0, &two, &three); /* by itself again, and durable */
    reopen(&store);
    assert_holds(store, 0, &three);
    slashing_store_close(store);
}

static result append(void *context, const void *bytes, size_t bytes_len)
{
    return buffer_append(context, bytes, bytes_len);
}

static void what_was_exported_is_imported_as_it_was(void **state)
{
    (void)state;
    struct slashing_store *store = begin(FEW);
    AUTO(buffer) text = {0};
    AUTO_POINTER(json_stream) in = NULL;
    const struct slashing_interchange_sink sink = {.context = &text, .write = append};
    const uint8_t genesis[32] = {7};
    size_t num = 0;
    assert_ok(slashing_store_lock_genesis(store, genesis));
    for (uint32_t i = 0; i < FEW; i++) {
        struct slashing_record r = both(block_record(i, (uint8_t)i), vote_record(i, i + 1, (uint8_t)i));
        advance_one(store, i, &nothing, &r);
    }
    assert_ok(slashing_interchange_export(store, &num, &sink));
    assert_int_equal(num, FEW);
    slashing_store_close(store);

    store = begin(FEW);
    assert_ok(json_stream_open_text(&in, (const char *)text.data, text.length));
    assert_ok(slashing_interchange_import(store, &num, in));
    assert_int_equal(num, FEW);
    for (uint32_t i = 0; i < FEW; i++) {
        struct slashing_record r = both(block_record(i, (uint8_t)i), vote_record(i, i + 1, (uint8_t)i));
        assert_holds(store, i, &r);
    }
    slashing_store_close(store);
}

enum { RIVALS = 3, ROUNDS = 20 };

struct rival {
    pthread_t thread;
    struct slashing_store *store;
    uint8_t name;
    size_t wins;
    bool failed;
};

/* Advances all validators at once, from whatever it saw last, and counts what was done by it. */
static void *compete(void *context)
{
    struct rival *rival = context;
    struct slashing_advance advances[FEW];
    memset(advances, 0, sizeof advances);
    for (uint32_t i = 0; i < FEW; i++)
        advances[i] = advance_from(i, &nothing, &nothing);
    for (int round = 0; round < ROUNDS && !rival->failed; round++) {
        for (size_t i = 0; i < FEW; i++)
            advances[i].next = block_record(advances[i].old.block_slot + 1, rival->name);
        rival->failed = slashing_store_advance(rival->store, advances, FEW).code != E_NONE;
        for (size_t i = 0; i < FEW && !rival->failed; i++) {
            rival->failed = advances[i].done == advances[i].conflict;
            rival->wins += advances[i].done;
            advances[i].old = advances[i].done ? advances[i].next : advances[i].found.record;
        }
    }
    return NULL;
}

/* Each slot of each validator has one winner: as many wins as the slots say, never more. */
static void of_rivals_one_wins(void **state)
{
    (void)state;
    if (!target->several_handles)
        skip(); /* one process, one handle: there are no rivals */
    struct slashing_store *store = begin(FEW);
    struct rival rivals[RIVALS] = {0};
    size_t wins = 0, slots = 0;
    for (size_t i = 0; i < RIVALS; i++) {
        rivals[i].name = (uint8_t)(1 + i);
        rivals[i].store = target->open(target);
    }
    for (size_t i = 0; i < RIVALS; i++)
        assert_int_equal(pthread_create(&rivals[i].thread, NULL, compete, &rivals[i]), 0);
    for (size_t i = 0; i < RIVALS; i++) {
        assert_int_equal(pthread_join(rivals[i].thread, NULL), 0);
        assert_false(rivals[i].failed);
        slashing_store_close(rivals[i].store);
        wins += rivals[i].wins;
    }
    for (uint32_t i = 0; i < FEW; i++)
        slots += record_of(store, i).block_slot;
    assert_true(slots >= (size_t)FEW * ROUNDS);
    assert_int_equal(wins, slots);
    slashing_store_close(store);
}

static void all_cases_of_the_interchange_tests(void **state)
{
    (void)state;
    interchange_cases_run(target);
}

/* Set, moved, kept and removed; refused where a mark reaches it; and no mark is brought up to it. */
static void a_high_watermark_stands_above_all_marks(void **state)
{
    (void)state;
    uint8_t root[32] = {1};
    size_t num_validators = 0;
    bool was_set = false;
    struct slashing_head head, before;
    struct slashing_record block = block_record(99, 1), vote = vote_record(3, 9, 1);
    struct slashing_record floor = {
        .has_block = true, .block_slot = 100, .has_attestation = true, .source_epoch = 4, .target_epoch = 4};
    struct slashing_store *store = begin(2);
    assert_ok(slashing_store_lock_genesis(store, root));
    advance_one(store, 0, &nothing, &block);
    advance_one(store, 1, &nothing, &vote);
    assert_ok(slashing_store_head(store, &before));
    assert_fails(E_STATE, slashing_set_high_watermark(store, 9, 99));
    assert_error_names("2 validators");
    assert_fails(E_STATE, slashing_set_high_watermark(store, 10, 99));
    assert_error_names("1 validators");
    assert_ok(slashing_set_high_watermark(store, 50, 500));
    assert_ok(slashing_set_high_watermark(store, 10, 100));
    assert_fails(E_MISMATCH, slashing_store_set_head(store, &before,
                                                     &(struct slashing_head){.has_genesis = true,
                                                                             .genesis_validators_root = {1},
                                                                             .has_high_watermark = true,
                                                                             .high_epoch = 60,
                                                                             .high_slot = 600},
                                                     NULL, 0));
    reopen(&store);
    assert_ok(slashing_store_head(store, &head));
    assert_true(head.has_genesis && head.has_high_watermark);
    assert_int_equal(head.high_epoch, 10);
    assert_int_equal(head.high_slot, 100);
    assert_fails(E_STATE, slashing_raise_all(store, &num_validators, &floor));
    assert_ok(slashing_remove_high_watermark(store, &was_set));
    assert_true(was_set);
    reopen(&store);
    assert_ok(slashing_store_head(store, &head));
    assert_true(head.has_genesis && !head.has_high_watermark);
    assert_ok(slashing_raise_all(store, &num_validators, &floor));
    slashing_store_close(store);
}

int store_conformance_run(struct conformance_target *under_test, const char *pattern)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_of_a_record_is_durable),
        cmocka_unit_test(entries_come_in_the_order_of_the_keys),
        cmocka_unit_test(a_conflict_changes_nothing_and_shows_what_is_there),
        cmocka_unit_test(an_advance_that_is_sent_again_is_recognised),
        cmocka_unit_test(one_key_twice_in_a_batch),
        cmocka_unit_test(a_validator_nobody_enrolled),
        cmocka_unit_test(the_genesis_root_is_locked_once),
        cmocka_unit_test(a_high_watermark_stands_above_all_marks),
        cmocka_unit_test(many_validators_at_once),
        cmocka_unit_test(a_transaction_counts_when_it_ends),
        cmocka_unit_test(what_was_exported_is_imported_as_it_was),
        cmocka_unit_test(of_rivals_one_wins),
        cmocka_unit_test(all_cases_of_the_interchange_tests),
    };
    target = under_test;
    if (pattern)
        cmocka_set_test_filter(pattern);
    return cmocka_run_group_tests_name(target->name, tests, NULL, NULL);
}
