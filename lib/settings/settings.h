/* settings.h - the options of a program that, like Web3Signer, takes them from its command line, from
 * environment variables and from a YAML file: --http-listen-port=9000, WEB3SIGNER_HTTP_LISTEN_PORT=9000,
 * "http-listen-port: 9000". Command line before environment before file before default.
 *
 * A program with subcommands has a scope for each: path "eth2" makes --network of that scope
 * WEB3SIGNER_ETH2_NETWORK and "eth2.network". (base/options.h is for our other programs, which have a
 * command line alone.)
 */
#ifndef SETTINGS_SETTINGS_H
#define SETTINGS_SETTINGS_H

#include <stdint.h>
#include <stdio.h>

#include "base/result.h"
#include "yaml/yaml_read.h"

enum setting_kind {
    SETTING_TEXT, /* target: const char * */
    SETTING_LIST, /* target: const char *, separated by commas; may be given many times, and as YAML list */
    SETTING_FLAG, /* target: bool; --name, --name=true or --name true, and false */
    SETTING_BOOLEAN, /* target: bool; true or false must be said */
    SETTING_U32      /* target: uint32_t, decimal, from low to high */
};

enum setting_use {
    SETTING_USED,
    SETTING_COMMAND_LINE_ONLY, /* used; a variable or key of its name is ignored with a warning */
    SETTING_STOPS,             /* like --help: reading the command line ends behind it */
    SETTING_IGNORED,           /* given: one warning, whose reason is help */
    SETTING_REFUSED            /* given as anything but initial: an error, whose sentence is help */
};

struct setting {
    const char *group; /* title over this row and those after it, in help; NULL: as the row before */
    const char *name;  /* without dashes */
    const char *alias; /* NULL: none */
    char letter;       /* -l; 0: none */
    enum setting_kind kind;
    enum setting_use use;
    const char *initial; /* the default as text; NULL: none, the target is not touched */
    const char *shape;   /* of its value, in help: FILE; NULL: after its kind */
    const char *help;
    size_t offset;       /* of the target in the program's own struct */
    uint32_t low, high;  /* SETTING_U32 */
    bool exists;         /* names a file or folder that must be there: settings_check_files */
    bool secret;         /* never shown */
    const char *instead; /* of a secret: the option that should be used; NULL: none */
};

enum setting_origin { SETTING_BY_DEFAULT, SETTING_BY_FILE, SETTING_BY_ENVIRONMENT, SETTING_BY_COMMAND_LINE };

struct setting_value {
    const char *text; /* NULL: not given */
    enum setting_origin origin;
};

enum { SETTINGS_ROWS_MAX = 96, SETTINGS_SCOPES_MAX = 6, SETTINGS_TEXTS_MAX = 64, SETTINGS_NAME_MAX = 128 };

struct settings_scope {
    const char *path; /* "", "eth2", "eth2.export" */
    const struct setting *rows;
    size_t num_rows;
    struct setting_value values[SETTINGS_ROWS_MAX];
};

/* Texts that were applied live as long as this does. */
struct settings {
    struct settings_scope scopes[SETTINGS_SCOPES_MAX];
    size_t num_scopes;
    void (*warn)(const char *text); /* one line */
    struct yaml_file file;
    char *texts[SETTINGS_TEXTS_MAX];
    size_t num_texts;
};
void settings_cleanup(struct settings *s);

/* Reads leading options until the first word that is none, which *ret_next indexes. *ret_stop is the row
 * with SETTING_STOPS that ended it, else NULL. E_INPUT names an option that is unknown (with the nearest
 * name), given twice, or without its value. */
must_check result settings_take_words(struct settings *s, int *ret_next, const struct setting **ret_stop,
                                      size_t scope, int argc, char *const argv[]);

/* Fills in what was not on the command line. Variables that begin with WEB3SIGNER_ and mean nothing are told
 * by warn when they resemble one that does. environment ends with NULL, as environ does; it is not kept. */
must_check result settings_take_environment(struct settings *s, char *const environment[]);

/* Wipes the secrets that came from this process's environment, and takes them out of it, so that no child
 * inherits them. */
void settings_forget_environment(const struct settings *s);

/* Fills in what is still missing, from a YAML file. E_INPUT names a key that is unknown, nested, or there
 * twice; keys that begin with ignored_prefix (NULL: none) are ignored with a warning each. A secret in a file
 * that others may read is warned of. */
must_check result settings_take_file(struct settings *s, const char *path, const char *ignored_prefix);

/* Writes the values, or defaults, of a scope into the struct at base. E_INPUT names the option, variable or
 * key whose value is wrong; values are not echoed. */
must_check result settings_apply(const struct settings *s, size_t scope, void *base);

/* E_INPUT names a value of this scope whose file or folder is not there, or not for us to read. */
must_check result settings_check_files(const struct settings *s, size_t scope);

/* NULL when no such option was given; otherwise where it was: "--name", a variable, a key. */
const char *settings_given(const struct settings *s, size_t scope, const char *name);

/* The value in force, as text: given or by default; NULL when there is neither. */
const char *settings_text(const struct settings *s, size_t scope, const char *name);

/* The groups with their options; the default of each; the names alone of those without effect. */
void settings_print_help(FILE *out, const struct settings_scope *scope, const char *usage);

/* The values in force, as a YAML file that says the same, each with its origin. Secrets are masked, in
 * comments. */
void settings_print_values(FILE *out, const struct settings_scope *scope);

/* Whether word, of a command line, is an option of this scope. */
bool settings_has(const struct settings_scope *scope, const char *word);

#endif
