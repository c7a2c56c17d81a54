/* interchange_sandbox.h - what is left to an import once its two files are open. */
#ifndef INTERCHANGE_INTERCHANGE_SANDBOX_H
#define INTERCHANGE_INTERCHANGE_SANDBOX_H

#include "base/result.h"

/* Reads and writes of what is open, files or the connection to a database, and no more. */
must_check result interchange_sandbox_enter(bool is_network);

#endif
