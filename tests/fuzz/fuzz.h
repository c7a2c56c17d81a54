/* fuzz.h - what every fuzz target is: one function, called with one input after the other. It returns 0, or
 * does not return when a promise of the reader is broken. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PROMISE(condition)                                                                                   \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            (void)fprintf(stderr, "%s:%d: broken promise: %s\n", __FILE__, __LINE__, #condition);            \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

#define FUZZ_NO_REASON "nothing was said"

/* Before a reader is called: what it says afterwards is then its own. */
static inline void fuzz_forget_reason(void)
{
    result forgotten = error_set(E_INTERNAL, FUZZ_NO_REASON);
    (void)forgotten;
}

/* Whether it accepted; a refusal is for something an input can be guilty of, and says why. */
static inline bool fuzz_accepted_or_said_why(result r)
{
    if (r.code == E_NONE)
        return true;
    PROMISE(r.code > E_NONE && r.code < E_INTERNAL && r.code != E_MEMORY && r.code != E_CRYPTO);
    PROMISE(*error_text() && strcmp(error_text(), FUZZ_NO_REASON) != 0);
    return false;
}

/* The same, in one line that the input has no part in. */
static inline bool fuzz_accepted(result r)
{
    if (fuzz_accepted_or_said_why(r))
        return true;
    for (const char *at = error_text(); *at; at++)
        PROMISE((uint8_t)*at >= ' ' && *at != 0x7f);
    return false;
}

/* The input as a text of its own, with a NUL behind it and nothing more, so that a sanitizer sees who reads
 * on. The caller frees it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    PROMISE(text);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    return text;
}

/* The part of the input up to the next byte 0xff (which no UTF-8 has), or all that is left. */
struct fuzz_part {
    const uint8_t *data;
    size_t size;
};
static inline struct fuzz_part fuzz_next_part(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size ? memchr(*data, 0xff, *size) : NULL;
    struct fuzz_part part = {*data, end ? (size_t)(end - *data) : *size};
    size_t taken = part.size + (end ? 1 : 0);
    *data += taken;
    *size -= taken;
    return part;
}

#endif
