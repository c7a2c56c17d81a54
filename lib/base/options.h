/* options.h - command lines: one table a program, --name=value or --name value, --help and
 * --version made from the table. A mistake is fatal and names the option. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdint.h>

#include "base/result.h"

enum option_kind {
    OPTION_TEXT, /* target: const char **, points into argv */
    OPTION_FLAG, /* target: bool *; --name, --name=true or --name true, and false */
    OPTION_U32,  /* target: uint32_t *, decimal, between low and high */
    OPTION_LIST, /* target: struct option_list *; may be given many times */
    /* The next three are texts of which more is known: for help, manual pages and completion of words. */
    OPTION_FILE,
    OPTION_FOLDER,
    OPTION_CHOICE /* one of the words that help begins with: "text|json how results are printed" */
};

enum { OPTION_LIST_MAX = 64 };

struct option_list {
    const char *values[OPTION_LIST_MAX];
    size_t num_values;
};

struct option {
    const char *name; /* without the dashes */
    enum option_kind kind;
    void *target;
    const char *help;
    uint32_t low, high; /* OPTION_U32 only */
};

/* Parses leading options until the first word that is none ("--" is eaten), which *ret_next
 * indexes. --help prints usage and the table and ends the process with 0; --version likewise.
 * E_INPUT names the offending option; values are not echoed. */
must_check result options_parse(int *ret_next, const struct option *table, size_t num_options,
                                const char *usage, int argc, char *const argv[]);

/* Whether word is an option of this table, with or without =value. */
bool options_has(const struct option *table, size_t num_options, const char *word);

/* --count=N, --out=FOLDER, --output=text|json, --sealed; cut to what fits. */
void options_shape(char *out, size_t out_capacity, const struct option *option);
/* What help says behind the words of a choice; of others all of it. */
const char *options_help(const struct option *option);

/* Strict decimal without sign, blanks or leading "+"; E_INPUT otherwise. */
must_check result parse_u64(uint64_t *ret_value, const char *text);

#define PROGRAM_EXIT_USAGE 2 /* as Web3Signer and most Unix tools */

#endif
