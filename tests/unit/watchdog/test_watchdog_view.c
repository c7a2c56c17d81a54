/* test_watchdog_view.c - what is noted as it happens, and both documents and words of the page made of it. */
#include "testing.h"

#include "watchdog/watchdog_view.h"
#include "json/json.h"

#define NOW_MS UINT64_C(1700000000000)
#define PCR "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define STATUS                                                                                               \
    "{\"state\":\"serve\",\"keys\":3,\"failed\":0,\"store_ok\":true,\"pcr0\":\"" PCR "\",\"pcr16\":\"" PCR   \
    "\",\"version\":\"1.2.3\",\"uptime_seconds\":90}"

static struct watchdog_facts facts;
static struct watchdog_history history;
static struct watchdog_figures figures;

static struct watchdog_view view_at(uint64_t now_ms)
{
    return (struct watchdog_view){.facts = &facts,
                                  .history = &history,
                                  .figures = &figures,
                                  .figures_ms = now_ms,
                                  .may_ask = true,
                                  .interval = 10,
                                  .status_interval = 5,
                                  .now_ms = now_ms};
}

static int open_serving(void **state)
{
    (void)state;
    struct watchdog_status status = {.health = WATCHDOG_HEALTH_SERVES, .keys = 3};
    figures = (struct watchdog_figures){.started = 1, .store_ok = 1, .protection = 1};
    watchdog_history_open(&history);
    watchdog_facts_open(&facts, NOW_MS);
    watchdog_facts_step(&facts, WATCHDOG_CONNECTING, WATCHDOG_DO_START_CHILD, NOW_MS);
    watchdog_facts_step(&facts, WATCHDOG_SERVE, WATCHDOG_DO_ANNOUNCE, NOW_MS + 1000);
    watchdog_facts_status(&facts, &status, STATUS, NOW_MS + 2000);
    return 0;
}

static bool has(enum watchdog_problem problem, uint64_t after_ms)
{
    struct watchdog_view view = view_at(NOW_MS + after_ms);
    return watchdog_view_has(&view, problem);
}

static void assert_level(const char *level, uint64_t after_ms)
{
    struct watchdog_view view = view_at(NOW_MS + after_ms);
    assert_string_equal(watchdog_view_level(&view), level);
}

static void test_conditions(void **state)
{
    (void)state;
    static const struct {
        enum watchdog_state state;
        const char *name;
    } rows[] = {{WATCHDOG_DOWN, "restarting"},   {WATCHDOG_CONNECTING, "starting"},
                {WATCHDOG_INIT, "loading"},      {WATCHDOG_INIT_WAIT, "waiting"},
                {WATCHDOG_ADOPT, "adopting"},    {WATCHDOG_SERVE, "serving"},
                {WATCHDOG_STATUS, "serving"},    {WATCHDOG_UPDATE, "serving"},
                {WATCHDOG_ENDING, "restarting"}, {WATCHDOG_STOPPING, "stopping"}};
    for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
        watchdog_facts_step(&facts, rows[i].state, 0, NOW_MS + 5000);
        assert_string_equal(watchdog_condition_name(facts.condition), rows[i].name);
    }
    watchdog_facts_step(&facts, WATCHDOG_CONNECTING, WATCHDOG_DO_START_CHILD, NOW_MS + 6000);
    assert_string_equal(watchdog_condition_name(facts.condition), "restarting");
    assert_int_equal(facts.since_ms, NOW_MS + 6000);
    assert_int_equal(facts.starts, 2);
    assert_int_equal(facts.status_ms, 0); /* what the one before said is forgotten */
    watchdog_facts_open(&facts, NOW_MS);
    watchdog_facts_step(&facts, WATCHDOG_DOWN, 0, NOW_MS);
    assert_string_equal(watchdog_condition_name(facts.condition), "starting");
}

static void test_since_when(void **state)
{
    (void)state;
    assert_int_equal(facts.since_ms, NOW_MS + 1000);
    watchdog_facts_step(&facts, WATCHDOG_STATUS, 0, NOW_MS + 9000); /* still serving */
    assert_int_equal(facts.since_ms, NOW_MS + 1000);
}

static void test_problems(void **state)
{
    (void)state;
    struct watchdog_status status = {.health = WATCHDOG_HEALTH_SERVES, .keys = 3};
    for (int i = 0; i < WATCHDOG_PROBLEM_COUNT; i++)
        assert_false(has((enum watchdog_problem)i, 3000));
    assert_level("ok", 3000);
    assert_true(has(WATCHDOG_PROBLEM_STATUS_OLD, 70000));
    assert_level("warn", 70000);
    struct watchdog_view seldom = view_at(NOW_MS + 500000);
    seldom.status_interval = 300;
    assert_false(watchdog_view_has(&seldom, WATCHDOG_PROBLEM_STATUS_OLD));
    seldom.now_ms = NOW_MS + 603000;
    assert_true(watchdog_view_has(&seldom, WATCHDOG_PROBLEM_STATUS_OLD));
    facts.expires_ms = NOW_MS + 240000;
    assert_false(has(WATCHDOG_PROBLEM_CREDENTIALS, 0));
    assert_true(has(WATCHDOG_PROBLEM_CREDENTIALS, 1));
    facts.expires_ms = 0;
    status.failed = 1;
    watchdog_facts_status(&facts, &status, STATUS, NOW_MS + 3000);
    assert_true(has(WATCHDOG_PROBLEM_KEYS_FAILED, 3000));
    assert_level("warn", 3000);
    watchdog_facts_status(&facts, &status, "{\"state\":\"serve\",\"store_ok\":false}", NOW_MS + 3000);
    assert_true(has(WATCHDOG_PROBLEM_STORE_FAILING, 3000));
    assert_level("bad", 3000);
    status = (struct watchdog_status){.health = WATCHDOG_HEALTH_SERVES};
    watchdog_facts_status(&facts, &status, STATUS, NOW_MS + 3000);
    assert_true(has(WATCHDOG_PROBLEM_NO_KEYS, 3000));
    status.health = WATCHDOG_HEALTH_FAILED;
    watchdog_facts_status(&facts, &status, STATUS, NOW_MS + 3000);
    assert_true(has(WATCHDOG_PROBLEM_SIGNER_FAILED, 3000));
    assert_level("bad", 3000);
}

static void test_conflicts_and_figures_that_do_not_come(void **state)
{
    (void)state;
    watchdog_history_take(&history, &figures, 1700000000, 1);
    figures.conflicts = 1;
    watchdog_history_take(&history, &figures, 1700000010, 2);
    assert_true(has(WATCHDOG_PROBLEM_CONFLICTS, 10000));
    for (uint64_t s = 20; s <= 3600 + 120; s += 10) { /* an hour later that has passed */
        assert_true(s > 3590 || has(WATCHDOG_PROBLEM_CONFLICTS, 10000));
        watchdog_history_take(&history, &figures, 1700000000 + s, s * 1000000000);
    }
    assert_false(has(WATCHDOG_PROBLEM_CONFLICTS, 10000));
    struct watchdog_view view = view_at(NOW_MS + 100000);
    view.figures_ms = NOW_MS + 60000;
    assert_true(watchdog_view_has(&view, WATCHDOG_PROBLEM_NO_FIGURES));
    view.may_ask = false; /* nobody was to be asked */
    assert_false(watchdog_view_has(&view, WATCHDOG_PROBLEM_NO_FIGURES));
    view.may_ask = true;
    view.figures = NULL;
    assert_true(watchdog_view_has(&view, WATCHDOG_PROBLEM_NO_FIGURES));
    view.now_ms = NOW_MS + 10000; /* the first ones are yet to come */
    assert_false(watchdog_view_has(&view, WATCHDOG_PROBLEM_NO_FIGURES));
}

static void test_an_odd_status_is_shown_as_nothing(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "[]",
        "{",
        "{\"pcr0\":\"" PCR "\"}",
        "{\"pcr0\":\"00\",\"pcr16\":7,\"version\":[],\"store_ok\":1}",
        "{\"version\":\"<script>\",\"uptime_seconds\":\"-1\"}",
        "{\"version\":\"a version that is far too long to be one of ours\"}"};
    struct watchdog_status status = {.health = WATCHDOG_HEALTH_SERVES, .keys = 3};
    for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
        watchdog_facts_status(&facts, &status, bodies[i], NOW_MS);
        assert_false(facts.report.has_pcrs);
        assert_string_equal(facts.report.version, "");
        assert_false(facts.report.store_ok);
        assert_int_equal(facts.keys, 3);
    }
}

static void test_events_are_few_and_the_same_is_counted(void **state)
{
    (void)state;
    assert_int_equal(facts.num_told, 2);
    assert_int_equal(watchdog_facts_told(&facts, 0)->kind, WATCHDOG_TOLD_SERVES);
    for (uint64_t i = 0; i < 100; i++)
        watchdog_facts_tell(&facts, WATCHDOG_TOLD_FETCH_FAILED, "denied", NOW_MS + i);
    assert_int_equal(facts.num_told, 3);
    assert_int_equal(watchdog_facts_told(&facts, 0)->times, 100);
    assert_int_equal(watchdog_facts_told(&facts, 0)->at_ms, NOW_MS + 99);
    for (int i = 0; i < 100; i++) {
        watchdog_facts_tell(&facts, WATCHDOG_TOLD_NITRO_CLI, i % 2 ? "E22" : "E36", NOW_MS);
        assert_string_equal(watchdog_facts_told(&facts, 0)->detail, i % 2 ? "E22" : "E36");
    }
    assert_int_equal(facts.num_told, WATCHDOG_EVENTS_MAX);
    watchdog_facts_ended(&facts, WATCHDOG_END_LOST, NOW_MS);
    assert_string_equal(watchdog_facts_told(&facts, 0)->detail, "lost");
    assert_int_equal(facts.ends[WATCHDOG_END_LOST], 1);
}

static json_t *parsed(const struct buffer *text)
{
    json_t *root = NULL;
    assert_ok(json_read(&root, (const char *)text->data, text->length, 1 << 20, 100000));
    return root;
}

static void test_the_documents_are_json(void **state)
{
    (void)state;
    AUTO(buffer) status = {0};
    AUTO(buffer) past = {0};
    AUTO(buffer) bare = {0};
    struct watchdog_view view = view_at(NOW_MS + 3000);
    figures.signatures = (struct watchdog_rows){.rows = {{"ATTESTATION", 7}, {"BLOCK", 0}}, .num_rows = 2};
    watchdog_history_take(&history, &figures, 1700000000, 1);
    watchdog_history_take(&history, &figures, 1700000010, 10000000001);
    assert_ok(watchdog_view_status(&status, &view));
    assert_ok(watchdog_view_history(&past, &view));
    AUTO_POINTER(json_t) one = parsed(&status);
    AUTO_POINTER(json_t) two = parsed(&past);
    assert_string_equal(json_string_value(json_object_get(one, "condition")), "serving");
    assert_string_equal(json_string_value(json_object_get(json_object_get(one, "enclave"), "pcr0")), PCR);
    json_t *types = json_object_get(json_object_get(one, "signing"), "signatures");
    assert_int_equal(json_object_size(types), 1);
    json_t *fine = json_object_get(two, "fine");
    assert_true(json_is_null(json_array_get(json_object_get(fine, "signed"), 0)));
    assert_int_equal(json_integer_value(json_array_get(json_object_get(fine, "signed"), 1)), 0);
    assert_int_equal(json_array_size(json_object_get(json_object_get(two, "coarse"), "at")), 0);
    watchdog_facts_open(&facts, NOW_MS);
    view.figures = NULL;
    assert_ok(watchdog_view_status(&bare, &view));
    AUTO_POINTER(json_t) three = parsed(&bare);
    assert_true(json_is_null(json_object_get(three, "signing")));
    assert_true(json_is_null(json_object_get(three, "keys")));
}

static void assert_word(const char *name, const char *text, uint64_t after_ms)
{
    struct watchdog_words words;
    struct watchdog_view view = view_at(NOW_MS + after_ms);
    watchdog_view_words(&words, &view);
    for (size_t i = 0; i < words.num_words; i++) {
        if (strcmp(words.all[i].name, name) == 0) {
            assert_string_equal(words.all[i].text, text);
            return;
        }
    }
    fail_msg("nobody says %s", name);
}

static void test_words(void **state)
{
    (void)state;
    assert_word("headline", "Serving", 1000);
    assert_word("since", "for 0 s", 0); /* the clock was set back */
    assert_word("since", "for 59 s", 60000);
    assert_word("since", "for 1 min 0 s", 61000);
    assert_word("since", "for 1 h 1 min", 3661000 + 1000);
    assert_word("since", "for 2 d 3 h", 1000 + 1000 * (2 * 86400 + 3 * 3600));
    assert_word("keys", "3", 0);
    assert_word("version", "1.2.3", 0);
    assert_word("uptime", "1 min 30 s", 0);
    assert_word("latency", "-", 0);
    watchdog_history_take(&history, &figures, NOW_MS / 1000, 1);
    figures.answers = (struct watchdog_rows){.rows = {{"signed", 25}}, .num_rows = 1};
    figures.latencies = (struct watchdog_latencies){
        .bounds_us = {1000, 2000000, UINT64_MAX}, .counts = {20, 25, 25}, .num_bounds = 3};
    watchdog_history_take(&history, &figures, NOW_MS / 1000 + 10, 10000000001);
    figures.latencies.num_bounds = 0;
    assert_word("rate", "2.5/s", 10000);
    assert_word("latency", "1.9 s", 10000);
    assert_word("latency_note", "99 of 100 answers; half in 0.6 ms", 10000);
    assert_word("latency", "-", 200000);
}

static void test_the_template(void **state)
{
    (void)state;
    AUTO(buffer) page = {0};
    struct watchdog_words words = {.num_words = 2};
    words.all[0].name = "a";
    (void)snprintf(words.all[0].text, WATCHDOG_WORD_MAX, "%s", "<b>&\"'");
    words.all[1].name = "b";
    static const char template[] = "1 {{a}} 2 {{b}}{{a}}";
    assert_ok(watchdog_view_page(&page, &words, template, sizeof template - 1));
    assert_string_equal((const char *)page.data, "1 &#60;b&#62;&#38;&#34;&#39; 2 &#60;b&#62;&#38;&#34;&#39;");
    assert_fails(E_INTERNAL, watchdog_view_page(&page, &words, "{{c}}", 5));
    assert_fails(E_INTERNAL, watchdog_view_page(&page, &words, "{{a", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_conditions, open_serving),
        cmocka_unit_test_setup(test_since_when, open_serving),
        cmocka_unit_test_setup(test_problems, open_serving),
        cmocka_unit_test_setup(test_conflicts_and_figures_that_do_not_come, open_serving),
        cmocka_unit_test_setup(test_an_odd_status_is_shown_as_nothing, open_serving),
        cmocka_unit_test_setup(test_events_are_few_and_the_same_is_counted, open_serving),
        cmocka_unit_test_setup(test_the_documents_are_json, open_serving),
        cmocka_unit_test_setup(test_words, open_serving),
        cmocka_unit_test(test_the_template),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
