/* test_slashing_faults.c - every operation on the store's files made to fail in turn, in each of several
 * ways; then the store is opened again on a sound file system: what was reported durable is there, and
 * nothing that was never asked for.
 *
 * The failing happens in a child process, which goes on after a failure as a signer does: it reads the record
 * again and asks for the next slot. test_slashing_crash.c kills at each write instead. With the power cut at
 * every write, this holds bar 10 of tests/interop/test_bars.py. */
#include "store_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "fault_vfs.h"
#include "slashing/slashing_sqlite.h"
#include "slashing/slashing_sqlite_private.h"

/* Ours at opening: real ones, thousands of them, would only take time. */
int __wrap_fsync(int fd);
int __wrap_fsync(int fd)
{
    (void)fd;
    return 0;
}

enum { SLOTS = 4, OPERATIONS_MAX = 2000, NOT_REACHED = 40 };

static const char *const mode_names[FAULT_MODES] = {
    [FAULT_ERROR] = "an error",
    [FAULT_ERROR_FOREVER] = "errors from there on",
    [FAULT_FULL] = "a full disk",
    [FAULT_SHORT_WRITE] = "half a write",
    [FAULT_LOST_SYNC] = "a failing sync, later the power",
    [FAULT_POWER] = "the power, nothing unsynced kept",
    [FAULT_POWER_SECTORS] = "the power, some sectors kept",
    [FAULT_POWER_LATE] = "the power, everything kept",
};

static const struct slashing_record nothing;

/* The log is carried over to the file after each slot, as if it were long, and begun anew by the next one. */
static bool settles;

static void settle(struct slashing_store *store)
{
    ((struct slashing_sqlite *)store)->log_pages = 1000; /* the store is its first member */
    slashing_sqlite_settle(store);
}

/* A slot before it is asked for, and again once it is durable. */
struct progress {
    uint8_t slot, is_durable;
};
static int progress_pipe[2];

static void tell(uint8_t slot, bool is_durable)
{
    struct progress progress = {slot, is_durable};
    if (write(progress_pipe[1], &progress, sizeof progress) != sizeof progress)
        _exit(3);
}

/* Slots up to last; after a failure from what the store then says. False when it says nothing any more. */
static bool advance_through(struct slashing_store *store, uint8_t last)
{
    uint8_t pubkey[48];
    struct slashing_record before = nothing;
    memset(pubkey, 1, sizeof pubkey);
    if (slashing_store_load(store, &before, pubkey).code)
        return false;
    for (uint8_t slot = (uint8_t)(before.block_slot + 1); slot <= last; slot++) {
        struct slashing_record next = block_record(slot, slot);
        struct slashing_advance advance = advance_of(1, &before, &next);
        tell(slot, false);
        result r = slashing_store_advance(store, &advance, 1);
        if (r.code && advance.done)
            _exit(4);
        if (!r.code && advance.done)
            tell(slot, true);
        if (settles)
            settle(store);
        before = next;
        if ((r.code || !advance.done) && slashing_store_load(store, &before, pubkey).code)
            return false;
    }
    return true;
}

static void child(enum fault_mode mode, int at)
{
    struct slashing_store *store = NULL;
    fault_vfs_install(mode, at, (unsigned)at);
    if (!slashing_sqlite_open(&store, store_path).code) {
        uint8_t pubkey[48];
        struct slashing_record before = nothing;
        memset(pubkey, 1, sizeof pubkey);
        uint8_t first = slashing_store_load(store, &before, pubkey).code ? 0 : (uint8_t)before.block_slot;
        (void)advance_through(store, (uint8_t)(first + SLOTS));
        slashing_store_close(store);
    }
    _exit(fault_vfs_happened() ? 0 : NOT_REACHED);
}

/* False when the process ended before its at-th operation. */
static bool run_child(uint8_t *ret_asked, uint8_t *ret_durable, enum fault_mode mode, int at)
{
    struct progress progress;
    int status = 0;
    assert_int_equal(pipe(progress_pipe), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(mode, at);
    (void)close(progress_pipe[1]);
    while (read(progress_pipe[0], &progress, sizeof progress) == sizeof progress)
        *(progress.is_durable ? ret_durable : ret_asked) = progress.slot;
    (void)close(progress_pipe[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        assert_int_equal(WTERMSIG(status), SIGKILL);
    else
        assert_true(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOT_REACHED);
    return WIFSIGNALED(status) || WEXITSTATUS(status) == 0;
}

/* Files whose making was interrupted, and that are refused: the operator is told to delete them. */
static int refused;

/* Opens without faults, looks, and goes on by one slot. Only what never had a record may be refused. */
static void check(enum fault_mode mode, int at, uint8_t asked, uint8_t durable)
{
    struct slashing_store *store = NULL;
    result r = slashing_sqlite_open(&store, store_path);
    if (r.code && asked == 0) {
        refused++;
        return;
    }
    if (r.code)
        fail_msg("%s at operation %d: %s", mode_names[mode], at, error_text());
    struct slashing_record found = stored(store, 1);
    if (found.block_slot < durable || found.block_slot > asked)
        fail_msg("%s at operation %d: durable was %u, asked for %u, found %llu", mode_names[mode], at,
                 durable, asked, (unsigned long long)found.block_slot);
    struct slashing_record whole = block_record(found.block_slot, (uint8_t)found.block_slot);
    if (found.has_block)
        assert_record_equal(&found, &whole);
    struct slashing_record next = block_record(found.block_slot + 1, 9);
    struct slashing_advance advance = advance_of(1, &found, &next);
    assert_ok(slashing_store_advance(store, &advance, 1));
    assert_true(advance.done);
    slashing_store_close(store);
}

/* What a killed signer left: slots 1 to SLOTS in the log, nothing of it in the file. */
static void leave_a_log(void)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct slashing_store *store = NULL;
        progress_pipe[1] = open("/dev/null", O_WRONLY);
        if (slashing_sqlite_open(&store, store_path).code || !advance_through(store, SLOTS))
            _exit(2);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
}

static void every_operation_in_turn(bool on_a_log)
{
    for (enum fault_mode mode = 0; mode < FAULT_MODES; mode++) {
        int at = 0;
        refused = 0;
        for (bool reached = true; reached;) {
            assert_true(++at < OPERATIONS_MAX);
            assert_int_equal(store_setup_in_memory(NULL), 0);
            uint8_t durable = on_a_log ? SLOTS : 0, asked = durable;
            if (on_a_log)
                leave_a_log();
            reached = run_child(&asked, &durable, mode, at);
            if (!reached)
                assert_int_equal(durable, on_a_log ? 2 * SLOTS : SLOTS); /* without a fault all works */
            check(mode, at, asked, durable);
            assert_int_equal(store_teardown(NULL), 0);
        }
        print_message("%s: %d operations, %d times a store without records refused\n", mode_names[mode],
                      at - 1, refused);
        assert_true(at > 40);
        assert_true(refused < at / 2);
    }
}

static void on_a_new_store(void **state)
{
    (void)state;
    every_operation_in_turn(false);
}

static void on_what_a_killed_signer_left(void **state)
{
    (void)state;
    every_operation_in_turn(true);
}

static void while_the_log_is_carried_over(void **state)
{
    (void)state;
    settles = true;
    every_operation_in_turn(false);
    settles = false;
}

/* That records do get lost when syncs do nothing shows that all the syncs above were needed, and seen. */
static void a_lying_disk_loses_records(void **state)
{
    (void)state;
    int lost = 0, at = 0;
    for (bool reached = true; reached;) {
        struct slashing_store *store = NULL;
        uint8_t durable = 0, asked = 0;
        assert_int_equal(store_setup_in_memory(NULL), 0);
        reached = run_child(&asked, &durable, FAULT_LYING_DISK, ++at);
        bool opens = !slashing_sqlite_open(&store, store_path).code;
        lost += durable > 0 && (!opens || stored(store, 1).block_slot < durable);
        slashing_store_close(store);
        assert_int_equal(store_teardown(NULL), 0);
    }
    assert_true(lost > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_new_store),
        cmocka_unit_test(on_what_a_killed_signer_left),
        cmocka_unit_test(while_the_log_is_carried_over),
        cmocka_unit_test(a_lying_disk_loses_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
