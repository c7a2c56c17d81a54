/* json_large.h - for json.c only. */
#ifndef JSON_JSON_LARGE_H
#define JSON_JSON_LARGE_H

#include "base/buffer.h"

/* Appends the text, in which each bare integer from 2^63 to 2^64-1 has become a string: NUL and its digits.
 * It is to be read with JSON_ALLOW_NUL. E_INPUT if a string of it may have a NUL already. */
must_check result json_quote_large(struct buffer *out, const char *text, size_t text_len);

#endif
