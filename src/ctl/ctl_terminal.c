/* ctl_terminal.c - no terminal library: two kinds of escape sequences that every terminal since the VT100
 * knows, where there is a terminal at all. */
#include "ctl_terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"

enum { BAR_MOST = 40, BAR_LEAST = 10, COLUMNS_ELSE = 80, OTHER_COLUMNS = 50 };
/* Not more often than the eye follows; a slow terminal must not be what a run waits for. */
#define TELL_EVERY_NS UINT64_C(50000000)

static bool has_colors;

void ctl_terminal_use_colors(const char *when)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    bool wanted = (!no_color || !*no_color) && (!term || strcmp(term, "dumb") != 0);
    has_colors = isatty(STDOUT_FILENO) == 1 && wanted;
    if (when && strcmp(when, "auto") != 0)
        has_colors = strcmp(when, "always") == 0;
}

const char *ctl_style(enum ctl_style style)
{
    static const char *const sequences[] = {[CTL_PLAIN] = "\033[0m",
                                            [CTL_BOLD] = "\033[1m",
                                            [CTL_GOOD] = "\033[32m",
                                            [CTL_BAD] = "\033[31m",
                                            [CTL_DIM] = "\033[2m"};
    return has_colors ? sequences[style] : "";
}

struct ctl_progress ctl_progress_begin(size_t total, const char *what)
{
    return (struct ctl_progress){.terminal = isatty(STDERR_FILENO) == 1,
                                 .total = total,
                                 .what = what,
                                 .began_ns = clock_monotonic_ns()};
}

static size_t bar_width(void)
{
    struct winsize size;
    size_t columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS_ELSE;
    size_t left = columns > OTHER_COLUMNS ? columns - OTHER_COLUMNS : 0;
    return left > BAR_MOST ? BAR_MOST : left < BAR_LEAST ? 0 : left;
}

void ctl_progress_tell(struct ctl_progress *progress, size_t done)
{
    char bar[BAR_MOST + 1];
    uint64_t now = clock_monotonic_ns();
    bool ends = done >= progress->total;
    if (!progress->terminal || progress->total == 0 ||
        (progress->shown && !ends && now - progress->told_ns < TELL_EVERY_NS))
        return;
    size_t width = bar_width(), filled = ends ? width : width * done / progress->total;
    memset(bar, '#', filled);
    memset(bar + filled, '.', width - filled);
    bar[width] = 0;
    (void)fprintf(stderr, "\r%s%s%s%zu of %zu %s", width ? "[" : "", bar, width ? "] " : "", done,
                  progress->total, progress->what);
    uint64_t seconds =
        done && !ends ? (now - progress->began_ns) / 1000000000 * (progress->total - done) / done : 0;
    if (seconds)
        (void)fprintf(stderr, ", about %llu:%02llu left", (unsigned long long)seconds / 60,
                      (unsigned long long)seconds % 60);
    (void)fputs("\033[K", stderr);
    (void)fflush(stderr);
    progress->shown = true;
    progress->told_ns = now;
}

void ctl_progress_cleanup(struct ctl_progress *progress)
{
    if (progress->shown)
        (void)fputs("\r\033[K", stderr);
    progress->shown = false;
}
