/* fuzz_record.c - the plaintexts that KMS's envelopes carry: a validator's record, the server's TLS key, a
 * store's key. Who relays an envelope can garble it, so each is parsed as hostile. One that is accepted has a
 * key of its kind; of one that is refused nothing is left.
 *
 * envelope_open is wrapped: the input is what comes out. So is keystore_decrypt, which lets only cheap key
 * derivations through. */
#include "fuzz.h"
#include "fuzz_secret.h"
#include "keystore/keystore_file.h"
#include "loader/loader_record.h"
#include "nitro/nitro_envelope.h"

enum { CHEAP = 64 };

result __wrap_envelope_open(struct secret *ret_plaintext, EVP_PKEY *recipient_key, const uint8_t *cms,
                            size_t cms_len);
result __wrap_envelope_open(struct secret *ret_plaintext, EVP_PKEY *recipient_key, const uint8_t *cms,
                            size_t cms_len)
{
    (void)recipient_key;
    ENSURE(cms_len <= ENVELOPE_PLAINTEXT_MAX, E_INPUT, "too long");
    return secret_copy(ret_plaintext, cms, cms_len);
}

result __real_keystore_decrypt(struct keystore *ret_keystore, const char *json, size_t json_len,
                               const uint8_t *password, size_t password_len, size_t max_kdf_memory);
result __wrap_keystore_decrypt(struct keystore *ret_keystore, const char *json, size_t json_len,
                               const uint8_t *password, size_t password_len, size_t max_kdf_memory);
result __wrap_keystore_decrypt(struct keystore *ret_keystore, const char *json, size_t json_len,
                               const uint8_t *password, size_t password_len, size_t max_kdf_memory)
{
    struct keystore_file file;
    TRY(keystore_file_parse(&file, json, json_len, max_kdf_memory));
    bool cheap = file.kdf == KEYSTORE_SCRYPT ? file.n * file.r * file.p <= CHEAP : file.rounds <= CHEAP;
    ENSURE(cheap, E_UNSUPPORTED, "would take too long");
    return __real_keystore_decrypt(ret_keystore, json, json_len, password, password_len, max_kdf_memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(keystore) keystore = {0};
    AUTO(loader_tls) tls = {0};
    AUTO(secret) store_key = {0};
    fuzz_open_secret_heap();
    fuzz_forget_reason();
    bool is_key = fuzz_accepted(loader_record_open_key(&keystore, NULL, data, size));
    PROMISE(is_key == (keystore.secret.data != NULL));
    bool is_tls = fuzz_accepted(loader_record_open_tls(&tls, NULL, data, size));
    PROMISE(is_tls == (tls.private_key.data != NULL) && is_tls == (tls.certificates.length > 0));
    bool is_store_key = fuzz_accepted(loader_record_open_store_key(&store_key, NULL, data, size));
    PROMISE(is_store_key == (size == 32) && is_store_key == (store_key.data != NULL));
    return 0;
}
