/* no_filter.c - a library that the programs are made to load under user-mode emulation, and nowhere else:
 * QEMU passes no seccomp filter to the kernel (the call fails there), and our programs rightly end when
 * theirs is refused. It takes the place of libseccomp's seccomp_load; rules are still made, by a libseccomp
 * that is told what kernels can do instead of asking. What the filters let through is tested by
 * tests/arm64/machine, whose kernel has them. Rejected: an option of the programs that leaves the filter out.
 */
#include <seccomp.h>
#include <stdlib.h>

enum { KILLS_PROCESSES = 3 }; /* the level of libseccomp's interface from which on there is that action */

#pragma weak seccomp_api_set /* not every program has libseccomp */

__attribute__((constructor)) static void begin(void)
{
    (void)unsetenv("LD_PRELOAD"); /* the scripts of tests/arm64/wrap name it again */
    if (seccomp_api_set)
        (void)seccomp_api_set(KILLS_PROCESSES);
}

int seccomp_load(const scmp_filter_ctx filter)
{
    return filter ? 0 : -1;
}
