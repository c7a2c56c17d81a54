/* keeper_faults.c - the test's side of keeper_faults.h. */
#include "keeper_faults.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static struct fault_plans *plans;

void faults_open(struct rig *rig)
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

void faults_close(void)
{
    (void)munmap(plans, sizeof *plans);
    (void)unsetenv(FAULTS_VARIABLE);
    plans = NULL;
}

static void set(enum fault fault, int number, int times, bool bent, long gives)
{
    struct fault_plan *plan = &plans->of[fault];
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

void faults_bend(enum fault fault, long gives)
{
    set(fault, 1, 1, true, gives);
}

bool faults_stop(enum fault fault)
{
    struct fault_plan *plan = &plans->of[fault];
    bool happened = plan->in == 0 || (plan->in == 1 && plan->times < INT32_MAX);
    plan->in = 0;
    return happened;
}
