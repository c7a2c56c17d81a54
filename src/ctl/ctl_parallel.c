/* ctl_parallel.c - see ctl_parallel.h. Threads take the next number; a run is over when they are: nothing of
 * one run outlives it. */
#include "ctl_parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct run {
    ctl_parallel_work *work;
    void *context;
    size_t num;
    atomic_size_t next;
};

static void *take_pieces(void *run_pointer)
{
    struct run *run = run_pointer;
    for (size_t i = atomic_fetch_add(&run->next, 1); i < run->num; i = atomic_fetch_add(&run->next, 1))
        run->work(run->context, i);
    return NULL;
}

result ctl_parallel(ctl_parallel_work *work, void *context, size_t num, size_t threads)
{
    pthread_t started[CTL_THREADS_MAX];
    struct run run = {.work = work, .context = context, .num = num};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    size_t wanted = threads ? threads : processors > 0 ? (size_t)processors : 1, num_started = 0;
    wanted = wanted < num ? wanted : num;
    wanted = wanted < CTL_THREADS_MAX ? wanted : CTL_THREADS_MAX;
    /* This thread is one of them: without memory for others the work is done all the same. */
    while (num_started + 1 < wanted && pthread_create(&started[num_started], NULL, take_pieces, &run) == 0)
        num_started++;
    (void)take_pieces(&run);
    for (size_t i = 0; i < num_started; i++)
        ENSURE(pthread_join(started[i], NULL) == 0, E_INTERNAL, "a thread cannot be joined");
    return RESULT_OK;
}
