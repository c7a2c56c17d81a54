/* fuzz_operator.c - small files and answers on a host: AWS's profiles, credentials as JSON, events of the
 * Lambda function, what nitro-cli prints. What is taken has its form and ends; the two readers of a profile
 * agree on whether there is one.
 *
 * The first byte says which reader. */
#include <sys/mman.h>
#include <unistd.h>

#include "aws/aws_credentials_file.h"
#include "fuzz.h"
#include "fuzz_secret.h"
#include "lambda/lambda_event.h"
#include "watchdog/watchdog_nitro_cli.h"

static char path[64];

static void check_credentials(bool accepted, const struct aws_credentials *credentials)
{
    PROMISE(accepted == (credentials->secret_access_key.length > 0) &&
            accepted == (*credentials->access_key_id != 0));
    for (const char *at = credentials->access_key_id; *at; at++)
        PROMISE(*at > ' ' && *at < 0x7f);
}

static void try_profile(void)
{
    AUTO(aws_credentials) credentials = {.access_key_id = ""};
    char region[AWS_REGION_MAX + 1] = "";
    check_credentials(fuzz_accepted(aws_profile_read(&credentials, path, "default")), &credentials);
    if (fuzz_accepted(aws_profile_region(region, path, "default")))
        PROMISE(*region && !strpbrk(region, "./:@?# \r\n"));
}

static void try_credentials(void)
{
    AUTO(aws_credentials) credentials = {.access_key_id = ""};
    check_credentials(fuzz_accepted(aws_credentials_read(&credentials, path)), &credentials);
}

static void try_event(struct buffer *text)
{
    enum lambda_operation operation;
    if (fuzz_accepted(lambda_event_parse(&operation, text)))
        PROMISE(memmem(text->data, text->length, lambda_operation_name(operation), 7) ||
                memchr(text->data, '\\', text->length));
}

static void check_described(const struct watchdog_cli_described *described)
{
    PROMISE(*described->id && memchr(described->id, 0, sizeof described->id));
    PROMISE(memchr(described->name, 0, sizeof described->name));
    size_t length = strlen(described->pcr0);
    PROMISE((length == 0 || length == WATCHDOG_CLI_PCR0_LEN) &&
            strspn(described->pcr0, "0123456789abcdef") == length);
}

static void try_nitro_cli(const struct buffer *text)
{
    struct watchdog_cli_described described, same;
    struct watchdog_cli_failure failure;
    bool found = false, again = false, terminated = false;
    if (fuzz_accepted(watchdog_cli_read_run(&described, text)))
        check_described(&described);
    if (fuzz_accepted(watchdog_cli_read_describe(&described, &found, text, "signer", NULL)) && found) {
        check_described(&described);
        PROMISE(strcmp(described.name, "signer") == 0);
        PROMISE(watchdog_cli_read_describe(&same, &again, text, "signer", described.id).code == 0 && again);
        PROMISE(strcmp(same.id, described.id) == 0);
    }
    (void)fuzz_accepted(watchdog_cli_read_terminate(&terminated, text, "i-1"));
    watchdog_cli_failure(&failure, text);
    PROMISE(failure.sentence && *failure.sentence && (failure.code[0] == 0 || failure.code[0] == 'E'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    AUTO(buffer) text = {0};
    if (fd < 0) {
        fuzz_open_secret_heap();
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    if (size < 2)
        return 0;
    PROMISE(ftruncate(fd, 0) == 0 && pwrite(fd, data + 1, size - 1, 0) == (ssize_t)size - 1);
    PROMISE(buffer_append(&text, data + 1, size - 1).code == 0);
    fuzz_forget_reason();
    switch (data[0] % 4) {
    case 0:
        try_profile();
        break;
    case 1:
        try_credentials();
        break;
    case 2:
        try_event(&text);
        break;
    default:
        try_nitro_cli(&text);
    }
    return 0;
}
