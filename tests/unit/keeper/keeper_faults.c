/* keeper_faults.c - the test's side of keeper_faults.h. */
#include "keeper_faults.h"

#include "keeper_cloud.h"
#include "keeper_courier.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fault_plans *plans;

static void open_faults(struct rig *rig)
{
    static char path[128];
    (void)snprintf(path, sizeof path, "%s/faults", rig->folder);
    AUTO_FD fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, sizeof *plans), 0);
    plans = mmap(NULL, sizeof *plans, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(plans != MAP_FAILED);
    assert_int_equal(setenv(FAULTS_VARIABLE, path, 1), 0);
    rig->program = KEEPER_FAULTY;
}

static void close_faults(void)
{
    (void)munmap(plans, sizeof *plans);
    (void)unsetenv(FAULTS_VARIABLE);
    plans = NULL;
}

static int setup_after(void **state, int (*setup)(void **state))
{
    if (setup(state) != 0)
        return -1;
    open_faults(*state);
    return 0;
}

int faults_setup(void **state)
{
    return setup_after(state, rig_setup);
}

int faults_setup_managed(void **state)
{
    int failed = faults_setup(state);
    if (!failed)
        ((struct rig *)*state)->option = "--key-manager";
    return failed;
}

int faults_setup_enclave(void **state)
{
    return setup_after(state, cloud_setup);
}

int faults_setup_sealed(void **state)
{
    return setup_after(state, courier_setup_sealed);
}

int faults_setup_plain(void **state)
{
    return setup_after(state, courier_setup_plain);
}

int faults_teardown(void **state)
{
    close_faults();
    return rig_teardown(state);
}

int faults_teardown_enclave(void **state)
{
    close_faults();
    return cloud_teardown(state);
}

int faults_teardown_courier(void **state)
{
    close_faults();
    return courier_teardown(state);
}

static void set(enum fault fault, int number, int times, bool bent, long gives)
{
    struct fault_plan *plan = &plans->of[fault];
    plan->num_happened = 0;
    plan->delay_ms = 0;
    plan->times = times;
    plan->bent = bent;
    plan->gives = gives;
    plan->in = number;
}

void faults_fail(enum fault fault, int number)
{
    set(fault, number, 1, false, 0);
}

void faults_fail_all(enum fault fault)
{
    set(fault, 1, INT32_MAX, false, 0);
}

void faults_bend(enum fault fault, int number, long gives)
{
    set(fault, number, 1, true, gives);
}

void faults_bend_all(enum fault fault, long gives)
{
    set(fault, 1, INT32_MAX, true, gives);
}

void faults_delay(enum fault fault, unsigned delay_ms)
{
    set(fault, 0, 1, false, 0);
    plans->of[fault].delay_ms = delay_ms;
    plans->of[fault].in = 1;
}

void faults_await(enum fault fault)
{
    enum { PATIENCE_MS = 60000 };
    for (int waited = 0; plans->of[fault].num_happened == 0; waited += 5) {
        if (waited > PATIENCE_MS)
            fail_msg("waited in vain for fault %d", (int)fault);
        (void)usleep(5000);
    }
}

bool faults_stop(enum fault fault)
{
    plans->of[fault].in = 0;
    return plans->of[fault].num_happened > 0;
}
