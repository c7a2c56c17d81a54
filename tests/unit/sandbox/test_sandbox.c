/* test_sandbox.c - each process's sandbox, asked about every system call of this architecture and, where an
 * argument counts, about each kind of argument: what is allowed is exactly what sandbox_expected.c says. */
#include "testing.h"

#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process_limits.h"
#include "base/process_sandbox.h"
#include "nitro/nitro_nsm.h"
#include "sandbox_expected.h"
#include "sandbox_probe.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(NS_COVERAGE)
enum { SANITIZED = 1 };
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif
#else
enum { SANITIZED = 0 };
#endif

enum { CALLS = 1024, RANGE = 64, NAME_MAX_LEN = 96 };
#define ALL_ONES UINT64_MAX

/* Arguments that a filter of ours may look at. The nameless ones up to RANGE are asked about too. */
struct kind {
    const char *call;
    unsigned argument;
    struct {
        const char *name;
        uint64_t value;
    } values[18];
};

static const struct kind kinds[] = {
    {"socket",
     0,
     {{"AF_UNIX", AF_UNIX},
      {"AF_INET", AF_INET},
      {"AF_INET6", AF_INET6},
      {"AF_VSOCK", AF_VSOCK},
      {"AF_NETLINK", AF_NETLINK},
      {"AF_PACKET", AF_PACKET},
      {"AF_ALG", AF_ALG},
      {"AF_KEY", AF_KEY}}},
    {"fcntl",
     1,
     {{"F_DUPFD", F_DUPFD},
      {"F_GETFD", F_GETFD},
      {"F_SETFD", F_SETFD},
      {"F_GETFL", F_GETFL},
      {"F_SETFL", F_SETFL},
      {"F_GETLK", F_GETLK},
      {"F_SETLK", F_SETLK},
      {"F_SETLKW", F_SETLKW},
      {"F_SETOWN", F_SETOWN},
      {"F_SETSIG", F_SETSIG},
      {"F_SETLEASE", F_SETLEASE},
      {"F_NOTIFY", F_NOTIFY},
      {"F_DUPFD_CLOEXEC", F_DUPFD_CLOEXEC},
      {"F_SETPIPE_SZ", F_SETPIPE_SZ},
      {"F_ADD_SEALS", F_ADD_SEALS}}},
    {"ioctl",
     1,
     {{"FIONREAD", FIONREAD},
      {"NSM", NSM_IOCTL},
      {"TIOCSTI", TIOCSTI},
      {"TIOCSTI, cut", UINT64_C(0x100000000) | TIOCSTI},
      {"TCGETS", TCGETS},
      {"TIOCLINUX", TIOCLINUX},
      {"TIOCSETD", TIOCSETD},
      {"FIONBIO", FIONBIO},
      {"FIOASYNC", FIOASYNC},
      {"TIOCSCTTY", TIOCSCTTY}}},
    {"mmap",
     2,
     {{"0", 0},
      {"PROT_READ", 1},
      {"PROT_WRITE", 2},
      {"PROT_READ|PROT_WRITE", 3},
      {"PROT_EXEC", 4},
      {"PROT_READ|PROT_EXEC", 5},
      {"PROT_WRITE|PROT_EXEC", 6},
      {"PROT_READ|PROT_WRITE|PROT_EXEC", 7}}},
    {"mprotect",
     2,
     {{"0", 0},
      {"PROT_READ", 1},
      {"PROT_WRITE", 2},
      {"PROT_READ|PROT_WRITE", 3},
      {"PROT_EXEC", 4},
      {"PROT_READ|PROT_EXEC", 5},
      {"PROT_WRITE|PROT_EXEC", 6},
      {"PROT_READ|PROT_WRITE|PROT_EXEC", 7}}},
    {"clone",
     0,
     {{"fork", SIGCHLD},
      {"vfork", CLONE_VM | CLONE_VFORK | SIGCHLD},
      {"CLONE_VM", CLONE_VM},
      {"CLONE_NEWUSER", CLONE_NEWUSER | SIGCHLD},
      {"CLONE_THREAD", CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD}}},
    {"openat",
     2,
     {{"O_RDONLY", O_RDONLY | O_CLOEXEC},
      {"O_PATH", O_PATH},
      {"O_WRONLY", O_WRONLY},
      {"O_RDWR", O_RDWR},
      {"O_CREAT", O_CREAT},
      {"O_TRUNC", O_TRUNC},
      {"O_APPEND", O_APPEND},
      {"O_TMPFILE", O_TMPFILE | O_RDWR}}},
    {"newfstatat",
     3,
     {{"AT_EMPTY_PATH", AT_EMPTY_PATH}, {"0", 0}, {"AT_SYMLINK_NOFOLLOW", AT_SYMLINK_NOFOLLOW}}},
    {"tgkill", 0, {{"itself", SANDBOX_OWN_PID}, {"PID 1", 1}, {"all", ALL_ONES}}},
};

static const struct kind *kind_of(long call)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (seccomp_syscall_resolve_name(kinds[i].call) == call)
            return &kinds[i];
    }
    return NULL;
}

/* ---- questions ---- */

struct asked {
    struct sandbox_question questions[CALLS * 3];
    char names[CALLS * 3][NAME_MAX_LEN];
    size_t num;
};

static void add(struct asked *asked, long call, unsigned argument, uint64_t value, const char *of_value)
{
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)call);
    assert_true(asked->num < ARRAY_LENGTH(asked->questions));
    (void)snprintf(asked->names[asked->num], NAME_MAX_LEN, of_value ? "%s(%s)" : "%s",
                   name ? name : "without name", of_value);
    free(name);
    asked->questions[asked->num++] = (struct sandbox_question){call, argument, value, SANDBOX_UNKNOWN};
}

static void add_kind(struct asked *asked, long call, const struct kind *kind)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kind->values) && kind->values[i].name; i++)
        add(asked, call, kind->argument, kind->values[i].value, kind->values[i].name);
    for (uint64_t value = 0; value < RANGE; value++) {
        char number[24];
        bool has_name = false;
        for (size_t i = 0; i < ARRAY_LENGTH(kind->values) && kind->values[i].name; i++)
            has_name = has_name || kind->values[i].value == value;
        (void)snprintf(number, sizeof number, "number %u", (unsigned)value);
        /* Flags and bits come together in many ways; their names are what there is to say. */
        if (!has_name && (strcmp(kind->call, "socket") == 0 || strcmp(kind->call, "fcntl") == 0))
            add(asked, call, kind->argument, value, number);
    }
}

/* uretprobe and uprobe, which the kernel does not show to filters: called by anything but a probe's own code
 * they end the process (SIGILL). */
static bool is_beyond_filters(long call)
{
#ifdef __x86_64__
    return call == 335 || call == 336;
#else
    (void)call;
    return false;
#endif
}

static void ask_about_all(struct asked *asked)
{
    for (long call = 0; call < CALLS; call++) {
        if (is_beyond_filters(call))
            continue;
        const struct kind *kind = kind_of(call);
        if (kind) {
            add_kind(asked, call, kind);
            continue;
        }
        add(asked, call, 0, 0, NULL);
        /* Nothing of it depends on arguments that the list does not mention. */
        add(asked, call, (unsigned)call % 5, ALL_ONES, "all ones");
    }
}

/* ---- what is expected ---- */

static bool has_word(const char *words, const char *word, size_t word_len)
{
    for (const char *at = strstr(words, word); at; at = strstr(at + 1, word)) {
        bool begins = at == words || at[-1] == ' ';
        if (begins && (at[word_len] == 0 || at[word_len] == ' '))
            return true;
    }
    return false;
}

/* Whether one of the words is a call that is this one here: 64-bit ARM's poll is ppoll. */
static bool names_call(const char *words, long call)
{
    char copy[2048], *rest = copy;
    (void)snprintf(copy, sizeof copy, "%s", words);
    for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
        int named = seccomp_syscall_resolve_name(word), native = 0;
        if (*word && named != __NR_SCMP_ERROR && !process_sandbox_native(&native, named).code &&
            native == call)
            return true;
    }
    return false;
}

static bool is_listed(const char *words, long call, const char *name)
{
    return has_word(words, name, strlen(name)) || names_call(words, call);
}

static enum sandbox_outcome expected_of(const struct sandbox_expected *e, long call, const char *name)
{
    bool is_deadly = is_listed(sandbox_deadly, call, name);
    bool starts = is_listed(sandbox_deadly_starting, call, name);
    if (SANITIZED && call == SCMP_SYS(ptrace))
        return SANDBOX_ALLOWED;
    if (e->is_parent)
        return (is_deadly || starts) && !is_listed(e->allowed, call, name) ? SANDBOX_REFUSED
                                                                           : SANDBOX_ALLOWED;
    if (is_deadly || starts)
        return SANDBOX_KILLED;
    if (SANITIZED)
        return SANDBOX_ALLOWED;
    if (call == SCMP_SYS(clone3))
        return SANDBOX_ABSENT;
    return is_listed(sandbox_common, call, name) || is_listed(e->allowed, call, name) ? SANDBOX_ALLOWED
                                                                                      : SANDBOX_REFUSED;
}

static result (*inner_enter)(void);
static result enter(void)
{
    TRY(process_harden());
    return inner_enter();
}

static void each_sandbox_allows_what_is_written_down(void **state)
{
    (void)state;
    static const char *const outcomes[] = {"unknown", "allowed", "refused", "absent", "deadly"};
    static struct asked asked;
    size_t num_wrong = 0;
    ask_about_all(&asked);
    for (size_t i = 0; i < sandbox_num_expected; i++) {
        const struct sandbox_expected *e = &sandbox_expected[i];
        inner_enter = e->enter;
        sandbox_probe(asked.questions, asked.num, enter);
        for (size_t j = 0; j < asked.num; j++) {
            enum sandbox_outcome is = asked.questions[j].outcome;
            enum sandbox_outcome should = expected_of(e, asked.questions[j].system_call, asked.names[j]);
            if (is == should)
                continue;
            print_error("%s: %s (%ld) is %s, and %s is written down\n", e->process, asked.names[j],
                        asked.questions[j].system_call, outcomes[is], outcomes[should]);
            num_wrong++;
        }
    }
    assert_int_equal(num_wrong, 0);
}

/* Every word of the tables means something: a call with a wrong name would be expected of nobody. */
static void each_word_is_a_call(void **state)
{
    (void)state;
    static struct asked asked;
    asked.num = 0;
    ask_about_all(&asked);
    for (size_t i = 0; i < sandbox_num_expected + 3; i++) {
        char copy[2048], *rest = copy;
        const char *const all[] = {sandbox_common, sandbox_deadly, sandbox_deadly_starting};
        (void)snprintf(copy, sizeof copy, "%s", i < 3 ? all[i] : sandbox_expected[i - 3].allowed);
        for (char *word = strsep(&rest, " "); word; word = strsep(&rest, " ")) {
            bool is_known = !*word || seccomp_syscall_resolve_name(word) != __NR_SCMP_ERROR;
            for (size_t j = 0; j < asked.num && !is_known; j++)
                is_known = strcmp(asked.names[j], word) == 0;
            if (!is_known)
                fail_msg("no such call: %s", word);
        }
    }
}

#ifdef __x86_64__
static int status_of_getpid(bool of_32_bits)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        long number = of_32_bits ? 20 : 0x40000000 + SYS_getpid;
        inner_enter = sandbox_expected[0].enter;
        if (enter().code)
            _exit(1);
        if (of_32_bits)
            __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
        else
            number = syscall(number);
        _exit(number < 0 ? 2 : 3);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* The same numbers mean other calls there: no filter of ours knows them. */
static void other_ways_into_the_kernel_are_deadly(void **state)
{
    (void)state;
    if (SANITIZED)
        skip(); /* only what is deadly is watched there */
    for (int i = 0; i < 2; i++) {
        int status = status_of_getpid(i);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGSYS);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_is_a_call),
        cmocka_unit_test(each_sandbox_allows_what_is_written_down),
#ifdef __x86_64__
        cmocka_unit_test(other_ways_into_the_kernel_are_deadly),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
