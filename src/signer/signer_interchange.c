/* signer_interchange.c - the command line of Web3Signer becomes that of nitro-signer-interchange.
 *
 * exec and not a child: there is nothing left to supervise, and signals and exit status need no
 * passing on. */
#include "signer_interchange.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "process/process.h"

static const char program[] = "nitro-signer-interchange";

/* A verb and at most two options beside the store and the level. */
struct words {
    char text[6][PROCESS_PATH_MAX + 32];
    size_t num_words;
};

static must_check result add(struct words *words, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static must_check result add(struct words *words, const char *format, ...)
{
    ENSURE(words->num_words < ARRAY_LENGTH(words->text), E_INTERNAL, "too many arguments");
    char *word = words->text[words->num_words];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(word, sizeof words->text[0], format, arguments);
    va_end(arguments);
    ENSURE(length >= 0 && (size_t)length < sizeof words->text[0], E_TOO_LARGE, "an argument is too long");
    words->num_words++;
    return RESULT_OK;
}

static must_check result compose(struct words *words, const struct signer_options *o)
{
    switch (o->command) {
    case SIGNER_SERVE:
        break;
    case SIGNER_IMPORT:
        TRY(add(words, "import"));
        TRY(add(words, "--from=%s", o->from));
        return add(words, "--store=%s", o->slashing_protection_db_path);
    case SIGNER_EXPORT:
        TRY(add(words, "export"));
        TRY(add(words, "--to=%s", o->to));
        return add(words, "--store=%s", o->slashing_protection_db_path);
    case SIGNER_REPAIR:
    case SIGNER_SET_HIGH:
        TRY(add(words, "%s", o->command == SIGNER_REPAIR ? "repair" : "set-high-watermark"));
        TRY(add(words, "--epoch=%" PRIu64, o->epoch));
        TRY(add(words, "--slot=%" PRIu64, o->slot));
        return add(words, "--store=%s", o->slashing_protection_db_path);
    case SIGNER_REMOVE_HIGH:
        TRY(add(words, "remove-high-watermark"));
        return add(words, "--store=%s", o->slashing_protection_db_path);
    }
    FAIL(E_INTERNAL, "serving is not an interchange");
}

result signer_interchange_become(const struct signer_options *options)
{
    static struct words words;
    static char path[PROCESS_PATH_MAX];
    char *argv[ARRAY_LENGTH(words.text) + 1] = {NULL};
    TRY(process_sibling_path(path, program));
    TRY(add(&words, "%s", program));
    TRY(compose(&words, options));
    TRY(add(&words, "--log-level=%s", log_level_name(options->log_level)));
    for (size_t i = 0; i < words.num_words; i++)
        argv[i] = words.text[i];
    (void)execv(path, argv);
    FAIL(E_IO, "%s: %s", path, strerror(errno));
}
