/* ctl_terminal.h - what a person sees who is there: colours and progress, and nothing of them elsewhere. */
#ifndef CTL_CTL_TERMINAL_H
#define CTL_CTL_TERMINAL_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/result.h"

enum ctl_style { CTL_PLAIN, CTL_BOLD, CTL_GOOD, CTL_BAD, CTL_DIM };

/* When is "auto", "always" or "never"; NULL: auto, which is on a terminal unless NO_COLOR says something or
 * TERM is "dumb". Of standard output. */
void ctl_terminal_use_colors(const char *when);
/* The escape sequence of a style, "" without colours. After the text comes that of CTL_PLAIN. */
const char *ctl_style(enum ctl_style style);

/* How far a long run is: a bar that is rewritten on standard error while that is a terminal; nothing
 * elsewhere. */
struct ctl_progress {
    bool terminal, shown;
    size_t total;
    const char *what; /* "keys" */
    uint64_t began_ns, told_ns;
};
struct ctl_progress ctl_progress_begin(size_t total, const char *what);
void ctl_progress_tell(struct ctl_progress *progress, size_t done);
/* Clears the line; before anything else is printed. */
void ctl_progress_cleanup(struct ctl_progress *progress);

#endif
