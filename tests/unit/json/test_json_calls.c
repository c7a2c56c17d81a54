/* test_json_calls.c - a text that could not be written as JSON is refused, and nothing of it is kept. */
#include "testing.h"

#include <string.h>

#include "base/buffer.h"
#include "faults.h"
#include "json/json.h"

#include "json_calls.def"

static void what_cannot_be_written_is_not_half_written(void **state)
{
    (void)state;
    unsigned num_runs = 0;
    for (struct faults f = {0}; faults_again(&f); num_runs++) {
        AUTO(buffer) out = {0};
        assert_ok(buffer_append_text(&out, "["));
        faults_begin(&f);
        result r = json_append_quoted(&out, "\"text\"");
        faults_end(&f);
        assert_fault(&f, r);
        assert_string_equal((const char *)out.data, r.code ? "[" : "[\"\\\"text\\\"\"");
        assert_int_equal(out.length, strlen((const char *)out.data));
    }
    assert_int_equal(num_runs,
                     8); /* each of three calls alone and then none, twice: with those after it, too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_cannot_be_written_is_not_half_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
