/* secret_text.h - lines and blanks of texts that are secret. */
#ifndef BASE_SECRET_TEXT_H
#define BASE_SECRET_TEXT_H

#include "base/secret.h"

/* The number of bytes before the first of CR, LF and NUL, or all; the number may be known. Unlike strcspn it
 * looks up no table by a secret byte. */
size_t secret_line_length(const struct secret *s);
/* Whether there is nothing but blanks (space, tab, CR, LF), or nothing at all; that may be known. */
bool secret_is_blank(const void *bytes, size_t bytes_len);

#endif
