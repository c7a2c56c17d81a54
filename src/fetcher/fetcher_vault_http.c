/* fetcher_vault_http.c - one HTTP exchange with a Vault over libcurl.
 *
 * A handle keeps its connection for the next request to the same target; another target gets another handle,
 * because libcurl does not know that a connection was verified by a list of fingerprints. The list replaces
 * the certificate authorities and the host's name: the line in the file is the decision. Rejected: libcurl's
 * public key pins, which are another hash of another part of the certificate. */
#include <openssl/ssl.h>
#include <string.h>

#include "base/hex.h"
#include "fetcher_vault.h"

static void close_target(struct fetcher_vault *vault)
{
    curl_easy_cleanup(vault->curl);
    vault->curl = NULL;
    aws_connect_cleanup(&vault->connect);
    net_tls_known_cleanup(&vault->known);
    secret_cleanup(&vault->token);
}

void fetcher_vault_cleanup(struct fetcher_vault *vault)
{
    close_target(vault);
    secret_cleanup(&vault->answer);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *pointer)
{
    struct fetcher_vault *vault = pointer;
    size_t length = size * count;
    vault->answer_too_long = length > FETCHER_VAULT_RESPONSE_MAX - vault->answer_len;
    if (vault->answer_too_long)
        return CURL_WRITEFUNC_ERROR;
    memcpy(vault->answer.data + vault->answer_len, bytes, length);
    vault->answer_len += length;
    return length;
}

/* OpenSSL asks this instead of verifying the chain. */
static int is_known(X509_STORE_CTX *store, void *pointer)
{
    struct fetcher_vault *vault = pointer;
    const X509 *leaf = X509_STORE_CTX_get0_cert(store);
    uint8_t fingerprint[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    bool known = leaf && X509_digest(leaf, EVP_sha256(), fingerprint, &length) == 1 && length == 32 &&
                 net_tls_known_has(&vault->known, vault->target.name, fingerprint);
    vault->refused = !known;
    X509_STORE_CTX_set_error(store, known ? X509_V_OK : X509_V_ERR_CERT_UNTRUSTED);
    return known;
}

static CURLcode use_known(CURL *curl, void *context, void *vault)
{
    (void)curl;
    SSL_CTX_set_cert_verify_callback(context, is_known, vault);
    return CURLE_OK;
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(vault->curl, (option), (value)))

static must_check result set_options(struct fetcher_vault *vault, const struct buffer *authorities)
{
    const struct fetcher_vault_target *target = &vault->target;
    struct curl_blob blob = {
        .data = authorities->data, .len = authorities->length, .flags = CURL_BLOB_NOCOPY};
    CURLcode code = CURLE_OK;
    SET(CURLOPT_PROTOCOLS_STR, target->tls ? "https" : "http");
    SET(CURLOPT_HTTP_VERSION,
        (long)(target->tls && target->http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* an empty string also switches the environment's proxies off */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, target->pinned ? 0L : 2L);
    SET(CURLOPT_CAINFO, NULL);
    SET(CURLOPT_CAPATH, NULL);
    if (authorities->length)
        SET(CURLOPT_CAINFO_BLOB, &blob);
    if (target->pinned) {
        SET(CURLOPT_SSL_CTX_FUNCTION, use_known);
        SET(CURLOPT_SSL_CTX_DATA, vault);
    }
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, vault);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

result fetcher_vault_open(struct fetcher_vault *vault, const struct fetcher_vault_target *target,
                          const struct buffer *authorities, struct ipc_bytes known)
{
    if (vault->curl && memcmp(vault->target.digest, target->digest, sizeof target->digest) == 0)
        return RESULT_OK;
    close_target(vault);
    if (!vault->answer.data)
        TRY(secret_new(&vault->answer, FETCHER_VAULT_RESPONSE_MAX));
    if (target->pinned) {
        result r = net_tls_known_parse(&vault->known, (const char *)known.data, known.length);
        if (r.code)
            return error_prefix(r, "tlsKnownServersPath");
    }
    vault->target = *target;
    CURL *curl = vault->curl = curl_easy_init();
    ENSURE(curl, E_MEMORY, "out of memory for libcurl");
    result r = set_options(vault, authorities);
    if (!r.code)
        r = aws_connect_through(&vault->connect, curl, &target->address, 0);
    if (r.code)
        close_target(vault);
    return r;
}

/* Only what cannot be taken for another part of the URL goes in as it is. */
static must_check result set_url(struct fetcher_vault *vault, const char *path)
{
    const struct fetcher_vault_target *target = &vault->target;
    AUTO(buffer) url = {0};
    for (const char *at = path; *at; at++)
        ENSURE(*at > ' ' && *at < 0x7f && *at != '#' && *at != '\\', E_INPUT,
               "keyPath: must be printable ASCII without blanks, '#' and '\\'");
    TRY(buffer_printf(&url, strchr(target->host, ':') ? "%s://[%s]:%u%s" : "%s://%s:%u%s",
                      target->tls ? "https" : "http", target->host, target->address.port, path));
    CURLcode code = curl_easy_setopt(vault->curl, CURLOPT_URL, (const char *)url.data);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

struct header_list {
    struct curl_slist *lines;
};

static void header_list_cleanup(struct header_list *list)
{
    curl_slist_free_all(list->lines);
}

static must_check result add_header(struct header_list *list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(list->lines, line);
    ENSURE(longer, E_MEMORY, "out of memory for headers");
    list->lines = longer;
    return RESULT_OK;
}

static must_check result add_token(struct header_list *list, const struct secret *token)
{
    static const char name[] = "X-Vault-Token: ";
    AUTO(secret) line = {0};
    for (size_t i = 0; i < token->length; i++)
        ENSURE(token->data[i] > ' ' && token->data[i] < 0x7f, E_INPUT,
               "token: must be printable ASCII without blanks");
    TRY(secret_new(&line, strlen(name) + token->length));
    memcpy(line.data, name, strlen(name));
    memcpy(line.data + strlen(name), token->data, token->length);
    return add_header(list, (const char *)line.data);
}

static must_check result explain(const struct fetcher_vault *vault, CURLcode code)
{
    ENSURE(!vault->answer_too_long, E_TOO_LARGE, "the answer has more than %d bytes",
           FETCHER_VAULT_RESPONSE_MAX);
    ENSURE(!vault->refused, E_AUTH, "TLS: its certificate is not listed in tlsKnownServersPath");
    if (code == CURLE_OPERATION_TIMEDOUT)
        FAIL(E_TIMEOUT, "no answer in time");
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR)
        FAIL(E_AUTH, "TLS: %s", curl_easy_strerror(code));
    FAIL(code == CURLE_COULDNT_CONNECT ? E_IO : E_PEER, "%s", curl_easy_strerror(code));
}

/* Nothing of the answer is told: it is a stranger's text. */
static must_check result judge(const struct fetcher_vault *vault)
{
    long status = 0;
    (void)curl_easy_getinfo(vault->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200)
        return RESULT_OK;
    if (status == 403)
        FAIL(E_DENIED, "permission denied (HTTP 403): the token is not valid, or may not read this");
    if (status == 404)
        FAIL(E_NOT_FOUND, "there is no such secret (HTTP 404)");
    FAIL(E_PEER, "answers with HTTP %ld", status);
}

static must_check result perform(struct fetcher_vault *vault, const struct fetcher_vault_request *request,
                                 struct curl_slist *headers)
{
    CURLcode code = CURLE_OK;
    vault->answer_len = 0;
    vault->answer_too_long = vault->refused = false;
    SET(CURLOPT_HTTPHEADER, headers);
    SET(CURLOPT_TIMEOUT_MS, request->timeout_ms);
    if (request->body) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body->length);
        SET(CURLOPT_POSTFIELDS, (const char *)request->body->data);
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    code = curl_easy_perform(vault->curl);
    (void)curl_easy_setopt(vault->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(vault->curl, CURLOPT_POSTFIELDS, NULL);
    if (code)
        return explain(vault, code);
    vault->answer.data[vault->answer_len] = 0; /* secret_new has made room for it */
    return judge(vault);
}

result fetcher_vault_exchange(struct fetcher_vault *vault, const struct fetcher_vault_request *request)
{
    AUTO(header_list) headers = {0};
    TRY(set_url(vault, request->path));
    TRY(add_header(&headers, "Accept: application/json"));
    if (request->token)
        TRY(add_token(&headers, request->token));
    if (request->body)
        TRY(add_header(&headers, "Content-Type: application/json"));
    return perform(vault, request, headers.lines);
}
