/* bench_no_sandbox.c - preloaded, it keeps a program from entering its sandbox. Valgrind runs inside the
 * process that it observes, and makes system calls that the signer's processes may not. For counting
 * instructions, and for nothing else.
 */
#include <seccomp.h>

int seccomp_load(const scmp_filter_ctx filter)
{
    (void)filter;
    return 0;
}

int seccomp_rule_add(scmp_filter_ctx filter, uint32_t action, int system_call, unsigned int num_arguments,
                     ...)
{
    (void)filter, (void)action, (void)system_call, (void)num_arguments;
    return 0;
}

int seccomp_attr_set(scmp_filter_ctx filter, enum scmp_filter_attr attribute, uint32_t value)
{
    (void)filter, (void)attribute, (void)value;
    return 0;
}
