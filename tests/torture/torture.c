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

#include "calls.h"

#ifdef NS_COVERAGE
#include <gcov.h>
#endif

enum { RUN_SECONDS = 60, DESCRIPTORS_MAX = 256 };

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
        torture_armed = true;
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
    torture_armed = false;
}

void torture_go_on(void)
{
    torture_armed = true;
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

void torture_require(bool condition, const char *format, ...)
{
    if (condition)
        return;
    bool before = torture_armed;
    torture_armed = false;
    va_list arguments;
    va_start(arguments, format);
    (void)fputs("torture: ", stderr);
    (void)vfprintf(stderr, format, arguments);
    (void)fputs("\n", stderr);
    va_end(arguments);
    torture_plan->num_violations++;
    torture_armed = before;
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
    torture_armed = false;
    (void)fprintf(stderr, "torture: cannot begin: %s (%s)\n", error_text(), error_name(outcome.code));
    _exit(3);
}

void *torture_memory(void)
{
    return memory;
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
        if (name->d_name[0] != '.' || strlen(name->d_name) > 2)
            (void)unlinkat(dirfd(names), name->d_name, 0);
    if (names)
        (void)closedir(names);
}

static void tell(const struct torture_plan *plan)
{
    (void)fprintf(stderr, "torture: that was mode %s, call %u: %s, from\n", mode_names[plan->mode], plan->at,
                  plan->num_failed ? torture_function_name(plan->failed_function) : "not reached");
    backtrace_symbols_fd(plan->stack, (int)plan->num_stack, STDERR_FILENO);
}

/* True when it was as it must be. */
static bool run(const struct torture_scenario *scenario, const char *folder)
{
    struct torture_plan *plan = torture_plan;
    plan->num_calls = plan->num_failed = plan->num_violations = plan->num_stack = 0;
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

/* Whether a call of this place comes for the first time. */
static bool is_new(uint64_t place)
{
    enum { SLOTS = 1 << 17 };
    static uint64_t seen[SLOTS];
    uint32_t slot = (uint32_t)(place % SLOTS);
    while (seen[slot] && seen[slot] != place)
        slot = (slot + 1) % SLOTS;
    bool found = seen[slot] == place;
    seen[slot] = place;
    return !found;
}

/* The calls worth a run in this mode: all; or every transfer, and of other places' first calls one in so
 * many. NS_TORTURE_FUNCTION names the only function. */
static uint32_t choose(uint32_t *ret_calls, uint32_t num_calls, enum torture_mode mode, uint32_t one_place_in)
{
    const char *only = getenv("NS_TORTURE_FUNCTION"), *wanted = getenv("NS_TORTURE");
    bool all = wanted && strcmp(wanted, "all") == 0;
    uint32_t num = 0, num_others = 0;
    for (uint32_t i = 0; i < num_calls; i++) {
        const struct torture_call *call = &torture_plan->calls[i];
        if (!torture_can(mode, call->function) ||
            (only && strcmp(only, torture_function_name(call->function)) != 0))
            continue;
        if (all || torture_is_transfer(call->function))
            ret_calls[num++] = i;
        else if (is_new(call->place ^ (uint64_t)mode << 56) && num_others++ % one_place_in == 0)
            ret_calls[num++] = i;
    }
    return num;
}

static uint32_t run_mode(const struct torture_scenario *scenario, const char *folder, uint32_t num_calls,
                         enum torture_mode mode)
{
    static uint32_t calls[TORTURE_CALLS_MAX];
    uint32_t num = choose(calls, num_calls, mode, scenario->one_place_in ? scenario->one_place_in : 1);
    uint32_t num_bad = 0, num_reached = 0, num_refused = 0;
    for (uint32_t i = 0; i < num; i++) {
        torture_plan->mode = mode;
        torture_plan->at = calls[i];
        num_bad += !run(scenario, folder);
        num_reached += torture_plan->num_failed > 0;
        num_refused += torture_plan->refused;
    }
    (void)printf("%s: mode %s: %u of %u calls, %u reached, %u refusals, %u bad\n", scenario->name,
                 mode_names[mode], num, num_calls, num_reached, num_refused, num_bad);
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
    uint32_t num_bad = !run(scenario, folder), num_calls = torture_plan->num_calls;
    if (num_calls == 0 || num_calls > TORTURE_CALLS_MAX) {
        (void)fprintf(stderr, "torture: %u calls\n", num_calls);
        num_bad++;
    }
    (void)printf("%s: %u calls can fail\n", scenario->name, num_calls);
    const char *only = getenv("NS_TORTURE_MODE");
    for (int mode = TORTURE_ONE; num_bad == 0 && mode < TORTURE_MODES; mode++)
        if (!only || strcmp(only, mode_names[mode]) == 0)
            num_bad += run_mode(scenario, folder, num_calls, (enum torture_mode)mode);
    empty(folder);
    (void)rmdir(folder);
    return num_bad == 0 ? 0 : 1;
}
