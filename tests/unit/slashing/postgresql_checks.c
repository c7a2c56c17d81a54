/* postgresql_checks.c - what the PostgreSQL store does beside what every store does: in the database's own
 * terms, as a Web3Signer on it would see them. */
#include "store_testing.h"

#include <libpq-fe.h>
#include <pthread.h>

#include "base/clock.h"
#include "slashing/slashing_postgresql.h"
#include "store_conformance.h"

static struct conformance_target *target;
static PGconn *connection; /* the peer's */
static struct slashing_store *store;
static const struct slashing_record nothing;

static int setup(void **state)
{
    (void)state;
    target->begin(target, NULL, 0);
    connection = PQconnectdb(target->place);
    store = target->open(target);
    return PQstatus(connection) == CONNECTION_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    slashing_store_close(store);
    PQfinish(connection);
    return 0;
}

/* The first value of the answer, "" when there is none. */
static const char *sql(const char *text)
{
    static char value[128];
    PGresult *answer = PQexec(connection, text);
    ExecStatusType status = PQresultStatus(answer);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
        fail_msg("%s: %s", text, PQerrorMessage(connection));
    bool has_value = PQntuples(answer) > 0 && PQnfields(answer) > 0;
    (void)snprintf(value, sizeof value, "%s", has_value ? PQgetvalue(answer, 0, 0) : "");
    PQclear(answer);
    return value;
}

/* Validator number n of advance_of() gets id n. */
static void know(int num)
{
    char text[160];
    for (int n = 1; n <= num; n++) {
        (void)snprintf(
            text, sizeof text,
            "INSERT INTO validators (id, public_key) VALUES (%d, decode(repeat('%02x', 48), 'hex'))", n, n);
        (void)sql(text);
    }
    (void)sql("SELECT setval('validators_id_seq', 1000)");
}

static struct slashing_advance advanced(uint8_t key, struct slashing_record old, struct slashing_record next)
{
    struct slashing_advance a = advance_of(key, &old, &next);
    assert_ok(slashing_store_advance(store, &a, 1));
    return a;
}

static struct slashing_record without_root(struct slashing_record r)
{
    r.block_has_root = r.attestation_has_root = false;
    memset(r.block_root, 0, 32);
    memset(r.attestation_root, 0, 32);
    return r;
}

#define FLOORS                                                                                               \
    "SELECT coalesce(slot, -1) || ' ' || coalesce(source_epoch, -1) || ' ' || coalesce(target_epoch, -1) "   \
    "FROM low_watermarks WHERE validator_id = 1"

static void a_signature_is_a_row_and_the_first_sets_the_floor(void **state)
{
    (void)state;
    know(1);
    struct slashing_record one = vote_record(1, 2, 7), two = vote_record(2, 3, 8), three = two;
    assert_true(advanced(1, nothing, one).done);
    assert_string_equal(sql(FLOORS), "-1 1 2");
    assert_true(advanced(1, one, two).done);
    assert_string_equal(sql(FLOORS), "-1 1 2");
    three.has_block = three.block_has_root = true;
    three.block_slot = 40;
    memset(three.block_root, 9, 32);
    assert_true(advanced(1, two, three).done);
    assert_string_equal(sql(FLOORS), "40 1 2");
    assert_string_equal(
        sql("SELECT string_agg(source_epoch || '-' || target_epoch || '-' || "
            "encode(substr(signing_root, 32), 'hex'), ' ' ORDER BY id) FROM signed_attestations"),
        "1-2-07 2-3-08");
    assert_string_equal(
        sql("SELECT slot || '-' || encode(substr(signing_root, 32), 'hex') FROM signed_blocks"), "40-09");
    struct slashing_record r = stored(store, 1);
    assert_record_equal(&r, &three);
}

static void a_mark_without_a_message_raises_the_floor(void **state)
{
    (void)state;
    know(1);
    struct slashing_record one = vote_record(1, 2, 7), mark = without_root(vote_record(8, 9, 0));
    mark.has_block = true;
    mark.block_slot = 50;
    assert_true(advanced(1, nothing, one).done);
    assert_true(advanced(1, one, mark).done);
    assert_string_equal(sql(FLOORS), "50 8 9");
    assert_string_equal(sql("SELECT count(*) FROM signed_attestations WHERE signing_root IS NULL AND "
                            "source_epoch = 8 AND target_epoch = 9"),
                        "1");
    assert_string_equal(sql("SELECT slot FROM signed_blocks WHERE signing_root IS NULL"), "50");
    struct slashing_record r = stored(store, 1), again = without_root(vote_record(8, 9, 0));
    assert_record_equal(&r, &mark);
    /* Of a vote that stood there, the root is forgotten: two messages are one too many. */
    know(0);
    again = vote_record(8, 10, 3);
    again.has_block = true;
    again.block_slot = 50;
    assert_true(advanced(1, mark, again).done);
    assert_true(advanced(1, again, without_root(again)).done);
    assert_string_equal(
        sql("SELECT count(*) FROM signed_attestations WHERE target_epoch = 10 AND signing_root IS "
            "NULL"),
        "1");
}

static void marks_are_not_lowered(void **state)
{
    (void)state;
    know(1);
    struct slashing_record two = vote_record(5, 6, 1), one = vote_record(4, 7, 1);
    assert_true(advanced(1, nothing, two).done);
    struct slashing_advance a = advance_of(1, &two, &one);
    assert_fails(E_INPUT, slashing_store_advance(store, &a, 1));
    assert_false(a.done || a.conflict);
}

static void a_validator_that_was_disabled_meanwhile(void **state)
{
    (void)state;
    know(1);
    struct slashing_record one = vote_record(1, 2, 1), two = vote_record(2, 3, 1);
    assert_true(advanced(1, nothing, one).done);
    (void)sql("UPDATE validators SET enabled = false");
    struct slashing_advance a = advanced(1, one, two);
    assert_true(a.conflict && a.found.record.disabled && !a.done);
    assert_string_equal(sql("SELECT max(target_epoch) FROM signed_attestations"), "2");
    struct slashing_record disabled = one;
    disabled.disabled = true;
    assert_true(advanced(1, disabled, one).done);
    assert_string_equal(sql("SELECT enabled FROM validators"), "t");
    assert_true(advanced(1, one, disabled).done);
    assert_string_equal(sql("SELECT enabled FROM validators"), "f");
}

static void a_high_watermark_that_was_set_meanwhile(void **state)
{
    (void)state;
    know(3);
    (void)sql("INSERT INTO metadata VALUES (1, decode(repeat('11', 32), 'hex'), 10, 320)");
    struct slashing_record below = vote_record(8, 9, 1), at = vote_record(9, 10, 1),
                           block = block_record(320, 1);
    struct slashing_advance batch[] = {advance_of(1, &nothing, &at), advance_of(2, &nothing, &below),
                                       advance_of(3, &nothing, &block)};
    assert_fails(E_STORE, slashing_store_advance(store, batch, 3));
    assert_error_names("high watermark");
    assert_true(batch[1].done && !batch[0].done && !batch[0].conflict && !batch[2].done &&
                !batch[2].conflict);
    assert_string_equal(sql("SELECT count(*) FROM signed_attestations"), "1");
    assert_string_equal(sql("SELECT count(*) FROM signed_blocks"), "0");
    (void)sql("UPDATE metadata SET high_watermark_epoch = NULL, high_watermark_slot = NULL");
    assert_ok(slashing_store_advance(store, batch, 3));
    assert_true(batch[0].done && batch[1].done && batch[2].done);
}

static void half_a_high_watermark(void **state)
{
    (void)state;
    struct slashing_head head;
    (void)sql("INSERT INTO metadata VALUES (1, decode(repeat('11', 32), 'hex'), NULL, 320)");
    assert_ok(slashing_store_head(store, &head));
    assert_true(head.has_genesis && head.has_high_watermark);
    assert_true(head.high_slot == 320 && head.high_epoch == UINT64_MAX);
}

/* All that the rows say is folded, whoever wrote them. */
static void rows_of_others_count(void **state)
{
    (void)state;
    know(4);
    (void)sql(
        "INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch, signing_root) VALUES "
        "(1, 90, 5, NULL), (1, 10, 50, decode(repeat('aa', 32), 'hex')),"
        "(2, 10, 50, decode(repeat('aa', 31), 'hex')),"
        "(3, 10, 50, decode(repeat('aa', 32), 'hex')), (4, 18446744073709551615, 18446744073709551615, "
        "NULL)");
    (void)sql(
        "INSERT INTO low_watermarks (validator_id, slot, source_epoch, target_epoch) VALUES (3, 7, 11, 12)");
    struct slashing_record wanted = without_root(vote_record(90, 50, 0)), r = stored(store, 1);
    assert_record_equal(&r, &wanted);
    wanted = without_root(vote_record(10, 50, 0));
    r = stored(store, 2);
    assert_record_equal(&r, &wanted);
    wanted = without_root(vote_record(11, 50, 0));
    wanted.has_block = true;
    wanted.block_slot = 7;
    r = stored(store, 3);
    assert_record_equal(&r, &wanted);
    wanted = without_root(vote_record(UINT64_MAX, UINT64_MAX, 0));
    r = stored(store, 4);
    assert_record_equal(&r, &wanted);
    /* A source above its target is found when it is loaded, and does not stand in the way afterwards. */
    struct slashing_record old = stored(store, 1), next = vote_record(95, 96, 1);
    assert_true(advanced(1, old, next).done);
    r = stored(store, 1);
    assert_record_equal(&r, &next);
    (void)sql("UPDATE signed_attestations SET target_epoch = 99999999999999999999 WHERE validator_id = 4");
    uint8_t key[48];
    memset(key, 4, sizeof key);
    assert_fails(E_STORE, slashing_store_load(store, &r, key));
}

enum { KEYS = 200 };

static void the_round_trips_do_not_grow_with_the_batch(void **state)
{
    (void)state;
    struct slashing_advance batch[KEYS];
    for (uint8_t i = 0; i < KEYS; i++) {
        struct slashing_record r = vote_record(1, 2, i);
        batch[i] = advance_of((uint8_t)(i + 1), &nothing, &r);
    }
    uint64_t before = slashing_postgresql_round_trips(store);
    assert_ok(slashing_store_advance(store, batch, KEYS));
    assert_int_equal(slashing_postgresql_round_trips(store) - before, 2);
    for (size_t i = 0; i < KEYS; i++) {
        batch[i].next = vote_record(2, 3, 1); /* and the old records are those of before: all in conflict */
    }
    before = slashing_postgresql_round_trips(store);
    assert_ok(slashing_store_advance(store, batch, KEYS));
    assert_true(batch[0].conflict && batch[KEYS - 1].conflict);
    assert_int_equal(slashing_postgresql_round_trips(store) - before, 3);
    assert_int_equal(batch[7].found.record.target_epoch, 2);
}

/* The peer holds the second lock and wants the first, the store the other way round: the server ends one of
 * the two. Whichever it is, the store comes to its end. */
static void *cross(void *context)
{
    PGconn *peer = context;
    bool waits = false;
    while (!waits) { /* until the store has the first and waits for the second */
        PGresult *answer =
            PQexec(peer, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted");
        waits = PQntuples(answer) != 1 || strcmp(PQgetvalue(answer, 0, 0), "0") != 0;
        PQclear(answer);
    }
    PQclear(PQexec(peer, "SELECT pg_advisory_xact_lock(1, 1)"));
    PQclear(PQexec(peer, "ROLLBACK"));
    return NULL;
}

static void a_deadlock_is_survived(void **state)
{
    (void)state;
    pthread_t thread;
    know(2);
    (void)sql("SET deadlock_timeout = '60s'"); /* so that it is not the peer who notices */
    (void)sql("BEGIN");
    (void)sql("SELECT pg_advisory_xact_lock(1, 2)");
    struct slashing_record one = vote_record(1, 2, 1);
    struct slashing_advance batch[] = {advance_of(1, &nothing, &one), advance_of(2, &nothing, &one)};
    assert_int_equal(pthread_create(&thread, NULL, cross, connection), 0);
    result r = slashing_store_advance(store, batch, 2);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_ok(r);
    assert_true(batch[0].done && batch[1].done);
}

static struct slashing_record with_block(struct slashing_record r, uint64_t slot)
{
    r.has_block = r.block_has_root = true;
    r.block_slot = slot;
    memset(r.block_root, 1, 32);
    return r;
}

/* As an import of several keys beside signatures: every kind of row that there is, and the end. */
static void all_kinds_of_rows_in_one_batch(void **state)
{
    (void)state;
    enum { SIGNED = 1, MARKED, RAISED, TOUCHED, ENABLED, NUM = ENABLED };
    struct slashing_record all = with_block(vote_record(8, 9, 1), 40), off = all, marks = without_root(all);
    off.disabled = true;
    know(NUM);
    for (uint8_t n = RAISED; n <= ENABLED; n++)
        assert_true(advanced(n, nothing, n == ENABLED ? off : all).done);
    struct slashing_advance batch[] = {advance_of(SIGNED, &nothing, &all),
                                       advance_of(MARKED, &nothing, &marks), advance_of(RAISED, &all, &all),
                                       advance_of(TOUCHED, &all, &all), advance_of(ENABLED, &off, &all)};
    batch[1].is_history = batch[2].is_history = batch[4].is_history = true;
    assert_ok(slashing_store_advance(store, batch, NUM));
    for (uint8_t n = 1; n <= NUM; n++) {
        struct slashing_record r = stored(store, n);
        assert_true(batch[n - 1].done);
        assert_record_equal(&r, n == MARKED ? &marks : &all);
    }
}

/* A figure: the same advance before and behind a long history that nobody pruned. */
static void a_long_history_costs_nothing(void **state)
{
    (void)state;
    know(1);
    (void)sql(
        "INSERT INTO signed_attestations (validator_id, source_epoch, target_epoch) SELECT 1, n, n + 1 FROM "
        "generate_series(0, 200000) AS n");
    struct slashing_record old = stored(store, 1);
    assert_int_equal(old.target_epoch, 200001);
    uint64_t start = clock_monotonic_ns();
    for (uint64_t i = 1; i <= 20; i++) {
        struct slashing_record next = vote_record(200001 + i, 200002 + i, 1);
        assert_true(advanced(1, old, next).done);
        old = next;
    }
    print_message("an advance behind 200,000 rows: %.2f ms\n", (double)(clock_monotonic_ns() - start) / 20e6);
}

int postgresql_checks_run(struct conformance_target *under_test)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_signature_is_a_row_and_the_first_sets_the_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(a_mark_without_a_message_raises_the_floor, setup, teardown),
        cmocka_unit_test_setup_teardown(marks_are_not_lowered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_validator_that_was_disabled_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(a_high_watermark_that_was_set_meanwhile, setup, teardown),
        cmocka_unit_test_setup_teardown(half_a_high_watermark, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_of_others_count, setup, teardown),
        cmocka_unit_test_setup_teardown(the_round_trips_do_not_grow_with_the_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_deadlock_is_survived, setup, teardown),
        cmocka_unit_test_setup_teardown(all_kinds_of_rows_in_one_batch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_long_history_costs_nothing, setup, teardown),
    };
    target = under_test;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
