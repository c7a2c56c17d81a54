/* front_clients.c - who may shake hands: the files of the options become a rule before the sandbox closes the
 * file system, so they are read once; and one line of the log for each client that was refused.
 *
 * Anybody can be refused as often as they like, so the lines are counted: a flood of them must not fill
 * a disk, nor hide the line that matters among thousands. */
#include <string.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/log.h"
#include "front.h"

enum { KNOWN_CLIENTS_MAX = 1048576, REFUSALS_MAX = 20 };

static const uint64_t refusals_ns = UINT64_C(10000000000);

static must_check result read_known(struct net_tls_clients *clients, const char *path)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, path, KNOWN_CLIENTS_MAX));
    return net_tls_clients_know(clients, text.data ? (const char *)text.data : "", text.length);
}

static must_check result open_known(struct net_tls_clients *clients, const char *path)
{
    result r = read_known(clients, path);
    if (r.code)
        return error_prefix(r, "--tls-known-clients-file");
    if (net_tls_clients_known(clients) == 0)
        log_warn("--tls-known-clients-file: lists nobody");
    else
        log_info("%zu TLS clients are known", net_tls_clients_known(clients));
    return RESULT_OK;
}

result front_clients_open(struct front *front)
{
    const struct front_options *o = &front->options;
    if (!o->known_clients_file && !o->allow_ca_clients)
        return RESULT_OK;
    TRY(net_tls_clients_new(&front->clients));
    if (o->known_clients_file)
        TRY(open_known(front->clients, o->known_clients_file));
    if (!o->allow_ca_clients)
        return RESULT_OK;
    if (!o->client_ca_file)
        log_warn("--tls-allow-ca-clients: every authority this machine trusts can let clients in; "
                 "--tls-client-ca-file narrows that to yours");
    result r = net_tls_clients_trust(front->clients, o->client_ca_file);
    return r.code ? error_prefix(r, "--%s", o->client_ca_file ? "tls-client-ca-file" : "tls-allow-ca-clients")
                  : r;
}

bool front_refusal_is_logged(struct front_refusals *refusals)
{
    uint64_t now_ns = clock_monotonic_ns();
    if (refusals->num_lines == 0 || now_ns - refusals->began_ns >= refusals_ns) {
        if (refusals->num_dropped > 0)
            log_warn("%u more clients or requests were refused", refusals->num_dropped);
        *refusals = (struct front_refusals){.began_ns = now_ns};
    }
    if (refusals->num_lines == REFUSALS_MAX) {
        refusals->num_dropped++;
        return false;
    }
    refusals->num_lines++;
    return true;
}

void front_refused(void *context, const SSL *tls, const char *reason, const char *client)
{
    struct front *front = context;
    const char *certificate = net_tls_clients_refusal(tls);
    if (front_refusal_is_logged(&front->refusals))
        log_warn("refused a TLS client%s%s: %s", *client ? " at " : "", client,
                 certificate ? certificate : reason);
}
