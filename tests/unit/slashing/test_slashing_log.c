/* test_slashing_log.c - write-ahead logs made here, by SQLite's documentation, in either byte order: which of
 * them have lost records, and which only end where a crash cut them. */
#include "store_testing.h"

#include <errno.h>

#include "base/file_io.h"
#include "faults.h"
#include "slashing/slashing_sqlite_private.h"

/* What fails. */
#include "log_calls.def"

enum { PAGE = 512, HEADER = 32, FRAME = 24 + PAGE, FRAMES_MAX = 4 };

struct log {
    bool big_endian; /* the words that are summed */
    uint8_t bytes[HEADER + FRAMES_MAX * FRAME];
    size_t length;
    uint32_t sum[2];
};

static void put(uint8_t *out, uint32_t value)
{
    for (int i = 3; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

static uint32_t word(const struct log *log, const uint8_t *at)
{
    return log->big_endian ? (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3]
                           : (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void sum_up(struct log *log, const uint8_t *bytes, size_t length)
{
    for (size_t i = 0; i < length; i += 8) {
        log->sum[0] += word(log, bytes + i) + log->sum[1];
        log->sum[1] += word(log, bytes + i + 4) + log->sum[0];
    }
}

static void begin(struct log *log, bool big_endian, uint32_t page)
{
    *log = (struct log){.big_endian = big_endian, .length = HEADER};
    put(log->bytes, 0x377f0682 | (uint32_t)big_endian);
    put(log->bytes + 4, 3007000);
    put(log->bytes + 8, page);
    put(log->bytes + 16, 0x01020304); /* salts */
    put(log->bytes + 20, 0x05060708);
    sum_up(log, log->bytes, 24);
    put(log->bytes + 24, log->sum[0]);
    put(log->bytes + 28, log->sum[1]);
}

static uint8_t *add(struct log *log, uint8_t fill, bool is_commit)
{
    uint8_t *frame = log->bytes + log->length;
    put(frame, fill);
    put(frame + 4, is_commit ? 9 : 0);
    memcpy(frame + 8, log->bytes + 16, 8);
    memset(frame + 24, fill, PAGE);
    sum_up(log, frame, 8);
    sum_up(log, frame + 24, PAGE);
    put(frame + 16, log->sum[0]);
    put(frame + 20, log->sum[1]);
    log->length += FRAME;
    return frame;
}

static result check(const struct log *log)
{
    assert_ok(file_write(store_path, log->bytes, log->length, 0600));
    return slashing_check_log(store_path);
}

static void logs_that_are_whole_or_cut_have_lost_nothing(void **state)
{
    (void)state;
    (void)remove(store_path);
    assert_ok(slashing_check_log(store_path)); /* there is none */
    for (int big_endian = 0; big_endian < 2; big_endian++) {
        struct log log;
        begin(&log, big_endian, PAGE);
        for (uint8_t i = 0; i < 4; i++)
            (void)add(&log, (uint8_t)(0x81 + i), i % 2);
        for (size_t whole = log.length; log.length > 0; log.length -= log.length > 24 ? 24 : log.length) {
            if (check(&log).code)
                fail_msg("%zu of %zu bytes: %s", log.length, whole, error_text());
        }
        assert_ok(check(&log));
    }
}

static void headers_that_are_none_are_damage(void **state)
{
    (void)state;
    static const uint32_t pages[] = {0, 1, 256, 1536, 131072, 0x80000000};
    struct log log;
    for (size_t i = 0; i < ARRAY_LENGTH(pages); i++) {
        begin(&log, i % 2, pages[i]);
        assert_fails(E_STORE, check(&log));
        assert_error_names("page size");
    }
    begin(&log, false, 65536);
    assert_ok(check(&log));
    for (size_t at = 0; at < HEADER; at++) {
        begin(&log, at % 2, PAGE);
        log.bytes[at] ^= 4;
        assert_fails(E_STORE, check(&log));
        assert_error_names("damaged");
        assert_error_names(store_path);
    }
}

/* The second of four frames, of which each even one ends a transaction. A frame with other salts is one that
 * an earlier log left. */
static void what_is_behind_a_broken_commit_is_lost(void **state)
{
    (void)state;
    for (size_t at = 0; at < FRAME; at++) {
        struct log log;
        begin(&log, at % 2, PAGE);
        (void)add(&log, 1, false);
        uint8_t *second = add(&log, 2, true);
        (void)add(&log, 3, false);
        (void)add(&log, 4, true);
        second[at] ^= 0x40;
        bool is_salt = at >= 8 && at < 16;
        if (!check(&log).code != is_salt)
            fail_msg("byte %zu: %s", at, is_salt ? error_text() : "taken");
        if (!is_salt)
            assert_error_names("behind a place that cannot be read");
        /* Nothing of it counts when what is behind is broken, too. */
        log.bytes[HEADER + 2 * FRAME + 30] ^= 1;
        log.bytes[HEADER + 3 * FRAME + 30] ^= 1;
        assert_ok(check(&log));
    }
}

/* Broken within the last transaction: it was never committed, whatever else of it can be read. */
static void what_was_never_committed_is_not_lost(void **state)
{
    (void)state;
    struct log log;
    begin(&log, false, PAGE);
    (void)add(&log, 1, true);
    uint8_t *second = add(&log, 2, false);
    (void)add(&log, 3, true);
    second[40] ^= 1;
    assert_ok(check(&log));
    (void)add(&log, 4, true);
    assert_fails(E_STORE, check(&log));
}

static void a_log_is_judged_whole_or_not_at_all(void **state)
{
    (void)state;
    struct log log;
    begin(&log, false, PAGE);
    (void)add(&log, 1, true);
    (void)add(&log, 2, true);
    assert_ok(file_write(store_path, log.bytes, log.length, 0600));
    unsigned num_runs = 0;
    for (struct faults f = {0}; faults_again(&f); num_runs++) {
        faults_begin(&f);
        result r = slashing_check_log(store_path);
        faults_end(&f);
        assert_fault(&f, r);
    }
    assert_true(num_runs >= 6);
    assert_fails(E_STORE, slashing_check_log(store_folder)); /* opens, and cannot be read */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logs_that_are_whole_or_cut_have_lost_nothing),
        cmocka_unit_test(headers_that_are_none_are_damage),
        cmocka_unit_test(what_is_behind_a_broken_commit_is_lost),
        cmocka_unit_test(what_was_never_committed_is_not_lost),
        cmocka_unit_test(a_log_is_judged_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, store_setup_in_memory, store_teardown);
}
