/* signer_options.c - a table for each part of the command line, and then the rules that
 * hold between options. All of it happens before anything is opened or started. */
#include "signer_options.h"

#include <string.h>
#include <strings.h>

#include "base/options.h"

static const char usage[] =
    "nitro-signer [options] eth2 [eth2 options] [import|export|watermark-repair]\n"
    "A remote signer for Ethereum validators with Web3Signer's HTTP API and option names.\n"
    "The options of eth2 come after that word; nitro-signer eth2 --help lists them.";

static const char eth2_usage[] =
    "nitro-signer [options] eth2 [eth2 options]                            serve\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE import --from=FILE\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE export --to=FILE\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --epoch=N --slot=N\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --set-high-watermark "
    "--epoch=N --slot=N\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --remove-high-watermark\n"
    "All but the first work on the slashing protection store while no signer runs.";

/* Web3Signer's names of levels; ours are fewer. */
static must_check result parse_logging(enum log_level *ret_level, const char *name)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {{"OFF", LOG_LEVEL_ERROR},   {"FATAL", LOG_LEVEL_ERROR}, {"ERROR", LOG_LEVEL_ERROR},
                  {"WARN", LOG_LEVEL_WARN},   {"INFO", LOG_LEVEL_INFO},   {"DEBUG", LOG_LEVEL_DEBUG},
                  {"TRACE", LOG_LEVEL_DEBUG}, {"ALL", LOG_LEVEL_DEBUG}};
    for (size_t i = 0; i < ARRAY_LENGTH(levels); i++) {
        if (strcasecmp(name, levels[i].name) == 0) {
            *ret_level = levels[i].level;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "--logging: must be one of OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL");
}

/* For the options that Web3Signer wants a value for: --name=true, not --name alone. */
static must_check result parse_boolean(bool *ret_value, const char *option, const char *text)
{
    bool is_true = strcasecmp(text, "true") == 0;
    ENSURE(is_true || strcasecmp(text, "false") == 0, E_INPUT, "--%s: must be true or false", option);
    *ret_value = is_true;
    return RESULT_OK;
}

static must_check result check_tls(const struct signer_options *o)
{
    ENSURE(!o->tls_keystore_file || o->tls_keystore_password_file, E_INPUT,
           "--tls-keystore-password-file: required with --tls-keystore-file");
    ENSURE(!o->tls_keystore_password_file || o->tls_keystore_file, E_INPUT,
           "--tls-keystore-file: required with --tls-keystore-password-file");
    bool checked = o->tls_known_clients_file || o->tls_allow_ca_clients;
    const char *which = o->tls_allow_any_client     ? "tls-allow-any-client"
                        : o->tls_known_clients_file ? "tls-known-clients-file"
                                                    : "tls-allow-ca-clients";
    ENSURE(!(checked || o->tls_allow_any_client) || o->tls_keystore_file, E_INPUT,
           "--tls-keystore-file: required with --%s", which);
    ENSURE(!(checked && o->tls_allow_any_client), E_INPUT,
           "--tls-allow-any-client: cannot be given together with --tls-known-clients-file or "
           "--tls-allow-ca-clients");
    /* Serving TLS to anybody must be asked for by name, as with Web3Signer. */
    ENSURE(!o->tls_keystore_file || checked || o->tls_allow_any_client, E_INPUT,
           "--tls-known-clients-file: required with --tls-keystore-file, or --tls-allow-ca-clients, or "
           "--tls-allow-any-client");
    ENSURE(!o->tls_client_ca_file || o->tls_allow_ca_clients, E_INPUT,
           "--tls-client-ca-file: needs --tls-allow-ca-clients");
    return RESULT_OK;
}

/* Who reads a password or a token on its way may use it. */
static must_check result check_credentials(const struct signer_options *o)
{
    const char *host = o->http_listen_host;
    bool local = strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 || strncmp(host, "127.", 4) == 0;
    bool safe = o->tls_keystore_file || local;
    ENSURE(safe || !o->http_basic_credentials_file, E_INPUT,
           "--http-basic-credentials-file: needs TLS, or a loopback address as --http-listen-host");
    ENSURE(safe || !o->http_path_tokens_file, E_INPUT,
           "--http-path-tokens-file: needs TLS, or a loopback address as --http-listen-host");
    return RESULT_OK;
}

static must_check result check_keystores(const struct signer_options *o)
{
    ENSURE(!(o->keystores_passwords_path && o->keystores_password_file), E_INPUT,
           "--keystores-password-file: cannot be given together with --keystores-passwords-path");
    bool has_password = o->keystores_passwords_path || o->keystores_password_file;
    ENSURE(!o->keystores_path || has_password, E_INPUT,
           "--keystores-path: needs --keystores-passwords-path or --keystores-password-file");
    ENSURE(!has_password || o->keystores_path, E_INPUT,
           "--keystores-path: required with a keystores password option");
    return RESULT_OK;
}

static must_check result check_slashing_protection(const struct signer_options *o)
{
    ENSURE(!o->boot_floor || o->slashing_protection_enabled, E_INPUT,
           "--boot-floor: cannot be given together with --slashing-protection-enabled=false");
    return signer_store_check(&o->store, o->slashing_protection_enabled);
}

/* Both sockets are bound before either listens, which the kernel allows. */
static must_check result check_metrics(const struct signer_options *o)
{
    ENSURE(!o->metrics_enabled || o->metrics_port == 0 || o->metrics_port != o->http_listen_port ||
               strcmp(o->metrics_host, o->http_listen_host) != 0,
           E_INPUT, "--metrics-port: is the same as --http-listen-port");
    return RESULT_OK;
}

enum { GLOBAL_OPTIONS = 21, ETH2_OPTIONS = 18, PLAIN_ETH2_OPTIONS = ETH2_OPTIONS - SIGNER_STORE_OPTIONS };

/* Where the texts go that are interpreted later. */
struct texts {
    const char *logging, *enabled;
};

static void fill_global(struct option table[static GLOBAL_OPTIONS], struct signer_options *o,
                        struct texts *texts)
{
    const struct option rows[GLOBAL_OPTIONS] = {
        {"http-listen-host", OPTION_TEXT, &o->http_listen_host, "address to listen on (127.0.0.1)", 0, 0},
        {"http-listen-port", OPTION_U32, &o->http_listen_port, "port to listen on; 0 picks a free one (9000)",
         0, 65535},
        {"http-host-allowlist", OPTION_TEXT, &o->http_host_allowlist,
         "values of the Host header that are served, or * (localhost,127.0.0.1)", 0, 0},
        {"http-cors-origins", OPTION_TEXT, &o->http_cors_origins,
         "origins, https://example.org, whose pages may ask, or * (none)", 0, 0},
        {"http-basic-credentials-file", OPTION_TEXT, &o->http_basic_credentials_file,
         "file of user:password lines: a request needs one of them, by HTTP Basic (none)", 0, 0},
        {"http-path-tokens-file", OPTION_TEXT, &o->http_path_tokens_file,
         "file of tokens: a request needs one of them, as /TOKEN before its path (none)", 0, 0},
        {"idle-connection-timeout-seconds", OPTION_U32, &o->idle_connection_timeout_seconds,
         "an idle connection is closed after this time (800)", 1, 86400},
        {"metrics-enabled", OPTION_FLAG, &o->metrics_enabled, "serve GET /metrics, for Prometheus (false)", 0,
         0},
        {"metrics-host", OPTION_TEXT, &o->metrics_host, "address on which metrics are served (127.0.0.1)", 0,
         0},
        {"metrics-port", OPTION_U32, &o->metrics_port, "port for metrics; 0 picks a free one (9001)", 0,
         65535},
        {"metrics-host-allowlist", OPTION_TEXT, &o->metrics_host_allowlist,
         "values of the Host header for which metrics are served, or * (localhost,127.0.0.1)", 0, 0},
        {"data-path", OPTION_TEXT, &o->data_path, "folder in which web3signer.ports is written (none)", 0, 0},
        {"key-config-path", OPTION_TEXT, &o->key_config_path,
         "folder of key configuration files, *.yaml (./)", 0, 0},
        {"key-store-path", OPTION_TEXT, &o->key_config_path, "the same by its old name", 0, 0},
        {"logging", OPTION_TEXT, &texts->logging, "OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE, ALL (INFO)",
         0, 0},
        {"tls-keystore-file", OPTION_TEXT, &o->tls_keystore_file, "PKCS#12 file: serve HTTPS with this key",
         0, 0},
        {"tls-keystore-password-file", OPTION_TEXT, &o->tls_keystore_password_file,
         "file with the password of that file in its first line", 0, 0},
        {"tls-allow-any-client", OPTION_FLAG, &o->tls_allow_any_client,
         "serve TLS clients without a certificate (false)", 0, 0},
        {"tls-known-clients-file", OPTION_TEXT, &o->tls_known_clients_file,
         "serve TLS clients whose certificate is listed here: common name, SHA-256 fingerprint a line (none)",
         0, 0},
        {"tls-allow-ca-clients", OPTION_FLAG, &o->tls_allow_ca_clients,
         "serve TLS clients whose certificate comes from a trusted authority (false)", 0, 0},
        {"tls-client-ca-file", OPTION_TEXT, &o->tls_client_ca_file,
         "PEM file of those authorities, instead of all that this machine trusts (none)", 0, 0},
    };
    memcpy(table, rows, sizeof rows);
}

static void fill_eth2(struct option table[static ETH2_OPTIONS], struct signer_options *o, struct texts *texts)
{
    const struct option rows[PLAIN_ETH2_OPTIONS] = {
        {"network", OPTION_TEXT, &o->network,
         "mainnet, hoodi, sepolia, holesky, gnosis, chiado, minimal, or a configuration YAML file (mainnet)",
         0, 0},
        {"slashing-protection-enabled", OPTION_TEXT, &texts->enabled, "true or false (true)", 0, 0},
        {"slashing-protection-far-future-epochs", OPTION_TEXT, &o->far_future_epochs,
         "refuse blocks and attestations this many epochs ahead of the clock; any: no bound (2)", 0, 0},
        {"boot-floor", OPTION_FLAG, &o->boot_floor,
         "refuse new blocks and attestations up to the epoch and slot of the start (false)", 0, 0},
        {"keystores-path", OPTION_TEXT, &o->keystores_path, "folder of EIP-2335 keystores, *.json", 0, 0},
        {"keystores-passwords-path", OPTION_TEXT, &o->keystores_passwords_path,
         "folder with a password file NAME.txt for each NAME.json", 0, 0},
        {"keystores-password-file", OPTION_TEXT, &o->keystores_password_file, "one password for all of them",
         0, 0},
    };
    memcpy(table, rows, sizeof rows);
    signer_store_fill(table + PLAIN_ETH2_OPTIONS, &o->store);
}

/* An option of the other half of the command line is the commonest mistake: it is told apart from a wrong
 * name. */
static must_check result check_side(const struct option *other, size_t num_other, const char *side,
                                    int num_words, char *const words[])
{
    for (int i = 0; i < num_words && strcmp(words[i], "eth2") != 0; i++) {
        ENSURE(!options_has(other, num_other, words[i]), E_INPUT, "%.*s: must stand %s the word eth2",
               (int)strcspn(words[i], "="), words[i], side);
    }
    return RESULT_OK;
}

/* *ret_rest indexes what follows the options of eth2. */
static must_check result parse_halves(struct signer_options *o, struct texts *texts, int *ret_rest, int argc,
                                      char *const argv[])
{
    struct option global[GLOBAL_OPTIONS], eth2[ETH2_OPTIONS];
    int word, end;
    fill_global(global, o, texts);
    fill_eth2(eth2, o, texts);
    TRY(check_side(eth2, ETH2_OPTIONS, "behind", argc - 1, argv + 1));
    TRY(options_parse(&word, global, GLOBAL_OPTIONS, usage, argc, argv));
    ENSURE(word < argc, E_INPUT, "eth2: this word is missing: nitro-signer [options] eth2 [eth2 options]");
    ENSURE(strcmp(argv[word], "eth2") == 0, E_INPUT, "argument %d: expected the word eth2 or an option",
           word);
    TRY(check_side(global, GLOBAL_OPTIONS, "before", argc - word - 1, argv + word + 1));
    TRY(options_parse(&end, eth2, ETH2_OPTIONS, eth2_usage, argc - word, argv + word));
    *ret_rest = word + end;
    return RESULT_OK;
}

static must_check result parse_height(uint64_t *ret_height, const char *option, const char *text)
{
    ENSURE(text, E_INPUT, "--%s: required", option);
    result r = parse_u64(ret_height, text);
    return r.code ? error_prefix(r, "--%s", option) : r;
}

/* watermark-repair is three commands, told apart by its flags. Where the high watermark is removed the
 * heights mean nothing; Web3Signer takes no notice of them either. */
static must_check result parse_repair(struct signer_options *o, int *ret_next, int argc, char *const argv[])
{
    static const char help[] =
        "nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --epoch=N --slot=N\n"
        "       ... watermark-repair --set-high-watermark --epoch=N --slot=N\n"
        "       ... watermark-repair --remove-high-watermark\n"
        "The first raises the watermarks of every validator in the store where they are lower; it never "
        "lowers "
        "one.";
    const char *epoch = NULL, *slot = NULL;
    bool set = false, removed = false;
    const struct option table[] = {
        {"epoch", OPTION_TEXT, &epoch, "no attestation with this target or a lower one, or a lower source", 0,
         0},
        {"slot", OPTION_TEXT, &slot, "no block at this slot or a lower one", 0, 0},
        {"set-high-watermark", OPTION_FLAG, &set,
         "instead: no attestation or block at the epoch and slot or above, for any validator (false)", 0, 0},
        {"remove-high-watermark", OPTION_FLAG, &removed, "instead: take the high watermark away (false)", 0,
         0}};
    TRY(options_parse(ret_next, table, ARRAY_LENGTH(table), help, argc, argv));
    ENSURE(!set || !removed, E_INPUT,
           "--remove-high-watermark: cannot be given together with --set-high-watermark");
    o->command = removed ? SIGNER_REMOVE_HIGH : set ? SIGNER_SET_HIGH : SIGNER_REPAIR;
    if (removed)
        return RESULT_OK;
    TRY(parse_height(&o->epoch, "epoch", epoch));
    return parse_height(&o->slot, "slot", slot);
}

/* argv begins with the word. Each reads only its own options. */
static must_check result parse_command(struct signer_options *o, int *ret_next, int argc, char *const argv[])
{
    static const char help_import[] =
        "nitro-signer eth2 --slashing-protection-db-path=FILE import --from=FILE";
    static const char help_export[] = "nitro-signer eth2 --slashing-protection-db-path=FILE export --to=FILE";
    const struct option from[] = {{"from", OPTION_TEXT, &o->from, "EIP-3076 file to import", 0, 0}};
    const struct option to[] = {{"to", OPTION_TEXT, &o->to, "EIP-3076 file to write, mode 0600", 0, 0}};
    switch (o->command) {
    case SIGNER_SERVE:
        break;
    case SIGNER_IMPORT:
        TRY(options_parse(ret_next, from, ARRAY_LENGTH(from), help_import, argc, argv));
        ENSURE(o->from, E_INPUT, "--from: required");
        return RESULT_OK;
    case SIGNER_EXPORT:
        TRY(options_parse(ret_next, to, ARRAY_LENGTH(to), help_export, argc, argv));
        ENSURE(o->to, E_INPUT, "--to: required");
        return RESULT_OK;
    case SIGNER_REPAIR:
        return parse_repair(o, ret_next, argc, argv);
    case SIGNER_SET_HIGH:
    case SIGNER_REMOVE_HIGH:
        break;
    }
    FAIL(E_INTERNAL, "no such command");
}

static must_check result find_command(enum signer_command *ret_command, const char *word, int argument)
{
    static const char *const words[] = {
        [SIGNER_IMPORT] = "import", [SIGNER_EXPORT] = "export", [SIGNER_REPAIR] = "watermark-repair"};
    for (size_t i = SIGNER_IMPORT; i < ARRAY_LENGTH(words); i++) {
        if (strcmp(word, words[i]) == 0) {
            *ret_command = (enum signer_command)i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "argument %d: unexpected; it can be import, export or watermark-repair", argument);
}

/* What may follow the options of eth2, from argv[at]. */
static must_check result parse_rest(struct signer_options *o, int at, int argc, char *const argv[])
{
    int next = 0;
    if (at == argc)
        return RESULT_OK;
    TRY(find_command(&o->command, argv[at], at));
    TRY(parse_command(o, &next, argc - at, argv + at));
    ENSURE(at + next == argc, E_INPUT, "argument %d: unexpected", at + next);
    ENSURE(o->slashing_protection_enabled, E_INPUT,
           "--slashing-protection-enabled: must not be false with %s", argv[at]);
    return RESULT_OK;
}

result signer_options_parse(struct signer_options *ret_options, int argc, char *const argv[])
{
    struct signer_options o = {.http_listen_host = "127.0.0.1",
                               .http_listen_port = 9000,
                               .http_host_allowlist = "localhost,127.0.0.1",
                               .http_cors_origins = "none",
                               .idle_connection_timeout_seconds = 800,
                               .metrics_host = "127.0.0.1",
                               .metrics_port = 9001,
                               .metrics_host_allowlist = "localhost,127.0.0.1",
                               .key_config_path = "./",
                               .network = "mainnet",
                               .far_future_epochs = "2"};
    struct texts texts = {.logging = "INFO", .enabled = "true"};
    int rest = 0;
    TRY(parse_halves(&o, &texts, &rest, argc, argv));
    TRY(parse_logging(&o.log_level, texts.logging));
    TRY(parse_boolean(&o.slashing_protection_enabled, "slashing-protection-enabled", texts.enabled));
    TRY(parse_rest(&o, rest, argc, argv));
    TRY(check_metrics(&o));
    TRY(check_tls(&o));
    TRY(check_credentials(&o));
    TRY(check_keystores(&o));
    TRY(check_slashing_protection(&o));
    *ret_options = o;
    return RESULT_OK;
}
