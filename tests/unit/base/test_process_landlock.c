/* test_process_landlock.c - what is left of the file system and the network behind Landlock, each tried in a
 * child; and that each version of the kernel's Landlock is asked for no more than it knows, on a kernel that
 * is made to look older. */
#include "testing.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process_landlock.h"
#include "base/process_limits.h"

enum { AS_IT_IS = -1, DENIED = 1, FAILED_BEFORE = 99, VERSION_OF_PORTS = 4, VERSION_OF_SIGNALS = 6 };

static int pretended = AS_IT_IS; /* the version that the kernel is said to have; 0: none */

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* All calls of the unit under test are Landlock's, of at most four arguments. */
long __wrap_syscall(long number, ...)
{
    static const size_t lengths[] = {8, 8, 8, 16, 16, 24};
    static const uint64_t files[] = {0x1fff, 0x3fff, 0x7fff, 0x7fff, 0xffff, 0xffff};
    va_list list;
    va_start(list, number);
    long a[4];
    for (size_t i = 0; i < ARRAY_LENGTH(a); i++)
        a[i] = va_arg(list, long);
    va_end(list);
    if (pretended == 0) {
        errno = EOPNOTSUPP;
        return -1;
    }
    if (number == SYS_landlock_create_ruleset && pretended > 0) {
        size_t version = (size_t)pretended < ARRAY_LENGTH(files) ? (size_t)pretended : ARRAY_LENGTH(files);
        if (!a[0])
            return pretended;
        if ((size_t)a[1] != lengths[version - 1] || *(uint64_t *)a[0] != files[version - 1]) {
            errno = EINVAL;
            return -1;
        }
    }
    return __real_syscall(number, a[0], a[1], a[2], a[3]);
}

static long version_here(void)
{
#ifdef NS_COVERAGE /* nothing is held back there */
    return 0;
#else
    long version = __real_syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    return version > 0 ? version : 0;
#endif
}

/* ---- a folder to be in, and one outside ---- */

static char inside[PATH_MAX], outside[PATH_MAX];

static void path_in(char out[static PATH_MAX], const char *folder, const char *name)
{
    assert_in_range(snprintf(out, PATH_MAX, "%.4000s/%.60s", folder, name), 1, PATH_MAX - 1);
}

static void make_file(const char *folder, const char *name)
{
    char path[PATH_MAX];
    path_in(path, folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1 && close(fd) == 0);
}

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(inside, sizeof inside, "/tmp/ns-landlock-XXXXXX");
    (void)snprintf(outside, sizeof outside, "/tmp/ns-landlock-XXXXXX");
    if (!mkdtemp(inside) || !mkdtemp(outside))
        return 1;
    make_file(inside, "file");
    make_file(outside, "file");
    return 0;
}

static int remove_all(const char *folder)
{
    static const char *const names[] = {"file", "new", "moved", "folder"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        char path[PATH_MAX];
        path_in(path, folder, names[i]);
        if (unlink(path) != 0 && errno != ENOENT && rmdir(path) != 0)
            return 1;
    }
    return rmdir(folder);
}

static int tear_down(void **state)
{
    (void)state;
    return remove_all(inside) | remove_all(outside);
}

/* ---- attempts: 0 when it worked, else errno ---- */

typedef int (*attempt)(const char *folder);

static int opens(const char *folder, const char *name, int flags)
{
    char path[PATH_MAX];
    path_in(path, folder, name);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    return fd < 0 ? errno : close(fd);
}

static int read_file(const char *folder)
{
    return opens(folder, "file", O_RDONLY);
}

static int list_folder(const char *folder)
{
    return opens(folder, ".", O_RDONLY | O_DIRECTORY);
}

static int write_file(const char *folder)
{
    return opens(folder, "file", O_WRONLY);
}

static int make_new(const char *folder)
{
    return opens(folder, "new", O_WRONLY | O_CREAT | O_EXCL);
}

static int cut_file(const char *folder)
{
    char path[PATH_MAX];
    path_in(path, folder, "file");
    return truncate(path, 0) == 0 ? 0 : errno;
}

static int make_folder(const char *folder)
{
    char path[PATH_MAX];
    path_in(path, folder, "folder");
    return mkdir(path, 0700) == 0 ? 0 : errno;
}

static int rename_file(const char *folder)
{
    char from[PATH_MAX], to[PATH_MAX];
    path_in(from, folder, "file");
    path_in(to, folder, "moved");
    return rename(from, to) == 0 ? 0 : errno;
}

static int remove_file(const char *folder)
{
    char path[PATH_MAX];
    path_in(path, folder, "file");
    return unlink(path) == 0 ? 0 : errno;
}

static int signal_outside(const char *folder)
{
    (void)folder;
    return kill(getppid(), 0) == 0 ? 0 : errno;
}

static uint16_t port;

/* Nobody listens: it is refused by the other side, which is not the kernel's no. */
static int connect_to(const char *folder)
{
    (void)folder;
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code = connect(fd, (const struct sockaddr *)&to, sizeof to) == 0 || errno == ECONNREFUSED ? 0 : errno;
    (void)close(fd);
    return code;
}

static int bind_to_any(const char *folder)
{
    (void)folder;
    const struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int code = bind(fd, (const struct sockaddr *)&at, sizeof at) == 0 ? 0 : errno;
    (void)close(fd);
    return code;
}

static int behind(const struct process_landlock *allowed, attempt try, const char *folder)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        unsigned abi = 0;
        if (process_harden().code || process_landlock_enter(&abi, allowed).code)
            _exit(FAILED_BEFORE);
#ifndef NS_COVERAGE
        if (abi != (unsigned)(pretended == AS_IT_IS ? version_here() : pretended))
            _exit(FAILED_BEFORE);
#endif
        int code = try(folder);
        _exit(code == EACCES || code == EPERM ? DENIED : code);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_not_equal(WEXITSTATUS(status), FAILED_BEFORE);
    return WEXITSTATUS(status);
}

static const attempt with_files[] = {read_file,   list_folder, write_file, make_new,
                                     make_folder, cut_file,    rename_file};

static void nothing_is_nothing(void **state)
{
    (void)state;
    if (version_here() < 3)
        skip(); /* nothing is held back, or not cutting */
    for (size_t i = 0; i < ARRAY_LENGTH(with_files); i++)
        assert_int_equal(behind(&(struct process_landlock){0}, with_files[i], inside), DENIED);
    assert_int_equal(behind(&(struct process_landlock){0}, remove_file, inside), DENIED);
}

static void a_folder_to_read_is_read_and_no_other(void **state)
{
    (void)state;
    const struct process_landlock_path paths[] = {{inside, PROCESS_LANDLOCK_READ},
                                                  {NULL, PROCESS_LANDLOCK_READ},
                                                  {"/tmp/ns-is-not-there", PROCESS_LANDLOCK_READ}};
    const struct process_landlock allowed = {.paths = paths, .num_paths = ARRAY_LENGTH(paths)};
    assert_int_equal(behind(&allowed, read_file, inside), 0);
    assert_int_equal(behind(&allowed, list_folder, inside), 0);
    if (version_here() < 3)
        skip();
    for (size_t i = 0; i < ARRAY_LENGTH(with_files); i++) {
        assert_int_equal(behind(&allowed, with_files[i], outside), DENIED);
        assert_int_equal(behind(&allowed, with_files[i], inside), i < 2 ? 0 : DENIED);
    }
}

static void one_file_is_read_and_none_beside_it(void **state)
{
    (void)state;
    char path[PATH_MAX];
    path_in(path, inside, "file");
    const struct process_landlock_path paths[] = {{path, PROCESS_LANDLOCK_READ}};
    const struct process_landlock allowed = {.paths = paths, .num_paths = 1};
    make_file(inside, "moved");
    assert_int_equal(behind(&allowed, read_file, inside), 0);
    if (version_here() == 0)
        skip();
    assert_int_equal(behind(&allowed, list_folder, inside), DENIED);
    assert_int_equal(behind(&allowed, read_file, outside), DENIED);
}

static void a_folder_to_write_is_written_and_no_other(void **state)
{
    (void)state;
    const struct process_landlock_path paths[] = {{inside, PROCESS_LANDLOCK_WRITE}};
    const struct process_landlock allowed = {.paths = paths, .num_paths = 1};
    for (size_t i = 0; i < ARRAY_LENGTH(with_files); i++) {
        if (version_here() >= 3)
            assert_int_equal(behind(&allowed, with_files[i], outside), DENIED);
        assert_int_equal(behind(&allowed, with_files[i], inside), 0);
    }
}

static void a_store_removes_beside_itself(void **state)
{
    (void)state;
    char path[PATH_MAX];
    path_in(path, inside, "store");
    const struct process_landlock_path paths[] = {{path, PROCESS_LANDLOCK_REMOVE_BESIDE}};
    const struct process_landlock allowed = {.paths = paths, .num_paths = 1};
    assert_int_equal(behind(&allowed, remove_file, inside), 0);
    if (version_here() == 0)
        skip();
    assert_int_equal(behind(&allowed, remove_file, outside), DENIED);
    assert_int_equal(behind(&allowed, make_new, inside), DENIED);
}

static void ports_are_those_that_are_named(void **state)
{
    (void)state;
    const uint16_t ports[] = {9};
    const struct process_landlock named = {.ports = ports, .num_ports = 1};
    const struct process_landlock any = {.connects_anywhere = true};
    port = 9;
    assert_int_equal(behind(&named, connect_to, NULL), 0);
    port = 11;
    assert_int_equal(behind(&any, connect_to, NULL), 0);
    if (version_here() < VERSION_OF_PORTS)
        skip();
    assert_int_equal(behind(&named, connect_to, NULL), DENIED);
    assert_int_equal(behind(&named, bind_to_any, NULL), DENIED);
    assert_int_equal(behind(&any, bind_to_any, NULL), DENIED);
}

static void processes_outside_are_not_signalled(void **state)
{
    (void)state;
    if (version_here() < VERSION_OF_SIGNALS)
        skip();
    assert_int_equal(behind(&(struct process_landlock){0}, signal_outside, NULL), DENIED);
}

/* Each version is asked for what it knows and no more, in a structure of the length that it has (the wrapped
 * call refuses anything else), and does what it can. One that is younger than ours is taken for ours. */
static void older_and_younger_kernels(void **state)
{
    (void)state;
    const struct process_landlock_path paths[] = {{inside, PROCESS_LANDLOCK_WRITE}};
    const uint16_t ports[] = {9};
    const struct process_landlock allowed = {.paths = paths, .num_paths = 1, .ports = ports, .num_ports = 1};
    int youngest = version_here() >= VERSION_OF_SIGNALS ? 9 : (int)version_here();
    port = 11;
    for (pretended = 1; pretended <= youngest; pretended++) {
        assert_int_equal(behind(&allowed, write_file, inside), 0);
        assert_int_equal(behind(&allowed, write_file, outside), DENIED);
        assert_int_equal(behind(&allowed, cut_file, outside), pretended < 3 ? 0 : DENIED);
        assert_int_equal(behind(&allowed, connect_to, NULL), pretended < VERSION_OF_PORTS ? 0 : DENIED);
        assert_int_equal(behind(&allowed, signal_outside, NULL), pretended < VERSION_OF_SIGNALS ? 0 : DENIED);
    }
    pretended = 0; /* none at all, and the program is told so */
    assert_int_equal(behind(&allowed, read_file, outside), 0);
    pretended = AS_IT_IS;
}

#define FOLDERS_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDERS_TEST(nothing_is_nothing),
        FOLDERS_TEST(a_folder_to_read_is_read_and_no_other),
        FOLDERS_TEST(one_file_is_read_and_none_beside_it),
        FOLDERS_TEST(a_folder_to_write_is_written_and_no_other),
        FOLDERS_TEST(a_store_removes_beside_itself),
        FOLDERS_TEST(ports_are_those_that_are_named),
        FOLDERS_TEST(processes_outside_are_not_signalled),
        FOLDERS_TEST(older_and_younger_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
