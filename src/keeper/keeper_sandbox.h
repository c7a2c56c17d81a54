/* keeper_sandbox.h - the system calls that are left to the keeper. */
#ifndef KEEPER_SANDBOX_H
#define KEEPER_SANDBOX_H

#include "base/result.h"

/* Once, when every file is open; later calls do nothing. store: SQLite's file, beside which files of its own
 * can be removed; NULL if there is none. */
must_check result keeper_sandbox_enter(const char *store);

#endif
