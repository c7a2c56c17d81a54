/* ecdsa.c - a few calls into libsecp256k1, whose operations on secrets take constant time.
 *
 * Each call makes a context of its own and blinds it: that costs a fraction of a signature, and leaves
 * nothing between calls to be shared or kept. Rejected: OpenSSL's ECDSA, which in Debian 12 has neither
 * RFC 6979's nonces nor a constant-time secp256k1. */
#include "ecdsa/ecdsa.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <secp256k1.h>
#include <string.h>

enum { ATTEMPTS = 16, SEED_LEN = 32, HASH_LEN = 32, UNCOMPRESSED_LEN = 65 };

typedef secp256k1_context secp256k1;
DEFINE_AUTO_POINTER(secp256k1, secp256k1_context_destroy)

static must_check result make_context(secp256k1 **ret_context)
{
    uint8_t seed[SEED_LEN];
    AUTO_POINTER(secp256k1) context = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    ENSURE(context, E_MEMORY, "out of memory");
    ENSURE(RAND_priv_bytes(seed, sizeof seed) == 1, E_CRYPTO, "no random bytes");
    int done = secp256k1_context_randomize(context, seed);
    secret_wipe(seed, sizeof seed);
    ENSURE(done == 1, E_CRYPTO, "secp256k1: cannot be blinded");
    *ret_context = TAKE(context);
    return RESULT_OK;
}

static must_check result check_secret(const secp256k1 *context, const uint8_t *secret)
{
    ENSURE(secret_verdict(secp256k1_ec_seckey_verify(context, secret) == 1), E_INPUT,
           "a secret key must be above 0 and below the group order");
    return RESULT_OK;
}

result ecdsa_generate(struct secret *ret_secret)
{
    AUTO_POINTER(secp256k1) context = NULL;
    AUTO(secret) secret = {0};
    TRY(make_context(&context));
    TRY(secret_new(&secret, ECDSA_SECRET_LEN));
    for (int i = 0; i < ATTEMPTS; i++) { /* one in 2^128 is not below the order */
        ENSURE(RAND_priv_bytes(secret.data, ECDSA_SECRET_LEN) == 1, E_CRYPTO, "no random bytes");
        if (check_secret(context, secret.data).code)
            continue;
        *ret_secret = secret;
        secret = (struct secret){0};
        return RESULT_OK;
    }
    FAIL(E_CRYPTO, "random bytes are no keys");
}

static must_check result serialize(uint8_t *out, size_t out_len, const uint8_t *secret, unsigned form)
{
    AUTO_POINTER(secp256k1) context = NULL;
    secp256k1_pubkey point;
    size_t length = out_len;
    TRY(make_context(&context));
    TRY(check_secret(context, secret));
    ENSURE(secp256k1_ec_pubkey_create(context, &point, secret) == 1 &&
               secp256k1_ec_pubkey_serialize(context, out, &length, &point, form) == 1 && length == out_len,
           E_CRYPTO, "secp256k1: no public key");
    return RESULT_OK;
}

result ecdsa_public_key(uint8_t ret_pubkey[static ECDSA_PUBKEY_LEN],
                        const uint8_t secret[static ECDSA_SECRET_LEN])
{
    uint8_t pubkey[ECDSA_PUBKEY_LEN];
    TRY(serialize(pubkey, sizeof pubkey, secret, SECP256K1_EC_COMPRESSED));
    memcpy(ret_pubkey, pubkey, sizeof pubkey);
    return RESULT_OK;
}

result ecdsa_public_point(uint8_t ret_point[static ECDSA_POINT_LEN],
                          const uint8_t secret[static ECDSA_SECRET_LEN])
{
    uint8_t point[UNCOMPRESSED_LEN];
    TRY(serialize(point, sizeof point, secret, SECP256K1_EC_UNCOMPRESSED));
    memcpy(ret_point, point + 1, ECDSA_POINT_LEN);
    return RESULT_OK;
}

result ecdsa_sign(uint8_t ret_signature[static ECDSA_SIGNATURE_LEN],
                  const uint8_t secret[static ECDSA_SECRET_LEN], const uint8_t *message, size_t message_len)
{
    memset(ret_signature, 0, ECDSA_SIGNATURE_LEN);
    AUTO_POINTER(secp256k1) context = NULL;
    uint8_t hash[HASH_LEN];
    secp256k1_ecdsa_signature signature;
    TRY(make_context(&context));
    TRY(check_secret(context, secret));
    ENSURE(EVP_Digest(message, message_len, hash, NULL, EVP_sha256(), NULL) == 1, E_CRYPTO, "SHA-256 failed");
    /* The library's own nonce function is RFC 6979's, and what it signs has the lower s. */
    ENSURE(secp256k1_ecdsa_sign(context, &signature, hash, secret, NULL, NULL) == 1, E_CRYPTO,
           "secp256k1: no signature");
    (void)secp256k1_ecdsa_signature_serialize_compact(context, ret_signature, &signature);
    return RESULT_OK;
}
