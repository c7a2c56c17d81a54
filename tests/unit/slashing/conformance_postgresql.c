/* conformance_postgresql.c - a database with Web3Signer's tables as a target; the place is its URL. */
#include "testing.h"

#include <libpq-fe.h>

#include "slashing/slashing_postgresql.h"
#include "store_conformance.h"

static void begin(struct conformance_target *target, const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    (void)pubkeys;
    (void)num_pubkeys;
    PGconn *connection = PQconnectdb(target->place);
    assert_int_equal(PQstatus(connection), CONNECTION_OK);
    PGresult *answer = PQexec(
        connection, "TRUNCATE metadata, low_watermarks, signed_blocks, signed_attestations, validators");
    assert_int_equal(PQresultStatus(answer), PGRES_COMMAND_OK);
    PQclear(answer);
    PQfinish(connection);
}

static struct slashing_store *open_store(struct conformance_target *target)
{
    static bool has_heap = false;
    struct slashing_store *store = NULL;
    struct slashing_postgresql_settings settings = {.statement_timeout_milliseconds = 60000};
    if (!has_heap)
        assert_ok(secret_heap_open(64 * 1024));
    has_heap = true;
    slashing_postgresql_forget_environment();
    assert_ok(slashing_postgresql_parse_url(&settings, target->place));
    assert_ok(slashing_postgresql_open(&store, &settings));
    return store;
}

struct conformance_target conformance_postgresql = {
    .name = "postgresql", .several_handles = true, .ordered = true, .begin = begin, .open = open_store};
