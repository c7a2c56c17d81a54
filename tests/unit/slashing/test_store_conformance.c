/* test_store_conformance.c - the checks of store_conformance.h on a store that the command line names;
 * without one on SQLite in a folder of its own. tests/integration runs it on stores across a network. */
#include "store_testing.h"

#include "aws/aws_client.h"
#include "base/options.h"
#include "base/secret.h"
#include "conformance_dynamodb.h"

static struct {
    const char *sqlite, *postgresql, *dynamodb, *dynamodb_checks, *checks;
    uint32_t many;
    struct conformance_dynamodb_options reach;
} options = {.reach = {.access_key = "AKIDLOCALTESTS", .secret_key = "unset"}};

static int run_on_own_folder(struct conformance_target *target)
{
    if (store_setup(NULL) != 0)
        return 1;
    target->place = store_path;
    int failures = store_conformance_run(target, options.checks);
    return store_teardown(NULL) == 0 ? failures : 1;
}

static int run_on_dynamodb(struct conformance_target *target)
{
    target->place = options.dynamodb;
    target->many = options.many;
    if (secret_heap_open(1 << 16).code || aws_library_open().code)
        return 1;
    conformance_dynamodb_configure(&options.reach);
    if (options.dynamodb_checks)
        return conformance_dynamodb_checks(options.dynamodb_checks);
    return store_conformance_run(target, options.checks);
}

static int run(void)
{
    if (options.dynamodb)
        return run_on_dynamodb(&conformance_dynamodb);
    conformance_sqlite.place = options.sqlite;
    conformance_sqlite.many = options.many;
    conformance_postgresql.place = options.postgresql;
    conformance_postgresql.many = options.many;
    if (options.postgresql)
        return store_conformance_run(&conformance_postgresql, options.checks) +
               postgresql_checks_run(&conformance_postgresql);
    return options.sqlite ? store_conformance_run(&conformance_sqlite, options.checks)
                          : run_on_own_folder(&conformance_sqlite);
}

int main(int argc, char *argv[])
{
    static const struct option table[] = {
        {"sqlite", OPTION_TEXT, &options.sqlite, "path of a file, which is replaced", 0, 0},
        {"postgresql", OPTION_TEXT, &options.postgresql, "URL of a database, whose tables are emptied", 0, 0},
        {"dynamodb", OPTION_TEXT, &options.dynamodb, "beginning of the names of new tables", 0, 0},
        {"dynamodb-checks", OPTION_TEXT, &options.dynamodb_checks,
         "instead of the others: names of checks of this store alone", 0, 0},
        {"via", OPTION_TEXT, &options.reach.via, "address of DynamoDB's TLS front", 0, 0},
        {"ca-file", OPTION_TEXT, &options.reach.ca_file, "PEM of its authority", 0, 0},
        {"secret-key", OPTION_TEXT, &options.reach.secret_key, "a test server's secret access key", 0, 0},
        {"account", OPTION_TEXT, &options.reach.account, "AWS account of the tables (any)", 0, 0},
        {"connections", OPTION_U32, &options.reach.connections, "kept at most (32)", 1, 256},
        {"attempt-timeout-ms", OPTION_U32, &options.reach.attempt_timeout_ms, "of one exchange", 1, 60000},
        {"deadline-ms", OPTION_U32, &options.reach.deadline_ms, "of one call to the store", 1, 600000},
        {"checks", OPTION_TEXT, &options.checks, "names of the checks, with * and ? (all)", 0, 0},
        {"many", OPTION_U32, &options.many, "validators of the checks about numbers (10000)", 1, 1000000},
    };
    int next;
    result r =
        options_parse(&next, table, ARRAY_LENGTH(table), "test_store_conformance [options]", argc, argv);
    if (r.code) {
        (void)fprintf(stderr, "%s\n", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    return run() ? 1 : 0;
}
