/* loader_files.c - files mode: what Web3Signer's options name, in Web3Signer's order. */
#include "loader_modes.h"

#include <string.h>

#include "base/log.h"
#include "base/secret_text.h"
#include "keystore/key_sources.h"
#include "loader_fetch.h"
#include "loader_pool.h"
#include "loader_progress.h"
#include "loader_proxies.h"
#include "loader_report.h"

enum {
    TLS_PASSWORD_MAX = 1024,
    KEYS_WORTH_A_TABLE = 64,
    JOBS_AHEAD = 4096 /* more keys than these are never open and unsent: the keeper may be slower */
};

static must_check result send_tls(struct loader_report *report, const char *keystore_path,
                                  const char *password_path)
{
    AUTO(secret) pkcs12 = {0}, password = {0};
    AUTO(loader_tls) tls = {0};
    TRY(secret_read_file(&pkcs12, keystore_path, LOADER_PKCS12_MAX));
    TRY(secret_read_file(&password, password_path, TLS_PASSWORD_MAX));
    secret_truncate(&password, secret_line_length(&password));
    result r = loader_tls_open(&tls, pkcs12.data, pkcs12.length, &password);
    if (r.code)
        return error_prefix(r, "%s", keystore_path);
    return loader_report_tls(report, &tls);
}

static must_check result send_store_key(struct loader_report *report, const char *path)
{
    AUTO(secret) key = {0};
    TRY(secret_read_file(&key, path, IPC_STORE_KEY_LEN));
    return loader_report_store_key(report, &key);
}

/* The first *ret_num_config are of key configuration files. */
static must_check result list_sources(struct key_sources *sources, struct loader_report *report,
                                      size_t *ret_num_config, const struct loader_settings *settings)
{
    if (settings->key_config_path) {
        loader_report_count(report, IPC_SOURCE_CONFIG_FILES);
        const struct key_folder folder = {settings->key_config_path, settings->key_config_file_max,
                                          settings->jobs};
        result r = key_sources_add_config_folder(sources, &folder);
        if (r.code)
            return error_prefix(r, "--key-config-path");
    }
    *ret_num_config = sources->num_items;
    if (settings->keystores_path) {
        loader_report_count(report, IPC_SOURCE_KEYSTORES);
        result r =
            key_sources_add_keystores(sources, settings->keystores_path, settings->keystores_passwords_path,
                                      settings->keystores_password_file);
        if (r.code)
            return error_prefix(r, "--keystores-path");
    }
    return RESULT_OK;
}

/* What a load works with, from the list of its sources on. */
struct load {
    const struct loader_settings *settings;
    struct loader_report *report;
    const struct key_sources *sources;
    size_t num_config; /* the first are of key configuration files */
    struct loader_pool pool;
    struct loader_fetch fetch; /* unopened without a fetcher */
    struct loader_progress progress;
};

static void load_cleanup(struct load *load)
{
    loader_progress_end(&load->progress);
    loader_fetch_cleanup(&load->fetch);
    loader_pool_cleanup(&load->pool);
}

static must_check result add_job(struct load *load, size_t number)
{
    const struct key_source *source = &load->sources->items[number];
    bool remote = source->kind == KEY_SOURCE_AWS || source->kind == KEY_SOURCE_VAULT;
    struct loader_job job = {.index = (uint32_t)number,
                             .kind = LOADER_JOB_SOURCE,
                             .source = source,
                             .remote = remote && load->fetch.open,
                             .counted_as =
                                 number < load->num_config ? IPC_SOURCE_CONFIG_FILES : IPC_SOURCE_KEYSTORES};
    return loader_pool_add(&load->pool, &job);
}

static must_check result load_sources(struct load *load)
{
    size_t num = load->sources->num_items, added = 0;
    load->progress = loader_progress_begin(load->settings->terminal, num);
    for (size_t i = 0; i < num; i++) {
        for (; added < num && added < i + JOBS_AHEAD; added++)
            TRY(add_job(load, added));
        TRY(loader_report_job(load->report, loader_pool_wait(&load->pool, i)));
        loader_progress_tell(&load->progress, load->report);
    }
    return RESULT_OK;
}

static must_check result load_all(struct loader_report *report, const struct key_sources *sources,
                                  size_t num_config, const struct loader_settings *settings)
{
    AUTO(load)
    load = {.settings = settings, .report = report, .sources = sources, .num_config = num_config};
    TRY(loader_pool_open(&load.pool, NULL, settings->jobs));
    if (sources->num_items >= KEYS_WORTH_A_TABLE)
        TRY(loader_pool_expect_many(&load.pool));
    if (settings->has_fetcher)
        TRY(loader_fetch_start(&load.fetch, &load.pool, LOADER_FETCHER_FD));
    TRY(load_sources(&load));
    if (settings->aws_secrets) {
        loader_report_count(report, IPC_SOURCE_AWS);
        load.progress.total = 0;
        TRY(loader_fetch_all(&load.fetch, report, &load.progress));
    }
    return loader_report_end(report);
}

result loader_run_files(int socket, const struct loader_settings *settings)
{
    AUTO(key_sources) sources = {0};
    AUTO(loader_report) report = {0};
    TRY(loader_report_open(&report, socket));
    report.tells_origins = settings->key_manager;
    if (settings->tls_keystore_file) {
        result r = send_tls(&report, settings->tls_keystore_file, settings->tls_keystore_password_file);
        if (r.code)
            return error_prefix(r, "--tls-keystore-file");
    }
    if (settings->slashing_protection_key_file) {
        result r = send_store_key(&report, settings->slashing_protection_key_file);
        if (r.code)
            return error_prefix(r, "--slashing-protection-key-file");
    }
    size_t num_config = 0;
    TRY(list_sources(&sources, &report, &num_config, settings));
    TRY(loader_proxies_load(socket, settings));
    TRY(load_all(&report, &sources, num_config, settings));
    log_info("%u keys loaded, %u failed", report.keys, report.failed);
    return RESULT_OK;
}
