/* slashing_postgresql_link.c - one connection: made, checked, spoken over in round trips with an end in time.
 *
 * Statements of a round trip are sent together (libpq's pipeline mode) and answered together; after the first
 * that fails the server skips the rest. Waiting is bounded on our side too: a server that has stopped, or a
 * network that swallows, must not hold a duty for ever. A connection that was not answered in time is given
 * up, never reused.
 *
 * Rejected: trusting the settings as the database's owner made them. A role with synchronous_commit
 * = off would have us sign what a power failure forgets. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "slashing/slashing_postgresql_private.h"

enum { DEFAULT_CONNECT_SECONDS = 5, DEFAULT_STATEMENT_MS = 5000, GRACE_MS = 500, SENTENCE_MAX = 160 };

extern char **environ;

/* Given instead of a file, so that libpq does not look for one in the user's folder: below something that is
 * no folder nothing can be. */
static const char no_file[] = "/dev/null/none";

void slashing_postgresql_forget_environment(void)
{
    size_t i = 0;
    while (environ && environ[i]) {
        char name[64];
        size_t length = strcspn(environ[i], "=");
        if (strncmp(environ[i], "PG", 2) != 0 || length >= sizeof name) {
            i++;
            continue;
        }
        memcpy(name, environ[i], length);
        name[length] = '\0';
        (void)unsetenv(name); /* moves the next one here */
    }
}

static must_check result check_environment(void)
{
    for (size_t i = 0; environ && environ[i]; i++)
        ENSURE(strncmp(environ[i], "PG", 2) != 0, E_STATE,
               "the environment has a variable PG*, which would have a say in where records go");
    return RESULT_OK;
}

struct pg_statement *slashing_pg_add(struct pg_exchange *exchange, const char *text)
{
    if (exchange->num_statements <= PG_STATEMENTS_MAX)
        exchange->num_statements++;
    struct pg_statement *statement = &exchange->statements[exchange->num_statements - 1];
    *statement = (struct pg_statement){.text = text};
    return statement;
}

void slashing_pg_disconnect(struct slashing_postgresql *store)
{
    PQfinish(store->connection);
    store->connection = NULL;
}

/* The first line of what libpq or the server says. */
static void first_line(char out[static SENTENCE_MAX], const char *text)
{
    (void)snprintf(out, SENTENCE_MAX, "%.*s", (int)strcspn(text ? text : "", "\n"), text ? text : "");
}

static must_check result lost(struct slashing_postgresql *store, const char *what)
{
    char sentence[SENTENCE_MAX];
    first_line(sentence, store->connection ? PQerrorMessage(store->connection) : "");
    slashing_pg_disconnect(store);
    store->failure = PG_LOST;
    FAIL(E_STORE, "PostgreSQL: %s%s%s", what, sentence[0] ? ": " : "", sentence);
}

static bool is_transient(const char *state)
{
    /* serialization_failure, deadlock_detected, lock_not_available, unique_violation: somebody was faster */
    static const char *const states[] = {"40001", "40P01", "55P03", "23505"};
    for (size_t i = 0; i < ARRAY_LENGTH(states); i++)
        if (strcmp(state, states[i]) == 0)
            return true;
    return false;
}

static must_check result refused(struct slashing_postgresql *store, const PGresult *answer)
{
    const char *state = PQresultErrorField(answer, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(answer, PG_DIAG_MESSAGE_PRIMARY);
    char sentence[SENTENCE_MAX];
    first_line(sentence, text ? text : PQresultErrorMessage(answer));
    if (!state || PQstatus(store->connection) != CONNECTION_OK)
        return lost(store, "the connection was lost");
    store->failure = is_transient(state) ? PG_FAILED_NOW : PG_FAILED;
    FAIL(E_STORE, "PostgreSQL: %s (%s)", sentence, state);
}

static uint32_t statement_ms(const struct slashing_postgresql *store)
{
    uint32_t set = store->settings.statement_timeout_milliseconds;
    return set ? set : DEFAULT_STATEMENT_MS;
}

/* Waits for the socket until deadline_ns. */
static must_check result wait_for(struct slashing_postgresql *store, short events, uint64_t deadline_ns)
{
    struct pollfd fd = {.fd = PQsocket(store->connection), .events = events};
    for (;;) {
        uint64_t now = clock_monotonic_ns();
        if (now >= deadline_ns)
            return lost(store, "no answer in time");
        int n = poll(&fd, 1, (int)((deadline_ns - now) / 1000000) + 1);
        if (n > 0)
            return RESULT_OK;
        if (n < 0 && errno != EINTR)
            return lost(store, "waiting for the connection");
    }
}

static must_check result flush(struct slashing_postgresql *store, uint64_t deadline_ns)
{
    int left;
    while ((left = PQflush(store->connection)) == 1) {
        /* The server may be waiting for us to read before it reads more. */
        TRY(wait_for(store, POLLIN | POLLOUT, deadline_ns));
        if (!PQconsumeInput(store->connection))
            return lost(store, "the connection was lost");
    }
    return left == 0 ? RESULT_OK : lost(store, "the connection was lost");
}

static must_check result next_answer(struct slashing_postgresql *store, PGresult **ret_answer,
                                     uint64_t deadline_ns)
{
    while (PQisBusy(store->connection)) {
        TRY(wait_for(store, POLLIN, deadline_ns));
        if (!PQconsumeInput(store->connection))
            return lost(store, "the connection was lost");
    }
    *ret_answer = PQgetResult(store->connection);
    return RESULT_OK;
}

static must_check result send_all(struct slashing_postgresql *store, const struct pg_exchange *exchange)
{
    for (size_t i = 0; i < exchange->num_statements; i++) {
        const struct pg_statement *s = &exchange->statements[i];
        if (!PQsendQueryParams(store->connection, s->text, s->num_values, NULL, s->values, NULL, NULL, 0))
            return lost(store, "the connection was lost");
    }
    return PQpipelineSync(store->connection) ? RESULT_OK : lost(store, "the connection was lost");
}

static must_check result receive_all(struct slashing_postgresql *store, struct pg_exchange *exchange,
                                     uint64_t deadline_ns)
{
    for (size_t i = 0; i < exchange->num_statements; i++) {
        PGresult *end = NULL;
        TRY(next_answer(store, &exchange->results[i], deadline_ns));
        if (exchange->results[i])
            TRY(next_answer(store, &end, deadline_ns));
        if (!exchange->results[i] || end) {
            PQclear(end);
            return lost(store, "answers out of order");
        }
    }
    PGresult *sync = NULL;
    TRY(next_answer(store, &sync, deadline_ns));
    bool is_sync = PQresultStatus(sync) == PGRES_PIPELINE_SYNC;
    PQclear(sync);
    return is_sync ? RESULT_OK : lost(store, "answers out of order");
}

static must_check result exchange_all(struct slashing_postgresql *store, struct pg_exchange *exchange)
{
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)(statement_ms(store) + GRACE_MS) * 1000000;
    ENSURE(exchange->num_statements <= PG_STATEMENTS_MAX, E_INTERNAL,
           "PostgreSQL: too many statements at once");
    store->round_trips++;
    TRY(send_all(store, exchange));
    TRY(flush(store, deadline_ns));
    TRY(receive_all(store, exchange, deadline_ns));
    for (size_t i = 0; i < exchange->num_statements; i++) {
        ExecStatusType status = PQresultStatus(exchange->results[i]);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
            return refused(store, exchange->results[i]);
    }
    return RESULT_OK;
}

result slashing_pg_run(struct slashing_postgresql *store, struct pg_exchange *exchange)
{
    TRY(slashing_pg_connect(store));
    return exchange_all(store, exchange);
}

result slashing_pg_go_on(struct slashing_postgresql *store, struct pg_exchange *exchange)
{
    if (PQstatus(store->connection) != CONNECTION_OK)
        return lost(store, "the connection was lost");
    return exchange_all(store, exchange);
}

void slashing_pg_rollback(struct slashing_postgresql *store)
{
    AUTO(pg_exchange) rollback = {0};
    if (!store->connection || PQtransactionStatus(store->connection) == PQTRANS_IDLE)
        return;
    enum pg_failure before = store->failure;
    (void)slashing_pg_add(&rollback, "ROLLBACK");
    if (exchange_all(store, &rollback).code)
        slashing_pg_disconnect(store);
    store->failure = before;
}

result slashing_pg_committed(const PGresult *commit)
{
    ENSURE(strcmp(PQcmdStatus((PGresult *)(uintptr_t)commit), "COMMIT") == 0, E_STORE,
           "PostgreSQL: the transaction was rolled back");
    return RESULT_OK;
}

/* What the server must be, and what this connection must be told. Row security would hide rows silently;
 * sequential scans and compiled plans are what a planner without statistics falls for. A transaction of ours
 * whose second half is lost on the way must not hold its locks for long. */
static const char check_server[] =
    "SELECT current_setting('fsync') = 'on', current_setting('full_page_writes') = 'on', pg_is_in_recovery(),"
    " current_setting('transaction_read_only') = 'on',"
    " set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'remote_apply'"
    " THEN 'remote_apply' ELSE 'on' END, false),"
    " set_config('statement_timeout', $1, false), set_config('lock_timeout', '0', false),"
    " set_config('idle_in_transaction_session_timeout', $1, false),"
    " set_config('row_security', 'off', false), set_config('array_nulls', 'on', false),"
    " set_config('enable_seqscan', 'off', false), set_config('jit', 'off', false)";

static const char check_schema[] = "SELECT to_regclass('database_version') IS NOT NULL, count(*) = 5, "
                                   "bool_and(relpersistence = 'p') FROM pg_class "
                                   "WHERE oid IN (to_regclass('validators'), to_regclass('signed_blocks'), "
                                   "to_regclass('signed_attestations'), "
                                   "to_regclass('low_watermarks'), to_regclass('metadata'))";

static bool is_true(const PGresult *row, int column)
{
    return strcmp(slashing_pg_value(row, 0, column), "t") == 0;
}

static must_check result check_version(struct slashing_postgresql *store)
{
    AUTO(pg_exchange) ask = {0};
    (void)slashing_pg_add(&ask, "SELECT version FROM database_version WHERE id = 1");
    TRY(exchange_all(store, &ask));
    const char *version = PQntuples(ask.results[0]) == 1 ? slashing_pg_value(ask.results[0], 0, 0) : "none";
    ENSURE(strcmp(version, "12") == 0, E_STORE,
           "the schema's version is %.10s, and must be 12: bring it there with Web3Signer's migrations",
           version);
    return RESULT_OK;
}

static must_check result check_database(struct slashing_postgresql *store)
{
    AUTO(pg_exchange) ask = {0};
    char timeout[16];
    (void)snprintf(timeout, sizeof timeout, "%" PRIu32, statement_ms(store));
    struct pg_statement *server = slashing_pg_add(&ask, check_server);
    server->values[server->num_values++] = timeout;
    (void)slashing_pg_add(&ask, check_schema);
    TRY(exchange_all(store, &ask));
    const PGresult *said = ask.results[0], *tables = ask.results[1];
    ENSURE(is_true(said, 0), E_STORE, "the server runs with fsync = off: nothing it stores is durable");
    ENSURE(is_true(said, 1), E_STORE,
           "the server runs with full_page_writes = off: a crash can damage what it stored");
    ENSURE(!is_true(said, 2), E_STORE, "the server is a standby");
    ENSURE(!is_true(said, 3), E_STORE, "the database is read-only");
    ENSURE(
        is_true(tables, 0) && is_true(tables, 1), E_STORE,
        "the database has not the tables of Web3Signer's slashing protection: make them with its migrations");
    ENSURE(is_true(tables, 2), E_STORE, "a table is unlogged: a crash would empty it");
    return check_version(store);
}

/* All that libpq could take from elsewhere is named, or is absent from an environment without PG*. */
static PGconn *start_connection(const struct slashing_postgresql_settings *s)
{
    char connect_seconds[16];
    (void)snprintf(connect_seconds, sizeof connect_seconds, "%" PRIu32,
                   s->connect_timeout_seconds ? s->connect_timeout_seconds : DEFAULT_CONNECT_SECONDS);
    const char *const pairs[][2] = {
        {"host", s->host},
        {"hostaddr", s->host_address[0] ? s->host_address : NULL},
        {"port", s->port[0] ? s->port : "5432"},
        {"dbname", s->database},
        {"user", s->user},
        {"password", s->password.length ? (const char *)s->password.data : NULL},
        {"passfile", no_file},
        {"sslmode", s->sslmode[0] ? s->sslmode : "prefer"},
        {"sslrootcert", s->sslrootcert[0] ? s->sslrootcert : no_file},
        {"sslcert", s->sslcert[0] ? s->sslcert : no_file},
        {"sslkey", s->sslkey[0] ? s->sslkey : no_file},
        {"sslcrl", no_file},
        {"gssencmode", "disable"},
        {"target_session_attrs", "any"},
        {"connect_timeout", connect_seconds},
        {"tcp_user_timeout", "10000"},
        {"keepalives_idle", "10"},
        {"application_name", "nitro-signer"},
        {"client_encoding", "UTF8"},
    };
    const char *names[ARRAY_LENGTH(pairs) + 1] = {NULL}, *values[ARRAY_LENGTH(pairs) + 1] = {NULL};
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        names[i] = pairs[i][0];
        values[i] = pairs[i][1];
    }
    return PQconnectdbParams(names, values, 0);
}

/* Libraries do not write to anybody's standard error. */
static void ignore_notice(void *context, const PGresult *notice)
{
    (void)context;
    (void)notice;
}

static must_check result connect_and_check(struct slashing_postgresql *store)
{
    store->connection = start_connection(&store->settings);
    ENSURE(store->connection, E_MEMORY, "out of memory");
    if (PQstatus(store->connection) != CONNECTION_OK)
        return lost(store, "connecting");
    (void)PQsetNoticeReceiver(store->connection, ignore_notice, NULL);
    if (PQsetnonblocking(store->connection, 1) != 0 || !PQenterPipelineMode(store->connection))
        return lost(store, "connecting");
    return check_database(store);
}

result slashing_pg_connect(struct slashing_postgresql *store)
{
    if (store->connection && PQstatus(store->connection) == CONNECTION_OK)
        return RESULT_OK;
    slashing_pg_disconnect(store);
    if (store->in_transaction) {
        store->failure = PG_LOST;
        FAIL(E_STORE, "PostgreSQL: the connection was lost within a transaction");
    }
    TRY(check_environment());
    result r = connect_and_check(store);
    if (!r.code)
        return r;
    slashing_pg_disconnect(store);
    store->failure = PG_FAILED; /* no statement of the caller's was sent */
    return error_prefix(r, "slashing protection database %.64s", store->settings.database);
}

static must_check result next_element(struct buffer *array)
{
    return buffer_append_text(array, array->length == 0 ? "{" : ",");
}

result slashing_pg_array_put_hex(struct buffer *array, bool present, const uint8_t *bytes, size_t bytes_len)
{
    char digits[2 * 48 + 1];
    ENSURE(bytes_len <= 48, E_INTERNAL, "%zu bytes are too many", bytes_len);
    hex_encode(digits, bytes, bytes_len);
    return slashing_pg_array_put_text(array, present ? digits : "NULL");
}

result slashing_pg_array_put_number(struct buffer *array, bool present, uint64_t value)
{
    TRY(next_element(array));
    return present ? buffer_printf(array, "%" PRIu64, value) : buffer_append_text(array, "NULL");
}

result slashing_pg_array_put_text(struct buffer *array, const char *text)
{
    TRY(next_element(array));
    return buffer_append_text(array, text);
}

result slashing_pg_array_close(struct buffer *array)
{
    return buffer_append_text(array, array->length == 0 ? "{}" : "}");
}

const char *slashing_pg_text(const struct buffer *array)
{
    return (const char *)array->data;
}
