/* test_watchdog_figures.c - the enclave's page of metrics: what is taken of it, and what is refused by name.
 */
#include "testing.h"

#include "watchdog/watchdog_figures.h"

#define NUMBERS                                                                                              \
    "# HELP process_start_time_seconds When.\n# TYPE process_start_time_seconds gauge\n"                     \
    "process_start_time_seconds 1700000000\nnitro_signer_http_connections 3\n"                               \
    "nitro_signer_slashing_store_ok 1\nnitro_signer_slashing_protection_enabled 1\n"                         \
    "nitro_signer_store_errors_total 2\nnitro_signer_slashing_conflicts_total 4\n"
#define BUCKET(type, le, count)                                                                              \
    "nitro_signer_sign_duration_seconds_bucket{type=\"" type "\",le=\"" le "\"} " count "\n"

static void test_what_is_wanted_is_taken(void **state)
{
    (void)state;
    static const char text[] =
        NUMBERS "anything{else=\"is \\\" passed over\"} NaN\n"
                "nitro_signer_signatures_total{type=\"ATTESTATION\"} 7\n"
                "nitro_signer_signatures_total{type=\"BLOCK_V2\"} 9007199254740992\n"
                "nitro_signer_sign_answers_total{outcome=\"signed\"} 16\n"
                "nitro_signer_slashing_refusals_total{reason=\"double_vote\"} 1\n"
                "nitro_signer_signatures_total_more{type=\"X\"} wrong\n" BUCKET("A", "0.0005", "1")
                    BUCKET("A", "1", "2") BUCKET("A", "+Inf", "3") BUCKET("B", "0.0005", "10")
                        BUCKET("B", "1", "20") BUCKET("B", "+Inf", "30");
    struct watchdog_figures f;
    assert_ok(watchdog_figures_read(&f, text, sizeof text - 1));
    assert_int_equal(f.started, 1700000000);
    assert_int_equal(f.connections, 3);
    assert_int_equal(f.store_ok, 1);
    assert_int_equal(f.store_errors, 2);
    assert_int_equal(f.conflicts, 4);
    assert_int_equal(f.signatures.num_rows, 2);
    assert_int_equal(watchdog_rows_get(&f.signatures, "ATTESTATION"), 7);
    assert_int_equal(watchdog_rows_get(&f.signatures, "BLOCK"), 0);
    assert_int_equal(watchdog_rows_sum(&f.signatures), 9007199254740999);
    assert_int_equal(f.latencies.num_bounds, 3);
    assert_int_equal(f.latencies.bounds_us[0], 500);
    assert_int_equal(f.latencies.bounds_us[1], 1000000);
    assert_true(f.latencies.bounds_us[2] == UINT64_MAX);
    assert_int_equal(f.latencies.counts[0], 11);
    assert_int_equal(f.latencies.counts[2], 33);
}

/* NUMBERS and this. */
static void refuse(const char *more, const char *named)
{
    char text[4096];
    struct watchdog_figures f = {.started = 42};
    (void)snprintf(text, sizeof text, NUMBERS "%s", more);
    if (!watchdog_figures_read(&f, text, strlen(text)).code)
        fail_msg("taken: %s", more);
    assert_error_names(named);
    assert_int_equal(f.started, 42);
}

static void test_what_is_not_of_the_form(void **state)
{
    (void)state;
    refuse("nitro_signer_http_connections 3\n", "nitro_signer_http_connections: stands there twice");
    refuse("nitro_signer_signatures_total{type=\"A\"} 1\nnitro_signer_signatures_total{type=\"A\"} 1\n",
           "type: stands there twice");
    refuse("nitro_signer_signatures_total 1\n", "must have the label type");
    refuse("nitro_signer_signatures_total{kind=\"A\"} 1\n", "must have the label type");
    refuse("nitro_signer_signatures_total{type=\"A\",le=\"1\"} 1\n", "must have the label type");
    refuse("nitro_signer_signatures_total{type=\"A\",b=\"\",c=\"\"} 1\n", "more than two labels");
    refuse("nitro_signer_signatures_total{type=\"<b>\"} 1\n", "letters, digits");
    refuse("nitro_signer_signatures_total{type=\"\"} 1\n", "letters, digits");
    refuse("nitro_signer_signatures_total{type=\"a\\\"b\"} 1\n", "NAME=");
    refuse("nitro_signer_signatures_total{type=\"A\" 1\n", "brace");
    refuse("nitro_signer_signatures_total{type=\"A\"}1\n", "blank");
    refuse("nitro_signer_signatures_total{type=\"A\"} -1\n", "nitro_signer_signatures_total");
    refuse("nitro_signer_signatures_total{type=\"A\"} 1.5\n", "nitro_signer_signatures_total");
    refuse("nitro_signer_signatures_total{type=\"A\"} NaN\n", "nitro_signer_signatures_total");
    refuse("nitro_signer_signatures_total{type=\"A\"} 9007199254740993\n", "2^53");
    refuse("nitro_signer_signatures_total{type=\"A\"} 1", "no end");
    refuse(BUCKET("A", "1", "1") BUCKET("A", "0.5", "1"), "ascending");
    refuse(BUCKET("A", "1", "1"), "+Inf");
    refuse(BUCKET("A", "1", "2") BUCKET("A", "+Inf", "1"), "must not fall");
    refuse(BUCKET("A", "x", "1"), "le:");
    refuse(BUCKET("A", "0.", "1"), "le:");
    refuse(BUCKET("A", "0.0000001", "1"), "le:");
    refuse(BUCKET("A", "1000001", "1"), "le:");
    refuse(BUCKET("A", "+Inf", "9007199254740992") BUCKET("B", "+Inf", "1"), "2^53");
    refuse("nitro_signer_sign_duration_seconds_bucket{le=\"1\",type=\"A\"} 1\n", "type and le");
}

static void test_more_than_there_is_room_for(void **state)
{
    (void)state;
    char text[8192];
    size_t length = 0;
    for (int i = 0; i <= WATCHDOG_ROWS_MAX; i++)
        length += (size_t)snprintf(text + length, sizeof text - length,
                                   "nitro_signer_signatures_total{type=\"A%d\"} 1\n", i);
    struct watchdog_figures f;
    assert_fails(E_TOO_LARGE, watchdog_figures_read(&f, text, length));
    length = 0;
    for (int i = 1; i <= WATCHDOG_BOUNDS_MAX + 1; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, BUCKET("A", "%d", "1"), i);
    assert_fails(E_TOO_LARGE, watchdog_figures_read(&f, text, length));
    (void)memset(text, 'x', sizeof text);
    (void)memcpy(text, "nitro_signer_http_connections ", 30);
    text[sizeof text - 1] = '\n';
    assert_fails(E_INPUT, watchdog_figures_read(&f, text, sizeof text));
    assert_error_names("too long");
    assert_fails(E_INPUT, watchdog_figures_read(&f, "", 0));
    assert_error_names("process_start_time_seconds: is not there");
}

static void refuse_answer(const char *answer, const char *named)
{
    const char *body = NULL;
    size_t length = 0;
    if (!watchdog_figures_body(&body, &length, answer, strlen(answer)).code)
        fail_msg("taken: %s", answer);
    assert_error_names(named);
    assert_null(body);
}

static void test_the_answer_around_it(void **state)
{
    (void)state;
    const char *body;
    size_t length;
    static const char good[] =
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
    assert_ok(watchdog_figures_body(&body, &length, good, sizeof good - 1));
    assert_int_equal(length, 5);
    assert_memory_equal(body, "hello", 5);
    refuse_answer("", "head");
    refuse_answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n", "head");
    refuse_answer("HTTP/1.1 404 Not Found\r\ncontent-length: 5\r\n\r\nhello", "status");
    refuse_answer("HTTP/2 200 OK....\r\ncontent-length: 5\r\n\r\nhello", "status");
    refuse_answer("HTTP/1.1 200 OK\r\n\r\nhello", "content-length: is not there");
    refuse_answer("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello", "content-length");
    refuse_answer("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhello", "content-length");
    refuse_answer("HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello", "");
    refuse_answer("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", "once");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_wanted_is_taken), cmocka_unit_test(test_what_is_not_of_the_form),
        cmocka_unit_test(test_more_than_there_is_room_for), cmocka_unit_test(test_the_answer_around_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
