/* test_bls_stack.c - the stack under lib/bls: how much of it is used, since the keeper's threads that sign
 * have little (keeper_pool.c), and that nothing is left there which depends on a secret. */
#include "testing.h"

#include <pthread.h>
#include <sys/mman.h>

#include "bls/bls.h"

enum {
    SIZE = 1 << 20,
    ALLOWED = 64 << 10, /* half of what such a thread has */
    PAINT = 0xa5,
    LOOSE_MAX =
        24 /* bytes that change from run to run, the C library's: less than a secret or a coordinate */
};

static struct bls_messages *messages;
static struct bls_batch *batch;
static struct bls_fixed_base *base;
static uint8_t secrets[BLS_BATCH_MAX][32];
static const uint8_t *list[BLS_BATCH_MAX];

enum work { PREPARE, SIGN_WITH_TABLE, SIGN_ALONE, PUBLIC_KEYS, ONE_PUBLIC_KEY, SIGN_SIMPLY, WORK_END };

static void *work(void *argument)
{
    static const uint8_t many[32] = {1}, one[32] = {2};
    static uint8_t signatures[BLS_BATCH_MAX][96];
    result r = RESULT_OK;
    switch (*(const enum work *)argument) {
    case PREPARE:
        r = bls_batch_prepare(batch, many, 200);
        break;
    case SIGN_WITH_TABLE:
        r = bls_batch_sign(batch, signatures[0], list, BLS_BATCH_MAX, many);
        break;
    case SIGN_ALONE:
        r = bls_batch_sign(batch, signatures[0], list, 1, one);
        break;
    case PUBLIC_KEYS:
        r = bls_fixed_base_public_keys(base, signatures[0], list, BLS_BATCH_MAX);
        break;
    case ONE_PUBLIC_KEY:
        r = bls_public_key(signatures[0], list[0]);
        break;
    case SIGN_SIMPLY:
        r = bls_sign(signatures[0], list[0], one, sizeof one);
        break;
    case WORK_END:
        break;
    }
    return r.code ? argument : NULL;
}

static void open_batch(void)
{
    assert_ok(bls_messages_new(&messages));
    assert_ok(bls_batch_new(&batch, messages));
}

static void close_batch(void)
{
    bls_batch_free(batch);
    bls_messages_free(messages);
}

/* Does it on a painted stack of its own, where no message is known. */
static void run(uint8_t stack[SIZE], enum work what)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *failed = NULL;
    open_batch();
    memset(stack, PAINT, SIZE);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, SIZE), 0);
    assert_int_equal(pthread_create(&thread, &attributes, work, &what), 0);
    assert_int_equal(pthread_join(thread, &failed), 0);
    assert_null(failed);
    (void)pthread_attr_destroy(&attributes);
    close_batch();
}

static void make_secrets(size_t number)
{
    for (size_t i = 0; i < BLS_BATCH_MAX; i++) {
        list[i] = secrets[i];
        for (size_t j = 1; j < 32; j++)
            secrets[i][j] = (uint8_t)(number * 151 + i * 37 + j * j * 11 + 1);
    }
}

static uint8_t *new_stack(void)
{
    void *stack = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    assert_true(stack != MAP_FAILED);
    return stack;
}

static void little_of_it_is_used(void **state)
{
    (void)state;
    uint8_t *stack = new_stack();
    make_secrets(0);
    for (enum work what = PREPARE; what < WORK_END; what++) {
        size_t untouched = 0;
        run(stack, what);
        while (untouched < SIZE && stack[untouched] == PAINT)
            untouched++;
        print_message("work %d: %zu bytes\n", (int)what, SIZE - untouched);
        assert_in_range(SIZE - untouched, 1000, ALLOWED);
    }
    (void)munmap(stack, SIZE);
}

/* The same work for other secrets, which lie where those before lay, leaves the same behind. */
static void no_secret_is_left_there(void **state)
{
    (void)state;
    static uint8_t before[SIZE];
    uint8_t *stack = new_stack();
    for (enum work what = SIGN_WITH_TABLE; what < WORK_END; what++) {
        size_t num_differing = 0;
        make_secrets(0);
        run(stack, what);
        memcpy(before, stack, SIZE);
        make_secrets(1);
        run(stack, what);
        for (size_t i = 0; i < SIZE; i++)
            num_differing += before[i] != stack[i];
        print_message("work %d: %zu bytes differ\n", (int)what, num_differing);
        assert_in_range(num_differing, 0, LOOSE_MAX + (what == PUBLIC_KEYS ? 48 : 0)); /* one of them */
    }
    (void)munmap(stack, SIZE);
}

static int open_all(void **state)
{
    (void)state;
    result r = secret_heap_open(1 << 20);
    return r.code ? r.code : bls_fixed_base_new(&base).code;
}

static int close_all(void **state)
{
    (void)state;
    bls_fixed_base_free(base);
    return 0;
}

/* Sanitizers keep their own things there, and so do programs that are not optimised. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__OPTIMIZE__)
enum { IS_AS_SHIPPED = 0 };
#else
enum { IS_AS_SHIPPED = 1 };
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(little_of_it_is_used),
        cmocka_unit_test(no_secret_is_left_there),
    };
    return IS_AS_SHIPPED ? cmocka_run_group_tests(tests, open_all, close_all) : 77;
}
