/* devcloud_credentials.c - see devcloud_credentials.h. */
#include "devcloud_credentials.h"

#include <openssl/rand.h>
#include <stdio.h>

#include "base/base64.h"
#include "base/file_io.h"

enum {
    ID_RANDOM_LEN = 16,
    SECRET_RANDOM_LEN = 30, /* 40 characters, as AWS's */
    TOKEN_RANDOM_LEN = 96,
    TEXT_MAX = 512,
    PATH_LEN = 4096
};

static const char ID_PREFIX[] = "ASIA"; /* temporary credentials */

/* 32 letters, so that five bits of each random byte choose one evenly. */
static must_check result make_id(char text[static AWS_ACCESS_KEY_ID_MAX + 1])
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    uint8_t random[ID_RANDOM_LEN];
    ENSURE(RAND_bytes(random, sizeof random) == 1, E_CRYPTO, "credentials: no randomness");
    size_t at = (size_t)snprintf(text, AWS_ACCESS_KEY_ID_MAX + 1, "%s", ID_PREFIX);
    for (size_t i = 0; i < sizeof random; i++)
        text[at++] = letters[random[i] & 31];
    text[at] = 0;
    return RESULT_OK;
}

/* Random bytes as base64 text in the secure heap. */
static must_check result make_text(struct secret *ret_text, size_t random_len)
{
    AUTO(secret) random = {0};
    TRY(secret_new(&random, random_len));
    ENSURE(RAND_priv_bytes(random.data, (int)random_len) == 1, E_CRYPTO, "credentials: no randomness");
    return base64_secret(ret_text, random.data, random_len);
}

static must_check result store(const char *state_dir, const char *id, const struct secret *key,
                               const struct secret *token)
{
    char path[PATH_LEN];
    int length = snprintf(path, sizeof path, "%s/credentials.json", state_dir);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "state folder: name is too long");
    AUTO(secret) json = {0};
    TRY(secret_new(&json, TEXT_MAX));
    /* Letters, digits, '+', '/' and '=' need no escapes. */
    length = snprintf((char *)json.data, TEXT_MAX,
                      "{\"access_key_id\":\"%s\",\"secret_access_key\":\"%s\",\"token\":\"%s\"}\n", id,
                      (const char *)key->data, (const char *)token->data);
    ENSURE(length > 0 && length < TEXT_MAX, E_INTERNAL, "credentials: too long");
    return file_write(path, json.data, (size_t)length, 0600);
}

result devcloud_credentials_make(struct aws_credentials *ret_credentials, const char *state_dir)
{
    char id[AWS_ACCESS_KEY_ID_MAX + 1];
    AUTO(secret) key = {0};
    AUTO(secret) token = {0};
    TRY(make_id(id));
    TRY(make_text(&key, SECRET_RANDOM_LEN));
    TRY(make_text(&token, TOKEN_RANDOM_LEN));
    TRY(store(state_dir, id, &key, &token));
    return aws_credentials_new(ret_credentials, id, (const char *)key.data, (const char *)token.data);
}
