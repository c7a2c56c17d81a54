/* ctl_common.c - options, files and secrets, as every verb needs them. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/secret_allocators.h"
#include "ctl.h"
#include "eth2/eth2_config.h"
#include "json/json.h"

enum { SECURE_HEAP = 1 << 20, NETWORK_FILE_MAX = 1 << 20 };

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

static must_check result network_from_file(struct eth2_network *ret_network, const char *path)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, path, NETWORK_FILE_MAX));
    return eth2_network_from_yaml(ret_network, (const char *)text.data, text.length);
}

result ctl_network(struct eth2_network *ret_network, const char *name_or_file)
{
    result r = eth2_network_by_name(ret_network, name_or_file);
    if (r.code == E_NOT_FOUND)
        r = network_from_file(ret_network, name_or_file);
    return r.code ? error_prefix(r, "--network: neither a known name nor a usable configuration file") : r;
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
