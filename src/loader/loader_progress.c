/* loader_progress.c - see loader_progress.h. */
#include "loader_progress.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"

enum { TERMINAL_MS = 200, LOG_MS = 5000, NS_PER_MS = 1000000 };

static uint64_t interval_ns(const struct loader_progress *progress)
{
    return (uint64_t)(progress->terminal ? TERMINAL_MS : LOG_MS) * NS_PER_MS;
}

struct loader_progress loader_progress_begin(bool terminal, size_t total)
{
    struct loader_progress progress = {.terminal = terminal, .total = total};
    progress.next_ns = clock_monotonic_ns() + interval_ns(&progress);
    return progress;
}

void loader_progress_tell(struct loader_progress *progress, const struct loader_report *report)
{
    char text[128];
    uint64_t now = clock_monotonic_ns();
    if (now < progress->next_ns)
        return;
    progress->next_ns = now + interval_ns(progress);
    uint32_t keys = report->keys + report->num_batch;
    if (progress->total)
        (void)snprintf(text, sizeof text, "loaded %u of %zu keys, %u failed", keys, progress->total,
                       report->failed);
    else
        (void)snprintf(text, sizeof text, "loaded %u keys, %u failed", keys, report->failed);
    if (!progress->terminal) {
        log_info("%s", text);
        return;
    }
    (void)fprintf(stderr, "\r%s\033[K", text);
    (void)fflush(stderr);
    progress->shown = true;
}

void loader_progress_end(struct loader_progress *progress)
{
    if (progress->shown)
        (void)fputs("\r\033[K", stderr);
    progress->shown = false;
}
