/* test_slashing_postgresql_answers.c - the PostgreSQL store above a server that says what it should not, or
 * too little, or nothing. */
#include "scripted_postgresql.h"

extern char **environ;

#define ROOT "1111111111111111111111111111111111111111111111111111111111111111"
#define NO_HEX "zz11111111111111111111111111111111111111111111111111111111111111"
#define KEY "010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101010101"

static int set_up(void **state)
{
    (void)state;
    server_begin();
    return 0;
}

static void tell(const char *word, const char *rows, const char *state)
{
    server.answers[0] = (struct pg_answer){.word = word, .rows = rows, .state = state};
}

/* ---- opening ---- */

static void a_server_must_be_what_it_should(void **state)
{
    (void)state;
#define REST "|on|1|0|1|off|on|off|off"
    static const struct {
        const char *word, *rows, *names;
    } rows[] = {
        {"current_setting('fsync')", "f|t|f|f" REST, "fsync = off"},
        {"current_setting('fsync')", "", "fsync = off"},
        {"current_setting('fsync')", "t|f|f|f" REST, "full_page_writes = off"},
        {"current_setting('fsync')", "t|t|t|f" REST, "is a standby"},
        {"current_setting('fsync')", "t|t|f|t" REST, "is read-only"},
        {"to_regclass", "f|t|t", "has not the tables"},
        {"to_regclass", "t|f|t", "has not the tables"},
        {"to_regclass", "t|t|f", "is unlogged"},
        {"to_regclass", "t|t|~", "is unlogged"},
        {"FROM database_version", "11", "version is 11, and must be 12"},
        {"FROM database_version", "", "version is none"},
        {"FROM database_version", "12;12", "version is none"},
        {"FROM database_version", "~", "version is ,"},
    };
    struct slashing_store *store = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        tell(rows[i].word, rows[i].rows, NULL);
        result r = server_try_open(&store);
        if (r.code != E_STORE || !strstr(error_text(), rows[i].names))
            fail_msg("%s: %s: %s", rows[i].word, rows[i].rows, r.code ? error_text() : "taken");
        assert_error_names("slashing protection database database: ");
    }
    for (size_t i = 0; i < 3; i++) {
        static const char *const words[] = {"current_setting('fsync')", "to_regclass",
                                            "FROM database_version"};
        tell(words[i], NULL, "42501");
        assert_fails(E_STORE, server_try_open(&store));
        assert_error_names("refused as told (42501)");
    }
    assert_null(store);
}

static void a_connection_is_made_whole_or_not(void **state)
{
    (void)state;
    bool *const faults[] = {&server.no_memory, &server.no_connection, &server.no_pipeline,
                            &server.blocking,  &server.out_of_order,  &server.no_sync};
    struct slashing_store *store = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        *faults[i] = true;
        assert_fails(i == 0 ? E_MEMORY : E_STORE, server_try_open(&store));
        *faults[i] = false;
    }
    server.no_text = server.no_connection = true; /* and libpq says nothing of it */
    assert_fails(E_STORE, server_try_open(&store));
    assert_error_names("PostgreSQL: connecting");
    assert_null(store);
}

static const char *parameter(const char *name)
{
    for (size_t i = 0; server.parameters[i].name[0]; i++)
        if (strcmp(server.parameters[i].name, name) == 0)
            return server.parameters[i].is_given ? server.parameters[i].value : NULL;
    return NULL;
}

/* libpq would take the rest from files of the user's. */
static void all_that_libpq_could_look_for_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *name, *alone, *set;
    } rows[] = {{"host", "host", "host"},
                {"hostaddr", NULL, "192.0.2.7"},
                {"port", "5432", "6000"},
                {"password", "secret", "other"},
                {"passfile", "/dev/null/none", "/dev/null/none"},
                {"sslmode", "prefer", "require"},
                {"sslrootcert", "/dev/null/none", "/ca"},
                {"sslcert", "/dev/null/none", "/c"},
                {"sslkey", "/dev/null/none", "/k"},
                {"connect_timeout", "5", "9"},
                {"user", "me", "me"},
                {"dbname", "database", "database"}};
    struct slashing_store *store = server_open();
    assert_string_equal(server.timeout_ms, "5000");
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        const char *found = parameter(rows[i].name);
        assert_true(found ? rows[i].alone && strcmp(found, rows[i].alone) == 0 : !rows[i].alone);
    }
    slashing_store_close(store);
    struct slashing_postgresql_settings settings = {.host_address = "192.0.2.7"};
    assert_ok(slashing_postgresql_parse_url(
        &settings,
        "postgresql://me:other@host:6000/"
        "database?sslmode=require&sslrootcert=/ca&sslcert=/c&sslkey=/k&connect_timeout=9&socketTimeout=8"));
    memcpy(settings.host_address, "192.0.2.7", 10);
    assert_ok(slashing_postgresql_open(&store, &settings));
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++)
        assert_string_equal(parameter(rows[i].name), rows[i].set);
    assert_string_equal(server.timeout_ms, "8000");
    slashing_store_close(store);
}

static void host_database_and_user_are_required(void **state)
{
    (void)state;
    struct slashing_store *store = NULL;
    for (size_t i = 0; i < 3; i++) {
        AUTO(slashing_postgresql_settings) settings = {.host = "h", .database = "d", .user = "u"};
        char *const all[] = {settings.host, settings.database, settings.user};
        all[i][0] = 0;
        assert_fails(E_INPUT, slashing_postgresql_open(&store, &settings));
    }
    assert_int_equal(server.num_connections, 0);
}

/* No environment at all; and a name too long to be taken out, for which nothing is opened. */
static void environments_of_other_kinds(void **state)
{
    (void)state;
    char name[80], **before = environ;
    environ = NULL;
    slashing_postgresql_forget_environment();
    slashing_store_close(server_open());
    environ = before;
    memset(name, 'X', sizeof name);
    memcpy(name, "PG", 2);
    name[sizeof name - 1] = 0;
    assert_int_equal(setenv(name, "x", 1), 0);
    slashing_postgresql_forget_environment();
    struct slashing_store *store = NULL;
    assert_fails(E_STATE, server_try_open(&store));
    assert_int_equal(unsetenv(name), 0);
}

/* ---- the connection ---- */

static result read_head(struct slashing_store *store)
{
    struct slashing_head head;
    return slashing_store_head(store, &head);
}

static void slow_connections_are_waited_for(void **state)
{
    (void)state;
    struct slashing_store *store = server_open();
    server.unsent = 4;
    server.busy = 3;
    server.interrupted = 2;
    assert_ok(read_head(store));
    assert_int_equal(server.interrupted, 0);
    assert_int_equal(server.num_connections, 1);
    slashing_store_close(store);
}

/* Reading is done once more on a new connection, and no more. */
static void a_lost_connection_is_made_anew_once(void **state)
{
    (void)state;
    int *const times[] = {&server.not_sent, &server.not_synchronised, &server.not_flushed};
    for (size_t i = 0; i < ARRAY_LENGTH(times); i++) {
        struct slashing_record record;
        const uint8_t pubkey[48] = {0};
        server_begin();
        struct slashing_store *store = server_open();
        *times[i] = 1;
        assert_ok(read_head(store));
        assert_int_equal(server.num_connections, 2);
        *times[i] = 1;
        assert_ok(slashing_store_load(store, &record, pubkey));
        assert_int_equal(server.num_connections, 3);
        *times[i] = 2; /* the new one, too */
        assert_fails(E_STORE, read_head(store));
        slashing_store_close(store);
    }
    static const char *const words[] = {"SELECT encode(genesis", "ORDINALITY"};
    for (size_t i = 0; i < 2; i++) {
        struct slashing_record record;
        const uint8_t pubkey[48] = {0};
        server_begin();
        struct slashing_store *store = server_open();
        server.answers[0] = (struct pg_answer){.word = words[i], .state = "?", .times = -1};
        assert_fails(E_STORE, i ? slashing_store_load(store, &record, pubkey) : read_head(store));
        assert_error_names("the connection was lost");
        assert_int_equal(server.num_connections, 2);
        slashing_store_close(store);
    }
}

static void connections_that_stand_still_are_given_up(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        server_begin();
        struct slashing_store *store = server_open();
        server.never = i == 0 || i == 4;
        server.unpollable = i == 1 ? 2 : 0;
        server.not_read = i == 2 || i == 3 ? 2 : 0;
        server.busy = i < 3 ? -1 : 0;
        server.unsent = i >= 3 ? 1000000 : 0;
        assert_fails(E_STORE, read_head(store));
        server.busy = server.unsent = server.never = 0;
        server.unpollable = server.not_read = 0;
        assert_ok(read_head(store)); /* on a new one */
        slashing_store_close(store);
    }
}

static void answers_out_of_order_are_none(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        server_begin();
        struct slashing_store *store = server_open();
        *(i ? &server.out_of_order : &server.no_sync) = true;
        assert_fails(E_STORE, read_head(store));
        assert_error_names("answers out of order");
        slashing_store_close(store);
    }
}

static void refusals_say_what_they_can(void **state)
{
    (void)state;
    struct slashing_store *store = server_open();
    tell("SELECT encode(genesis", NULL, "XX000");
    server.no_text = true;
    assert_fails(E_STORE, read_head(store));
    assert_error_names("(XX000)");
    server.no_text = false;
    server.answers[0] = (struct pg_answer){.word = "SELECT encode(genesis", .state = "57P01", .times = 1};
    server.lost_when_refused = true; /* shut down: the connection is gone, and reading is done again */
    assert_ok(read_head(store));
    assert_int_equal(server.num_connections, 2);
    slashing_store_close(store);
}

/* ---- rows ---- */

static void heads_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "aa|1",        ROOT "|1|2|3", "aa|~|~",    "~|1|2",
        NO_HEX "|~|~", ROOT "|x|~",   ROOT "|~|x", ROOT "|18446744073709551616|1"};
    static const struct {
        const char *rows;
        uint64_t epoch, slot;
    } good[] = {{ROOT "|7|~", 7, UINT64_MAX}, {ROOT "|~|7", UINT64_MAX, 7}, {ROOT "|7|8", 7, 8}};
    struct slashing_store *store = server_open();
    struct slashing_head head = {.high_epoch = 77};
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        tell("SELECT encode(genesis", wrong[i], NULL);
        assert_int_not_equal(slashing_store_head(store, &head).code, E_NONE);
        assert_int_equal(head.high_epoch, 77);
    }
    for (size_t i = 0; i < ARRAY_LENGTH(good); i++) {
        tell("SELECT encode(genesis", good[i].rows, NULL);
        assert_ok(slashing_store_head(store, &head));
        assert_true(head.has_genesis && head.has_high_watermark && head.high_epoch == good[i].epoch &&
                    head.high_slot == good[i].slot);
    }
    slashing_store_close(store);
}

static result count(void *context, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    (void)pubkey;
    (void)entry;
    ++*(size_t *)context;
    return RESULT_OK;
}

static void records_that_are_none(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "1|" KEY "|t|~|~|~|~|~|~|~|~|~|~",
        "123456789012|" KEY "|t|~|~|~|~|~|~|~|~|~|~|~",
        "1|" KEY "|t|x|~|~|~|~|~|~|~|~|~|~",
        "1|" KEY "|t|1|" NO_HEX "|~|~|~|~|~|~|~|~|~",
        "1|" KEY "|t|~|~|x|2|~|1|~|~|~|~|~",
        "1|" KEY "|t|~|~|1|x|~|1|~|~|~|~|~",
        "1|" KEY "|t|~|~|1|2|" NO_HEX "|1|~|~|~|~|~",
        "1|" KEY "|t|~|~|1|2|~|x|~|~|~|~|~",
        "1|" KEY "|t|~|~|~|~|~|~|x|~|~|~|~",
        "1|" KEY "|t|~|~|~|~|~|~|~|x|2|~|~",
        "1|" KEY "|t|~|~|~|~|~|~|~|1|x|~|~",
        "",
        "1|" KEY "|t|~|~|~|~|~|~|~|~|~|~|~;1|" KEY "|t|~|~|~|~|~|~|~|~|~|~|~",
    };
    struct slashing_store *store = server_open();
    uint8_t pubkey[48];
    memset(pubkey, 1, sizeof pubkey);
    for (size_t i = 0; i < ARRAY_LENGTH(wrong); i++) {
        struct slashing_record record = {.block_slot = 77};
        size_t num = 0;
        tell("ORDINALITY", wrong[i], NULL);
        assert_int_not_equal(slashing_store_load(store, &record, pubkey).code, E_NONE);
        assert_int_equal(record.block_slot, 77);
        if (i > 10)
            continue;
        tell("LIMIT $2::int", wrong[i], NULL);
        assert_int_not_equal(slashing_store_scan(store, count, &num).code, E_NONE);
        assert_int_equal(num, 0);
    }
    static const char *const keys[] = {"1|~|t|~|~|~|~|~|~|~|~|~|~|~", "1|aa|t|~|~|~|~|~|~|~|~|~|~|~",
                                       "1|" NO_HEX
                                       "11111111111111111111111111111111|t|~|~|~|~|~|~|~|~|~|~|~"};
    for (size_t i = 0; i < ARRAY_LENGTH(keys); i++) {
        size_t num = 0;
        tell("LIMIT $2::int", keys[i], NULL);
        assert_int_not_equal(slashing_store_scan(store, count, &num).code, E_NONE);
        assert_int_equal(num, 0);
    }
    size_t num = 0;
    tell("LIMIT $2::int", NULL, "42501");
    assert_fails(E_STORE, slashing_store_scan(store, count, &num));
    slashing_store_close(store);
}

/* The highest of rows and low watermarks; a root only where one message stands at the mark. */
static void rows_and_low_watermarks_are_folded(void **state)
{
    (void)state;
    static const struct {
        struct pg_validator rows;
        bool has_block, block_root, has_vote, vote_root;
        uint64_t slot, source, target;
    } rows[] = {
        {{.slot = "9", .block_root = ROOT, .low_slot = "5"}, true, true, false, false, 9, 0, 0},
        {{.slot = "9", .block_root = ROOT, .low_slot = "9"}, true, true, false, false, 9, 0, 0},
        {{.slot = "9", .block_root = ROOT, .low_slot = "10"}, true, false, false, false, 10, 0, 0},
        {{.low_slot = "5"}, true, false, false, false, 5, 0, 0},
        {{.slot = "9", .block_root = "11"}, true, false, false, false, 9, 0, 0},
        {{.source = "1", .target = "2", .vote_root = ROOT}, false, false, true, true, 0, 1, 2},
        {{.source = "1", .target = "2", .vote_root = ROOT, .low_source = "1", .low_target = "2"},
         false,
         false,
         true,
         true,
         0,
         1,
         2},
        {{.source = "1", .target = "2", .vote_root = ROOT, .low_source = "1", .low_target = "3"},
         false,
         false,
         true,
         false,
         0,
         1,
         3},
        {{.source = "1", .target = "2", .vote_root = ROOT, .highest_source = "4"},
         false,
         false,
         true,
         false,
         0,
         4,
         2},
        {{.low_source = "1", .low_target = "3"}, false, false, true, false, 0, 1, 3},
        {{.target = "3", .vote_root = ROOT}, false, false, true, false, 0, 0, 3},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        server_begin();
        struct slashing_store *store = server_open();
        server.of[1] = rows[i].rows;
        struct slashing_record r = stored(store, 1);
        if (r.has_block != rows[i].has_block || r.block_has_root != rows[i].block_root ||
            r.block_slot != rows[i].slot || r.has_attestation != rows[i].has_vote ||
            r.attestation_has_root != rows[i].vote_root || r.source_epoch != rows[i].source ||
            r.target_epoch != rows[i].target)
            fail_msg("case %zu", i);
        slashing_store_close(store);
    }
}

static void arrays_have_nulls_and_limits(void **state)
{
    (void)state;
    AUTO(buffer) array = {0};
    const uint8_t bytes[49] = {0xab};
    assert_ok(slashing_pg_array_put_hex(&array, true, bytes, 1));
    assert_ok(slashing_pg_array_put_hex(&array, false, bytes, 1));
    assert_ok(slashing_pg_array_put_number(&array, false, 7));
    assert_fails(E_INTERNAL, slashing_pg_array_put_hex(&array, true, bytes, 49));
    assert_ok(slashing_pg_array_close(&array));
    assert_string_equal(slashing_pg_text(&array), "{ab,NULL,NULL}");
}

static void a_round_trip_of_too_many_statements_is_not_begun(void **state)
{
    (void)state;
    struct slashing_store *store = server_open();
    struct slashing_postgresql *own = (struct slashing_postgresql *)store;
    uint64_t before = own->round_trips;
    AUTO(pg_exchange) ask = {0};
    for (int i = 0; i < PG_STATEMENTS_MAX + 3; i++)
        (void)slashing_pg_add(&ask, "SELECT 1");
    assert_fails(E_INTERNAL, slashing_pg_run(own, &ask));
    assert_error_names("too many statements");
    assert_int_equal(own->round_trips, before);
    slashing_store_close(store);
}

#define SERVED(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    if (secret_heap_open(1 << 16).code)
        return 1;
    slashing_postgresql_forget_environment();
    const struct CMUnitTest tests[] = {
        SERVED(a_server_must_be_what_it_should),
        SERVED(a_connection_is_made_whole_or_not),
        SERVED(all_that_libpq_could_look_for_is_named),
        SERVED(host_database_and_user_are_required),
        SERVED(environments_of_other_kinds),
        SERVED(slow_connections_are_waited_for),
        SERVED(a_lost_connection_is_made_anew_once),
        SERVED(connections_that_stand_still_are_given_up),
        SERVED(answers_out_of_order_are_none),
        SERVED(refusals_say_what_they_can),
        SERVED(heads_that_are_none),
        SERVED(records_that_are_none),
        SERVED(rows_and_low_watermarks_are_folded),
        SERVED(arrays_have_nulls_and_limits),
        SERVED(a_round_trip_of_too_many_statements_is_not_begun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
