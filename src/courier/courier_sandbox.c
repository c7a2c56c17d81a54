/* courier_sandbox.c - the system calls that are left to the courier, one line and one reason each.
 *
 * Entered before the first byte from outside is read, and before threads are made, which inherit it.
 * No file can be opened, nothing bound or listened on. It is the process that may reach the network, by the
 * kinds of sockets that its addresses are of: in an enclave those to the parent and no other. */
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/process_landlock.h"
#include "base/process_sandbox.h"
#include "courier.h"

static const struct process_sandbox_rule rules[] = {
    SANDBOX_ALLOW(accept4, "control: a peer"),
    SANDBOX_ALLOW(recvfrom, "control, and libcurl"),
    SANDBOX_ALLOW(sendto, "control, and libcurl"),
    SANDBOX_ALLOW(recvmsg, "packets from the keeper"),
    SANDBOX_ALLOW(sendmsg, "packets to the keeper"),
    SANDBOX_ALLOW(connect, "to the proxy, and libpq"),
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
    SANDBOX_ALLOW_THREADS,
};

static const struct process_sandbox_rule internet_rules[] = {SANDBOX_ALLOW_INTERNET("libpq, libcurl")};
static const struct process_sandbox_rule local_rules[] = {
    SANDBOX_ALLOW_VALUE(socket, 0, AF_UNIX, "to the proxy, and libpq")};
static const struct process_sandbox_rule vsock_rules[] = {
    SANDBOX_ALLOW_VALUE(socket, 0, AF_VSOCK, "to the proxy")};
static const struct process_sandbox_rule file_rules[] = {SANDBOX_ALLOW_READING("libpq: certificates"),
                                                         SANDBOX_ALLOW(newfstatat, "libpq: certificates"),
                                                         SANDBOX_ALLOW(lseek, "libpq: certificates")};

/* Certificates are replaced while this process lives, by files of the same name: so their folders, that of
 * the name and that of what a symbolic link leads to, as orchestrators and certbot make them. */
static must_check result enter_landlock(const struct courier_reach *reach)
{
    enum { NUM_FILES = ARRAY_LENGTH(reach->files) };
    struct process_landlock_path paths[2 * NUM_FILES] = {{NULL, PROCESS_LANDLOCK_READ}};
    char folders[2 * NUM_FILES][PATH_MAX];
    unsigned abi = 0;
    for (size_t i = 0; i < NUM_FILES; i++) {
        const char *file = reach->files[i];
        if (!file)
            continue;
        (void)snprintf(folders[2 * i], PATH_MAX, "%s", file);
        paths[2 * i] = (struct process_landlock_path){dirname(folders[2 * i]), PROCESS_LANDLOCK_READ};
        if (realpath(file, folders[2 * i + 1]))
            paths[2 * i + 1] =
                (struct process_landlock_path){dirname(folders[2 * i + 1]), PROCESS_LANDLOCK_READ};
    }
    TRY(process_landlock_enter(&abi, &(struct process_landlock){.paths = paths,
                                                                .num_paths = ARRAY_LENGTH(paths),
                                                                .connects_anywhere = reach->internet,
                                                                .abstract_sockets = reach->local}));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    return RESULT_OK;
}

result courier_sandbox_enter(const struct courier_reach *reach)
{
    TRY(enter_landlock(reach));
    bool reads = false;
    for (size_t i = 0; i < ARRAY_LENGTH(reach->files); i++)
        reads = reads || reach->files[i];
    struct process_sandbox_list lists[5] = {SANDBOX_LIST(rules)};
    size_t num_lists = 1;
    if (reach->internet)
        lists[num_lists++] = (struct process_sandbox_list)SANDBOX_LIST(internet_rules);
    if (reach->local)
        lists[num_lists++] = (struct process_sandbox_list)SANDBOX_LIST(local_rules);
    if (reach->vsock)
        lists[num_lists++] = (struct process_sandbox_list)SANDBOX_LIST(vsock_rules);
    if (reads)
        lists[num_lists++] = (struct process_sandbox_list)SANDBOX_LIST(file_rules);
    return process_sandbox_enter(lists, num_lists);
}
