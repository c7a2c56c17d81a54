/* scripted_postgresql.c - see scripted_postgresql.h. */
#include "scripted_postgresql.h"

#include <errno.h>
#include <poll.h>

#include "base/hex.h"
#include "faults.h"

enum { SENT_MAX = 16, VALUE_MAX = 4096, QUEUE_MAX = 64, COLUMNS_MAX = 16 };

struct pg_server server;

static struct sent {
    const char *text;
    char values[4][VALUE_MAX];
    bool is_null[4];
} sent[SENT_MAX];
static size_t num_sent;

static PGresult *queue[QUEUE_MAX];
static size_t queue_at, queue_len;

/* Of a transaction: what it sees and will leave. */
static struct {
    bool is_open, is_failed;
    struct pg_validator of[PG_IDS];
    char genesis[65], high_epoch[24], high_slot[24];
} kept; /* what was there before it */

static PGconn *const the_connection = (PGconn *)(uintptr_t)8;
static ConnStatusType connection_status;
static bool is_lost; /* with the answer to what was sent */

/* Whether something that is to happen so many times happens now. */
static bool now(int *times, const char *function)
{
    if (faults_now(function))
        return true;
    if (*times == 0)
        return false;
    *times -= *times > 0;
    return true;
}

/* ---- results ---- */

static PGresult *make_rows(const char *text)
{
    PGresult *rows = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    PGresAttDesc columns[COLUMNS_MAX] = {{.name = (char *)(uintptr_t) "column"}};
    int num_columns = 1;
    for (const char *c = text; *c && *c != ';'; c++)
        num_columns += *c == '|';
    for (int i = 0; i < num_columns; i++)
        columns[i].name = columns[0].name;
    assert_true(PQsetResultAttrs(rows, num_columns, columns));
    for (int row = 0; *text; row++) {
        for (int column = 0; column < num_columns; column++) {
            int length = (int)strcspn(text, "|;");
            bool is_null = *text == '~';
            assert_true(PQsetvalue(rows, row, column, is_null ? NULL : (char *)(uintptr_t)text,
                                   is_null ? -1 : length));
            text += length;
            text += *text != 0;
        }
    }
    return rows;
}

static void enqueue(PGresult *answer)
{
    assert_true(queue_len < QUEUE_MAX);
    queue[queue_len++] = answer;
}

static const char *state_of_refusal, *tag_of_command;

/* ---- the tables ---- */

/* The number of elements of "{a,b}"; element i is copied out, "" for NULL. */
static int element(char *out, size_t out_size, const char *array, int index)
{
    int count = 0;
    const char *at = array + 1;
    if (out)
        out[0] = 0;
    for (; *at && *at != '}'; count++) {
        size_t length = strcspn(at, ",}");
        bool is_null = length == 4 && memcmp(at, "NULL", 4) == 0;
        if (out && count == index)
            (void)snprintf(out, out_size, "%.*s", is_null ? 0 : (int)length, at);
        at += length + (at[length] == ',');
    }
    return count;
}

static struct pg_validator *validator_at(const char *ids, int index)
{
    char id[16];
    (void)element(id, sizeof id, ids, index);
    long number = strtol(id, NULL, 10);
    assert_true(number >= 0 && number < PG_IDS);
    return &server.of[number];
}

static void add_rows(const struct sent *s)
{
    bool is_blocks = strstr(s->text, "INTO signed_blocks") != NULL,
         has_root = strstr(s->text, "r.root") != NULL;
    char number[24];
    for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++) {
        struct pg_validator *v = validator_at(s->values[0], i);
        (void)element(is_blocks ? v->slot : v->source, sizeof number, s->values[1], i);
        if (!is_blocks)
            (void)element(v->target, sizeof v->target, s->values[2], i);
        (void)element(is_blocks ? v->block_root : v->vote_root, 65,
                      has_root ? s->values[is_blocks ? 2 : 3] : "{}", i);
    }
}

static void keep_rows(const struct sent *s)
{
    bool is_blocks = strstr(s->text, "INTO signed_blocks") != NULL;
    for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++) {
        struct pg_validator *v = validator_at(s->values[0], i);
        (void)element(is_blocks ? v->kept_slot : v->kept_source, sizeof v->kept_slot, s->values[1], i);
        if (!is_blocks)
            (void)element(v->kept_target, sizeof v->kept_target, s->values[2], i);
    }
}

static void touch(const struct sent *s)
{
    for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++)
        validator_at(s->values[0], i)->touched++;
}

static void raise(char held[static 24], const char *array, int index)
{
    char number[24];
    (void)element(number, sizeof number, array, index);
    if (number[0] && (!held[0] || strtoull(number, NULL, 10) > strtoull(held, NULL, 10)))
        memcpy(held, number, sizeof number);
}

static void raise_low(const struct sent *s)
{
    for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++) {
        struct pg_validator *v = validator_at(s->values[0], i);
        raise(v->low_slot, s->values[1], i);
        raise(v->low_source, s->values[2], i);
        raise(v->low_target, s->values[3], i);
    }
}

static void enable(const struct sent *s)
{
    char word[8];
    for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++) {
        (void)element(word, sizeof word, s->values[1], i);
        validator_at(s->values[0], i)->disabled = strcmp(word, "false") == 0;
    }
}

static const char *or_null(const char *text)
{
    return text[0] ? text : "~";
}

static void append_folded(char out[static 1 << 16], int id)
{
    const struct pg_validator *v = &server.of[id];
    char key[97];
    uint8_t bytes[48];
    memset(bytes, id, sizeof bytes);
    hex_encode(key, bytes, sizeof bytes);
    const char *highest = v->highest_source[0] ? v->highest_source : v->source;
    size_t used = strlen(out);
    (void)snprintf(out + used, (1 << 16) - used, "%s%d|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s",
                   used ? ";" : "", id, key, v->disabled ? "f" : "t", or_null(v->slot),
                   or_null(v->block_root), or_null(v->source), or_null(v->target), or_null(v->vote_root),
                   or_null(highest), or_null(v->low_slot), or_null(v->low_source), or_null(v->low_target),
                   or_null(server.high_slot), or_null(server.high_epoch));
}

static int id_of(const char *key)
{
    char digits[3] = {key[0], key[1], 0};
    return (int)strtol(digits, NULL, 16);
}

static void fold(char out[static 1 << 16], const struct sent *s)
{
    char key[97];
    out[0] = 0;
    if (strstr(s->text, "ORDINALITY")) {
        for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++) {
            (void)element(key, sizeof key, s->values[0], i);
            append_folded(out, id_of(key));
        }
        return;
    }
    for (int id = s->values[0][0] ? id_of(s->values[0]) + 1 : 1; id < PG_IDS; id++)
        append_folded(out, id);
}

static void end_transaction(bool commits)
{
    if (!commits && kept.is_open) {
        memcpy(server.of, kept.of, sizeof kept.of);
        memcpy(server.genesis, kept.genesis, sizeof kept.genesis);
        memcpy(server.high_epoch, kept.high_epoch, sizeof kept.high_epoch);
        memcpy(server.high_slot, kept.high_slot, sizeof kept.high_slot);
    }
    kept.is_open = kept.is_failed = false;
}

static void begin_transaction(void)
{
    memcpy(kept.of, server.of, sizeof kept.of);
    memcpy(kept.genesis, server.genesis, sizeof kept.genesis);
    memcpy(kept.high_epoch, server.high_epoch, sizeof kept.high_epoch);
    memcpy(kept.high_slot, server.high_slot, sizeof kept.high_slot);
    kept.is_open = true;
    kept.is_failed = false;
}

static void set_metadata(const struct sent *s)
{
    if (strstr(s->text, "INTO metadata") && s->values[0][0] && !server.genesis[0])
        (void)snprintf(server.genesis, sizeof server.genesis, "%.64s", s->values[0]);
    if (strstr(s->text, "UPDATE metadata")) {
        (void)snprintf(server.high_epoch, sizeof server.high_epoch, "%.23s", s->values[0]);
        (void)snprintf(server.high_slot, sizeof server.high_slot, "%.23s", s->values[1]);
    }
}

static void set_timeout(const struct sent *s)
{
    (void)snprintf(server.timeout_ms, sizeof server.timeout_ms, "%.15s", s->values[0]);
}

/* What a statement does. Rows of validators are written with what was compared, under its locks. */
static void change(const struct sent *s)
{
    static const struct {
        const char *word;
        void (*change)(const struct sent *s);
        bool is_locked;
    } changes[] = {{"target_epoch) DO NOTHING", keep_rows, true},
                   {"slot) DO NOTHING", keep_rows, true},
                   {"INTO signed_", add_rows, true},
                   {"INTO low_watermarks", raise_low, true},
                   {"enabled = enabled", touch, true},
                   {"UPDATE validators", enable, true},
                   {" metadata ", set_metadata, false},
                   {"current_setting('fsync')", set_timeout, false}};
    for (size_t i = 0; i < ARRAY_LENGTH(changes); i++) {
        if (!strstr(s->text, changes[i].word))
            continue;
        assert_true(kept.is_open || !changes[i].is_locked);
        changes[i].change(s);
        return;
    }
}

/* And the text of its rows; NULL when it answers none. */
static const char *rows_of(const struct sent *s)
{
    static char rows[1 << 16];
    if (strstr(s->text, "current_setting('fsync')"))
        return "t|t|f|f|on|1|0|1|off|on|off|off";
    if (strstr(s->text, "to_regclass"))
        return "t|t|t";
    if (strstr(s->text, "FROM database_version"))
        return "12";
    if (strstr(s->text, "SELECT encode(genesis")) {
        (void)snprintf(rows, sizeof rows, "%s|%s|%s", server.genesis, or_null(server.high_epoch),
                       or_null(server.high_slot));
        return server.genesis[0] ? rows : "";
    }
    if (strstr(s->text, "SELECT v.id")) {
        fold(rows, s);
        return rows;
    }
    if (!strstr(s->text, "pg_advisory_xact_lock"))
        return NULL;
    rows[0] = 0;
    for (int i = 0; i < element(NULL, 0, s->values[0], 0); i++)
        (void)snprintf(rows + 2 * i, 4, "x;");
    return rows;
}

static const struct pg_answer *told(const struct sent *s)
{
    for (size_t i = 0; i < PG_ANSWERS_MAX; i++) {
        struct pg_answer *a = &server.answers[i];
        bool is_whole = a->word && strcmp(a->word, "COMMIT") == 0; /* READ COMMITTED is none */
        if (!a->word || !(is_whole ? strcmp(s->text, a->word) == 0 : strstr(s->text, a->word) != NULL) ||
            a->skip-- > 0)
            continue;
        if (a->times > 0 && --a->times == 0)
            a->word = NULL;
        else if (a->times == 0)
            a->word = NULL;
        return a;
    }
    return NULL;
}

static void refuse(const char *state)
{
    kept.is_failed = true;
    state_of_refusal = state;
    enqueue(PQmakeEmptyPGresult(NULL, PGRES_FATAL_ERROR));
}

/* COMMIT or ROLLBACK; of a transaction that has failed, COMMIT is none. */
static void end(const struct sent *s, const struct pg_answer *a)
{
    bool commits = s->text[0] == 'C';
    tag_of_command = commits && !(kept.is_open && kept.is_failed) ? "COMMIT" : "ROLLBACK";
    if (a && a->tag)
        tag_of_command = a->tag;
    end_transaction(strcmp(tag_of_command, "COMMIT") == 0);
    if (server.lose_commit && commits) {
        server.busy = 2;
        server.not_read = 1;
        server.lose_commit = false;
    }
}

static void execute(const struct sent *s)
{
    const struct pg_answer *a = told(s);
    bool ends = strcmp(s->text, "COMMIT") == 0 || strcmp(s->text, "ROLLBACK") == 0;
    if (a && a->state) {
        refuse(a->state[0] == '?' ? NULL : a->state);
        return;
    }
    if (kept.is_open && kept.is_failed && !ends) {
        refuse("25P02"); /* in_failed_sql_transaction */
        return;
    }
    if (strncmp(s->text, "BEGIN", 5) == 0)
        begin_transaction();
    if (ends)
        end(s, a);
    is_lost = is_lost || (server.lost_behind && strstr(s->text, server.lost_behind));
    change(s);
    const char *rows = a && a->rows ? a->rows : rows_of(s);
    enqueue(rows ? make_rows(rows) : PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK));
}

static void forget_queue(void)
{
    for (; queue_at < queue_len; queue_at++)
        PQclear(queue[queue_at]);
    queue_at = queue_len = num_sent = 0;
}

/* ---- libpq ---- */

PGconn *__wrap_PQconnectdbParams(const char *const *names, const char *const *values, int expand);
PGconn *__wrap_PQconnectdbParams(const char *const *names, const char *const *values, int expand)
{
    assert_int_equal(expand, 0);
    memset(server.parameters, 0, sizeof server.parameters);
    for (size_t i = 0; names[i]; i++) {
        (void)snprintf(server.parameters[i].name, sizeof server.parameters[i].name, "%s", names[i]);
        server.parameters[i].is_given = values[i] != NULL;
        (void)snprintf(server.parameters[i].value, sizeof server.parameters[i].value, "%s",
                       values[i] ? values[i] : "");
    }
    if (server.no_memory || faults_now("PQconnectdbParams"))
        return NULL;
    server.num_connections++;
    connection_status = server.no_connection ? CONNECTION_BAD : CONNECTION_OK;
    return the_connection;
}

void __wrap_PQfinish(PGconn *connection);
void __wrap_PQfinish(PGconn *connection)
{
    if (!connection)
        return;
    forget_queue();
    if (kept.is_open)
        end_transaction(false);
}

ConnStatusType __wrap_PQstatus(const PGconn *connection);
ConnStatusType __wrap_PQstatus(const PGconn *connection)
{
    if (!connection)
        return CONNECTION_BAD;
    assert_ptr_equal(connection, the_connection);
    if (faults_now("PQstatus"))
        connection_status = CONNECTION_BAD;
    return connection_status;
}

char *__wrap_PQerrorMessage(const PGconn *connection);
char *__wrap_PQerrorMessage(const PGconn *connection)
{
    (void)connection;
    return server.no_text ? NULL : (char *)(uintptr_t) "made to fail\nin two lines";
}

PQnoticeReceiver __wrap_PQsetNoticeReceiver(PGconn *connection, PQnoticeReceiver receive, void *context);
PQnoticeReceiver __wrap_PQsetNoticeReceiver(PGconn *connection, PQnoticeReceiver receive, void *context)
{
    (void)connection;
    PGresult *notice = PQmakeEmptyPGresult(NULL, PGRES_NONFATAL_ERROR);
    receive(context, notice); /* it goes nowhere */
    PQclear(notice);
    return NULL;
}

int __wrap_PQsetnonblocking(PGconn *connection, int on);
int __wrap_PQsetnonblocking(PGconn *connection, int on)
{
    (void)connection;
    assert_int_equal(on, 1);
    return server.blocking || faults_now("PQsetnonblocking") ? -1 : 0;
}

int __wrap_PQenterPipelineMode(PGconn *connection);
int __wrap_PQenterPipelineMode(PGconn *connection)
{
    (void)connection;
    return !server.no_pipeline && !faults_now("PQenterPipelineMode");
}

int __wrap_PQsendQueryParams(PGconn *connection, const char *text, int num, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryParams(PGconn *connection, const char *text, int num, const Oid *types,
                             const char *const *values, const int *lengths, const int *formats, int format)
{
    (void)connection;
    assert_true(!types && !lengths && !formats && format == 0 && num_sent < SENT_MAX);
    if (now(&server.not_sent, "PQsendQueryParams"))
        return 0;
    struct sent *s = &sent[num_sent++];
    memset(s->values, 0, sizeof s->values);
    s->text = text;
    for (int i = 0; i < num; i++) {
        s->is_null[i] = !values[i];
        assert_true(snprintf(s->values[i], VALUE_MAX, "%s", values[i] ? values[i] : "") < VALUE_MAX);
    }
    return 1;
}

int __wrap_PQpipelineSync(PGconn *connection);
int __wrap_PQpipelineSync(PGconn *connection)
{
    (void)connection;
    if (now(&server.not_synchronised, "PQpipelineSync"))
        return 0;
    bool is_aborted = false;
    struct faults *paused = faults_pause();
    queue_at = queue_len = 0;
    for (size_t i = 0; i < num_sent; i++) {
        if (is_aborted)
            enqueue(PQmakeEmptyPGresult(NULL, PGRES_PIPELINE_ABORTED));
        else
            execute(&sent[i]);
        is_aborted = is_aborted || PQresultStatus(queue[queue_len - 1]) == PGRES_FATAL_ERROR;
        enqueue(server.out_of_order ? PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK) : NULL);
    }
    enqueue(PQmakeEmptyPGresult(NULL, server.no_sync ? PGRES_COMMAND_OK : PGRES_PIPELINE_SYNC));
    num_sent = 0;
    faults_go_on(paused);
    return 1;
}

int __wrap_PQflush(PGconn *connection);
int __wrap_PQflush(PGconn *connection)
{
    (void)connection;
    if (now(&server.not_flushed, "PQflush"))
        return -1;
    server.unsent -= server.unsent > 0;
    return server.unsent > 0;
}

int __wrap_PQisBusy(PGconn *connection);
int __wrap_PQisBusy(PGconn *connection)
{
    (void)connection;
    server.busy -= server.busy > 0;
    return server.busy != 0 || faults_now("PQisBusy");
}

int __wrap_PQconsumeInput(PGconn *connection);
int __wrap_PQconsumeInput(PGconn *connection)
{
    (void)connection;
    return !now(&server.not_read, "PQconsumeInput");
}

PGresult *__wrap_PQgetResult(PGconn *connection);
PGresult *__wrap_PQgetResult(PGconn *connection)
{
    (void)connection;
    if (queue_at == queue_len || faults_now("PQgetResult"))
        return NULL;
    if (is_lost && queue_at + 1 == queue_len) {
        connection_status = CONNECTION_BAD;
        server.lost_behind = NULL;
        is_lost = false;
    }
    return queue[queue_at++];
}

int __wrap_PQsocket(const PGconn *connection);
int __wrap_PQsocket(const PGconn *connection)
{
    (void)connection;
    return 0;
}

int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms);
int __wrap_poll(struct pollfd *fds, nfds_t num, int timeout_ms)
{
    assert_int_equal(num, 1);
    assert_true(timeout_ms > 0);
    if (server.interrupted > 0) {
        server.interrupted--;
        errno = EINTR;
        return -1;
    }
    if (now(&server.unpollable, "poll")) {
        errno = EIO;
        return -1;
    }
    fds[0].revents = fds[0].events;
    return server.never ? 0 : 1;
}

/* Runs on while nothing comes. */
uint64_t __wrap_clock_monotonic_ns(void);
uint64_t __wrap_clock_monotonic_ns(void)
{
    static uint64_t clock_ns = 1000000000;
    clock_ns += server.never ? 1000000000 : 1;
    return clock_ns;
}

PGTransactionStatusType __wrap_PQtransactionStatus(const PGconn *connection);
PGTransactionStatusType __wrap_PQtransactionStatus(const PGconn *connection)
{
    (void)connection;
    return kept.is_open ? PQTRANS_INTRANS : PQTRANS_IDLE;
}

char *__wrap_PQresultErrorField(const PGresult *answer, int field);
char *__wrap_PQresultErrorField(const PGresult *answer, int field)
{
    assert_int_equal(PQresultStatus(answer), PGRES_FATAL_ERROR);
    if (server.lost_when_refused)
        connection_status = CONNECTION_BAD;
    const char *text = field == PG_DIAG_SQLSTATE ? state_of_refusal
                       : server.no_text          ? NULL
                                                 : "refused as told";
    return (char *)(uintptr_t)text;
}

char *__wrap_PQcmdStatus(PGresult *answer);
char *__wrap_PQcmdStatus(PGresult *answer)
{
    (void)answer;
    return (char *)(uintptr_t)tag_of_command;
}

/* ---- the store on it ---- */

void server_begin(void)
{
    forget_queue();
    is_lost = false;
    memset(&server, 0, sizeof server);
    memset(&kept, 0, sizeof kept);
}

result server_try_open(struct slashing_store **ret_store)
{
    AUTO(slashing_postgresql_settings) settings = {0};
    TRY(slashing_postgresql_parse_url(&settings, "postgresql://me:secret@host/database"));
    return slashing_postgresql_open(ret_store, &settings);
}

struct slashing_store *server_open(void)
{
    struct slashing_store *store = NULL;
    assert_ok(server_try_open(&store));
    return store;
}
