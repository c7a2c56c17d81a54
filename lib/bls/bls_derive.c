/* bls_derive.c - EIP-2333 key trees and EIP-2334 paths.
 *
 * HKDF and SHA-256 are OpenSSL's, reduction modulo the group order is blst's. Everything
 * between the seed and the key (the Lamport secrets are 16 KiB a level) is a struct secret,
 * so it is locked and wiped; one Lamport half is expanded at a time and hashed chunk by chunk
 * into a running digest, which halves the room it takes. OpenSSL's HKDF keeps its own copy of
 * the input key on the ordinary heap for the length of a call and cleanses it. Rejected:
 * blst_derive_child_eip2333, which keeps everything on the ordinary stack; the tests use it as
 * a second opinion. */
#include "bls/bls.h"

#include <blst.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

enum {
    HASH_LEN = 32,
    SEED_MIN = 32,
    LAMPORT_CHUNKS = 255,
    LAMPORT_LEN = LAMPORT_CHUNKS * HASH_LEN,
    KEYGEN_LEN = 48,    /* L of hkdf_mod_r: ceil(1.5 * ceil(log2(r)) / 8) */
    PATH_DEPTH_MAX = 16 /* ours: EIP-2334 uses five; every level costs a millisecond */
};

DEFINE_AUTO_POINTER(EVP_KDF, EVP_KDF_free)
DEFINE_AUTO_POINTER(EVP_KDF_CTX, EVP_KDF_CTX_free)
DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)

struct bytes {
    const uint8_t *data;
    size_t length;
};

static OSSL_PARAM octets(const char *name, struct bytes bytes)
{
    /* OSSL_PARAM has no const form; OpenSSL only reads it here. */
    return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)bytes.data, bytes.length);
}

/* HKDF-SHA-256, extract and expand in one: out_len is at most 255 * 32. */
static must_check result hkdf(uint8_t *out, size_t out_len, struct bytes key, struct bytes salt,
                              struct bytes info)
{
    AUTO_POINTER(EVP_KDF) kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
    AUTO_POINTER(EVP_KDF_CTX) context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    ENSURE(context, E_CRYPTO, "HKDF is not available");
    char digest[] = "SHA256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                               octets(OSSL_KDF_PARAM_KEY, key), octets(OSSL_KDF_PARAM_SALT, salt),
                               octets(OSSL_KDF_PARAM_INFO, info), OSSL_PARAM_construct_end()};
    ENSURE(EVP_KDF_derive(context, out, out_len, parameters) == 1, E_CRYPTO, "HKDF failed");
    return RESULT_OK;
}

static must_check result sha256(uint8_t out[static HASH_LEN], const uint8_t *bytes, size_t bytes_len)
{
    ENSURE(EVP_Digest(bytes, bytes_len, out, NULL, EVP_sha256(), NULL) == 1, E_CRYPTO, "SHA-256 failed");
    return RESULT_OK;
}

/* Big-endian octets modulo the group order, as 32 big-endian bytes; *ret_zero if that is 0. */
static void reduce(uint8_t out[static BLS_SECRET_LEN], bool *ret_zero,
                   const uint8_t octets_in[static KEYGEN_LEN])
{
    blst_scalar scalar;
    *ret_zero = !blst_scalar_from_be_bytes(&scalar, octets_in, KEYGEN_LEN);
    blst_bendian_from_scalar(out, &scalar);
    secret_wipe(&scalar, sizeof scalar);
}

/* hkdf_mod_r of EIP-2333; material is followed by one byte of room for I2OSP(0, 1). */
static must_check result hkdf_mod_r(struct secret *ret_key, const struct secret *material_and_zero)
{
    static const uint8_t info[] = {0, KEYGEN_LEN};
    uint8_t salt[HASH_LEN];
    TRY(sha256(salt, (const uint8_t *)"BLS-SIG-KEYGEN-SALT-", 20));
    AUTO(secret) wide = {0}, key = {0};
    TRY(secret_new(&wide, KEYGEN_LEN));
    TRY(secret_new(&key, BLS_SECRET_LEN));
    for (;;) {
        struct bytes material = {material_and_zero->data, material_and_zero->length};
        TRY(hkdf(wide.data, wide.length, material, (struct bytes){salt, sizeof salt},
                 (struct bytes){info, sizeof info}));
        bool zero;
        reduce(key.data, &zero, wide.data);
        if (secret_verdict(!zero)) /* EIP-2333's loop: it is not, but once in 2^255 */
            break;
        TRY(sha256(salt, salt, sizeof salt));
    }
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}

/* IKM_to_lamport_SK, each chunk hashed into the digest as soon as it is there. */
static must_check result hash_lamport_half(EVP_MD_CTX *digest, struct bytes material, struct bytes salt)
{
    AUTO(secret) chunks = {0};
    TRY(secret_new(&chunks, LAMPORT_LEN));
    TRY(hkdf(chunks.data, LAMPORT_LEN, material, salt, (struct bytes){NULL, 0}));
    for (size_t i = 0; i < LAMPORT_CHUNKS; i++) {
        uint8_t public_chunk[HASH_LEN];
        TRY(sha256(public_chunk, chunks.data + i * HASH_LEN, HASH_LEN));
        ENSURE(EVP_DigestUpdate(digest, public_chunk, HASH_LEN) == 1, E_CRYPTO, "SHA-256 failed");
    }
    return RESULT_OK;
}

/* parent_SK_to_lamport_PK. Its result is hashed again into the child key, so it is secret. */
static must_check result lamport_public_key(struct secret *ret_hash_and_zero,
                                            const uint8_t parent[static BLS_SECRET_LEN], uint32_t index)
{
    uint8_t salt[4] = {(uint8_t)(index >> 24), (uint8_t)(index >> 16), (uint8_t)(index >> 8), (uint8_t)index};
    AUTO(secret) inverted = {0}, hash = {0};
    TRY(secret_new(&inverted, BLS_SECRET_LEN));
    TRY(secret_new(&hash, HASH_LEN + 1));
    for (size_t i = 0; i < BLS_SECRET_LEN; i++)
        inverted.data[i] = (uint8_t)~parent[i];

    AUTO_POINTER(EVP_MD_CTX) digest = EVP_MD_CTX_new();
    ENSURE(digest && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1, E_CRYPTO, "SHA-256 failed");
    TRY(hash_lamport_half(digest, (struct bytes){parent, BLS_SECRET_LEN}, (struct bytes){salt, sizeof salt}));
    TRY(hash_lamport_half(digest, (struct bytes){inverted.data, inverted.length},
                          (struct bytes){salt, sizeof salt}));
    ENSURE(EVP_DigestFinal_ex(digest, hash.data, NULL) == 1, E_CRYPTO, "SHA-256 failed");
    *ret_hash_and_zero = hash;
    hash = (struct secret){0};
    return RESULT_OK;
}

result bls_derive_master(struct secret *ret_key, const uint8_t *seed, size_t seed_len)
{
    ENSURE(seed_len >= SEED_MIN, E_INPUT, "a seed must be at least %d bytes", SEED_MIN);
    AUTO(secret) material = {0};
    TRY(secret_new(&material, seed_len + 1));
    memcpy(material.data, seed, seed_len);
    return hkdf_mod_r(ret_key, &material);
}

result bls_derive_child(struct secret *ret_key, const uint8_t parent[static BLS_SECRET_LEN], uint32_t index)
{
    AUTO(secret) material = {0};
    TRY(lamport_public_key(&material, parent, index));
    return hkdf_mod_r(ret_key, &material);
}

struct path {
    uint32_t indices[PATH_DEPTH_MAX];
    size_t depth;
};

/* One index without sign, blanks or leading zeros; *at moves behind it. */
static must_check result parse_index(uint32_t *ret_index, const char **at)
{
    size_t digits = strspn(*at, "0123456789");
    ENSURE(digits >= 1 && digits <= 10 && (digits == 1 || **at != '0'), E_INPUT,
           "path: an index is not a number");
    uint64_t value = 0;
    for (size_t i = 0; i < digits; i++)
        value = value * 10 + (uint64_t)((*at)[i] - '0');
    ENSURE(value <= UINT32_MAX, E_INPUT, "path: an index is above 4294967295");
    *ret_index = (uint32_t)value;
    *at += digits;
    return RESULT_OK;
}

static must_check result parse_path(struct path *ret_path, const char *text)
{
    struct path path = {0};
    ENSURE(text[0] == 'm' && text[1] == '/', E_INPUT, "path: must begin with m/");
    const char *at = text + 1;
    while (*at) {
        ENSURE(*at++ == '/', E_INPUT, "path: indices must be separated by /");
        ENSURE(path.depth < PATH_DEPTH_MAX, E_INPUT, "path: more than %d levels", PATH_DEPTH_MAX);
        TRY(parse_index(&path.indices[path.depth++], &at));
    }
    *ret_path = path;
    return RESULT_OK;
}

result bls_derive_path(struct secret *ret_key, const uint8_t *seed, size_t seed_len, const char *path)
{
    struct path parsed = {0};
    TRY(parse_path(&parsed, path));
    AUTO(secret) key = {0};
    TRY(bls_derive_master(&key, seed, seed_len));
    for (size_t i = 0; i < parsed.depth; i++) {
        struct secret child;
        TRY(bls_derive_child(&child, key.data, parsed.indices[i]));
        secret_cleanup(&key);
        key = child;
    }
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}
