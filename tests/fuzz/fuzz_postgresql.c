/* fuzz_postgresql.c - a PostgreSQL server as an input has it: what it answers to the store's statements, be
 * they rows of another shape or answers out of order. Nothing is "done" that was not committed, and the marks
 * of a record that is believed are as high as every number that stood in its row.
 *
 * libpq's exchange with the server is wrapped; its results are real. The first byte says whether the server's
 * checks are answered by the input too. An answer is a byte for its number of rows, one for that of its
 * columns, then a part behind 0xff for each value: "~" is NULL. */
#include <libpq-fe.h>

#include "base/options.h"
#include "fuzz.h"
#include "slashing/slashing_postgresql.h"
#include "slashing/slashing_store.h"

enum { KEYS = 2, ROWS_MAX = 4, COLUMNS_MAX = 16, PENDING_MAX = 16, CONNECTIONS_MAX = 6, VISITS_MAX = 64 };

static const uint8_t *left;
static size_t left_len;
static bool checks_are_good;
static unsigned connections;

/* What was sent and not answered: what kind of statement it is. */
enum pending {
    PENDING_SERVER,
    PENDING_SCHEMA,
    PENDING_VERSION,
    PENDING_COMMIT,
    PENDING_OTHER,
    PENDING_END,
    PENDING_SYNC
};
static enum pending pending[2 * PENDING_MAX + 1];
static size_t num_pending, next_pending;
static bool is_commit, was_committed;

static char a_connection;

static uint8_t next_byte(void)
{
    if (left_len == 0)
        return 0;
    left_len--;
    return *left++;
}

/* ---- libpq ---- */

PGconn *__wrap_PQconnectdbParams(const char *const *names, const char *const *values, int expand);
PGconn *__wrap_PQconnectdbParams(const char *const *names, const char *const *values, int expand)
{
    (void)names, (void)values, (void)expand;
    num_pending = next_pending = 0;
    connections++;
    return (PGconn *)(void *)&a_connection;
}

ConnStatusType __wrap_PQstatus(const PGconn *connection);
ConnStatusType __wrap_PQstatus(const PGconn *connection)
{
    (void)connection;
    return connections <= CONNECTIONS_MAX ? CONNECTION_OK : CONNECTION_BAD;
}

void __wrap_PQfinish(PGconn *connection);
void __wrap_PQfinish(PGconn *connection)
{
    (void)connection;
}

char *__wrap_PQerrorMessage(const PGconn *connection);
char *__wrap_PQerrorMessage(const PGconn *connection)
{
    static char text[] = "the server has gone";
    (void)connection;
    return text;
}

PQnoticeReceiver __wrap_PQsetNoticeReceiver(PGconn *connection, PQnoticeReceiver receiver, void *context);
PQnoticeReceiver __wrap_PQsetNoticeReceiver(PGconn *connection, PQnoticeReceiver receiver, void *context)
{
    (void)connection, (void)receiver, (void)context;
    return NULL;
}

int __wrap_PQsetnonblocking(PGconn *connection, int on);
int __wrap_PQsetnonblocking(PGconn *connection, int on)
{
    (void)connection, (void)on;
    return 0;
}

int __wrap_PQenterPipelineMode(PGconn *connection);
int __wrap_PQenterPipelineMode(PGconn *connection)
{
    (void)connection;
    return 1;
}

int __wrap_PQsendQueryParams(PGconn *connection, const char *text, int num, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryParams(PGconn *connection, const char *text, int num, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats, int format)
{
    (void)connection, (void)num, (void)types, (void)values, (void)lengths, (void)formats, (void)format;
    if (next_pending == num_pending)
        next_pending = num_pending = 0;
    PROMISE(num_pending + 2 < ARRAY_LENGTH(pending));
    pending[num_pending++] = strstr(text, "'fsync'")            ? PENDING_SERVER
                             : strstr(text, "to_regclass")      ? PENDING_SCHEMA
                             : strstr(text, "database_version") ? PENDING_VERSION
                             : strcmp(text, "COMMIT") == 0      ? PENDING_COMMIT
                                                                : PENDING_OTHER;
    pending[num_pending++] = PENDING_END;
    return 1;
}

int __wrap_PQpipelineSync(PGconn *connection);
int __wrap_PQpipelineSync(PGconn *connection)
{
    (void)connection;
    pending[num_pending++] = PENDING_SYNC;
    return 1;
}

int __wrap_PQflush(PGconn *connection);
int __wrap_PQflush(PGconn *connection)
{
    (void)connection;
    return 0;
}

int __wrap_PQisBusy(PGconn *connection);
int __wrap_PQisBusy(PGconn *connection)
{
    (void)connection;
    return 0;
}

PGTransactionStatusType __wrap_PQtransactionStatus(const PGconn *connection);
PGTransactionStatusType __wrap_PQtransactionStatus(const PGconn *connection)
{
    (void)connection;
    return PQTRANS_IDLE;
}

char *__wrap_PQcmdStatus(PGresult *rows);
char *__wrap_PQcmdStatus(PGresult *rows)
{
    static char committed[] = "COMMIT", rolled_back[] = "ROLLBACK";
    (void)rows;
    was_committed = is_commit;
    return is_commit ? committed : rolled_back;
}

/* A result of libpq's own making, of which what cannot be in one is left out. */
static PGresult *make_rows(int rows, int columns, const char *const *good)
{
    static char name[] = "a";
    PGresAttDesc attributes[COLUMNS_MAX];
    PGresult *made = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PROMISE(made);
    for (int i = 0; i < columns; i++)
        attributes[i] = (PGresAttDesc){.name = name};
    if (columns > 0)
        PROMISE(PQsetResultAttrs(made, columns, attributes));
    for (int i = 0; i < rows * columns; i++) {
        struct fuzz_part part = {NULL, 0};
        if (!good)
            part = fuzz_next_part(&left, &left_len);
        char *text = good ? strdup(good[i]) : fuzz_text(part.data, part.size);
        bool is_null = strcmp(text, "~") == 0;
        PROMISE(PQsetvalue(made, i / columns, i % columns, is_null ? NULL : text,
                           is_null ? -1 : (int)strlen(text)));
        free(text);
    }
    return made;
}

PGresult *__wrap_PQgetResult(PGconn *connection);
PGresult *__wrap_PQgetResult(PGconn *connection)
{
    static const char *const server[] = {"t", "t", "f", "f"}, *const schema[] = {"t", "t", "t"},
                             *const version[] = {"12"};
    (void)connection;
    if (next_pending == num_pending)
        return NULL;
    enum pending which = pending[next_pending++];
    if (which == PENDING_END)
        return NULL;
    if (which == PENDING_SYNC)
        return PQmakeEmptyPGresult(NULL, PGRES_PIPELINE_SYNC);
    if (which <= PENDING_VERSION && checks_are_good)
        return which == PENDING_SERVER   ? make_rows(1, 4, server)
               : which == PENDING_SCHEMA ? make_rows(1, 3, schema)
                                         : make_rows(1, 1, version);
    uint8_t rows = next_byte(), columns = next_byte();
    is_commit = which == PENDING_COMMIT && rows % 2;
    if (rows == 0xf0 || left_len == 0)
        return columns % 2 ? NULL : PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR);
    return make_rows(rows % (ROWS_MAX + 1), columns % (COLUMNS_MAX + 1), NULL);
}

/* ---- the store ---- */

static result see(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey, (void)entry;
    ENSURE(++*(size_t *)context < VISITS_MAX, E_TOO_LARGE, "enough");
    return RESULT_OK;
}

static void try_advance(struct slashing_store *store, const uint8_t (*pubkeys)[48],
                        const struct slashing_entry *entries)
{
    struct slashing_advance advances[KEYS] = {0};
    was_committed = false;
    for (size_t i = 0; i < KEYS; i++) {
        memcpy(advances[i].pubkey, pubkeys[i], sizeof pubkeys[i]);
        advances[i].old = advances[i].next = entries[i].record;
        advances[i].next.has_block = advances[i].next.block_has_root = true;
        advances[i].next.block_slot = entries[i].record.block_slot / 2 + 1000;
    }
    (void)fuzz_accepted_or_said_why(slashing_store_advance(store, advances, KEYS));
    for (size_t i = 0; i < KEYS; i++)
        PROMISE((!advances[i].done || was_committed) && !(advances[i].done && advances[i].conflict));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t pubkeys[KEYS][48] = {{1}, {2}};
    struct slashing_postgresql_settings settings = {.host = "h", .database = "d", .user = "u"};
    struct slashing_store *store = NULL;
    struct slashing_entry entries[KEYS] = {0};
    struct slashing_head head;
    size_t visits = 0;
    left = data;
    left_len = size;
    connections = 0;
    num_pending = next_pending = 0;
    uint8_t how = next_byte();
    checks_are_good = how % 2 == 0;
    fuzz_forget_reason();
    if (!fuzz_accepted_or_said_why(slashing_postgresql_open(&store, &settings)))
        return 0;
    if (how & 2)
        (void)fuzz_accepted_or_said_why(slashing_store_head(store, &head));
    if (how & 4)
        (void)fuzz_accepted_or_said_why(slashing_store_scan(store, see, &visits));
    if (!fuzz_accepted_or_said_why(slashing_store_load_many(store, entries, pubkeys, KEYS)))
        memset(entries, 0, sizeof entries);
    try_advance(store, pubkeys, entries);
    slashing_store_close(store);
    return 0;
}
