/* ctl_attest_server.c - the signer's HTTPS port, seen by somebody who does not trust it yet.
 *
 * The certificate need not be one that an authority signed: the attestation document vouches for its key,
 * and the caller compares. So the first request goes to anybody, and the key of whoever answered is
 * reported; the second is on a connection of its own that libcurl makes with that key or not at all.
 * Rejected: both requests on one connection - whether libcurl reuses one is its own business. Tokens and
 * passwords would go with the first request, so they need a ca_file. */
#include "ctl_attest.h"

#include <curl/curl.h>
#include <openssl/pem.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "json/json.h"

enum {
    ANSWER_MAX = 16 << 20,
    KEYS_MAX = 131072, /* of a signer */
    PUBKEY_LEN = 48,
    TIMEOUT_S = 30,
    URL_MAX = 1024,
    ATTEMPTS = 5,
    RETRY_MS = 1000,
    BUSY = 503,
    TOO_MANY = 429
};

DEFINE_AUTO_POINTER(CURL, curl_easy_cleanup)
DEFINE_AUTO_POINTER(BIO, BIO_free)
DEFINE_AUTO_POINTER(X509, X509_free)

void ctl_attest_server_cleanup(struct ctl_attest_server *server)
{
    secret_cleanup(&server->path_token);
    secret_cleanup(&server->basic);
}

static size_t on_data(char *bytes, size_t size, size_t count, void *context)
{
    struct buffer *answer = context;
    result r = answer->length + size * count > ANSWER_MAX ? error_set(E_TOO_LARGE, "the answer is too long")
                                                          : buffer_append(answer, bytes, size * count);
    return r.code ? 0 : size * count;
}

static must_check result set(CURLcode code)
{
    ENSURE(code == CURLE_OK, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

static must_check result set_text(CURL *curl, CURLoption option, const char *text)
{
    return text ? set(curl_easy_setopt(curl, option, text)) : RESULT_OK;
}

static must_check result set_url(CURL *curl, const struct ctl_attest_server *server, const char *path)
{
    char url[URL_MAX];
    const char *token = server->path_token.data ? (const char *)server->path_token.data : "";
    int length = snprintf(url, sizeof url, "%s%s%s%s", server->url, token[0] ? "/" : "", token, path);
    result r = length > 0 && (size_t)length < sizeof url ? set(curl_easy_setopt(curl, CURLOPT_URL, url))
                                                         : error_set(E_INPUT, "--url: too long");
    secret_wipe(url, sizeof url);
    return r;
}

static must_check result configure(CURL *curl, const struct ctl_attest_server *server, const char *path,
                                   struct buffer *answer)
{
    long vouched = server->ca_file ? 1 : 0;
    TRY(set_url(curl, server, path));
    TRY(set(curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https")));
    TRY(set(curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S)));
    TRY(set(curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L)));
    TRY(set(curl_easy_setopt(curl, CURLOPT_PROXY, "")));
    TRY(set(curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, vouched)));
    TRY(set(curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2 * vouched)));
    /* The certificate is seen in a whole handshake only. */
    TRY(set(curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L)));
    TRY(set(curl_easy_setopt(curl, CURLOPT_SSL_SESSIONID_CACHE, 0L)));
    TRY(set(curl_easy_setopt(curl, CURLOPT_CERTINFO, 1L)));
    TRY(set_text(curl, CURLOPT_CAINFO, server->ca_file));
    TRY(set_text(curl, CURLOPT_SSLCERT, server->client_cert_file));
    TRY(set_text(curl, CURLOPT_SSLKEY, server->client_key_file));
    if (server->basic.data) {
        TRY(set(curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC)));
        TRY(set_text(curl, CURLOPT_USERPWD, (const char *)server->basic.data));
    }
    TRY(set(curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data)));
    return set(curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer));
}

static must_check result perform(CURL *curl, long *ret_status)
{
    CURLcode code = curl_easy_perform(curl);
    ENSURE(code != CURLE_SSL_PINNEDPUBKEYNOTMATCH, E_PEER,
           "the public keys came from a server with another TLS key");
    ENSURE(code == CURLE_OK, E_PEER, "--url: %s", curl_easy_strerror(code));
    return set(curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status));
}

/* What the signer says of its own refusal, if it is its kind of answer. */
static must_check result refused(const char *what, long status, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *reason = NULL;
    bool has_reason = !json_read(&document, (const char *)answer->data, answer->length, 4096, 8).code &&
                      !json_view_root(&root, document).code &&
                      !json_get_text(&reason, NULL, &root, "error").code;
    FAIL(E_PEER, "%s: answered %ld%s%s", what, status, has_reason ? ": " : "", has_reason ? reason : "");
}

/* Of the first certificate that libcurl saw: the leaf, whose key the handshake proved. */
static must_check result peer_digest(uint8_t ret_digest[static CTL_DIGEST_LEN], CURL *curl)
{
    static const char name[] = "Cert:";
    struct curl_certinfo *info = NULL;
    const char *pem = NULL;
    TRY(set(curl_easy_getinfo(curl, CURLINFO_CERTINFO, &info)));
    for (struct curl_slist *field = info && info->num_of_certs > 0 ? info->certinfo[0] : NULL; field;
         field = field->next) {
        if (strncmp(field->data, name, sizeof name - 1) == 0)
            pem = field->data + sizeof name - 1;
    }
    ENSURE(pem, E_PEER, "--url: the server showed no certificate");
    AUTO_POINTER(BIO) text = BIO_new_mem_buf(pem, -1);
    AUTO_POINTER(X509) leaf = text ? PEM_read_bio_X509(text, NULL, NULL, NULL) : NULL;
    unsigned char *spki = NULL;
    int length = leaf ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki) : 0;
    ENSURE(length > 0, E_PEER, "--url: the server's certificate cannot be read");
    int done = EVP_Digest(spki, (size_t)length, ret_digest, NULL, EVP_sha256(), NULL);
    OPENSSL_free(spki);
    ENSURE(done == 1, E_CRYPTO, "SHA-256 failed");
    return RESULT_OK;
}

static must_check result read_document(struct buffer *document, const struct buffer *answer)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    const char *text;
    size_t text_len, length;
    TRY(json_read(&root, (const char *)answer->data, answer->length, ANSWER_MAX, 8));
    TRY(json_view_root(&view, root));
    TRY(json_get_text(&text, &text_len, &view, "document"));
    TRY(buffer_reserve(document, BASE64_DECODED_MAX(text_len)));
    TRY(base64_decode(document->data, &length, BASE64_DECODED_MAX(text_len), text, text_len));
    document->length = length;
    return RESULT_OK;
}

result ctl_attest_fetch(struct buffer *document, uint8_t ret_spki_digest[static CTL_DIGEST_LEN],
                        const struct ctl_attest_server *server, const uint8_t *nonce, size_t nonce_len)
{
    char path[256] = "/attestation?nonce=";
    size_t start = strlen(path);
    long status = 0;
    AUTO(buffer) answer = {0};
    ENSURE(start + 2 * nonce_len < sizeof path, E_INTERNAL, "a nonce of %zu bytes is too long", nonce_len);
    hex_encode(path + start, nonce, nonce_len);
    AUTO_POINTER(CURL) curl = curl_easy_init();
    ENSURE(curl, E_MEMORY, "libcurl does not start");
    TRY(configure(curl, server, path, &answer));
    for (int attempt = 1;; attempt++) {
        answer.length = 0;
        TRY(perform(curl, &status));
        if ((status != BUSY && status != TOO_MANY) || attempt == ATTEMPTS)
            break;
        (void)poll(NULL, 0, RETRY_MS); /* as the signer's retry-after says; it announces nothing */
    }
    if (status != 200)
        return refused("attestation", status, &answer);
    TRY(peer_digest(ret_spki_digest, curl));
    result r = read_document(document, &answer);
    return r.code ? error_prefix(r, "attestation") : r;
}

static int compare_pubkeys(const void *a, const void *b)
{
    return memcmp(a, b, PUBKEY_LEN);
}

static must_check result digest_list(uint8_t ret_digest[static CTL_DIGEST_LEN], size_t *ret_count,
                                     const struct buffer *answer)
{
    AUTO_POINTER(json_t) list = NULL;
    AUTO(buffer) keys = {0};
    TRY(json_read(&list, (const char *)answer->data, answer->length, ANSWER_MAX, KEYS_MAX + 8));
    ENSURE(json_is_array(list), E_PEER, "not an array");
    const struct json_view view = {.value = list};
    size_t count = json_array_size(list);
    TRY(buffer_reserve(&keys, count * PUBKEY_LEN + 1));
    for (size_t i = 0; i < count; i++)
        TRY(json_element_hex(keys.data + i * PUBKEY_LEN, PUBKEY_LEN, &view, i));
    if (count)
        qsort(keys.data, count, PUBKEY_LEN, compare_pubkeys);
    for (size_t i = 1; i < count; i++)
        ENSURE(compare_pubkeys(keys.data + (i - 1) * PUBKEY_LEN, keys.data + i * PUBKEY_LEN) != 0, E_PEER,
               "a key is there twice");
    ENSURE(EVP_Digest(keys.data, count * PUBKEY_LEN, ret_digest, NULL, EVP_sha256(), NULL) == 1, E_CRYPTO,
           "SHA-256 failed");
    *ret_count = count;
    return RESULT_OK;
}

result ctl_attest_list(uint8_t ret_digest[static CTL_DIGEST_LEN], size_t *ret_count,
                       const struct ctl_attest_server *server,
                       const uint8_t spki_digest[static CTL_DIGEST_LEN])
{
    char pin[64] = "sha256//";
    long status = 0;
    AUTO(buffer) answer = {0};
    AUTO_POINTER(CURL) curl = curl_easy_init();
    ENSURE(curl, E_MEMORY, "libcurl does not start");
    base64_encode(pin + strlen(pin), spki_digest, CTL_DIGEST_LEN);
    TRY(configure(curl, server, "/api/v1/eth2/publicKeys", &answer));
    TRY(set(curl_easy_setopt(curl, CURLOPT_PINNEDPUBLICKEY, pin)));
    TRY(perform(curl, &status));
    if (status != 200)
        return refused("publicKeys", status, &answer);
    result r = digest_list(ret_digest, ret_count, &answer);
    return r.code ? error_prefix(r, "publicKeys") : r;
}
