/* proxy_log_line.h - how a line of the enclave's is shown. Pure. */
#ifndef PROXY_PROXY_LOG_LINE_H
#define PROXY_PROXY_LOG_LINE_H

#include <stddef.h>

#include "base/log.h"

enum { PROXY_LOG_IN_MAX = LOG_LINE_MAX, PROXY_LOG_OUT_MAX = LOG_LINE_MAX + 32 };

/* Writes the line that shows text, of at most PROXY_LOG_IN_MAX bytes without a newline; its length, the
 * newline included. In the plain format it is the text behind "enclave: ". In the others a JSON object with a
 * member "source": "enclave": the text's own, if it is one of the flat objects that our programs write, else
 * one whose message is the text. */
size_t proxy_log_line(char out[static PROXY_LOG_OUT_MAX], enum log_format format, const char *text,
                      size_t text_len);

#endif
