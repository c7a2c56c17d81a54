/* signer_interchange.c - the command line of Web3Signer becomes that of nitro-signer-interchange.
 *
 * exec and not a child: there is nothing left to supervise, and signals and exit status need no
 * passing on. */
#include "signer_interchange.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/file_io.h"
#include "process/process.h"

static const char program[] = "nitro-signer-interchange";

/* A verb and at most two options beside the store (DynamoDB has six) and the level. */
struct words {
    char text[12][PROCESS_PATH_MAX + 32];
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

/* URL, user and password, as interchange_store.h has them. They fit into a pipe, so nobody need read yet. */
static must_check result write_address(int fd, const struct signer_options *o)
{
    AUTO(secret) password = {0};
    TRY(signer_store_password(&password, &o->store));
    const char *const texts[] = {o->store.url, o->store.username,
                                 password.length ? (const char *)password.data : NULL};
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++)
        total += texts[i] ? strlen(texts[i]) + 1 : 1;
    ENSURE(total <= PIPE_BUF, E_TOO_LARGE, "--slashing-protection-db-url: too long");
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        const char *text = texts[i] ? texts[i] : "";
        TRY(file_write_full(fd, text, strlen(text) + 1));
    }
    return RESULT_OK;
}

/* Its secrets are in files. */
static must_check result add_table(struct words *words, const struct signer_store_options *o)
{
    struct policy policy = {.store_kind = POLICY_STORE_NONE};
    TRY(signer_store_policy(&policy, o));
    TRY(add(words, "--dynamodb-table=%s", policy_store_place(&policy)));
    if (policy_store_account(&policy))
        TRY(add(words, "--dynamodb-account=%s", policy_store_account(&policy)));
    TRY(add(words, "--dynamodb-region=%s", o->region));
    TRY(add(words, "--aws-credentials-file=%s", o->credentials_file));
    if (o->key_file)
        TRY(add(words, "--dynamodb-key-file=%s", o->key_file));
    return o->identity ? add(words, "--dynamodb-identity=%s", o->identity) : RESULT_OK;
}

/* The reading end is for what this process becomes, the only one that inherits it. */
static must_check result add_store(struct words *words, const struct signer_options *o)
{
    int ends[2];
    if (o->store.table)
        return add_table(words, &o->store);
    if (!o->store.url)
        return add(words, "--store=%s", o->store.path);
    ENSURE(pipe(ends) == 0, E_IO, "pipe: %s", strerror(errno));
    result r = write_address(ends[1], o);
    (void)close(ends[1]);
    TRY(r);
    return add(words, "--database-fd=%d", ends[0]);
}

static must_check result compose(struct words *words, const struct signer_options *o)
{
    switch (o->command) {
    case SIGNER_SERVE:
        break;
    case SIGNER_IMPORT:
        TRY(add(words, "import"));
        TRY(add(words, "--from=%s", o->from));
        return add_store(words, o);
    case SIGNER_EXPORT:
        TRY(add(words, "export"));
        TRY(add(words, "--to=%s", o->to));
        return add_store(words, o);
    case SIGNER_REPAIR:
    case SIGNER_SET_HIGH:
        TRY(add(words, "%s", o->command == SIGNER_REPAIR ? "repair" : "set-high-watermark"));
        TRY(add(words, "--epoch=%" PRIu64, o->epoch));
        TRY(add(words, "--slot=%" PRIu64, o->slot));
        return add_store(words, o);
    case SIGNER_REMOVE_HIGH:
        TRY(add(words, "remove-high-watermark"));
        return add_store(words, o);
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
    TRY(add(&words, "--log-format=%s", log_format_name(options->log_format)));
    for (size_t i = 0; i < words.num_words; i++)
        argv[i] = words.text[i];
    (void)execv(path, argv);
    FAIL(E_IO, "%s: %s", path, strerror(errno));
}
