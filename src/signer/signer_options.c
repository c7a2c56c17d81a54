/* signer_options.c - collects the options (signer_tables.c has them), and then checks the rules that hold
 * between them. All of it happens before anything is opened or started. */
#include "signer_options.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/options.h"
#include "base/version.h"
#include "policy/policy_names.h"
#include "signer_tables.h"

static const char usage[] =
    "nitro-signer [options] eth2 [eth2 options] [import|export|watermark-repair]\n"
    "A remote signer for Ethereum validators with Web3Signer's HTTP API and option names.\n"
    "The options of eth2 come after that word; nitro-signer eth2 --help lists them.\n"
    "An option can also be a variable, WEB3SIGNER_HTTP_LISTEN_PORT or WEB3SIGNER_ETH2_NETWORK, or a line of\n"
    "--config-file, http-listen-port: 9000 or eth2.network: hoodi. The command line goes before the\n"
    "environment, and that before the file.";

static const char eth2_usage[] =
    "nitro-signer [options] eth2 [eth2 options]                            serve\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE import --from=FILE\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE export --to=FILE\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --epoch=N --slot=N\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --set-high-watermark "
    "--epoch=N --slot=N\n"
    "       nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --remove-high-watermark\n"
    "All but the first work on the slashing protection store; on a SQLite file only while no signer runs.";

static const char import_usage[] = "nitro-signer eth2 --slashing-protection-db-path=FILE import --from=FILE";

static const char export_usage[] = "nitro-signer eth2 --slashing-protection-db-path=FILE export --to=FILE";

static const char repair_usage[] =
    "nitro-signer eth2 --slashing-protection-db-path=FILE watermark-repair --epoch=N --slot=N\n"
    "       ... watermark-repair --set-high-watermark --epoch=N --slot=N\n"
    "       ... watermark-repair --remove-high-watermark\n"
    "The first raises the watermarks of every validator in the store where they are lower; it never lowers "
    "one.";

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

static must_check result parse_logging_format(enum log_format *ret_format, const char *name)
{
    ENSURE(!log_format_parse(ret_format, name).code, E_INPUT,
           "--logging-format: must be one of PLAIN, JSON, ECS, GCP, GELF, LOGSTASH");
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

static must_check result check_names(const struct signer_options *o)
{
    AUTO(policy_names) hosts = {0};
    AUTO(policy_names) metrics_hosts = {0};
    AUTO(policy_names) origins = {0};
    TRY(policy_names_parse(&hosts, "http-host-allowlist", o->http_host_allowlist));
    TRY(policy_names_parse(&metrics_hosts, "metrics-host-allowlist", o->metrics_host_allowlist));
    return policy_origins_parse(&origins, "http-cors-origins", o->http_cors_origins);
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
    ENSURE(safe || !o->key_manager_token_file, E_INPUT,
           "--key-manager-token-file: needs TLS, or a loopback address as --http-listen-host");
    ENSURE(o->key_manager || !o->key_manager_token_file, E_INPUT,
           "--key-manager-api-enabled: required with --key-manager-token-file");
    /* HTTP has one Authorization header. */
    ENSURE(!o->http_basic_credentials_file || !o->key_manager_token_file, E_INPUT,
           "--key-manager-token-file: cannot be given together with --http-basic-credentials-file");
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

static must_check result check_commit_boost(const struct signer_options *o)
{
    ENSURE(!o->commit_boost || o->proxy_keystores_path, E_INPUT,
           "--proxy-keystores-path: required with --commit-boost-api-enabled");
    ENSURE(!o->commit_boost || o->proxy_keystores_password_file, E_INPUT,
           "--proxy-keystores-password-file: required with --commit-boost-api-enabled");
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

/* The scope whose options a command has. */
static enum signer_scope scope_of(enum signer_command command)
{
    switch (command) {
    case SIGNER_SERVE:
        return SCOPE_ETH2;
    case SIGNER_IMPORT:
        return SCOPE_IMPORT;
    case SIGNER_EXPORT:
        return SCOPE_EXPORT;
    case SIGNER_REPAIR:
    case SIGNER_SET_HIGH:
    case SIGNER_REMOVE_HIGH:
        return SCOPE_REPAIR;
    }
    return SCOPE_ETH2;
}

static void print_help(const struct settings *s, enum signer_scope scope)
{
    static const char *const usages[] = {[SCOPE_GLOBAL] = usage,
                                         [SCOPE_ETH2] = eth2_usage,
                                         [SCOPE_IMPORT] = import_usage,
                                         [SCOPE_EXPORT] = export_usage,
                                         [SCOPE_REPAIR] = repair_usage};
    settings_print_help(stdout, &s->scopes[scope], usages[scope]);
}

static void print_version(void)
{
    char line[VERSION_LINE_MAX];
    version_line(line, "nitro-signer");
    (void)puts(line);
}

/* Reads the options of one scope; --help and --version end the process. */
static must_check result take_words(struct settings *s, int *ret_next, enum signer_scope scope, int argc,
                                    char *const argv[])
{
    const struct setting *stop;
    TRY(settings_take_words(s, ret_next, &stop, scope, argc, argv));
    if (!stop)
        return RESULT_OK;
    if (strcmp(stop->name, "help") == 0)
        print_help(s, scope);
    else
        print_version();
    exit(0);
}

/* An option of the other half of the command line is the commonest mistake: it is told apart from a wrong
 * name. */
static must_check result check_side(const struct settings *s, enum signer_scope other, const char *side,
                                    int num_words, char *const words[])
{
    const struct settings_scope *own = &s->scopes[other == SCOPE_ETH2 ? SCOPE_GLOBAL : SCOPE_ETH2];
    for (int i = 0; i < num_words && strcmp(words[i], "eth2") != 0; i++) {
        ENSURE(words[i][0] != '-' || settings_has(own, words[i]) ||
                   !settings_has(&s->scopes[other], words[i]),
               E_INPUT, "%.*s: must stand %s the word eth2", (int)strcspn(words[i], "="), words[i], side);
    }
    return RESULT_OK;
}

/* Web3Signer's word help, with or without a command behind it. */
static void help_word(const struct settings *s, const char *word)
{
    print_help(s, word && strcmp(word, "eth2") == 0 ? SCOPE_ETH2 : SCOPE_GLOBAL);
    exit(0);
}

/* *ret_rest indexes what follows the options of eth2. */
static must_check result take_halves(struct settings *s, int *ret_rest, int argc, char *const argv[])
{
    int word, end;
    TRY(check_side(s, SCOPE_ETH2, "behind", argc - 1, argv + 1));
    TRY(take_words(s, &word, SCOPE_GLOBAL, argc, argv));
    ENSURE(word < argc, E_INPUT, "eth2: this word is missing: nitro-signer [options] eth2 [eth2 options]");
    if (strcmp(argv[word], "help") == 0)
        help_word(s, word + 1 < argc ? argv[word + 1] : NULL);
    ENSURE(strcmp(argv[word], "eth1") != 0, E_INPUT, "argument %d: eth1 is a mode that is not here", word);
    ENSURE(strcmp(argv[word], "eth2") == 0, E_INPUT, "argument %d: expected the word eth2 or an option",
           word);
    TRY(check_side(s, SCOPE_GLOBAL, "before", argc - word - 1, argv + word + 1));
    TRY(take_words(s, &end, SCOPE_ETH2, argc - word, argv + word));
    *ret_rest = word + end;
    return RESULT_OK;
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

/* The whole command line; *ret_command is what is to be done. */
static must_check result take_command_line(struct settings *s, enum signer_command *ret_command, int argc,
                                           char *const argv[])
{
    int at, next;
    TRY(take_halves(s, &at, argc, argv));
    *ret_command = SIGNER_SERVE;
    if (at == argc)
        return RESULT_OK;
    TRY(find_command(ret_command, argv[at], at));
    TRY(take_words(s, &next, scope_of(*ret_command), argc - at, argv + at));
    ENSURE(at + next == argc, E_INPUT, "argument %d: unexpected", at + next);
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
static must_check result check_repair(struct signer_options *o)
{
    ENSURE(!o->set_high || !o->remove_high, E_INPUT,
           "--remove-high-watermark: cannot be given together with --set-high-watermark");
    o->command = o->remove_high ? SIGNER_REMOVE_HIGH : o->set_high ? SIGNER_SET_HIGH : SIGNER_REPAIR;
    if (o->remove_high)
        return RESULT_OK;
    TRY(parse_height(&o->epoch, "epoch", o->epoch_text));
    return parse_height(&o->slot, "slot", o->slot_text);
}

static must_check result check_command(struct signer_options *o)
{
    ENSURE(o->command != SIGNER_IMPORT || o->from, E_INPUT, "--from: required");
    ENSURE(o->command != SIGNER_EXPORT || o->to, E_INPUT, "--to: required");
    if (o->command == SIGNER_REPAIR)
        TRY(check_repair(o));
    ENSURE(o->command == SIGNER_SERVE || o->slashing_protection_enabled, E_INPUT,
           "--slashing-protection-enabled: must not be false with import, export or watermark-repair");
    return RESULT_OK;
}

static must_check result check(struct signer_options *o)
{
    TRY(parse_logging(&o->log_level, o->logging));
    TRY(parse_logging_format(&o->log_format, o->logging_format));
    log_set_format(o->log_format); /* the warnings that follow are lines of the log already */
    TRY(check_command(o));
    TRY(check_metrics(o));
    TRY(check_tls(o));
    TRY(check_names(o));
    TRY(check_credentials(o));
    TRY(check_keystores(o));
    TRY(check_commit_boost(o));
    TRY(signer_sources_check(&o->sources));
    return check_slashing_protection(o);
}

static void warn(const char *text)
{
    log_warn("%s", text);
}

/* What switches protection off must not be overlooked in a file or an environment. */
static void warn_unprotected(const struct signer_options *o, const struct settings *s)
{
    const char *where = settings_given(s, SCOPE_ETH2, "slashing-protection-enabled");
    if (!o->slashing_protection_enabled && where && where[0] != '-')
        log_warn("%s: false: nothing that is signed will be remembered", where);
}

static must_check result collect(struct signer_options *o, struct settings *s, int argc, char *const argv[])
{
    TRY(take_command_line(s, &o->command, argc, argv));
    TRY(settings_take_environment(s, environ));
    settings_forget_environment(s);
    const char *file = settings_text(s, SCOPE_GLOBAL, "config-file");
    if (file)
        TRY(settings_take_file(s, file, "eth1."));
    TRY(settings_apply(s, SCOPE_GLOBAL, o));
    TRY(settings_apply(s, SCOPE_ETH2, o));
    return o->command == SIGNER_SERVE ? RESULT_OK : settings_apply(s, scope_of(o->command), o);
}

/* It is wiped from the command line when it has been taken, but was there. */
static void warn_shown(const struct signer_options *o, const struct settings *s)
{
    static const char name[] = "aws-secrets-secret-access-key";
    const char *given = settings_given(s, SCOPE_ETH2, name);
    if (o->sources.aws_enabled && given && strncmp(given, "--", 2) == 0)
        log_warn("--%s: others can see a command line; the environment is a better place for it", name);
}

result signer_options_parse(struct signer_options *ret_options, struct settings *ret_settings, int argc,
                            char *const argv[])
{
    struct signer_options o = {0};
    AUTO(settings) s = {.warn = warn};
    signer_tables_fill(&s);
    TRY(collect(&o, &s, argc, argv));
    TRY(check(&o));
    warn_unprotected(&o, &s);
    warn_shown(&o, &s);
    *ret_options = o;
    *ret_settings = s;
    s = (struct settings){0};
    return RESULT_OK;
}

result signer_options_check_files(const struct signer_options *options, const struct settings *settings)
{
    TRY(settings_check_files(settings, SCOPE_GLOBAL));
    TRY(settings_check_files(settings, SCOPE_ETH2));
    return settings_check_files(settings, scope_of(options->command));
}

void signer_options_print(const struct signer_options *options, const struct settings *settings)
{
    settings_print_values(stdout, &settings->scopes[SCOPE_GLOBAL]);
    settings_print_values(stdout, &settings->scopes[SCOPE_ETH2]);
    if (options->command != SIGNER_SERVE)
        settings_print_values(stdout, &settings->scopes[scope_of(options->command)]);
}
