/* interchange_sandbox.c - the system calls of an import, one line and one reason each.
 *
 * The file that is read was written by somebody else's program and came by whatever way: it is
 * parsed by a process that can open no file. Where the store is a database, the one connection to it is
 * left, and no way to make another. DynamoDB takes many connections, and closes them as it likes, so there
 * new ones can be made. */
#include "interchange_sandbox.h"

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

static const struct process_sandbox_rule connection_rules[] = {
    {SCMP_SYS(lseek), "the end of what is read"},
    {SCMP_SYS(sendto), "PostgreSQL's library: statements"},
    {SCMP_SYS(recvfrom), "PostgreSQL's library: answers"},
    {SCMP_SYS(rt_sigpending), "PostgreSQL's library: SIGPIPE, around TLS"},
    {SCMP_SYS(getsockopt), "PostgreSQL's library: what has ended a connection"},
    {SCMP_SYS(getpeername), "OpenSSL: whether a descriptor is a socket"},
};

static const struct process_sandbox_rule connections_rules[] = {
    {SCMP_SYS(lseek), "the end of what is read"},
    {SCMP_SYS(recvfrom), "libcurl"},
    {SCMP_SYS(sendto), "libcurl"},
    {SCMP_SYS(socket), "a new connection"},
    {SCMP_SYS(connect), "a new connection"},
    {SCMP_SYS(getsockopt), "whether a connect has worked"},
    {SCMP_SYS(setsockopt), "libcurl: no delay"},
    {SCMP_SYS(getsockname), "libcurl: for its messages"},
    {SCMP_SYS(getpeername), "libcurl: for its messages"},
    {SCMP_SYS(shutdown), "libcurl: ends a connection"},
    {SCMP_SYS(socketpair), "libcurl: wakes its own poll"},
    {SCMP_SYS(eventfd2), "libcurl: wakes its own poll, newer"},
    {SCMP_SYS(pipe2), "libcurl: wakes its own poll, where there is no socketpair"},
    {SCMP_SYS(fcntl), "libcurl: non-blocking"},
    {SCMP_SYS(readv), "OpenSSL's sockets"},
    {SCMP_SYS(writev), "OpenSSL's sockets"},
};

result interchange_sandbox_enter(enum interchange_sandbox kind)
{
    switch (kind) {
    case INTERCHANGE_FILES:
        return process_sandbox_enter(file_rules, ARRAY_LENGTH(file_rules));
    case INTERCHANGE_CONNECTION:
        return process_sandbox_enter(connection_rules, ARRAY_LENGTH(connection_rules));
    case INTERCHANGE_CONNECTIONS:
        return process_sandbox_enter(connections_rules, ARRAY_LENGTH(connections_rules));
    }
    FAIL(E_INTERNAL, "no such sandbox");
}
