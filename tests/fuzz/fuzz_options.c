/* fuzz_options.c - command lines, environment and file of the stand-alone program, and the command line of
 * the others. Parts of the input, each behind 0xff, are words; what begins with WEB3SIGNER_ is a variable,
 * what begins with '#' the configuration file. What is accepted is written by settings_print_values as a file
 * that is accepted too, and that says the same. */
#include <sys/mman.h>
#include <unistd.h>

#include "base/options.h"
#include "fuzz.h"
#include "fuzz_secret.h"
#include "signer/signer_options.h"
#include "signer/signer_tables.h"

enum { WORDS_MAX = 24, VARIABLES_MAX = 16 };

static char *words[WORDS_MAX + 2], *variables[VARIABLES_MAX + 1], *file_text;
static size_t file_len;
static int num_words, num_variables;
static char path[64];
static int fd = -1;

static void be_quiet(const char *text)
{
    PROMISE(text && *text);
}

static void take_parts(const uint8_t *data, size_t size)
{
    static char program[] = "nitro-signer";
    num_words = 1, num_variables = 0, file_len = 0;
    words[0] = program;
    while (size > 0) {
        struct fuzz_part part = fuzz_next_part(&data, &size);
        char *text = fuzz_text(part.data, part.size);
        if (*text == '#' && !file_text) {
            file_text = text;
            file_len = part.size;
        } else if (strncmp(text, "WEB3SIGNER_", 11) == 0 && num_variables < VARIABLES_MAX) {
            variables[num_variables++] = text;
        } else if (num_words <= WORDS_MAX) {
            words[num_words++] = text;
        } else {
            free(text);
        }
    }
    words[num_words] = variables[num_variables] = NULL;
}

static void free_parts(void)
{
    for (int i = 1; i < num_words; i++)
        free(words[i]);
    for (int i = 0; i < num_variables; i++)
        free(variables[i]);
    free(file_text);
    file_text = NULL;
}

/* Help and version would end the process. */
static bool asks_for_help(void)
{
    for (int i = 1; i < num_words; i++) {
        if (strcmp(words[i], "-h") == 0 || strcmp(words[i], "-V") == 0 || strncmp(words[i], "--h", 3) == 0 ||
            strncmp(words[i], "--v", 3) == 0)
            return true;
    }
    return false;
}

static void put_file(const char *text, size_t length)
{
    PROMISE(ftruncate(fd, 0) == 0 && pwrite(fd, text, length, 0) == (ssize_t)length);
}

static char *print(const struct settings *s)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    PROMISE(out);
    settings_print_values(out, &s->scopes[SCOPE_GLOBAL]);
    PROMISE(fclose(out) == 0);
    return text;
}

/* Where each value comes from stands behind '#', as does what has no effect, and is another the second time.
 */
static void cut_comments(char *text)
{
    char *out = text, *begin = text;
    for (bool inside = false; *text; text++) {
        inside = (inside || (*text == '#')) && *text != '\n';
        bool is_second_end = *text == '\n' && (out == begin || out[-1] == '\n');
        if (!inside && *text != ' ' && !is_second_end)
            *out++ = *text;
    }
    *out = 0;
}

static void check_printed(const struct settings *s)
{
    AUTO(settings) again = {.warn = be_quiet};
    struct signer_options options = {0};
    char *text = print(s);
    if (strstr(text, "********")) { /* a secret is not shown */
        free(text);
        return;
    }
    signer_tables_fill(&again);
    put_file(text, strlen(text));
    PROMISE(settings_take_file(&again, path, NULL).code == 0);
    PROMISE(settings_apply(&again, SCOPE_GLOBAL, &options).code == 0);
    char *text_again = print(&again);
    cut_comments(text);
    cut_comments(text_again);
    PROMISE(strcmp(text, text_again) == 0);
    free(text);
    free(text_again);
}

static result take_all(struct settings *s, struct signer_options *options)
{
    int next = 0;
    const struct setting *stop = NULL;
    TRY(settings_take_words(s, &next, &stop, SCOPE_GLOBAL, num_words, words));
    PROMISE(next >= 1 && next <= num_words);
    if (next < num_words)
        TRY(settings_take_words(s, &next, &stop, SCOPE_ETH2, num_words - next, words + next));
    TRY(settings_take_environment(s, variables));
    put_file(file_text ? file_text : "", file_len);
    TRY(settings_take_file(s, path, "eth1."));
    TRY(settings_apply(s, SCOPE_ETH2, options));
    return settings_apply(s, SCOPE_GLOBAL, options);
}

static void try_settings(void)
{
    AUTO(settings) s = {.warn = be_quiet};
    struct signer_options options = {0};
    signer_tables_fill(&s);
    if (fuzz_accepted_or_said_why(take_all(&s, &options)))
        check_printed(&s);
}

static void try_options(void)
{
    const char *text = "a";
    bool flag = false;
    uint32_t number = 5;
    struct option_list list = {0};
    const struct option table[] = {{"text", OPTION_TEXT, &text, "", 0, 0},
                                   {"flag", OPTION_FLAG, &flag, "", 0, 0},
                                   {"number", OPTION_U32, &number, "", 5, 70000},
                                   {"list", OPTION_LIST, &list, "", 0, 0}};
    int next = 0;
    if (!fuzz_accepted_or_said_why(
            options_parse(&next, table, ARRAY_LENGTH(table), "usage", num_words, words)))
        return;
    PROMISE(next >= 1 && next <= num_words && number >= 5 && number <= 70000 && text);
    PROMISE(list.num_values <= OPTION_LIST_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (fd < 0) {
        fuzz_open_secret_heap();
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_forget_reason();
    take_parts(data, size);
    if (!asks_for_help()) {
        try_options();
        try_settings();
    }
    free_parts();
    return 0;
}
