/* main.c - nitro-signer-front: TLS, HTTP and JSON; turns requests into sign orders.
 *
 * It holds the TLS key and nothing else worth stealing. Everything it knows comes from the
 * keeper over descriptor 3; descriptor 4 is the bound socket it listens on once the keeper says SERVE, and
 * with
 * --metrics descriptor 5 another one. The end of the keeper is its end. */
#include <event2/event.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret.h"
#include "base/secret_allocators.h"
#include "eth2/eth2_api.h"
#include "front.h"
#include "net/net_loop.h"

enum { SECURE_HEAP = 2 * 1024 * 1024 }; /* the TLS key, and one ephemeral key a handshake under way */

/* In an enclave nobody but the policy may decide who is served: by the access document that it pins. */
static must_check result check_clients(const struct front_options *o)
{
    bool checks =
        o->known_clients_file || o->allow_ca_clients || o->basic_credentials_file || o->path_tokens_file;
    ENSURE(!o->enclave || !checks, E_INPUT,
           "--mode: an enclave takes no list of clients and no credentials from options");
    ENSURE(!o->enclave || (!o->key_manager && !o->key_manager_token_file), E_INPUT,
           "--key-manager: not in an enclave, where nobody but the operator's items bring keys");
    ENSURE(!o->enclave || !o->extension_signing, E_INPUT, "--extension-signing: not in an enclave");
    ENSURE(!o->enclave || !o->commit_boost, E_INPUT, "--commit-boost: not in an enclave");
    ENSURE(!o->client_ca_file || o->allow_ca_clients, E_INPUT,
           "--tls-client-ca-file: needs --tls-allow-ca-clients");
    return RESULT_OK;
}

static must_check result parse_options(struct front *front, int argc, char *const argv[])
{
    struct front_options *o = &front->options;
    struct log_options log = LOG_OPTIONS_DEFAULT;
    const char *mode = "standalone";
    *o = (struct front_options){.idle_timeout_seconds = 800, .cors_origins = "none"};
    const struct option table[] = {
        {"mode", OPTION_TEXT, &mode, "enclave (TLS is a must) or standalone", 0, 0},
        {"host-allowlist", OPTION_TEXT, &o->host_allowlist,
         "comma-separated Host names served, or * (localhost,127.0.0.1; * in an enclave)", 0, 0},
        {"metrics", OPTION_FLAG, &o->metrics, "serve metrics on descriptor 5, without TLS (false)", 0, 0},
        {"metrics-host-allowlist", OPTION_TEXT, &o->metrics_host_allowlist, "the same list for metrics", 0,
         0},
        {"idle-connection-timeout-seconds", OPTION_U32, &o->idle_timeout_seconds,
         "close kept connections after this long (800)", 1, 86400},
        {"tls-known-clients-file", OPTION_TEXT, &o->known_clients_file,
         "serve TLS clients whose certificate's name and fingerprint are in this file (none)", 0, 0},
        {"tls-allow-ca-clients", OPTION_FLAG, &o->allow_ca_clients,
         "serve TLS clients whose certificate comes from an authority (false)", 0, 0},
        {"tls-client-ca-file", OPTION_TEXT, &o->client_ca_file,
         "PEM file of those authorities (the machine's)", 0, 0},
        {"cors-origins", OPTION_TEXT, &o->cors_origins,
         "comma-separated origins whose pages may ask, or * (none)", 0, 0},
        {"http-basic-credentials-file", OPTION_TEXT, &o->basic_credentials_file,
         "file of user:password lines; requests need one of them, or a token (none)", 0, 0},
        {"http-path-tokens-file", OPTION_TEXT, &o->path_tokens_file,
         "file of tokens; requests need one of them before their path, or HTTP Basic (none)", 0, 0},
        {"extension-signing", OPTION_FLAG, &o->extension_signing, "serve /api/v1/eth2/ext/sign (false)", 0,
         0},
        {"commit-boost", OPTION_FLAG, &o->commit_boost, "serve Commit-Boost's /signer/v1 (false)", 0, 0},
        {"key-manager", OPTION_FLAG, &o->key_manager, "serve /eth/v1/keystores (false)", 0, 0},
        {"key-manager-token-file", OPTION_TEXT, &o->key_manager_token_file,
         "file of bearer tokens; requests to the key manager need one of them (none)", 0, 0},
        {"access-logs", OPTION_FLAG, &o->access_logs, "a line for each request (false)", 0, 0},
        LOG_OPTION_ROWS(&log),
    };
    int next;
    TRY(options_parse(&next, table, ARRAY_LENGTH(table),
                      "nitro-signer-front [options]\nThe HTTP side of a signer; started by its supervisor.",
                      argc, argv));
    ENSURE(next == argc, E_INPUT, "argument %d: unexpected", next);
    o->enclave = strcmp(mode, "enclave") == 0;
    ENSURE(o->enclave || strcmp(mode, "standalone") == 0, E_INPUT, "--mode: must be enclave or standalone");
    TRY(check_clients(o));
    const char *hosts = o->enclave ? "*" : "localhost,127.0.0.1";
    TRY(policy_names_parse(&front->hosts, "host-allowlist", o->host_allowlist ? o->host_allowlist : hosts));
    TRY(policy_names_parse(&front->metrics_hosts, "metrics-host-allowlist",
                           o->metrics_host_allowlist ? o->metrics_host_allowlist : hosts));
    TRY(policy_origins_parse(&front->origins, "cors-origins", o->cors_origins));
    return log_configure(&log);
}

static void on_terminate(evutil_socket_t number, short what, void *context)
{
    (void)number;
    (void)what;
    front_fail(context, RESULT_OK);
}

/* Requests to the key manager have passwords in them. */
static void wipe_what_is_freed(void)
{
    event_set_mem_functions(malloc, secret_wiping_realloc, secret_wiping_free);
    json_set_alloc_funcs(malloc, secret_wiping_free);
}

static must_check result open_front(struct front *front)
{
    TRY(process_harden());
    if (front->options.key_manager)
        wipe_what_is_freed();
    TRY(secret_openssl_wipes());
    TRY(secret_heap_open(SECURE_HEAP));
    TRY(front_raise_descriptor_limit(&front->max_connections));
    TRY(front_log_open(front));
    TRY(front_clients_open(front));
    TRY(front_access_open(front));
    eth2_api_open();
    front->base = event_base_new();
    ENSURE(front->base, E_MEMORY, "no event loop");
    TRY(front_metrics_new(&front->metrics));
    if (front->options.key_manager)
        TRY(front_manager_new(&front->manager, front));
    TRY(front_asking_new(&front->asking, front));
    TRY(front_batches_new(&front->batches, front));
    if (front->options.commit_boost)
        TRY(front_boost_new(&front->boost, front));
    TRY(front_desk_new(&front->desk, front, front->max_connections));
    return front_keeper_open(front);
}

static must_check result serve(struct front *front)
{
    TRY(open_front(front));
    struct event *terminate = evsignal_new(front->base, SIGTERM, on_terminate, front);
    ENSURE(terminate && event_add(terminate, NULL) == 0, E_MEMORY, "no signal handler");
    result r = front_enter_sandbox();
    if (!r.code && !front->stopping)
        (void)event_base_dispatch(front->base);
    event_free(terminate);
    return r.code ? r : front->failure;
}

static void close_front(struct front *front)
{
    front_keeper_close(front);
    net_http_server_free(front->metrics_server);
    net_http_server_free(front->server);
    front_manager_free(front->manager);
    front_boost_free(front->boost);
    front_asking_free(front->asking);
    front_watermark_close(front);
    front_attestation_close(front);
    front_desk_free(front->desk); /* after the server: what still waits is answered to nobody */
    front_batches_free(front->batches);
    front_metrics_free(front->metrics);
    SSL_CTX_free(front->tls);
    buffer_cleanup(&front->new_keys);
    buffer_cleanup(&front->keys);
    buffer_cleanup(&front->keys_json);
    policy_names_cleanup(&front->hosts);
    policy_names_cleanup(&front->metrics_hosts);
    policy_names_cleanup(&front->origins);
    secret_cleanup(&front->basic);
    secret_cleanup(&front->tokens);
    secret_cleanup(&front->manager_tokens);
    net_loop_free(front->base);
    net_tls_clients_free(front->clients); /* after the last connection that asks for them */
}

int main(int argc, char *argv[])
{
    static struct front front = {
        .keeper = FRONT_KEEPER_FD, .listener = FRONT_LISTENER_FD, .metrics_listener = FRONT_METRICS_FD};
    log_open("nitro-signer-front", LOG_LEVEL_INFO);
    if (parse_options(&front, argc, argv).code) {
        log_error("%s", error_text());
        return PROGRAM_EXIT_USAGE;
    }
    result r = serve(&front);
    if (r.code)
        log_error("%s", error_text());
    close_front(&front);
    return r.code ? EXIT_FAILURE : EXIT_SUCCESS;
}
