/* ctl_common.c - options, files and secrets, as every verb needs them. */
#include <errno.h>
#include <limits.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/secret_allocators.h"
#include "ctl_help.h"
#include "ctl_terminal.h"
#include "json/json.h"

enum { SECURE_HEAP = 1 << 20, PASSWORD_RANDOM_LEN = 24, ROWS_MAX = 64 };

static must_check result take_words(struct ctl_call *call, int *ret_num, const struct option *rows,
                                    size_t num_rows)
{
    int num = 0;
    call->operands = calloc((size_t)call->argc + 1, sizeof *call->operands);
    ENSURE(call->operands, E_MEMORY, "out of memory");
    bool may_be_options = true;
    for (int i = 1; i < call->argc; i++) {
        int next;
        if (!may_be_options || strncmp(call->argv[i], "--", 2) != 0) {
            call->operands[num++] = call->argv[i];
            continue;
        }
        TRY(options_parse(&next, rows, num_rows, "", call->argc - i + 1, call->argv + i - 1));
        i += next - 2; /* the last word that it took */
        may_be_options = strcmp(call->argv[i], "--") != 0;
    }
    *ret_num = num;
    return RESULT_OK;
}

static bool is_right_number(const struct ctl_verb *verb, int num)
{
    switch (verb->operands) {
    case CTL_NO_OPERANDS:
        return num == 0;
    case CTL_ONE_FILE:
        return num == 1;
    case CTL_FILES:
    case CTL_WORDS:
        return num > 0;
    case CTL_ANY_WORDS:
        return true;
    }
    return false;
}

static bool asks_for_help(const struct ctl_call *call)
{
    for (int i = 1; i < call->argc && strcmp(call->argv[i], "--") != 0; i++) {
        if (strcmp(call->argv[i], "--help") == 0 || strcmp(call->argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static must_check result parse_rows(struct ctl_call *call, const struct option *rows, size_t num_rows)
{
    char name[CTL_VERB_NAME_MAX];
    int num;
    if (call->describe || asks_for_help(call)) {
        if (call->describe)
            call->describe(call->context, rows, num_rows);
        else
            ctl_help_verb(call->verb, rows, num_rows);
        call->was_described = true;
        FAIL(E_STATE, "described, not done");
    }
    call->is_usage_error = true;
    TRY(take_words(call, &num, rows, num_rows));
    ctl_verb_name(name, call->verb);
    ENSURE(is_right_number(call->verb, num), E_INPUT, "usage: nitro-signer-ctl %s [options] %s", name,
           call->verb->operands_text ? call->verb->operands_text : "");
    call->is_usage_error = false;
    return RESULT_OK;
}

result ctl_parse(struct ctl_call *call, const struct option *table, size_t num_options,
                 char *const **ret_operands)
{
    const char *output = "text", *color = "auto";
    const struct option common[] = {
        {"output", OPTION_CHOICE, &output, "text|json how results are printed (text)", 0, 0},
        {"color", OPTION_CHOICE, &color,
         "auto|always|never colours; auto: on a terminal, unless NO_COLOR is set (auto)", 0, 0},
    };
    struct option rows[ROWS_MAX];
    ENSURE(num_options + ARRAY_LENGTH(common) <= ROWS_MAX, E_INTERNAL, "too many options");
    if (num_options > 0)
        memcpy(rows, table, num_options * sizeof *rows);
    memcpy(rows + num_options, common, sizeof common);
    TRY(parse_rows(call, rows, num_options + ARRAY_LENGTH(common)));
    call->json = strcmp(output, "json") == 0;
    ctl_terminal_use_colors(color);
    *ret_operands = call->operands;
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
