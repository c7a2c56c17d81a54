/* ctime_sign.c - BLS by one key and message, without the keeper's tables: what its other signatures, the
 * operator's tools and the import of a key come to. Then the way there from a seed: EIP-2333. */
#include <string.h>

#include "bls/bls.h"
#include "ctime.h"

static void try_derivation(void)
{
    AUTO(secret) seed = {0}, master = {0}, child = {0};
    EXPECT_OK(secret_new(&seed, 64));
    for (size_t i = 0; i < seed.length; i++)
        seed.data[i] = (uint8_t)(i * 13 + 1);
    ctime_secret(seed.data, seed.length);
    EXPECT_OK(bls_derive_path(&child, seed.data, seed.length, "m/0"));
    EXPECT_OK(bls_derive_master(&master, seed.data, seed.length));
    EXPECT_OK(bls_derive_child(&seed, master.data, 0));
    EXPECT(ctime_same(child.data, seed.data, BLS_SECRET_LEN));
}

int main(void)
{
    static const uint8_t message[] = "a message of any length";
    uint8_t secret[BLS_SECRET_LEN] = {0}, signature[BLS_SIGNATURE_LEN], pubkey[BLS_PUBKEY_LEN];
    ctime_begin();
    for (size_t i = 1; i < sizeof secret; i++)
        secret[i] = (uint8_t)(i * 29 + 3);
    ctime_secret(secret, sizeof secret);
    EXPECT_OK(bls_secret_check(secret));
    EXPECT_OK(bls_public_key(pubkey, secret));
    EXPECT_OK(bls_sign(signature, secret, message, sizeof message));
    ctime_public(signature, sizeof signature);
    ctime_public(pubkey, sizeof pubkey);
    EXPECT_OK(bls_verify(pubkey, signature, message, sizeof message));
    memset(secret, 0xff, sizeof secret);
    ctime_secret(secret, sizeof secret);
    EXPECT(bls_sign(signature, secret, message, sizeof message).code == E_INPUT);
    memset(secret, 0, sizeof secret);
    ctime_secret(secret, sizeof secret);
    EXPECT(bls_public_key(pubkey, secret).code == E_INPUT);
    try_derivation();
    return 0;
}
