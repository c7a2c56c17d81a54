/* watchdog_nitro_cli.h - what nitro-cli is asked and what it answers, as text: command lines, JSON on its
 * standard output, error codes on its standard error. No process, no clock. */
#ifndef WATCHDOG_WATCHDOG_NITRO_CLI_H
#define WATCHDOG_WATCHDOG_NITRO_CLI_H

#include "base/buffer.h"

enum {
    WATCHDOG_CLI_WORDS_MAX = 20,
    WATCHDOG_CLI_ID_MAX = 127,
    WATCHDOG_CLI_NAME_MAX = 127,
    WATCHDOG_CLI_ENCLAVES_MAX = 64,
    WATCHDOG_CLI_PCR0_LEN = 96 /* hexadecimal digits */
};

/* The enclave that is wanted; texts are not owned. */
struct watchdog_cli_enclave {
    const char *program; /* nitro-cli: a path, or a name to be looked for in PATH */
    const char *eif, *name;
    uint32_t cpu_count, memory_mib, cid;
    bool debug_mode;
};

/* A command line; its words point into it and into the enclave. */
struct watchdog_cli_command {
    char *words[WATCHDOG_CLI_WORDS_MAX + 1]; /* ends with NULL */
    char numbers[3][16];
    size_t num_words;
};
void watchdog_cli_describe(struct watchdog_cli_command *out, const struct watchdog_cli_enclave *enclave);
void watchdog_cli_run(struct watchdog_cli_command *out, const struct watchdog_cli_enclave *enclave);
/* id must outlive the command. */
void watchdog_cli_terminate(struct watchdog_cli_command *out, const struct watchdog_cli_enclave *enclave,
                            const char *id);

/* One enclave as run-enclave or describe-enclaves tells of it. */
struct watchdog_cli_described {
    char id[WATCHDOG_CLI_ID_MAX + 1];
    char name[WATCHDOG_CLI_NAME_MAX + 1];
    uint32_t cid;
    bool running;                         /* State RUNNING; of run-enclave, which has none, true */
    bool debug_mode;                      /* of describe-enclaves only */
    char pcr0[WATCHDOG_CLI_PCR0_LEN + 1]; /* lower case; "" when it is not told */
};

/* The answer of run-enclave. E_PEER when it is not of the documented form. */
must_check result watchdog_cli_read_run(struct watchdog_cli_described *ret_described,
                                        const struct buffer *output);
/* Finds the enclave of that name in the answer of describe-enclaves; *ret_found says whether there is one,
 * and with id (not NULL) it must be that one. E_PEER as above. */
must_check result watchdog_cli_read_describe(struct watchdog_cli_described *ret_described, bool *ret_found,
                                             const struct buffer *output, const char *name, const char *id);
/* The answer of terminate-enclave, an object, or since 1.4.3 an array of them: whether that enclave was
 * terminated. E_PEER as above. */
must_check result watchdog_cli_read_terminate(bool *ret_terminated, const struct buffer *output,
                                              const char *id);

/* What to do after a failure. */
enum watchdog_cli_cure {
    WATCHDOG_CLI_RETRY,   /* after a pause: it may pass by itself */
    WATCHDOG_CLI_OPERATOR /* it will not: somebody has to change the configuration */
};

struct watchdog_cli_failure {
    char code[4];         /* "E22"; "" when there was none */
    const char *sentence; /* what it means here, and what helps */
    enum watchdog_cli_cure cure;
};
/* From the first "[ Enn ]" on standard error. Never fails. */
void watchdog_cli_failure(struct watchdog_cli_failure *out, const struct buffer *errors);

#endif
