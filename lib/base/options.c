/* options.c - getopt_long would do the splitting, but not types, ranges or help; with those
 * around it the table walker below is the shorter program. */
#include "base/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/version.h"

static void print_help(const struct option *table, size_t num_options, const char *usage)
{
    static const char *const shapes[] = {"=TEXT", "", "=N", "=TEXT ..."};
    (void)printf("Usage: %s\n\nOptions:\n", usage);
    for (size_t i = 0; i < num_options; i++) {
        char left[64];
        (void)snprintf(left, sizeof left, "--%s%s", table[i].name, shapes[table[i].kind]);
        (void)printf("  %-42s %s\n", left, table[i].help);
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

static must_check result store(const struct option *option, const char *value)
{
    switch (option->kind) {
    case OPTION_TEXT:
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
            (void)puts("nitro-signer " NITRO_SIGNER_VERSION);
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
