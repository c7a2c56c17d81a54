/* soak_clock.c - preloaded, it shows a program a wall clock that soak.py steps; the monotonic clock is left
 * alone.
 *
 * The offset in nanoseconds is the first eight bytes of the file that NS_SOAK_CLOCK names, mapped before the
 * program enters its sandbox: nothing here makes a system call after that. libfaketime was rejected: it opens
 * its file again at each change, which the filters kill a process for. A time namespace steps no wall clock,
 * and clock_settime would step it for the whole machine. What only the kernel reads, a timer of
 * CLOCK_REALTIME for example, is not stepped.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static _Atomic int64_t none, *offset = &none;
static int (*read_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void open_clock(void)
{
    const char *path = getenv("NS_SOAK_CLOCK");
    *(void **)&read_clock = dlsym(RTLD_NEXT, "clock_gettime");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *offset, PROT_READ, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
        offset = page;
    (void)close(fd);
}

int clock_gettime(clockid_t id, struct timespec *t)
{
    if (!read_clock)
        open_clock(); /* another library's constructor was first */
    int status = read_clock(id, t);
    if (status == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t ns = (int64_t)t->tv_sec * 1000000000 + t->tv_nsec + atomic_load(offset);
        *t = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    }
    return status;
}

int gettimeofday(struct timeval *restrict t, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    int status = clock_gettime(CLOCK_REALTIME, &now);
    if (status == 0)
        *t = (struct timeval){.tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000};
    return status;
}

time_t time(time_t *seconds)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (seconds)
        *seconds = now.tv_sec;
    return now.tv_sec;
}

int clock_settime(clockid_t id, const struct timespec *t)
{
    (void)id, (void)t;
    errno = EPERM;
    return -1;
}

int adjtimex(struct timex *t)
{
    (void)t;
    errno = EPERM;
    return -1;
}
