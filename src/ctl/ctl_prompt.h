/* ctl_prompt.h - secrets that the operator gives: from a descriptor, a file, or typed without echo. Never
 * from an argument or the environment, which others can read. */
#ifndef CTL_CTL_PROMPT_H
#define CTL_CTL_PROMPT_H

#include "ctl.h"

enum { CTL_SECRET_MAX = 4096 };

struct ctl_secret_source {
    uint32_t fd; /* CTL_NO_FD: none */
    const char *file;
};

/* Rows for the option table of a verb: --NAME-fd and --NAME-file. */
#define CTL_SECRET_ROWS(source, name, what)                                                                  \
    {name "-fd", OPTION_U32, &(source).fd, "descriptor that " what " is read from (asked for)", 0, 1023},    \
    {                                                                                                        \
        name "-file", OPTION_FILE, &(source).file, "file that " what " is read from (asked for)", 0, 0       \
    }

/* Without newlines at its end. Asked for on the terminal (/dev/tty, if standard input or error is
 * one) when neither is given: a usage error that
 * names --NAME-fd where there is none. A new one is typed twice. E_INPUT for an empty one. */
must_check result ctl_secret_get(struct secret *ret_secret, struct ctl_call *call,
                                 const struct ctl_secret_source *source, const char *name, bool is_new);

/* Whether somebody can be asked. */
bool ctl_has_terminal(void);
/* Shows a new mnemonic on the terminal until Enter, takes it away again, and has it typed. E_STATE when that
 * fails three times. */
must_check result ctl_show_mnemonic(const struct secret *mnemonic);

#endif
