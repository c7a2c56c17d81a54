/* bench_wake.c - microseconds from one process to another and back over a socket pair, both asleep between.
 * With each on a processor of its own, every message has to wake an idle processor, which costs more on
 * virtual machines than most of what a signer does; with both on one, only the scheduler's switch is left. A
 * pause before each round trip lets the processors go idle, as they are before a lone request.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/options.h"
#include "bench_samples.h"

enum { PAUSE_NS = 200000 };

static result stay_on(uint32_t processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(processor, &set);
    ENSURE(sched_setaffinity(0, sizeof set, &set) == 0, E_INPUT, "processor %u is not ours", processor);
    return RESULT_OK;
}

/* The other side: each byte goes back. */
static int echo(int fd, uint32_t processor)
{
    char byte;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (stay_on(processor).code)
        return 1;
    while (recv(fd, &byte, 1, 0) == 1)
        if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1)
            return 1;
    return 0;
}

static result round_trips(struct bench_samples *samples, int fd, uint32_t times)
{
    const struct timespec pause = {.tv_nsec = PAUSE_NS};
    for (uint32_t i = 0; i < times; i++) {
        char byte = 'x';
        (void)nanosleep(&pause, NULL);
        uint64_t start = clock_monotonic_ns();
        ENSURE(send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1, E_IO,
               "the other process is gone");
        TRY(bench_samples_add(samples, clock_monotonic_ns() - start));
    }
    return RESULT_OK;
}

static result run(uint32_t here, uint32_t there, uint32_t times)
{
    AUTO(bench_samples) samples = {0};
    int ends[2];
    ENSURE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0, E_IO, "socketpair");
    AUTO_FD mine = ends[0];
    pid_t child = fork();
    if (child == 0) {
        (void)close(ends[0]);
        _exit(echo(ends[1], there));
    }
    (void)close(ends[1]);
    ENSURE(child > 0, E_IO, "fork");
    TRY(stay_on(here));
    TRY(round_trips(&samples, mine, times));
    printf("{\"p50_us\": %.2f, \"p99_us\": %.2f}\n", bench_samples_quantile(&samples, 500),
           bench_samples_quantile(&samples, 990));
    return RESULT_OK;
}

int main(int argc, char *argv[])
{
    uint32_t here = 0, there = 0, times = 1000;
    const struct option table[] = {
        {"here", OPTION_U32, &here, "processor of the side that asks (0)", 0, CPU_SETSIZE - 1},
        {"there", OPTION_U32, &there, "processor of the side that answers (0)", 0, CPU_SETSIZE - 1},
        {"times", OPTION_U32, &times, "round trips (1000)", 1, 1000000},
    };
    int next = 0;
    log_open("bench_wake", LOG_LEVEL_INFO);
    if (options_parse(&next, table, ARRAY_LENGTH(table), "bench_wake [options]", argc, argv).code ||
        next != argc) {
        log_error("%s", next ? "no arguments are taken" : error_text());
        return PROGRAM_EXIT_USAGE;
    }
    if (run(here, there, times).code) {
        log_error("%s", error_text());
        return 1;
    }
    return 0;
}
