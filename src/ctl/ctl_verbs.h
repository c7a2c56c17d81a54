/* ctl_verbs.h - the one table of all verbs: help, manual pages and completion of words are made of it and of
 * the option tables that the verbs parse with. */
#ifndef CTL_CTL_VERBS_H
#define CTL_CTL_VERBS_H

#include "ctl.h"

/* Beside 0, done; 1, failed; and 2, the command line is wrong and nothing was done. */
enum { CTL_EXIT_UNHEALTHY = 3 };

enum ctl_operands { CTL_NO_OPERANDS, CTL_ONE_FILE, CTL_FILES, CTL_WORDS, CTL_ANY_WORDS };

struct ctl_verb {
    const char *noun, *verb; /* verb NULL: one word is all */
    result (*run)(struct ctl_call *call);
    const char *summary;        /* one line, without a full stop */
    enum ctl_operands operands; /* CTL_FILES, CTL_WORDS: one or more; CTL_ANY_WORDS: or none */
    const char *operands_text;  /* as in the synopsis; NULL: none */
    const char *description;    /* lines of at most 79 characters; an empty line begins a paragraph */
    const char *json;           /* what --output=json prints */
    const char *statuses;       /* of the exit status, what is more than the common; NULL: nothing */
    const char *examples;       /* lines of shell, comments among them */
};

/* A noun has a page of the manual. */
struct ctl_noun {
    const char *name, *summary;
    const struct ctl_verb *verbs; /* the last has no run */
};

/* In the order of help. */
extern const struct ctl_noun ctl_nouns[];
extern const size_t ctl_num_nouns;
/* NULL: there is none of that name. */
const struct ctl_noun *ctl_noun_find(const char *name);

/* "keys generate", "status". */
enum { CTL_VERB_NAME_MAX = 40 };
void ctl_verb_name(char out[static CTL_VERB_NAME_MAX], const struct ctl_verb *verb);

/* The verb that the first words name, and how many words it took; NULL: there is none. */
const struct ctl_verb *ctl_verb_find(int *ret_num_words, int num_words, char *const words[]);

/* Calls see with the options of the verb, those that all have among them. */
typedef void ctl_see_options(void *context, const struct option *table, size_t num_options);
void ctl_verb_options(const struct ctl_verb *verb, ctl_see_options *see, void *context);

/* Of ctl_nouns; their texts are in ctl_verbs_*.c. */
extern const struct ctl_verb ctl_verbs_keys[], ctl_verbs_tls[], ctl_verbs_access[], ctl_verbs_policy[],
    ctl_verbs_image[], ctl_verbs_attest[], ctl_verbs_slashing[], ctl_verbs_service[], ctl_verbs_instances[],
    ctl_verbs_status[], ctl_verbs_sign_test[];

#endif
