/* process_landlock.c - see process_landlock.h.
 *
 * The kernel's interface is written out: the headers of build machines are older than kernels. Rejected:
 * failing where Landlock is missing. It is a second wall; the first one, the filter of system calls, stands
 * everywhere. */
#include "base/process_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* linux/landlock.h's names, without their beginning. */
enum {
    EXECUTE = 1 << 0,
    WRITE_FILE = 1 << 1,
    READ_FILE = 1 << 2,
    READ_DIR = 1 << 3,
    REMOVE_DIR = 1 << 4,
    REMOVE_FILE = 1 << 5,
    MAKE_DIR = 1 << 7,
    MAKE_REG = 1 << 8,
    FIRST_VERSION = (1 << 13) - 1, /* these, and making of what is no regular file */
    REFER = 1 << 13,
    TRUNCATE = 1 << 14,
    IOCTL_DEV = 1 << 15,
    OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV,
    BIND_TCP = 1 << 0,
    CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_SOCKETS = 1 << 0,
    SCOPE_SIGNALS = 1 << 1,
    CREATE_VERSION = 1,
    RULE_PATH = 1,
    RULE_PORT = 2
};

struct ruleset {
    uint64_t files, network, scoped;
};

struct path_rule {
    uint64_t allowed;
    int32_t parent;
} __attribute__((packed));

struct port_rule {
    uint64_t allowed, port;
};

/* What each version can hold back, and how much of the structure it reads. */
static const struct {
    struct ruleset can;
    size_t length;
} versions[] = {
    {{FIRST_VERSION, 0, 0}, 8},
    {{FIRST_VERSION | REFER, 0, 0}, 8},
    {{FIRST_VERSION | REFER | TRUNCATE, 0, 0}, 8},
    {{FIRST_VERSION | REFER | TRUNCATE, BIND_TCP | CONNECT_TCP, 0}, 16},
    {{FIRST_VERSION | REFER | TRUNCATE | IOCTL_DEV, BIND_TCP | CONNECT_TCP, 0}, 16},
    {{FIRST_VERSION | REFER | TRUNCATE | IOCTL_DEV, BIND_TCP | CONNECT_TCP,
      SCOPE_ABSTRACT_SOCKETS | SCOPE_SIGNALS},
     24},
};

static uint64_t rights_of(enum process_landlock_use use)
{
    switch (use) {
    case PROCESS_LANDLOCK_READ:
        return READ_FILE | READ_DIR;
    case PROCESS_LANDLOCK_WRITE:
        return READ_FILE | READ_DIR | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | REFER |
               TRUNCATE;
    case PROCESS_LANDLOCK_REMOVE_BESIDE:
        return REMOVE_FILE;
    }
    return 0;
}

/* Where the file is, as long as paths may be. */
static must_check result open_path(int *ret_fd, const struct process_landlock_path *path)
{
    char folder[PATH_MAX];
    int length = snprintf(folder, sizeof folder, "%s", path->path);
    ENSURE(length >= 0 && (size_t)length < sizeof folder, E_TOO_LARGE, "Landlock: a path is too long");
    const char *of = path->use == PROCESS_LANDLOCK_REMOVE_BESIDE ? dirname(folder) : folder;
    *ret_fd = open(of, O_PATH | O_CLOEXEC);
    return RESULT_OK;
}

static must_check result add_path(int rules, const struct process_landlock_path *path, uint64_t known)
{
    if (!path->path)
        return RESULT_OK;
    AUTO_FD fd = -1;
    TRY(open_path(&fd, path));
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return RESULT_OK; /* whoever needs it will say so better */
    struct stat status;
    ENSURE(fd >= 0 && fstat(fd, &status) == 0, E_IO, "%s: %s", path->path, strerror(errno));
    uint64_t rights = rights_of(path->use) & known;
    if (!S_ISDIR(status.st_mode))
        rights &= OF_FILES;
    const struct path_rule rule = {rights, fd};
    ENSURE(rights == 0 || syscall(SYS_landlock_add_rule, rules, RULE_PATH, &rule, 0) == 0, E_IO,
           "Landlock: %s: %s", path->path, strerror(errno));
    return RESULT_OK;
}

#ifdef __has_feature
#define HAS_CLANGS_SANITIZER __has_feature(address_sanitizer)
#else
#define HAS_CLANGS_SANITIZER 0
#endif

/* In such a build the leak sanitizer looks at its own process there, at the very end. */
static must_check result add_sanitizers_rules(int rules, const struct ruleset *known)
{
#if defined(__SANITIZE_ADDRESS__) || HAS_CLANGS_SANITIZER
    return add_path(rules, &(struct process_landlock_path){"/proc", PROCESS_LANDLOCK_READ}, known->files);
#else
    (void)rules;
    (void)known;
    return RESULT_OK;
#endif
}

static must_check result add_rules(int rules, const struct process_landlock *allowed,
                                   const struct ruleset *known)
{
    TRY(add_sanitizers_rules(rules, known));
    for (size_t i = 0; i < allowed->num_paths; i++)
        TRY(add_path(rules, &allowed->paths[i], known->files));
    for (size_t i = 0; i < allowed->num_ports && known->network & CONNECT_TCP; i++) {
        const struct port_rule rule = {CONNECT_TCP, allowed->ports[i]};
        ENSURE(syscall(SYS_landlock_add_rule, rules, RULE_PORT, &rule, 0) == 0, E_IO, "Landlock: port %u: %s",
               (unsigned)allowed->ports[i], strerror(errno));
    }
    return RESULT_OK;
}

result process_landlock_enter(unsigned *ret_abi, const struct process_landlock *allowed)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    if (abi <= 0) { /* unknown to the kernel, or turned off at its start */
        *ret_abi = 0;
        return RESULT_OK;
    }
    size_t version = (size_t)abi < ARRAY_LENGTH(versions) ? (size_t)abi : ARRAY_LENGTH(versions);
    struct ruleset held = versions[version - 1].can;
    if (allowed->connects_anywhere)
        held.network &= BIND_TCP;
    if (allowed->abstract_sockets)
        held.scoped &= SCOPE_SIGNALS;
    AUTO_FD rules = (int)syscall(SYS_landlock_create_ruleset, &held, versions[version - 1].length, 0);
    ENSURE(rules >= 0, E_IO, "Landlock: %s", strerror(errno));
    TRY(add_rules(rules, allowed, &held));
#ifndef NS_COVERAGE /* what was covered is written at the end */
    ENSURE(syscall(SYS_landlock_restrict_self, rules, 0) == 0, E_IO, "Landlock: %s", strerror(errno));
#endif
    *ret_abi = (unsigned)abi;
    return RESULT_OK;
}
