/* test_bls_messages.c - what is known of messages, and several threads that share it: lib/bls/bls_messages.c.
 */
#include "testing.h"

#include <blst.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "bls/bls.h"
#include "bls/bls_message.h"
#include "bls/bls_multiples.h"

static struct bls_messages *messages;

static int setup(void **state)
{
    (void)state;
    messages = NULL;
    return bls_messages_new(&messages).code;
}

static int teardown(void **state)
{
    (void)state;
    bls_messages_free(messages);
    return 0;
}

static int open_heap(void **state)
{
    (void)state;
    return secret_heap_open(1 << 20).code;
}

static void make_secret(uint8_t secret[32], size_t number)
{
    for (size_t i = 1; i < 32; i++)
        secret[i] = (uint8_t)(number * 37 + i * i * 11 + 1);
}

/* Makes the signatures of a message, all at once, and compares each with blst's. */
static void compare(struct bls_batch *batch, const uint8_t (*secrets)[32], size_t num,
                    const uint8_t message[32])
{
    uint8_t signatures[BLS_BATCH_MAX][96];
    const uint8_t *list[BLS_BATCH_MAX] = {0};
    for (size_t i = 0; i < num; i++)
        list[i] = secrets[i];
    assert_ok(bls_batch_sign(batch, signatures[0], list, num, message));
    for (size_t i = 0; i < num; i++) {
        uint8_t expected[96];
        assert_ok(bls_sign(expected, secrets[i], message, 32));
        assert_memory_equal(expected, signatures[i], sizeof expected);
    }
}

static void the_messages_used_last_are_known(void **state)
{
    (void)state;
    enum { KNOWN = 256 };
    struct bls_batch *batch = NULL;
    assert_ok(bls_batch_new(&batch, messages));
    for (size_t i = 0; i < KNOWN + 1; i++) {
        uint8_t message[32] = {(uint8_t)i, (uint8_t)(i >> 8)}, first[32] = {0};
        assert_false(bls_messages_know(messages, message));
        assert_ok(bls_batch_prepare(batch, message, 1));
        assert_ok(
            bls_batch_sign(batch, (uint8_t[96]){0}, &(const uint8_t *){(uint8_t[32]){[31] = 1}}, 1, first));
    }
    assert_true(bls_messages_know(messages, (uint8_t[32]){0}));
    assert_false(bls_messages_know(messages, (uint8_t[32]){1}));
    assert_true(bls_messages_know(messages, (uint8_t[32]){2}));
    assert_false(bls_messages_know(messages, (uint8_t[32]){2, [31] = 1}));
    bls_batch_free(batch);
}

static void preparing_changes_no_signature(void **state)
{
    (void)state;
    static uint8_t secrets[BLS_BATCH_MAX][32];
    struct bls_batch *batch = NULL;
    assert_ok(bls_batch_new(&batch, messages));
    for (size_t i = 0; i < BLS_BATCH_MAX; i++)
        make_secret(secrets[i], i);
    for (uint8_t num = 1; num < 40; num += 13) {
        uint8_t message[32] = {6, num};
        assert_false(bls_messages_know(messages, message));
        assert_ok(bls_batch_prepare(batch, message, num));
        assert_true(bls_messages_know(messages, message));
        compare(batch, (const uint8_t(*)[32])secrets, 1, message);
        compare(batch, (const uint8_t(*)[32])secrets, 5, message);
    }
    bls_batch_free(batch);
}

/* More messages than are remembered and more tables than there are, by several threads at once; all want some
 * of them at the same time. */
enum { SHARERS = 4, SHARED_MESSAGES = 300, SHARED_KEYS = 5, SHARED_ROUNDS = 250 };

struct sharing {
    uint8_t secrets[SHARED_KEYS][32];
    uint8_t expected[SHARED_MESSAGES][SHARED_KEYS][96];
    _Atomic size_t num_failed, num_wrong;
};

struct sharer {
    struct sharing *sharing;
    struct bls_batch *batch;
    uint32_t random;
    pthread_t thread;
};

static void shared_message(uint8_t message[32], size_t number)
{
    memset(message, 0, 32);
    message[0] = (uint8_t)number;
    message[31] = (uint8_t)(number >> 8);
}

static void share_round(struct sharer *s, size_t number, size_t num)
{
    uint8_t message[32], signatures[SHARED_KEYS][96];
    const uint8_t *list[SHARED_KEYS] = {0};
    shared_message(message, number);
    for (size_t i = 0; i < num; i++)
        list[i] = s->sharing->secrets[i];
    if (s->random % 5 == 0 && bls_batch_prepare(s->batch, message, s->random % 64).code)
        s->sharing->num_failed++;
    if (bls_batch_sign(s->batch, signatures[0], list, num, message).code)
        s->sharing->num_failed++;
    for (size_t i = 0; i < num; i++)
        if (memcmp(signatures[i], s->sharing->expected[number][i], 96) != 0)
            s->sharing->num_wrong++;
}

static void *share(void *argument)
{
    struct sharer *s = argument;
    for (size_t round = 0; round < SHARED_ROUNDS; round++) {
        s->random = s->random * 1664525 + 1013904223;
        size_t number = round % 3 == 0 ? round / 24 : (s->random >> 8) % SHARED_MESSAGES;
        share_round(s, number, 1 + (s->random >> 20) % SHARED_KEYS);
    }
    return NULL;
}

static void threads_share_messages(void **state)
{
    (void)state;
    static struct sharing sharing;
    static struct sharer sharers[SHARERS];
    for (size_t i = 0; i < SHARED_KEYS; i++)
        make_secret(sharing.secrets[i], i);
    for (size_t number = 0; number < SHARED_MESSAGES; number++) {
        uint8_t message[32];
        blst_p2 hash;
        shared_message(message, number);
        bls_message_hash(&hash, message, 32);
        for (size_t i = 0; i < SHARED_KEYS; i++)
            assert_ok(bls_message_sign(sharing.expected[number][i], sharing.secrets[i], &hash));
    }
    for (size_t i = 0; i < SHARERS; i++) {
        sharers[i] = (struct sharer){.sharing = &sharing, .random = (uint32_t)i * 7919 + 1};
        assert_ok(bls_batch_new(&sharers[i].batch, messages));
        assert_int_equal(pthread_create(&sharers[i].thread, NULL, share, &sharers[i]), 0);
    }
    for (size_t i = 0; i < SHARERS; i++) {
        assert_int_equal(pthread_join(sharers[i].thread, NULL), 0);
        bls_batch_free(sharers[i].batch);
    }
    assert_int_equal(sharing.num_failed, 0);
    assert_int_equal(sharing.num_wrong, 0);
}

/* What is to become of tables that are made. */
static struct {
    _Atomic unsigned num_made, num_failing;
    _Atomic bool is_held;
} making;

result __wrap_bls_multiples_make(struct bls_multiples *ret_multiples, struct bls_multiples_work *work,
                                 const blst_p2 *point, unsigned bits);
result __real_bls_multiples_make(struct bls_multiples *ret_multiples, struct bls_multiples_work *work,
                                 const blst_p2 *point, unsigned bits);

result __wrap_bls_multiples_make(struct bls_multiples *ret_multiples, struct bls_multiples_work *work,
                                 const blst_p2 *point, unsigned bits)
{
    unsigned number = ++making.num_made;
    while (making.is_held)
        (void)usleep(1000);
    ENSURE(number > making.num_failing, E_INTERNAL, "no table");
    return __real_bls_multiples_make(ret_multiples, work, point, bits);
}

struct waiter {
    struct bls_batch *batch;
    pthread_t thread;
    result outcome;
    uint8_t signatures[3][96];
};

static void *sign_three(void *argument)
{
    static const uint8_t message[32] = {77};
    struct waiter *waiter = argument;
    uint8_t secrets[3][32] = {0};
    const uint8_t *list[3];
    for (size_t i = 0; i < 3; i++) {
        make_secret(secrets[i], i);
        list[i] = secrets[i];
    }
    waiter->outcome = bls_batch_sign(waiter->batch, waiter->signatures[0], list, 3, message);
    return NULL;
}

/* Each that waits for a table goes on when it is not made: one makes it instead, until one has it. */
static void a_table_that_fails_holds_up_nobody(void **state)
{
    (void)state;
    enum { WAITERS = 4 };
    static const uint8_t message[32] = {77}, zeros[3][96];
    for (unsigned num_failing = 0; num_failing <= WAITERS; num_failing++) {
        static struct waiter waiters[WAITERS];
        size_t num_failed = 0;
        making.num_made = 0;
        making.num_failing = num_failing;
        making.is_held = true;
        for (size_t i = 0; i < WAITERS; i++) {
            waiters[i] = (struct waiter){0};
            assert_ok(bls_batch_new(&waiters[i].batch, messages));
            assert_int_equal(pthread_create(&waiters[i].thread, NULL, sign_three, &waiters[i]), 0);
        }
        (void)usleep(50000); /* the others wait by now */
        making.is_held = false;
        for (size_t i = 0; i < WAITERS; i++) {
            assert_int_equal(pthread_join(waiters[i].thread, NULL), 0);
            num_failed += waiters[i].outcome.code != 0;
            if (waiters[i].outcome.code)
                assert_memory_equal(waiters[i].signatures, zeros, sizeof zeros);
        }
        assert_int_equal(num_failed, num_failing);
        static uint8_t secrets[3][32];
        for (size_t i = 0; i < 3; i++)
            make_secret(secrets[i], i);
        making.num_failing = 0;
        compare(waiters[0].batch, (const uint8_t(*)[32])secrets, 3, message);
        for (size_t i = 0; i < WAITERS; i++)
            bls_batch_free(waiters[i].batch);
        bls_messages_free(messages);
        assert_ok(bls_messages_new(&messages));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_messages_used_last_are_known, setup, teardown),
        cmocka_unit_test_setup_teardown(preparing_changes_no_signature, setup, teardown),
        cmocka_unit_test_setup_teardown(threads_share_messages, setup, teardown),
        cmocka_unit_test_setup_teardown(a_table_that_fails_holds_up_nobody, setup, teardown),
    };
    return cmocka_run_group_tests(tests, open_heap, NULL);
}
