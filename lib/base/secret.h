/* secret.h - the one type for secret bytes: OpenSSL's secure heap, locked, kept out of core
 * dumps, wiped on release. Nothing here prints a secret or returns one by value. */
#ifndef BASE_SECRET_H
#define BASE_SECRET_H

#include <stdint.h>

#include "base/result.h"

struct secret {
    uint8_t *data; /* followed by a NUL byte that is not counted */
    size_t length;
};

/* Makes the process's secure heap; heap_size is a power of two. E_MEMORY if the memory
 * cannot be locked: we then refuse to start rather than let a key reach a swap device.
 * Call once, before any secret. */
must_check result secret_heap_open(size_t heap_size);

/* The same with as much of most as may be locked, halved until it fits, but no less than least; both are
 * powers of two. Pages that no secret needs are never touched. */
must_check result secret_heap_open_up_to(size_t least, size_t most);
/* Of the heap that was opened. */
size_t secret_heap_size(void);

/* A new zeroed secret of length bytes; E_MEMORY if the heap is full. */
must_check result secret_new(struct secret *ret_secret, size_t length);
/* A secret holding a copy; the caller wipes the original. */
must_check result secret_copy(struct secret *ret_secret, const void *bytes, size_t bytes_len);
/* Reads a whole file of at most max_length bytes straight into the secure heap. */
must_check result secret_read_file(struct secret *ret_secret, const char *path, size_t max_length);
/* Shortens: the cut bytes are wiped. */
void secret_truncate(struct secret *s, size_t length);
/* Wipes and releases. */
void secret_cleanup(struct secret *s);

/* Constant-time comparison of bytes_len bytes. */
bool secret_equal(const void *a, const void *b, size_t bytes_len);
/* Returns what it is given: the outcome of a check of secret bytes that was computed without a branch, and
 * from here on may be known. All such checks whose outcome leads to a branch come through here or
 * secret_equal, so that the tests under valgrind (tests/unit/ctime) have one place where what was secret
 * becomes public. */
bool secret_verdict(bool outcome);
/* A wipe the compiler keeps. */
void secret_wipe(void *bytes, size_t bytes_len);
/* Wipes what the functions that the caller has called left of their variables on the stack, 24 KiB deep: for
 * secrets that other libraries' functions work with. */
void secret_wipe_stack(void);

#endif
