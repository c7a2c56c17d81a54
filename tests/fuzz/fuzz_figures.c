/* fuzz_figures.c - the enclave's page of metrics as the watchdog reads it, and what its status page makes of
 * it. The input's parts, each behind 0xff, are answers of HTTP one after the other, as samples; the first is
 * the body of a status. Whatever is taken, both documents are JSON of few characters, the page has no markup
 * but its own, and counts are those of the text. */
#include <jansson.h>

#include "fuzz.h"
#include "watchdog/watchdog_view.h"

enum { SAMPLES_MAX = 8 };
static struct watchdog_history history;

static void check_latencies(const struct watchdog_latencies *l)
{
    PROMISE(l->num_bounds <= WATCHDOG_BOUNDS_MAX);
    for (size_t i = 1; i < l->num_bounds; i++)
        PROMISE(l->bounds_us[i] > l->bounds_us[i - 1] && l->counts[i] >= l->counts[i - 1]);
    uint64_t p50 = watchdog_latencies_percentile(l, 50), p99 = watchdog_latencies_percentile(l, 99);
    PROMISE((p50 == WATCHDOG_NO_LATENCY) == (p99 == WATCHDOG_NO_LATENCY) && p50 <= p99);
}

static void check_rows(const struct watchdog_rows *rows)
{
    PROMISE(rows->num_rows <= WATCHDOG_ROWS_MAX);
    for (size_t i = 0; i < rows->num_rows; i++) {
        PROMISE(rows->rows[i].label[0] && !strpbrk(rows->rows[i].label, "<>&\"'\\ \n"));
        PROMISE(watchdog_rows_get(rows, rows->rows[i].label) == rows->rows[i].value);
    }
}

static void check_json(const struct buffer *text)
{
    PROMISE(text->length < 20000);
    for (size_t i = 0; i + 1 < text->length; i++)
        PROMISE(text->data[i] >= ' ' && text->data[i] < 0x7f && !strchr("<>&\\", text->data[i]));
    json_t *root = json_loadb((const char *)text->data, text->length, JSON_REJECT_DUPLICATES, NULL);
    PROMISE(json_is_object(root));
    json_decref(root);
}

static void show(const struct watchdog_facts *facts, const struct watchdog_figures *figures)
{
    AUTO(buffer) status = {0};
    AUTO(buffer) past = {0};
    AUTO(buffer) page = {0};
    struct watchdog_words words;
    const struct watchdog_view view = {.facts = facts,
                                       .history = &history,
                                       .figures = figures,
                                       .figures_ms = 1,
                                       .may_ask = true,
                                       .interval = 10,
                                       .now_ms = 1000000};
    PROMISE(watchdog_view_status(&status, &view).code == 0);
    PROMISE(watchdog_view_history(&past, &view).code == 0);
    check_json(&status);
    check_json(&past);
    watchdog_view_words(&words, &view);
    PROMISE(watchdog_view_page(&page, &words, "{{version}}{{pcr0}}{{keys}}", 27).code == 0);
    PROMISE(!memchr(page.data, '<', page.length));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct watchdog_facts facts;
    struct watchdog_figures figures;
    const struct watchdog_status status = {.keys = 1};
    bool have = false;
    struct fuzz_part part = fuzz_next_part(&data, &size);
    char *body = fuzz_text(part.data, part.size);
    watchdog_facts_open(&facts, 1);
    watchdog_facts_status(&facts, &status, body, 2);
    free(body);
    watchdog_history_open(&history);
    for (uint64_t i = 0; i < SAMPLES_MAX && size > 0; i++) {
        const char *text = NULL;
        size_t length = 0;
        part = fuzz_next_part(&data, &size);
        char *answer = fuzz_text(part.data, part.size);
        fuzz_forget_reason();
        bool taken = fuzz_accepted(watchdog_figures_body(&text, &length, answer, part.size)) &&
                     fuzz_accepted(watchdog_figures_read(&figures, text, length));
        if (taken) {
            check_rows(&figures.signatures);
            check_rows(&figures.answers);
            check_rows(&figures.refusals);
            check_latencies(&figures.latencies);
        }
        watchdog_history_take(&history, taken ? &figures : NULL, 10 * i, 20000000000 * i);
        have = have || taken;
        free(answer);
    }
    show(&facts, have ? &figures : NULL);
    return 0;
}
