/* ctl_manual.c - manual pages in the macros of man(7), which every system's man reads. */
#include <string.h>

#include "base/version.h"
#include "ctl_help.h"

/* Of the last change that readers should know of; not of the build, whose bytes depend on nothing else. */
#define MANUAL_DATE "2026-11-23"

enum { LINE_MOST = 72 };

/* Text of ours as groff takes it literally; begins: at the beginning of a line. */
static void put(FILE *out, const char *text, size_t length, bool begins)
{
    for (const char *c = text; c < text + length; c++) {
        if (begins && (*c == '.' || *c == '\''))
            (void)fputs("\\&", out);
        if (*c == '-' || *c == '\\')
            (void)fputs(*c == '-' ? "\\-" : "\\e", out);
        else
            (void)fputc(*c, out);
        begins = *c == '\n';
    }
}

static void put_text(FILE *out, const char *text)
{
    put(out, text, strlen(text), true);
}

/* Paragraphs, filled, in lines that the page's own text keeps short; an empty line is between two. */
static void put_paragraphs(FILE *out, const char *text)
{
    size_t column = 0;
    while (*text) {
        size_t length = strcspn(text, " \n");
        if (column > 0 && (column + length >= LINE_MOST || *text == '\n')) {
            (void)fputs(*text == '\n' ? "\n.PP\n" : "\n", out);
            column = 0;
        }
        if (length > 0 && column > 0)
            (void)fputc(' ', out);
        if (length > 0)
            put(out, text, length, column == 0);
        column += length + (length > 0);
        text += length + (text[length] != 0);
    }
    (void)fputc('\n', out);
}

/* As it is, in a typewriter's letters. */
static void put_verbatim(FILE *out, const char *text)
{
    (void)fputs(".RS 4\n.nf\n", out);
    put_text(out, text);
    (void)fputs("\n.fi\n.RE\n", out);
}

static void put_tagged(FILE *out, const char *tag, const char *text)
{
    (void)fputs(".TP\n.B ", out);
    put_text(out, tag);
    (void)fputc('\n', out);
    put_paragraphs(out, text);
}

static void put_head(FILE *out, const char *page, const char *summary)
{
    (void)fputs(".TH ", out);
    for (const char *c = page; *c; c++)
        (void)fputc(*c >= 'a' && *c <= 'z' ? *c - 32 : *c, out);
    (void)fprintf(out, " 1 \"" MANUAL_DATE "\" \"nitro-signer %s\" \"nitro-signer\"\n.SH NAME\n",
                  version_number);
    put_text(out, page);
    (void)fputs(" \\- ", out);
    put_text(out, summary);
    (void)fputs("\n", out);
}

static void put_synopsis(FILE *out, const struct ctl_verb *verb)
{
    char name[CTL_VERB_NAME_MAX];
    ctl_verb_name(name, verb);
    (void)fputs(".B nitro\\-signer\\-ctl ", out);
    put_text(out, name);
    (void)fputs("\n[options]", out);
    if (verb->operands_text) {
        (void)fputc(' ', out);
        put_text(out, verb->operands_text);
    }
    (void)fputc('\n', out);
}

static void see_options(void *out, const struct option *table, size_t num_options)
{
    for (size_t i = 0; i < num_options; i++) {
        char shape[96];
        options_shape(shape, sizeof shape, &table[i]);
        put_tagged(out, shape, options_help(&table[i]));
    }
}

static void put_verb(FILE *out, const struct ctl_verb *verb)
{
    char name[CTL_VERB_NAME_MAX];
    ctl_verb_name(name, verb);
    (void)fputs(".SH ", out);
    for (char *c = name; *c; c++)
        *c = (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c);
    put_text(out, name);
    (void)fputc('\n', out);
    put_paragraphs(out, verb->description);
    (void)fputs(".SS Options\n", out);
    ctl_verb_options(verb, see_options, out);
    (void)fputs(".SS With \\-\\-output=json\n", out);
    put_paragraphs(out, verb->json);
    if (verb->statuses) {
        (void)fputs(".SS Exit status\n", out);
        put_paragraphs(out, verb->statuses);
    }
    (void)fputs(".SS Examples\n", out);
    put_verbatim(out, verb->examples);
}

static const char exit_statuses[] = ".TP\n0\ndone\n"
                                    ".TP\n1\nfailed, with a sentence on standard error\n"
                                    ".TP\n2\nthe command line is wrong, and nothing was done\n"
                                    ".TP\n3\nof status: the signer answers, and is not well\n";

void ctl_manual_noun(FILE *out, const struct ctl_noun *noun)
{
    char page[64];
    (void)snprintf(page, sizeof page, "nitro-signer-ctl-%s", noun->name);
    put_head(out, page, noun->summary);
    (void)fputs(".SH SYNOPSIS\n", out);
    for (const struct ctl_verb *verb = noun->verbs; verb->run; verb++) {
        (void)fputs(verb > noun->verbs ? ".br\n" : "", out);
        put_synopsis(out, verb);
    }
    for (const struct ctl_verb *verb = noun->verbs; verb->run; verb++)
        put_verb(out, verb);
    (void)fprintf(out, ".SH EXIT STATUS\n%s", exit_statuses);
    (void)fputs(".SH SEE ALSO\n.BR nitro\\-signer\\-ctl (1)\n", out);
}

static void put_output_section(FILE *out)
{
    (void)fputs(".SH OUTPUT\n", out);
    put_paragraphs(
        out,
        "Results are on standard output: text, which is for people and may change, or with --output=json\n"
        "one JSON value with the members that the verb's page names. Members may be added, and none goes\n"
        "or changes its meaning before the version says so. A verb that prints a document which others\n"
        "read (a policy, a certificate, an image's measurements) prints that as text.\n"
        "\n"
        "Errors and warnings are lines on standard error in both cases; --log-format=json before the verb\n"
        "makes them JSON. When a verb fails, nothing or what is known so far is on standard output.\n"
        "\n"
        "On a terminal long work shows a bar on standard error, and some words have colours: not with\n"
        "--color=never, with NO_COLOR set, or where TERM is dumb.");
}

static void put_secrets_section(FILE *out)
{
    (void)fputs(".SH SECRETS\n", out);
    put_paragraphs(
        out,
        "No option takes a secret as its value, and none is taken from the environment but AWS's\n"
        "credentials, by AWS's variables, which are wiped once read. Mnemonics, passwords and tokens come\n"
        "from a descriptor (--NAME-fd) or a file (--NAME-file), or else are asked for on the terminal,\n"
        "without echo; a new password twice.");
}

void ctl_manual(FILE *out)
{
    put_head(out, "nitro-signer-ctl", "the operator's tool of nitro-signer");
    (void)fputs(".SH SYNOPSIS\n.B nitro\\-signer\\-ctl\n[\\-\\-log\\-format=" CTL_LOG_FORMATS
                "] VERB [options]\n"
                ".br\n.B nitro\\-signer\\-ctl\nhelp [NOUN [VERB]]\n",
                out);
    (void)fputs(".SH DESCRIPTION\n", out);
    put_paragraphs(
        out, "Makes, lists and moves validator keys, makes and checks what an enclave is started with, and\n"
             "operates a stack of enclaves on AWS from the outside.");
    (void)fputs(".SH VERBS\n", out);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        for (const struct ctl_verb *verb = ctl_nouns[i].verbs; verb->run; verb++) {
            char name[CTL_VERB_NAME_MAX];
            ctl_verb_name(name, verb);
            put_tagged(out, name, verb->summary);
        }
    }
    put_output_section(out);
    put_secrets_section(out);
    (void)fprintf(out, ".SH EXIT STATUS\n%s.SH SEE ALSO\n", exit_statuses);
    for (size_t i = 0; i < ctl_num_nouns; i++) {
        (void)fputs(".BR nitro\\-signer\\-ctl\\-", out);
        put_text(out, ctl_nouns[i].name);
        (void)fprintf(out, " (1)%s\n", i + 1 < ctl_num_nouns ? "," : "");
    }
}
