/* front_access.c - who may ask: the page a browser is on (CORS), the Host header, and credentials for clients
 * that have no certificate. In this order, which is the original's; what HTTP Basic and path tokens add is
 * ours.
 *
 * Credentials are kept and compared as SHA-256 digests, all of one length: the comparison takes
 * the same time whatever was sent, and every line of the file is looked at. They are hashed once and
 * without salt, which is why short ones are refused at the start. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/base64.h"
#include "front.h"
#include "policy/policy_credentials.h"

static const char *find_name(const struct policy_names *list, const char *name)
{
    for (size_t i = 0; i < list->num_names; i++) {
        if (strcasecmp(list->names[i], name) == 0)
            return list->names[i];
    }
    return NULL;
}

/* ---- credentials ---- */

static must_check result open_credentials(struct secret *ret_digests, const char *option,
                                          enum policy_credentials_kind kind, const char *path)
{
    result r = path ? policy_credentials_read(ret_digests, kind, path) : RESULT_OK;
    return r.code ? error_prefix(r, "--%s", option) : r;
}

result front_access_open(struct front *front)
{
    const struct front_options *o = &front->options;
    TRY(open_credentials(&front->basic, "http-basic-credentials-file", POLICY_BASIC,
                         o->basic_credentials_file));
    TRY(open_credentials(&front->tokens, "http-path-tokens-file", POLICY_TOKENS, o->path_tokens_file));
    return open_credentials(&front->manager_tokens, "key-manager-token-file", POLICY_TOKENS,
                            o->key_manager_token_file);
}

static bool has_digest(const struct secret *digests, const void *bytes, size_t bytes_len)
{
    uint8_t digest[POLICY_DIGEST_LEN];
    bool found = false;
    if (policy_credential_digest(digest, bytes, bytes_len).code)
        return false;
    for (size_t at = 0; at < digests->length; at += POLICY_DIGEST_LEN)
        found |= secret_equal(digests->data + at, digest, POLICY_DIGEST_LEN);
    return found;
}

static bool has_basic(const struct front *front, struct net_http_request *request)
{
    static const char scheme[] = "basic ";
    uint8_t decoded[POLICY_CREDENTIAL_LONGEST];
    size_t decoded_len = 0;
    const char *header = front->basic.length > 0 ? net_http_header(request, "authorization") : NULL;
    if (!header || strncasecmp(header, scheme, sizeof scheme - 1) != 0)
        return false;
    header += sizeof scheme - 1;
    header += strspn(header, " ");
    bool found = !base64_decode(decoded, &decoded_len, sizeof decoded, header, strlen(header)).code &&
                 has_digest(&front->basic, decoded, decoded_len);
    secret_wipe(decoded, sizeof decoded);
    return found;
}

bool front_bears_token(struct front *front, struct net_http_request *request)
{
    static const char scheme[] = "bearer ";
    const char *header = net_http_header(request, "authorization");
    if (front->manager_tokens.length == 0)
        return true;
    if (header && strncasecmp(header, scheme, sizeof scheme - 1) == 0) {
        header += sizeof scheme - 1;
        header += strspn(header, " ");
        if (has_digest(&front->manager_tokens, header, strlen(header)))
            return true;
    }
    net_http_reply_header(request, "www-authenticate", "Bearer realm=\"nitro-signer key manager\"");
    front_reply_error(request, 401, "the key manager wants a bearer token");
    return false;
}

/* Cuts the token off the path. */
static bool has_token(const struct front *front, const char **path)
{
    const char *token = *path + 1;
    size_t length = strcspn(token, "/");
    if (front->tokens.length == 0 || !has_digest(&front->tokens, token, length))
        return false;
    *path = token[length] ? token + length : "/";
    return true;
}

static bool has_credentials(struct front *front, struct net_http_request *request, const char **path)
{
    bool wanted = front->basic.length > 0 || front->tokens.length > 0;
    if (!wanted || has_basic(front, request) || has_token(front, path))
        return true;
    if (front->basic.length > 0) {
        /* Java's clients, so Teku, send theirs only after this question. */
        net_http_reply_header(request, "www-authenticate", "Basic realm=\"nitro-signer\", charset=\"UTF-8\"");
        front_reply_error(request, 401, "credentials are missing or wrong");
    } else {
        front_reply_error(request, 403, "this path does not begin with an access token");
    }
    return false;
}

/* ---- origins and hosts ---- */

/* Answers what a browser asks before the real request, which has no credentials by its specification. */
static void reply_preflight(struct net_http_request *request)
{
    net_http_reply_header(request, "access-control-allow-methods", "GET,POST,DELETE,OPTIONS");
    net_http_reply_header(request, "access-control-allow-headers", "*");
    net_http_reply(request, 204, NULL, NULL, 0);
}

static bool origin_admitted(const struct policy_names *origins, struct net_http_request *request)
{
    const char *origin = net_http_header(request, "origin");
    const char *allowed = !origin ? NULL : origins->any ? "*" : find_name(origins, origin);
    if (origin && !allowed) {
        front_reply_error(request, 403, "CORS Rejected - Invalid origin");
        return false;
    }
    if (!origins->any || !origin)
        net_http_reply_header(request, "vary", "origin");
    if (!origin)
        return true;
    net_http_reply_header(request, "access-control-allow-origin", allowed);
    bool preflight = net_http_method(request) == NET_HTTP_OPTIONS &&
                     net_http_header(request, "access-control-request-method");
    if (preflight)
        reply_preflight(request);
    return !preflight;
}

bool front_host_admitted(const struct policy_names *hosts, struct net_http_request *request)
{
    static const char not_authorized[] = "{\"message\":\"Host not authorized.\"}";
    if (hosts->any || find_name(hosts, net_http_host(request)))
        return true;
    net_http_reply(request, 403, "application/json; charset=utf-8", not_authorized,
                   sizeof not_authorized - 1);
    return false;
}

bool front_admits(struct front *front, struct net_http_request *request, const char **path)
{
    return origin_admitted(&front->origins, request) && front_host_admitted(&front->hosts, request) &&
           has_credentials(front, request, path);
}
