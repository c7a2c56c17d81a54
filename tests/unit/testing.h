/* testing.h - what every cmocka program of ours starts from: the headers in the order cmocka
 * wants, assertions on results, and the third-party vectors. */
#ifndef TESTING_H
#define TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/result.h"

/* Prints the remembered sentence when a call that should work does not. */
#define assert_ok(expression)                                                                                \
    do {                                                                                                     \
        result assert_result_ = (expression);                                                                \
        if (assert_result_.code)                                                                             \
            fail_msg("%s: %s (%s)", #expression, error_text(), error_name(assert_result_.code));              \
    } while (0)

#define assert_fails(error, expression)                                                                      \
    do {                                                                                                     \
        result assert_result_ = (expression);                                                                \
        if (assert_result_.code != (error))                                                                  \
            fail_msg("%s: expected %s, got %s (%s)", #expression, error_name(error),                         \
                     error_name(assert_result_.code), error_text());                                         \
    } while (0)

/* The sentence of the last failure contains this. */
#define assert_error_names(part)                                                                             \
    do {                                                                                                     \
        if (!strstr(error_text(), (part)))                                                                   \
            fail_msg("expected '%s' in: %s", (part), error_text());                                          \
    } while (0)

/* Writes the path of a third-party vector file; ends the program as skipped (77), loudly,
 * when the vectors are not on this machine. */
static inline void vector_path(char *out, size_t out_capacity, const char *name)
{
    const char *folder = getenv("NS_VECTORS_DIR");
    struct stat status;
    if (!folder || stat(folder, &status) != 0) {
        (void)fprintf(stderr, "SKIPPED: no third-party vectors at %s\n", folder ? folder : "NS_VECTORS_DIR (unset)");
        exit(77);
    }
    (void)snprintf(out, out_capacity, "%s/%s", folder, name);
}

#endif
