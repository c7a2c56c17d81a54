/* ctl_report.h - how the verbs for AWS show what they do and what came of it. */
#ifndef CTL_CTL_REPORT_H
#define CTL_CTL_REPORT_H

#include "ctl.h"
#include "json/json.h"

/* One line on a terminal, written over by the next; nothing where standard error is none. */
void ctl_report_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Removes it. */
void ctl_report_progress_end(void);

/* Prints an object on standard output, its members sorted. E_MEMORY, for one that could not be made (NULL)
 * too. */
must_check result ctl_print_json(const json_t *object);
/* Frees what json_dumps gave, which may be in locked memory. */
void ctl_json_free(char *text);
/* A document that other programs read: as it is, or {"document": text}. */
must_check result ctl_print_document(const struct ctl_call *call, const char *text);
/* Hexadecimal digits: a line, or {name: digits}. */
must_check result ctl_print_digest(const struct ctl_call *call, const char *name, const char *digits);
/* A copy of text that a terminal may show: without control characters; cut. */
void ctl_printable(char *out, size_t out_capacity, const char *text);

/* Asks for a word on the terminal; E_STATE when standard input is none, and unless "yes" is answered. */
must_check result ctl_confirm(const char *question);

/* Waits between one question and the next, since AWS tells nobody of its own: a little longer each time.
 * Begin with *pause_ms = 0. */
void ctl_pause(unsigned *pause_ms);

#endif
