/* fetcher_vault.c - see fetcher_vault.h. What is asked of a Vault, and what its answers mean. */
#include "fetcher_vault.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "fetcher_answer.h"
#include "json/json.h"

enum { ANSWER_VALUES_MAX = 4096, PATH_MAX_LEN = 1024, ROLE_BODY_MAX = 20000 };

static const char *text_of(const struct ipc_fetch *fetch, enum ipc_fetch_vault_text which)
{
    return (const char *)fetch->texts[which].data;
}

/* Of NUL-separated texts and numbers: no two different requests have the same bytes. */
static must_check result digest_of(uint8_t ret_digest[static 32], const struct ipc_fetch *fetch,
                                   const enum ipc_fetch_vault_text *texts, size_t num_texts)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const uint32_t numbers[] = {fetch->port, fetch->tls, fetch->http2};
    bool ok = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) == 1 &&
              EVP_DigestUpdate(context, numbers, sizeof numbers) == 1;
    for (size_t i = 0; ok && i < num_texts; i++)
        ok = EVP_DigestUpdate(context, fetch->texts[texts[i]].data, fetch->texts[texts[i]].length + 1) == 1;
    ok = ok && EVP_DigestFinal_ex(context, ret_digest, NULL) == 1;
    EVP_MD_CTX_free(context);
    ENSURE(ok, E_CRYPTO, "SHA-256 does not work");
    return RESULT_OK;
}

static must_check result make_target(struct fetcher_vault_target *ret_target, struct fetcher *fetcher,
                                     const struct ipc_fetch *fetch)
{
    static const enum ipc_fetch_vault_text deciding[] = {IPC_FETCH_HOST, IPC_FETCH_KNOWN_SERVERS};
    struct fetcher_vault_target target = {
        .tls = fetch->tls, .http2 = fetch->http2, .pinned = fetch->texts[IPC_FETCH_KNOWN_SERVERS].length > 0};
    const char *host = text_of(fetch, IPC_FETCH_HOST);
    ENSURE(fetch->port >= 1 && fetch->port <= UINT16_MAX && fetch->timeout_ms >= 1, E_INPUT,
           "port or timeout: out of range");
    size_t length = strlen(host);
    ENSURE(length > 0 && length < sizeof target.host &&
               strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:") == length,
           E_INPUT, "serverHost: must be a name or an address");
    memcpy(target.host, host, length + 1);
    (void)snprintf(target.name, sizeof target.name, "%s:%u", host, fetch->port);
    TRY(digest_of(target.digest, fetch, deciding, ARRAY_LENGTH(deciding)));
    TRY(fetcher_hosts_find(&fetcher->hosts, &target.address, host, fetch->port));
    *ret_target = target;
    return RESULT_OK;
}

static must_check result view_answer(struct json_view *ret_root, json_t **ret_document,
                                     const struct fetcher_vault *vault)
{
    TRY(json_read(ret_document, (const char *)vault->answer.data, vault->answer_len,
                  FETCHER_VAULT_RESPONSE_MAX, ANSWER_VALUES_MAX));
    return json_view_root(ret_root, *ret_document);
}

/* data.data.MEMBER: version 2 of the engine puts the secret's members beside its metadata. */
static must_check result take_value(struct secret *ret_value, const struct fetcher_vault *vault,
                                    const char *member)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, outer, inner;
    const char *text;
    size_t length;
    TRY(view_answer(&root, &document, vault));
    TRY(json_get_object(&outer, &root, "data"));
    TRY(json_get_object(&inner, &outer, "data"));
    TRY(json_get_text(&text, &length, &inner, member));
    return secret_copy(ret_value, text, length);
}

static must_check result take_token(struct fetcher_vault *vault)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, auth;
    const char *text;
    size_t length;
    TRY(view_answer(&root, &document, vault));
    TRY(json_get_object(&auth, &root, "auth"));
    TRY(json_get_text(&text, &length, &auth, "client_token"));
    secret_cleanup(&vault->token);
    return secret_copy(&vault->token, text, length);
}

/* Role names and tokens of service accounts need no escaping: they are checked instead. */
static must_check result make_role_body(struct secret *ret_body, const struct ipc_fetch *fetch)
{
    static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_=+/:@";
    AUTO(secret) body = {0};
    const char *role = text_of(fetch, IPC_FETCH_ROLE), *token = text_of(fetch, IPC_FETCH_ROLE_TOKEN);
    ENSURE(role[strspn(role, harmless)] == 0, E_INPUT, "kubernetesRole: has characters that it cannot have");
    ENSURE(*token && token[strspn(token, harmless)] == 0, E_INPUT,
           "kubernetesServiceAccountTokenPath: holds no token");
    TRY(secret_new(&body, ROLE_BODY_MAX));
    int length = snprintf((char *)body.data, ROLE_BODY_MAX, "{\"role\":\"%s\",\"jwt\":\"%s\"}", role, token);
    ENSURE(length > 0 && length < ROLE_BODY_MAX, E_TOO_LARGE,
           "kubernetesServiceAccountTokenPath: is too long");
    secret_truncate(&body, (size_t)length);
    *ret_body = body;
    body = (struct secret){0};
    return RESULT_OK;
}

/* One login serves all keys of a role that this thread asks for. */
static must_check result log_in(struct fetcher_vault *vault, const struct ipc_fetch *fetch)
{
    static const enum ipc_fetch_vault_text deciding[] = {
        IPC_FETCH_HOST, IPC_FETCH_KNOWN_SERVERS, IPC_FETCH_ROLE, IPC_FETCH_ROLE_TOKEN, IPC_FETCH_ROLE_PATH};
    uint8_t digest[32];
    char path[PATH_MAX_LEN];
    AUTO(secret) body = {0};
    TRY(digest_of(digest, fetch, deciding, ARRAY_LENGTH(deciding)));
    if (vault->token.length && memcmp(digest, vault->token_of, sizeof digest) == 0)
        return RESULT_OK;
    int length = snprintf(path, sizeof path, "/v1/auth/%s/login", text_of(fetch, IPC_FETCH_ROLE_PATH));
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "kubernetesAuthPath: is too long");
    TRY(make_role_body(&body, fetch));
    const struct fetcher_vault_request request = {
        .path = path, .body = &body, .timeout_ms = (long)fetch->timeout_ms};
    result r = fetcher_vault_exchange(vault, &request);
    if (!r.code)
        r = take_token(vault);
    if (r.code)
        return error_prefix(r, "login");
    memcpy(vault->token_of, digest, sizeof digest);
    return RESULT_OK;
}

static must_check result make_path(char ret_path[static PATH_MAX_LEN], const char *path)
{
    int length = snprintf(ret_path, PATH_MAX_LEN, "%s%s", *path == '/' ? "" : "/", path);
    ENSURE(length > 0 && length < PATH_MAX_LEN, E_INPUT, "keyPath: is too long");
    return RESULT_OK;
}

static must_check result ask(struct secret *ret_value, struct fetcher_vault *vault,
                             const struct ipc_fetch *fetch)
{
    char path[PATH_MAX_LEN];
    AUTO(secret) given = {0};
    bool by_role = !fetch->texts[IPC_FETCH_TOKEN].length;
    TRY(make_path(path, text_of(fetch, IPC_FETCH_PATH)));
    if (by_role)
        TRY(log_in(vault, fetch));
    else
        TRY(secret_copy(&given, fetch->texts[IPC_FETCH_TOKEN].data, fetch->texts[IPC_FETCH_TOKEN].length));
    const struct fetcher_vault_request request = {
        .path = path, .token = by_role ? &vault->token : &given, .timeout_ms = (long)fetch->timeout_ms};
    TRY(fetcher_vault_exchange(vault, &request));
    result r = take_value(ret_value, vault, text_of(fetch, IPC_FETCH_MEMBER));
    return r.code == E_INPUT ? error_prefix(r, "answer") : r;
}

static must_check result get_one(struct secret *ret_value, struct fetcher *fetcher,
                                 struct fetcher_vault *vault, const struct ipc_fetch *fetch)
{
    struct fetcher_vault_target target;
    TRY(make_target(&target, fetcher, fetch));
    result r =
        fetcher_vault_open(vault, &target, &fetcher->authorities, fetch->texts[IPC_FETCH_KNOWN_SERVERS]);
    if (!r.code) {
        r = ask(ret_value, vault, fetch);
        fetcher_hosts_note(&fetcher->hosts, &target.address, r);
    }
    if (vault->answer.length)
        secret_wipe(vault->answer.data, vault->answer.length);
    return r.code ? error_prefix(r, "%s", target.name) : r;
}

result fetcher_vault_fetch(struct fetcher *fetcher, struct fetcher_vault *vault,
                           const struct ipc_fetch *fetch)
{
    AUTO(secret) value = {0};
    result r = get_one(&value, fetcher, vault, fetch);
    return fetcher_answer_outcome(fetcher->loader, fetch->id, r, &value);
}
