/* options.c - getopt_long would do the splitting, but not types, ranges or help; with those
 * around it the table walker below is the shorter program. */
#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/version.h"

static size_t choice_length(const struct option *option)
{
    return option->kind == OPTION_CHOICE ? strcspn(option->help, " ") : 0;
}

const char *options_help(const struct option *option)
{
    const char *help = option->help + choice_length(option);
    return help + strspn(help, " ");
}

void options_shape(char *out, size_t out_capacity, const struct option *option)
{
    static const char *const shapes[] = {
        [OPTION_TEXT] = "=TEXT",     [OPTION_FLAG] = "",      [OPTION_U32] = "=N",
        [OPTION_LIST] = "=TEXT ...", [OPTION_FILE] = "=FILE", [OPTION_FOLDER] = "=FOLDER",
        [OPTION_CHOICE] = "="};
    (void)snprintf(out, out_capacity, "--%s%s%.*s", option->name, shapes[option->kind],
                   (int)choice_length(option), option->help);
}

static void print_help(const struct option *table, size_t num_options, const char *usage)
{
    (void)printf("Usage: %s\n\nOptions:\n", usage);
    for (size_t i = 0; i < num_options; i++) {
        char left[64];
        options_shape(left, sizeof left, &table[i]);
        (void)printf("  %-42s %s\n", left, options_help(&table[i]));
    }
    (void)printf("  %-42s %s\n  %-42s %s\n", "--help", "show this help and exit", "--version",
                 "show the version and exit");
}

result parse_u64(uint64_t *ret_value, const char *text)
{
    uint64_t value = 0;
    ENSURE(text[0] != 0, E_INPUT, "must be a decimal number");
    for (const char *c = text; *c; c++) {
        ENSURE(*c >= '0' && *c <= '9', E_INPUT, "must be a decimal number");
        unsigned d = (unsigned)(*c - '0');
        ENSURE(value <= (UINT64_MAX - d) / 10, E_INPUT, "must be below 2^64");
        value = value * 10 + d;
    }
    *ret_value = value;
    return RESULT_OK;
}

static must_check result store_flag(const struct option *option, const char *value)
{
    bool *target = option->target;
    if (!value || strcasecmp(value, "true") == 0)
        *target = true;
    else if (strcasecmp(value, "false") == 0)
        *target = false;
    else
        FAIL(E_INPUT, "--%s: must be true or false", option->name);
    return RESULT_OK;
}

/* The word is among those before the first blank of help, '|' between them. */
static bool is_choice(const struct option *option, const char *word)
{
    size_t word_len = strlen(word);
    const char *end = option->help + choice_length(option);
    for (const char *at = option->help; at < end;) {
        size_t length = strcspn(at, "| ");
        if (length == word_len && memcmp(at, word, length) == 0)
            return true;
        at += length + 1;
    }
    return false;
}

static must_check result store_choice(const struct option *option, const char *value)
{
    ENSURE(is_choice(option, value), E_INPUT, "--%s: must be one of %.*s", option->name,
           (int)choice_length(option), option->help);
    *(const char **)option->target = value;
    return RESULT_OK;
}

static must_check result store(const struct option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_CHOICE:
        return store_choice(option, value);
    case OPTION_TEXT:
    case OPTION_FILE:
    case OPTION_FOLDER:
        *(const char **)option->target = value;
        return RESULT_OK;
    case OPTION_FLAG:
        return store_flag(option, value);
    case OPTION_U32: {
        uint64_t number;
        result r = parse_u64(&number, value);
        if (r.code)
            return error_prefix(r, "--%s", option->name);
        ENSURE(number >= option->low && number <= option->high, E_INPUT, "--%s: must be from %u to %u",
               option->name, option->low, option->high);
        *(uint32_t *)option->target = (uint32_t)number;
        return RESULT_OK;
    }
    case OPTION_LIST: {
        struct option_list *list = option->target;
        ENSURE(list->num_values < OPTION_LIST_MAX, E_INPUT, "--%s: given too often", option->name);
        list->values[list->num_values++] = value;
        return RESULT_OK;
    }
    }
    FAIL(E_INTERNAL, "--%s: option table is wrong", option->name);
}

static const struct option *find(const struct option *table, size_t num_options, const char *name,
                                 size_t name_len)
{
    for (size_t i = 0; i < num_options; i++) {
        if (strlen(table[i].name) == name_len && memcmp(table[i].name, name, name_len) == 0)
            return &table[i];
    }
    return NULL;
}

bool options_has(const struct option *table, size_t num_options, const char *word)
{
    return strncmp(word, "--", 2) == 0 && find(table, num_options, word + 2, strcspn(word + 2, "="));
}

/* Picocli, which reads Web3Signer's command line, takes the word behind a flag for its value if it can be
 * one. */
static bool is_boolean(const char *word)
{
    return strcasecmp(word, "true") == 0 || strcasecmp(word, "false") == 0;
}

result options_parse(int *ret_next, const struct option *table, size_t num_options, const char *usage,
                     int argc, char *const argv[])
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = argv[i] + 2;
        if (*name == 0) {
            i++;
            break;
        }
        if (strcmp(name, "help") == 0) {
            print_help(table, num_options, usage);
            exit(0);
        }
        if (strcmp(name, "version") == 0) {
            char line[VERSION_LINE_MAX];
            version_line(line, usage);
            (void)puts(line);
            exit(0);
        }
        size_t name_len = strcspn(name, "=");
        const struct option *option = find(table, num_options, name, name_len);
        ENSURE(option, E_INPUT, "--%.*s: unknown option (see --help)", (int)name_len, name);
        const char *value = name[name_len] == '=' ? name + name_len + 1 : NULL;
        if (!value && option->kind == OPTION_FLAG)
            value = i + 1 < argc && is_boolean(argv[i + 1]) ? argv[++i] : NULL;
        else if (!value) {
            ENSURE(i + 1 < argc, E_INPUT, "--%s: needs a value", option->name);
            value = argv[++i];
        }
        TRY(store(option, value));
    }
    *ret_next = i;
    return RESULT_OK;
}
