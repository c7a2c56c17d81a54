/* loader_sandbox.c - the system calls that are left to a loader, one line and one reason each, by its mode.
 *
 * No socket, no program, no other process. A batch of records has no business with files; files and folders
 * are read; only a request to the key manager and a new proxy key make, rename and remove any, and in which
 * folder is Landlock's matter: each mode has the paths of its options, but for key configuration files, which
 * name other files wherever these are. */
#include "loader_sandbox.h"
#include "loader_modes.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/process_landlock.h"
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

static must_check result enter_landlock(enum loader_sandbox mode, const struct loader_settings *s)
{
    bool writes = mode == LOADER_SANDBOX_MANAGE, makes = mode == LOADER_SANDBOX_PROXY;
    const struct process_landlock_path paths[] = {
        {s->key_config_path && !writes ? "/" : NULL, PROCESS_LANDLOCK_READ},
        {writes ? s->key_config_path : NULL, PROCESS_LANDLOCK_WRITE},
        {makes ? s->proxy_keystores_path : NULL, PROCESS_LANDLOCK_WRITE},
        {s->proxy_keystores_path, PROCESS_LANDLOCK_READ},
        {s->proxy_keystores_password_file, PROCESS_LANDLOCK_READ},
        {s->keystores_path, PROCESS_LANDLOCK_READ},
        {s->keystores_passwords_path, PROCESS_LANDLOCK_READ},
        {s->keystores_password_file, PROCESS_LANDLOCK_READ},
        {s->tls_keystore_file, PROCESS_LANDLOCK_READ},
        {s->tls_keystore_password_file, PROCESS_LANDLOCK_READ},
        {s->slashing_protection_key_file, PROCESS_LANDLOCK_READ},
    };
    unsigned abi = 0;
    /* The folder itself can only be made while there is more than what is in it. */
    ENSURE(!makes || !s->proxy_keystores_path || mkdir(s->proxy_keystores_path, 0700) == 0 || errno == EEXIST,
           E_IO, "proxy keys: cannot make a folder: %s", strerror(errno));
    TRY(process_landlock_enter(&abi, &(struct process_landlock){paths, ARRAY_LENGTH(paths), .ports = NULL}));
    if (!abi)
        log_info("%s", PROCESS_LANDLOCK_MISSING);
    return RESULT_OK;
}

result loader_sandbox_enter(enum loader_sandbox mode, const struct loader_settings *settings)
{
    static const struct process_sandbox_list records[] = {SANDBOX_LIST(rules)};
    static const struct process_sandbox_list files[] = {SANDBOX_LIST(rules), SANDBOX_LIST(file_rules),
                                                        SANDBOX_LIST(reading_rules)};
    static const struct process_sandbox_list proxy[] = {SANDBOX_LIST(rules), SANDBOX_LIST(file_rules),
                                                        SANDBOX_LIST(managing_rules),
                                                        SANDBOX_LIST(proxy_rules)};
    TRY(enter_landlock(mode, settings));
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
