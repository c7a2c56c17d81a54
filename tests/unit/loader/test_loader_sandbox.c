/* test_loader_sandbox.c - what the loader's filter denies and what it leaves, each tried in a
 * child process behind the filter. */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/loader_modes.h"
#include "loader/loader_sandbox.h"

/* Under a sanitizer the filter is not loaded; the test would show nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(NS_COVERAGE)
#define FILTERED false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define FILTERED false
#endif
#endif
#ifndef FILTERED
#define FILTERED true
#endif

#ifdef NS_COVERAGE /* what was covered is written at the end */
enum { LANDLOCK = 0 };
#else
enum { LANDLOCK = 1 };
#endif

/* 0 when it worked, else errno. */
typedef int (*attempt)(void);

static int outcome_of(long returned)
{
    return returned < 0 ? errno : 0;
}

static int open_socket(void)
{
    return outcome_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int open_local_socket(void)
{
    return outcome_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int execute(void)
{
    char *arguments[] = {(char[]){"/bin/true"}, NULL};
    return outcome_of(execv(arguments[0], arguments));
}

static int fork_process(void)
{
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return outcome_of(child);
}

static int trace(void)
{
    return outcome_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int read_memory_of_parent(void)
{
    return outcome_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static int signal_parent(void)
{
    return outcome_of(kill(getppid(), 0));
}

static int open_for_reading(void)
{
    return outcome_of(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

static int open_for_writing(void)
{
    return outcome_of(open("/dev/null", O_WRONLY | O_CLOEXEC));
}

static int create_file(void)
{
    return outcome_of(open("/tmp/ns-sandbox-test", O_RDONLY | O_CREAT | O_CLOEXEC, 0600));
}

static int remove_file(void)
{
    return outcome_of(unlink("/tmp/ns-there-is-no-such-file"));
}

static int become_dumpable(void)
{
    return outcome_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static void *nothing(void *argument)
{
    return argument;
}

static int start_thread(void)
{
    pthread_t thread;
    int failed = pthread_create(&thread, NULL, nothing, NULL);
    return failed ? failed : pthread_join(thread, NULL);
}

static int take_large_memory(void)
{
    char *memory = malloc(64 << 20);
    if (!memory)
        return ENOMEM;
    memset(memory, 1, 64 << 20);
    free(memory);
    return 0;
}

static int write_to_log(void)
{
    return outcome_of(write(STDERR_FILENO, "", 0));
}

enum { KILLED = 254 };

static struct loader_settings settings = {.key_config_path = "/"};

/* The attempt's outcome behind the filter; KILLED when the filter ended the process. */
static int behind(enum loader_sandbox mode, attempt try)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || loader_sandbox_enter(mode, &settings).code)
            _exit(255);
        _exit(try());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        return KILLED;
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void both_modes_deny(void **state)
{
    (void)state;
    static const attempt denied[] = {open_socket,      open_local_socket, fork_process, signal_parent,
                                     open_for_writing, create_file,       remove_file,  become_dumpable};
    if (!FILTERED)
        skip(); /* no filter is loaded under sanitizers: their own system calls would be denied */
    for (size_t i = 0; i < ARRAY_LENGTH(denied); i++) {
        if (behind(LOADER_SANDBOX_RECORDS, denied[i]) != EPERM ||
            behind(LOADER_SANDBOX_FILES, denied[i]) != EPERM)
            fail_msg("attempt %zu was not denied", i);
    }
}

static void what_only_an_intruder_does_is_deadly(void **state)
{
    (void)state;
    static const attempt deadly[] = {execute, trace, read_memory_of_parent};
    if (!FILTERED)
        skip(); /* no filter is loaded under sanitizers: their own system calls would be denied */
    for (size_t i = 0; i < ARRAY_LENGTH(deadly); i++) {
        assert_int_equal(behind(LOADER_SANDBOX_RECORDS, deadly[i]), KILLED);
        assert_int_equal(behind(LOADER_SANDBOX_FILES, deadly[i]), KILLED);
    }
}

static void only_files_mode_opens_files(void **state)
{
    (void)state;
    assert_int_equal(behind(LOADER_SANDBOX_FILES, open_for_reading), 0);
    if (!FILTERED)
        skip();
    assert_int_equal(behind(LOADER_SANDBOX_RECORDS, open_for_reading), EPERM);
}

static void manage_mode_writes_files_and_no_more(void **state)
{
    (void)state;
    static const attempt denied[] = {open_socket, open_local_socket, fork_process, signal_parent,
                                     become_dumpable};
    assert_int_equal(behind(LOADER_SANDBOX_MANAGE, open_for_reading), 0);
    assert_int_equal(behind(LOADER_SANDBOX_MANAGE, open_for_writing), 0);
    assert_int_equal(behind(LOADER_SANDBOX_MANAGE, start_thread), 0);
    if (!FILTERED)
        skip();
    for (size_t i = 0; i < ARRAY_LENGTH(denied); i++)
        assert_int_equal(behind(LOADER_SANDBOX_MANAGE, denied[i]), EPERM);
    assert_int_equal(behind(LOADER_SANDBOX_MANAGE, execute), KILLED);
}

/* Each mode has its options' paths: /dev/null is where it was, and not among them. */
static void files_are_those_of_the_options(void **state)
{
    (void)state;
    if (!LANDLOCK || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) <= 0)
        skip(); /* the kernel has none */
    settings = (struct loader_settings){.keystores_path = "/etc", .keystores_password_file = "/dev/null"};
    assert_int_equal(behind(LOADER_SANDBOX_FILES, open_for_reading), 0);
    settings = (struct loader_settings){.keystores_path = "/etc", .keystores_password_file = "/dev/zero"};
    assert_int_equal(behind(LOADER_SANDBOX_FILES, open_for_reading), EACCES);
    settings = (struct loader_settings){.key_config_path = "/tmp"}; /* it names other files */
    assert_int_equal(behind(LOADER_SANDBOX_FILES, open_for_reading), 0);
    assert_int_equal(behind(LOADER_SANDBOX_MANAGE, open_for_reading), EACCES);
    assert_int_equal(behind(LOADER_SANDBOX_MANAGE, open_for_writing), EACCES);
    settings = (struct loader_settings){.proxy_keystores_path = "/etc", .key_config_path = "/dev"};
    assert_int_equal(behind(LOADER_SANDBOX_PROXY, open_for_reading), 0);
    assert_int_equal(behind(LOADER_SANDBOX_PROXY, open_for_writing), EACCES);
    settings = (struct loader_settings){.key_config_path = "/"};
}

static void both_modes_leave_what_the_work_needs(void **state)
{
    (void)state;
    static const attempt allowed[] = {start_thread, take_large_memory, write_to_log};
    for (size_t i = 0; i < ARRAY_LENGTH(allowed); i++) {
        assert_int_equal(behind(LOADER_SANDBOX_RECORDS, allowed[i]), 0);
        assert_int_equal(behind(LOADER_SANDBOX_FILES, allowed[i]), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_modes_deny),
        cmocka_unit_test(what_only_an_intruder_does_is_deadly),
        cmocka_unit_test(only_files_mode_opens_files),
        cmocka_unit_test(manage_mode_writes_files_and_no_more),
        cmocka_unit_test(files_are_those_of_the_options),
        cmocka_unit_test(both_modes_leave_what_the_work_needs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
