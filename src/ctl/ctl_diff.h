/* ctl_diff.h - two texts line by line, for people. */
#ifndef CTL_CTL_DIFF_H
#define CTL_CTL_DIFF_H

#include "base/buffer.h"

enum { CTL_DIFF_LINES_MAX = 2000 };

/* Appends the lines of both: "  " in front of those they share, "- " of those that only the old one has, "+ "
 * of the new one's. E_TOO_LARGE over the limit. */
must_check result ctl_diff(struct buffer *out, const char *old, const char *new);

#endif
