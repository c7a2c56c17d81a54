/* ctime_wallet.c - the encrypted file of a secp256k1 key, both ways. */
#include <string.h>

#include "ctime.h"
#include "wallet/wallet.h"

enum { MEMORY_MAX = 1 << 20, COST = 2 };

int main(void)
{
    uint8_t password[] = "correct horse battery staple", secret[ECDSA_SECRET_LEN];
    AUTO(buffer) json = {0};
    AUTO(wallet) opened = {0}, refused = {0};
    ctime_begin();
    memset(secret, 0x4b, sizeof secret);
    ctime_secret(secret, sizeof secret);
    ctime_secret(password, sizeof password);
    EXPECT_OK(wallet_encrypt(&json, secret, password, sizeof password, COST));
    EXPECT_OK(
        wallet_decrypt(&opened, (const char *)json.data, json.length, password, sizeof password, MEMORY_MAX));
    EXPECT(ctime_same(opened.secret.data, secret, sizeof secret));
    password[3] ^= 1;
    EXPECT(
        wallet_decrypt(&refused, (const char *)json.data, json.length, password, sizeof password, MEMORY_MAX)
            .code == E_AUTH);
    return 0;
}
