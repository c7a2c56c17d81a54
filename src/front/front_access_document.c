/* front_access_document.c - in an enclave: who may connect, from the document that the policy pins. It
 * becomes what the files of the options become in a stand-alone front, and all that judges clients and
 * requests is the same. The keeper has held it to its digest. */
#include "front.h"

#include "base/log.h"
#include "policy/policy_access.h"

static must_check result take_clients(struct front *front, const struct policy_access *access)
{
    if (access->num_clients + access->num_authorities == 0)
        return RESULT_OK;
    TRY(net_tls_clients_new(&front->clients));
    if (access->num_clients > 0)
        TRY(net_tls_clients_know(front->clients, (const char *)access->clients.data, access->clients.length));
    ENSURE(net_tls_clients_known(front->clients) == access->num_clients, E_INTERNAL,
           "not every client became known");
    if (access->num_authorities > 0)
        TRY(net_tls_clients_trust_der(front->clients, access->authorities.data, access->authorities.length));
    return RESULT_OK;
}

static must_check result take_credentials(struct front *front, const struct policy_access *access)
{
    if (access->basic.length > 0)
        TRY(secret_copy(&front->basic, access->basic.data, access->basic.length));
    if (access->path_tokens.length > 0)
        TRY(secret_copy(&front->tokens, access->path_tokens.data, access->path_tokens.length));
    return RESULT_OK;
}

static must_check result take_names(struct front *front, const struct policy_access *access)
{
    struct policy_names hosts, origins;
    if (access->hosts.length > 0) {
        TRY(policy_names_parse(&hosts, "host-allowlist", (const char *)access->hosts.data));
        policy_names_cleanup(&front->hosts);
        front->hosts = hosts;
    }
    if (access->origins.length > 0) {
        TRY(policy_origins_parse(&origins, "cors-origins", (const char *)access->origins.data));
        policy_names_cleanup(&front->origins);
        front->origins = origins;
    }
    return RESULT_OK;
}

result front_access_take(struct front *front, struct ipc_message *message)
{
    struct ipc_bytes text;
    AUTO(policy_access) access = {0};
    ENSURE(front->options.enclave && front->has_policy && front->policy.has_access, E_PEER,
           "keeper: ACCESS came, but no policy that pins one");
    ENSURE(!front->has_access && !front->tls, E_PEER, "keeper: ACCESS came twice or too late");
    TRY(ipc_take_bytes_message(&text, message, IPC_ACCESS_MAX));
    TRY(policy_access_parse(&access, (const char *)text.data, text.length));
    TRY(take_clients(front, &access));
    TRY(take_credentials(front, &access));
    TRY(take_names(front, &access));
    front->has_access = true;
    log_info("access: %zu known clients, %zu authorities, %zu tokens, %zu passwords", access.num_clients,
             access.num_authorities, access.path_tokens.length / POLICY_DIGEST_LEN,
             access.basic.length / POLICY_DIGEST_LEN);
    return RESULT_OK;
}
