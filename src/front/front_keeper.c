/* front_keeper.c - the channel to the keeper: messages come in, in an order that is checked, and the front
 * begins to listen when it is told to. The channel does not block: a keeper that is busy sending must not
 * wait for a front that waits for room to send. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/secret.h"
#include "eth2/eth2_api.h"
#include "front.h"
#include "net/net_address.h"

enum { BACKLOG = 4096, PACKETS_A_TURN = 32 };

/* Scrapers are few; their places are within what front_sandbox.c leaves for other descriptors. */
enum { METRICS_CONNECTIONS = 16 };

/* One connection in so many may speak HTTP/2, which costs 44 KiB with TLS where HTTP/1.1 costs 16; a client
 * beyond these is offered HTTP/1.1. */
enum { HTTP2_SHARE = 4 };

void front_fail(struct front *front, result failure)
{
    if (front->stopping)
        return;
    front->stopping = true;
    front->failure = failure;
    (void)event_base_loopbreak(front->base);
}

static must_check result take_settings(struct front *front, struct ipc_message *message)
{
    struct ipc_bytes text;
    ENSURE(!front->has_policy, E_PEER, "keeper: SETTINGS came twice");
    TRY(ipc_take_bytes_message(&text, message, IPC_POLICY_MAX));
    TRY(policy_parse(&front->policy, (const char *)text.data, text.length));
    log_set_level(front->policy.log_level);
    front_learn_network(front);
    front->has_policy = true;
    return RESULT_OK;
}

/* What the keeper attests is the key that is served, or nothing is served. */
static must_check result check_attested_key(SSL_CTX *context, const struct ipc_tls *tls)
{
    unsigned char *spki = NULL;
    uint8_t digest[IPC_DIGEST_LEN];
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(SSL_CTX_get0_certificate(context)), &spki);
    ENSURE(length > 0, E_CRYPTO, "the certificate's public key cannot be encoded");
    int done = EVP_Digest(spki, (size_t)length, digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(spki);
    ENSURE(done == 1, E_CRYPTO, "SHA-256 failed");
    ENSURE(memcmp(digest, tls->spki_digest, sizeof digest) == 0, E_PEER,
           "keeper: TLS came with the digest of another public key");
    return RESULT_OK;
}

/* A new key and certificate hold for new connections; the old ones end with theirs. */
static must_check result take_tls(struct front *front, struct ipc_message *message)
{
    struct ipc_tls tls;
    AUTO_POINTER(SSL_CTX) context = NULL;
    ENSURE(front->tls || !front->server, E_PEER, "keeper: TLS came after plain HTTP was served");
    TRY(ipc_take_tls(&tls, message));
    TRY(net_tls_server_new(&context, tls.private_key.data, tls.private_key.length, tls.certificates.data,
                           tls.certificates.length));
    TRY(check_attested_key(context, &tls));
    if (front->clients)
        TRY(net_tls_clients_demand(context, front->clients));
    if (front->server)
        net_http_server_set_tls(front->server, context);
    SSL_CTX_free(front->tls);
    front->tls = TAKE(context);
    return RESULT_OK;
}

static must_check result tell_listening(struct front *front)
{
    uint32_t port;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    ENSURE(getsockname(front->listener, (struct sockaddr *)&address, &length) == 0, E_IO, "getsockname: %s",
           strerror(errno));
    bool tcp = address.ss_family == AF_INET || address.ss_family == AF_INET6;
    if (!tcp)
        port = 0;
    else
        TRY(net_local_port(&port, front->listener));
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    ipc_pack_listening(&p, port);
    TRY(pack_end(&p));
    if (front->options.enclave && !front->has_access)
        log_warn("the policy says access any: whoever reaches the port is served");
    log_info("serving %s", front->clients ? "HTTPS to clients with a certificate that is admitted"
                           : front->tls   ? "HTTPS"
                                          : "HTTP without TLS");
    return ipc_send(front->keeper, p.data, p.length, -1);
}

static must_check result open_server(struct net_http_server **ret_server, const struct front *front,
                                     const struct net_http_config *config, int listener)
{
    ENSURE(fcntl(listener, F_SETFL, O_NONBLOCK) == 0, E_IO, "listening socket: %s", strerror(errno));
    ENSURE(listen(listener, BACKLOG) == 0, E_IO, "listen: %s", strerror(errno));
    TRY(net_http_server_new(ret_server, front->base, config));
    return net_http_server_accept(*ret_server, listener);
}

/* Plain HTTP in an enclave too: there is nothing secret in it, and no body to receive. */
static must_check result open_metrics(struct front *front)
{
    struct net_http_config config = {.handler = front_metrics_handle,
                                     .context = front,
                                     .max_connections = METRICS_CONNECTIONS,
                                     .max_body = 1,
                                     .idle_timeout_seconds = front->options.idle_timeout_seconds};
    if (!front->options.metrics)
        return RESULT_OK;
    result r = open_server(&front->metrics_server, front, &config, front->metrics_listener);
    return r.code ? error_prefix(r, "metrics") : r;
}

static must_check result begin_to_serve(struct front *front, struct ipc_message *message)
{
    TRY(ipc_take_empty(message));
    ENSURE(!front->server, E_PEER, "keeper: SERVE came twice");
    ENSURE(front->has_policy && front->keys_json.length > 0, E_PEER,
           "keeper: SERVE came before SETTINGS and KEYS");
    ENSURE(front->has_access || !front->policy.has_access, E_PEER,
           "keeper: SERVE came before the access document that the policy pins");
    ENSURE(front->tls || !front->options.enclave, E_PEER, "keeper: SERVE without TLS in an enclave");
    ENSURE(front->tls || !front->clients, E_PEER, "keeper: SERVE without TLS, but clients are to be checked");
    struct net_http_config config = {.tls = front->tls,
                                     .handler = front_handle,
                                     .admits = front_begin,
                                     .refused = front_refused,
                                     .answered = front_answered,
                                     .context = front,
                                     .max_connections = front->max_connections,
                                     .max_http2 = front->max_connections / HTTP2_SHARE,
                                     .max_body = ETH2_API_BODY_MAX,
                                     .idle_timeout_seconds = front->options.idle_timeout_seconds};
    TRY(open_server(&front->server, front, &config, front->listener));
    TRY(open_metrics(front));
    return tell_listening(front);
}

static must_check result take_health(struct front *front, struct ipc_message *message)
{
    return ipc_take_health(&front->health, message);
}

static must_check result take_signed(struct front *front, struct ipc_message *message)
{
    return front_desk_take_answers(front->desk, message);
}

static must_check result take_key_info(struct front *front, struct ipc_message *message)
{
    return front_manager_take_info(front->manager, message);
}

static must_check result take_managed(struct front *front, struct ipc_message *message)
{
    return front_manager_take_managed(front->manager, message);
}

/* All that the keeper may say to the front. */
static const struct {
    enum ipc_type type;
    result (*take)(struct front *front, struct ipc_message *message);
} messages[] = {
    {IPC_SETTINGS, take_settings},
    {IPC_TLS, take_tls},
    {IPC_ACCESS, front_access_take},
    {IPC_KEYS, front_keys_take},
    {IPC_HEALTH, take_health},
    {IPC_SERVE, begin_to_serve},
    {IPC_SIGNED, take_signed},
    {IPC_KEY_INFO, take_key_info},
    {IPC_MANAGED, take_managed},
    {IPC_RELOADED, front_reload_take},
    {IPC_HIGH_WATERMARK, front_watermark_take},
    {IPC_IDENTITY, front_attestation_take},
    {IPC_PROXIES, front_boost_take_proxies},
    {IPC_PROXY_MADE, front_boost_take_made},
    {IPC_BOOST_SIGNED, front_boost_take_signed},
    {IPC_EXTENSION_SIGNED, front_extension_take},
};

static must_check result handle(struct front *front, struct ipc_message *message)
{
    for (size_t i = 0; i < ARRAY_LENGTH(messages); i++)
        if (messages[i].type == message->type)
            return messages[i].take(front, message);
    FAIL(E_PEER, "keeper: message 0x%04x is not for the front", message->type);
}

static must_check result receive_one(struct front *front)
{
    size_t packet_len;
    TRY(ipc_receive(front->keeper, front->packet, &packet_len, NULL));
    struct ipc_message message;
    result r = ipc_open(&message, front->packet, packet_len);
    if (!r.code)
        r = handle(front, &message);
    if (r.code || message.type == IPC_TLS)
        secret_wipe(front->packet, sizeof front->packet);
    /* Waiting for more is the caller's business; a handler that times out has failed. */
    if (r.code == E_TIMEOUT)
        r.code = E_PEER;
    return r;
}

static void on_readable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct front *front = context;
    result r = RESULT_OK;
    for (int i = 0; i < PACKETS_A_TURN && !r.code; i++)
        r = receive_one(front);
    if (r.code && r.code != E_TIMEOUT)
        front_fail(front, error_prefix(r, "keeper"));
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    struct front *front = context;
    result r = front_desk_send(front->desk);
    if (!r.code)
        r = front_manager_send(front->manager);
    if (!r.code)
        r = front_asking_send(front->asking);
    if (!r.code)
        r = front_batches_send(front->batches);
    if (!r.code)
        r = front_reload_send(front);
    if (!r.code)
        r = front_watermark_send(front);
    if (!r.code)
        r = front_attestation_send(front);
    front_keeper_tried(front, r);
}

void front_keeper_tried(struct front *front, result r)
{
    if (r.code == E_TIMEOUT)
        (void)event_add(front->keeper_writable, NULL);
    else if (r.code)
        front_fail(front, error_prefix(r, "keeper"));
}

result front_keeper_open(struct front *front)
{
    ENSURE(fcntl(front->keeper, F_SETFL, O_NONBLOCK) == 0, E_INPUT, "descriptor %d: %s", front->keeper,
           strerror(errno));
    front->keeper_readable = event_new(front->base, front->keeper, EV_READ | EV_PERSIST, on_readable, front);
    front->keeper_writable = event_new(front->base, front->keeper, EV_WRITE, on_writable, front);
    ENSURE(front->keeper_readable && front->keeper_writable && event_add(front->keeper_readable, NULL) == 0,
           E_MEMORY, "cannot watch the keeper");
    return RESULT_OK;
}

void front_keeper_close(struct front *front)
{
    if (front->keeper_readable)
        event_free(front->keeper_readable);
    if (front->keeper_writable)
        event_free(front->keeper_writable);
}
