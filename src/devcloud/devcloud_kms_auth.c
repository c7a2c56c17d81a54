/* devcloud_kms_auth.c - see devcloud_kms_auth.h. The Authorization header is cut up first, into views of it;
 * then the request is signed again with our copy of the key and the two signatures are compared. */
#include "devcloud_kms_auth.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws/aws_sigv4.h"

enum { AUTHORIZATION_MAX = 2048, SIGNED_HEADERS_MAX = 16, DAY_LEN = 8 };

/* The parts of an Authorization header; pointers into text, which is cut up with NULs. */
struct authorization {
    char text[AUTHORIZATION_MAX];
    char *access_key_id, *day, *region, *service, *terminator;
    char *names[SIGNED_HEADERS_MAX];
    size_t num_names;
    const char *signature;
};

/* Ends the word at *at with a NUL and moves behind it; NULL when the separator does not follow. */
static char *take_word(char **at, char separator)
{
    char *word = *at, *end = word ? strchr(word, separator) : NULL;
    *at = end ? end + 1 : NULL;
    if (!end)
        return NULL;
    *end = 0;
    return word;
}

/* "name=" at the start of a part, blanks before it allowed. */
static char *part_value(char *part, const char *name)
{
    size_t length = strlen(name);
    part += part ? strspn(part, " ") : 0;
    return part && strncmp(part, name, length) == 0 ? part + length : NULL;
}

static bool split_names(struct authorization *a, char *list)
{
    while (list) {
        char *rest = list, *name = take_word(&rest, ';');
        if (a->num_names == SIGNED_HEADERS_MAX)
            return false;
        a->names[a->num_names++] = name ? name : list;
        list = name ? rest : NULL;
    }
    for (size_t i = 1; i < a->num_names; i++) {
        if (strcmp(a->names[i - 1], a->names[i]) >= 0)
            return false;
    }
    return true;
}

static must_check result split_credential(struct authorization *a, struct kms_refusal *refusal,
                                          char *credential)
{
    a->access_key_id = take_word(&credential, '/');
    a->day = take_word(&credential, '/');
    a->region = take_word(&credential, '/');
    a->service = take_word(&credential, '/');
    a->terminator = credential;
    KMS_ENSURE(a->terminator, refusal, "IncompleteSignatureException",
               "Authorization: Credential: must be KEY/DATE/REGION/SERVICE/aws4_request");
    return RESULT_OK;
}

/* Cuts up a->text in place. */
static must_check result split_authorization(struct authorization *a, struct kms_refusal *refusal)
{
    static const char algorithm[] = "AWS4-HMAC-SHA256 ";
    KMS_ENSURE(strncmp(a->text, algorithm, strlen(algorithm)) == 0, refusal, "IncompleteSignatureException",
               "Authorization: must be AWS4-HMAC-SHA256");
    char *rest = a->text + strlen(algorithm);
    char *credential = part_value(take_word(&rest, ','), "Credential=");
    char *names = part_value(take_word(&rest, ','), "SignedHeaders=");
    a->signature = part_value(rest, "Signature=");
    KMS_ENSURE(credential && names && a->signature, refusal, "IncompleteSignatureException",
               "Authorization: needs Credential, SignedHeaders and Signature");
    TRY(split_credential(a, refusal, credential));
    KMS_ENSURE(split_names(a, names), refusal, "IncompleteSignatureException",
               "Authorization: SignedHeaders: must be at most %d names in order", SIGNED_HEADERS_MAX);
    return RESULT_OK;
}

static must_check result read_authorization(struct authorization *a, struct kms_refusal *refusal,
                                            const struct kms_signed_request *request)
{
    const char *value = request->header(request->header_context, "authorization");
    KMS_ENSURE(value, refusal, "MissingAuthenticationTokenException", "Missing Authentication Token");
    KMS_ENSURE(strlen(value) < sizeof a->text, refusal, "IncompleteSignatureException",
               "Authorization: is too long");
    (void)snprintf(a->text, sizeof a->text, "%s", value);
    return split_authorization(a, refusal);
}

static bool is_signed(const struct authorization *a, const char *name)
{
    for (size_t i = 0; i < a->num_names; i++) {
        if (strcmp(a->names[i], name) == 0)
            return true;
    }
    return false;
}

static must_check result check_credential(const struct authorization *a, struct kms_refusal *refusal,
                                          const struct kms_signed_request *request,
                                          const struct kms_auth_expected *expected)
{
    const struct secret *token = &expected->credentials->session_token;
    KMS_ENSURE(strcmp(a->access_key_id, expected->credentials->access_key_id) == 0, refusal,
               "UnrecognizedClientException", "The security token included in the request is invalid.");
    const char *sent = request->header(request->header_context, "x-amz-security-token");
    bool same_token = sent ? strlen(sent) == token->length && secret_equal(sent, token->data, token->length)
                           : token->length == 0;
    KMS_ENSURE(same_token, refusal, "UnrecognizedClientException",
               "The security token included in the request is invalid.");
    bool scoped = strcmp(a->region, expected->region) == 0 && strcmp(a->service, "kms") == 0 &&
                  strcmp(a->terminator, "aws4_request") == 0;
    KMS_ENSURE(scoped, refusal, "InvalidSignatureException",
               "Credential should be scoped to %s/kms/aws4_request", expected->region);
    return RESULT_OK;
}

static must_check result check_date(char ret_date[static AWS_SIGV4_DATE_LEN + 1], struct kms_refusal *refusal,
                                    const struct authorization *a, const struct kms_signed_request *request,
                                    uint64_t now_ms)
{
    uint64_t date_ms = 0;
    const char *date = request->header(request->header_context, "x-amz-date");
    KMS_ENSURE(date && !aws_sigv4_date_parse(&date_ms, date).code, refusal, "IncompleteSignatureException",
               "X-Amz-Date: must have the form YYYYMMDDTHHMMSSZ");
    KMS_ENSURE(strlen(a->day) == DAY_LEN && strncmp(a->day, date, DAY_LEN) == 0, refusal,
               "InvalidSignatureException", "Date in Credential scope does not match X-Amz-Date");
    uint64_t skew = date_ms > now_ms ? date_ms - now_ms : now_ms - date_ms;
    KMS_ENSURE(skew <= KMS_CLOCK_SKEW_MS, refusal, "InvalidSignatureException",
               "Signature expired: %s is more than five minutes from now", date);
    (void)snprintf(ret_date, AWS_SIGV4_DATE_LEN + 1, "%s", date);
    return RESULT_OK;
}

static must_check result check_signed_headers(const struct authorization *a, struct kms_refusal *refusal,
                                              const struct kms_signed_request *request)
{
    static const char *const needed[] = {"host", "x-amz-date", "x-amz-target", "x-amz-security-token"};
    for (size_t i = 0; i < ARRAY_LENGTH(needed); i++) {
        bool sent = request->header(request->header_context, needed[i]) != NULL;
        KMS_ENSURE(!sent || is_signed(a, needed[i]), refusal, "InvalidSignatureException",
                   "'%s' must be a signed header", needed[i]);
    }
    KMS_ENSURE(is_signed(a, "host") && is_signed(a, "x-amz-target"), refusal, "InvalidSignatureException",
               "'host' and 'x-amz-target' must be signed headers");
    return RESULT_OK;
}

/* Copies the values of the signed headers, ended by NULs, one behind the other. The reader of requests gives
 * the host without its port, which is put behind it again unless it is 0. */
static must_check result copy_values(struct buffer *out, struct kms_refusal *refusal,
                                     const struct authorization *a, const struct kms_signed_request *request,
                                     uint32_t port)
{
    for (size_t i = 0; i < a->num_names; i++) {
        const char *value = request->header(request->header_context, a->names[i]);
        KMS_ENSURE(value, refusal, "InvalidSignatureException", "a signed header is missing");
        TRY(buffer_append_text(out, value));
        if (port && strcmp(a->names[i], "host") == 0)
            TRY(buffer_printf(out, ":%" PRIu32, port));
        TRY(buffer_append(out, "", 1));
    }
    return RESULT_OK;
}

static must_check result sign_again(char ret_signature[static AWS_SIGV4_SIGNATURE_LEN + 1],
                                    const struct authorization *a, const struct buffer *values,
                                    const struct kms_signed_request *request,
                                    const struct aws_sigv4_scope *scope, const struct secret *key)
{
    struct aws_sigv4_header headers[SIGNED_HEADERS_MAX];
    const char *value = (const char *)values->data;
    for (size_t i = 0; i < a->num_names; i++) {
        headers[i] = (struct aws_sigv4_header){a->names[i], value};
        value += strlen(value) + 1;
    }
    const struct aws_sigv4_request again = {.method = request->method,
                                            .path = request->path,
                                            .query = request->query,
                                            .headers = headers,
                                            .num_headers = a->num_names,
                                            .body = request->body,
                                            .body_len = request->body_len};
    AUTO(buffer) canonical = {0};
    AUTO(buffer) to_sign = {0};
    TRY(aws_sigv4_canonical_request(&canonical, &again));
    TRY(aws_sigv4_string_to_sign(&to_sign, scope, &canonical));
    return aws_sigv4_signature(ret_signature, scope, key, &to_sign);
}

result devcloud_kms_auth_verify(struct kms_refusal *refusal, const struct kms_signed_request *request,
                                const struct kms_auth_expected *expected)
{
    struct authorization a = {0};
    char date[AWS_SIGV4_DATE_LEN + 1];
    refusal->type = "IncompleteSignatureException";
    TRY(read_authorization(&a, refusal, request));
    TRY(check_credential(&a, refusal, request, expected));
    TRY(check_date(date, refusal, &a, request, expected->now_ms));
    TRY(check_signed_headers(&a, refusal, request));
    const struct aws_sigv4_scope scope = {date, expected->region, "kms"};
    const uint32_t ports[] = {0, expected->port};
    bool right = false;
    for (size_t i = 0; i < ARRAY_LENGTH(ports) && !right; i++) {
        AUTO(buffer) values = {0};
        char signature[AWS_SIGV4_SIGNATURE_LEN + 1];
        TRY(copy_values(&values, refusal, &a, request, ports[i]));
        TRY(sign_again(signature, &a, &values, request, &scope, &expected->credentials->secret_access_key));
        right = strlen(a.signature) == AWS_SIGV4_SIGNATURE_LEN &&
                secret_equal(signature, a.signature, AWS_SIGV4_SIGNATURE_LEN);
    }
    KMS_ENSURE(right, refusal, "InvalidSignatureException",
               "The request signature we calculated does not match the signature you provided.");
    return RESULT_OK;
}
