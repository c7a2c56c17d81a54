/* ctime.h - what the programs share that run under valgrind: a branch on a byte that was made secret, or an
 * address computed from one, is an error there. */
#ifndef CTIME_H
#define CTIME_H

#include <stddef.h>
#include <stdio.h>

#include "base/result.h"
#include "base/secret.h"

/* From here on the bytes are secret, or known. */
void ctime_secret(void *bytes, size_t bytes_len);
void ctime_public(const void *bytes, size_t bytes_len);

/* Ends the program with 1 unless the condition holds: the work was done, and not another. */
#define EXPECT(condition) ctime_expect(condition, __FILE__, __LINE__)
#define EXPECT_OK(call) ctime_expect_ok(call, __FILE__, __LINE__)
void ctime_expect(bool holds, const char *file, int line);
void ctime_expect_ok(result outcome, const char *file, int line);

/* Whether the bytes are as expected; they are public then. */
bool ctime_same(const void *bytes, const void *expected, size_t bytes_len);

/* The secure heap; fails outside of valgrind, where nothing would be tested. */
void ctime_begin(void);

#endif
