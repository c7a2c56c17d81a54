/* interchange_sandbox.c - the system calls of an import, one line and one reason each.
 *
 * The file that is read was written by somebody else's program and came by whatever way: it is
 * parsed by a process that can open no file. Where the store is a database, the one connection to it is
 * left, and no way to make another. DynamoDB takes many connections, and closes them as it likes, so there
 * new ones can be made. */
#include "interchange_sandbox.h"

#include <fcntl.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/process_landlock.h"
#include "base/process_sandbox.h"

static const struct process_sandbox_rule file_rules[] = {
    SANDBOX_ALLOW_SQLITE,
};

static const struct process_sandbox_rule connection_rules[] = {
    SANDBOX_ALLOW(lseek, "the end of what is read"),
    SANDBOX_ALLOW(sendto, "PostgreSQL's library: statements"),
    SANDBOX_ALLOW(recvfrom, "PostgreSQL's library: answers"),
    SANDBOX_ALLOW(rt_sigpending, "PostgreSQL's library: SIGPIPE, around TLS"),
    SANDBOX_ALLOW(getsockopt, "PostgreSQL's library: what has ended a connection"),
    SANDBOX_ALLOW(getpeername, "OpenSSL: whether a descriptor is a socket"),
};

static const struct process_sandbox_rule connections_rules[] = {
    SANDBOX_ALLOW(lseek, "the end of what is read"),
    SANDBOX_ALLOW(recvfrom, "libcurl"),
    SANDBOX_ALLOW(sendto, "libcurl"),
    SANDBOX_ALLOW_INTERNET("a new connection"),
    SANDBOX_ALLOW(connect, "a new connection"),
    SANDBOX_ALLOW(getsockopt, "whether a connect has worked"),
    SANDBOX_ALLOW(setsockopt, "libcurl: no delay"),
    SANDBOX_ALLOW(getsockname, "libcurl: for its messages"),
    SANDBOX_ALLOW(getpeername, "libcurl: for its messages"),
    SANDBOX_ALLOW(shutdown, "libcurl: ends a connection"),
    SANDBOX_ALLOW(socketpair, "libcurl: wakes its own poll"),
    SANDBOX_ALLOW(eventfd2, "libcurl: wakes its own poll, newer"),
    SANDBOX_ALLOW(pipe2, "libcurl: wakes its own poll, where there is no socketpair"),
    SANDBOX_ALLOW_FLAGS("libcurl: non-blocking"),
    SANDBOX_ALLOW(readv, "OpenSSL's sockets"),
    SANDBOX_ALLOW(writev, "OpenSSL's sockets"),
};

result interchange_sandbox_enter(enum interchange_sandbox kind, const char *file)
{
    static const struct process_sandbox_list lists[] = {
        [INTERCHANGE_FILES] = SANDBOX_LIST(file_rules),
        [INTERCHANGE_CONNECTION] = SANDBOX_LIST(connection_rules),
        [INTERCHANGE_CONNECTIONS] = SANDBOX_LIST(connections_rules),
    };
    const struct process_landlock_path paths[] = {{file, PROCESS_LANDLOCK_REMOVE_BESIDE}};
    const struct process_landlock allowed = {.paths = paths,
                                             .num_paths = ARRAY_LENGTH(paths),
                                             .connects_anywhere = kind == INTERCHANGE_CONNECTIONS};
    unsigned abi = 0;
    TRY(process_landlock_enter(&abi, &allowed));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    return process_sandbox_enter(&lists[kind], 1);
}
