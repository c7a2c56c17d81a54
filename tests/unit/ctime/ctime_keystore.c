/* ctime_keystore.c - EIP-2335 both ways, with password and key secret, and a mnemonic's seed. The password is
 * visible ASCII: that it is, is public, and any other is normalised by tables (keystore_password.c). */
#include <string.h>

#include "ctime.h"
#include "keystore/keystore.h"

enum { MEMORY_MAX = 1 << 20 };

static char password[] = "correct horse battery staple";
static const size_t password_len = sizeof password - 1;

static void try_keystore(enum keystore_kdf kdf, uint32_t cost)
{
    AUTO(buffer) json = {0};
    AUTO(keystore) opened = {0}, refused = {0};
    uint8_t secret[BLS_SECRET_LEN] = {0};
    memset(secret + 1, 0x4b, sizeof secret - 1);
    ctime_secret(secret, sizeof secret);
    ctime_secret(password, password_len);
    EXPECT_OK(keystore_encrypt(&json, secret, "m/12381/3600/0/0/0", (const uint8_t *)password, password_len,
                               kdf, cost));
    EXPECT_OK(keystore_decrypt(&opened, (const char *)json.data, json.length, (const uint8_t *)password,
                               password_len, MEMORY_MAX));
    EXPECT(ctime_same(opened.secret.data, secret, sizeof secret));
    EXPECT(keystore_decrypt(&refused, (const char *)json.data, json.length, (const uint8_t *)password,
                            password_len - 1, MEMORY_MAX)
               .code == E_AUTH);
}

static void try_mnemonic(void)
{
    char words[] = "abandon abandon abandon abandon abandon abandon "
                   "abandon abandon abandon abandon abandon about";
    AUTO(secret) seed = {0};
    ctime_secret(words, sizeof words - 1);
    ctime_secret(password, password_len);
    EXPECT_OK(mnemonic_to_seed(&seed, words, sizeof words - 1, password, password_len));
    EXPECT(seed.length == 64);
}

int main(void)
{
    ctime_begin();
    try_keystore(KEYSTORE_PBKDF2, 8);
    try_keystore(KEYSTORE_SCRYPT, 2);
    try_mnemonic();
    return 0;
}
