/* ctl_common.c - options, files and secrets, as every verb needs them. */
#include <errno.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/secret_allocators.h"
#include "ctl.h"
#include "json/json.h"

enum { SECURE_HEAP = 1 << 20, PASSWORD_RANDOM_LEN = 24 };

result ctl_parse(struct ctl_call *call, const struct option *table, size_t num_options, const char *usage,
                 int num_operands, char *const **ret_operands)
{
    int next;
    call->is_usage_error = true;
    TRY(options_parse(&next, table, num_options, usage, call->argc, call->argv));
    ENSURE(call->argc - next == num_operands || (num_operands < 0 && call->argc > next), E_INPUT, "usage: %s",
           usage);
    call->is_usage_error = false;
    *ret_operands = call->argv + next;
    return RESULT_OK;
}

result ctl_require(struct ctl_call *call, const void *value, const char *name)
{
    call->is_usage_error = !value;
    ENSURE(value, E_INPUT, "--%s: required", name);
    return RESULT_OK;
}

result ctl_secrets_open(void)
{
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    json_set_alloc_funcs(secret_malloc, secret_free);
    return RESULT_OK;
}

result ctl_address(struct net_address *ret_address, struct ctl_call *call, const char *text, const char *name)
{
    result r = net_address_parse(ret_address, text);
    call->is_usage_error = r.code != 0;
    return r.code ? error_prefix(r, "--%s", name) : r;
}

result ctl_region_of_key(char *out, size_t out_capacity, const char *arn, const char *name)
{
    const char *at = strncmp(arn, "arn:", 4) == 0 ? strchr(arn + 4, ':') : NULL;
    at = at ? strchr(at + 1, ':') : NULL;
    size_t length = at ? strcspn(at + 1, ":") : 0;
    ENSURE(length > 0 && length < out_capacity, E_INPUT, "--%s: must be arn:aws:kms:REGION:ACCOUNT:key/ID",
           name);
    memcpy(out, at + 1, length);
    out[length] = 0;
    return RESULT_OK;
}

result ctl_random(struct secret *ret_bytes, size_t length)
{
    AUTO(secret) bytes = {0};
    TRY(secret_new(&bytes, length));
    ENSURE(RAND_priv_bytes(bytes.data, (int)length) == 1, E_CRYPTO, "no randomness");
    *ret_bytes = bytes;
    bytes = (struct secret){0};
    return RESULT_OK;
}

result ctl_make_password(struct secret *ret_password)
{
    AUTO(secret) bytes = {0};
    TRY(ctl_random(&bytes, PASSWORD_RANDOM_LEN));
    return base64_secret(ret_password, bytes.data, bytes.length);
}

result ctl_reveal(int fd, const char *name, const char *text)
{
    TRY(file_write_full(fd, name, strlen(name)));
    TRY(file_write_full(fd, " ", 1));
    TRY(file_write_full(fd, text, strlen(text)));
    return file_write_full(fd, "\n", 1);
}

result ctl_make_folder(const char *directory, const char *name)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    ENSURE(mkdir(directory, 0755) == 0 || errno == EEXIST, E_IO, "%s: %s", directory, strerror(errno));
    ENSURE(mkdir(path, 0755) == 0 || errno == EEXIST, E_IO, "%s: %s", path, strerror(errno));
    return RESULT_OK;
}

void ctl_now(char out[static 21])
{
    struct tm utc;
    time_t now = (time_t)(clock_realtime_ms() / 1000);
    (void)gmtime_r(&now, &utc);
    (void)strftime(out, 21, "%Y-%m-%dT%H:%M:%SZ", &utc);
}
