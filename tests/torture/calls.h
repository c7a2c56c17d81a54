/* calls.h - between the entry points and the runner: which call fails, and how. */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stdint.h>

enum torture_mode {
    TORTURE_COUNT,       /* none fails */
    TORTURE_ONE,         /* that call */
    TORTURE_SAME,        /* that call, and from there on all of the same function */
    TORTURE_ALL,         /* that call and all that follow */
    TORTURE_SHORT,       /* that call transfers half of what it was to */
    TORTURE_TORN,        /* the same, and from there on all of the same function fail */
    TORTURE_INTERRUPTED, /* that call fails with EINTR */
    TORTURE_MODES
};

enum { TORTURE_CALLS_MAX = 1 << 19, TORTURE_STACK_MAX = 18 };

/* Told by what does not depend on what other threads do meanwhile. */
struct torture_call {
    uint32_t function; /* its number in functions.def */
    uint32_t nth;      /* of this place, from 0 */
    uint64_t place;    /* a hash of the stack */
    const char *caller;
};

/* Shared by all processes of a program. */
struct torture_plan {
    enum torture_mode mode;
    const void *runner; /* whom a run returns to */
    struct torture_call at;
    uint32_t num_there;  /* calls of that place so far */
    uint32_t num_calls;  /* so far in this run */
    uint32_t num_failed; /* calls in this run that were made to */
    uint32_t num_stack;
    void *stack[TORTURE_STACK_MAX]; /* of the first of them */
    bool in_openssl;                /* one that failed was called by OpenSSL itself */
    bool succeeded, refused;
    bool all_threads;   /* not only the one that began */
    const char *spared; /* a function below which nothing fails, or NULL */
    uint32_t num_violations;
    struct torture_call calls[TORTURE_CALLS_MAX]; /* of the counting run */
};
extern struct torture_plan *torture_plan;
extern volatile bool torture_armed;
extern _Thread_local bool torture_is_mine;    /* this thread began */
extern _Thread_local unsigned torture_paused; /* this one: how often */

const char *torture_function_name(uint32_t function);
/* What is on a disk, or gone to a peer, depends on when it fails: every call is a case of its own. */
bool torture_is_transfer(uint32_t function);
/* Our own code asked for it, of a library that works on its behalf: few places, and each worth a look. */
bool torture_is_of_api(uint32_t function);
bool torture_can(enum torture_mode mode, uint32_t function);

/* Called with a descriptor that is closed and was not open. */
void torture_closed_twice(int fd);

/* disk.c: what would be left of files after a power failure. */
void torture_disk_open(void);
void torture_disk_forget(void);
void torture_disk_wrote(int fd, int64_t offset, uint64_t length); /* about to */
void torture_disk_resized(int fd);                                /* about to */
void torture_disk_synced(int fd, bool ok);
void torture_disk_unlinked(int folder, const char *path);
/* Every file in the folder becomes that. */
void torture_disk_cut_power(const char *folder);

#endif
