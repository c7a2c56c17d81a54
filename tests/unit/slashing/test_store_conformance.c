/* test_store_conformance.c - the checks of store_conformance.h on a store that the command line names;
 * without one on SQLite in a folder of its own. tests/integration runs it on stores across a network. */
#include "store_testing.h"

#include "base/options.h"
#include "store_conformance.h"

static struct {
    const char *sqlite, *postgresql, *checks;
    uint32_t many;
} options;

static int run_on_own_folder(struct conformance_target *target)
{
    if (store_setup(NULL) != 0)
        return 1;
    target->place = store_path;
    int failures = store_conformance_run(target, options.checks);
    return store_teardown(NULL) == 0 ? failures : 1;
}

static int run(void)
{
    conformance_sqlite.place = options.sqlite;
    conformance_sqlite.many = options.many;
    conformance_postgresql.place = options.postgresql;
    conformance_postgresql.many = options.many;
    if (options.postgresql)
        return store_conformance_run(&conformance_postgresql, options.checks);
    return options.sqlite ? store_conformance_run(&conformance_sqlite, options.checks)
                          : run_on_own_folder(&conformance_sqlite);
}

int main(int argc, char *argv[])
{
    static const struct option table[] = {
        {"sqlite", OPTION_TEXT, &options.sqlite, "path of a file, which is replaced", 0, 0},
        {"postgresql", OPTION_TEXT, &options.postgresql, "URL of a database, whose tables are emptied", 0, 0},
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
