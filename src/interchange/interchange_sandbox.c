/* interchange_sandbox.c - the system calls of an import, one line and one reason each.
 *
 * The file that is read was written by somebody else's program and came by whatever way: it is
 * parsed by a process that can open nothing more. Where the store is a database, the one connection to it is
 * left, and no way to make another. */
#include "interchange_sandbox.h"

#ifdef INTERCHANGE_WITHOUT_SANDBOX
/* A build that measures coverage writes files at its end. */
result interchange_sandbox_enter(bool is_network)
{
    (void)is_network;
    return RESULT_OK;
}
#else

#include "base/process_sandbox.h"

static const struct process_sandbox_rule file_rules[] = {
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

static const struct process_sandbox_rule network_rules[] = {
    {SCMP_SYS(lseek), "the end of what is read"},
    {SCMP_SYS(sendto), "PostgreSQL's library: statements"},
    {SCMP_SYS(recvfrom), "PostgreSQL's library: answers"},
    {SCMP_SYS(rt_sigpending), "PostgreSQL's library: SIGPIPE, around TLS"},
    {SCMP_SYS(getsockopt), "PostgreSQL's library: what has ended a connection"},
    {SCMP_SYS(getpeername), "OpenSSL: whether a descriptor is a socket"},
};

result interchange_sandbox_enter(bool is_network)
{
    return is_network ? process_sandbox_enter(network_rules, ARRAY_LENGTH(network_rules))
                      : process_sandbox_enter(file_rules, ARRAY_LENGTH(file_rules));
}
#endif
