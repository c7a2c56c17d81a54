/* conformance_dynamodb_checks.c - what only a store across a network can get into. Each check says when its
 * preparations are over ("READY" on standard output) and goes on when standard input has a line: meanwhile
 * whoever runs it makes the network or the table fail. */
#include "store_testing.h"

#include <sys/resource.h>

#include "base/clock.h"
#include "conformance_dynamodb.h"
#include "slashing/slashing_dynamodb.h"

enum { FEW = 75, MANY = 10000 };

static const struct slashing_record nothing;

static void wait_for_the_world(void)
{
    char line[16];
    (void)puts("READY");
    (void)fflush(stdout);
    assert_non_null(fgets(line, sizeof line, stdin));
}

static void key_of(uint8_t out[static 48], size_t n)
{
    memset(out, 0, 48);
    for (int i = 0; i < 4; i++)
        out[44 + i] = (uint8_t)(n >> (24 - 8 * i));
}

/* A table with validators 0 to num - 1, and the store without seals: MACs are whatever we say. */
static struct slashing_store *begin_raw(size_t num)
{
    uint8_t(*keys)[48] = calloc(num, sizeof *keys);
    assert_non_null(keys);
    for (size_t i = 0; i < num; i++)
        key_of(keys[i], i);
    conformance_dynamodb.begin(&conformance_dynamodb, (const uint8_t(*)[48])keys, num);
    free(keys);
    return conformance_dynamodb_open_raw();
}

/* Advances of all from what is stored to a vote of that target. */
static struct slashing_advance *advances_to(struct slashing_store *store, size_t num, uint64_t target)
{
    struct slashing_advance *advances = calloc(num, sizeof *advances);
    uint8_t(*keys)[48] = calloc(num, sizeof *keys);
    struct slashing_entry *entries = calloc(num, sizeof *entries);
    assert_true(advances && keys && entries);
    for (size_t i = 0; i < num; i++)
        key_of(keys[i], i);
    assert_ok(slashing_store_load_many(store, entries, (const uint8_t(*)[48])keys, num));
    for (size_t i = 0; i < num; i++) {
        advances[i] = (struct slashing_advance){.old = entries[i].record, .old_stamp = entries[i].stamp};
        advances[i].next = vote_record(target - 1, target, (uint8_t)i);
        memset(advances[i].next_stamp.mac, (int)target, SLASHING_MAC_LEN);
        key_of(advances[i].pubkey, i);
    }
    free(keys);
    free(entries);
    return advances;
}

/* The world: from now on requests that have validator 30 in them are carried out and never answered. */
static void a_deadline_leaves_some_open(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(FEW);
    struct slashing_advance *advances = advances_to(store, FEW, 5);
    wait_for_the_world();
    uint64_t start = clock_monotonic_ns();
    assert_fails(E_STORE, slashing_store_advance(store, advances, FEW));
    double seconds = (double)(clock_monotonic_ns() - start) / 1e9;
    assert_true(seconds < 1.5 && seconds > 0.5); /* the deadline is a second */
    for (size_t i = 0; i < FEW; i++) {
        assert_false(advances[i].conflict);
        assert_int_equal(advances[i].done, i / 25 != 1); /* 25 keys share a request */
    }
    wait_for_the_world(); /* healed: what was open is sent again, and turns out to be done */
    assert_ok(slashing_store_advance(store, advances, FEW));
    for (size_t i = 0; i < FEW; i++)
        assert_true(advances[i].done && !advances[i].conflict);
    free(advances);
    slashing_store_close(store);
}

/* The world: all connections made so far have gone silent, and there are three of them. */
static void dead_connections_are_not_tried_in_turn(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(FEW);
    struct slashing_advance *advances = advances_to(store, FEW, 5), *later;
    assert_ok(slashing_store_advance(store, advances, FEW));
    later = advances_to(store, FEW, 6);
    wait_for_the_world();
    assert_ok(slashing_store_advance(store, later, 1)); /* two attempts fit into the deadline, three do not */
    assert_true(later[0].done);
    free(later);
    free(advances);
    slashing_store_close(store);
}

/* The world: the table is deleted. */
static void a_table_that_is_deleted(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(FEW);
    struct slashing_advance *advances = advances_to(store, FEW, 5);
    struct slashing_entry entry;
    struct slashing_head head;
    assert_ok(slashing_store_head(store, &head));
    assert_int_equal(head.num_validators, FEW);
    wait_for_the_world();
    assert_fails(E_STORE, slashing_store_advance(store, advances, FEW));
    for (size_t i = 0; i < FEW; i++)
        assert_false(advances[i].done || advances[i].conflict);
    assert_fails(E_STORE,
                 slashing_store_load_many(store, &entry, (const uint8_t(*)[48])advances[0].pubkey, 1));
    assert_fails(E_NOT_FOUND, slashing_store_head(store, &head));
    assert_error_names("there is no DynamoDB table");
    assert_int_not_equal(slashing_store_set_head(store, &head, &head, NULL, 0).code, E_NONE);
    free(advances);
    slashing_store_close(store);
}

static void wrong_credentials_are_named(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(1);
    struct aws_credentials wrong = {.access_key_id = ""};
    struct slashing_head head;
    assert_ok(aws_credentials_new(&wrong, "AKIDLOCALTESTS", "another-secret", ""));
    assert_ok(slashing_dynamodb_set_credentials(store, &wrong));
    assert_fails(E_STORE, slashing_store_head(store, &head));
    assert_error_names("InvalidSignatureException");
    aws_credentials_cleanup(&wrong);
    slashing_store_close(store);
}

/* Nothing of the store can be used, and the error says why. */
static void assert_unusable(struct slashing_store *store, const char *why)
{
    struct slashing_advance advance = {.next = vote_record(4, 5, 1)};
    const struct slashing_head zero = {.generation = 0};
    struct slashing_head head;
    struct slashing_entry entry;
    key_of(advance.pubkey, 0);
    assert_fails(E_STORE, slashing_store_head(store, &head));
    assert_error_names(why);
    assert_fails(E_STORE, slashing_store_load_many(store, &entry, (const uint8_t(*)[48])advance.pubkey, 1));
    assert_error_names(why);
    assert_fails(E_STORE, slashing_store_advance(store, &advance, 1));
    assert_error_names(why);
    assert_false(advance.done || advance.conflict);
    assert_fails(E_STORE, slashing_store_set_head(store, &zero, &zero, NULL, 0));
    assert_error_names(why);
}

/* The world, at each line: another account's table; the right one; a third account; the right one; another
 * table of the name. */
static void whose_table_it_is(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(1);
    struct slashing_head head;
    wait_for_the_world();
    assert_unusable(store, "this is another account's table");
    wait_for_the_world();
    assert_ok(slashing_store_head(store, &head));
    wait_for_the_world();
    assert_ok(slashing_store_head(store, &head)); /* once for a set of credentials */
    conformance_dynamodb_authorise(store);
    assert_unusable(store, "this is another account's table");
    wait_for_the_world();
    assert_ok(slashing_store_head(store, &head));
    wait_for_the_world();
    conformance_dynamodb_authorise(store);
    assert_unusable(store, "this is another table of the same name");
    wait_for_the_world();
    slashing_store_close(store);
}

/* The world: an answer that is no description of our table. */
static void an_answer_that_says_not_whose(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(1);
    wait_for_the_world();
    assert_unusable(store, "DescribeTable: ");
    slashing_store_close(store);
}

/* Two that change the head from the same state: one wins, whatever their heads look like. */
static void of_two_equal_heads_one_is_written(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(1), *other = conformance_dynamodb_open_raw();
    struct slashing_head old, next;
    assert_ok(slashing_store_head(store, &old));
    next = old;
    next.generation++;
    memset(next.mac, 7, sizeof next.mac);
    assert_ok(slashing_store_set_head(store, &old, &next, NULL, 0));
    assert_fails(E_MISMATCH, slashing_store_set_head(other, &old, &next, NULL, 0));
    assert_ok(slashing_store_head(other, &old));
    assert_int_equal(old.generation, next.generation);

    /* A validator that is enrolled already: neither it nor the head is changed. */
    struct slashing_enrolment again = {.entry.record = vote_record(8, 9, 1)};
    key_of(again.pubkey, 0);
    next.num_validators++;
    memset(next.mac, 8, sizeof next.mac);
    assert_fails(E_MISMATCH, slashing_store_set_head(other, &old, &next, &again, 1));
    assert_ok(slashing_store_head(other, &next));
    assert_memory_equal(&old, &next, sizeof old);
    slashing_store_close(other);
    slashing_store_close(store);
}

static double processor_seconds(void)
{
    struct rusage used;
    (void)getrusage(RUSAGE_SELF, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* The world: from now on every advance is said to be done, without a server behind. */
static void how_long_we_ourselves_take(void **state)
{
    (void)state;
    struct slashing_store *store = begin_raw(1);
    struct slashing_advance *advances = calloc(MANY, sizeof *advances);
    assert_non_null(advances);
    for (size_t i = 0; i < MANY; i++) {
        advances[i] = (struct slashing_advance){.old = nothing, .next = vote_record(4, 5, (uint8_t)i)};
        key_of(advances[i].pubkey, i);
    }
    wait_for_the_world();
    for (int round = 0; round < 3; round++) {
        double used = processor_seconds();
        uint64_t start = clock_monotonic_ns();
        assert_ok(slashing_store_advance(store, advances, MANY));
        (void)printf("%d advances: %.3f s, of which we computed %.3f s\n", MANY,
                     (double)(clock_monotonic_ns() - start) / 1e9, processor_seconds() - used);
    }
    free(advances);
    slashing_store_close(store);
}

int conformance_dynamodb_checks(const char *pattern)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_deadline_leaves_some_open),
        cmocka_unit_test(dead_connections_are_not_tried_in_turn),
        cmocka_unit_test(a_table_that_is_deleted),
        cmocka_unit_test(wrong_credentials_are_named),
        cmocka_unit_test(whose_table_it_is),
        cmocka_unit_test(an_answer_that_says_not_whose),
        cmocka_unit_test(of_two_equal_heads_one_is_written),
        cmocka_unit_test(how_long_we_ourselves_take),
    };
    cmocka_set_test_filter(pattern);
    return cmocka_run_group_tests_name("dynamodb", tests, NULL, NULL);
}
