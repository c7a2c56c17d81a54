/* ctl_complete_zsh.c - what zsh completes: an autoloaded function over _describe and _arguments. */
#include <string.h>

#include "ctl_help.h"

/* Within '...' and [...] of a specification. */
static void put_described(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            (void)fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            (void)fprintf(out, "\\%c", *text);
        else
            (void)fputc(*text, out);
    }
}

static void put_action(FILE *out, const struct option *option)
{
    switch (option->kind) {
    case OPTION_FLAG:
        return;
    case OPTION_FILE:
        (void)fputs(":file:_files", out);
        return;
    case OPTION_FOLDER:
        (void)fputs(":folder:_files -/", out);
        return;
    case OPTION_CHOICE:
        (void)fputs(":word:(", out);
        for (const char *c = option->help; *c && *c != ' '; c++)
            (void)fputc(*c == '|' ? ' ' : *c, out);
        (void)fputs(")", out);
        return;
    case OPTION_TEXT:
    case OPTION_U32:
    case OPTION_LIST:
        (void)fputs(":value: ", out);
        return;
    }
}

static void see(void *out, const struct option *table, size_t num_options)
{
    for (size_t i = 0; i < num_options; i++) {
        const struct option *option = &table[i];
        (void)fprintf(out, " \\\n        '%s--%s%s[", option->kind == OPTION_LIST ? "*" : "", option->name,
                      option->kind == OPTION_FLAG ? "" : "=");
        put_described(out, options_help(option));
        (void)fputs("]", out);
        put_action(out, option);
        (void)fputs("'", out);
    }
}

static void put_verb(FILE *out, const struct ctl_verb *verb)
{
    bool takes_files = verb->operands == CTL_ONE_FILE || verb->operands == CTL_FILES;
    (void)fprintf(out, "    '%s%s%s')\n        _arguments '--help[show help]' '--version[show the version]'",
                  verb->noun, verb->verb ? " " : "", verb->verb ? verb->verb : "");
    ctl_verb_options(verb, see, out);
    (void)fprintf(out, "%s ;;\n", takes_files ? " \\\n        '*:file:_files'" : "");
}

static void put_pair(FILE *out, const char *word, const char *summary)
{
    (void)fprintf(out, " \\\n            '%s:", word);
    put_described(out, summary);
    (void)fputc('\'', out);
}

void ctl_complete_zsh(FILE *out)
{
    (void)fputs(
        "#compdef nitro-signer-ctl\n"
        "# What zsh completes for nitro-signer-ctl. Written by nitro-signer-ctl help --format=zsh.\n\n"
        "local -a found\nlocal verb\nlocal -i taken=2\n"
        "[[ $words[2] == --log-format=* ]] && (( CURRENT > 2 )) && words[2]=() && (( CURRENT-- ))\n"
        "[[ $words[2] == help ]] && (( CURRENT > 2 )) && words[2]=() && (( CURRENT-- ))\n"
        "if (( CURRENT == 2 )); then\n    found=(",
        out);
    for (size_t i = 0; i < ctl_num_nouns; i++)
        put_pair(out, ctl_nouns[i].name, ctl_nouns[i].summary);
    put_pair(out, "help", "help on a verb");
    (void)fputs(")\n    if [[ $PREFIX == -* ]]; then\n        compadd -S '' -- --log-format=\n"
                "        compadd -- --help --version\n    else\n        _describe verb found\n    fi\n    "
                "return\nfi\n"
                "verb=$words[2]\ncase $verb in\n",
                out);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        const struct ctl_verb *verb = ctl_nouns[i].verbs;
        if (!verb->verb)
            continue;
        (void)fprintf(out, "    %s)\n        found=(", ctl_nouns[i].name);
        for (; verb->run; verb++)
            put_pair(out, verb->verb, verb->summary);
        (void)fputs(") ;;\n", out);
    }
    (void)fputs("esac\nif (( $#found )); then\n    if (( CURRENT == 3 )); then\n        _describe verb "
                "found\n        return\n"
                "    fi\n    verb+=\" $words[3]\"\n    taken=3\nfi\n"
                "words=(\"$verb\" \"${(@)words[taken+1,-1]}\")\n(( CURRENT -= taken - 1 ))\ncase $verb in\n",
                out);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        for (const struct ctl_verb *verb = ctl_nouns[i].verbs; verb->run; verb++)
            put_verb(out, verb);
    }
    (void)fputs("esac\n", out);
}
