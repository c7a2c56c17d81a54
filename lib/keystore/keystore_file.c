/* keystore_file.c - EIP-2335 JSON to a struct, tolerating what Web3Signer tolerates: members it
 * does not know, a missing pubkey or path, a dklen above 32 (both functions produce a prefix,
 * of which 32 bytes are used) and an iv from 8 bytes. */
#include "keystore/keystore_file.h"

#include <string.h>

#include "json/json.h"

enum {
    FILE_MAX = 16384,
    VALUES_MAX = 256,
    IV_MIN = 8,
    ROUNDS_MAX = 32 * 262144,
    SCRYPT_WORK_MAX = 32 * 262144 * 8, /* n * r * p */
    DKLEN_MIN = 32,
    DKLEN_MAX = 1024
};

static must_check result parse_scrypt(struct keystore_file *file, const struct json_view *params,
                                      size_t max_kdf_memory)
{
    TRY(json_get_u64_between(&file->n, params, "n", 2, 1u << 30));
    TRY(json_get_u64_between(&file->r, params, "r", 1, 1024));
    TRY(json_get_u64_between(&file->p, params, "p", 1, 1024));
    if (file->n & (file->n - 1))
        return json_blame(error_set(E_INPUT, "must be a power of two"), params, "n");
    if (128 * file->n * file->r > max_kdf_memory)
        return json_blame(error_set(E_INPUT, "n and r want more than %zu bytes of memory", max_kdf_memory),
                          params, "n");
    if (file->n * file->r * file->p > SCRYPT_WORK_MAX)
        return json_blame(error_set(E_INPUT, "n, r and p want more than 32 times the standard work"), params,
                          "p");
    return RESULT_OK;
}

static must_check result parse_pbkdf2(struct keystore_file *file, const struct json_view *params)
{
    uint64_t rounds;
    TRY(json_get_u64_between(&rounds, params, "c", 1, ROUNDS_MAX));
    file->rounds = (uint32_t)rounds;
    return json_require_text(params, "prf", "hmac-sha256");
}

static must_check result parse_kdf(struct keystore_file *file, const struct json_view *crypto,
                                   size_t max_kdf_memory)
{
    struct json_view kdf, params;
    const char *function, *message;
    uint64_t dklen;
    TRY(json_get_object(&kdf, crypto, "kdf"));
    TRY(json_get_text(&function, NULL, &kdf, "function"));
    TRY(json_get_text(&message, NULL, &kdf, "message"));
    TRY(json_get_object(&params, &kdf, "params"));
    TRY(json_get_u64_between(&dklen, &params, "dklen", DKLEN_MIN, DKLEN_MAX));
    TRY(json_get_hex_up_to(file->salt, &file->salt_len, sizeof file->salt, &params, "salt"));
    if (strcmp(function, "scrypt") == 0) {
        file->kdf = KEYSTORE_SCRYPT;
        return parse_scrypt(file, &params, max_kdf_memory);
    }
    if (strcmp(function, "pbkdf2") == 0) {
        file->kdf = KEYSTORE_PBKDF2;
        return parse_pbkdf2(file, &params);
    }
    return json_blame(error_set(E_INPUT, "must be \"scrypt\" or \"pbkdf2\""), &kdf, "function");
}

static must_check result parse_checksum(struct keystore_file *file, const struct json_view *crypto)
{
    struct json_view checksum, params;
    TRY(json_get_object(&checksum, crypto, "checksum"));
    TRY(json_require_text(&checksum, "function", "sha256"));
    TRY(json_get_object(&params, &checksum, "params"));
    return json_get_hex(file->checksum, sizeof file->checksum, &checksum, "message");
}

static must_check result parse_cipher(struct keystore_file *file, const struct json_view *crypto)
{
    struct json_view cipher, params;
    size_t iv_len;
    TRY(json_get_object(&cipher, crypto, "cipher"));
    TRY(json_require_text(&cipher, "function", "aes-128-ctr"));
    TRY(json_get_object(&params, &cipher, "params"));
    TRY(json_get_hex_up_to(file->iv, &iv_len, sizeof file->iv, &params, "iv"));
    if (iv_len < IV_MIN)
        return json_blame(error_set(E_INPUT, "must be at least %d bytes", IV_MIN), &params, "iv");
    return json_get_hex(file->encrypted, sizeof file->encrypted, &cipher, "message");
}

static must_check result parse_top_level(struct keystore_file *file, const struct json_view *document)
{
    uint64_t version;
    TRY(json_get_u64_between(&version, document, "version", 4, 4));
    if (json_has(document, "pubkey")) {
        TRY(json_get_hex(file->pubkey, sizeof file->pubkey, document, "pubkey"));
        file->has_pubkey = true;
    }
    const char *path;
    size_t path_len;
    TRY(json_get_text_optional(&path, &path_len, document, "path"));
    if (path && path_len > KEYSTORE_PATH_MAX)
        return json_blame(error_set(E_INPUT, "must have at most %d characters", KEYSTORE_PATH_MAX), document,
                          "path");
    if (path)
        memcpy(file->path, path, path_len);
    return RESULT_OK;
}

result keystore_file_parse(struct keystore_file *ret_file, const char *json, size_t json_len,
                           size_t max_kdf_memory)
{
    struct keystore_file file = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view document, crypto;
    TRY(json_read(&root, json, json_len, FILE_MAX, VALUES_MAX));
    TRY(json_view_root(&document, root));
    TRY(parse_top_level(&file, &document));
    TRY(json_get_object(&crypto, &document, "crypto"));
    TRY(parse_kdf(&file, &crypto, max_kdf_memory));
    TRY(parse_checksum(&file, &crypto));
    TRY(parse_cipher(&file, &crypto));
    *ret_file = file;
    return RESULT_OK;
}
