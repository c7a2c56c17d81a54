/* fuzz_plain_http.c - answers that come over libcurl without lib/aws's client: the instance's metadata, a
 * Vault's, Lambda's runtime. Parts of the input, each behind 0xff, are the bodies one after the other; the
 * first byte of each says the status. What is taken out of an answer has its form; of an answer that is
 * refused nothing is taken.
 *
 * libcurl's functions are wrapped: what it would hand to the writer comes from the input. */
#include <stdarg.h>

#include "aws/aws_imds.h"
#include "fetcher/fetcher_answer.h"
#include "fetcher/fetcher_vault.h"
#include "fuzz.h"
#include "fuzz_secret.h"
#include "lambda/lambda_runtime.h"

enum { PIECE = 200 };

static const uint8_t *left;
static size_t left_len;
static long status;
static size_t (*writer)(char *bytes, size_t size, size_t count, void *context);
static void *context;
static struct fuzz_part values[2]; /* of Lambda's two headers */

CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...);
CURLcode __wrap_curl_easy_setopt(CURL *curl, CURLoption option, ...)
{
    va_list arguments;
    (void)curl;
    va_start(arguments, option);
    if (option == CURLOPT_WRITEFUNCTION)
        writer = va_arg(arguments, size_t(*)(char *, size_t, size_t, void *));
    if (option == CURLOPT_WRITEDATA)
        context = va_arg(arguments, void *);
    va_end(arguments);
    return CURLE_OK;
}

static long status_of(uint8_t byte)
{
    static const long statuses[] = {200, 200, 200, 200, 401, 403, 404, 500};
    return statuses[byte % ARRAY_LENGTH(statuses)];
}

CURLcode __wrap_curl_easy_perform(CURL *curl);
CURLcode __wrap_curl_easy_perform(CURL *curl)
{
    (void)curl;
    if (left_len == 0)
        return CURLE_COULDNT_CONNECT;
    struct fuzz_part part = fuzz_next_part(&left, &left_len);
    status = part.size > 0 ? status_of(part.data[0]) : 200;
    for (size_t at = 1; at < part.size; at += PIECE) {
        char bytes[PIECE];
        size_t length = part.size - at < PIECE ? part.size - at : PIECE;
        memcpy(bytes, part.data + at, length);
        if (writer(bytes, 1, length, context) != length)
            return CURLE_WRITE_ERROR;
    }
    return CURLE_OK;
}

CURLcode __wrap_curl_easy_getinfo(CURL *curl, CURLINFO info, ...);
CURLcode __wrap_curl_easy_getinfo(CURL *curl, CURLINFO info, ...)
{
    va_list arguments;
    (void)curl;
    PROMISE(info == CURLINFO_RESPONSE_CODE);
    va_start(arguments, info);
    *va_arg(arguments, long *) = status;
    va_end(arguments);
    return CURLE_OK;
}

CURLHcode __wrap_curl_easy_header(CURL *curl, const char *name, size_t index, unsigned origin, int request,
                                  struct curl_header **ret_header);
CURLHcode __wrap_curl_easy_header(CURL *curl, const char *name, size_t index, unsigned origin, int request,
                                  struct curl_header **ret_header)
{
    static struct curl_header header;
    static char value[512];
    (void)curl, (void)index, (void)origin, (void)request;
    const struct fuzz_part *part = &values[strstr(name, "Deadline") != NULL];
    if (part->size == 0 || part->size >= sizeof value)
        return CURLHE_MISSING;
    memcpy(value, part->data, part->size);
    value[part->size] = 0;
    header = (struct curl_header){.value = value, .amount = 1};
    *ret_header = &header;
    return CURLHE_OK;
}

static void try_imds(void)
{
    struct aws_imds *imds = NULL;
    AUTO(aws_credentials) credentials = {.access_key_id = ""};
    uint64_t expires_ms = 0;
    PROMISE(aws_imds_open(&imds, &(struct aws_imds_config){.attempts = 2, .attempt_timeout_ms = 1}).code ==
            0);
    bool got = fuzz_accepted(aws_imds_credentials(&credentials, &expires_ms, imds));
    PROMISE(got == (credentials.secret_access_key.length > 0) && got == (*credentials.access_key_id != 0));
    PROMISE(!got || expires_ms > 0);
    aws_imds_close(imds);
}

/* What the loader would be told. */
static unsigned num_answers;
static bool has_value;
result fetcher_answer_outcome(int loader, uint32_t id, result outcome, const struct secret *value)
{
    (void)loader;
    num_answers++;
    has_value = fuzz_accepted(outcome);
    PROMISE(id == 7 && has_value == (value->data != NULL));
    return RESULT_OK;
}

result fetcher_hosts_find(struct fetcher_hosts *hosts, struct net_address *ret_address, const char *host,
                          uint32_t port)
{
    (void)hosts, (void)host, (void)port;
    return net_address_parse(ret_address, "tcp:127.0.0.1:1");
}

void fetcher_hosts_note(struct fetcher_hosts *hosts, const struct net_address *address, result r)
{
    (void)hosts, (void)address, (void)r;
}

static struct ipc_bytes bytes_of(const char *text)
{
    return (struct ipc_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

static void try_vault(bool by_role)
{
    static struct fetcher fetcher;
    AUTO(fetcher_vault) vault = {0};
    struct ipc_fetch fetch = {.id = 7, .kind = IPC_FETCH_VAULT, .port = 8200, .timeout_ms = 1};
    for (size_t i = 0; i < IPC_FETCH_TEXTS; i++)
        fetch.texts[i] = bytes_of("");
    fetch.texts[IPC_FETCH_HOST] = bytes_of("localhost");
    fetch.texts[IPC_FETCH_PATH] = bytes_of("/v1/secret/data/k");
    fetch.texts[IPC_FETCH_MEMBER] = bytes_of("value");
    if (by_role) {
        fetch.texts[IPC_FETCH_ROLE] = bytes_of("role");
        fetch.texts[IPC_FETCH_ROLE_TOKEN] = bytes_of("token");
        fetch.texts[IPC_FETCH_ROLE_PATH] = bytes_of("kubernetes");
    } else {
        fetch.texts[IPC_FETCH_TOKEN] = bytes_of("token");
    }
    num_answers = 0;
    PROMISE(fetcher_vault_fetch(&fetcher, &vault, &fetch).code == 0 && num_answers == 1);
}

static void try_lambda(void)
{
    AUTO(lambda_runtime) runtime = {0};
    AUTO(lambda_invocation) invocation = {0};
    long refused = 0;
    PROMISE(lambda_runtime_open(&runtime, "127.0.0.1:9001").code == 0);
    values[0] = fuzz_next_part(&left, &left_len);
    values[1] = fuzz_next_part(&left, &left_len);
    if (!fuzz_accepted(lambda_runtime_next(&runtime, &invocation, 1000)))
        return;
    PROMISE(*invocation.request_id && !strpbrk(invocation.request_id, "/?#% \r\n"));
    PROMISE(invocation.event.length <= 1000);
    AUTO(buffer) answer = {0};
    PROMISE(buffer_append_text(&answer, "{}").code == 0);
    if (fuzz_accepted(lambda_runtime_respond(&runtime, &refused, invocation.request_id, &answer)))
        PROMISE(refused == 0 || refused < 500);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_open_secret_heap();
    if (size < 1)
        return 0;
    left = data + 1;
    left_len = size - 1;
    fuzz_forget_reason();
    switch (data[0] % 4) {
    case 0:
        try_imds();
        break;
    case 1:
    case 2:
        try_vault(data[0] % 4 == 2);
        break;
    default:
        try_lambda();
    }
    return 0;
}
