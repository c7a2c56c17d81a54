/* sandbox_expected.h - what each process of the product may ask the kernel for, written down apart from the
 * code that says it to the kernel. */
#ifndef SANDBOX_EXPECTED_H
#define SANDBOX_EXPECTED_H

#include "base/result.h"

struct sandbox_expected {
    const char *process;
    result (*enter)(void);
    bool is_parent; /* everything is allowed but what is deadly elsewhere, which is refused */
    /* Words: "read", or "socket(AF_INET)" where only that argument is allowed. What all processes may is in
     * sandbox_common. */
    const char *allowed;
};

extern const char sandbox_common[];
extern const char sandbox_deadly[];          /* to all */
extern const char sandbox_deadly_starting[]; /* to all but parents */
extern const struct sandbox_expected sandbox_expected[];
extern const size_t sandbox_num_expected;

#endif
