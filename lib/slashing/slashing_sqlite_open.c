/* slashing_sqlite_open.c - opening, making and judging the file.
 *
 * Nothing is written into a file before it is known to be ours: an application id marks it, a
 * schema version says how to read it, its tables are those below to the letter (another's triggers and views
 * would be a program that runs with each record), integrity_check that it is whole and in order: quick_check
 * leaves the order of keys out, and a record out of order is found by a scan and by nobody who asks for it.
 * The lock is exclusive from the first read on, so a second signer on the same file does not start; the
 * write-ahead log then needs no shared memory either. Rejected: sharing the file among processes, where a
 * record read before another's write would need a transaction a signature. */
#include "slashing/slashing_sqlite_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID "1314083664" /* 0x4e535350, "NSSP" */
#define SCHEMA_VERSION "2"
#define SCHEMA_VERSION_BEFORE "1"

/* The smallest page. */
enum { DATABASE_MIN = 512 };

/* Of 4 KiB, in the log: so many are settled when there is time, and so many whenever they are there. */
enum { LOG_PAGES_MANY = 250, LOG_PAGES_MAX = 8192 };

/* What the store says of itself: always one row. */
#define STORE_TABLE                                                                                          \
    "CREATE TABLE store ("                                                                                   \
    " id INTEGER PRIMARY KEY CHECK (id = 1),"                                                                \
    " genesis_validators_root BLOB CHECK (length(genesis_validators_root) = 32),"                            \
    " high_epoch BLOB CHECK (length(high_epoch) = 8),"                                                       \
    " high_slot BLOB CHECK (length(high_slot) = 8),"                                                         \
    " CHECK ((high_epoch IS NULL) = (high_slot IS NULL))"                                                    \
    ") STRICT"

/* Numbers are 8 bytes, big-endian: SQLite's integers are signed, and slots and epochs go up to 2^64 - 1. */
#define VALIDATOR_TABLE                                                                                      \
    "CREATE TABLE validator ("                                                                               \
    " pubkey BLOB PRIMARY KEY NOT NULL CHECK (length(pubkey) = 48),"                                         \
    " disabled INTEGER NOT NULL CHECK (disabled IN (0, 1)),"                                                 \
    " block_slot BLOB CHECK (length(block_slot) = 8),"                                                       \
    " block_root BLOB CHECK (length(block_root) = 32),"                                                      \
    " source_epoch BLOB CHECK (length(source_epoch) = 8),"                                                   \
    " target_epoch BLOB CHECK (length(target_epoch) = 8),"                                                   \
    " attestation_root BLOB CHECK (length(attestation_root) = 32),"                                          \
    " CHECK ((source_epoch IS NULL) = (target_epoch IS NULL)),"                                              \
    " CHECK (block_root IS NULL OR block_slot IS NOT NULL),"                                                 \
    " CHECK (attestation_root IS NULL OR target_epoch IS NOT NULL)"                                          \
    ") STRICT, WITHOUT ROWID"

static const char schema[] = "BEGIN EXCLUSIVE;" VALIDATOR_TABLE ";" STORE_TABLE ";"
                             "INSERT INTO store (id) VALUES (1);"
                             "PRAGMA application_id = " APPLICATION_ID ";"
                             "PRAGMA user_version = " SCHEMA_VERSION ";"
                             "COMMIT;";

/* Version 1 kept the genesis validators root in a table of its own, and no high watermark. */
#define GENESIS_TABLE                                                                                        \
    "CREATE TABLE genesis ("                                                                                 \
    " id INTEGER PRIMARY KEY CHECK (id = 1),"                                                                \
    " validators_root BLOB NOT NULL CHECK (length(validators_root) = 32)"                                    \
    ") STRICT"
static const char migration[] = "BEGIN EXCLUSIVE;" STORE_TABLE ";"
                                "INSERT INTO store (id, genesis_validators_root)"
                                " VALUES (1, (SELECT validators_root FROM genesis WHERE id = 1));"
                                "DROP TABLE genesis;"
                                "PRAGMA user_version = " SCHEMA_VERSION ";"
                                "COMMIT;";

#define RECORD_COLUMNS "disabled, block_slot, block_root, source_epoch, target_epoch, attestation_root"

static const char *const statement_texts[STORE_STATEMENT_COUNT] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_LOAD] = "SELECT " RECORD_COLUMNS " FROM validator WHERE pubkey = ?1",
    [STORE_SCAN] = "SELECT " RECORD_COLUMNS ", pubkey FROM validator ORDER BY pubkey",
    /* The old record is part of the condition: compare and set in one statement. */
    [STORE_UPDATE] =
        "UPDATE validator SET disabled = ?2, block_slot = ?3, block_root = ?4, source_epoch = ?5,"
        " target_epoch = ?6, attestation_root = ?7 WHERE pubkey = ?1 AND disabled = ?8"
        " AND block_slot IS ?9 AND block_root IS ?10 AND source_epoch IS ?11"
        " AND target_epoch IS ?12 AND attestation_root IS ?13",
    [STORE_INSERT] = "INSERT INTO validator (pubkey, " RECORD_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                     " ON CONFLICT (pubkey) DO NOTHING",
    [STORE_HEAD] = "SELECT genesis_validators_root, high_epoch, high_slot FROM store WHERE id = 1",
    [STORE_SET_HEAD] = "UPDATE store SET genesis_validators_root = ?1, high_epoch = ?2, high_slot = ?3"
                       " WHERE id = 1 AND genesis_validators_root IS ?4 AND high_epoch IS ?5"
                       " AND high_slot IS ?6",
};

result slashing_sqlite_failure(sqlite3 *database, const char *doing)
{
    int code = sqlite3_errcode(database);
    if (code == SQLITE_BUSY)
        return error_set(E_STORE, "%s: the file is in use by another process", doing);
    if (code == SQLITE_NOTADB)
        return error_set(E_STORE, "%s: not a SQLite file", doing);
    return error_set(E_STORE, "%s: %s", doing, sqlite3_errmsg(database));
}

static must_check result run(sqlite3 *database, const char *text, const char *doing)
{
    if (sqlite3_exec(database, text, NULL, NULL, NULL) != SQLITE_OK)
        return slashing_sqlite_failure(database, doing);
    return RESULT_OK;
}

static void statement_finalize(sqlite3_stmt *statement)
{
    (void)sqlite3_finalize(statement);
}
DEFINE_AUTO_POINTER(sqlite3_stmt, statement_finalize)

/* The one value a pragma or query answers, as text; cut to out_capacity. */
static must_check result ask(sqlite3 *database, char *out, size_t out_capacity, const char *text)
{
    AUTO_POINTER(sqlite3_stmt) statement = NULL;
    if (sqlite3_prepare_v2(database, text, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW)
        return slashing_sqlite_failure(database, text);
    const unsigned char *value = sqlite3_column_text(statement, 0);
    ENSURE(value, E_STORE, "%s: no answer", text);
    (void)snprintf(out, out_capacity, "%s", (const char *)value);
    return RESULT_OK;
}

static must_check result has_version(sqlite3 *database, bool *ret_has, const char *version)
{
    char answer[32] = "";
    TRY(ask(database, answer, sizeof answer, "PRAGMA user_version"));
    *ret_has = strcmp(answer, version) == 0;
    return RESULT_OK;
}

static must_check result expect(sqlite3 *database, const char *text, const char *wanted,
                                const char *otherwise)
{
    char answer[80] = "";
    TRY(ask(database, answer, sizeof answer, text));
    ENSURE(strcmp(answer, wanted) == 0, E_STORE, "%s (%s)", otherwise, answer);
    return RESULT_OK;
}

/* Whoever ran ANALYZE on the file may have left two tables for the planner. */
static must_check result check_tables(sqlite3 *database)
{
    static const char *const ours[] = {VALIDATOR_TABLE, STORE_TABLE, GENESIS_TABLE};
    AUTO_POINTER(sqlite3_stmt) objects = NULL;
    const char text[] = "SELECT sql FROM sqlite_schema"
                        " WHERE NOT (type = 'table' AND name IN ('sqlite_stat1', 'sqlite_stat4'))";
    int step = sqlite3_prepare_v2(database, text, -1, &objects, NULL);
    for (step = step ? step : sqlite3_step(objects); step == SQLITE_ROW; step = sqlite3_step(objects)) {
        const char *made = (const char *)sqlite3_column_text(objects, 0);
        bool known = false;
        for (size_t i = 0; i < ARRAY_LENGTH(ours); i++)
            known = known || (made && strcmp(made, ours[i]) == 0);
        ENSURE(known, E_STORE, "has a table, view, index or trigger that this program does not make");
    }
    return step == SQLITE_DONE ? RESULT_OK : slashing_sqlite_failure(database, "reading the tables");
}

/* Makes the tables in an empty file; otherwise the file must be ours already, of this version or the one
 * before. */
static must_check result claim(sqlite3 *database)
{
    char objects[32] = "", id[32] = "";
    TRY(ask(database, objects, sizeof objects, "SELECT count(*) FROM sqlite_schema"));
    TRY(ask(database, id, sizeof id, "PRAGMA application_id"));
    if (strcmp(objects, "0") == 0 && strcmp(id, "0") == 0)
        return run(database, schema, "making the tables");
    TRY(expect(database, "PRAGMA application_id", APPLICATION_ID, "a SQLite file of another application"));
    bool is_before = false;
    TRY(has_version(database, &is_before, SCHEMA_VERSION_BEFORE));
    if (!is_before)
        TRY(expect(database, "PRAGMA user_version", SCHEMA_VERSION,
                   "of a schema version this program does not know"));
    return check_tables(database);
}

/* Of a file that was found sound, under the lock: all of it or nothing. */
static must_check result migrate(sqlite3 *database)
{
    bool is_before = false;
    TRY(has_version(database, &is_before, SCHEMA_VERSION_BEFORE));
    if (!is_before)
        return RESULT_OK;
    return run(database, migration,
               "bringing the tables from schema version " SCHEMA_VERSION_BEFORE " to " SCHEMA_VERSION);
}

static must_check result configure(sqlite3 *database)
{
    if (sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL) != SQLITE_OK ||
        sqlite3_db_config(database, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL) != SQLITE_OK)
        return slashing_sqlite_failure(database, "configuring");
    TRY(expect(database, "PRAGMA locking_mode = EXCLUSIVE", "exclusive", "no exclusive lock"));
    TRY(claim(database));
    TRY(expect(database, "PRAGMA journal_mode = WAL", "wal", "no write-ahead log"));
    TRY(run(database, "PRAGMA synchronous = FULL", "asking for durable commits"));
    TRY(expect(database, "PRAGMA synchronous", "2", "no durable commits"));
    TRY(expect(database, "PRAGMA integrity_check(1)", "ok", "the file is damaged"));
    TRY(run(database, "BEGIN IMMEDIATE; COMMIT", "taking the lock"));
    return migrate(database);
}

static must_check result identify(struct file_identity *ret_identity, const char *path)
{
    struct stat status;
    ENSURE(stat(path, &status) == 0, E_STORE, "%s: %s", path, strerror(errno));
    /* SQLite looks for the log beside the name it was given: opened by another name, the file would come
     * without its latest records. */
    ENSURE(status.st_nlink == 1, E_STORE, "%s has %lu hard links; it must have one name", path,
           (unsigned long)status.st_nlink);
    *ret_identity =
        (struct file_identity){.device = status.st_dev, .inode = status.st_ino, .size = status.st_size};
    return RESULT_OK;
}

static must_check result same_file(const char *path, struct file_identity *opened)
{
    struct file_identity now = {0};
    TRY(identify(&now, path));
    ENSURE(now.device == opened->device && now.inode == opened->inode, E_STORE,
           "%s was replaced while it was in use", path);
    opened->size = now.size;
    return RESULT_OK;
}

result slashing_check_files(struct slashing_sqlite *store)
{
    TRY(same_file(store->path, &store->file));
    return same_file(store->log_path, &store->log);
}

static must_check result not_cut(const char *path, const struct file_identity *opened)
{
    struct stat status;
    bool is_cut = stat(path, &status) == 0 && status.st_ino == opened->inode &&
                  status.st_dev == opened->device && status.st_size < opened->size;
    ENSURE(!is_cut, E_STORE, "%s was cut while it was in use", path);
    return RESULT_OK;
}

result slashing_check_sizes(const struct slashing_sqlite *store)
{
    TRY(not_cut(store->path, &store->file));
    return not_cut(store->log_path, &store->log);
}

/* The names of file and log must be as durable as what is written into them. SQLite does this at the first
 * write to the log, and takes no notice when it cannot: a process that has entered its sandbox by then. */
static must_check result sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    int length = slash ? (int)(slash - path) + 1 : 1;
    ENSURE((size_t)length < sizeof folder, E_STORE, "path is too long");
    (void)snprintf(folder, sizeof folder, "%.*s", length, slash ? path : ".");
    AUTO_FD fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ENSURE(fd >= 0 && fsync(fd) == 0, E_STORE, "%s: %s", folder, strerror(errno));
    return RESULT_OK;
}

/* What is written once more is written out by the next fsync, whatever became of the ones before. */
static must_check result write_again(int fd, const char *path)
{
    uint8_t piece[16384];
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, piece, sizeof piece, at);
        ENSURE(n >= 0, E_STORE, "%s: reading: %s", path, strerror(errno));
        if (n == 0)
            return RESULT_OK;
        n = pwrite(fd, piece, (size_t)n, at);
        ENSURE(n > 0, E_STORE, "%s: writing: %s", path, strerror(errno));
        at += n;
    }
}

/* A process that was killed between writing and fsync, or whose fsync failed, leaves records that can be
 * read, and are not durable yet. After a failure Linux takes the pages for written: an fsync alone would
 * succeed. */
static must_check result sync_log(const char *path)
{
    AUTO_FD fd = open(path, O_RDWR | O_CLOEXEC);
    ENSURE(fd >= 0, E_STORE, "%s: %s", path, strerror(errno));
    TRY(write_again(fd, path));
    ENSURE(fsync(fd) == 0, E_STORE, "%s: %s", path, strerror(errno));
    return RESULT_OK;
}

/* The size of a file, 0 when there is none. */
static must_check result size_of(off_t *ret_size, bool *ret_exists, const char *path)
{
    struct stat status = {0};
    *ret_exists = stat(path, &status) == 0;
    ENSURE(*ret_exists || errno == ENOENT, E_STORE, "%s: %s", path, strerror(errno));
    *ret_size = status.st_size;
    return RESULT_OK;
}

/* SQLite takes an empty file for a new one, and deletes the log beside it: all records would be forgotten.
 * Only one whose making was interrupted may be empty; its journal is then still there. */
static must_check result check_not_emptied(const char *path, const char *log_path)
{
    char journal[PATH_MAX];
    bool exists = false, has_log = false, has_journal = false;
    off_t size = 0, log_size = 0, journal_size = 0;
    int length = snprintf(journal, sizeof journal, "%s-journal", path);
    ENSURE(length > 0 && (size_t)length < sizeof journal, E_STORE, "path is too long");
    TRY(size_of(&size, &exists, path));
    TRY(size_of(&log_size, &has_log, log_path));
    TRY(size_of(&journal_size, &has_journal, journal));
    ENSURE(size > 0 || log_size == 0, E_STORE, "%s has records, and the file they belong to is empty or gone",
           log_path);
    ENSURE(size == 0 || size >= DATABASE_MIN || journal_size > 0, E_STORE, "the file is damaged: too short");
    ENSURE(size > 0 || !exists || journal_size > 0, E_STORE,
           "the file is empty: if it never had records, delete it, and a new one will be made");
    return RESULT_OK;
}

/* What SQLite ignores when it does this by itself, at 1,000 pages and so in the middle of bursts. */
static void settle(struct slashing_sqlite *store)
{
    if (sqlite3_wal_checkpoint_v2(store->database, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) == SQLITE_OK)
        store->log_pages = 0;
}

static int on_commit(void *context, sqlite3 *database, const char *name, int pages)
{
    struct slashing_sqlite *store = context;
    (void)database;
    (void)name;
    store->log_pages = pages;
    if (pages >= LOG_PAGES_MAX)
        settle(store);
    return SQLITE_OK;
}

void slashing_sqlite_settle(struct slashing_store *base)
{
    struct slashing_sqlite *store = (struct slashing_sqlite *)base; /* its first member */
    if (store->log_pages >= LOG_PAGES_MANY)
        settle(store);
}

static must_check result open_into(struct slashing_sqlite *store, const char *path)
{
    store->path = strdup(path);
    ENSURE(store->path && asprintf(&store->log_path, "%s-wal", path) >= 0, E_MEMORY, "out of memory");
    TRY(check_not_emptied(path, store->log_path));
    TRY(slashing_check_log(store->log_path));
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int opened = sqlite3_open_v2(path, &store->database, flags, NULL);
    ENSURE(store->database, E_MEMORY, "out of memory");
    if (opened != SQLITE_OK)
        return slashing_sqlite_failure(store->database, "opening");
    TRY(configure(store->database));
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(store->database, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return slashing_sqlite_failure(store->database, "reading the tables");
    (void)sqlite3_wal_hook(store->database, on_commit, store);
    TRY(sync_log(store->log_path));
    TRY(sync_folder(store->path));
    TRY(identify(&store->file, store->path));
    return identify(&store->log, store->log_path);
}

typedef struct slashing_sqlite slashing_sqlite;
DEFINE_AUTO_POINTER(slashing_sqlite, slashing_sqlite_free)

result slashing_sqlite_open(struct slashing_store **ret_store, const char *path)
{
    AUTO_POINTER(slashing_sqlite) store = calloc(1, sizeof *store);
    ENSURE(store, E_MEMORY, "out of memory");
    store->store.operations = &slashing_sqlite_operations;
    result r = open_into(store, path);
    if (r.code)
        return error_prefix(r, "slashing protection store %s", path);
    *ret_store = &TAKE(store)->store;
    return RESULT_OK;
}

void slashing_sqlite_free(struct slashing_sqlite *store)
{
    if (!store)
        return;
    for (int i = 0; i < STORE_STATEMENT_COUNT; i++)
        (void)sqlite3_finalize(store->statements[i]);
    (void)sqlite3_close(store->database);
    free(store->path);
    free(store->log_path);
    free(store);
}
