/* fuzz_enclave_words.c - the kernel's command line as PID 1 of an enclave reads it. Its first bytes are the
 * image's, which PCR0 covers; what stands behind them may be the host's. What is accepted is made of words
 * that stand in the line, none twice, and is understood as the options that were meant; the parent's number
 * is in every address that follows it. */
#include <unistd.h>

#include "base/file_io.h"
#include "enclave/enclave_options.h"
#include "fuzz.h"

static void check_words(const struct enclave_words *words, const char *line, size_t line_len)
{
    PROMISE(words->argc >= 1 && words->argc <= ENCLAVE_WORDS_MAX + 1 && !words->argv[words->argc]);
    for (int i = 1; i < words->argc; i++) {
        const char *word = words->argv[i];
        size_t name_len = strcspn(word, "=");
        PROMISE(strncmp(word, "--", 2) == 0 && word[name_len] == '=' && word[name_len + 1]);
        PROMISE(memmem(line, line_len, word + 2, strlen(word + 2)));
        for (int j = 1; j < i; j++)
            PROMISE(strncmp(words->argv[j], word, name_len + 1) != 0);
    }
}

static void check_authority(struct enclave_options *options)
{
    char path[32];
    AUTO(buffer) pem = {0};
    (void)snprintf(path, sizeof path, "/dev/shm/fuzz-pem-%d", (int)getpid());
    if (fuzz_accepted(enclave_options_write_authority(options, path)) && options->authority) {
        PROMISE(file_read(&pem, path, 4096).code == 0 && options->ca_file == path);
        PROMISE(memmem(pem.data, pem.length, "-----END CERTIFICATE-----\n", 26));
    }
    (void)unlink(path);
}

static void check_options(struct enclave_options *options)
{
    char parent[ENCLAVE_ADDRESS_MAX];
    (void)snprintf(parent, sizeof parent, "vsock:%u:", options->parent_cid);
    PROMISE(options->parent_cid >= 1 && options->signing_threads <= 16);
    PROMISE(options->kms_via != options->kms_address ||
            strncmp(options->kms_via, parent, strlen(parent)) == 0);
    PROMISE(options->dynamodb_via != options->dynamodb_address ||
            strncmp(options->dynamodb_via, parent, strlen(parent)) == 0);
    PROMISE(options->log != options->log_address || strncmp(options->log, parent, strlen(parent)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct enclave_words words;
    struct enclave_options options;
    char *line = fuzz_text(data, size);
    log_open("fuzz", LOG_LEVEL_ERROR);
    fuzz_forget_reason();
    bool accepted = fuzz_accepted(enclave_options_words(&words, line, size));
    check_words(&words, line, size);
    enclave_options_default(&options, true);
    bool understood = fuzz_accepted(enclave_options_parse(&options, words.argc, words.argv));
    check_options(&options);
    if (accepted && understood)
        check_authority(&options);
    free(line);
    return 0;
}
