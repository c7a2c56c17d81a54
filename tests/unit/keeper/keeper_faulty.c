/* keeper_faulty.c - what stands before the functions of keeper_faults.def in the keeper of
 * test_keeper_faults.
 *
 * One shape fits all of them: their arguments and results are integers and pointers, eight at most, and to
 * hand on more than there are does no harm. */
#include "keeper_faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <time.h>

static struct fault_plans *plans;

int __real_main(int argc, char *argv[]);
int __wrap_main(int argc, char *argv[]);

/* Whether this call of it fails. */
static bool is_due(enum fault fault)
{
    struct fault_plan *plan = plans ? &plans->of[fault] : NULL;
    if (!plan || atomic_load(&plan->in) == 0)
        return false;
    if (atomic_load(&plan->in) > 1) {
        (void)atomic_fetch_sub(&plan->in, 1);
        return false;
    }
    if (atomic_fetch_sub(&plan->times, 1) <= 1)
        atomic_store(&plan->in, 0);
    (void)atomic_fetch_add(&plan->num_happened, 1);
    struct timespec begun, now;
    (void)clock_gettime(CLOCK_MONOTONIC, &begun);
    do /* the sandbox lets nobody sleep */
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - begun.tv_sec) * 1000 + (now.tv_nsec - begun.tv_nsec) / 1000000 <
           (long)atomic_load(&plan->delay_ms));
    return plan->delay_ms == 0;
}

static long outcome(enum fault fault, long failure)
{
    const struct fault_plan *plan = &plans->of[fault];
    return plan->bent ? plan->gives : failure;
}

#define PARAMETERS long a, long b, long c, long d, long e, long f, long g, long h
#define FAULT(function, failure, error_number)                                                               \
    long __real_##function(PARAMETERS);                                                                      \
    long __wrap_##function(PARAMETERS);                                                                      \
    long __wrap_##function(PARAMETERS)                                                                       \
    {                                                                                                        \
        if (!is_due(FAULT_##function))                                                                       \
            return __real_##function(a, b, c, d, e, f, g, h);                                                \
        errno = (error_number);                                                                              \
        return outcome(FAULT_##function, (failure));                                                         \
    }
#define RESULT_FAULT(function, error)                                                                        \
    long __real_##function(PARAMETERS);                                                                      \
    long __wrap_##function(PARAMETERS);                                                                      \
    long __wrap_##function(PARAMETERS)                                                                       \
    {                                                                                                        \
        if (!is_due(FAULT_##function))                                                                       \
            return __real_##function(a, b, c, d, e, f, g, h);                                                \
        return outcome(FAULT_##function, error_set((error), "%s fails", #function).code);                    \
    }
#include "keeper_faults.def"

int __wrap_main(int argc, char *argv[])
{
    const char *path = getenv(FAULTS_VARIABLE);
    AUTO_FD fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *shared = mmap(NULL, sizeof *plans, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED)
        return 127;
    fd_auto_close(&fd);
    fd = -1;
    plans = shared;
    return __real_main(argc, argv);
}
