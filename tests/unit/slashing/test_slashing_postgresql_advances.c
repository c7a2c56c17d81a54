/* test_slashing_postgresql_advances.c - advances, heads and transactions of the PostgreSQL store above a
 * scripted server: what is compared with what, what is tried again, and every call that fails in turn. What
 * was said to be durable is there. */
#include "scripted_postgresql.h"
#include "slashing/slashing_fold.h"

#define ROOT "1111111111111111111111111111111111111111111111111111111111111111"
#define OTHER "2222222222222222222222222222222222222222222222222222222222222222"

static const struct slashing_record none;
static struct slashing_store *store;

static int set_up(void **state)
{
    (void)state;
    server_begin();
    store = server_open();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    slashing_store_close(store);
    return 0;
}

static struct slashing_record block(uint64_t slot, bool has_root)
{
    struct slashing_record r = block_record(slot, 0x11);
    r.block_has_root = has_root;
    memset(r.block_root, has_root ? 0x11 : 0, 32);
    return r;
}

static struct slashing_record vote(uint64_t source, uint64_t target, bool has_root)
{
    struct slashing_record r = vote_record(source, target, 0x11);
    r.attestation_has_root = has_root;
    memset(r.attestation_root, has_root ? 0x11 : 0, 32);
    return r;
}

static result advance_one(const struct slashing_record *old, const struct slashing_record *next,
                          bool *ret_done, bool *ret_conflict)
{
    struct slashing_advance advance = advance_of(1, old, next);
    result r = slashing_store_advance(store, &advance, 1);
    *ret_done = advance.done;
    *ret_conflict = advance.conflict;
    return r;
}

/* ---- what is compared ---- */

/* What was loaded is there but for a source that quick reading does not see; and only that may be missing. */
static void only_a_source_may_be_missing(void **state)
{
    (void)state;
    static const struct {
        struct pg_validator rows;
        uint64_t old_source, old_target;
        bool old_vote, old_root, old_block, old_disabled, done;
    } rows[] = {
        {{.source = "1", .target = "9"}, 5, 9, true, false, false, false, true},
        {{.source = "1", .target = "9"}, 5, 9, true, true, false, false, false},
        {{.source = "6", .target = "9"}, 5, 9, true, false, false, false, false},
        {{.source = "1", .target = "8"}, 5, 9, true, false, false, false, false},
        {{.source = "1", .target = "9"}, 5, 9, true, false, true, false, false},
        {{.source = "1", .target = "9"}, 5, 9, true, false, false, true, false},
        {{.source = "1", .target = "9"}, 0, 0, false, false, false, false, false},
        {{.slot = ""}, 5, 9, true, false, false, false, false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slashing_record old =
            rows[i].old_vote ? vote(rows[i].old_source, rows[i].old_target, rows[i].old_root) : none;
        struct slashing_record next = vote(rows[i].old_source, 10, true);
        bool done, conflict;
        server.of[1] = rows[i].rows;
        old.has_block = next.has_block = rows[i].old_block;
        old.block_slot = next.block_slot = rows[i].old_block ? 3 : 0;
        old.disabled = next.disabled = rows[i].old_disabled;
        assert_ok(advance_one(&old, &next, &done, &conflict));
        if (done != rows[i].done || conflict == rows[i].done)
            fail_msg("case %zu: done %d, conflict %d", i, done, conflict);
        assert_int_equal(strcmp(server.of[1].target, "10") == 0, rows[i].done);
    }
}

/* All of a record counts, its roots too. */
static void another_record_is_a_conflict(void **state)
{
    (void)state;
    static const struct {
        struct pg_validator rows;
        uint64_t slot, source, target; /* of what was loaded; 0: none */
        bool has_root, done;
    } rows[] = {
        {{.slot = "5", .block_root = ROOT}, 5, 0, 0, true, true},
        {{.slot = "5", .block_root = ROOT}, 5, 0, 0, false, false},
        {{.slot = "5", .block_root = OTHER}, 5, 0, 0, true, false},
        {{.slot = "5"}, 5, 0, 0, true, false},
        {{.slot = "5"}, 5, 0, 0, false, true},
        {{.slot = "4", .block_root = ROOT}, 5, 0, 0, true, false},
        {{.slot = ""}, 5, 0, 0, true, false},
        {{.slot = "5", .block_root = ROOT}, 0, 0, 0, true, false},
        {{.source = "1", .target = "2", .vote_root = ROOT}, 0, 1, 2, true, true},
        {{.source = "1", .target = "2", .vote_root = ROOT}, 0, 1, 2, false, false},
        {{.source = "1", .target = "2", .vote_root = OTHER}, 0, 1, 2, true, false},
        {{.source = "1", .target = "3", .vote_root = ROOT}, 0, 1, 2, true, false},
        {{.source = "2", .target = "2", .vote_root = ROOT}, 0, 1, 2, true, false},
        {{.source = "1", .target = "2", .vote_root = ROOT}, 0, 0, 0, true, false},
        {{.source = "1", .target = "2"}, 0, 1, 2, false, true},
        {{.slot = ""}, 0, 0, 0, false, true},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const struct slashing_record seven = block(7, true);
        struct slashing_record old = rows[i].target ? vote(rows[i].source, rows[i].target, rows[i].has_root)
                                                    : none,
                               next;
        struct slashing_record with_block = rows[i].slot ? block(rows[i].slot, rows[i].has_root) : none;
        bool done, conflict;
        server.of[1] = rows[i].rows;
        slashing_merge(&old, &old, &with_block);
        slashing_merge(&next, &old, &seven);
        assert_ok(advance_one(&old, &next, &done, &conflict));
        if (done != rows[i].done || conflict == rows[i].done)
            fail_msg("case %zu: done %d, conflict %d", i, done, conflict);
        assert_int_equal(strcmp(server.of[1].slot, "7") == 0, rows[i].done);
    }
}

static void what_changes_nothing_takes_no_locks_and_what_is_gone_goes_not_on(void **state)
{
    (void)state;
    bool done, conflict;
    assert_ok(advance_one(&none, &none, &done, &conflict));
    assert_true(done && !conflict);
    struct pg_exchange ask = {0};
    (void)slashing_pg_add(&ask, "SELECT");
    slashing_pg_disconnect((struct slashing_postgresql *)store);
    assert_fails(E_STORE, slashing_pg_go_on((struct slashing_postgresql *)store, &ask));
    assert_int_equal(server.num_connections, 1);
}

struct floor_case {
    uint64_t slot, source, target; /* that are merged */
    bool is_history;
    const char *low_slot, *low_source, *low_target, *kept_slot, *kept_target;
    unsigned touched;
};

static void advance_twice(const struct floor_case *c)
{
    const struct pg_validator *now = &server.of[1];
    const struct slashing_record six = block(60, true), another = block(c->slot, true);
    struct slashing_record old = vote(6, 7, true), next = vote(c->source, c->target, true);
    slashing_merge(&old, &old, &six);
    slashing_merge(&next, &next, &another);
    server.of[1] = (struct pg_validator){.slot = "60",
                                         .block_root = ROOT,
                                         .source = "6",
                                         .target = "7",
                                         .vote_root = ROOT,
                                         .low_slot = "10",
                                         .low_source = "1",
                                         .low_target = "2"};
    struct slashing_advance advance = advance_of(1, &old, &next);
    advance.is_history = c->is_history;
    for (int again = 0; again < 2; again++) { /* the second time it is there */
        assert_ok(slashing_store_advance(store, &advance, 1));
        assert_true(advance.done);
        assert_string_equal(now->low_slot, c->low_slot);
        assert_string_equal(now->low_source, c->low_source);
        assert_string_equal(now->low_target, c->low_target);
        assert_true(again || strcmp(now->kept_slot, c->kept_slot) == 0);
        assert_true(again || strcmp(now->kept_target, c->kept_target) == 0);
        assert_string_equal(now->block_root, ROOT);
    }
    assert_int_equal(now->touched, 2 * c->touched);
}

/* What an import says was signed somewhere below its marks, and there Web3Signer would sign again. */
static void a_history_raises_the_low_watermarks(void **state)
{
    (void)state;
    static const struct floor_case cases[] = {
        {60, 6, 7, true, "60", "6", "7", "60", "7", 0}, {61, 6, 7, true, "61", "6", "7", "", "7", 0},
        {60, 8, 9, true, "60", "8", "9", "60", "", 0},  {61, 8, 9, true, "61", "8", "9", "", "", 0},
        {61, 8, 9, false, "10", "1", "2", "", "", 0},   {60, 6, 7, false, "10", "1", "2", "", "", 1},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++)
        advance_twice(&cases[i]);
}

/* Where a floor cannot be, nothing is imported: a gap would be left below the mark. */
static void a_history_above_the_high_watermark_is_refused_though_it_is_there(void **state)
{
    (void)state;
    const struct slashing_record six = block(60, true);
    struct slashing_advance above = advance_of(2, &six, &six), empty = advance_of(3, &none, &none);
    (void)snprintf(server.high_slot, sizeof server.high_slot, "59");
    server.of[2] = (struct pg_validator){.slot = "60", .block_root = ROOT};
    assert_ok(slashing_store_advance(store, &above, 1));
    above.is_history = empty.is_history = true;
    assert_fails(E_STORE, slashing_store_advance(store, &above, 1));
    assert_error_names("the high watermark");
    assert_ok(slashing_store_advance(store, &empty, 1));
    assert_true(empty.done);
}

static result advance_in_transaction(void *context)
{
    struct slashing_advance *advance = context;
    return slashing_store_advance(store, advance, 1);
}

/* A signature stays below the high watermark, a mark may reach it, and so may what is imported. */
static void nothing_is_above_the_high_watermark(void **state)
{
    (void)state;
    static const struct {
        const char *slot, *epoch;
        uint64_t next_slot, source, target; /* 0: none */
        bool has_root, signs, imports;
    } rows[] = {
        {"10", "", 9, 0, 0, true, true, true},     {"10", "", 10, 0, 0, true, false, true},
        {"10", "", 10, 0, 0, false, true, true},   {"10", "", 11, 0, 0, true, false, false},
        {"10", "", 11, 0, 0, false, false, false}, {"10", "", 0, 4, 500, true, true, true},
        {"", "20", 99, 0, 0, true, true, true},    {"", "20", 0, 4, 19, true, true, true},
        {"", "20", 0, 4, 20, true, false, true},   {"", "20", 0, 4, 20, false, true, true},
        {"", "20", 0, 4, 21, true, false, false},  {"", "20", 0, 4, 21, false, false, false},
        {"", "20", 0, 25, 5, false, false, false}, {"", "", 99, 25, 26, true, true, true},
    };
    for (size_t i = 0; i < 2 * ARRAY_LENGTH(rows); i++) {
        const bool imports = i % 2;
        const size_t at = i / 2;
        bool expected = imports ? rows[at].imports : rows[at].signs;
        struct slashing_record next =
            rows[at].target ? vote(rows[at].source, rows[at].target, rows[at].has_root) : none;
        struct slashing_record with_block =
            rows[at].next_slot ? block(rows[at].next_slot, rows[at].has_root) : none;
        slashing_merge(&next, &next, &with_block);
        memset(&server.of[1], 0, sizeof server.of[1]);
        (void)snprintf(server.high_slot, sizeof server.high_slot, "%s", rows[at].slot);
        (void)snprintf(server.high_epoch, sizeof server.high_epoch, "%s", rows[at].epoch);
        struct slashing_advance advance = advance_of(1, &none, &next);
        advance.is_history = imports;
        result r = imports ? slashing_store_transaction(store, advance_in_transaction, &advance)
                           : slashing_store_advance(store, &advance, 1);
        if (r.code != (expected ? E_NONE : E_STORE) || advance.done != expected)
            fail_msg("case %zu, imported %d: %s", at, imports, r.code ? error_text() : "taken");
        if (r.code)
            assert_error_names("the high watermark");
        assert_int_equal(server.of[1].slot[0] || server.of[1].target[0], expected);
    }
}

static void what_cannot_be_asked_for(void **state)
{
    (void)state;
    const struct slashing_record five = block(5, true), four = block(4, true);
    struct slashing_advance lowered = advance_of(1, &five, &four);
    struct slashing_advance advances[] = {advance_of(2, &none, &five), advance_of(2, &none, &five),
                                          advance_of(3, &none, &five), advance_of(4, &none, &five)};
    assert_fails(E_INPUT, slashing_store_advance(store, &lowered, 1));
    assert_error_names("cannot be lowered");
    assert_fails(E_INPUT, slashing_store_advance(store, advances, 4));
    assert_error_names("twice in one batch");
    assert_ok(slashing_store_advance(store, advances + 1, 3));
    assert_ok(slashing_store_advance(store, NULL, 0));
    assert_string_equal(server.of[4].slot, "5");
}

static void tell(const char *word, const char *rows, const char *state, int times)
{
    server.answers[0] = (struct pg_answer){.word = word, .rows = rows, .state = state, .times = times};
}

/* The answers of the first round trip. */
static void reading_that_was_not_whole_is_none(void **state)
{
    (void)state;
#define NULLS "|~|~|~|~|~|~|~|~|~"
    static const struct {
        const char *word, *rows, *names;
    } rows[] = {
        {"pg_advisory", "", "not every lock"},
        {"pg_advisory", "x;x", "not every lock"},
        {"ORDINALITY", "", "not every record"},
        {"ORDINALITY", "~|~|~" NULLS "|~|~", "is not there"},
        {"ORDINALITY", "1|aa|t" NULLS "|x|~", "no number"},
        {"ORDINALITY", "1|aa|t" NULLS "|~|x", "no number"},
        {"ORDINALITY", "1|aa|t", "records of 3 columns"},
    };
    const struct slashing_record five = block(5, true);
    bool done, conflict;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        tell(rows[i].word, rows[i].rows, NULL, -1);
        result r = advance_one(&none, &five, &done, &conflict);
        if (r.code != E_STORE || done || conflict || !strstr(error_text(), rows[i].names))
            fail_msg("%s: %s: %s", rows[i].word, rows[i].rows, r.code ? error_text() : "taken");
        assert_string_equal(server.of[1].slot, "");
    }
}

/* ---- what is tried again ---- */

static void what_is_tried_again_and_how_often(void **state)
{
    (void)state;
    static const struct {
        const char *word, *state;
        int times;
        bool done;
    } rows[] = {
        {"INTO signed_blocks", "40001", 2, true},
        {"INTO signed_blocks", "40P01", 5, true},
        {"INTO signed_blocks", "55P03", 1, true},
        {"INTO signed_blocks", "23505", 6, false},
        {"INTO signed_blocks", "42501", 1, false},
        {"COMMIT", "?", 1, true},
        {"BEGIN", "?", -1, false},
        {"COMMIT", "40001", -1, false},
        {"pg_advisory", "40P01", 3, true},
    };
    const struct slashing_record five = block(5, true);
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        bool done, conflict;
        memset(&server.of[1], 0, sizeof server.of[1]);
        tell(rows[i].word, NULL, rows[i].state, rows[i].times);
        result r = advance_one(&none, &five, &done, &conflict);
        if (r.code != (rows[i].done ? E_NONE : E_STORE) || done != rows[i].done || conflict)
            fail_msg("%s, %s: %s", rows[i].word, rows[i].state, r.code ? error_text() : "taken");
        assert_int_equal(server.of[1].slot[0] != 0, rows[i].done);
        tell(NULL, NULL, NULL, 0);
    }
}

/* Lost on the way of its answer: found on the next connection, and done. */
static void a_commit_of_which_nothing_is_heard_is_looked_for(void **state)
{
    (void)state;
    const struct slashing_record five = block(5, true);
    bool done, conflict;
    server.lose_commit = true;
    assert_ok(advance_one(&none, &five, &done, &conflict));
    assert_true(done && !conflict && server.num_connections == 2);
    assert_string_equal(server.of[1].slot, "5");
    tell("COMMIT", NULL, NULL, 0);
    server.answers[0].tag = "ROLLBACK"; /* a server says so of a transaction that has failed */
    const struct slashing_record six = block(6, true);
    assert_fails(E_STORE, advance_one(&five, &six, &done, &conflict));
    assert_error_names("was rolled back");
    assert_true(!done && strcmp(server.of[1].slot, "5") == 0);
}

/* The second piece is done though the first was refused, and both are said. */
static void conflicts_are_read_once_more(void **state)
{
    (void)state;
    const struct slashing_record five = block(5, true), six = block(6, true);
    struct slashing_advance advances[] = {advance_of(1, &none, &five), advance_of(2, &five, &six),
                                          advance_of(3, &none, &five)};
    assert_ok(slashing_store_advance(store, advances, 3));
    assert_true(advances[0].done && advances[1].conflict && advances[2].done &&
                !advances[1].found.record.has_block);
    tell("max(source_epoch) AS source_epoch FROM signed_attestations WHERE validator_id = v.id) s", NULL,
         "42501", 0);
    struct slashing_advance again = advance_of(2, &five, &six);
    assert_fails(E_STORE, slashing_store_advance(store, &again, 1));
    assert_false(again.done || again.conflict);
}

/* ---- heads ---- */

static struct slashing_head head_of(bool has_genesis, bool has_high, uint64_t epoch, uint64_t slot)
{
    struct slashing_head head = {
        .has_genesis = has_genesis, .has_high_watermark = has_high, .high_epoch = epoch, .high_slot = slot};
    memset(head.genesis_validators_root, has_genesis ? 0x11 : 0, 32);
    return head;
}

static void a_head_is_changed_from_what_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *genesis, *epoch, *slot; /* in the database */
        bool old_high, next_high;
        uint64_t old_epoch, old_slot, next_epoch, next_slot;
        int code;
    } rows[] = {
        {ROOT, "", "", false, true, 0, 0, 7, 8, E_NONE},
        {ROOT, "7", "8", true, true, 7, 8, 9, 9, E_NONE},
        {ROOT, "9", "9", true, true, 7, 8, 9, 9, E_NONE},
        {ROOT, "7", "9", true, true, 7, 8, 9, 9, E_MISMATCH},
        {ROOT, "6", "8", true, true, 7, 8, 9, 9, E_MISMATCH},
        {ROOT, "", "", true, true, 7, 8, 9, 9, E_MISMATCH},
        {ROOT, "7", "8", true, false, 7, 8, 0, 0, E_NONE},
        {OTHER, "", "", false, true, 0, 0, 7, 8, E_MISMATCH},
        {"", "", "", false, true, 0, 0, 7, 8, E_NONE},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        struct slashing_head found,
            old = head_of(true, rows[i].old_high, rows[i].old_epoch, rows[i].old_slot),
            next = head_of(true, rows[i].next_high, rows[i].next_epoch, rows[i].next_slot);
        (void)snprintf(server.genesis, sizeof server.genesis, "%s", rows[i].genesis);
        (void)snprintf(server.high_epoch, sizeof server.high_epoch, "%s", rows[i].epoch);
        (void)snprintf(server.high_slot, sizeof server.high_slot, "%s", rows[i].slot);
        result r = slashing_store_set_head(store, &old, &next, NULL, 0);
        if (r.code != rows[i].code)
            fail_msg("case %zu: %s", i, r.code ? error_text() : "taken");
        assert_ok(slashing_store_head(store, &found));
        if (!r.code)
            assert_true(found.has_high_watermark == next.has_high_watermark &&
                        found.high_epoch == next.high_epoch && found.high_slot == next.high_slot);
        else
            assert_string_equal(server.high_epoch, rows[i].epoch);
    }
}

static void heads_that_cannot_be_there(void **state)
{
    (void)state;
    const struct slashing_head empty = head_of(false, false, 0, 0), locked = head_of(true, false, 0, 0),
                               high = head_of(false, true, 1, 1);
    struct slashing_enrolment two[2] = {{.entry = {.stamp.generation = 0}}};
    memset(two[1].pubkey, 1, 48);
    assert_fails(E_STATE, slashing_store_set_head(store, &empty, &high, NULL, 0));
    assert_ok(slashing_store_set_head(store, &empty, &empty, NULL, 0));
    tell("FOR UPDATE", "", NULL, 0); /* the row went away between INSERT and SELECT */
    assert_fails(E_MISMATCH, slashing_store_set_head(store, &empty, &locked, NULL, 0));
    tell("FOR UPDATE", ROOT "|x|~", NULL, 0);
    assert_fails(E_STORE, slashing_store_set_head(store, &empty, &locked, NULL, 0));
    static const char *const refused[] = {"FOR UPDATE", "COMMIT", "upsert_validators", "BEGIN"};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        tell(refused[i], NULL, "42501", 0);
        assert_fails(E_STORE, slashing_store_set_head(store, &empty, &locked, two, 2));
        assert_string_equal(server.genesis, "");
    }
    tell("COMMIT", NULL, NULL, 0);
    server.answers[0].tag = "ROLLBACK";
    assert_fails(E_STORE, slashing_store_set_head(store, &empty, &locked, two, 2));
    assert_ok(slashing_store_set_head(store, &empty, &locked, two, 2));
    assert_string_equal(server.genesis, ROOT);
    for (int i = 0; i < 3; i++) {
        two[1].entry.record =
            (struct slashing_record){.disabled = i == 0, .has_block = i == 1, .has_attestation = i == 2};
        assert_fails(E_UNSUPPORTED, slashing_store_set_head(store, &locked, &locked, two, 2));
    }
}

/* ---- transactions ---- */

static result begin_another(void *context)
{
    return slashing_store_transaction(store, begin_another, context);
}

static result set_heads(void *context)
{
    struct slashing_head old, next;
    const struct slashing_head *other = context;
    TRY(slashing_store_head(store, &old));
    next = old;
    next.has_genesis = true;
    memset(next.genesis_validators_root, 0x11, 32);
    TRY(slashing_store_set_head(store, &old, &next, NULL, 0));
    TRY(slashing_store_set_head(store, &next, &next, NULL, 0)); /* nothing */
    old = next;
    next.has_high_watermark = true;
    next.high_epoch = 7;
    next.high_slot = 700;
    TRY(slashing_store_set_head(store, &old, &next, NULL, 0));
    return other ? slashing_store_set_head(store, &old, other, NULL, 0) : RESULT_OK;
}

static result say_nothing_of_it(void *context)
{
    bool *is_head = context;
    struct slashing_head head;
    struct slashing_record record;
    const uint8_t pubkey[48] = {1};
    result r = *is_head ? slashing_store_head(store, &head) : slashing_store_load(store, &record, pubkey);
    assert_int_equal(r.code, E_STORE);
    r = slashing_store_head(store, &head); /* not on a new connection: it is another transaction */
    assert_int_equal(r.code, E_STORE);
    assert_error_names("within a transaction");
    return RESULT_OK;
}

static result fail_to_advance(void *context)
{
    struct slashing_advance *advance = context;
    result r = slashing_store_advance(store, advance, 1);
    assert_int_equal(r.code, E_STORE);
    return RESULT_OK; /* the COMMIT is none then */
}

static void a_transaction_is_all_or_nothing(void **state)
{
    (void)state;
    const struct slashing_head other = {.has_genesis = true, .genesis_validators_root = {9}};
    assert_fails(E_INTERNAL, slashing_store_transaction(store, begin_another, NULL));
    assert_fails(E_MISMATCH, slashing_store_transaction(store, set_heads, (void *)(uintptr_t)&other));
    assert_string_equal(server.genesis, "");
    static const char *const refused[] = {"BEGIN", "LOCK TABLE", "COMMIT", "UPDATE metadata"};
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        tell(refused[i], NULL, "42501", 0);
        assert_fails(E_STORE, slashing_store_transaction(store, set_heads, NULL));
        assert_string_equal(server.genesis, "");
    }
    assert_ok(slashing_store_transaction(store, set_heads, NULL));
    assert_string_equal(server.high_epoch, "7");
    for (int i = 0; i < 2; i++) {
        bool is_head = i;
        tell(is_head ? "SELECT encode(genesis" : "ORDINALITY", NULL, "?", 0);
        assert_fails(E_STORE, slashing_store_transaction(store, say_nothing_of_it, &is_head));
    }
    const struct slashing_record four = block(4, true);
    struct slashing_advance advance = advance_of(1, &none, &four);
    tell("INTO signed_blocks", NULL, "40001", 0); /* what is tried again alone, is not within */
    assert_fails(E_STORE, slashing_store_transaction(store, fail_to_advance, &advance));
    assert_error_names("was rolled back");
    assert_string_equal(server.of[1].slot, "");
}

/* The second round trip has the first one's locks, or is not made: on another connection its rows would
 * stand, uncompared. */
static void a_connection_that_is_lost_between_takes_its_transaction_along(void **state)
{
    (void)state;
    const struct slashing_record five = block(5, true);
    const struct slashing_head empty = head_of(false, false, 0, 0), locked = head_of(true, false, 0, 0);
    struct slashing_advance advance = advance_of(1, &none, &five);
    bool done, conflict;
    server.lost_behind = "ORDINALITY";
    assert_ok(advance_one(&none, &five, &done, &conflict)); /* all of it again */
    assert_true(done && server.num_connections == 2);
    server.lost_behind = "FOR UPDATE";
    assert_fails(E_STORE, slashing_store_set_head(store, &empty, &locked, NULL, 0));
    assert_string_equal(server.genesis, "");
    server.lost_behind = "ORDINALITY";
    memset(advance.pubkey, 2, sizeof advance.pubkey);
    assert_fails(E_STORE, slashing_store_transaction(store, fail_to_advance, &advance));
    assert_string_equal(server.of[2].slot, "");
    assert_ok(slashing_store_set_head(store, &empty, &locked, NULL, 0));
}

#define SERVED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    if (secret_heap_open(1 << 16).code)
        return 1;
    slashing_postgresql_forget_environment();
    const struct CMUnitTest tests[] = {
        SERVED(only_a_source_may_be_missing),
        SERVED(another_record_is_a_conflict),
        SERVED(what_changes_nothing_takes_no_locks_and_what_is_gone_goes_not_on),
        SERVED(a_history_raises_the_low_watermarks),
        SERVED(a_history_above_the_high_watermark_is_refused_though_it_is_there),
        SERVED(nothing_is_above_the_high_watermark),
        SERVED(what_cannot_be_asked_for),
        SERVED(reading_that_was_not_whole_is_none),
        SERVED(what_is_tried_again_and_how_often),
        SERVED(a_commit_of_which_nothing_is_heard_is_looked_for),
        SERVED(conflicts_are_read_once_more),
        SERVED(a_head_is_changed_from_what_it_was),
        SERVED(heads_that_cannot_be_there),
        SERVED(a_transaction_is_all_or_nothing),
        SERVED(a_connection_that_is_lost_between_takes_its_transaction_along),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
