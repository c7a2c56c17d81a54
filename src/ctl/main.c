/* main.c - nitro-signer-ctl, the operator's tool. ctl_verbs.c has the table of verbs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/process_limits.h"
#include "base/version.h"
#include "ctl_help.h"
#include "ctl_terminal.h"

static const struct ctl_verb help_verb = {.noun = "help",
                                          .run = ctl_help,
                                          .summary = "help on a verb, or on all",
                                          .operands = CTL_ANY_WORDS,
                                          .operands_text = "[NOUN [VERB]]",
                                          .description =
                                              "Prints the help of a verb, of a noun's, or a list of all.",
                                          .json = "nothing: help is text",
                                          .examples = "nitro-signer-ctl help keys generate\n"
                                                      "source <(nitro-signer-ctl help --format=bash)"};

/* What was printed is the result: a policy document that a full disk cut short must not look made. */
static must_check result finish_output(void)
{
    bool printed = fflush(stdout) == 0 && !ferror(stdout);
    ENSURE(printed, E_IO, "standard output: cannot be written");
    return RESULT_OK;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

static int no_such_verb(const char *noun)
{
    if (noun && ctl_noun_find(noun))
        log_error("%s: there is no such verb (see nitro-signer-ctl %s --help)", noun, noun);
    else
        log_error("there is no such verb (see --help)");
    return PROGRAM_EXIT_USAGE;
}

static void print_version(void)
{
    char line[VERSION_LINE_MAX];
    version_line(line, "nitro-signer-ctl");
    (void)puts(line);
}

/* Words that are a question; -1: they are none. */
static int answer(int num_words, char *const words[])
{
    if (num_words == 1 && is_help(words[0]))
        ctl_help_all();
    else if (num_words == 1 && strcmp(words[0], "--version") == 0)
        print_version();
    else if (num_words == 2 && is_help(words[1]) && ctl_noun_find(words[0]) &&
             ctl_noun_find(words[0])->verbs[0].verb)
        ctl_help_noun(ctl_noun_find(words[0]));
    else
        return -1;
    return finish_output().code ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run(struct ctl_call *call)
{
    result r = process_harden();
    if (!r.code)
        r = call->verb->run(call);
    if (call->was_described || !r.code)
        r = finish_output();
    free(call->operands);
    if (r.code)
        log_error("%s", error_text());
    int failed = call->exit_status ? call->exit_status : EXIT_FAILURE;
    return call->is_usage_error ? PROGRAM_EXIT_USAGE : r.code ? failed : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    static const char log_format[] = "--log-format=";
    log_open("nitro-signer-ctl", LOG_LEVEL_INFO);
    ctl_terminal_use_colors(NULL);
    if (argc > 1 && strncmp(argv[1], log_format, sizeof log_format - 1) == 0) {
        enum log_format format;
        if (log_format_parse(&format, argv[1] + sizeof log_format - 1).code) {
            log_error("--log-format: %s", error_text());
            return PROGRAM_EXIT_USAGE;
        }
        log_set_format(format);
        argc--;
        argv++;
    }
    int answered = answer(argc - 1, argv + 1), num_words = 1;
    if (answered >= 0)
        return answered;
    const struct ctl_verb *verb = ctl_verb_find(&num_words, argc - 1, argv + 1);
    if (!verb && argc > 1 && strcmp(argv[1], help_verb.noun) == 0)
        verb = &help_verb;
    if (!verb)
        return no_such_verb(argc > 1 ? argv[1] : NULL);
    struct ctl_call call = {.argc = argc - num_words, .argv = argv + num_words, .verb = verb};
    return run(&call);
}
