/* aws_canonical.h - the canonical path and query of Signature Version 4; used by aws_sigv4.c alone. */
#ifndef AWS_AWS_CANONICAL_H
#define AWS_AWS_CANONICAL_H

#include "base/buffer.h"

/* Appends the path, percent-encoded once more, with dots and double slashes removed unless they are to be
 * kept. */
must_check result aws_canonical_path(struct buffer *out, const char *path, bool keep);
/* Appends the parameters sorted by name, then value, each encoded exactly once. */
must_check result aws_canonical_query(struct buffer *out, const char *query);

#endif
