/* fuzz_fetcher_aws.c - keys out of AWS Secrets Manager on their way through the fetcher: what a key
 * configuration file asks for, what the service answers. Whatever that is, the loader gets messages that it
 * understands, of which exactly the latest is the last; a value is whole; and nobody is asked but the
 * endpoint that was named, or AWS's of the region.
 *
 * The first byte says whether one key is asked for or all; then parts, each behind 0xff: region, endpoint,
 * name, access key, secret key, and the answers (aws_answers.h). */
#include "aws_answers.h"
#include "fetcher/fetcher_answer.h"
#include "fetcher/fetcher_aws.h"
#include "fuzz.h"

enum { TEXT_MAX = 400, TEXTS = 5, THE_ID = 77 };

static char texts[TEXTS][TEXT_MAX + 1];
static size_t num_messages, num_last;
static bool is_within_value;

/* ---- around it ---- */

struct aws_client {
    char nothing;
};

result __wrap_aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config);
result __wrap_aws_client_open(struct aws_client **ret_client, const struct aws_client_config *config)
{
    PROMISE(*config->region && strlen(config->region) < 64 && strcmp(config->service, "secretsmanager") == 0);
    PROMISE(config->endpoint[strlen(config->endpoint) - 1] != '/' && config->response_max > 0);
    *ret_client = calloc(1, sizeof **ret_client);
    PROMISE(*ret_client);
    return RESULT_OK;
}

void __wrap_aws_client_close(struct aws_client *client);
void __wrap_aws_client_close(struct aws_client *client)
{
    free(client);
}

result fetcher_hosts_find(struct fetcher_hosts *hosts, struct net_address *ret_address, const char *name,
                          uint32_t port)
{
    (void)hosts;
    PROMISE(*name && port >= 1 && port <= 65535);
    if (texts[IPC_FETCH_ENDPOINT][0]) {
        PROMISE(strcasestr(texts[IPC_FETCH_ENDPOINT], name));
    } else {
        PROMISE(strncmp(name, "secretsmanager.", 15) == 0 && strstr(name, ".amazonaws.com"));
        PROMISE(strncmp(name + 15, texts[IPC_FETCH_REGION], strlen(texts[IPC_FETCH_REGION])) == 0);
    }
    *ret_address = (struct net_address){.port = port};
    return RESULT_OK;
}

void fetcher_hosts_note(struct fetcher_hosts *hosts, const struct net_address *address, result outcome)
{
    (void)hosts, (void)address, (void)outcome;
}

/* The loader. */
result __wrap_ipc_send(int fd, const uint8_t *packet, size_t packet_len, int descriptor);
result __wrap_ipc_send(int fd, const uint8_t *packet, size_t packet_len, int descriptor)
{
    struct ipc_message m;
    struct ipc_fetched fetched;
    (void)fd, (void)descriptor;
    PROMISE(num_last == 0);
    PROMISE(ipc_open(&m, packet, packet_len).code == 0 && m.type == IPC_FETCHED);
    PROMISE(ipc_take_fetched(&fetched, &m).code == 0 && fetched.id == THE_ID);
    PROMISE(!is_within_value || (!fetched.error && fetched.value.length));
    PROMISE(!fetched.error || fetched.value.length);
    is_within_value = fetched.is_part;
    num_messages++;
    num_last += fetched.is_last;
    return RESULT_OK;
}

/* ---- the input ---- */

static void take_texts(struct ipc_fetch *fetch, const uint8_t **data, size_t *size)
{
    for (size_t i = 0; i < TEXTS; i++) {
        struct fuzz_part part = fuzz_next_part(data, size);
        size_t length = part.size < TEXT_MAX ? part.size : TEXT_MAX;
        memset(texts[i], 0, sizeof texts[i]);
        if (length > 0)
            memcpy(texts[i], part.data, length);
        texts[i][strcspn(texts[i], "\r\n")] = 0;
        fetch->texts[i] = (struct ipc_bytes){(const uint8_t *)texts[i], (uint32_t)strlen(texts[i])};
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fetcher fetcher;
    static struct fetcher_settings settings;
    AUTO(fetcher_aws) aws = {.client = NULL};
    struct ipc_fetch fetch = {.id = THE_ID, .kind = IPC_FETCH_AWS};
    if (size < 1)
        return 0;
    const struct aws_credentials *credentials = aws_answers_credentials();
    bool all = data[0] % 2;
    data++, size--;
    take_texts(&fetch, &data, &size);
    settings =
        (struct fetcher_settings){texts[IPC_FETCH_REGION], texts[IPC_FETCH_ENDPOINT], "", "", "", false};
    fetcher.settings = &settings;
    if (!fetcher.aws_authorities.length)
        PROMISE(buffer_append_text(&fetcher.aws_authorities, "PEM").code == 0 &&
                aws_credentials_copy(&fetcher.access.specified, credentials).code == 0);
    num_messages = num_last = 0;
    is_within_value = false;
    fuzz_forget_reason();
    aws_answers_begin(data, size, aws_error_read);
    PROMISE(
        (all ? fetcher_aws_fetch_all(&fetcher, &fetch) : fetcher_aws_fetch(&fetcher, &aws, &fetch)).code ==
        0);
    PROMISE(num_last == 1 && !is_within_value && num_messages >= 1);
    return 0;
}
