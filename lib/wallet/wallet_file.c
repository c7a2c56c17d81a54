/* wallet_file.c - version 3 JSON to a struct, tolerating what other readers of it tolerate: members it does
 * not know, "Crypto" with a capital, no address, a dklen above 32 (both functions produce a prefix, of which
 * 32 bytes are used). */
#include "wallet/wallet_file.h"

#include <string.h>

#include "json/json.h"

enum {
    FILE_MAX = 16384,
    VALUES_MAX = 64,
    VERSION = 3,
    ROUNDS_MAX = 32 * 262144,
    SCRYPT_WORK_MAX = 32 * 262144 * 8, /* n * r * p */
    DKLEN_MIN = 32,
    DKLEN_MAX = 1024
};

static must_check result parse_scrypt(struct wallet_file *file, const struct json_view *params,
                                      size_t max_kdf_memory)
{
    TRY(json_get_u64_between(&file->n, params, "n", 2, 1u << 30));
    TRY(json_get_u64_between(&file->r, params, "r", 1, 1024));
    TRY(json_get_u64_between(&file->p, params, "p", 1, 1024));
    if (file->n & (file->n - 1))
        return json_blame(error_set(E_INPUT, "must be a power of two"), params, "n");
    /* RFC 7914, section 2; with fewer bits of the block the function is not defined, and OpenSSL refuses. */
    if (file->r < 4 && file->n >= 1ull << 16 * file->r)
        return json_blame(error_set(E_INPUT, "must be below 2^(16 * r)"), params, "n");
    if (128 * file->n * file->r > max_kdf_memory)
        return json_blame(error_set(E_INPUT, "n and r want more than %zu bytes of memory", max_kdf_memory),
                          params, "n");
    if (file->n * file->r * file->p > SCRYPT_WORK_MAX)
        return json_blame(error_set(E_INPUT, "n, r and p want more than 32 times the standard work"), params,
                          "p");
    return RESULT_OK;
}

static must_check result parse_kdf(struct wallet_file *file, const struct json_view *crypto,
                                   size_t max_kdf_memory)
{
    struct json_view params;
    const char *function;
    uint64_t dklen, rounds;
    TRY(json_get_text(&function, NULL, crypto, "kdf"));
    TRY(json_get_object(&params, crypto, "kdfparams"));
    TRY(json_get_u64_between(&dklen, &params, "dklen", DKLEN_MIN, DKLEN_MAX));
    TRY(json_get_hex_up_to(file->salt, &file->salt_len, sizeof file->salt, &params, "salt"));
    if (strcmp(function, "scrypt") == 0) {
        file->kdf = WALLET_SCRYPT;
        return parse_scrypt(file, &params, max_kdf_memory);
    }
    if (strcmp(function, "pbkdf2") != 0)
        return json_blame(error_set(E_INPUT, "must be \"scrypt\" or \"pbkdf2\""), crypto, "kdf");
    file->kdf = WALLET_PBKDF2;
    TRY(json_get_u64_between(&rounds, &params, "c", 1, ROUNDS_MAX));
    file->rounds = (uint32_t)rounds;
    return json_require_text(&params, "prf", "hmac-sha256");
}

static must_check result parse_cipher(struct wallet_file *file, const struct json_view *crypto)
{
    struct json_view params;
    TRY(json_require_text(crypto, "cipher", "aes-128-ctr"));
    TRY(json_get_object(&params, crypto, "cipherparams"));
    TRY(json_get_hex(file->iv, sizeof file->iv, &params, "iv"));
    TRY(json_get_hex(file->encrypted, sizeof file->encrypted, crypto, "ciphertext"));
    return json_get_hex(file->mac, sizeof file->mac, crypto, "mac");
}

result wallet_file_parse(struct wallet_file *ret_file, const char *json, size_t json_len,
                         size_t max_kdf_memory)
{
    struct wallet_file file = {0};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view document, crypto;
    uint64_t version;
    TRY(json_read(&root, json, json_len, FILE_MAX, VALUES_MAX));
    TRY(json_view_root(&document, root));
    TRY(json_get_u64_between(&version, &document, "version", VERSION, VERSION));
    file.has_address = json_has(&document, "address");
    if (file.has_address)
        TRY(json_get_hex(file.address, sizeof file.address, &document, "address"));
    TRY(json_get_object(&crypto, &document, json_has(&document, "Crypto") ? "Crypto" : "crypto"));
    TRY(parse_kdf(&file, &crypto, max_kdf_memory));
    TRY(parse_cipher(&file, &crypto));
    *ret_file = file;
    return RESULT_OK;
}
