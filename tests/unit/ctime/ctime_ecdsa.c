/* ctime_ecdsa.c - a proxy key of secp256k1 is made, its public key computed, and signs. */
#include <string.h>

#include "ctime.h"
#include "ecdsa/ecdsa.h"

int main(void)
{
    static const uint8_t message[32] = {1, 2, 3};
    AUTO(secret) secret = {0};
    uint8_t pubkey[ECDSA_PUBKEY_LEN], point[ECDSA_POINT_LEN], signature[ECDSA_SIGNATURE_LEN];
    ctime_begin();
    EXPECT_OK(ecdsa_generate(&secret));
    EXPECT_OK(ecdsa_public_key(pubkey, secret.data));
    EXPECT_OK(ecdsa_public_point(point, secret.data));
    EXPECT_OK(ecdsa_sign(signature, secret.data, message, sizeof message));
    ctime_public(signature, sizeof signature);
    ctime_public(pubkey, sizeof pubkey);
    EXPECT(ctime_same(point, pubkey + 1, sizeof pubkey - 1));
    memset(secret.data, 0xff, secret.length);
    ctime_secret(secret.data, secret.length);
    EXPECT(ecdsa_sign(signature, secret.data, message, sizeof message).code == E_INPUT);
    return 0;
}
