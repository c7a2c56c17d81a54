/* slashing_sqlite.h - the embedded store: one file, one process. Target slashing_sqlite. */
#ifndef SLASHING_SLASHING_SQLITE_H
#define SLASHING_SLASHING_SQLITE_H

#include "slashing/slashing_store.h"

/* Opens or creates the SQLite file: WAL, synchronous=FULL, exclusive lock, schema version, exactly our
 * tables, integrity check.
 * E_STORE says what is wrong with the file. */
must_check result slashing_sqlite_open(struct slashing_store **ret_store, const char *path);

/* Carries what is durable in the write-ahead log over to the file, if there is much: that reads the log,
 * writes, and syncs once more, so it is for a moment when nobody waits. A log that is never settled grows to
 * 32 MiB, then commits do it. Nothing rests on whether it succeeds: the log stays until it has. */
void slashing_sqlite_settle(struct slashing_store *base);

#endif
