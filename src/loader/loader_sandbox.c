/* loader_sandbox.c - the system calls that are left to a loader, one line and one reason each, by its mode.
 *
 * No socket, no program, no other process. A batch of records has no business with files; files and folders
 * are read; only a request to the key manager and a new proxy key make, rename and remove any, and in which
 * folder is Landlock's matter (loader_landlock.c). */
#include "loader_sandbox.h"

#include <fcntl.h>
#include <sched.h>

#include "base/process_sandbox.h"

static const struct process_sandbox_rule rules[] = {
    SANDBOX_ALLOW(recvmsg, "packets from the keeper"),
    SANDBOX_ALLOW(sendmsg, "packets to the keeper"),
    SANDBOX_ALLOW(sched_yield, "locks"),
    SANDBOX_ALLOW_THREADS,
};

static const struct process_sandbox_rule file_rules[] = {
    SANDBOX_ALLOW(newfstatat, "sizes and kinds of files"),
    SANDBOX_ALLOW(getdents64, "folders"),
    SANDBOX_ALLOW(lseek, "folders"),
    SANDBOX_ALLOW_FLAGS("opendir sets close-on-exec"),
};

static const struct process_sandbox_rule reading_rules[] = {SANDBOX_ALLOW_READING("files and folders")};

static const struct process_sandbox_rule managing_rules[] = {
    SANDBOX_ALLOW(openat, "key configuration files, also new ones"),
    SANDBOX_ALLOW(fsync, "they and their folder"),
    SANDBOX_ALLOW(renameat, "an import becomes valid; a deletion begins"),
    SANDBOX_ALLOW(renameat2, "the same"),
    SANDBOX_ALLOW(unlinkat, "what was deleted or is left over"),
};

static const struct process_sandbox_rule proxy_rules[] = {
    SANDBOX_ALLOW(mkdirat, "folders of consensus keys")};

result loader_sandbox_enter(enum loader_sandbox mode)
{
    static const struct process_sandbox_list records[] = {SANDBOX_LIST(rules)};
    static const struct process_sandbox_list files[] = {SANDBOX_LIST(rules), SANDBOX_LIST(file_rules),
                                                        SANDBOX_LIST(reading_rules)};
    static const struct process_sandbox_list proxy[] = {SANDBOX_LIST(rules), SANDBOX_LIST(file_rules),
                                                        SANDBOX_LIST(managing_rules),
                                                        SANDBOX_LIST(proxy_rules)};
    switch (mode) {
    case LOADER_SANDBOX_RECORDS:
        return process_sandbox_enter(records, ARRAY_LENGTH(records));
    case LOADER_SANDBOX_FILES:
        return process_sandbox_enter(files, ARRAY_LENGTH(files));
    case LOADER_SANDBOX_MANAGE:
        return process_sandbox_enter(proxy, ARRAY_LENGTH(proxy) - 1);
    case LOADER_SANDBOX_PROXY:
        return process_sandbox_enter(proxy, ARRAY_LENGTH(proxy));
    }
    FAIL(E_INTERNAL, "no such sandbox");
}
