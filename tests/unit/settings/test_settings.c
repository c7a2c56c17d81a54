/* test_settings.c - lib/settings, with a table of the test's own. */
#include "testing.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/file_io.h"
#include "settings/settings.h"

struct target {
    const char *host, *hosts, *password, *file, *to;
    uint32_t port;
    bool flag, boolean;
};

#define AT(member) .offset = offsetof(struct target, member)

static const struct setting top[] = {
    {.name = "host", .kind = SETTING_TEXT, .initial = "localhost", AT(host), .help = "", .letter = 'o'},
    {.name = "port",
     .alias = "old-port",
     .kind = SETTING_U32,
     .initial = "9",
     .low = 2,
     .high = 99,
     .help = "",
     AT(port)},
    {.name = "hosts", .kind = SETTING_LIST, .help = "", AT(hosts)},
    {.name = "flag", .kind = SETTING_FLAG, .initial = "false", .help = "", AT(flag)},
    {.name = "config-file", .kind = SETTING_TEXT, .use = SETTING_COMMAND_LINE_ONLY, .help = "", AT(file)},
    {.name = "help", .letter = 'h', .kind = SETTING_FLAG, .use = SETTING_STOPS, .help = ""},
    {.name = "pool", .kind = SETTING_TEXT, .use = SETTING_IGNORED, .help = "no pool"},
    {.name = "push", .kind = SETTING_FLAG, .use = SETTING_REFUSED, .initial = "false", .help = "no push"},
};
static const struct setting sub[] = {
    {.name = "boolean", .kind = SETTING_BOOLEAN, .initial = "true", .help = "", AT(boolean)},
    {.name = "password",
     .kind = SETTING_TEXT,
     .secret = true,
     .instead = "--password-file",
     .help = "",
     AT(password)},
};
static const struct setting deep[] = {{.name = "to", .kind = SETTING_TEXT, .help = "", AT(to)}};

static char warnings[2048];

static void remember(const char *text)
{
    size_t length = strlen(warnings);
    (void)snprintf(warnings + length, sizeof warnings - length, "%s\n", text);
}

static struct settings fresh(void)
{
    struct settings s = {.num_scopes = 3, .warn = remember};
    s.scopes[0] = (struct settings_scope){.path = "", .rows = top, .num_rows = ARRAY_LENGTH(top)};
    s.scopes[1] = (struct settings_scope){.path = "eth2", .rows = sub, .num_rows = ARRAY_LENGTH(sub)};
    s.scopes[2] = (struct settings_scope){.path = "eth2.export", .rows = deep, .num_rows = 1};
    warnings[0] = 0;
    return s;
}

/* Words behind a program's name, of scope 0. */
static result words(struct settings *s, int *ret_next, int num, const char *const given[])
{
    char *argv[8] = {(char *)(uintptr_t) "program"};
    const struct setting *stop;
    for (int i = 0; i < num; i++)
        argv[i + 1] = (char *)(uintptr_t)given[i];
    return settings_take_words(s, ret_next, &stop, 0, num + 1, argv);
}

static result variables(struct settings *s, const char *first, const char *second)
{
    char *environment[] = {(char *)(uintptr_t)first, (char *)(uintptr_t)second, NULL};
    return settings_take_environment(s, environment);
}

static result file(struct settings *s, const char *text)
{
    char path[] = "/tmp/ns-settings-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_ok(file_write_full(fd, text, strlen(text)));
    (void)close(fd);
    result r = settings_take_file(s, path, "eth1.");
    (void)unlink(path);
    return r;
}

static result apply(const struct settings *s, struct target *t)
{
    *t = (struct target){0};
    for (size_t i = 0; i < s->num_scopes; i++)
        TRY(settings_apply(s, i, t));
    return RESULT_OK;
}

static void refused(result r, const char *says)
{
    assert_int_equal(r.code, E_INPUT);
    if (!strstr(error_text(), says))
        fail_msg("\"%s\" is not in: %s", says, error_text());
}

/* All eight sets of sources: the strongest in the set decides. */
static void the_order_of_sources(void **state)
{
    (void)state;
    const char *const line[] = {"--port=40"};
    for (unsigned set = 0; set < 8; set++) {
        AUTO(settings) s = fresh();
        struct target t;
        int next;
        if (set & 1)
            assert_ok(file(&s, "port: 20\n"));
        if (set & 4)
            assert_ok(words(&s, &next, 1, line));
        if (set & 2)
            assert_ok(variables(&s, "WEB3SIGNER_PORT=30", NULL));
        assert_ok(apply(&s, &t));
        assert_int_equal(t.port, set & 4 ? 40 : set & 2 ? 30 : set & 1 ? 20 : 9);
    }
}

static void a_weaker_value_is_not_read(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    struct target t;
    assert_ok(variables(&s, "WEB3SIGNER_PORT=30", NULL));
    assert_ok(file(&s, "port: nonsense\nhost: \"there\"\n"));
    assert_ok(apply(&s, &t));
    assert_int_equal(t.port, 30);
    assert_string_equal(t.host, "there");
}

static void forms_of_the_command_line(void **state)
{
    (void)state;
    static const struct {
        const char *words[4];
        const char *host;
        uint32_t port;
        bool flag;
        int next;
    } cases[] = {
        {{"--host=a", "--port", "3", "eth2"}, "a", 3, false, 4},
        {{"-oa", "--old-port=3", "--flag", "eth2"}, "a", 3, true, 4},
        {{"-o=a", "--flag", "false", "eth2"}, "a", 9, false, 4},
        {{"-o", "a", "--flag=TRUE", "--port=99"}, "a", 99, true, 5},
        {{"--flag", "eth2", "--port=4", "x"}, "localhost", 9, true, 2},
        {{"--help", "--port=4", "x", "x"}, "localhost", 9, false, 2},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(settings) s = fresh();
        struct target t;
        int next;
        assert_ok(words(&s, &next, 4, cases[i].words));
        assert_ok(apply(&s, &t));
        assert_string_equal(t.host, cases[i].host);
        assert_int_equal(t.port, cases[i].port);
        assert_int_equal(t.flag, cases[i].flag);
        assert_int_equal(next, cases[i].next);
    }
}

static void mistakes_on_the_command_line(void **state)
{
    (void)state;
    static const struct {
        const char *words[2], *says;
    } cases[] = {{{"--prot=1", "x"}, "--prot: unknown option; is --port meant?"},
                 {{"--quite-other", "x"}, "--quite-other: unknown option (see"},
                 {{"--secret=hunter2", "x"}, "--secret: unknown option"},
                 {{"-x", "x"}, "-x: unknown option"},
                 {{"--port=1", "x"}, "--port: must be from 2 to 99"},
                 {{"--port=0x10", "x"}, "--port: must be a decimal"},
                 {{"--port=3", "--old-port=3"}, "--port: given twice"},
                 {{"--host", "--flag"}, "--host: needs a value"},
                 {{"--host=", "x"}, "--host: must not be empty"},
                 {{"--flag=maybe", "x"}, "--flag: must be true or false"},
                 {{"--push", "x"}, "--push: no push"},
                 {{"--", "x"}, "--: unknown option"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(settings) s = fresh();
        struct target t;
        int next;
        result r = words(&s, &next, 2, cases[i].words);
        if (!r.code)
            r = apply(&s, &t);
        refused(r, cases[i].says);
        assert_null(strstr(error_text(), "hunter2"));
    }
}

static void lists(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    AUTO(settings) from_file = fresh();
    const char *const line[] = {"--hosts=a,b", "--hosts=c"};
    struct target t;
    int next;
    assert_ok(words(&s, &next, 2, line));
    assert_ok(apply(&s, &t));
    assert_string_equal(t.hosts, "a,b,c");
    assert_ok(file(&from_file, "hosts:\n  - a\n  - \"b\"\n"));
    assert_ok(apply(&from_file, &t));
    assert_string_equal(t.hosts, "a,b");
}

static void scopes_have_prefixes(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    struct target t;
    assert_ok(variables(&s, "WEB3SIGNER_ETH2_BOOLEAN=false", "WEB3SIGNER_ETH2_EXPORT_TO=x"));
    assert_ok(file(&s, "eth2.password: p\n"));
    assert_ok(apply(&s, &t));
    assert_false(t.boolean);
    assert_string_equal(t.to, "x");
    assert_string_equal(t.password, "p");
    assert_string_equal(settings_given(&s, 1, "boolean"), "WEB3SIGNER_ETH2_BOOLEAN");
    assert_null(settings_given(&s, 0, "port"));
}

static void mistakes_in_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"", "--config-file: is empty"},
                 {"# nothing\n", "--config-file: is empty"},
                 {"port: 3\n---\nport: 4\n", "one YAML document"},
                 {"port: 3\nport: 3\n", "line 2: this key stands twice"},
                 {"port: 3\nold-port: 3\n", "port: given twice"},
                 {"host: a\nprot: 3\n", "line 2: unknown key prot; is port meant?"},
                 {"boolean: true\n", "unknown key boolean; is eth2.boolean meant?"},
                 {"eth2:\n  boolean: true\n", "line 1: unknown key eth2"},
                 {"host: {a: b}\n", "line 1: host: must be a plain value"},
                 {"host: [a]\n", "host: must not be a list"},
                 {"hosts: []\n", "hosts: must be a plain value or a list"},
                 {"hosts: [[a]]\n", "line 1: a part of a list"},
                 {"help: true\n", "unknown key help"},
                 {"port: many\n", "port: must be a decimal"},
                 {"flag: 1\n", "flag: must be true or false"},
                 {"host:\n", "host: must not be empty"},
                 {"push: true\n", "push: no push"},
                 {"- a\n", "--config-file: line 1"},
                 {"host: 'a\n", "--config-file: line 2"}};
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(settings) s = fresh();
        struct target t;
        result r = file(&s, cases[i].text);
        if (!r.code)
            r = apply(&s, &t);
        refused(r, cases[i].says);
    }
    AUTO(settings) s = fresh();
    refused(settings_take_file(&s, "/nonexistent/x.yaml", NULL), "--config-file: No such file");
}

static void mistakes_in_the_environment(void **state)
{
    (void)state;
    AUTO(settings) twice = fresh();
    AUTO(settings) wrong = fresh();
    struct target t;
    refused(variables(&twice, "WEB3SIGNER_PORT=3", "WEB3SIGNER_OLD_PORT=4"), "WEB3SIGNER_PORT: given twice");
    assert_ok(variables(&wrong, "WEB3SIGNER_PORT=tcp://10.0.0.1", NULL));
    refused(apply(&wrong, &t), "WEB3SIGNER_PORT: must be a decimal");
}

static void what_is_told(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    struct target t;
    assert_ok(variables(&s, "WEB3SIGNER_POOL=4", "WEB3SIGNER_ETH2_BOOLAEN=1"));
    assert_ok(variables(&s, "WEB3SIGNER_CONFIG_FILE=x", "WEB3SIGNER_SERVICE_HOST=10.0.0.1"));
    assert_ok(file(&s, "push: false\neth1.chain-id: 1\n"));
    assert_ok(apply(&s, &t));
    assert_string_equal(warnings,
                        "WEB3SIGNER_ETH2_BOOLAEN: this variable means nothing here; is this one meant? "
                        "WEB3SIGNER_ETH2_BOOLEAN\n"
                        "WEB3SIGNER_CONFIG_FILE: ignored: this option is heeded on the command line only\n"
                        "eth1.chain-id: ignored: a setting of a mode that is not here\n"
                        "WEB3SIGNER_POOL: ignored: no pool\n");
    assert_null(t.file);
}

static void a_secret_leaves_the_environment(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    struct target t;
    assert_int_equal(setenv("WEB3SIGNER_ETH2_PASSWORD", "hunter2", 1), 0);
    const char *was = getenv("WEB3SIGNER_ETH2_PASSWORD");
    assert_ok(settings_take_environment(&s, environ));
    settings_forget_environment(&s);
    assert_null(getenv("WEB3SIGNER_ETH2_PASSWORD"));
    assert_string_equal(was, "");
    assert_ok(apply(&s, &t));
    assert_string_equal(t.password, "hunter2");
    assert_non_null(strstr(warnings, "WEB3SIGNER_ETH2_PASSWORD: a secret in the environment"));
    assert_non_null(strstr(warnings, "--password-file"));
    assert_null(strstr(warnings, "hunter2"));
}

static char *printed(const struct settings *s, size_t scope)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    assert_non_null(out);
    settings_print_values(out, &s->scopes[scope]);
    assert_int_equal(fclose(out), 0);
    return text;
}

static void what_is_printed_means_the_same(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    AUTO(settings) again = fresh();
    struct target t;
    const char *const line[] = {"--host=a \"b\"\\\n#", "--hosts=x, y", "--flag", "--pool=3"};
    int next;
    assert_ok(words(&s, &next, 4, line));
    char *text = printed(&s, 0);
    assert_non_null(strstr(text, "port: 9  # default\n"));
    assert_ok(file(&again, text));
    free(text);
    assert_ok(apply(&again, &t));
    assert_string_equal(t.host, "a \"b\"\\\n#");
    assert_string_equal(t.hosts, "x, y");
    assert_true(t.flag);
    assert_int_equal(t.port, 9);
}

static void secrets_are_masked(void **state)
{
    (void)state;
    AUTO(settings) s = fresh();
    const char *const line[] = {"--host=jdbc:postgresql://h/d?password=hunter2"};
    int next;
    assert_ok(words(&s, &next, 1, line));
    assert_ok(file(&s, "eth2.password: hunter2\n"));
    for (size_t scope = 0; scope < 2; scope++) {
        char *text = printed(&s, scope);
        assert_null(strstr(text, "hunter2"));
        assert_non_null(strstr(text, "********"));
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_order_of_sources),
        cmocka_unit_test(a_weaker_value_is_not_read),
        cmocka_unit_test(forms_of_the_command_line),
        cmocka_unit_test(mistakes_on_the_command_line),
        cmocka_unit_test(lists),
        cmocka_unit_test(scopes_have_prefixes),
        cmocka_unit_test(mistakes_in_a_file),
        cmocka_unit_test(mistakes_in_the_environment),
        cmocka_unit_test(what_is_told),
        cmocka_unit_test(a_secret_leaves_the_environment),
        cmocka_unit_test(what_is_printed_means_the_same),
        cmocka_unit_test(secrets_are_masked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
