/* sandbox_probe.c - see sandbox_probe.h. A child that is killed is the outcome of the question it was at;
 * another child goes on behind it. Rejected: making the calls with arguments that cannot work, which says
 * nothing of a filter that looks at arguments, and ends the machine by the one that works after all. */
#include "sandbox_probe.h"

#include "testing.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MARK UINT64_C(0x6e6f742d6d616465)
enum { NOT_MADE = ENOTNAM, LAST_ARGUMENT = 5 };

static bool answer_marked_calls(void)
{
    const unsigned low = offsetof(struct seccomp_data, args[LAST_ARGUMENT]);
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)MARK, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, low + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(MARK >> 32), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | NOT_MADE),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {ARRAY_LENGTH(code), code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

static enum sandbox_outcome ask(const struct sandbox_question *q, pid_t own)
{
    uint64_t a[LAST_ARGUMENT] = {0};
    a[q->argument] = q->value == SANDBOX_OWN_PID ? (uint64_t)own : q->value;
    if (syscall(q->system_call, a[0], a[1], a[2], a[3], a[4], MARK) != -1)
        return SANDBOX_UNKNOWN;
    switch (errno) {
    case NOT_MADE:
        return SANDBOX_ALLOWED;
    case EPERM:
        return SANDBOX_REFUSED;
    case ENOSYS:
        return SANDBOX_ABSENT;
    default:
        return SANDBOX_UNKNOWN;
    }
}

static _Noreturn void ask_from(struct sandbox_question *questions, size_t num_questions, size_t *next,
                               result (*enter)(void))
{
    pid_t own = getpid();
    if (!answer_marked_calls() || enter().code)
        _exit(1);
    for (; *next < num_questions; ++*next)
        questions[*next].outcome = ask(&questions[*next], own);
    (void)syscall(SYS_exit_group, 0, 0, 0, 0, 0, 0); /* _exit would leave the mark where it is */
    __builtin_trap();
}

void sandbox_probe(struct sandbox_question *questions, size_t num_questions, result (*enter)(void))
{
    size_t length = num_questions * sizeof *questions;
    struct shared {
        size_t next;
        struct sandbox_question questions[];
    } *shared =
        mmap(NULL, sizeof *shared + length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(shared != MAP_FAILED);
    memcpy(shared->questions, questions, length);
    while (shared->next < num_questions) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            ask_from(shared->questions, num_questions, &shared->next, enter);
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            continue;
        }
        assert_int_equal(WTERMSIG(status), SIGSYS);
        shared->questions[shared->next++].outcome = SANDBOX_KILLED;
    }
    memcpy(questions, shared->questions, length);
    (void)munmap(shared, sizeof *shared + length);
}
