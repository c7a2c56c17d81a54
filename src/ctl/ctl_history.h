/* ctl_history.h - EIP-3076 files, as the verbs of slashing show them. */
#ifndef CTL_CTL_HISTORY_H
#define CTL_CTL_HISTORY_H

#include "ctl.h"
#include "slashing/slashing_history.h"

/* Of at most 4 GiB. */
must_check result ctl_history_read(struct slashing_history *ret_history, const char *path);
/* What it has of each validator, as text or JSON. */
must_check result ctl_history_print(const struct ctl_call *call, const struct slashing_history *history);

#endif
