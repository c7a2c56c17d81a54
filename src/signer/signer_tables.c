/* signer_tables.c - data only. Names, aliases and defaults are Web3Signer's (26.x), where it has the option.
 *
 * Three kinds of its options are not ours: what the Java machine, its HTTP library and its connection pools
 * are tuned by means nothing here and is ignored with a warning; a capability we do not have is refused when
 * it is asked for, never quietly left out; and what only adds to such a capability is ignored, because
 * without it the addition asks for nothing. */
#include "signer_tables.h"

#include "signer_options.h"

#define AT(member) .offset = offsetof(struct signer_options, member)
#define TEXT(option, label, text, member)                                                                    \
    .name = (option), .kind = SETTING_TEXT, .shape = (label), .help = (text), AT(member)
#define FOUND(option, label, text, member) TEXT(option, label, text, member), .exists = true
#define FLAG(option, text, member)                                                                           \
    .name = (option), .kind = SETTING_FLAG, .initial = "false", .help = (text), AT(member)
#define IGNORED(option, why) .name = (option), .kind = SETTING_TEXT, .use = SETTING_IGNORED, .help = (why)
#define IGNORED_FLAG(option, why)                                                                            \
    .name = (option), .kind = SETTING_FLAG, .use = SETTING_IGNORED, .help = (why)
#define REFUSED_FLAG(option, why)                                                                            \
    .name = (option), .kind = SETTING_FLAG, .use = SETTING_REFUSED, .initial = "false", .help = (why)
#define REFUSED(option, why) .name = (option), .kind = SETTING_TEXT, .use = SETTING_REFUSED, .help = (why)
#define STOPS(option, key, text)                                                                             \
    .name = (option), .letter = (key), .kind = SETTING_FLAG, .use = SETTING_STOPS, .help = (text)

static const char no_pool[] = "there is no connection pool here; the store has one connection";
static const char no_push[] = "metrics are not pushed";
static const char no_azure[] = "Azure's key vault is not read";
static const char no_gcp[] = "GCP's secret manager is not read";
static const char no_pruning[] =
    "nothing is pruned: SQLite and DynamoDB keep one record a validator, and rows in PostgreSQL stay";
static const char no_batches[] = "the loader needs no such limit";
static const char network_file[] =
    "fork epochs are not overridden one by one; give --network a configuration file that has them";

static const struct setting global[] = {
    {.group = "Starting",
     TEXT("config-file", "FILE", "YAML file of options, by their names without dashes", config_file),
     .use = SETTING_COMMAND_LINE_ONLY},
    {FLAG("check-config", "print the settings in force, with their origin, and exit", check_config),
     .use = SETTING_COMMAND_LINE_ONLY},
    {FOUND("data-path", "FOLDER", "where web3signer.ports is written", data_path)},
    {TEXT("logging", "LEVEL", "OFF, FATAL, ERROR, WARN, INFO, DEBUG, TRACE or ALL", logging), .letter = 'l',
     .initial = "INFO"},
    {TEXT("logging-format", "FORMAT", "PLAIN, JSON, ECS, GCP, GELF or LOGSTASH", logging_format),
     .alias = "log-format", .initial = "PLAIN"},
    {FLAG("access-logs-enabled", "log a line for each request, at INFO", access_logs)},
    {STOPS("help", 'h', "show this help and exit")},
    {STOPS("version", 'V', "show the version and exit")},

    {.group = "Keys",
     FOUND("key-config-path", "FOLDER", "key configuration files, *.yaml", key_config_path),
     .alias = "key-store-path",
     .initial = "./"},
    {.name = "key-store-config-file-max-size",
     .kind = SETTING_U32,
     .initial = "104857600",
     .low = 1,
     .high = INT32_MAX,
     .help = "bytes that one of these files may have",
     AT(key_config_file_max_size)},
    {.name = "signer-load-parallel",
     .kind = SETTING_BOOLEAN,
     .initial = "true",
     .help = "open several keystores at a time",
     AT(load_parallel)},
    {.name = "reload-timeout",
     .kind = SETTING_U32,
     .shape = "MINUTES",
     .initial = "30",
     .low = 1,
     .high = 10080,
     .help = "minutes after which a reload, or a first load that stands still, is given up",
     AT(reload_timeout_minutes)},

    {.name = "signing-threads",
     .kind = SETTING_U32,
     .initial = "0",
     .high = 16,
     .help = "threads that sign; 0: as many as there are processors and MiB for secrets, at most 16",
     AT(signing_threads)},

    {.group = "HTTP",
     TEXT("http-listen-host", "ADDRESS", "address to listen on", http_listen_host),
     .initial = "127.0.0.1"},
    {.name = "http-listen-port",
     .kind = SETTING_U32,
     .initial = "9000",
     .high = 65535,
     .help = "port to listen on; 0 picks a free one",
     AT(http_listen_port)},
    {.name = "idle-connection-timeout-seconds",
     .kind = SETTING_U32,
     .initial = "800",
     .low = 1,
     .high = 86400,
     .help = "an idle connection is closed after this time",
     AT(idle_connection_timeout_seconds)},

    {.group = "Who may connect",
     .name = "http-host-allowlist",
     .kind = SETTING_LIST,
     .initial = "localhost,127.0.0.1",
     .help = "values of the Host header that are served; * all, none none",
     AT(http_host_allowlist)},
    {.name = "http-cors-origins",
     .kind = SETTING_LIST,
     .initial = "none",
     .help = "origins, https://example.org, whose pages may ask; * all",
     AT(http_cors_origins)},
    {FOUND("http-basic-credentials-file", "FILE",
           "lines user:password: a request needs one of them, by HTTP Basic", http_basic_credentials_file)},
    {FOUND("http-path-tokens-file", "FILE",
           "a token a line: a request needs one of them, as /TOKEN before its path", http_path_tokens_file)},
    {FOUND("tls-keystore-file", "FILE", "PKCS#12 file: serve HTTPS with this key", tls_keystore_file)},
    {FOUND("tls-keystore-password-file", "FILE", "its password, in the first line",
           tls_keystore_password_file)},
    {FOUND("tls-known-clients-file", "FILE",
           "serve TLS clients whose certificate is listed here: common name, SHA-256 fingerprint a line",
           tls_known_clients_file)},
    {FLAG("tls-allow-ca-clients", "serve TLS clients whose certificate comes from a trusted authority",
          tls_allow_ca_clients)},
    {FOUND("tls-client-ca-file", "FILE",
           "PEM file of those authorities, instead of all that this machine trusts", tls_client_ca_file)},
    {FLAG("tls-allow-any-client", "serve TLS clients without a certificate", tls_allow_any_client)},

    {.group = "Metrics", FLAG("metrics-enabled", "serve GET /metrics, for Prometheus", metrics_enabled)},
    {TEXT("metrics-host", "ADDRESS", "address on which they are served", metrics_host),
     .initial = "127.0.0.1"},
    {.name = "metrics-port",
     .kind = SETTING_U32,
     .initial = "9001",
     .high = 65535,
     .help = "their port; 0 picks a free one",
     AT(metrics_port)},
    {.name = "metrics-host-allowlist",
     .kind = SETTING_LIST,
     .initial = "localhost,127.0.0.1",
     .help = "values of the Host header for which they are served; * all",
     AT(metrics_host_allowlist)},

    {IGNORED("signer-load-timeout", no_batches)},
    {IGNORED("signer-load-batch-size", no_batches)},
    {IGNORED("signer-load-sequential-threshold", no_batches)},
    {IGNORED("vertx-worker-pool-size", "there are no worker threads to be counted")},
    {.name = "metrics-categories",
     .alias = "metrics-category",
     .kind = SETTING_LIST,
     .use = SETTING_IGNORED,
     .help = "all metrics are served"},
    {IGNORED("metrics-push-host", no_push)},
    {IGNORED("metrics-push-port", no_push)},
    {IGNORED("metrics-push-interval", no_push)},
    {IGNORED("metrics-push-prometheus-job", no_push)},
    {REFUSED_FLAG("metrics-push-enabled",
                  "metrics are not pushed; --metrics-enabled serves them to Prometheus")},
};

static const struct setting eth2[] = {
    {.group = "Network and keys",
     TEXT("network", "NAME|FILE",
          "mainnet, hoodi, sepolia, holesky, gnosis, chiado, minimal, or a configuration YAML file", network),
     .initial = "mainnet"},
    {FOUND("keystores-path", "FOLDER", "EIP-2335 keystores, *.json", keystores_path)},
    {FOUND("keystores-passwords-path", "FOLDER", "a password file NAME.txt for each NAME.json",
           keystores_passwords_path)},
    {FOUND("keystores-password-file", "FILE", "one password for all of them", keystores_password_file)},
    {STOPS("help", 'h', "show this help and exit")},
    {STOPS("version", 'V', "show the version and exit")},

    {.group = "Keys in AWS Secrets Manager",
     FLAG("aws-secrets-enabled", "load the keys that secrets hold, one a line", sources.aws_enabled)},
    {TEXT("aws-secrets-auth-mode", "MODE", "SPECIFIED, by the next two, or ENVIRONMENT", sources.aws_mode),
     .initial = "SPECIFIED"},
    {TEXT("aws-secrets-access-key-id", "ID", "access key id", sources.aws_access_key_id)},
    {TEXT("aws-secrets-secret-access-key", "TEXT",
          "secret access key; the environment is a better place for it", sources.aws_secret_access_key),
     .secret = true, .instead = "--aws-secrets-auth-mode=ENVIRONMENT"},
    {TEXT("aws-secrets-region", "REGION", "region of the secrets", sources.aws_region)},
    {.name = "aws-secrets-prefixes-filter",
     .kind = SETTING_LIST,
     .help = "only secrets whose name begins with one of these",
     AT(sources.aws_prefixes)},
    {.name = "aws-secrets-tag",
     .kind = SETTING_LIST,
     .shape = "KEY=VALUE",
     .help = "only secrets with such a tag; several with | between them",
     AT(sources.aws_tags)},
    {TEXT("aws-endpoint-override", "URL", "https://HOST[:PORT] instead of AWS's there",
          sources.aws_endpoint)},

    {.group = "Key manager",
     .alias = "enable-key-manager-api",
     FLAG("key-manager-api-enabled", "list, import and delete keys at /eth/v1/keystores", key_manager)},
    {FOUND("key-manager-token-file", "FILE",
           "a token a line: a request to the key manager needs one of them, as a bearer token",
           key_manager_token_file)},

    {.group = "Beside the duties",
     FLAG("commit-boost-api-enabled", "serve Commit-Boost's modules at /signer/v1", commit_boost)},
    {TEXT("proxy-keystores-path", "FOLDER", "their proxy keys; made when absent", proxy_keystores_path)},
    {FOUND("proxy-keystores-password-file", "FILE", "the password of all of them: the whole file",
           proxy_keystores_password_file)},
    {FLAG("Xsigning-ext-enabled", "sign proofs of validation at /api/v1/eth2/ext/sign", extension_signing)},

    {.group = "Slashing protection",
     .name = "slashing-protection-enabled",
     .kind = SETTING_BOOLEAN,
     .initial = "true",
     .help = "false signs without remembering: for tests only",
     AT(slashing_protection_enabled)},
    {TEXT("slashing-protection-far-future-epochs", "N|any",
          "refuse blocks and attestations this many epochs ahead of the clock; any: no bound",
          far_future_epochs),
     .initial = "2"},
    {FLAG("boot-floor", "refuse new blocks and attestations up to the epoch and slot of the start",
          boot_floor)},
    {TEXT("slashing-protection-mode", "single|fleet",
          "one signer at a time, or several on one store (the default across a network)", store.mode)},

    {.group = "Where it is remembered: one of three",
     TEXT("slashing-protection-db-path", "FILE",
          "SQLite file that remembers what was signed; made when absent", store.path)},
    {TEXT("slashing-protection-db-url", "URL",
          "Web3Signer's PostgreSQL database: jdbc:postgresql://HOST:PORT/DATABASE", store.url)},
    {TEXT("slashing-protection-db-username", "NAME", "its user", store.username)},
    {TEXT("slashing-protection-db-password", "TEXT", "its password; a file is better", store.password),
     .secret = true, .instead = "--slashing-protection-db-password-file"},
    {FOUND("slashing-protection-db-password-file", "FILE", "its password, in the first line",
           store.password_file)},
    {TEXT("slashing-protection-dynamodb-table", "TABLE",
          "DynamoDB table, or ACCOUNT/TABLE: the AWS account it must be in", store.table)},
    {TEXT("slashing-protection-dynamodb-region", "REGION", "its region", store.region)},
    {FOUND("slashing-protection-dynamodb-key-file", "FILE",
           "32 bytes: the key that its entries are sealed with", store.key_file)},
    {TEXT("slashing-protection-dynamodb-identity", "0x...", "its identity, as slashing init prints it",
          store.identity)},
    {FOUND("aws-credentials-file", "FILE",
           "JSON of access_key_id, secret_access_key and token, read again when it changes",
           store.credentials_file)},

    {IGNORED("slashing-protection-db-pool-configuration-file", no_pool)},
    {IGNORED("slashing-protection-pruning-db-pool-configuration-file", no_pool)},
    {IGNORED("Xslashing-protection-db-connection-pool-enabled", no_pool)},
    {IGNORED("slashing-protection-pruning-enabled", no_pruning)},
    {IGNORED("slashing-protection-pruning-at-boot-enabled", no_pruning)},
    {IGNORED("slashing-protection-pruning-epochs-to-keep", no_pruning)},
    {IGNORED("slashing-protection-pruning-slots-per-epoch", no_pruning)},
    {IGNORED("slashing-protection-pruning-interval", no_pruning)},
    {IGNORED("slashing-protection-db-health-check-timeout-milliseconds",
             "whether the store works is found out at intervals of our own")},
    {IGNORED("slashing-protection-db-health-check-interval-milliseconds",
             "whether the store works is found out at intervals of our own")},
    {IGNORED("Xtrusted-setup", "no KZG commitment is made here")},
    {REFUSED("Xnetwork-altair-fork-epoch", network_file)},
    {REFUSED("Xnetwork-bellatrix-fork-epoch", network_file)},
    {REFUSED("Xnetwork-capella-fork-epoch", network_file)},
    {REFUSED("Xnetwork-deneb-fork-epoch", network_file)},
    {REFUSED("Xnetwork-electra-fork-epoch", network_file)},
    {REFUSED("Xnetwork-fulu-fork-epoch", network_file)},
    {REFUSED_FLAG("Xkey-manager-skip-keystore-storage", "imported keystores are always kept")},
    {REFUSED_FLAG("azure-vault-enabled", "keys are not read from Azure's key vault")},
    {IGNORED("azure-vault-auth-mode", no_azure)},
    {IGNORED("azure-vault-name", no_azure)},
    {IGNORED("azure-client-id", no_azure)},
    {IGNORED("azure-tenant-id", no_azure)},
    {IGNORED("azure-client-secret", no_azure), .secret = true},
    {IGNORED("azure-response-timeout", no_azure)},
    {IGNORED("azure-tags", no_azure)},
    {IGNORED("aws-connection-cache-size", "connections are kept as long as a load takes")},
    {REFUSED_FLAG("gcp-secrets-enabled", "keys are not read from GCP's secret manager")},
    {IGNORED("gcp-project-id", no_gcp)},
    {IGNORED("gcp-secrets-filter", no_gcp)},
};

static const struct setting import[] = {
    {.group = "Options", FOUND("from", "FILE", "EIP-3076 file to import", from)},
    {STOPS("help", 'h', "show this help and exit")},
};

static const struct setting export[] = {
    {.group = "Options", TEXT("to", "FILE", "EIP-3076 file to write, mode 0600", to)},
    {STOPS("help", 'h', "show this help and exit")},
};

static const struct setting repair[] = {
    {.group = "Options",
     TEXT("epoch", "N", "no attestation with this target or a lower one, or a lower source", epoch_text)},
    {TEXT("slot", "N", "no block at this slot or a lower one", slot_text)},
    {FLAG("set-high-watermark",
          "instead: no attestation or block at the epoch and slot or above, for any validator", set_high)},
    {FLAG("remove-high-watermark", "instead: take the high watermark away", remove_high)},
    {STOPS("help", 'h', "show this help and exit")},
};

void signer_tables_fill(struct settings *settings)
{
    const struct settings_scope scopes[] = {
        [SCOPE_GLOBAL] = {.path = "", .rows = global, .num_rows = ARRAY_LENGTH(global)},
        [SCOPE_ETH2] = {.path = "eth2", .rows = eth2, .num_rows = ARRAY_LENGTH(eth2)},
        [SCOPE_IMPORT] = {.path = "eth2.import", .rows = import, .num_rows = ARRAY_LENGTH(import)},
        [SCOPE_EXPORT] = {.path = "eth2.export", .rows = export, .num_rows = ARRAY_LENGTH(export)},
        [SCOPE_REPAIR] = {.path = "eth2.watermark-repair", .rows = repair, .num_rows = ARRAY_LENGTH(repair)},
    };
    _Static_assert(ARRAY_LENGTH(global) <= SETTINGS_ROWS_MAX && ARRAY_LENGTH(eth2) <= SETTINGS_ROWS_MAX,
                   "SETTINGS_ROWS_MAX is too small");
    _Static_assert(ARRAY_LENGTH(scopes) <= SETTINGS_SCOPES_MAX, "SETTINGS_SCOPES_MAX is too small");
    for (size_t i = 0; i < ARRAY_LENGTH(scopes); i++)
        settings->scopes[i] = scopes[i];
    settings->num_scopes = ARRAY_LENGTH(scopes);
}
