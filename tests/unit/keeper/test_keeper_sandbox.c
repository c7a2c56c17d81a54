/* test_keeper_sandbox.c - entering the sandbox once, whatever of it fails. What it then lets through is tried
 * in tests/unit/sandbox; here nothing is entered. */
#include "testing.h"

#include "base/process_landlock.h"
#include "base/process_sandbox.h"
#include "keeper/keeper_sandbox.h"

static struct {
    bool landlock_fails, filter_fails;
    unsigned abi, landlocks, filters;
    char store[32];
} fake;

result __wrap_process_landlock_enter(unsigned *ret_abi, const struct process_landlock *wanted);
result __wrap_process_landlock_enter(unsigned *ret_abi, const struct process_landlock *wanted)
{
    fake.landlocks++;
    assert_int_equal(wanted->num_paths, 1);
    (void)snprintf(fake.store, sizeof fake.store, "%s", wanted->paths[0].path);
    ENSURE(!fake.landlock_fails, E_IO, "told to fail");
    *ret_abi = fake.abi;
    return RESULT_OK;
}

result __wrap_process_sandbox_enter(const struct process_sandbox_list *lists, size_t num_lists);
result __wrap_process_sandbox_enter(const struct process_sandbox_list *lists, size_t num_lists)
{
    (void)lists;
    assert_int_equal(num_lists, 1);
    fake.filters++;
    ENSURE(!fake.filter_fails, E_IO, "told to fail");
    return RESULT_OK;
}

/* A policy that is sent again after a failure finds the sandbox as it was left; after a success it is not
 * entered twice. */
static void it_is_entered_once_and_never_by_half(void **state)
{
    (void)state;
    fake.landlock_fails = true;
    assert_fails(E_IO, keeper_sandbox_enter("/a/store"));
    assert_int_equal(fake.filters, 0);
    fake.landlock_fails = false;
    fake.filter_fails = true; /* a kernel without Landlock: the filter is all there is */
    assert_fails(E_IO, keeper_sandbox_enter("/a/store"));
    assert_int_equal(fake.filters, 1);
    fake.filter_fails = false;
    fake.abi = 4;
    assert_ok(keeper_sandbox_enter("/a/store"));
    assert_string_equal(fake.store, "/a/store");
    assert_ok(keeper_sandbox_enter("/another"));
    assert_int_equal(fake.landlocks, 3);
    assert_int_equal(fake.filters, 2);
    assert_string_equal(fake.store, "/a/store");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_entered_once_and_never_by_half)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
