/* test_process_sandbox.c - each case in a child of its own, for there is no way out of a sandbox. */
#include "testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process_limits.h"
#include "base/process_sandbox.h"

/* A thread that was there before, and is told when to begin. libc makes calls of its own when one starts. */
static int begin[2], started[2];

static void *try_unlisted(void *outcome)
{
    char byte = 0;
    ssize_t num = write(started[1], &byte, 1) == 1 ? read(begin[0], &byte, 1) : 0;
    int opened = open("/etc/passwd", O_RDONLY), opened_code = errno;
    int made = socket(AF_INET, SOCK_STREAM, 0), made_code = errno;
    bool is_refused = num == 1 && opened < 0 && opened_code == EPERM && made < 0 && made_code == EPERM;
    memcpy(outcome, &is_refused, sizeof is_refused);
    return NULL;
}

static void *do_nothing(void *argument)
{
    return argument;
}

static pthread_t thread_before;
static bool thread_is_refused;

static int status_of(void (*in_sandbox)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static const struct process_sandbox_rule rules[] = {SANDBOX_ALLOW(socketpair, "the test")};
        const struct process_sandbox_list list = SANDBOX_LIST(rules);
        char byte;
        if (pipe(begin) != 0 || pipe(started) != 0 ||
            pthread_create(&thread_before, NULL, try_unlisted, &thread_is_refused) != 0 ||
            read(started[0], &byte, 1) != 1)
            _exit(98);
        if (process_harden().code || process_sandbox_enter(&list, 1).code)
            _exit(99);
        in_sandbox();
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void do_listed(void)
{
    int ends[2];
    char byte;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || write(ends[0], "x", 1) != 1 ||
        read(ends[1], &byte, 1) != 1)
        _exit(1);
    char *volatile memory = malloc(1 << 20);
    if (!memory)
        _exit(2);
    free(memory);
}

static void do_unlisted(void)
{
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EPERM)
        _exit(1);
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM)
        _exit(2);
}

static void do_unlisted_in_a_thread(void)
{
    pthread_t another;
    if (write(begin[1], "x", 1) != 1 || pthread_join(thread_before, NULL) != 0)
        _exit(1);
    if (!thread_is_refused)
        _exit(2);
    if (pthread_create(&another, NULL, do_nothing, NULL) != EPERM)
        _exit(3);
}

static void do_exec(void)
{
    static char name[] = "true";
    char *const argv[] = {name, NULL};
    (void)execv("/bin/true", argv);
}

static void test_listed_calls_work(void **state)
{
    (void)state;
    assert_int_equal(status_of(do_listed), 0);
}

static void test_unlisted_calls_fail(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(NS_COVERAGE)
    skip(); /* a sanitizer's own system calls would be denied, so no filter is loaded there */
#endif
    assert_int_equal(status_of(do_unlisted), 0);
}

static void test_they_fail_in_every_thread(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(NS_COVERAGE)
    skip();
#endif
    assert_int_equal(status_of(do_unlisted_in_a_thread), 0);
}

static void test_starting_a_program_is_deadly(void **state)
{
    (void)state;
    int status = status_of(do_exec);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_listed_calls_work),
        cmocka_unit_test(test_unlisted_calls_fail),
        cmocka_unit_test(test_they_fail_in_every_thread),
        cmocka_unit_test(test_starting_a_program_is_deadly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
