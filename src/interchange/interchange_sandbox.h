/* interchange_sandbox.h - what is left to an import once its two files are open. */
#ifndef INTERCHANGE_INTERCHANGE_SANDBOX_H
#define INTERCHANGE_INTERCHANGE_SANDBOX_H

#include "base/result.h"

enum interchange_sandbox {
    INTERCHANGE_FILES,      /* reads and writes of what is open, and no more */
    INTERCHANGE_CONNECTION, /* the same over a connection that is open */
    INTERCHANGE_CONNECTIONS /* and new ones can be made */
};

/* file: SQLite's, beside which files of its own can be removed; NULL if there is none. */
must_check result interchange_sandbox_enter(enum interchange_sandbox kind, const char *file);

#endif
