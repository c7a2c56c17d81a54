/* policy_credentials.c - see policy_credentials.h. Credentials are hashed once and without salt, which is why
 * short ones are refused. */
#include "policy/policy_credentials.h"

#include <openssl/evp.h>
#include <string.h>

enum { FILE_MAX_LEN = 65536, SHORTEST = 16, TOKEN_SHORTEST = 20 };

static const char token_characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

result policy_credential_digest(uint8_t ret_digest[static POLICY_DIGEST_LEN], const void *bytes,
                                size_t bytes_len)
{
    unsigned length = POLICY_DIGEST_LEN;
    ENSURE(EVP_Digest(bytes, bytes_len, ret_digest, &length, EVP_sha256(), NULL) == 1, E_CRYPTO,
           "no SHA-256");
    return RESULT_OK;
}

static must_check result check_basic(const char *line, size_t length, size_t number)
{
    const char *colon = memchr(line, ':', length);
    ENSURE(colon && colon > line, E_INPUT, "line %zu: must be user:password", number);
    size_t password_len = length - (size_t)(colon + 1 - line);
    ENSURE(password_len >= SHORTEST && length <= POLICY_CREDENTIAL_LONGEST, E_INPUT,
           "line %zu: the password must have from %d to %d characters", number, SHORTEST,
           POLICY_CREDENTIAL_LONGEST);
    return RESULT_OK;
}

static must_check result check_token(const char *line, size_t length, size_t number)
{
    ENSURE(length >= TOKEN_SHORTEST && length <= POLICY_CREDENTIAL_LONGEST &&
               strspn(line, token_characters) >= length,
           E_INPUT, "line %zu: a token must have from %d to %d of the characters A-Z a-z 0-9 - _", number,
           TOKEN_SHORTEST, POLICY_CREDENTIAL_LONGEST);
    return RESULT_OK;
}

typedef result checker(const char *line, size_t length, size_t number);

static must_check result read_lines(struct secret *ret_digests, checker *check, const char *path)
{
    AUTO(secret) text = {0};
    AUTO(secret) digests = {0};
    size_t count = 0, number = 0;
    TRY(secret_read_file(&text, path, FILE_MAX_LEN));
    TRY(secret_new(&digests, (size_t)POLICY_CREDENTIALS_MAX * POLICY_DIGEST_LEN));
    const char *at = (const char *)text.data, *end = at + text.length;
    ENSURE(!memchr(at, 0, text.length), E_INPUT, "NUL character");
    while (at < end) {
        const char *line = at, *newline = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((newline ? newline : end) - line);
        at = newline ? newline + 1 : end;
        number++;
        if (length > 0 && line[length - 1] == '\r')
            length--;
        if (length == 0 || *line == '#')
            continue;
        ENSURE(count < POLICY_CREDENTIALS_MAX, E_TOO_LARGE, "line %zu: more than %d lines", number,
               POLICY_CREDENTIALS_MAX);
        TRY(check(line, length, number));
        TRY(policy_credential_digest(digests.data + count++ * POLICY_DIGEST_LEN, line, length));
    }
    ENSURE(count > 0, E_INPUT, "nothing is in it, so nobody could ask");
    secret_truncate(&digests, count * POLICY_DIGEST_LEN);
    *ret_digests = digests;
    digests = (struct secret){0};
    return RESULT_OK;
}

result policy_credentials_read(struct secret *ret_digests, enum policy_credentials_kind kind,
                               const char *path)
{
    return read_lines(ret_digests, kind == POLICY_BASIC ? check_basic : check_token, path);
}
