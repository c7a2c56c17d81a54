/* keeper_sandbox.c - the system calls that are left to the keeper, one line and one reason each.
 *
 * Entered when the store is open: from then on no file can be opened, no process started, no
 * network reached, and no peer gained but by socketpair. What every process of ours needs is added
 * by base/process_sandbox. */
#include "keeper_sandbox.h"

#include <fcntl.h>

#include "base/log.h"
#include "base/process_landlock.h"
#include "base/process_sandbox.h"
#include "nitro/nitro_nsm.h"

static const struct process_sandbox_rule rules[] = {
    SANDBOX_ALLOW(ppoll, "wait for the peers"),
    SANDBOX_ALLOW(recvmsg, "messages in"),
    SANDBOX_ALLOW(sendmsg, "messages out"),
    SANDBOX_ALLOW(socketpair, "a channel to each new loader"),
    SANDBOX_ALLOW_VALUE(ioctl, 1, NSM_IOCTL, "the NSM"),
    SANDBOX_ALLOW(sendto, "the NSM's stand-in"),
    SANDBOX_ALLOW(recvfrom, "the NSM's stand-in"),
    SANDBOX_ALLOW(shutdown, "the NSM's stand-in, once it has not answered"),
    SANDBOX_ALLOW_SQLITE,
};

result keeper_sandbox_enter(const char *store)
{
    static bool entered;
    const struct process_landlock_path paths[] = {{store, PROCESS_LANDLOCK_REMOVE_BESIDE}};
    unsigned abi = 0;
    if (entered)
        return RESULT_OK;
    TRY(process_landlock_enter(&abi,
                               &(struct process_landlock){.paths = paths, .num_paths = ARRAY_LENGTH(paths)}));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    const struct process_sandbox_list list = SANDBOX_LIST(rules);
    TRY(process_sandbox_enter(&list, 1));
    entered = true;
    return RESULT_OK;
}
