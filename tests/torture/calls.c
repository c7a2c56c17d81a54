/* calls.c - decides at each entry point whether the call fails. Built without sanitizers: it runs before they
 * are ready. Where the library's own function is, the dynamic linker is asked once; that asks for no memory.
 */
#include "calls.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum how { LIBC, INTERRUPTIBLE, TRANSFER, DISK, API, MUST /* never fails, but is looked at */ };

static const struct function {
    const char *name;
    enum how how;
    int64_t result;
    int error;
} functions[] = {
#define FUNCTION(name, how, result, error) {#name, how, result, error},
#include "functions.def"
#undef FUNCTION
};
enum { FUNCTIONS = sizeof functions / sizeof functions[0] };

struct torture_plan *torture_plan;
volatile bool torture_armed;
_Thread_local bool torture_is_mine;
_Thread_local unsigned torture_paused;
static void *own[FUNCTIONS];

/* As entry_points.S keeps them. */
struct torture_registers {
    uint64_t arguments[6];
    int64_t result;
};

/* What the linker says of this program's own code. */
extern const char __executable_start[], etext[];

const char *torture_function_name(uint32_t function)
{
    return functions[function].name;
}

bool torture_can(enum torture_mode mode, uint32_t function)
{
    switch (mode) {
    case TORTURE_COUNT:
    case TORTURE_ONE:
    case TORTURE_SAME:
    case TORTURE_ALL:
        return true;
    case TORTURE_SHORT:
    case TORTURE_TORN:
        return functions[function].how == TRANSFER;
    case TORTURE_INTERRUPTED:
        return functions[function].how == TRANSFER || functions[function].how == INTERRUPTIBLE;
    case TORTURE_MODES:
        break;
    }
    return false;
}

bool torture_is_transfer(uint32_t function)
{
    return functions[function].how == TRANSFER || functions[function].how == DISK;
}

bool torture_is_of_api(uint32_t function)
{
    return functions[function].how == API;
}

static bool is(const struct function *f, const char *name, const char *other)
{
    return strcmp(f->name, name) == 0 || strcmp(f->name, other) == 0;
}

/* Follows what becomes of files. */
static void follow(const struct function *f, const struct torture_registers *r, bool fails)
{
    int fd = (int)r->arguments[0];
    if (is(f, "pwrite64", "pwrite") && !fails)
        torture_disk_wrote(fd, (int64_t)r->arguments[3], r->arguments[2]);
    else if (is(f, "write", "write") && !fails)
        torture_disk_wrote(fd, lseek(fd, 0, SEEK_CUR), r->arguments[2]);
    else if (is(f, "ftruncate64", "ftruncate") && !fails)
        torture_disk_resized(fd);
    else if (is(f, "fsync", "fdatasync"))
        torture_disk_synced(fd, !fails);
    else if (is(f, "unlink", "unlink") && !fails)
        torture_disk_unlinked(AT_FDCWD, (const char *)r->arguments[0]); /* NOLINT: a register is what it is */
    else if (is(f, "unlinkat", "unlinkat") && !fails)
        torture_disk_unlinked(fd, (const char *)r->arguments[1]); /* NOLINT */
}

static bool is_openssl(const char *caller)
{
    Dl_info found;
    return dladdr(caller, &found) && found.dli_fname &&
           (strstr(found.dli_fname, "/libcrypto.so") || strstr(found.dli_fname, "/libssl.so"));
}

/* From the caller up to the runner: below and above are more ways than one. */
static uint64_t place_of(uint32_t number, const char *caller, void *const *stack, int num)
{
    int i = 0;
    uint64_t hash = 14695981039346656037U ^ number;
    while (i < num && stack[i] != caller)
        i++;
    for (; i < num && stack[i] != torture_plan->runner; i++)
        hash = (hash ^ (uint64_t)(uintptr_t)stack[i]) * 1099511628211U;
    return hash;
}

enum what { PASS, FAIL_CALL, HALVE, INTERRUPT };

/* What becomes of the chosen call, of later ones of the same function, and of all others that are later. */
static const struct ways {
    enum what chosen, same, others;
} ways[TORTURE_MODES] = {
    [TORTURE_ONE] = {FAIL_CALL, PASS, PASS},           [TORTURE_SAME] = {FAIL_CALL, FAIL_CALL, PASS},
    [TORTURE_ALL] = {FAIL_CALL, FAIL_CALL, FAIL_CALL}, [TORTURE_SHORT] = {HALVE, PASS, PASS},
    [TORTURE_TORN] = {HALVE, FAIL_CALL, PASS},         [TORTURE_INTERRUPTED] = {INTERRUPT, PASS, PASS},
};

static uint32_t add_one(uint32_t *number)
{
    return __atomic_fetch_add(number, 1, __ATOMIC_RELAXED);
}

static bool is_spared(uint32_t number)
{
    void *stack[TORTURE_STACK_MAX];
    Dl_info found;
    bool can_be = torture_plan->spared && functions[number].how == LIBC;
    int num = can_be ? backtrace(stack, TORTURE_STACK_MAX) : 0;
    for (int i = 0; i < num; i++)
        if (dladdr(stack[i], &found) && found.dli_sname && strcmp(found.dli_sname, torture_plan->spared) == 0)
            return true;
    return false;
}

/* The stack is looked at when it matters: that takes longer than most calls. */
static enum what decide(uint32_t number, const char *caller)
{
    struct torture_plan *plan = torture_plan;
    const struct torture_call *at = &plan->at;
    void *stack[TORTURE_STACK_MAX];
    bool counts = plan->mode == TORTURE_COUNT;
    uint32_t call = add_one(&plan->num_calls);
    if (counts ? call < TORTURE_CALLS_MAX : number == at->function && caller == at->caller) {
        int num = backtrace(stack, TORTURE_STACK_MAX);
        uint64_t place = place_of(number, caller, stack, num);
        if (counts)
            plan->calls[call] = (struct torture_call){number, 0, place, caller};
        else if (place == at->place && add_one(&plan->num_there) == at->nth) {
            memcpy(plan->stack, stack, sizeof stack);
            plan->num_stack = (uint32_t)num;
            return ways[plan->mode].chosen;
        }
    }
    if (counts || plan->num_failed == 0)
        return PASS;
    return number == at->function ? ways[plan->mode].same : ways[plan->mode].others;
}

/* Whether the library's own function is to be called. */
static bool goes_on(struct torture_registers *r, uint32_t number, const char *caller)
{
    struct torture_plan *plan = torture_plan;
    const struct function *f = &functions[number];
    enum what what = decide(number, caller);
    if (what != PASS && is_spared(number))
        what = PASS;
    if (what != PASS)
        (void)add_one(&plan->num_failed);
    if (what == HALVE && r->arguments[2] > 1)
        r->arguments[2] /= 2;
    bool fails = what == FAIL_CALL || what == INTERRUPT;
    if (fails && is_openssl(caller))
        plan->in_openssl = true;
    follow(f, r, fails);
    if (fails) {
        r->result = f->result;
        if (f->error || what == INTERRUPT)
            errno = what == INTERRUPT ? EINTR : f->error;
    }
    return !fails;
}

static bool is_ours(const char *caller)
{
    return caller >= __executable_start && caller < etext;
}

/* What is closed twice may be another's by then. */
static void look_at_close(int fd, const char *caller)
{
    int before = errno;
    torture_paused++;
    if (is_ours(caller) && fcntl(fd, F_GETFD) < 0)
        torture_closed_twice(fd);
    torture_paused--;
    errno = before;
}

void *torture_before(struct torture_registers *r, uint32_t number, const char *caller);

void *torture_before(struct torture_registers *r, uint32_t number, const char *caller)
{
    if (!own[number])
        own[number] = dlsym(RTLD_NEXT, functions[number].name);
    if (!torture_armed || torture_paused || !torture_plan)
        return own[number];
    /* A sanitizer's own calls, when a thread begins, come before any of ours. */
    torture_is_mine = torture_is_mine || (torture_plan->all_threads && is_ours(caller));
    if (!torture_is_mine)
        return own[number];
    if (functions[number].how == API && !is_ours(caller))
        return own[number];
    if (functions[number].how == MUST) {
        look_at_close((int)r->arguments[0], caller);
        return own[number];
    }
    int before = errno;
    torture_paused++;
    bool on = goes_on(r, number, caller);
    torture_paused--;
    if (on)
        errno = before;
    return on ? own[number] : NULL;
}
