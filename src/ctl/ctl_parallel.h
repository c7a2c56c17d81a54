/* ctl_parallel.h - work that takes a processor long, on several threads: key derivations. */
#ifndef CTL_CTL_PARALLEL_H
#define CTL_CTL_PARALLEL_H

#include "base/result.h"

enum { CTL_THREADS_MAX = 64 };

/* Does one piece; keeps its own outcome. Called by any thread. */
typedef void ctl_parallel_work(void *context, size_t number);

/* Does pieces 0 .. num - 1 on up to threads threads (0: one a processor); returns when all are done. */
must_check result ctl_parallel(ctl_parallel_work *work, void *context, size_t num, size_t threads);

/* How far a long run is: one line that is rewritten on a terminal; nothing elsewhere. */
struct ctl_progress {
    bool terminal, shown;
    size_t total;
};
struct ctl_progress ctl_progress_begin(size_t total);
void ctl_progress_tell(struct ctl_progress *progress, size_t done, const char *what);
/* Clears the line; before anything else is printed. */
void ctl_progress_cleanup(struct ctl_progress *progress);

#endif
