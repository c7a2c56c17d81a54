/* test_ctl_units.c - reading systemctl show, src/ctl/ctl_units.h. */
#include "testing.h"

#include "ctl/ctl_units.h"

#define UNIT "Id=a.service\nLoadState=loaded\nActiveState=active\nSubState=running\n"

static void two_units(void **state)
{
    (void)state;
    struct ctl_units units;
    assert_ok(ctl_units_parse(
        &units, UNIT "Result=success\nNRestarts=3\n\nNRestarts=0\nSubState=dead\nActiveState=inactive\n"
                     "LoadState=not-found\nId=b.target\n"));
    assert_int_equal(units.num_units, 2);
    assert_string_equal(units.units[0].name, "a.service");
    assert_string_equal(units.units[0].result, "success");
    assert_int_equal(units.units[0].restarts, 3);
    assert_string_equal(units.units[1].name, "b.target");
    assert_string_equal(units.units[1].load, "not-found");
    assert_string_equal(units.units[1].result, "");
    assert_ok(ctl_units_parse(&units, ""));
    assert_int_equal(units.num_units, 0);
    assert_ok(ctl_units_parse(&units, "\n\n" UNIT "\n\n" UNIT "\n"));
    assert_int_equal(units.num_units, 2);
}

static void what_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *named;
    } cases[] = {
        {"Id=a\n", "LoadState"},
        {"Id=a\n\n" UNIT, "line 2"},
        {UNIT "Id=b\n", "line 5: is there twice"},
        {UNIT "Description=x\n", "line 5: is not a property"},
        {UNIT "nothing\n", "must be NAME=VALUE"},
        {UNIT "Result=\x1b[31m\n", "printable"},
        {UNIT "NRestarts=-1\n", "decimal"},
        {UNIT "NRestarts=x\n", "decimal"},
        {UNIT "Result=0123456789012345678901234567890123456789012345678901234567890123456789\n",
         "at most 64"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct ctl_units units = {.num_units = 77};
        assert_fails(E_INPUT, ctl_units_parse(&units, cases[i].text));
        assert_error_names(cases[i].named);
        assert_int_equal(units.num_units, 77);
    }
}

static void more_than_there_are(void **state)
{
    (void)state;
    struct ctl_units units;
    AUTO(buffer) text = {0};
    for (size_t i = 0; i < CTL_UNITS_MAX; i++)
        assert_ok(buffer_append_text(&text, UNIT "\n"));
    assert_ok(ctl_units_parse(&units, (const char *)text.data));
    assert_ok(buffer_append_text(&text, UNIT));
    assert_fails(E_TOO_LARGE, ctl_units_parse(&units, (const char *)text.data));
    AUTO(buffer) line = {0};
    for (size_t i = 0; i < 300; i++)
        assert_ok(buffer_append_text(&line, "x"));
    assert_fails(E_INPUT, ctl_units_parse(&units, (const char *)line.data));
    assert_error_names("too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_units),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(more_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
