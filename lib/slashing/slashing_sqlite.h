/* slashing_sqlite.h - the embedded store: one file, one process. Target slashing_sqlite. */
#ifndef SLASHING_SLASHING_SQLITE_H
#define SLASHING_SLASHING_SQLITE_H

#include "slashing/slashing_store.h"

/* Opens or creates the SQLite file: WAL, synchronous=FULL, exclusive lock, schema version, quick check.
 * E_STORE says what is wrong with the file. */
must_check result slashing_sqlite_open(struct slashing_store **ret_store, const char *path);

#endif
