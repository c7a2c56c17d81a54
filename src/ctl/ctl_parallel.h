/* ctl_parallel.h - work that takes a processor long, on several threads: key derivations. */
#ifndef CTL_CTL_PARALLEL_H
#define CTL_CTL_PARALLEL_H

#include "base/result.h"

enum { CTL_THREADS_MAX = 64 };

/* Does one piece; keeps its own outcome. Called by any thread. */
typedef void ctl_parallel_work(void *context, size_t number);

/* Does pieces 0 .. num - 1 on up to threads threads (0: one a processor); returns when all are done. */
must_check result ctl_parallel(ctl_parallel_work *work, void *context, size_t num, size_t threads);

#endif
