/* test_keeper_recipient.c - two threads look for an RSA key: the first that has one counts, and the other's
 * is let go however late it was broken off. The keys are empty ones, found at once. */
#include "testing.h"

#include <unistd.h>

#include "keeper/keeper_recipient.h"

static struct {
    long processors;
    bool both_find; /* each waits for the other before it has its key */
    unsigned fails; /* so many find none */
    _Atomic unsigned asked, found, freed;
    pthread_barrier_t barrier;
} fake;

long __wrap_sysconf(int name);
long __wrap_sysconf(int name)
{
    assert_int_equal(name, _SC_NPROCESSORS_ONLN);
    return fake.processors;
}

int __wrap_EVP_PKEY_generate(EVP_PKEY_CTX *context, EVP_PKEY **ret_key);
int __wrap_EVP_PKEY_generate(EVP_PKEY_CTX *context, EVP_PKEY **ret_key)
{
    (void)context;
    if (fake.both_find)
        (void)pthread_barrier_wait(&fake.barrier);
    if (fake.asked++ < fake.fails)
        return 0;
    fake.found++;
    *ret_key = EVP_PKEY_new();
    return 1;
}

void __real_EVP_PKEY_free(EVP_PKEY *key);
void __wrap_EVP_PKEY_free(EVP_PKEY *key);
void __wrap_EVP_PKEY_free(EVP_PKEY *key)
{
    fake.freed += key != NULL;
    __real_EVP_PKEY_free(key);
}

static int setup(void **state)
{
    (void)state;
    fake.processors = 2;
    fake.both_find = false;
    fake.fails = 0;
    fake.asked = fake.found = fake.freed = 0;
    return pthread_barrier_init(&fake.barrier, NULL, 2);
}

static int teardown(void **state)
{
    (void)state;
    return pthread_barrier_destroy(&fake.barrier);
}

static void of_two_keys_one_counts(void **state)
{
    (void)state;
    struct keeper_recipient recipient = {.num_threads = 0};
    fake.both_find = true;
    assert_ok(keeper_recipient_begin(&recipient));
    assert_int_equal(recipient.num_threads, 2);
    EVP_PKEY *key = keeper_recipient_take(&recipient);
    assert_non_null(key);
    assert_int_equal(fake.found, 2);
    assert_int_equal(fake.freed, 1);
    assert_int_equal(recipient.num_threads, 0);
    __real_EVP_PKEY_free(key);
}

static void one_that_finds_none_leaves_it_to_the_other(void **state)
{
    (void)state;
    struct keeper_recipient recipient = {.num_threads = 0};
    fake.both_find = true;
    fake.fails = 1;
    assert_ok(keeper_recipient_begin(&recipient));
    EVP_PKEY *key = keeper_recipient_take(&recipient);
    assert_non_null(key);
    assert_int_equal(fake.freed, 0);
    __real_EVP_PKEY_free(key);
    recipient = (struct keeper_recipient){.num_threads = 0};
    fake.fails = 4; /* two more */
    assert_ok(keeper_recipient_begin(&recipient));
    assert_null(keeper_recipient_take(&recipient));
}

/* Nobody took it, or one processor is all there is. */
static void what_is_not_taken_is_let_go(void **state)
{
    (void)state;
    struct keeper_recipient recipient = {.num_threads = 0};
    fake.processors = 1;
    assert_ok(keeper_recipient_begin(&recipient));
    assert_int_equal(recipient.num_threads, 1);
    keeper_recipient_cleanup(&recipient);
    assert_int_equal(recipient.num_threads, 0);
    assert_int_equal(fake.found, fake.freed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_two_keys_one_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(one_that_finds_none_leaves_it_to_the_other, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_taken_is_let_go, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
