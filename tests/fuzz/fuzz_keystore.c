/* fuzz_keystore.c - EIP-2335 keystores and version 3 wallets, as files and as what is in them. What the
 * reader of a file accepts keeps to the limits of work and memory. A file whose parameters were accepted,
 * sealed anew by us under the password, opens to the secret that was in it.
 *
 * A keystore's checksum no mutation gets past: so the secret comes from the file's own ciphertext bytes. */
#include <jansson.h>

#include "fuzz.h"
#include "fuzz_secret.h"
#include "keystore/key_sources.h"
#include "keystore/keystore_file.h"
#include "keystore/keystore_password.h"
#include "wallet/wallet_file.h"

enum { KDF_MEMORY_MAX = 256 << 20, CHEAP = 64 };

static void check_keystore_file(const struct keystore_file *file)
{
    PROMISE(file->salt_len <= KEYSTORE_SALT_MAX && memchr(file->path, 0, sizeof file->path));
    if (file->kdf == KEYSTORE_SCRYPT) {
        PROMISE(file->n >= 2 && (file->n & (file->n - 1)) == 0 && file->r >= 1 && file->p >= 1);
        PROMISE(file->r <= KDF_MEMORY_MAX && file->n <= KDF_MEMORY_MAX);
        PROMISE(128 * file->n * file->r <= KDF_MEMORY_MAX);
        PROMISE(file->p <= (UINT64_C(1) << 60) / (file->n * file->r));
    } else {
        PROMISE(file->rounds >= 1);
    }
}

static bool is_cheap(const struct keystore_file *file)
{
    return file->kdf == KEYSTORE_SCRYPT ? file->n * file->r * file->p <= CHEAP : file->rounds <= CHEAP;
}

static void try_keystore(const char *json, size_t length)
{
    struct keystore_file file;
    AUTO(keystore) opened = {0};
    static const uint8_t password[] = "password";
    if (!fuzz_accepted(keystore_file_parse(&file, json, length, KDF_MEMORY_MAX)))
        return;
    check_keystore_file(&file);
    if (!is_cheap(&file))
        return;
    result r = keystore_decrypt(&opened, json, length, password, sizeof password - 1, KDF_MEMORY_MAX);
    if (fuzz_accepted(r))
        PROMISE(opened.secret.length == BLS_SECRET_LEN && strcmp(opened.path, file.path) == 0);
    else
        PROMISE(!opened.secret.data);
}

/* Our own encryption of the bytes that lie at the end of the input. */
static void try_secret(const uint8_t *data, size_t size)
{
    AUTO(buffer) json = {0};
    AUTO(keystore) opened = {0};
    char path[8] = "m/";
    const uint8_t *password = data + BLS_SECRET_LEN;
    size_t password_len = size - BLS_SECRET_LEN;
    if (password_len > KEYSTORE_PASSWORD_MAX)
        return;
    (void)snprintf(path + 2, sizeof path - 2, "%u", data[0]);
    result r = keystore_encrypt(&json, data, path, password, password_len, KEYSTORE_PBKDF2, 1);
    if (!fuzz_accepted(r))
        return;
    r = keystore_decrypt(&opened, (const char *)json.data, json.length, password, password_len,
                         KDF_MEMORY_MAX);
    PROMISE(r.code == 0);
    PROMISE(memcmp(opened.secret.data, data, BLS_SECRET_LEN) == 0 && strcmp(opened.path, path) == 0);
}

/* A normal form does not change when it is made again. */
static void try_password(const uint8_t *data, size_t size)
{
    AUTO(secret) normal = {0}, again = {0};
    if (!fuzz_accepted(keystore_password_normalize(&normal, data, size)))
        return;
    for (size_t i = 0; i < normal.length; i++)
        PROMISE(normal.data[i] >= 0x20 && normal.data[i] != 0x7f);
    if (normal.length > KEYSTORE_PASSWORD_MAX)
        return;
    PROMISE(keystore_password_normalize(&again, normal.data, normal.length).code == 0);
    PROMISE(again.length == normal.length && memcmp(again.data, normal.data, normal.length) == 0);
}

static void try_wallet(const char *json, size_t length)
{
    struct wallet_file file;
    AUTO(wallet) opened = {0};
    static const uint8_t password[] = "testpassword";
    if (!fuzz_accepted(wallet_file_parse(&file, json, length, KDF_MEMORY_MAX)))
        return;
    PROMISE(file.salt_len <= WALLET_SALT_MAX);
    bool cheap = file.kdf == WALLET_SCRYPT ? file.n * file.r * file.p <= CHEAP : file.rounds <= CHEAP;
    if (!cheap)
        return;
    result r = wallet_decrypt(&opened, json, length, password, sizeof password - 1, KDF_MEMORY_MAX);
    PROMISE(fuzz_accepted(r) == (opened.secret.data != NULL));
}

/* A key that stands in a text: digits, and blanks around them. */
static void try_raw(const char *text, size_t length)
{
    AUTO(keystore) opened = {0};
    if (!fuzz_accepted(key_source_parse(&opened, text, length)))
        return;
    PROMISE(opened.secret.length == BLS_SECRET_LEN && length >= 2 * BLS_SECRET_LEN);
    for (size_t i = 0; i < length; i++)
        PROMISE(text[i] && strchr("0123456789abcdefABCDEFx \t\r\n", text[i]));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_open_secret_heap();
    fuzz_forget_reason();
    if (size > 0 && (data[0] == '{' || data[0] == ' ')) {
        try_keystore((const char *)data, size);
        try_wallet((const char *)data, size);
        return 0;
    }
    try_raw((const char *)data, size);
    try_password(data, size);
    if (size >= BLS_SECRET_LEN)
        try_secret(data, size);
    return 0;
}
