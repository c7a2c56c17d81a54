/* enclave_mounts.c - mounts and device nodes.
 *
 * The root is what the kernel unpacked from the ramdisks; it is remounted read-only by the mount's flag and
 * not by the file system's, because a container's PID 1 shares its file system with others. The same holds
 * for /dev: a tmpfs of our own with five nodes. Rejected: devtmpfs, of which a kernel has one instance, so
 * that closing its nodes to others closes them for a container's host too; and which has every device that a
 * driver offers. /sys is not mounted: nobody reads it. */
#include "enclave_mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file_io.h"

enum {
    MEMORY_MAJOR = 1,
    NULL_MINOR = 3,
    RANDOM_MINOR = 8,
    CONSOLE_MAJOR = 5,
    CONSOLE_MINOR = 1,
    MISC_MAJOR = 10
};
enum { PROC_FILE_MAX = 65536 };

static must_check result mount_one(const char *type, const char *where, unsigned long flags,
                                   const char *options)
{
    ENSURE(mkdir(where, 0755) == 0 || errno == EEXIST, E_IO, "%s: %s", where, strerror(errno));
    ENSURE(mount(type, where, type, flags, options) == 0, E_IO, "mount %s: %s", where, strerror(errno));
    return RESULT_OK;
}

/* The number in front of this name in a file of lines "NUMBER name", such as /proc/misc; -1: not there. */
static must_check result find_number(int *ret_number, const char *path, const char *name)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, path, PROC_FILE_MAX));
    *ret_number = -1;
    for (const char *line = text.length ? (const char *)text.data : NULL; line;
         line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        int number;
        char found[32];
        if (sscanf(line, "%d %31s", &number, found) == 2 && strcmp(found, name) == 0)
            *ret_number = number;
    }
    return RESULT_OK;
}

static must_check result make_node(const char *path, int major, int minor, mode_t mode, uid_t owner)
{
    if (major < 0 || minor < 0)
        return RESULT_OK; /* this kernel has no such driver */
    ENSURE(mknod(path, S_IFCHR | 0600, makedev((unsigned)major, (unsigned)minor)) == 0 &&
               chown(path, owner, owner) == 0 && chmod(path, mode) == 0,
           E_IO, "%s: %s", path, strerror(errno));
    return RESULT_OK;
}

static must_check result make_devices(uid_t keeper)
{
    int nsm = -1, ptp = -1;
    TRY(find_number(&nsm, "/proc/misc", "nsm"));
    TRY(find_number(&ptp, "/proc/devices", "ptp"));
    TRY(make_node("/dev/null", MEMORY_MAJOR, NULL_MINOR, 0666, 0));
    TRY(make_node("/dev/random", MEMORY_MAJOR, RANDOM_MINOR, 0600, 0));
    TRY(make_node("/dev/console", CONSOLE_MAJOR, CONSOLE_MINOR, 0600, 0));
    TRY(make_node("/dev/ptp0", ptp, 0, 0600, 0));
    return make_node("/dev/nsm", MISC_MAJOR, nsm, 0600, keeper);
}

static must_check result open_stream(int target, const char *path, int flags)
{
    int fd = open(path, flags | O_NOCTTY);
    if (fd < 0)
        fd = open("/dev/null", flags);
    ENSURE(fd >= 0 && dup2(fd, target) == target, E_IO, "standard streams: %s", strerror(errno));
    if (fd != target)
        (void)close(fd);
    return RESULT_OK;
}

/* Descriptors 0 to 2 must never be something else. Nobody reads standard input, and no child shall. */
static must_check result open_standard_streams(void)
{
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            TRY(open_stream(fd, "/dev/console", O_WRONLY));
    }
    return open_stream(STDIN_FILENO, "/dev/null", O_RDONLY);
}

result enclave_mounts_make(uid_t keeper)
{
    const unsigned long strict = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    char options[80];
    (void)snprintf(options, sizeof options, "mode=0700,uid=%u,gid=%u,size=16m,nr_inodes=64", keeper, keeper);
    (void)umask(0022);
    TRY(mount_one("proc", "/proc", strict, "hidepid=invisible"));
    TRY(mount_one("tmpfs", "/dev", MS_NOSUID | MS_NOEXEC, "mode=0755,size=16k,nr_inodes=16"));
    TRY(make_devices(keeper));
    TRY(open_standard_streams());
    TRY(mount_one("tmpfs", "/run", strict, "mode=0755,size=1m,nr_inodes=64"));
    return mount_one("tmpfs", "/tmp", strict, options);
}

static must_check result close_one(const char *where, unsigned long flags)
{
    ENSURE(mount(NULL, where, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | flags, NULL) == 0, E_IO,
           "read-only %s: %s", where, strerror(errno));
    return RESULT_OK;
}

result enclave_mounts_close(void)
{
    static const char probe[] = "/.is-this-written";
    TRY(close_one("/dev", MS_NOEXEC));
    TRY(close_one("/", MS_NODEV));
    if (mkdir(probe, 0700) == 0) {
        (void)rmdir(probe);
        FAIL(E_STATE, "the root can be written");
    }
    ENSURE(errno == EROFS, E_STATE, "the root is not read-only: %s", strerror(errno));
    return RESULT_OK;
}
