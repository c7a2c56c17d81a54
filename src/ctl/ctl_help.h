/* ctl_help.h - the table of verbs (ctl_verbs.h) in the forms in which people and shells read it. */
#ifndef CTL_CTL_HELP_H
#define CTL_CTL_HELP_H

#include <stdio.h>

#include "ctl_verbs.h"

/* On standard output: all verbs; those of a noun; one with its options. */
void ctl_help_all(void);
void ctl_help_noun(const struct ctl_noun *noun);
void ctl_help_verb(const struct ctl_verb *verb, const struct option *table, size_t num_options);

/* ctl_manual.c: a page in the macros of man(7): nitro-signer-ctl(1), or that of a noun. */
void ctl_manual(FILE *out);
void ctl_manual_noun(FILE *out, const struct ctl_noun *noun);

/* What a shell completes, for it to read: ctl_complete_*.c. */
void ctl_complete_bash(FILE *out);
void ctl_complete_zsh(FILE *out);
void ctl_complete_fish(FILE *out);

/* The option that is before the verb, for all of these. */
#define CTL_LOG_FORMATS "plain|json|ecs|gcp|gelf|logstash"
#define CTL_LOG_FORMAT_HELP "how errors and what is logged are written (plain)"

#endif
