/* test_keeper_pool.c - the threads that sign: src/keeper/keeper_pool.c. What signs is the test's own in most
 * cases, so that it can fail, wait and count. */
#include "testing.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "keeper/keeper_pool.h"

enum { JOBS = 200, MANY_THREADS = 5, NOBODY = 256 };

/* What the threads were made to do. */
static struct {
    bool is_real;              /* they sign */
    _Atomic unsigned fails_at; /* first byte of a message that cannot be signed */
    bool prepare_fails;
    _Atomic unsigned num_signed, num_prepared, num_inside, most_inside;
    _Atomic unsigned wanted_inside; /* each waits until so many sign at once */
    _Atomic bool in_order;
    _Atomic unsigned last;
    pthread_t caller;
    _Atomic unsigned by_caller;
} fake;

result __wrap_bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                             size_t num_secrets, const uint8_t message[static 32]);
result __real_bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                             size_t num_secrets, const uint8_t message[static 32]);
result __wrap_bls_batch_prepare(struct bls_batch *batch, const uint8_t message[static 32], size_t num);
result __real_bls_batch_prepare(struct bls_batch *batch, const uint8_t message[static 32], size_t num);

static void meet_others(void)
{
    unsigned inside = ++fake.num_inside, most = fake.most_inside;
    while (inside > most && !atomic_compare_exchange_weak(&fake.most_inside, &most, inside))
        ;
    while (fake.most_inside < fake.wanted_inside)
        (void)sched_yield();
    fake.num_inside--;
}

result __wrap_bls_batch_sign(struct bls_batch *batch, uint8_t *ret_signatures, const uint8_t *const *secrets,
                             size_t num_secrets, const uint8_t message[static 32])
{
    fake.by_caller += pthread_equal(pthread_self(), fake.caller) != 0;
    if (fake.is_real)
        return __real_bls_batch_sign(batch, ret_signatures, secrets, num_secrets, message);
    unsigned number = message[0] | (unsigned)message[1] << 8;
    fake.in_order = fake.in_order && number >= fake.last;
    fake.last = number;
    meet_others();
    fake.num_signed++;
    memset(ret_signatures, 0, num_secrets * 96);
    ENSURE(message[0] != fake.fails_at, E_CRYPTO, "message %u cannot be signed", number);
    memset(ret_signatures, message[0] ^ secrets[0][0], num_secrets * 96);
    return RESULT_OK;
}

result __wrap_bls_batch_prepare(struct bls_batch *batch, const uint8_t message[static 32], size_t num)
{
    fake.num_prepared++;
    ENSURE(!fake.prepare_fails, E_MEMORY, "no table");
    return fake.is_real ? __real_bls_batch_prepare(batch, message, num) : RESULT_OK;
}

static struct keeper_pool *pool;

static int teardown(void **state)
{
    (void)state;
    keeper_pool_free(pool);
    pool = NULL;
    return 0;
}

static void open_pool(size_t num_threads)
{
    keeper_pool_free(pool);
    pool = NULL;
    memset(&fake, 0, sizeof fake);
    fake.fails_at = NOBODY;
    fake.in_order = true;
    fake.caller = pthread_self();
    assert_ok(keeper_pool_new(&pool, num_threads, NULL));
    assert_int_equal(keeper_pool_num_threads(pool), num_threads);
}

static struct keeper_job jobs[KEEPER_JOBS_MAX];
static const uint8_t *secrets[KEEPER_JOBS_MAX];
static uint8_t signatures[KEEPER_JOBS_MAX][96], keys[KEEPER_JOBS_MAX][32];
static unsigned num_done[KEEPER_JOBS_MAX];

static void make_jobs(size_t num)
{
    memset(num_done, 0, sizeof num_done);
    memset(signatures, 0xee, sizeof signatures);
    for (size_t i = 0; i < num; i++) {
        keys[i][31] = (uint8_t)(i + 1);
        secrets[i] = keys[i];
        jobs[i] = (struct keeper_job){.secrets = &secrets[i],
                                      .signatures = signatures[i],
                                      .num = 1,
                                      .num_alike = 1,
                                      .message = {(uint8_t)i, (uint8_t)(i >> 8)}};
    }
}

static void done(void *context, struct keeper_job *job)
{
    assert_ptr_equal(context, num_done);
    assert_true(pthread_equal(pthread_self(), fake.caller));
    num_done[job - jobs]++;
}

static void all_jobs_are_done_once(void **state)
{
    (void)state;
    static const size_t threads[] = {1, 2, 3, MANY_THREADS, KEEPER_THREADS_MAX};
    static const size_t sizes[] = {0, 1, 2, 3, 7, JOBS, KEEPER_JOBS_MAX, 2, 1};
    for (size_t t = 0; t < ARRAY_LENGTH(threads); t++) {
        open_pool(threads[t]);
        for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
            make_jobs(sizes[s]);
            fake.num_signed = 0;
            keeper_pool_sign(pool, jobs, sizes[s], done, num_done);
            assert_int_equal(fake.num_signed, sizes[s]);
            for (size_t i = 0; i < KEEPER_JOBS_MAX; i++) {
                assert_int_equal(num_done[i], i < sizes[s]);
                assert_int_equal(signatures[i][95], i < sizes[s] ? (uint8_t)i ^ keys[i][0] : 0xee);
            }
        }
    }
}

static void one_thread_keeps_the_order(void **state)
{
    (void)state;
    open_pool(1);
    make_jobs(JOBS);
    keeper_pool_sign(pool, jobs, JOBS, done, num_done);
    assert_true(fake.in_order);
    assert_int_equal(fake.by_caller, JOBS);
    assert_int_equal(fake.most_inside, 1);
}

/* Each job waits for the others: with fewer threads this would not end. */
static void all_threads_sign_at_once(void **state)
{
    (void)state;
    open_pool(MANY_THREADS);
    for (size_t turn = 0; turn < 20; turn++) {
        fake.most_inside = 0;
        fake.wanted_inside = MANY_THREADS;
        make_jobs(MANY_THREADS);
        keeper_pool_sign(pool, jobs, MANY_THREADS, done, num_done);
        assert_int_equal(fake.most_inside, MANY_THREADS);
    }
}

static void one_job_wakes_nobody(void **state)
{
    (void)state;
    open_pool(MANY_THREADS);
    for (size_t turn = 0; turn < 50; turn++) {
        make_jobs(1);
        keeper_pool_sign(pool, jobs, 1, done, num_done);
        assert_int_equal(num_done[0], 1);
    }
    assert_int_equal(fake.by_caller, 50);
}

/* How often somebody is woken. */
static _Atomic unsigned num_signals;

int __wrap_pthread_cond_signal(pthread_cond_t *condition);
int __real_pthread_cond_signal(pthread_cond_t *condition);

int __wrap_pthread_cond_signal(pthread_cond_t *condition)
{
    num_signals++;
    return __real_pthread_cond_signal(condition);
}

/* The keeper's loop turns often while it has nothing to sign. */
static void no_job_wakes_nobody(void **state)
{
    (void)state;
    open_pool(MANY_THREADS);
    (void)usleep(20000); /* they all sleep */
    num_signals = 0;
    for (size_t turn = 0; turn < 50; turn++)
        keeper_pool_sign(pool, jobs, 0, done, num_done);
    assert_int_equal(num_signals, 0);
}

static int num_processors;

int __wrap_sched_getaffinity(pid_t pid, size_t set_len, cpu_set_t *set);

int __wrap_sched_getaffinity(pid_t pid, size_t set_len, cpu_set_t *set)
{
    (void)pid;
    (void)set_len;
    CPU_ZERO(set);
    for (int i = 0; i < num_processors; i++)
        CPU_SET((size_t)i, set);
    return num_processors > 0 ? 0 : -1;
}

/* Those of a large machine leave room for the keys where little memory may be locked. */
static void there_are_threads_for_processors_and_memory(void **state)
{
    (void)state;
    static const struct {
        int num_processors;
        size_t heap_mib, expected;
    } rows[] = {{1, 16, 1},   {2, 16, 2},     {3, 4, 3}, {16, 4, 4}, {64, 8, 8},
                {64, 16, 16}, {64, 1024, 16}, {8, 1, 1}, {8, 0, 1},  {0, 16, 1}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        num_processors = rows[i].num_processors;
        assert_int_equal(keeper_pool_default_threads(rows[i].heap_mib << 20), rows[i].expected);
    }
}

static void a_failure_is_its_jobs_only(void **state)
{
    (void)state;
    static const uint8_t zeros[96];
    for (size_t threads = 1; threads <= MANY_THREADS; threads += 2) {
        open_pool(threads);
        fake.fails_at = 17;
        make_jobs(JOBS);
        keeper_pool_sign(pool, jobs, JOBS, done, num_done);
        for (size_t i = 0; i < JOBS; i++) {
            assert_int_equal(num_done[i], 1);
            assert_int_equal(jobs[i].outcome.code, i == 17 ? E_CRYPTO : E_NONE);
        }
        assert_memory_equal(signatures[17], zeros, 96);
        assert_string_equal(jobs[17].why, "message 17 cannot be signed");
    }
}

/* Without the table that several jobs share, none of theirs is signed. */
static void a_table_that_cannot_be_made_fails_its_jobs(void **state)
{
    (void)state;
    static const uint8_t zeros[96];
    open_pool(1);
    make_jobs(2);
    fake.prepare_fails = true;
    jobs[0].num_alike = 2;
    memset(signatures[0], 0x77, 96);
    keeper_pool_sign(pool, jobs, 2, done, num_done);
    assert_int_equal(jobs[0].outcome.code, E_MEMORY);
    assert_string_equal(jobs[0].why, "no table");
    assert_memory_equal(signatures[0], zeros, 96);
    assert_ok(jobs[1].outcome); /* it has none */
    assert_int_equal(num_done[0] + num_done[1], 2);
}

static void numbers_that_are_impossible_are_refused(void **state)
{
    (void)state;
    struct keeper_pool *none = NULL;
    uint8_t pubkey[48];
    assert_fails(E_INTERNAL, keeper_pool_new(&none, 0, NULL));
    assert_fails(E_INTERNAL, keeper_pool_new(&none, KEEPER_THREADS_MAX + 1, NULL));
    assert_error_names("17 threads");
    assert_null(none);
    assert_fails(E_INTERNAL,
                 keeper_pool_public_keys(NULL, NULL, pubkey, secrets, KEEPER_PUBLIC_KEYS_MAX + 1));
}

static _Atomic unsigned num_confined;

static result cannot_be_confined(void)
{
    num_confined++;
    FAIL(E_IO, "told to fail");
}

static result is_confined(void)
{
    num_confined++;
    return RESULT_OK;
}

/* One is enough: no thread signs outside of the sandbox. */
static void threads_that_cannot_be_confined_are_no_pool(void **state)
{
    (void)state;
    struct keeper_pool *none = NULL;
    assert_fails(E_IO, keeper_pool_new(&none, 4, cannot_be_confined));
    assert_error_names("a thread for signing cannot be confined");
    assert_null(none);
    assert_int_equal(num_confined, 3); /* the caller's thread sees to itself */
    assert_ok(keeper_pool_new(&none, 4, is_confined));
    keeper_pool_free(none);
    assert_int_equal(num_confined, 6);
}

/* What is alike in several jobs has one table, made for all of them. */
static void signatures_are_blsts(void **state)
{
    (void)state;
    enum { ALIKE = 20, NUM = 60 };
    for (size_t threads = 1; threads <= MANY_THREADS; threads += 2) {
        open_pool(threads);
        fake.is_real = true;
        make_jobs(NUM);
        for (size_t i = 0; i < ALIKE; i++) {
            jobs[i].num_alike = ALIKE;
            memset(jobs[i].message, 0xaa, 32);
        }
        keeper_pool_sign(pool, jobs, NUM, done, num_done);
        for (size_t i = 0; i < NUM; i++) {
            uint8_t expected[96];
            assert_ok(jobs[i].outcome);
            assert_ok(bls_sign(expected, keys[i], jobs[i].message, 32));
            assert_memory_equal(signatures[i], expected, 96);
        }
    }
}

static void public_keys_are_blsts(void **state)
{
    (void)state;
    static const size_t threads[] = {0, 1, 2, MANY_THREADS}; /* 0: no pool */
    static const size_t sizes[] = {1, 128, 129, 300, KEEPER_PUBLIC_KEYS_MAX};
    static uint8_t secret_of[KEEPER_PUBLIC_KEYS_MAX][32], wanted[KEEPER_PUBLIC_KEYS_MAX][48];
    static uint8_t found[KEEPER_PUBLIC_KEYS_MAX][48];
    struct bls_fixed_base *base = NULL;
    assert_ok(bls_fixed_base_new(&base));
    for (size_t i = 0; i < KEEPER_PUBLIC_KEYS_MAX; i++) {
        secret_of[i][30] = (uint8_t)((i + 1) >> 8);
        secret_of[i][31] = (uint8_t)(i + 1);
        secrets[i] = secret_of[i];
        assert_ok(bls_public_key(wanted[i], secrets[i]));
    }
    for (size_t t = 0; t < ARRAY_LENGTH(threads); t++) {
        if (threads[t])
            open_pool(threads[t]);
        for (size_t s = 0; s < ARRAY_LENGTH(sizes); s++) {
            memset(found, 0, sizeof found);
            assert_ok(keeper_pool_public_keys(threads[t] ? pool : NULL, base, found[0], secrets, sizes[s]));
            assert_memory_equal(found, wanted, sizes[s] * 48);
        }
        secrets[200] = (const uint8_t[32]){0};
        assert_fails(E_INPUT,
                     keeper_pool_public_keys(threads[t] ? pool : NULL, base, found[0], secrets, 300));
        assert_ok(keeper_pool_public_keys(threads[t] ? pool : NULL, base, found[0], secrets, 200));
        secrets[200] = secret_of[200];
    }
    bls_fixed_base_free(base);
}

static void a_bad_secret_fails_its_job(void **state)
{
    (void)state;
    static const uint8_t zero[32], zeros[96];
    open_pool(3);
    fake.is_real = true;
    make_jobs(9);
    secrets[4] = zero;
    keeper_pool_sign(pool, jobs, 9, done, num_done);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(jobs[i].outcome.code, i == 4 ? E_INPUT : E_NONE);
    assert_memory_equal(signatures[4], zeros, 96);
}

static void wait_for(_Atomic unsigned *counter, unsigned value)
{
    for (size_t i = 0; i < 10000 && *counter < value; i++)
        (void)usleep(1000);
    assert_int_equal(*counter, value);
}

static void hashing_ahead_is_done_by_others(void **state)
{
    (void)state;
    uint8_t message[32] = {3};
    open_pool(1);
    keeper_pool_hash_ahead(pool, message, 1);
    open_pool(2);
    assert_int_equal(fake.num_prepared, 0);
    fake.is_real = true;
    keeper_pool_hash_ahead(pool, message, 1);
    wait_for(&fake.num_prepared, 1);
    make_jobs(4);
    for (size_t turn = 0; turn < 2; turn++) { /* the first waits for the hash, if need be */
        keeper_pool_sign(pool, &jobs[3], 1, done, num_done);
        keeper_pool_hash_ahead(pool, message, 1); /* it is known */
    }
    uint8_t expected[96];
    assert_ok(bls_sign(expected, keys[3], message, 32));
    assert_memory_equal(signatures[3], expected, 96);
    assert_int_equal(fake.num_prepared, 1);
}

/* More than the ring takes, and signing beside it. */
static void too_much_ahead_is_left_out(void **state)
{
    (void)state;
    open_pool(2);
    fake.is_real = true;
    make_jobs(40);
    for (size_t i = 0; i < 3 * KEEPER_AHEAD_MAX; i++)
        keeper_pool_hash_ahead(pool, (const uint8_t[32]){(uint8_t)i, 1}, 1 + i % 3);
    keeper_pool_sign(pool, jobs, 40, done, num_done);
    for (size_t i = 0; i < 40; i++)
        assert_ok(jobs[i].outcome);
    assert_in_range(fake.num_prepared, 0, 3 * KEEPER_AHEAD_MAX - 1);
}

static void shares_are_fair(void **state)
{
    (void)state;
    open_pool(3);
    for (size_t num = 1; num <= 3 * BLS_BATCH_MAX; num++) {
        size_t share = keeper_pool_share(pool, num);
        assert_in_range(share, 1, BLS_BATCH_MAX);
        assert_true(3 * share >= num); /* no second round */
        assert_true(share == num || share >= 8);
    }
    assert_int_equal(keeper_pool_share(pool, 1000), BLS_BATCH_MAX);
    open_pool(1);
    assert_int_equal(keeper_pool_share(pool, BLS_BATCH_MAX), BLS_BATCH_MAX);
}

static void it_ends_while_idle_and_while_it_hashes(void **state)
{
    (void)state;
    for (size_t turn = 0; turn < 20; turn++) {
        open_pool(MANY_THREADS);
        fake.is_real = turn % 2;
        for (uint8_t i = 0; i < turn; i++)
            keeper_pool_hash_ahead(pool, (const uint8_t[32]){i, 2}, 2);
    }
    keeper_pool_free(NULL);
}

/* The main thread alone hears signals. */
static void other_threads_block_signals(void **state)
{
    (void)state;
    open_pool(3);
    size_t num_others = 0;
    DIR *folder = opendir("/proc/self/task");
    assert_non_null(folder);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        char path[300], line[256];
        unsigned long long blocked = 0;
        if (entry->d_name[0] == '.' || strtol(entry->d_name, NULL, 10) == getpid())
            continue;
        (void)snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *status = fopen(path, "r");
        assert_non_null(status);
        while (fgets(line, sizeof line, status))
            (void)sscanf(line, "SigBlk: %llx", &blocked);
        (void)fclose(status);
        num_others += (blocked >> (SIGTERM - 1) & 1) && (blocked >> (SIGINT - 1) & 1);
    }
    (void)closedir(folder);
    assert_in_range(num_others, 2, 3); /* a sanitizer may have one, too */
    sigset_t mine;
    assert_int_equal(pthread_sigmask(SIG_SETMASK, NULL, &mine), 0);
    assert_false(sigismember(&mine, SIGTERM));
}

static int open_heap(void **state)
{
    (void)state;
    return secret_heap_open(4 << 20).code;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(all_jobs_are_done_once, teardown),
        cmocka_unit_test_teardown(one_thread_keeps_the_order, teardown),
        cmocka_unit_test_teardown(all_threads_sign_at_once, teardown),
        cmocka_unit_test_teardown(one_job_wakes_nobody, teardown),
        cmocka_unit_test_teardown(no_job_wakes_nobody, teardown),
        cmocka_unit_test(there_are_threads_for_processors_and_memory),
        cmocka_unit_test_teardown(a_failure_is_its_jobs_only, teardown),
        cmocka_unit_test_teardown(a_table_that_cannot_be_made_fails_its_jobs, teardown),
        cmocka_unit_test_teardown(numbers_that_are_impossible_are_refused, teardown),
        cmocka_unit_test_teardown(threads_that_cannot_be_confined_are_no_pool, teardown),
        cmocka_unit_test_teardown(signatures_are_blsts, teardown),
        cmocka_unit_test_teardown(public_keys_are_blsts, teardown),
        cmocka_unit_test_teardown(a_bad_secret_fails_its_job, teardown),
        cmocka_unit_test_teardown(hashing_ahead_is_done_by_others, teardown),
        cmocka_unit_test_teardown(too_much_ahead_is_left_out, teardown),
        cmocka_unit_test_teardown(shares_are_fair, teardown),
        cmocka_unit_test_teardown(it_ends_while_idle_and_while_it_hashes, teardown),
        cmocka_unit_test_teardown(other_threads_block_signals, teardown),
    };
    return cmocka_run_group_tests(tests, open_heap, NULL);
}
