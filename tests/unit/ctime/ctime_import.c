/* ctime_import.c - how a key comes into the keeper: its hex text or its sealed blob in the loader, the packet
 * between the two, the keeper's check against the public key that was said, its place in the secure heap. */
#include <string.h>

#include "bls/bls.h"
#include "ctime.h"
#include "ipc/ipc.h"
#include "keeper/keeper_keys.h"
#include "keystore/key_sources.h"
#include "nitro/nitro_sealed.h"

enum { KEYS = 3 };

static uint8_t secrets[KEYS][BLS_SECRET_LEN], pubkeys[KEYS][BLS_PUBKEY_LEN];

static void make_keys(void)
{
    for (size_t i = 0; i < KEYS; i++) {
        memset(secrets[i] + 1, (int)(3 + 7 * i), BLS_SECRET_LEN - 1);
        EXPECT_OK(bls_public_key(pubkeys[i], secrets[i]));
    }
    ctime_secret(secrets, sizeof secrets);
}

static void try_text(void)
{
    char text[] = " 0x00030303030303030303030303030303030303030303030303030303030303AB\r\n";
    char zero[] = "0000000000000000000000000000000000000000000000000000000000000000";
    AUTO(keystore) opened = {0}, refused = {0};
    ctime_secret(text, sizeof text - 1);
    EXPECT_OK(key_source_parse(&opened, text, sizeof text - 1));
    EXPECT(ctime_same(opened.secret.data, "\0\3\3", 3));
    ctime_secret(zero, sizeof zero - 1);
    EXPECT(key_source_parse(&refused, zero, sizeof zero - 1).code == E_INPUT);
}

static void try_raw_keys(const struct bls_fixed_base *base)
{
    struct key_source sources[KEYS] = {0};
    const struct key_source *list[KEYS];
    struct keystore opened[KEYS];
    for (size_t i = 0; i < KEYS; i++) {
        sources[i].kind = KEY_SOURCE_RAW;
        EXPECT_OK(secret_copy(&sources[i].raw, secrets[i], BLS_SECRET_LEN));
        list[i] = &sources[i];
    }
    EXPECT_OK(key_sources_open_raw(opened, list, KEYS, base));
    for (size_t i = 0; i < KEYS; i++) {
        EXPECT(ctime_same(opened[i].pubkey, pubkeys[i], BLS_PUBKEY_LEN));
        keystore_cleanup(&opened[i]);
        secret_cleanup(&sources[i].raw);
    }
}

static void try_sealed(void)
{
    AUTO(secret) data_key = {0};
    AUTO(nitro_sealed) seals = {0}, opens = {0};
    uint8_t blob[NITRO_SEALED_LEN], secret[BLS_SECRET_LEN];
    EXPECT_OK(secret_new(&data_key, NITRO_SEALED_DATA_KEY_LEN));
    ctime_secret(data_key.data, data_key.length);
    EXPECT_OK(nitro_sealed_begin(&seals, &data_key, "item-1", true));
    EXPECT_OK(nitro_sealed_begin(&opens, &data_key, "item-1", false));
    EXPECT_OK(nitro_sealed_seal(&seals, blob, secrets[0], pubkeys[0]));
    ctime_public(blob, sizeof blob);
    EXPECT_OK(nitro_sealed_open(&opens, secret, blob));
    EXPECT(ctime_same(secret, secrets[0], sizeof secret));
    ctime_secret(secrets, sizeof secrets);
    blob[sizeof blob - 1] ^= 1;
    EXPECT(nitro_sealed_open(&opens, secret, blob).code == E_AUTH);
}

/* From a packet as the loader sends it. */
static void try_keeper(const struct bls_fixed_base *base, bool right)
{
    uint8_t bytes[IPC_HEADER_LEN + KEYS * (4 + BLS_SECRET_LEN + BLS_PUBKEY_LEN)];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    struct ipc_message message;
    struct keeper_new_key list[KEYS] = {0};
    struct keeper_keys *keys = NULL;
    ipc_begin(&p, IPC_KEY, KEYS);
    for (uint32_t i = 0; i < KEYS; i++)
        ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){i, secrets[i], pubkeys[right ? i : 0]});
    EXPECT_OK(pack_end(&p));
    EXPECT_OK(ipc_open(&message, bytes, p.length));
    for (size_t i = 0; i < KEYS; i++) {
        struct ipc_loaded_key key;
        EXPECT_OK(ipc_take_loaded_key(&key, &message.body));
        list[i] = (struct keeper_new_key){.secret = key.secret, .pubkey = key.pubkey};
    }
    EXPECT_OK(keeper_keys_new(&keys));
    EXPECT(keeper_keys_add_many(keys, list, KEYS, base, NULL).code == (right ? E_NONE : E_MISMATCH));
    if (right)
        EXPECT(ctime_same(keeper_keys_secret(keys, keeper_keys_find(keys, pubkeys[2])), secrets[2],
                          BLS_SECRET_LEN));
    ctime_secret(secrets, sizeof secrets);
    keeper_keys_free(keys);
}

int main(void)
{
    struct bls_fixed_base *base = NULL;
    ctime_begin();
    make_keys();
    EXPECT_OK(bls_fixed_base_new(&base));
    try_text();
    try_raw_keys(base);
    try_sealed();
    ctime_secret(secrets, sizeof secrets);
    try_keeper(NULL, true);
    try_keeper(NULL, false);
    try_keeper(base, true);
    try_keeper(base, false);
    bls_fixed_base_free(base);
    return 0;
}
