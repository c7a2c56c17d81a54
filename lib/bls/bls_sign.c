/* bls_sign.c - keys, signatures and their verification, each a few calls into blst.
 *
 * blst reads a secret key from a blst_scalar, a little-endian copy. Each copy here lives on
 * the stack for one call and is wiped by its clean-up attribute, however the function is
 * left. Rejected: keeping scalars instead of the 32 big-endian bytes; the conversion costs
 * nanoseconds and one form of a key in memory is easier to account for than two. What blst's
 * own functions leave below, points on the way to the result, is wiped as well, and so is that
 * one: its third coordinate tells of the way.
 *
 * blst's pairing checks whether points are in their groups only where its caller asks; this
 * file asks for each point itself, at the place where it is decoded, so that no verification
 * can forget it. */
#include "bls/bls.h"

#include <blst.h>
#include <string.h>

#include "bls/bls_message.h"

static const uint8_t domain_separation_tag[] = "BLS_SIG_BLS12381G2_XMD:SHA-256_SSWU_RO_POP_";
enum { TAG_LEN = sizeof domain_separation_tag - 1 };

struct scalar {
    blst_scalar value;
};

static void scalar_cleanup(struct scalar *s)
{
    secret_wipe(s, sizeof *s);
}

static must_check result scalar_load(struct scalar *ret_scalar, const uint8_t secret[static BLS_SECRET_LEN])
{
    blst_scalar_from_bendian(&ret_scalar->value, secret);
    ENSURE(secret_verdict(blst_sk_check(&ret_scalar->value)), E_INPUT,
           "a secret key must be above 0 and below the group order");
    return RESULT_OK;
}

result bls_secret_check(const uint8_t secret[static BLS_SECRET_LEN])
{
    AUTO(scalar) key = {0};
    return scalar_load(&key, secret);
}

result bls_public_key(uint8_t ret_pubkey[static BLS_PUBKEY_LEN], const uint8_t secret[static BLS_SECRET_LEN])
{
    AUTO(scalar) key = {0};
    TRY(scalar_load(&key, secret));
    blst_p1 point;
    blst_sk_to_pk_in_g1(&point, &key.value);
    blst_p1_compress(ret_pubkey, &point);
    secret_wipe(&point, sizeof point);
    secret_wipe_stack();
    return RESULT_OK;
}

void bls_message_hash(blst_p2 *ret_hash, const uint8_t *message, size_t message_len)
{
    blst_hash_to_g2(ret_hash, message, message_len, domain_separation_tag, TAG_LEN, NULL, 0);
}

result bls_message_sign(uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                        const uint8_t secret[static BLS_SECRET_LEN], const blst_p2 *hash)
{
    AUTO(scalar) key = {0};
    TRY(scalar_load(&key, secret));
    blst_p2 signature;
    blst_sign_pk_in_g1(&signature, hash, &key.value);
    blst_p2_compress(ret_signature, &signature);
    secret_wipe(&signature, sizeof signature);
    secret_wipe_stack();
    return RESULT_OK;
}

result bls_sign(uint8_t ret_signature[static BLS_SIGNATURE_LEN], const uint8_t secret[static BLS_SECRET_LEN],
                const uint8_t *message, size_t message_len)
{
    memset(ret_signature, 0, BLS_SIGNATURE_LEN);
    TRY(bls_secret_check(secret));
    blst_p2 hash;
    bls_message_hash(&hash, message, message_len);
    return bls_message_sign(ret_signature, secret, &hash);
}

static must_check result decode_pubkey(blst_p1_affine *ret_point, const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    ENSURE(blst_p1_uncompress(ret_point, pubkey) == BLST_SUCCESS, E_INPUT,
           "public key: not a compressed G1 point");
    ENSURE(!blst_p1_affine_is_inf(ret_point), E_INPUT, "public key: the point at infinity");
    ENSURE(blst_p1_affine_in_g1(ret_point), E_INPUT, "public key: not in the group G1");
    return RESULT_OK;
}

static must_check result decode_signature(blst_p2_affine *ret_point,
                                          const uint8_t signature[static BLS_SIGNATURE_LEN])
{
    ENSURE(blst_p2_uncompress(ret_point, signature) == BLST_SUCCESS, E_AUTH,
           "signature: not a compressed G2 point");
    ENSURE(!blst_p2_affine_is_inf(ret_point), E_AUTH, "signature: the point at infinity");
    ENSURE(blst_p2_affine_in_g2(ret_point), E_AUTH, "signature: not in the group G2");
    return RESULT_OK;
}

result bls_pubkey_check(const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    blst_p1_affine point;
    return decode_pubkey(&point, pubkey);
}

result bls_verify(const uint8_t pubkey[static BLS_PUBKEY_LEN],
                  const uint8_t signature[static BLS_SIGNATURE_LEN], const uint8_t *message,
                  size_t message_len)
{
    blst_p1_affine key;
    blst_p2_affine point;
    ENSURE(!decode_pubkey(&key, pubkey).code, E_AUTH, "signature: its public key is not a valid one");
    TRY(decode_signature(&point, signature));
    BLST_ERROR outcome = blst_core_verify_pk_in_g1(&key, &point, true, message, message_len,
                                                   domain_separation_tag, TAG_LEN, NULL, 0);
    ENSURE(outcome == BLST_SUCCESS, E_AUTH, "signature: does not verify");
    return RESULT_OK;
}
