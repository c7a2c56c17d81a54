/* ctl_complete_fish.c - what fish completes: a line an option, each on the condition that its verb is there.
 */
#include <string.h>

#include "ctl_help.h"

static const char functions[] =
    "# Whether the words before the one that is typed are these, options of no verb aside.\n"
    "function __nitro_signer_ctl_at\n"
    "    set -l words (commandline -opc | string match -v -- '--log-format*')\n"
    "    set -e words[1]\n"
    "    test (count $words) -ge (count $argv); or return 1\n"
    "    test (count $argv) -eq 0; or test (string join ' ' -- $words[1..(count $argv)]) = (string join ' ' "
    "-- $argv)\n"
    "end\n"
    "# The same, and no other behind them.\n"
    "function __nitro_signer_ctl_needs\n"
    "    set -l words (commandline -opc | string match -v -- '--log-format*')\n"
    "    test (count $words) -eq (math 1 + (count $argv)); and __nitro_signer_ctl_at $argv\n"
    "end\n"
    "\n"
    "complete -c nitro-signer-ctl -f\n"
    "complete -c nitro-signer-ctl -l help -d 'show help'\n"
    "complete -c nitro-signer-ctl -l version -d 'show the version'\n";

/* Within '...'. */
static void put_described(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

struct page {
    FILE *out;
    const struct ctl_verb *verb;
};

static void begin(const struct page *page, const char *function_name)
{
    (void)fprintf(page->out, "complete -c nitro-signer-ctl -n '__nitro_signer_ctl_%s %s%s%s'", function_name,
                  page->verb->noun, page->verb->verb ? " " : "", page->verb->verb ? page->verb->verb : "");
}

static void put_choices(FILE *out, const char *words)
{
    for (; *words && *words != ' '; words++)
        (void)fputc(*words == '|' ? ' ' : *words, out);
}

static void put_action(FILE *out, const struct option *option)
{
    switch (option->kind) {
    case OPTION_FLAG:
        return;
    case OPTION_FILE:
        (void)fputs(" -r -F", out);
        return;
    case OPTION_FOLDER:
        (void)fputs(" -x -a '(__fish_complete_directories (commandline -ct | string replace -r -- "
                    "\"^--[^=]*=\" \"\"))'",
                    out);
        return;
    case OPTION_CHOICE:
        (void)fputs(" -x -a '", out);
        put_choices(out, option->help);
        (void)fputs("'", out);
        return;
    case OPTION_TEXT:
    case OPTION_U32:
    case OPTION_LIST:
        (void)fputs(" -x", out);
        return;
    }
}

static void see(void *context, const struct option *table, size_t num_options)
{
    const struct page *page = context;
    for (size_t i = 0; i < num_options; i++) {
        begin(page, "at");
        (void)fprintf(page->out, " -l %s", table[i].name);
        put_action(page->out, &table[i]);
        (void)fputs(" -d '", page->out);
        put_described(page->out, options_help(&table[i]));
        (void)fputs("'\n", page->out);
    }
}

static void put_word(FILE *out, const char *condition, const char *word, const char *summary)
{
    (void)fprintf(out, "complete -c nitro-signer-ctl -n '__nitro_signer_ctl_needs%s%s' -a %s -d '",
                  *condition ? " " : "", condition, word);
    put_described(out, summary);
    (void)fputs("'\n", out);
}

static void put_verb(FILE *out, const struct ctl_verb *verb)
{
    struct page page = {out, verb};
    if (verb->verb)
        put_word(out, verb->noun, verb->verb, verb->summary);
    if (verb->operands == CTL_ONE_FILE || verb->operands == CTL_FILES) {
        begin(&page, "at");
        (void)fputs(" -F\n", out);
    }
    ctl_verb_options(verb, see, &page);
}

void ctl_complete_fish(FILE *out)
{
    (void)fprintf(
        out,
        "# What fish completes for nitro-signer-ctl. Written by nitro-signer-ctl help --format=fish.\n\n%s",
        functions);
    (void)fputs("complete -c nitro-signer-ctl -n __nitro_signer_ctl_needs -l log-format -x -a '", out);
    put_choices(out, CTL_LOG_FORMATS);
    (void)fputs("' -d '" CTL_LOG_FORMAT_HELP "'\n", out);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        put_word(out, "", ctl_nouns[i].name, ctl_nouns[i].summary);
        put_word(out, "help", ctl_nouns[i].name, ctl_nouns[i].summary);
        for (const struct ctl_verb *verb = ctl_nouns[i].verbs; verb->run; verb++)
            put_verb(out, verb);
    }
    put_word(out, "", "help", "help on a verb");
}
