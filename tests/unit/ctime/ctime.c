/* ctime.c - the functions at which a secret becomes public, each with its reason. The linker puts them around
 * the real ones of other files (--wrap), as the program's line in CMakeLists.txt asks for. */
#include "ctime.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>
#ifdef CTIME_secp256k1_ec_pubkey_create
#include <secp256k1.h>
#endif
#ifdef CTIME_bls_public_key
#include "bls/bls.h"
#endif

#include "base/secret_text.h"

void ctime_secret(void *bytes, size_t bytes_len)
{
    (void)VALGRIND_MAKE_MEM_UNDEFINED(bytes, bytes_len);
}

void ctime_public(const void *bytes, size_t bytes_len)
{
    (void)VALGRIND_MAKE_MEM_DEFINED(bytes, bytes_len);
}

void ctime_expect(bool holds, const char *file, int line)
{
    if (holds)
        return;
    (void)fprintf(stderr, "%s:%d: not as expected\n", file, line);
    exit(1);
}

void ctime_expect_ok(result outcome, const char *file, int line)
{
    if (outcome.code)
        (void)fprintf(stderr, "%s\n", error_text());
    ctime_expect(outcome.code == E_NONE, file, line);
}

bool ctime_same(const void *bytes, const void *expected, size_t bytes_len)
{
    ctime_public(bytes, bytes_len);
    ctime_public(expected, bytes_len);
    return memcmp(bytes, expected, bytes_len) == 0;
}

void ctime_begin(void)
{
    EXPECT(RUNNING_ON_VALGRIND);
    EXPECT_OK(secret_heap_open(1 << 20));
}

/* ---- ours: the outcome of a check may be known (see lib/base/secret.h) ---- */

bool __real_secret_verdict(bool outcome);
bool __wrap_secret_verdict(bool outcome);
bool __wrap_secret_verdict(bool outcome)
{
    bool verdict = __real_secret_verdict(outcome);
    ctime_public(&verdict, sizeof verdict);
    return verdict;
}

bool __real_secret_equal(const void *a, const void *b, size_t bytes_len);
bool __wrap_secret_equal(const void *a, const void *b, size_t bytes_len);
bool __wrap_secret_equal(const void *a, const void *b, size_t bytes_len)
{
    bool equal = __real_secret_equal(a, b, bytes_len);
    ctime_public(&equal, sizeof equal);
    return equal;
}

/* How long a password is shows in how much is hashed. */
size_t __real_secret_line_length(const struct secret *s);
size_t __wrap_secret_line_length(const struct secret *s);
size_t __wrap_secret_line_length(const struct secret *s)
{
    size_t length = __real_secret_line_length(s);
    ctime_public(&length, sizeof length);
    return length;
}

/* What is written into a key file: ciphertext, checksum, IV, salt, public key. */
#ifdef CTIME_hex_encode
void __real_hex_encode(char *out, const uint8_t *bytes, size_t bytes_len);
void __wrap_hex_encode(char *out, const uint8_t *bytes, size_t bytes_len);
void __wrap_hex_encode(char *out, const uint8_t *bytes, size_t bytes_len)
{
    __real_hex_encode(out, bytes, bytes_len);
    ctime_public(out, 2 * bytes_len + 1);
}
#endif

/* Public keys. */
#ifdef CTIME_bls_public_key
result __real_bls_public_key(uint8_t *ret_pubkey, const uint8_t *secret);
result __wrap_bls_public_key(uint8_t *ret_pubkey, const uint8_t *secret);
result __wrap_bls_public_key(uint8_t *ret_pubkey, const uint8_t *secret)
{
    result r = __real_bls_public_key(ret_pubkey, secret);
    ctime_public(ret_pubkey, BLS_PUBKEY_LEN);
    return r;
}
#endif
#ifdef CTIME_bls_fixed_base_public_keys
result __real_bls_fixed_base_public_keys(const struct bls_fixed_base *base, uint8_t *ret_pubkeys,
                                         const uint8_t *const *secrets, size_t num);
result __wrap_bls_fixed_base_public_keys(const struct bls_fixed_base *base, uint8_t *ret_pubkeys,
                                         const uint8_t *const *secrets, size_t num);
result __wrap_bls_fixed_base_public_keys(const struct bls_fixed_base *base, uint8_t *ret_pubkeys,
                                         const uint8_t *const *secrets, size_t num)
{
    result r = __real_bls_fixed_base_public_keys(base, ret_pubkeys, secrets, num);
    ctime_public(ret_pubkeys, num * BLS_PUBKEY_LEN);
    return r;
}
#endif

/* ---- libsecp256k1's ---- */

/* What it makes is a public key. */
#ifdef CTIME_secp256k1_ec_pubkey_create
int __real_secp256k1_ec_pubkey_create(const secp256k1_context *context, secp256k1_pubkey *ret_point,
                                      const unsigned char *secret);
int __wrap_secp256k1_ec_pubkey_create(const secp256k1_context *context, secp256k1_pubkey *ret_point,
                                      const unsigned char *secret);
int __wrap_secp256k1_ec_pubkey_create(const secp256k1_context *context, secp256k1_pubkey *ret_point,
                                      const unsigned char *secret)
{
    int done = __real_secp256k1_ec_pubkey_create(context, ret_point, secret);
    ctime_public(&done, sizeof done);
    ctime_public(ret_point, sizeof *ret_point);
    return done;
}
#endif

/* What it makes is a signature. */
#ifdef CTIME_secp256k1_ecdsa_sign
int __real_secp256k1_ecdsa_sign(const secp256k1_context *context, secp256k1_ecdsa_signature *ret_signature,
                                const unsigned char *hash, const unsigned char *secret,
                                secp256k1_nonce_function nonce, const void *data);
int __wrap_secp256k1_ecdsa_sign(const secp256k1_context *context, secp256k1_ecdsa_signature *ret_signature,
                                const unsigned char *hash, const unsigned char *secret,
                                secp256k1_nonce_function nonce, const void *data);
int __wrap_secp256k1_ecdsa_sign(const secp256k1_context *context, secp256k1_ecdsa_signature *ret_signature,
                                const unsigned char *hash, const unsigned char *secret,
                                secp256k1_nonce_function nonce, const void *data)
{
    int done = __real_secp256k1_ecdsa_sign(context, ret_signature, hash, secret, nonce, data);
    ctime_public(&done, sizeof done);
    ctime_public(ret_signature, sizeof *ret_signature);
    return done;
}
#endif

/* ---- OpenSSL's ---- */

/* The other way round: what is drawn for a key or a nonce is secret. */
#ifdef CTIME_RAND_priv_bytes
int __wrap_RAND_priv_bytes(unsigned char *bytes, int num);
int __wrap_RAND_priv_bytes(unsigned char *bytes, int num)
{
    for (int i = 0; i < num; i++)
        bytes[i] = (unsigned char)(i * 31 + 7);
    ctime_secret(bytes, (size_t)num);
    return 1;
}
#endif

/* scrypt reads its table where the password leads it: that is its design, and no other code could be scrypt.
 * So the password is public inside, and nowhere else; what comes out is secret. */
#ifdef CTIME_EVP_PBE_scrypt
int __real_EVP_PBE_scrypt(const char *password, size_t password_len, const unsigned char *salt,
                          size_t salt_len, uint64_t n, uint64_t r, uint64_t p, uint64_t max_memory,
                          unsigned char *ret_key, size_t key_len);
int __wrap_EVP_PBE_scrypt(const char *password, size_t password_len, const unsigned char *salt,
                          size_t salt_len, uint64_t n, uint64_t r, uint64_t p, uint64_t max_memory,
                          unsigned char *ret_key, size_t key_len);
int __wrap_EVP_PBE_scrypt(const char *password, size_t password_len, const unsigned char *salt,
                          size_t salt_len, uint64_t n, uint64_t r, uint64_t p, uint64_t max_memory,
                          unsigned char *ret_key, size_t key_len)
{
    char known[64];
    EXPECT(password_len <= sizeof known);
    memcpy(known, password, password_len);
    ctime_public(known, password_len);
    int done =
        __real_EVP_PBE_scrypt(known, password_len, salt, salt_len, n, r, p, max_memory, ret_key, key_len);
    ctime_secret(ret_key, key_len);
    return done;
}
#endif
