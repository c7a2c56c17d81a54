/* nitro_sealed.c - see nitro_sealed.h.
 *
 * Each key is sealed by itself, so that one that was damaged costs no other, and a list may be cut, joined or
 * put in another order without the data key. Its nonce is random: 2^32 keys under one data key keep two from
 * being the same but once in 2^32 cases, and a batch has at most 2^14. Rejected: one ciphertext for a batch,
 * whose first wrong bit would cost all of it; the place in the batch as nonce, where a tool that adds to a
 * batch repeats one. */
#include "nitro/nitro_sealed.h"

#include <openssl/rand.h>
#include <string.h>

enum { NONCE_LEN = 12, TAG_LEN = 16, LABEL_LEN = 32 };

void nitro_sealed_cleanup(struct nitro_sealed *sealed)
{
    EVP_CIPHER_CTX_free(sealed->context);
    *sealed = (struct nitro_sealed){0};
}

result nitro_sealed_check_uuid(const char *uuid, size_t uuid_len)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_";
    ENSURE(uuid_len >= 1 && uuid_len <= NITRO_SEALED_UUID_MAX && strspn(uuid, allowed) >= uuid_len, E_INPUT,
           "must have from 1 to %d letters, digits, - and _", NITRO_SEALED_UUID_MAX);
    return RESULT_OK;
}

result nitro_sealed_begin(struct nitro_sealed *ret_sealed, const struct secret *data_key, const char *uuid,
                          bool seals)
{
    AUTO(nitro_sealed) sealed = {.uuid = uuid};
    TRY(nitro_sealed_check_uuid(uuid, strlen(uuid)));
    ENSURE(data_key->length == NITRO_SEALED_DATA_KEY_LEN, E_INPUT, "a data key has %d bytes",
           NITRO_SEALED_DATA_KEY_LEN);
    sealed.context = EVP_CIPHER_CTX_new();
    ENSURE(sealed.context &&
               EVP_CipherInit_ex(sealed.context, EVP_aes_256_gcm(), NULL, data_key->data, NULL, seals) == 1,
           E_CRYPTO, "AES-256-GCM is not available");
    *ret_sealed = sealed;
    sealed = (struct nitro_sealed){0};
    return RESULT_OK;
}

/* Begins one key: its nonce, and what is authenticated beside it. */
static must_check result begin_key(struct nitro_sealed *sealed, const uint8_t *nonce, const uint8_t *pubkey,
                                   bool seals)
{
    static const uint8_t label[LABEL_LEN] = "nitro-signer sealed key 1";
    int length = 0;
    ENSURE(EVP_CipherInit_ex(sealed->context, NULL, NULL, NULL, nonce, seals) == 1 &&
               EVP_CipherUpdate(sealed->context, NULL, &length, label, LABEL_LEN) == 1 &&
               EVP_CipherUpdate(sealed->context, NULL, &length, pubkey, NITRO_SEALED_PUBKEY_LEN) == 1 &&
               EVP_CipherUpdate(sealed->context, NULL, &length, (const uint8_t *)sealed->uuid,
                                (int)strlen(sealed->uuid)) == 1,
           E_CRYPTO, "AES-256-GCM failed");
    return RESULT_OK;
}

result nitro_sealed_seal(struct nitro_sealed *sealed, uint8_t ret_blob[static NITRO_SEALED_LEN],
                         const uint8_t secret[static NITRO_SEALED_SECRET_LEN],
                         const uint8_t pubkey[static NITRO_SEALED_PUBKEY_LEN])
{
    uint8_t blob[NITRO_SEALED_LEN], *nonce = blob + NITRO_SEALED_PUBKEY_LEN, *text = nonce + NONCE_LEN;
    int length = 0, rest = 0;
    memcpy(blob, pubkey, NITRO_SEALED_PUBKEY_LEN);
    ENSURE(RAND_bytes(nonce, NONCE_LEN) == 1, E_CRYPTO, "no random bytes");
    TRY(begin_key(sealed, nonce, pubkey, true));
    ENSURE(EVP_CipherUpdate(sealed->context, text, &length, secret, NITRO_SEALED_SECRET_LEN) == 1 &&
               length == NITRO_SEALED_SECRET_LEN &&
               EVP_CipherFinal_ex(sealed->context, text + length, &rest) == 1 &&
               EVP_CIPHER_CTX_ctrl(sealed->context, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, text + length) == 1,
           E_CRYPTO, "AES-256-GCM failed");
    memcpy(ret_blob, blob, sizeof blob);
    return RESULT_OK;
}

static must_check result open_key(struct nitro_sealed *sealed, uint8_t *secret, const uint8_t *blob)
{
    const uint8_t *nonce = blob + NITRO_SEALED_PUBKEY_LEN, *text = nonce + NONCE_LEN;
    uint8_t tag[TAG_LEN], end[TAG_LEN];
    int length = 0, rest = 0;
    memcpy(tag, text + NITRO_SEALED_SECRET_LEN, sizeof tag);
    TRY(begin_key(sealed, nonce, blob, false));
    ENSURE(EVP_CipherUpdate(sealed->context, secret, &length, text, NITRO_SEALED_SECRET_LEN) == 1 &&
               length == NITRO_SEALED_SECRET_LEN &&
               EVP_CIPHER_CTX_ctrl(sealed->context, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1,
           E_CRYPTO, "AES-256-GCM failed");
    ENSURE(EVP_CipherFinal_ex(sealed->context, end, &rest) == 1, E_AUTH,
           "was not sealed with this data key for this public key and UUID");
    return RESULT_OK;
}

result nitro_sealed_open(struct nitro_sealed *sealed, uint8_t ret_secret[static NITRO_SEALED_SECRET_LEN],
                         const uint8_t blob[static NITRO_SEALED_LEN])
{
    result r = open_key(sealed, ret_secret, blob);
    if (r.code)
        secret_wipe(ret_secret, NITRO_SEALED_SECRET_LEN);
    return r;
}
