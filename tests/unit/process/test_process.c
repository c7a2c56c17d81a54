/* test_process.c - real children of /bin/sh: what they find open, how their end is told. */
#include "testing.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file_io.h"
#include "process/process.h"

static pid_t start_shell(const char *script, const int *fds, size_t num_fds)
{
    char shell[] = "/bin/sh";
    char option[] = "-c";
    char text[512];
    (void)snprintf(text, sizeof text, "%s", script);
    char *argv[] = {shell, option, text, NULL};
    pid_t pid = 0;
    assert_ok(process_start(&pid, shell, argv, fds, num_fds));
    return pid;
}

static int wait_status(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void test_descriptors_are_exact(void **state)
{
    (void)state;
    int a[2], b[2];
    assert_ok(process_socketpair(a));
    assert_ok(process_socketpair(b));
    /* Not close-on-exec and not passed: the child must not see it. */
    int stray = dup2(a[1], 40);
    assert_int_equal(stray, 40);
    /* b before a: numbers that overlap the targets must not be confused. */
    int fds[] = {b[1], a[1]};
    pid_t pid = start_shell(
        "echo three >&3; echo four >&4; for n in /proc/self/fd/*; do case ${n##*/} in 0|1|2|3|4) ;; "
        "*) [ -e /proc/$$/fd/${n##*/} ] && echo stray${n##*/} >&3;; esac; done; exit 0",
        fds, 2);
    assert_int_equal(wait_status(pid), 0);
    (void)close(a[1]);
    (void)close(b[1]);
    (void)close(stray);
    char text[64] = {0};
    assert_int_equal(recv(b[0], text, sizeof text, 0), 6);
    assert_memory_equal(text, "three\n", 6);
    assert_int_equal(recv(a[0], text, sizeof text, 0), 5);
    assert_memory_equal(text, "four\n", 5);
    assert_int_equal(recv(b[0], text, sizeof text, 0), 0); /* no stray descriptor was reported */
    (void)close(a[0]);
    (void)close(b[0]);
}

static void test_missing_executable_is_told(void **state)
{
    (void)state;
    char path[] = "/nonexistent/program";
    char *argv[] = {path, NULL};
    pid_t pid = 77;
    assert_fails(E_IO, process_start(&pid, path, argv, NULL, 0));
    assert_error_names("/nonexistent/program");
    assert_int_equal(pid, 77);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left to reap */
}

static void test_environment_and_signals_are_clean(void **state)
{
    (void)state;
    assert_int_equal(setenv("NOTIFY_SOCKET", "/nowhere", 1), 0);
    sigset_t blocked, before;
    (void)sigemptyset(&blocked);
    (void)sigaddset(&blocked, SIGTERM);
    assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    pid_t pid = start_shell("[ -z \"$NOTIFY_SOCKET\" ] || exit 3; kill -TERM $$; exit 4", NULL, 0);
    int status = wait_status(pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGTERM);
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
}

static void test_sibling_is_beside_us(void **state)
{
    (void)state;
    char path[PROCESS_PATH_MAX];
    assert_ok(process_sibling_path(path, "test_process"));
    assert_int_equal(access(path, X_OK), 0);
}

/* Waits for SIGCHLD by the descriptor, then reaps. */
static result reap_one(struct process_group *group, int signals)
{
    struct pollfd wait = {.fd = signals, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    int number = 0;
    assert_ok(process_signals_next(signals, &number));
    assert_int_equal(number, SIGCHLD);
    return process_group_reap(group);
}

static void test_group_tells_who_ended(void **state)
{
    (void)state;
    AUTO_FD signals = -1;
    assert_ok(process_signals_open(&signals));
    struct process_group group = {0};
    assert_ok(process_group_add(&group, start_shell("exit 0", NULL, 0), "brief", true));
    assert_ok(reap_one(&group, signals));
    assert_ok(process_group_add(&group, start_shell("exit 0", NULL, 0), "steady", false));
    assert_fails(E_PEER, reap_one(&group, signals));
    assert_error_names("steady ended with status 0");
    assert_ok(process_group_add(&group, start_shell("exit 9", NULL, 0), "brief and failing", true));
    assert_ok(reap_one(&group, signals));
    assert_ok(process_group_add(&group, start_shell("kill -KILL $$", NULL, 0), "brief and killed", true));
    assert_ok(reap_one(&group, signals));
    assert_ok(process_group_add(&group, start_shell("kill -KILL $$", NULL, 0), "killed", false));
    assert_fails(E_PEER, reap_one(&group, signals));
    assert_error_names("killed was ended by signal 9");
}

static void test_group_names_the_killed_one_of_several(void **state)
{
    (void)state;
    struct process_group group = {0};
    pid_t pids[3] = {start_shell("exit 1", NULL, 0), start_shell("kill -KILL $$", NULL, 0),
                     start_shell("exit 1", NULL, 0)};
    static const char *const names[] = {"first", "killed", "last"};
    for (size_t i = 0; i < 3; i++)
        assert_ok(process_group_add(&group, pids[i], names[i], false));
    for (size_t i = 0; i < 3; i++) {
        siginfo_t ended; /* waits until all are there to be reaped, and leaves them */
        assert_int_equal(waitid(P_PID, (id_t)pids[i], &ended, WEXITED | WNOWAIT), 0);
    }
    assert_fails(E_PEER, process_group_reap(&group));
    assert_error_names("killed was ended by signal 9");
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(group.members[i].pid, 0);
}

static void test_group_stops_even_the_stubborn(void **state)
{
    (void)state;
    struct process_group group = {0};
    int ready[2];
    assert_ok(process_socketpair(ready));
    pid_t stubborn = start_shell("trap '' TERM; echo >&3; exec 3>&-; while :; do read line < /dev/zero; done",
                                 &ready[1], 1);
    char byte;
    assert_int_equal(recv(ready[0], &byte, 1, 0), 1);
    pid_t docile = start_shell("exec sleep 100", NULL, 0);
    assert_ok(process_group_add(&group, stubborn, "stubborn", false));
    assert_ok(process_group_add(&group, docile, "docile", false));
    process_group_stop(&group, 200);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(group.members[0].pid, 0);
    assert_int_equal(group.members[1].pid, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

static void test_group_ends_the_brief_alone(void **state)
{
    (void)state;
    struct process_group group = {0};
    assert_ok(process_group_add(&group, start_shell("exec sleep 100", NULL, 0), "steady", false));
    assert_ok(process_group_add(&group, start_shell("trap '' TERM; exec sleep 100", NULL, 0), "stuck", true));
    pid_t stuck = group.members[1].pid;
    assert_ok(process_group_add(&group, start_shell("exec sleep 100", NULL, 0), "other", true));
    process_group_end_brief(&group, "steady");
    assert_int_equal(kill(stuck, 0), 0);
    process_group_end_brief(&group, "stuck");
    assert_int_equal(kill(stuck, 0), -1);
    assert_int_equal(group.members[1].pid, 0);
    assert_int_equal(kill(group.members[0].pid, 0), 0);
    assert_int_equal(kill(group.members[2].pid, 0), 0);
    process_group_stop(&group, 1000);
}

static void test_group_has_a_limit(void **state)
{
    (void)state;
    struct process_group group = {0};
    for (size_t i = 0; i < PROCESS_GROUP_MAX; i++)
        group.members[i].pid = 1 << 22;
    assert_fails(E_TOO_LARGE,
                 process_group_add(&group, start_shell("exec sleep 100", NULL, 0), "one too many", false));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_are_exact),
        cmocka_unit_test(test_missing_executable_is_told),
        cmocka_unit_test(test_environment_and_signals_are_clean),
        cmocka_unit_test(test_sibling_is_beside_us),
        cmocka_unit_test(test_group_tells_who_ended),
        cmocka_unit_test(test_group_names_the_killed_one_of_several),
        cmocka_unit_test(test_group_stops_even_the_stubborn),
        cmocka_unit_test(test_group_ends_the_brief_alone),
        cmocka_unit_test(test_group_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
