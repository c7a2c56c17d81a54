/* slashing_sqlite_private.h - what the two files of the SQLite store share; not for others. */
#ifndef SLASHING_SLASHING_SQLITE_PRIVATE_H
#define SLASHING_SLASHING_SQLITE_PRIVATE_H

#include <sqlite3.h>
#include <sys/types.h>

#include "slashing/slashing_sqlite.h"
#include "slashing/slashing_store_operations.h"

enum store_statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_LOAD,
    STORE_SCAN,
    STORE_UPDATE,
    STORE_INSERT,
    STORE_HEAD,
    STORE_SET_HEAD,
    STORE_STATEMENT_COUNT
};

struct file_identity {
    dev_t device;
    ino_t inode;
    off_t size; /* when it was last looked at: neither file ever shrinks in use */
};

struct slashing_sqlite {
    struct slashing_store store; /* first */
    sqlite3 *database;
    sqlite3_stmt *statements[STORE_STATEMENT_COUNT];
    char *path, *log_path; /* the file and its write-ahead log */
    struct file_identity file, log;
    int log_pages;       /* in the log, and not settled as far as is known */
    bool in_transaction; /* of slashing_store_transaction, which ends it */
};

/* The implementation of the interface: slashing_sqlite.c. */
extern const struct slashing_store_operations slashing_sqlite_operations;
void slashing_sqlite_free(struct slashing_sqlite *store);

/* E_STORE with SQLite's own words. */
must_check result slashing_sqlite_failure(sqlite3 *database, const char *doing);

/* E_STORE unless the names still lead to the files that are open: a record written into a file that was
 * deleted or replaced would be gone with the process. To be asked after a commit. */
must_check result slashing_check_files(struct slashing_sqlite *store);

/* E_STORE when a file is shorter than slashing_check_files last saw it. To be asked before the next commit,
 * which would make it longer again, with a hole. */
must_check result slashing_check_sizes(const struct slashing_sqlite *store);

/* E_STORE when the write-ahead log there has lost records that were durable, as far as can be told; to be
 * asked before SQLite opens the file. No log is a sound one. */
must_check result slashing_check_log(const char *path);

#endif
