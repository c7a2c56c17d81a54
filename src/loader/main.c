/* nitro-signer-loader - short-lived: opens one batch of encrypted keys and hands them to the
 * keeper on descriptor 3. All parsing of keystores, passwords and PKCS#12 happens here, in a
 * process that can neither open a socket nor start a program, and that ends with the batch. */
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/file_io.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "keystore/key_sources.h"
#include "loader_memory.h"
#include "loader_modes.h"
#include "loader_pool.h"
#include "loader_record.h"
#include "loader_sandbox.h"

enum { KEEPER = 3, OTHER_MEMORY = 32 << 20 /* a job's needs beside scrypt, generously */ };

static must_check result parse_options(struct loader_settings *settings, int argc, char **argv)
{
    struct log_options log = LOG_OPTIONS_DEFAULT;
    const struct option table[] = {
        {"mode", OPTION_TEXT, &settings->mode,
         "records (from the keeper), files, manage (one request to the key manager), or proxy (one new proxy "
         "key)",
         0, 0},
        {"key-config-path", OPTION_TEXT, &settings->key_config_path, "folder of key configuration files", 0,
         0},
        {"key-config-file-max-size", OPTION_U32, &settings->key_config_file_max,
         "bytes that one of them may have (100 MiB)", 1, INT32_MAX},
        {"keystores-path", OPTION_TEXT, &settings->keystores_path, "folder of EIP-2335 keystores", 0, 0},
        {"keystores-passwords-path", OPTION_TEXT, &settings->keystores_passwords_path,
         "folder of their passwords", 0, 0},
        {"keystores-password-file", OPTION_TEXT, &settings->keystores_password_file,
         "one password for all of them", 0, 0},
        {"tls-keystore-file", OPTION_TEXT, &settings->tls_keystore_file, "PKCS#12 file of the server", 0, 0},
        {"tls-keystore-password-file", OPTION_TEXT, &settings->tls_keystore_password_file,
         "its password, first line", 0, 0},
        {"slashing-protection-key-file", OPTION_TEXT, &settings->slashing_protection_key_file,
         "key of the shared slashing protection store, 32 bytes", 0, 0},
        {"proxy-keystores-path", OPTION_TEXT, &settings->proxy_keystores_path,
         "folder of Commit-Boost's proxy keys", 0, 0},
        {"proxy-keystores-password-file", OPTION_TEXT, &settings->proxy_keystores_password_file,
         "their password", 0, 0},
        {"key-manager", OPTION_FLAG, &settings->key_manager,
         "files: tell the keeper where each key comes from (false)", 0, 0},
        {"fetcher", OPTION_FLAG, &settings->has_fetcher,
         "files: descriptor 4 leads to the fetcher, for keys that other servers have (false)", 0, 0},
        {"aws-secrets", OPTION_FLAG, &settings->aws_secrets,
         "files: load all keys that the fetcher may get from AWS Secrets Manager (false)", 0, 0},
        {"jobs", OPTION_U32, &settings->jobs, "keys opened at once; default: processors, as memory allows", 1,
         LOADER_THREADS_MAX},
        LOG_OPTION_ROWS(&log),
    };
    int next;
    TRY(options_parse(
        &next, table, ARRAY_LENGTH(table),
        "nitro-signer-loader --mode=records|files|manage|proxy [options]\n"
        "Opens encrypted keys for the keeper, and exits. Started by a supervisor with the keeper on "
        "descriptor 3.",
        argc, argv));
    ENSURE(next == argc, E_INPUT, "takes no arguments beside options");
    return log_configure(&log);
}

static must_check result parse_mode(enum loader_sandbox *ret_mode, const struct loader_settings *s)
{
    static const struct {
        const char *name;
        enum loader_sandbox mode;
    } modes[] = {{"records", LOADER_SANDBOX_RECORDS},
                 {"files", LOADER_SANDBOX_FILES},
                 {"manage", LOADER_SANDBOX_MANAGE},
                 {"proxy", LOADER_SANDBOX_PROXY}};
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++) {
        if (s->mode && strcmp(s->mode, modes[i].name) == 0) {
            *ret_mode = modes[i].mode;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "--mode: must be records, files, manage or proxy");
}

static must_check result check_settings(enum loader_sandbox *ret_mode, const struct loader_settings *s)
{
    enum loader_sandbox mode = LOADER_SANDBOX_RECORDS;
    TRY(parse_mode(&mode, s));
    ENSURE(mode != LOADER_SANDBOX_MANAGE || s->key_config_path, E_INPUT,
           "--key-config-path: required with --mode=manage");
    ENSURE(mode != LOADER_SANDBOX_PROXY || s->proxy_keystores_path, E_INPUT,
           "--proxy-keystores-path: required with --mode=proxy");
    ENSURE(!s->proxy_keystores_path == !s->proxy_keystores_password_file, E_INPUT,
           "--proxy-keystores-path: needs --proxy-keystores-password-file, and that needs it");
    bool any_path = s->proxy_keystores_path || s->key_config_path || s->keystores_path ||
                    s->keystores_passwords_path || s->keystores_password_file || s->tls_keystore_file ||
                    s->tls_keystore_password_file || s->slashing_protection_key_file;
    ENSURE(mode != LOADER_SANDBOX_RECORDS || !any_path, E_INPUT, "--mode=records: reads no files");
    ENSURE(mode == LOADER_SANDBOX_FILES || !s->has_fetcher, E_INPUT, "--fetcher: needs --mode=files");
    ENSURE(s->has_fetcher || !s->aws_secrets, E_INPUT, "--aws-secrets: needs --fetcher");
    bool passwords = s->keystores_passwords_path, password = s->keystores_password_file;
    ENSURE(!(passwords && password), E_INPUT,
           "--keystores-passwords-path: excludes --keystores-password-file");
    ENSURE(
        !s->keystores_path == !(passwords || password), E_INPUT,
        "--keystores-path: needs --keystores-passwords-path or --keystores-password-file, and they need it");
    ENSURE(!s->tls_keystore_file == !s->tls_keystore_password_file, E_INPUT,
           "--tls-keystore-file: needs --tls-keystore-password-file, and that needs it");
    *ret_mode = mode;
    return RESULT_OK;
}

/* Bytes that new allocations may take: what the kernel thinks is available, and a container's limit. */
static uint64_t available_memory(void)
{
    uint64_t available = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    AUTO(buffer) text = {0};
    unsigned long long kib, limit;
    if (!file_read(&text, "/proc/meminfo", 65536).code) {
        const char *line = strstr((const char *)text.data, "MemAvailable:");
        if (line && sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
            available = kib * 1024;
    }
    AUTO(buffer) group = {0};
    if (!file_read(&group, "/sys/fs/cgroup/memory.max", 64).code &&
        sscanf((const char *)group.data, "%llu", &limit) == 1 && limit < available)
        available = limit;
    return available;
}

static uint32_t default_jobs(void)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t fit = available_memory() / (LOADER_KDF_MEMORY_MAX + OTHER_MEMORY);
    uint64_t jobs = processors > 1 ? (uint64_t)processors : 1;
    jobs = jobs < fit ? jobs : fit;
    jobs = jobs < LOADER_THREADS_MAX ? jobs : LOADER_THREADS_MAX;
    return jobs ? (uint32_t)jobs : 1;
}

/* The socket is ours alone: wait in it, whatever its maker chose. */
static must_check result wait_in(int socket)
{
    int flags = fcntl(socket, F_GETFL);
    ENSURE(flags >= 0 && fcntl(socket, F_SETFL, flags & ~O_NONBLOCK) == 0, E_IO, "descriptor %d is not open",
           socket);
    return RESULT_OK;
}

/* Everything that needs the file system or the operating system's leave, before the filter closes. */
static must_check result prepare(const struct loader_settings *settings)
{
    TRY(process_harden());
    /* No openssl.cnf: what is accepted must not depend on a file or a variable of the machine. */
    ENSURE(OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) == 1,
           E_CRYPTO, "OpenSSL does not start");
    if (settings->tls_keystore_file) {
        /* Old PKCS#12 files encrypt their certificates with 40-bit RC2, as many of Web3Signer's users have
         * them. Without the module only those cannot be read. */
        (void)OSSL_PROVIDER_load(NULL, "legacy");
        ENSURE(OSSL_PROVIDER_load(NULL, "default"), E_CRYPTO, "OpenSSL's default provider is missing");
    }
    TRY(wait_in(KEEPER));
    return settings->has_fetcher ? wait_in(LOADER_FETCHER_FD) : RESULT_OK;
}

static must_check result run(enum loader_sandbox mode, const struct loader_settings *settings)
{
    TRY(prepare(settings));
    TRY(loader_sandbox_enter(mode, settings));
    switch (mode) {
    case LOADER_SANDBOX_RECORDS:
        return loader_run_records(KEEPER, settings);
    case LOADER_SANDBOX_FILES:
        return loader_run_files(KEEPER, settings);
    case LOADER_SANDBOX_MANAGE:
        return loader_run_manage(KEEPER, settings);
    case LOADER_SANDBOX_PROXY:
        return loader_run_proxy(KEEPER, settings);
    }
    FAIL(E_INTERNAL, "no such mode");
}

int main(int argc, char **argv)
{
    struct loader_settings settings = {.key_config_file_max = KEY_SOURCES_CONFIG_FILE_MAX};
    enum loader_sandbox mode = LOADER_SANDBOX_RECORDS;
    log_open("nitro-signer-loader", LOG_LEVEL_INFO);
    result r = loader_memory_open();
    if (r.code) {
        log_error("%s", error_text());
        return 1;
    }
    r = parse_options(&settings, argc, argv);
    if (!r.code)
        r = check_settings(&mode, &settings);
    if (r.code) {
        (void)fprintf(stderr, "nitro-signer-loader: %s\n", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    settings.terminal = isatty(STDERR_FILENO);
    if (!settings.jobs)
        settings.jobs = default_jobs();
    r = run(mode, &settings);
    if (r.code)
        log_error("%s", error_text());
    return r.code ? 1 : 0;
}
