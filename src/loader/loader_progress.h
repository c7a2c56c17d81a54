/* loader_progress.h - how far a long load is: one line that is rewritten on a terminal, else a line of the
 * log every few seconds. A load that is done before that says nothing. */
#ifndef LOADER_PROGRESS_H
#define LOADER_PROGRESS_H

#include "base/result.h"
#include "loader_report.h"

struct loader_progress {
    bool terminal; /* standard error is one; asked before the sandbox */
    size_t total;  /* keys to come; 0: nobody knows */
    uint64_t next_ns;
    bool shown; /* there is a line on the terminal */
};

struct loader_progress loader_progress_begin(bool terminal, size_t total);
/* After each key or failure. */
void loader_progress_tell(struct loader_progress *progress, const struct loader_report *report);
/* Clears the terminal's line. */
void loader_progress_end(struct loader_progress *progress);

#endif
