/* main.c - nitro-signer, the stand-alone drop-in for "web3signer eth2".
 *
 * It reads no network byte and holds no key: it turns the command line into a policy and
 * three command lines, binds the HTTP socket, and then stays as the supervisor of keeper,
 * front and loader. */
#include <jansson.h>
#include <stdio.h>

#include "base/file_io.h"
#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/process_sandbox.h"
#include "base/secret_allocators.h"
#include "net/net_address.h"
#include "process/process_notify.h"
#include "process/process_supervisor.h"
#include "signer_interchange.h"
#include "signer_options.h"
#include "signer_policy.h"

enum { SECURE_HEAP = 256 * 1024, FEW_DESCRIPTORS = 64, SOME_DESCRIPTORS = 256 };

struct signer {
    const struct signer_options *options;
    uint32_t metrics_port; /* 0: not served */
    bool serving;
    struct process_supervisor *supervisor;
    struct process_command reloader; /* its loader, once the signer serves */
};

static must_check result optional_argument(struct process_command *command, const char *name,
                                           const char *value)
{
    return value ? process_command_add(command, "--%s=%s", name, value) : RESULT_OK;
}

static must_check result proxy_arguments(struct process_command *command, const struct signer_options *o)
{
    if (!o->commit_boost)
        return RESULT_OK;
    TRY(process_command_add(command, "--proxy-keystores-path=%s", o->proxy_keystores_path));
    return process_command_add(command, "--proxy-keystores-password-file=%s",
                               o->proxy_keystores_password_file);
}

static must_check result begin_command(struct process_command *command, const char *program,
                                       const struct signer_options *o)
{
    TRY(process_command_add(command, "%s", program));
    TRY(process_command_add(command, "--log-level=%s", log_level_name(o->log_level)));
    return process_command_add(command, "--log-format=%s", log_format_name(o->log_format));
}

/* again: for a reload, to which the server's TLS key and the store's key are no news. */
static must_check result loader_command(struct process_command *command, const struct signer_options *o,
                                        bool again)
{
    TRY(begin_command(command, "nitro-signer-loader", o));
    TRY(process_command_add(command, "--mode=files"));
    TRY(process_command_add(command, "--key-config-path=%s", o->key_config_path));
    TRY(process_command_add(command, "--key-config-file-max-size=%u", o->key_config_file_max_size));
    if (!o->load_parallel)
        TRY(process_command_add(command, "--jobs=1"));
    TRY(optional_argument(command, "keystores-path", o->keystores_path));
    TRY(optional_argument(command, "keystores-passwords-path", o->keystores_passwords_path));
    TRY(optional_argument(command, "keystores-password-file", o->keystores_password_file));
    if (o->key_manager)
        TRY(process_command_add(command, "--key-manager"));
    TRY(proxy_arguments(command, o));
    TRY(process_command_add(command, "--fetcher"));
    if (o->sources.aws_enabled)
        TRY(process_command_add(command, "--aws-secrets"));
    if (again)
        return RESULT_OK;
    TRY(optional_argument(command, "tls-keystore-file", o->tls_keystore_file));
    TRY(optional_argument(command, "slashing-protection-key-file", o->store.key_file));
    return optional_argument(command, "tls-keystore-password-file", o->tls_keystore_password_file);
}

/* Of a request to the key manager. */
static must_check result manager_command(struct process_command *command, const struct signer_options *o)
{
    if (!o->key_manager)
        return RESULT_OK;
    TRY(begin_command(command, "nitro-signer-loader", o));
    TRY(process_command_add(command, "--mode=manage"));
    return process_command_add(command, "--key-config-path=%s", o->key_config_path);
}

/* Of one new proxy key. */
static must_check result proxies_command(struct process_command *command, const struct signer_options *o)
{
    if (!o->commit_boost)
        return RESULT_OK;
    TRY(begin_command(command, "nitro-signer-loader", o));
    TRY(process_command_add(command, "--mode=proxy"));
    return proxy_arguments(command, o);
}

static must_check result front_command(struct process_command *command, const struct signer_options *o)
{
    TRY(begin_command(command, "nitro-signer-front", o));
    TRY(process_command_add(command, "--mode=standalone"));
    TRY(process_command_add(command, "--host-allowlist=%s", o->http_host_allowlist));
    TRY(process_command_add(command, "--idle-connection-timeout-seconds=%u",
                            o->idle_connection_timeout_seconds));
    if (o->access_logs)
        TRY(process_command_add(command, "--access-logs"));
    if (o->metrics_enabled) {
        TRY(process_command_add(command, "--metrics"));
        TRY(process_command_add(command, "--metrics-host-allowlist=%s", o->metrics_host_allowlist));
    }
    TRY(process_command_add(command, "--cors-origins=%s", o->http_cors_origins));
    TRY(optional_argument(command, "http-basic-credentials-file", o->http_basic_credentials_file));
    TRY(optional_argument(command, "http-path-tokens-file", o->http_path_tokens_file));
    TRY(optional_argument(command, "tls-known-clients-file", o->tls_known_clients_file));
    if (o->tls_allow_ca_clients)
        TRY(process_command_add(command, "--tls-allow-ca-clients"));
    TRY(optional_argument(command, "tls-client-ca-file", o->tls_client_ca_file));
    if (o->key_manager)
        TRY(process_command_add(command, "--key-manager"));
    if (o->extension_signing)
        TRY(process_command_add(command, "--extension-signing"));
    if (o->commit_boost)
        TRY(process_command_add(command, "--commit-boost"));
    return optional_argument(command, "key-manager-token-file", o->key_manager_token_file);
}

/* The sockets are the caller's. */
/* As many as each can need; the front's are its connections, and it bounds them itself. */
static void limit_descriptors(struct process_family *family)
{
    family->keeper.confinement.descriptors = FEW_DESCRIPTORS;
    family->loader.confinement.descriptors = SOME_DESCRIPTORS;
    family->manager.confinement.descriptors = FEW_DESCRIPTORS;
    family->proxies.confinement.descriptors = FEW_DESCRIPTORS;
    family->fetcher.confinement.descriptors = SOME_DESCRIPTORS;
    family->courier.confinement.descriptors = 2 * SOME_DESCRIPTORS;
}

static must_check result make_family(struct process_family *family, const struct signer_options *o, int https,
                                     int metrics, int courier)
{
    family->https = https;
    family->metrics = metrics;
    family->courier_outside = courier;
    limit_descriptors(family);
    TRY(begin_command(&family->keeper, "nitro-signer-keeper", o));
    TRY(process_command_add(&family->keeper, "--mode=standalone"));
    TRY(process_command_add(&family->keeper, "--reload-timeout-seconds=%u", 60 * o->reload_timeout_minutes));
    if (o->signing_threads)
        TRY(process_command_add(&family->keeper, "--signing-threads=%u", o->signing_threads));
    if (o->key_manager)
        TRY(process_command_add(&family->keeper, "--key-manager"));
    if (o->extension_signing)
        TRY(process_command_add(&family->keeper, "--extension-signing"));
    if (o->commit_boost)
        TRY(process_command_add(&family->keeper, "--commit-boost"));
    TRY(proxies_command(&family->proxies, o));
    TRY(front_command(&family->front, o));
    TRY(manager_command(&family->manager, o));
    if (signer_store_is_remote(&o->store)) {
        TRY(begin_command(&family->courier, "nitro-signer-courier", o));
        TRY(process_command_add(&family->courier, "--mode=standalone"));
    }
    TRY(begin_command(&family->fetcher, "nitro-signer-fetcher", o));
    TRY(signer_sources_command(&family->fetcher, &o->sources));
    return loader_command(&family->loader, o, false);
}

/* options names both in an error. */
static must_check result bind_tcp(int *ret_fd, const char *host, uint32_t port, const char *options)
{
    struct net_address address = {.family = NET_TCP, .port = port};
    int length = snprintf(address.host, sizeof address.host, "%s", host);
    ENSURE(length >= 0 && (size_t)length < sizeof address.host, E_INPUT, "%s: too long", options);
    result r = net_bind(ret_fd, &address);
    return r.code ? error_prefix(r, "%s", options) : r;
}

static must_check result bind_metrics(int *ret_fd, uint32_t *ret_port, const struct signer_options *o)
{
    if (!o->metrics_enabled)
        return RESULT_OK;
    TRY(bind_tcp(ret_fd, o->metrics_host, o->metrics_port, "--metrics-host, --metrics-port"));
    return net_local_port(ret_port, *ret_fd);
}

static must_check result write_ports(const char *data_path, uint32_t port, uint32_t metrics_port)
{
    char path[PROCESS_PATH_MAX], text[64];
    int length = snprintf(path, sizeof path, "%s/web3signer.ports", data_path);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--data-path: too long");
    length = metrics_port ? snprintf(text, sizeof text, "http-port=%u\nmetrics-port=%u\n", port, metrics_port)
                          : snprintf(text, sizeof text, "http-port=%u\n", port);
    result r = file_write(path, text, (size_t)length, 0644);
    return r.code ? error_prefix(r, "--data-path") : r;
}

/* The keeper has moved on. Only its first arrival at SERVE is news to anybody outside. */
static result on_state(void *context, const struct ipc_state *state)
{
    struct signer *signer = context;
    if (state->state == IPC_FAILED_STATE)
        ENSURE(signer->serving, E_STATE, "the keeper cannot start; its reason stands above");
    if (state->state != IPC_SERVE_STATE || signer->serving)
        return RESULT_OK;
    signer->serving = true;
    signer->supervisor->loader = signer->reloader;
    const struct signer_options *o = signer->options;
    if (o->data_path)
        TRY(write_ports(o->data_path, state->port, signer->metrics_port));
    log_info("listening on %s://%s:%u with %u keys (%u failed to load)",
             o->tls_keystore_file ? "https" : "http", o->http_listen_host, state->port, state->keys,
             state->failed);
    if (signer->metrics_port)
        log_info("metrics at http://%s:%u/metrics", o->metrics_host, signer->metrics_port);
    process_notify("READY=1\nSTATUS=serving %u keys on port %u", state->keys, state->port);
    return RESULT_OK;
}

static must_check result send_policy(int keeper, const struct buffer *text)
{
    uint8_t packet[IPC_HEADER_LEN + IPC_POLICY_MAX];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_bytes_message(&p, IPC_POLICY,
                           (struct ipc_bytes){.data = text->data, .length = (uint32_t)text->length});
    TRY(pack_end(&p));
    return ipc_send(keeper, packet, p.length, -1);
}

static must_check result supervise(struct process_supervisor *supervisor,
                                   const struct signer_options *options, const struct buffer *policy)
{
    static struct process_family family; /* too large for comfort on the stack */
    static struct signer signer;         /* and so are the commands in this */
    signer.options = options;
    signer.supervisor = supervisor;
    TRY(loader_command(&signer.reloader, options, true));
    signer.reloader.confinement.descriptors = SOME_DESCRIPTORS;
    AUTO(signer_store_access) access = {.courier = -1, .watch = -1};
    AUTO(signer_sources_access) sources = {0};
    TRY(signer_sources_take(&sources, &options->sources)); /* before there is a child to inherit it */
    {
        AUTO_FD courier = -1;
        AUTO_FD http = -1;
        AUTO_FD metrics = -1;
        TRY(bind_tcp(&http, options->http_listen_host, options->http_listen_port,
                     "--http-listen-host, --http-listen-port"));
        TRY(bind_metrics(&metrics, &signer.metrics_port, options));
        if (signer_store_is_remote(&options->store))
            TRY(signer_store_open(&access, &courier, &options->store));
        TRY(make_family(&family, options, http, metrics, courier));
        TRY(process_supervisor_start(supervisor, &family));
    }
    supervisor->watched = access.watch;
    supervisor->on_watched = signer_store_refresh;
    supervisor->watched_context = &access;
    supervisor->greet_fetcher = signer_sources_greet;
    supervisor->greet_context = &sources;
    TRY(send_policy(supervisor->keeper, policy));
    return process_supervisor_run(supervisor, on_state, &signer);
}

/* For what the courier is to know of a store. */
static must_check result open_secrets(void)
{
    TRY(secret_heap_open(SECURE_HEAP));
    json_set_alloc_funcs(secret_malloc, secret_free); /* it parses credentials */
    return RESULT_OK;
}

/* --check-config: the exit status. What the policy is made of is checked too, the network's file among it. */
static int check_config(const struct signer_options *options, const struct settings *settings)
{
    AUTO(buffer) policy = {0};
    result r = signer_options_check_files(options, settings);
    if (!r.code)
        r = signer_policy(&policy, options);
    if (r.code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    signer_options_print(options, settings);
    return 0;
}

int main(int argc, char *argv[])
{
    struct signer_options options;
    AUTO(settings) settings = {0};
    AUTO(buffer) policy = {0};
    log_open("nitro-signer", LOG_LEVEL_INFO);
    result r = signer_options_parse(&options, &settings, argc, argv);
    if (!r.code)
        r = open_secrets();
    if (!r.code)
        r = signer_store_check_url(&options.store); /* it may have a password in it */
    if (!r.code && options.check_config)
        return check_config(&options, &settings);
    if (!r.code && options.command != SIGNER_SERVE)
        r = signer_interchange_become(&options);
    else if (!r.code)
        r = signer_policy(&policy, &options);
    if (r.code) {
        log_error("%s", error_text());
        return r.code == E_INPUT ? PROGRAM_EXIT_USAGE : 1;
    }
    log_set_level(options.log_level);

    struct process_supervisor supervisor = {.signals = -1, .keeper = -1};
    r = process_harden();
    if (!r.code)
        r = process_sandbox_forbid(true);
    if (!r.code)
        r = supervise(&supervisor, &options, &policy);
    if (r.code)
        log_error("%s; ending", error_text());
    process_notify("STOPPING=1");
    process_supervisor_cleanup(&supervisor);
    return r.code ? 1 : 0;
}
