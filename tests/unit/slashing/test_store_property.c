/* test_store_property.c - no pair of slashable signatures, whatever is asked, whoever dies, however many
 * signers share the store. NS_ORDERS says how many orders (each test), NS_SEED which ones. */
#include "store_testing.h"

#include <time.h>

#include "aws/aws_client.h"
#include "base/options.h"
#include "conformance_dynamodb.h"
#include "store_property.h"

/* A store that the command line names. */
static struct {
    const char *postgresql, *dynamodb;
    struct conformance_dynamodb_options reach;
    uint32_t signers;
} options = {.reach = {.access_key = "AKIDLOCALTESTS"}};

enum { NETWORK_TIMER_US = 400000 }; /* a connection alone takes some milliseconds */

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static struct property_outcome run(struct conformance_target *target, uint32_t signers,
                                   enum property_sabotage sabotage)
{
    bool is_sound = sabotage == PROPERTY_SOUND;
    struct property_settings settings = {.orders = is_sound ? from_environment("NS_ORDERS", 8000) : 1000000,
                                         .seed = from_environment("NS_SEED", (uint64_t)time(NULL)),
                                         .signers = signers,
                                         .sabotage = sabotage};
    struct property_outcome o;
    target->place = store_path;
    if (target == &conformance_postgresql)
        target->place = options.postgresql;
    if (target == &conformance_dynamodb_raw) {
        target->place = options.dynamodb;
        settings.seal = conformance_dynamodb_seal();
        settings.timer_us = NETWORK_TIMER_US;
    }
    print_message("%s, %u signers, NS_SEED=%llu: ", target->name, signers, (unsigned long long)settings.seed);
    property_run(&o, target, &settings);
    print_message("%llu orders, %llu signed, %llu again, %llu refused, %llu conflicts, %llu without answer, "
                  "%llu lives, %llu deaths\n",
                  (unsigned long long)o.orders, (unsigned long long)o.signed_new,
                  (unsigned long long)o.repeated, (unsigned long long)o.refused,
                  (unsigned long long)o.conflicts, (unsigned long long)o.unknown, (unsigned long long)o.lives,
                  (unsigned long long)o.deaths);
    return o;
}

static void hold(struct conformance_target *target, uint32_t signers)
{
    struct property_outcome o = run(target, signers, PROPERTY_SOUND);
    if (o.convicted)
        fail_msg("slashable: source %llu height %llu, and source %llu height %llu",
                 (unsigned long long)o.one.source, (unsigned long long)o.one.height,
                 (unsigned long long)o.other.source, (unsigned long long)o.other.height);
    /* And it was no idle run. */
    assert_true(o.signed_new > o.orders / 10 && o.refused > o.orders / 10 && o.repeated > o.orders / 100);
    assert_true(o.deaths > 0 || o.lives < 10);
    bool is_remote = target == &property_remote;
    assert_true(!is_remote || o.unknown > o.orders / 100);
    assert_true(signers == 1 || o.conflicts > (is_remote ? o.orders / 40 : 0));
}

static void one_signer_on_sqlite(void **state)
{
    (void)state;
    hold(&conformance_sqlite, 1);
}

static void one_signer_on_a_bad_network(void **state)
{
    (void)state;
    hold(&property_remote, 1);
}

static void two_signers_on_a_bad_network(void **state)
{
    (void)state;
    hold(&property_remote, 2);
}

static void three_signers_on_a_bad_network(void **state)
{
    (void)state;
    hold(&property_remote, 3);
}

static void broken_signers_are_convicted(void **state)
{
    (void)state;
    assert_true(run(&conformance_sqlite, 1, PROPERTY_NO_RULES).convicted);
    assert_true(run(&conformance_sqlite, 1, PROPERTY_NO_RECORD).convicted);
    assert_true(run(&conformance_sqlite, 1, PROPERTY_SIGN_FIRST).convicted);
    assert_true(run(&property_remote, 1, PROPERTY_UNKNOWN_IS_DONE).convicted);
    assert_true(run(&property_remote, 3, PROPERTY_IGNORE_CONFLICT).convicted);
}

static void one_to_three_signers_on_postgresql(void **state)
{
    (void)state;
    for (uint32_t signers = 1; signers <= 3; signers++)
        hold(&conformance_postgresql, signers);
}

static void signers_on_dynamodb(void **state)
{
    (void)state;
    for (uint32_t signers = 1; signers <= 3; signers++)
        if (options.signers == 0 || options.signers == signers)
            hold(&conformance_dynamodb_raw, signers);
}

static int run_on_dynamodb(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(signers_on_dynamodb)};
    if (secret_heap_open(1 << 16).code || aws_library_open().code)
        return 1;
    conformance_dynamodb_configure(&options.reach);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_on_postgresql(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_to_three_signers_on_postgresql)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_here(void)
{
#define STORE_TEST(function) cmocka_unit_test_setup_teardown(function, store_setup_in_memory, store_teardown)
    const struct CMUnitTest tests[] = {
        STORE_TEST(one_signer_on_sqlite),         STORE_TEST(one_signer_on_a_bad_network),
        STORE_TEST(two_signers_on_a_bad_network), STORE_TEST(three_signers_on_a_bad_network),
        STORE_TEST(broken_signers_are_convicted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_all(void)
{
    if (options.dynamodb)
        return run_on_dynamodb();
    return options.postgresql ? run_on_postgresql() : run_here();
}

int main(int argc, char *argv[])
{
    static const struct option table[] = {
        {"postgresql", OPTION_TEXT, &options.postgresql, "URL of a database, whose tables are emptied", 0, 0},
        {"dynamodb", OPTION_TEXT, &options.dynamodb, "beginning of the names of new tables", 0, 0},
        {"via", OPTION_TEXT, &options.reach.via, "address of DynamoDB's TLS front", 0, 0},
        {"ca-file", OPTION_TEXT, &options.reach.ca_file, "PEM of its authority", 0, 0},
        {"secret-key", OPTION_TEXT, &options.reach.secret_key, "a test server's secret access key", 0, 0},
        {"attempt-timeout-ms", OPTION_U32, &options.reach.attempt_timeout_ms, "of one exchange", 1, 60000},
        {"deadline-ms", OPTION_U32, &options.reach.deadline_ms, "of one call to the store", 1, 600000},
        {"signers", OPTION_U32, &options.signers, "on that store at the same time (1, 2, and 3)", 1, 3},
    };
    int next;
    result r = options_parse(&next, table, ARRAY_LENGTH(table), "test_store_property [options]", argc, argv);
    if (r.code) {
        (void)fprintf(stderr, "%s\n", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    return run_all() ? 1 : 0;
}
