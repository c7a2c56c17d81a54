/* interchange_sandbox.c - the system calls of an import, one line and one reason each.
 *
 * The file that is read was written by somebody else's program and came by whatever way: it is
 * parsed by a process that can open nothing more and reach no network. */
#include "interchange_sandbox.h"

#ifdef INTERCHANGE_WITHOUT_SANDBOX
/* A build that measures coverage writes files at its end. */
result interchange_sandbox_enter(void)
{
    return RESULT_OK;
}
#else

#include "base/process_sandbox.h"

static const struct process_sandbox_rule rules[] = {
    {SCMP_SYS(pread64), "SQLite: pages"},
    {SCMP_SYS(pwrite64), "SQLite: pages"},
    {SCMP_SYS(lseek), "SQLite: pages"},
    {SCMP_SYS(fsync), "SQLite: durable"},
    {SCMP_SYS(fdatasync), "SQLite: durable"},
    {SCMP_SYS(ftruncate), "SQLite: the log's length"},
    {SCMP_SYS(fallocate), "SQLite: room for the log"},
    {SCMP_SYS(stat), "the store: are its files still the same"},
    {SCMP_SYS(fcntl), "SQLite: locks"},
    {SCMP_SYS(unlink), "SQLite: its log, at a clean end"},
    {SCMP_SYS(geteuid), "SQLite: whose file"},
};

result interchange_sandbox_enter(void)
{
    return process_sandbox_enter(rules, ARRAY_LENGTH(rules));
}
#endif
