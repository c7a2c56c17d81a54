/* ctl_derive.c - keys derive: from a mnemonic to public keys, or to keystores and deposit data as the staking
 * deposit tools write them. No network and no KMS: for a machine without either. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_key_items.h"
#include "ctl_key_maker.h"
#include "ctl_parallel.h"

enum { AT_ONCE = 16 };

struct options {
    struct ctl_key_options keys;
    struct ctl_secret_source password;
    const char *out;
    uint32_t jobs;
};

/* One key; its outcome and sentence are its own, since a thread made it. */
struct work {
    const struct run *run;
    uint32_t index;
    char path[CTL_KEY_PATH_MAX];
    uint8_t pubkey[BLS_PUBKEY_LEN];
    struct buffer keystore, deposit;
    result outcome;
    char text[256];
};

struct run {
    struct options options;
    struct ctl_key_maker maker;
    struct secret password;
    struct ctl_key_report report;
    struct buffer deposits;
    struct work works[AT_ONCE];
    unsigned long long began; /* seconds since 1970: in the files' names */
};

static void work_cleanup(struct work *work)
{
    buffer_cleanup(&work->keystore);
    buffer_cleanup(&work->deposit);
}

static void run_cleanup(struct run *run)
{
    ctl_key_maker_cleanup(&run->maker);
    secret_cleanup(&run->password);
    ctl_key_report_cleanup(&run->report);
    buffer_cleanup(&run->deposits);
    for (size_t i = 0; i < AT_ONCE; i++)
        work_cleanup(&run->works[i]);
}

static must_check result make(struct work *work)
{
    const struct ctl_key_maker *maker = &work->run->maker;
    AUTO(secret) key = {0};
    TRY(ctl_key_maker_derive(maker, &key, work->path, work->pubkey, work->index));
    if (!work->run->options.out)
        return RESULT_OK;
    TRY(ctl_key_maker_deposit(maker, &work->deposit, &key, work->index));
    return ctl_key_maker_keystore_under(maker, &work->keystore, &work->run->password, &key, work->path);
}

static void make_one(void *works, size_t number)
{
    struct work *work = (struct work *)works + number;
    work->outcome = make(work);
    (void)snprintf(work->text, sizeof work->text, "%s", work->outcome.code ? error_text() : "");
}

/* As the deposit tools name it: keystore-m_12381_3600_0_0_0-1700000000.json. */
static must_check result write_keystore(const struct run *run, const struct work *work)
{
    char name[CTL_KEY_PATH_MAX], path[PATH_MAX];
    (void)snprintf(name, sizeof name, "%s", work->path);
    for (char *at = name; (at = strchr(at, '/'));)
        *at = '_';
    int length = snprintf(path, sizeof path, "%s/keystore-%s-%llu.json", run->options.out, name, run->began);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    return file_write(path, work->keystore.data, work->keystore.length, 0600);
}

/* The inside of the list. */
static must_check result keep_deposit(struct buffer *deposits, const struct buffer *list)
{
    if (deposits->length > 0)
        TRY(buffer_append_text(deposits, ","));
    return buffer_append(deposits, list->data + 1, list->length - 2);
}

static must_check result finish_one(struct run *run, struct work *work)
{
    char digits[2 * BLS_PUBKEY_LEN + 1];
    if (work->outcome.code)
        return error_set((enum error_code)work->outcome.code, "%s: %s", work->path, work->text);
    if (run->options.out) {
        TRY(write_keystore(run, work));
        TRY(keep_deposit(&run->deposits, &work->deposit));
    }
    hex_encode(digits, work->pubkey, sizeof work->pubkey);
    TRY(ctl_key_report_add(&run->report, work->path, digits));
    work_cleanup(work);
    return RESULT_OK;
}

static must_check result make_all(struct run *run)
{
    const struct ctl_key_options *o = &run->options.keys;
    for (uint32_t done = 0; done < o->count;) {
        uint32_t num = o->count - done < AT_ONCE ? o->count - done : AT_ONCE;
        for (uint32_t i = 0; i < num; i++)
            run->works[i] = (struct work){.run = run, .index = o->first + done + i};
        TRY(ctl_parallel(make_one, run->works, num, run->options.jobs));
        for (uint32_t i = 0; i < num; i++)
            TRY(finish_one(run, &run->works[i]));
        done += num;
    }
    return RESULT_OK;
}

static must_check result write_deposits(const struct run *run)
{
    char path[PATH_MAX];
    AUTO(buffer) list = {0};
    int length = snprintf(path, sizeof path, "%s/deposit_data-%llu.json", run->options.out, run->began);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    TRY(buffer_printf(&list, "[%s]", (const char *)run->deposits.data));
    return file_write(path, list.data, list.length, 0644);
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.keys = CTL_KEY_DEFAULTS, .password = {.fd = CTL_NO_FD}};
    o->keys.count = 1;
    const struct option table[] = {
        {"count", OPTION_U32, &o->keys.count, "how many validators (1)", 1, CTL_KEYS_MAX},
        CTL_MNEMONIC_ROWS(o->keys),
        {"out", OPTION_FOLDER, &o->out, "folder for keystores and deposit data (none: public keys alone)", 0,
         0},
        CTL_SECRET_ROWS(o->password, "password", "the keystores' password"),
        {"jobs", OPTION_U32, &o->jobs, "keys made at once (one a processor)", 1, AT_ONCE},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    call->is_usage_error = !o->out && (o->password.fd != CTL_NO_FD || o->password.file || o->keys.kdf);
    ENSURE(!call->is_usage_error, E_INPUT, "--out: required with --password-fd, --password-file and --kdf");
    return RESULT_OK;
}

result ctl_keys_derive(struct ctl_call *call)
{
    AUTO(run) run = {.began = clock_realtime_ms() / 1000};
    TRY(parse_options(&run.options, call));
    const struct options *o = &run.options;
    TRY(ctl_key_maker_interpret(&run.maker, call, &o->keys, false));
    TRY(ctl_secrets_open());
    TRY(ctl_key_maker_begin(&run.maker, call, true));
    if (o->out) {
        TRY(ctl_secret_get(&run.password, call, &o->password, "password", true));
        ENSURE(mkdir(o->out, 0700) == 0 || errno == EEXIST, E_IO, "%s: %s", o->out, strerror(errno));
    }
    ctl_key_report_begin(&run.report, call, o->keys.count);
    TRY(make_all(&run));
    if (o->out)
        TRY(write_deposits(&run));
    return ctl_key_report_end(&run.report);
}
