/* ctl_help.c - help: for eyes, wrapped to the terminal; and the verb help, which also writes the manual pages
 * and the completions of shells. */
#include "ctl_help.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl_terminal.h"

enum { WIDTH_ELSE = 79, WIDTH_MOST = 100, WIDTH_LEAST = 60, LEFT = 30, SUMMARY_LEFT = 30 };

static size_t width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_ELSE;
    return size.ws_col > WIDTH_MOST ? WIDTH_MOST : size.ws_col < WIDTH_LEAST ? WIDTH_LEAST : size.ws_col;
}

/* Words, up to an empty line or the end, in lines that begin in column indent; the first goes on where column
 * says. What comes behind. */
static const char *print_wrapped(const char *text, size_t column, size_t indent)
{
    size_t most = width();
    if (column > indent) {
        (void)puts("");
        column = 0;
    }
    while (*text && strncmp(text, "\n\n", 2) != 0) {
        size_t length = strcspn(text, " \n");
        if (column > indent && column + 1 + length > most) {
            (void)puts("");
            column = 0;
        }
        column += (size_t)printf("%*s%.*s", column < indent ? (int)(indent - column) : column > indent, "",
                                 (int)length, text);
        text += length;
        text += (*text == ' ' || (*text == '\n' && text[1] != '\n'));
    }
    (void)puts("");
    return text + strspn(text, "\n");
}

static void print_paragraphs(const char *text)
{
    while (*text) {
        (void)puts("");
        text = print_wrapped(text, 0, 0);
    }
}

static void print_pair(const char *left, const char *text, size_t indent)
{
    size_t column = (size_t)printf("  %s ", left);
    (void)print_wrapped(text, column + 1 > indent ? indent + 1 : column, indent);
}

static void print_heading(const char *heading)
{
    (void)printf("\n%s%s:%s\n", ctl_style(CTL_BOLD), heading, ctl_style(CTL_PLAIN));
}

/* Lines, each behind two blanks. */
static void print_lines(const char *text)
{
    while (*text) {
        size_t length = strcspn(text, "\n");
        (void)printf("  %.*s\n", (int)length, text);
        text += length + (text[length] != 0);
    }
}

static void print_verbs(const struct ctl_noun *noun)
{
    for (const struct ctl_verb *verb = noun->verbs; verb->run; verb++) {
        char name[CTL_VERB_NAME_MAX];
        ctl_verb_name(name, verb);
        print_pair(name, verb->summary, SUMMARY_LEFT);
    }
}

void ctl_help_all(void)
{
    (void)puts("Usage: nitro-signer-ctl [--log-format=" CTL_LOG_FORMATS "] VERB [options]\n"
               "       nitro-signer-ctl VERB --help\n\n"
               "The operator's tool of nitro-signer.");
    print_heading("Verbs");
    for (size_t i = 0; i < ctl_num_nouns; i++)
        print_verbs(&ctl_nouns[i]);
    print_pair("help [NOUN [VERB]]", "this, or the help of a verb", SUMMARY_LEFT);
    print_heading("Every verb takes");
    print_lines("--output=text|json   how results are printed; errors stay lines on standard error\n"
                "--color=auto|always|never\n"
                "--help, --version");
    print_heading("Exit status");
    print_lines("0  done\n1  failed, with a sentence on standard error\n"
                "2  the command line is wrong, and nothing was done\n"
                "3  status: the signer answers, and is not well");
}

void ctl_help_noun(const struct ctl_noun *noun)
{
    (void)printf("Usage: nitro-signer-ctl %s VERB [options]\n\n%s\n", noun->name, noun->summary);
    print_heading("Verbs");
    print_verbs(noun);
}

static void print_options(const struct option *table, size_t num_options)
{
    print_heading("Options");
    for (size_t i = 0; i < num_options; i++) {
        char left[96];
        options_shape(left, sizeof left, &table[i]);
        print_pair(left, options_help(&table[i]), LEFT);
    }
    print_pair("--help", "show this help and exit", LEFT);
    print_pair("--version", "show the version and exit", LEFT);
}

void ctl_help_verb(const struct ctl_verb *verb, const struct option *table, size_t num_options)
{
    char name[CTL_VERB_NAME_MAX];
    ctl_verb_name(name, verb);
    (void)printf("Usage: nitro-signer-ctl %s [options]%s%s\n", name, verb->operands_text ? " " : "",
                 verb->operands_text ? verb->operands_text : "");
    print_paragraphs(verb->description);
    print_options(table, num_options);
    print_heading("With --output=json");
    (void)print_wrapped(verb->json, 0, 2);
    if (verb->statuses) {
        print_heading("Exit status");
        (void)print_wrapped(verb->statuses, 0, 2);
    }
    print_heading("Examples");
    print_lines(verb->examples);
}

/* ---- the verb help ---- */

typedef void write_text(FILE *out);

static must_check result write_file(const char *folder, const char *name, write_text *write,
                                    const struct ctl_noun *noun)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--share: the path is too long");
    for (char *at = path + 1; (at = strchr(at, '/')); at++) {
        *at = 0;
        int failed = mkdir(path, 0755) != 0 && errno != EEXIST;
        ENSURE(!failed, E_IO, "%s: %s", path, strerror(errno));
        *at = '/';
    }
    FILE *out = fopen(path, "we");
    ENSURE(out, E_IO, "%s: %s", path, strerror(errno));
    if (noun)
        ctl_manual_noun(out, noun);
    else
        write(out);
    bool failed = ferror(out) != 0;
    failed = fclose(out) != 0 || failed;
    ENSURE(!failed, E_IO, "%s: cannot be written", path);
    return RESULT_OK;
}

/* As Debian's packages have them below /usr/share. */
static must_check result write_share(const char *folder)
{
    TRY(write_file(folder, "man/man1/nitro-signer-ctl.1", ctl_manual, NULL));
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        char name[80];
        (void)snprintf(name, sizeof name, "man/man1/nitro-signer-ctl-%s.1", ctl_nouns[i].name);
        TRY(write_file(folder, name, NULL, &ctl_nouns[i]));
    }
    TRY(write_file(folder, "bash-completion/completions/nitro-signer-ctl", ctl_complete_bash, NULL));
    TRY(write_file(folder, "zsh/site-functions/_nitro-signer-ctl", ctl_complete_zsh, NULL));
    return write_file(folder, "fish/vendor_completions.d/nitro-signer-ctl.fish", ctl_complete_fish, NULL);
}

static void print_form(const char *form, const struct ctl_noun *noun)
{
    if (strcmp(form, "bash") == 0)
        ctl_complete_bash(stdout);
    else if (strcmp(form, "zsh") == 0)
        ctl_complete_zsh(stdout);
    else if (strcmp(form, "fish") == 0)
        ctl_complete_fish(stdout);
    else if (noun)
        ctl_manual_noun(stdout, noun);
    else
        ctl_manual(stdout);
}

static void see_and_print(void *verb, const struct option *table, size_t num_options)
{
    ctl_help_verb(verb, table, num_options);
}

static must_check result help_on_words(struct ctl_call *call, char *const *words, const char *form)
{
    int num_words = 0, taken = 0;
    while (words[num_words])
        num_words++;
    const struct ctl_noun *noun = num_words ? ctl_noun_find(words[0]) : NULL;
    const struct ctl_verb *verb = ctl_verb_find(&taken, num_words, words);
    call->is_usage_error = num_words > 0 && (!noun || (num_words > 1 && taken != num_words));
    ENSURE(!call->is_usage_error, E_INPUT, "there is no such verb (see nitro-signer-ctl --help)");
    if (form)
        print_form(form, noun);
    else if (verb)
        ctl_verb_options(verb, see_and_print, (void *)(uintptr_t)verb);
    else if (noun)
        ctl_help_noun(noun);
    else
        ctl_help_all();
    return RESULT_OK;
}

result ctl_help(struct ctl_call *call)
{
    const char *form = NULL, *share = NULL;
    const struct option table[] = {
        {"format", OPTION_CHOICE, &form, "man|bash|zsh|fish a manual page, or what a shell completes", 0, 0},
        {"share", OPTION_FOLDER, &share, "write all of these there, as below /usr/share", 0, 0},
    };
    char *const *words;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &words));
    return share ? write_share(share) : help_on_words(call, words, form);
}
