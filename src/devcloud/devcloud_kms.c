/* devcloud_kms.c - see devcloud_kms.h: start, and from an HTTP request to its answer.
 *
 * A request is answered inside its callback: the work is microseconds of AES and, at worst, a certificate
 * chain and one RSA encryption, for a service that one developer uses. */
#include "devcloud_kms.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "base/log.h"
#include "devcloud_kms_auth.h"
#include "devcloud_kms_blob.h"
#include "devcloud_kms_operations.h"
#include "devcloud_kms_tls.h"
#include "net/net_http.h"
#include "net/net_tls.h"
#include "json/json.h"

enum {
    LISTEN_BACKLOG = 64,
    BODY_MAX = 512 * 1024,
    CONNECTIONS_MAX = 64,
    POLICY_FILE_MAX = 32768,
    PATH_SIZE = 4096
};

struct devcloud_kms {
    struct kms_key key;
    char region[64];
    struct aws_credentials credentials;
    uint32_t port; /* of struct kms_auth_expected */
    struct net_http_server *server;
};

static const char *header_of(void *request, const char *name)
{
    return net_http_header(request, name);
}

static must_check result answer(struct buffer *out, struct kms_refusal *refusal,
                                const struct devcloud_kms *kms, struct net_http_request *request)
{
    size_t body_len = 0;
    const char *body = net_http_body(request, &body_len);
    uint64_t now_ms = clock_realtime_ms();
    refusal->type = "UnknownOperationException";
    ENSURE(net_http_method(request) == NET_HTTP_POST && strcmp(net_http_path(request), "/") == 0 &&
               net_http_query(request)[0] == 0,
           E_UNSUPPORTED, "only POST / is served");
    const struct kms_signed_request signed_request = {.method = "POST",
                                                      .path = "/",
                                                      .query = "",
                                                      .header = header_of,
                                                      .header_context = request,
                                                      .body = (const uint8_t *)body,
                                                      .body_len = body_len};
    const struct kms_auth_expected expected = {kms->region, &kms->credentials, now_ms, kms->port};
    TRY(devcloud_kms_auth_verify(refusal, &signed_request, &expected));

    char target[128];
    const char *sent_target = net_http_header(request, "x-amz-target");
    (void)snprintf(target, sizeof target, "%s", sent_target ? sent_target : "");
    AUTO(buffer) copy = {0};
    TRY(buffer_append(&copy, body, body_len));
    result r = devcloud_kms_operate(out, refusal, &kms->key, target, &copy, now_ms);
    secret_wipe(copy.data, copy.length);
    return r;
}

static void reply_error(struct net_http_request *request, const struct kms_refusal *refusal, result failed)
{
    bool internal = failed.code == E_MEMORY || failed.code == E_CRYPTO || failed.code == E_INTERNAL;
    const char *type = internal ? "KMSInternalException" : refusal->type;
    AUTO(buffer) body = {0};
    log_warn("KMS %s: %s", type, error_text());
    char message[256];
    (void)snprintf(message, sizeof message, "%s", error_text());
    result r = buffer_printf(&body, "{\"__type\":\"%s\",\"message\":", type);
    r = r.code ? r : json_append_quoted(&body, message);
    r = r.code ? r : buffer_append_text(&body, "}");
    net_http_reply(request, internal || r.code ? 500 : 400, "application/x-amz-json-1.1", body.data,
                   r.code ? 0 : body.length);
}

static void serve(void *context, struct net_http_request *request)
{
    const struct devcloud_kms *kms = context;
    struct kms_refusal refusal = {0};
    AUTO(buffer) out = {0};
    result r = answer(&out, &refusal, kms, request);
    if (r.code)
        reply_error(request, &refusal, r);
    else
        net_http_reply(request, 200, "application/x-amz-json-1.1", out.data, out.length);
    secret_wipe(out.data, out.capacity);
}

/* A UUID of version 4's form, the same as long as the master key is. */
static must_check result make_arn(struct kms_key *key, const struct devcloud_kms_config *config)
{
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    ENSURE(HMAC(EVP_sha256(), key->master_key.data, KMS_MASTER_KEY_LEN, (const uint8_t *)"key id", 6, digest,
                NULL),
           E_CRYPTO, "HMAC-SHA-256");
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x40);
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    hex_encode(hex, digest, sizeof digest);
    int length = snprintf(key->arn, sizeof key->arn, "arn:aws:kms:%s:%s:key/%.8s-%.4s-%.4s-%.4s-%.12s",
                          config->region, config->account, hex, hex + 8, hex + 12, hex + 16, hex + 20);
    ENSURE(length > 0 && (size_t)length < sizeof key->arn, E_TOO_LARGE, "region: is too long");
    key->id = strrchr(key->arn, '/') + 1;
    return RESULT_OK;
}

static must_check result check_config(const struct devcloud_kms_config *config)
{
    size_t region_len = strlen(config->region);
    ENSURE(region_len > 0 && region_len < 32 &&
               strspn(config->region, "abcdefghijklmnopqrstuvwxyz0123456789-") == region_len,
           E_INPUT, "region: must be lower-case letters, digits and '-'");
    ENSURE(strlen(config->account) == 12 && strspn(config->account, "0123456789") == 12, E_INPUT,
           "account: must have 12 digits");
    ENSURE(strlen(config->principal_arn) < KMS_ARN_MAX && strncmp(config->principal_arn, "arn:aws:", 8) == 0,
           E_INPUT, "principal: must be an ARN");
    return RESULT_OK;
}

static must_check result open_key(struct kms_key *key, const struct devcloud_kms_config *config)
{
    AUTO(buffer) policy_text = {0};
    (void)snprintf(key->account, sizeof key->account, "%s", config->account);
    (void)snprintf(key->principal_arn, sizeof key->principal_arn, "%s", config->principal_arn);
    key->accept_unsigned = config->accept_unsigned;
    TRY(devcloud_kms_master_key_open(&key->master_key, config->state_dir));
    TRY(make_arn(key, config));
    TRY(file_read(&policy_text, config->key_policy_path, POLICY_FILE_MAX));
    TRY(devcloud_kms_policy_parse(&key->policy, (const char *)policy_text.data, policy_text.length));
    return buffer_append(&key->nsm_root, config->nsm_root_der, config->nsm_root_der_len);
}

static must_check result open_server(struct devcloud_kms *kms, struct event_base *base,
                                     const struct devcloud_kms_config *config)
{
    char path[PATH_SIZE];
    AUTO_POINTER(SSL_CTX) tls = NULL;
    AUTO_FD listener = -1;
    TRY(devcloud_kms_tls_new(&tls, config->region, config->state_dir));
    (void)snprintf(path, sizeof path, "%s/key-arn", config->state_dir);
    char line[KMS_ARN_MAX + 1];
    int line_len = snprintf(line, sizeof line, "%s\n", kms->key.arn);
    TRY(file_write(path, line, (size_t)line_len, 0644));

    const struct net_http_config http = {.tls = tls,
                                         .handler = serve,
                                         .context = kms,
                                         .max_connections = CONNECTIONS_MAX,
                                         .max_body = BODY_MAX};
    TRY(net_listen(&listener, &config->listen, LISTEN_BACKLOG));
    TRY(net_http_server_new(&kms->server, base, &http));
    TRY(net_http_server_accept(kms->server, listener));
    (void)fd_take(&listener);
    return RESULT_OK;
}

result devcloud_kms_start(struct devcloud_kms **ret_kms, struct event_base *base,
                          const struct devcloud_kms_config *config)
{
    TRY(check_config(config));
    struct devcloud_kms *kms = calloc(1, sizeof *kms);
    ENSURE(kms, E_MEMORY, "out of memory for the KMS");
    (void)snprintf(kms->region, sizeof kms->region, "%s", config->region);
    if (config->listen.family == NET_TCP && config->listen.port != 443)
        kms->port = config->listen.port;
    result r = aws_credentials_copy(&kms->credentials, config->credentials);
    if (!r.code)
        r = open_key(&kms->key, config);
    if (!r.code)
        r = open_server(kms, base, config);
    if (r.code) {
        devcloud_kms_stop(kms);
        return r;
    }
    *ret_kms = kms;
    return RESULT_OK;
}

const char *devcloud_kms_key_arn(const struct devcloud_kms *kms)
{
    return kms->key.arn;
}

void devcloud_kms_stop(struct devcloud_kms *kms)
{
    if (!kms)
        return;
    if (kms->server)
        net_http_server_free(kms->server);
    devcloud_kms_key_cleanup(&kms->key);
    aws_credentials_cleanup(&kms->credentials);
    free(kms);
}
