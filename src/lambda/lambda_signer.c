/* lambda_signer.c - asks the signer, over HTTPS with the certificate of the TLS table as its only root.
 *
 * It is the load balancer's name that is asked for and that the certificate must have. Rejected: the system's
 * certificate authorities beside it, any of which could then stand in for the signer. */
#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "aws/aws_connect.h"
#include "base/hex.h"
#include "lambda_operations.h"
#include "json/json.h"

enum { TIMEOUT_MS = 10000, CONNECT_MS = 3000, STATUS_MAX = 4096, KEYS_MAX = 60000, PUBKEY_LEN = 48 };

struct signer {
    CURL *curl;
    struct aws_connect connect;
    struct buffer *answer;
    size_t answer_max;
    bool too_long;
};

static void signer_cleanup(struct signer *signer)
{
    curl_easy_cleanup(signer->curl);
    aws_connect_cleanup(&signer->connect);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *pointer)
{
    struct signer *signer = pointer;
    size_t length = size * count;
    signer->too_long = length > signer->answer_max - signer->answer->length;
    bool taken = !signer->too_long && !buffer_append(signer->answer, bytes, length).code;
    return taken ? length : CURL_WRITEFUNC_ERROR;
}

#define SET(option, value) (code = code ? code : curl_easy_setopt(signer->curl, (option), (value)))

static must_check result set_options(struct signer *signer, const char *url, const struct buffer *pem,
                                     int timeout_ms)
{
    struct curl_blob blob = {.data = pem->data, .len = pem->length, .flags = CURL_BLOB_COPY};
    CURLcode code = CURLE_OK;
    SET(CURLOPT_URL, url);
    SET(CURLOPT_PROTOCOLS_STR, "https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_PROXY, ""); /* an empty string also switches the environment's proxies off */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_CAINFO_BLOB, &blob);
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_WRITEFUNCTION, take_body);
    SET(CURLOPT_WRITEDATA, signer);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

static must_check result perform(struct signer *signer, const char *name)
{
    long status = 0;
    CURLcode code = curl_easy_perform(signer->curl);
    ENSURE(!signer->connect.failure, signer->connect.failure, "%s: %s", name, signer->connect.text);
    ENSURE(!signer->too_long, E_TOO_LARGE, "%s: the answer has more than %zu bytes", name,
           signer->answer_max);
    if (code == CURLE_OPERATION_TIMEDOUT)
        FAIL(E_TIMEOUT, "%s: no answer in time", name);
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
        code == CURLE_SSL_CACERT_BADFILE)
        FAIL(E_AUTH, "%s: its TLS certificate is not the one in the TLS table (%s)", name,
             curl_easy_strerror(code));
    ENSURE(!code, E_IO, "%s: %s", name, curl_easy_strerror(code));
    (void)curl_easy_getinfo(signer->curl, CURLINFO_RESPONSE_CODE, &status);
    ENSURE(status != 401 && status != 403, E_DENIED,
           "%s: answers with HTTP %ld: its access document, or its list of hosts, does not let this in", name,
           status);
    ENSURE(status == 200, E_PEER, "%s: answers with HTTP %ld", name, status);
    return RESULT_OK;
}

static must_check result get(struct buffer *answer, const struct lambda_call *call, const char *path,
                             size_t answer_max)
{
    char url[LAMBDA_URL_MAX + 1];
    int timeout_ms;
    const struct lambda_environment *e = call->environment;
    AUTO(lambda_tls_row) row = {0};
    AUTO(signer) signer = {.answer = answer, .answer_max = answer_max};
    TRY(lambda_tls_row_get(&row, call));
    TRY(lambda_time_left(&timeout_ms, call, TIMEOUT_MS));
    signer.curl = curl_easy_init();
    ENSURE(signer.curl, E_MEMORY, "out of memory for libcurl");
    (void)snprintf(url, sizeof url, "https://%s%s", e->signer_name, path);
    TRY(set_options(&signer, url, &row.pem, timeout_ms));
    if (e->has_signer_address)
        TRY(aws_connect_through(&signer.connect, signer.curl, &e->signer_address, CONNECT_MS));
    return perform(&signer, e->signer_name);
}

result lambda_signer_status(struct buffer *answer, const struct lambda_call *call)
{
    AUTO(buffer) body = {0};
    TRY(get(&body, call, "/upcheck", STATUS_MAX));
    return json_append_quoted(answer, body.length ? (const char *)body.data : "");
}

static must_check result check_keys(const struct buffer *body)
{
    AUTO_POINTER(json_t) root = NULL;
    TRY(json_read(&root, (const char *)body->data, body->length, LAMBDA_ANSWER_MAX, KEYS_MAX));
    ENSURE(json_is_array(root), E_INPUT, "must be a list");
    for (size_t i = 0; i < json_array_size(root); i++) {
        const char *text = json_string_value(json_array_get(root, i));
        uint8_t key[PUBKEY_LEN];
        bool is_key = text && strncmp(text, "0x", 2) == 0 && strlen(text) == 2 + 2 * sizeof key &&
                      !hex_decode(key, sizeof key, text, strlen(text)).code;
        ENSURE(is_key, E_INPUT, "[%zu]: must be a public key", i);
    }
    return RESULT_OK;
}

result lambda_signer_public_keys(struct buffer *answer, const struct lambda_call *call)
{
    AUTO(buffer) body = {0};
    TRY(get(&body, call, "/api/v1/eth2/publicKeys", LAMBDA_ANSWER_MAX));
    result r = check_keys(&body);
    if (r.code)
        return error_prefix((result){r.code == E_MEMORY ? E_MEMORY : E_PEER}, "the signer's answer");
    return buffer_append(answer, body.data, body.length);
}
