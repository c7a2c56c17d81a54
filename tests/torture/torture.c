/* torture.c - runs a scenario again and again, each time with another call failing.
 *
 * A process for each run: what a failure leaves behind in a library, or a crash, touches no other run, and
 * the sanitizers look for leaks at the end of each. Rejected: to fail calls at random (a failure would have
 * to be found twice), and to go on in one process (OpenSSL and SQLite remember failures of their beginnings).
 */
#include "torture.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <dirent.h>
#include <execinfo.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "calls.h"

#ifdef NS_COVERAGE
#include <gcov.h>
#endif

/* A run takes a fraction of a second, of the processor: on a busy machine a minute may pass, after which
 * SIGALRM would be taken for a finding. After so many findings of one mode the rest are not worth waiting
 * for.
 */
enum { RUN_SECONDS = 200, DESCRIPTORS_MAX = 256, FINDINGS_MAX = 20 };

static const char *const mode_names[TORTURE_MODES] = {"none",  "one",  "same",       "all",
                                                      "short", "torn", "interrupted"};
DEFINE_AUTO_POINTER(EVP_MAC, EVP_MAC_free)

static void *memory;
static bool open_before[DESCRIPTORS_MAX];

/* ---- within a run ---- */

static void list_open(bool ret_open[static DESCRIPTORS_MAX])
{
    memset(ret_open, 0, DESCRIPTORS_MAX);
    DIR *names = opendir("/proc/self/fd");
    for (struct dirent *name; names && (name = readdir(names));) {
        int fd = (int)strtol(name->d_name, NULL, 10);
        if (fd > 2 && fd < DESCRIPTORS_MAX && fd != dirfd(names))
            ret_open[fd] = true;
    }
    if (names)
        (void)closedir(names);
}

void torture_begin(void)
{
    list_open(open_before);
    if (error_set(E_INTERNAL, "%s", "").code)
        torture_is_mine = torture_armed = true;
}

void torture_end(void)
{
    bool now[DESCRIPTORS_MAX];
    torture_armed = false;
    list_open(now);
    for (int fd = 0; fd < DESCRIPTORS_MAX; fd++) {
        char path[32], what[128] = "";
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (now[fd] && !open_before[fd] && readlink(path, what, sizeof what - 1) > 0)
            torture_require(false, "descriptor %d is left open: %s", fd, what);
    }
}

void torture_pause(void)
{
    torture_paused++;
}

void torture_go_on(void)
{
    torture_paused--;
}

void torture_outcome(result outcome)
{
    torture_pause();
    if (!outcome.code)
        torture_plan->succeeded = true;
    else
        torture_plan->refused = true;
    torture_require(!outcome.code || error_text()[0], "error %s has no sentence", error_name(outcome.code));
    torture_require(!outcome.code || torture_plan->num_failed > 0, "refused though nothing failed: %s (%s)",
                    error_text(), error_name(outcome.code));
    torture_go_on();
}

void torture_lift(void)
{
    torture_armed = false;
}

void torture_recovered(result outcome)
{
    torture_require(!outcome.code || torture_plan->in_openssl, "it does not work afterwards: %s (%s)",
                    error_text(), error_name(outcome.code));
}

void torture_require(bool condition, const char *format, ...)
{
    if (condition)
        return;
    torture_pause();
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("torture: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputs("\n", stderr);
    va_end(arguments);
    (void)__atomic_fetch_add(&torture_plan->num_violations, 1, __ATOMIC_RELAXED);
    torture_go_on();
}

void torture_closed_twice(int fd)
{
    torture_require(false, "descriptor %d is closed, and was not open", fd);
}

void torture_warm_openssl(void)
{
    uint8_t bytes[32];
    AUTO_POINTER(EVP_MAC) mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    AUTO_POINTER(EVP_MAC) siphash = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
    torture_require(OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) == 1 &&
                        RAND_bytes(bytes, sizeof bytes) == 1 && RAND_priv_bytes(bytes, sizeof bytes) == 1 &&
                        EVP_Digest(bytes, sizeof bytes, bytes, NULL, EVP_sha256(), NULL) == 1 && mac &&
                        siphash,
                    "OpenSSL does not begin");
}

void torture_must(result outcome)
{
    if (!outcome.code)
        return;
    torture_pause();
    (void)fprintf(stderr, "torture: cannot begin: %s (%s)\n", error_text(), error_name(outcome.code));
    _exit(3);
}

void *torture_memory(void)
{
    return memory;
}

bool torture_is_in_openssl(void)
{
    return torture_plan->in_openssl;
}

bool torture_is_counting(void)
{
    return torture_plan->mode == TORTURE_COUNT;
}

/* ---- around the runs ---- */

static void empty(const char *folder)
{
    DIR *names = opendir(folder);
    for (struct dirent *name; names && (name = readdir(names));)
        if (strcmp(name->d_name, ".") != 0 && strcmp(name->d_name, "..") != 0 &&
            unlinkat(dirfd(names), name->d_name, 0) != 0) {
            char path[TORTURE_PATH_MAX + sizeof name->d_name];
            (void)snprintf(path, sizeof path, "%s/%s", folder, name->d_name);
            empty(path);
            (void)rmdir(path);
        }
    if (names)
        (void)closedir(names);
}

static void tell(const struct torture_plan *plan)
{
    (void)fprintf(stderr, "torture: that was mode %s, %s, time %u, from\n", mode_names[plan->mode],
                  plan->num_failed ? torture_function_name(plan->at.function) : "not reached",
                  plan->at.nth + 1);
    backtrace_symbols_fd(plan->stack, (int)plan->num_stack, STDERR_FILENO);
}

void torture_apart(void (*work)(const char *folder), const char *folder)
{
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(RUN_SECONDS);
        work(folder);
        exit(0);
    }
    torture_require(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) &&
                        WEXITSTATUS(status) == 0,
                    "afterwards the process ended by status 0x%x", (unsigned)status);
}

/* True when it was as it must be. */
static __attribute__((noinline)) bool run(const struct torture_scenario *scenario, const char *folder)
{
    struct torture_plan *plan = torture_plan;
    plan->num_calls = plan->num_there = plan->num_failed = plan->num_violations = plan->num_stack = 0;
    plan->runner = __builtin_return_address(0);
    plan->in_openssl = plan->succeeded = plan->refused = false;
    memset(memory, 0, TORTURE_MEMORY);
    torture_disk_forget();
    empty(folder);
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)alarm(RUN_SECONDS);
        scenario->act(folder);
        torture_armed = false;
        (void)fflush(NULL);
#ifdef NS_COVERAGE
        __gcov_dump(); /* what was reached counts, however the process ends */
#endif
        if (plan->in_openssl)
            _exit(0); /* when it cannot have memory, OpenSSL itself leaks: not looked at */
        exit(0);
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        (void)fputs("torture: no process\n", stderr);
        _exit(3);
    }
    torture_disk_cut_power(folder);
    torture_require(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the process ended by %s %d",
                    WIFSIGNALED(status) ? "signal" : "status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    torture_require(plan->succeeded || plan->refused, "it came to nothing");
    torture_require(!torture_is_counting() || plan->succeeded, "it does not work at all");
    if (scenario->check)
        scenario->check(folder);
    if (plan->num_violations > 0)
        tell(plan);
    return plan->num_violations == 0;
}

/* Says of each call how many of its place came before; returns the number of places. */
static uint32_t count_places(struct torture_call *calls, uint32_t num_calls)
{
    enum { SLOTS = TORTURE_CALLS_MAX * 2 };
    static struct slot {
        uint64_t place;
        uint32_t num;
    } slots[SLOTS];
    uint32_t num_places = 0;
    for (uint32_t i = 0; i < num_calls; i++) {
        uint32_t at = (uint32_t)(calls[i].place % SLOTS);
        while (slots[at].num && slots[at].place != calls[i].place)
            at = (at + 1) % SLOTS;
        slots[at].place = calls[i].place;
        num_places += slots[at].num == 0;
        calls[i].nth = slots[at].num++;
    }
    return num_places;
}

/* What is worth a run: every transfer, of a place the first call, or every one; without NS_TORTURE of the
 * places that are no transfers one in so many, and once each of OpenSSL's and SQLite's functions.
 * NS_TORTURE_FUNCTION names the only function. */
static bool is_worth(const struct torture_scenario *scenario, enum torture_mode mode,
                     const struct torture_call *call, uint32_t *num_others)
{
    const char *only = getenv("NS_TORTURE_FUNCTION"), *wanted = getenv("NS_TORTURE");
    if (only && strcmp(only, torture_function_name(call->function)) != 0)
        return false;
    if (torture_is_transfer(call->function) || (wanted && strcmp(wanted, "all") == 0))
        return true;
    if (call->nth > 0)
        return false;
    bool is_api = mode == TORTURE_ONE && !scenario->all_threads && torture_is_of_api(call->function);
    uint32_t one_place_in = scenario->one_place_in ? scenario->one_place_in : 1;
    return wanted || is_api || (*num_others)++ % one_place_in == 0;
}

/* Prints a row: scenario, mode, calls that can fail so, places, failures, refusals, findings, seconds. */
static uint32_t run_mode(const struct torture_scenario *scenario, const char *folder, uint32_t num_calls,
                         enum torture_mode mode)
{
    uint32_t num_able = 0, num_places = 0, num_others = 0, num_failures = 0, num_refusals = 0, num_bad = 0;
    uint64_t began = clock_monotonic_ns();
    for (uint32_t i = 0; i < num_calls && num_bad < FINDINGS_MAX; i++) {
        const struct torture_call *call = &torture_plan->calls[i];
        if (!torture_can(mode, call->function))
            continue;
        num_able++;
        num_places += call->nth == 0;
        if (!is_worth(scenario, mode, call, &num_others))
            continue;
        torture_plan->mode = mode;
        torture_plan->at = *call;
        num_bad += !run(scenario, folder);
        num_failures += torture_plan->num_failed > 0;
        num_refusals += torture_plan->refused;
    }
    (void)printf("%-13s %-12s %7u %7u %9u %9u %9u %8.1f\n", scenario->name, mode_names[mode], num_able,
                 num_places, num_failures, num_refusals, num_bad,
                 (double)(clock_monotonic_ns() - began) / 1e9);
    (void)fflush(stdout);
    return num_bad;
}

int torture_main(const struct torture_scenario *scenario)
{
    /* In memory if there is a folder there: what a disk would keep, disk.c knows. */
    char folder[TORTURE_PATH_MAX] = "/dev/shm/ns-torture-XXXXXX";
    if (access("/dev/shm", W_OK) != 0)
        (void)snprintf(folder, sizeof folder, "/tmp/ns-torture-XXXXXX");
    void *warm[4];
    (void)signal(SIGPIPE, SIG_IGN);
    torture_plan =
        mmap(NULL, sizeof *torture_plan, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memory = mmap(NULL, TORTURE_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (torture_plan == MAP_FAILED || memory == MAP_FAILED || !mkdtemp(folder) || backtrace(warm, 4) <= 0)
        return 3;
    torture_disk_open();
    if (scenario->prepare)
        scenario->prepare();
    torture_plan->mode = TORTURE_COUNT;
    torture_plan->all_threads = scenario->all_threads;
    torture_plan->spared = scenario->spared;
    uint32_t num_bad = !run(scenario, folder), num_calls = torture_plan->num_calls;
    if (num_calls == 0 || num_calls > TORTURE_CALLS_MAX) {
        (void)fprintf(stderr, "torture: %u calls\n", num_calls);
        num_bad++;
        num_calls = 0;
    }
    (void)count_places(torture_plan->calls, num_calls);
    const char *only = getenv("NS_TORTURE_MODE");
    for (int mode = TORTURE_ONE; num_calls > 0 && mode < TORTURE_MODES; mode++)
        if (!only || strcmp(only, mode_names[mode]) == 0)
            num_bad += run_mode(scenario, folder, num_calls, (enum torture_mode)mode);
    empty(folder);
    (void)rmdir(folder);
    return num_bad == 0 ? 0 : 1;
}
