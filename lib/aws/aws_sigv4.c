/* aws_sigv4.c - Signature Version 4, step by step as AWS's reference describes it.
 *
 * The canonical form of path and query is in aws_canonical.c. Rejected: libcurl's CURLOPT_AWS_SIGV4, which in
 * the version of Debian 12 signs a removed header and sorts header lines instead of names. */
#include "aws/aws_sigv4.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "aws/aws_canonical.h"
#include "base/hex.h"

enum { DAY_LEN = 8 };

void aws_sigv4_date(char out[static AWS_SIGV4_DATE_LEN + 1], uint64_t time_ms)
{
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm utc;
    (void)gmtime_r(&seconds, &utc);
    if (strftime(out, AWS_SIGV4_DATE_LEN + 1, "%Y%m%dT%H%M%SZ", &utc) != AWS_SIGV4_DATE_LEN)
        out[0] = 0;
}

result aws_sigv4_date_parse(uint64_t *ret_time_ms, const char *date)
{
    struct tm utc = {0};
    const char *end = strptime(date, "%Y%m%dT%H%M%SZ", &utc);
    ENSURE(end && *end == 0, E_INPUT, "x-amz-date: must have the form YYYYMMDDTHHMMSSZ");
    time_t seconds = timegm(&utc);
    ENSURE(seconds >= 0, E_INPUT, "x-amz-date: before 1970");
    uint64_t time_ms = (uint64_t)seconds * 1000;
    char again[AWS_SIGV4_DATE_LEN + 1]; /* strptime is lenient with blanks and ranges */
    aws_sigv4_date(again, time_ms);
    ENSURE(strcmp(again, date) == 0, E_INPUT, "x-amz-date: must have the form YYYYMMDDTHHMMSSZ");
    *ret_time_ms = time_ms;
    return RESULT_OK;
}

/* A header with its place, so that equal names keep the order they were sent in. */
struct placed_header {
    const struct aws_sigv4_header *header;
    size_t place;
};

static int compare_headers(const void *a, const void *b)
{
    const struct placed_header *left = a, *right = b;
    int order = strcasecmp(left->header->name, right->header->name);
    if (order)
        return order;
    return left->place < right->place ? -1 : 1;
}

static must_check result sort_headers(struct placed_header ret_sorted[static AWS_SIGV4_HEADERS_MAX],
                                      const struct aws_sigv4_request *request)
{
    ENSURE(request->num_headers <= AWS_SIGV4_HEADERS_MAX, E_TOO_LARGE, "more than %d signed headers",
           AWS_SIGV4_HEADERS_MAX);
    for (size_t i = 0; i < request->num_headers; i++)
        ret_sorted[i] = (struct placed_header){&request->headers[i], i};
    qsort(ret_sorted, request->num_headers, sizeof *ret_sorted, compare_headers);
    return RESULT_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static must_check result append_lower(struct buffer *out, const char *text)
{
    for (; *text; text++) {
        char lower = *text >= 'A' && *text <= 'Z' ? (char)(*text - 'A' + 'a') : *text;
        TRY(buffer_append(out, &lower, 1));
    }
    return RESULT_OK;
}

/* Trimmed, and every inner run of blanks made one space. */
static must_check result append_value(struct buffer *out, const char *value)
{
    bool gap = false, begun = false;
    for (; *value; value++) {
        if (is_blank(*value)) {
            gap = begun;
            continue;
        }
        if (gap)
            TRY(buffer_append(out, " ", 1));
        TRY(buffer_append(out, value, 1));
        gap = false;
        begun = true;
    }
    return RESULT_OK;
}

static bool same_name(const struct placed_header *sorted, size_t i)
{
    return i > 0 && strcasecmp(sorted[i].header->name, sorted[i - 1].header->name) == 0;
}

result aws_sigv4_signed_headers(struct buffer *out, const struct aws_sigv4_request *request)
{
    struct placed_header sorted[AWS_SIGV4_HEADERS_MAX];
    TRY(sort_headers(sorted, request));
    for (size_t i = 0; i < request->num_headers; i++) {
        if (same_name(sorted, i))
            continue;
        if (i > 0)
            TRY(buffer_append(out, ";", 1));
        TRY(append_lower(out, sorted[i].header->name));
    }
    return RESULT_OK;
}

static must_check result append_headers(struct buffer *out, const struct aws_sigv4_request *request)
{
    struct placed_header sorted[AWS_SIGV4_HEADERS_MAX];
    TRY(sort_headers(sorted, request));
    for (size_t i = 0; i < request->num_headers; i++) {
        if (same_name(sorted, i)) {
            TRY(buffer_append(out, ",", 1));
        } else {
            if (i > 0)
                TRY(buffer_append(out, "\n", 1));
            TRY(append_lower(out, sorted[i].header->name));
            TRY(buffer_append(out, ":", 1));
        }
        TRY(append_value(out, sorted[i].header->value));
    }
    return buffer_append(out, "\n", 1);
}

static must_check result append_sha256(struct buffer *out, const uint8_t *bytes, size_t bytes_len)
{
    static const uint8_t nothing;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char text[2 * SHA256_DIGEST_LENGTH + 1];
    ENSURE(EVP_Digest(bytes ? bytes : &nothing, bytes_len, digest, NULL, EVP_sha256(), NULL) == 1, E_CRYPTO,
           "SHA-256");
    hex_encode(text, digest, sizeof digest);
    return buffer_append_text(out, text);
}

result aws_sigv4_canonical_request(struct buffer *out, const struct aws_sigv4_request *request)
{
    TRY(buffer_append_text(out, request->method));
    TRY(buffer_append(out, "\n", 1));
    TRY(aws_canonical_path(out, request->path, request->keep_path));
    TRY(buffer_append(out, "\n", 1));
    TRY(aws_canonical_query(out, request->query));
    TRY(buffer_append(out, "\n", 1));
    TRY(append_headers(out, request));
    TRY(buffer_append(out, "\n", 1));
    TRY(aws_sigv4_signed_headers(out, request));
    TRY(buffer_append(out, "\n", 1));
    return append_sha256(out, request->body, request->body_len);
}

static must_check result check_scope(const struct aws_sigv4_scope *scope)
{
    ENSURE(strlen(scope->date) == AWS_SIGV4_DATE_LEN, E_INPUT, "x-amz-date: must have %d characters",
           AWS_SIGV4_DATE_LEN);
    return RESULT_OK;
}

result aws_sigv4_string_to_sign(struct buffer *out, const struct aws_sigv4_scope *scope,
                                const struct buffer *canonical_request)
{
    TRY(check_scope(scope));
    TRY(buffer_printf(out, "AWS4-HMAC-SHA256\n%s\n%.*s/%s/%s/aws4_request\n", scope->date, DAY_LEN,
                      scope->date, scope->region, scope->service));
    return append_sha256(out, canonical_request->data, canonical_request->length);
}

static must_check result hmac(uint8_t ret_mac[static SHA256_DIGEST_LENGTH], const uint8_t *key,
                              size_t key_len, const void *data, size_t data_len)
{
    uint8_t mac[SHA256_DIGEST_LENGTH]; /* key and result may be the same array */
    bool worked = HMAC(EVP_sha256(), key, (int)key_len, data, data_len, mac, NULL) != NULL;
    if (worked)
        memcpy(ret_mac, mac, sizeof mac);
    secret_wipe(mac, sizeof mac);
    ENSURE(worked, E_CRYPTO, "HMAC-SHA-256");
    return RESULT_OK;
}

static must_check result sign_with(char *ret_signature, struct secret *key,
                                   const struct aws_sigv4_scope *scope,
                                   const struct secret *secret_access_key,
                                   const struct buffer *string_to_sign)
{
    AUTO(secret) first = {0};
    TRY(secret_new(&first, 4 + secret_access_key->length));
    memcpy(first.data, (const char[4]){'A', 'W', 'S', '4'}, 4);
    memcpy(first.data + 4, secret_access_key->data, secret_access_key->length);

    uint8_t signature[SHA256_DIGEST_LENGTH];
    TRY(hmac(key->data, first.data, first.length, scope->date, DAY_LEN));
    TRY(hmac(key->data, key->data, key->length, scope->region, strlen(scope->region)));
    TRY(hmac(key->data, key->data, key->length, scope->service, strlen(scope->service)));
    TRY(hmac(key->data, key->data, key->length, "aws4_request", strlen("aws4_request")));
    TRY(hmac(signature, key->data, key->length, string_to_sign->data, string_to_sign->length));
    hex_encode(ret_signature, signature, sizeof signature);
    return RESULT_OK;
}

result aws_sigv4_signature(char ret_signature[static AWS_SIGV4_SIGNATURE_LEN + 1],
                           const struct aws_sigv4_scope *scope, const struct secret *secret_access_key,
                           const struct buffer *string_to_sign)
{
    TRY(check_scope(scope));
    AUTO(secret) key = {0};
    TRY(secret_new(&key, SHA256_DIGEST_LENGTH));
    return sign_with(ret_signature, &key, scope, secret_access_key, string_to_sign);
}

result aws_sigv4_authorization(struct buffer *out, const struct aws_sigv4_request *request,
                               const struct aws_sigv4_scope *scope, const char *access_key_id,
                               const struct secret *secret_access_key)
{
    AUTO(buffer) canonical = {0};
    AUTO(buffer) string_to_sign = {0};
    AUTO(buffer) names = {0};
    char signature[AWS_SIGV4_SIGNATURE_LEN + 1];
    TRY(aws_sigv4_canonical_request(&canonical, request));
    TRY(aws_sigv4_string_to_sign(&string_to_sign, scope, &canonical));
    TRY(aws_sigv4_signature(signature, scope, secret_access_key, &string_to_sign));
    TRY(aws_sigv4_signed_headers(&names, request));
    return buffer_printf(
        out, "AWS4-HMAC-SHA256 Credential=%s/%.*s/%s/%s/aws4_request, SignedHeaders=%s, Signature=%s",
        access_key_id, DAY_LEN, scope->date, scope->region, scope->service,
        names.length ? (const char *)names.data : "", signature);
}
