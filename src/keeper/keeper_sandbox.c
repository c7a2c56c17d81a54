/* keeper_sandbox.c - the system calls that are left to the keeper, one line and one reason each.
 *
 * Entered when the store is open: from then on no file can be opened, no process started, no
 * network reached, and no peer gained but by socketpair. What every process of ours needs is added
 * by base/process_sandbox. */
#include "keeper_sandbox.h"

#include "base/process_sandbox.h"

static const struct process_sandbox_rule rules[] = {
    {SCMP_SYS(ppoll), "wait for the peers"},
    {SCMP_SYS(recvmsg), "messages in"},
    {SCMP_SYS(sendmsg), "messages out"},
    {SCMP_SYS(socketpair), "a channel to each new loader"},
    {SCMP_SYS(ioctl), "the NSM"},
    {SCMP_SYS(sendto), "the NSM's stand-in"},
    {SCMP_SYS(recvfrom), "the NSM's stand-in"},
    {SCMP_SYS(shutdown), "the NSM's stand-in, once it has not answered"},
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

result keeper_sandbox_enter(void)
{
    static bool entered;
    if (entered)
        return RESULT_OK;
    TRY(process_sandbox_enter(rules, ARRAY_LENGTH(rules)));
    entered = true;
    return RESULT_OK;
}
