/* test_loader_record.c - envelopes that were changed on their way: whoever did it must not learn from the
 * answer whether the padding of what came out was right. */
#include "testing.h"

#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "loader/loader_record.h"
#include "nitro/nitro_envelope.h"

static EVP_PKEY *key;

static void seal(struct buffer *out, const char *content, size_t length)
{
    uint8_t *spki = NULL;
    int spki_len = i2d_PUBKEY(key, &spki);
    assert_true(spki_len > 0);
    assert_ok(envelope_seal(out, spki, (size_t)spki_len, (const uint8_t *)content, length));
    OPENSSL_free(spki);
}

static int make_key(void **state)
{
    (void)state;
    key = EVP_RSA_gen(2048);
    return key && !secret_heap_open(1 << 20).code ? 0 : -1;
}

static int free_key(void **state)
{
    (void)state;
    EVP_PKEY_free(key);
    return 0;
}

/* Each way to open it refuses it, with the one code and sentence. */
static void assert_unreadable(const struct buffer *envelope)
{
    AUTO(keystore) keystore = {0};
    AUTO(loader_tls) tls = {0};
    AUTO(secret) store_key = {0};
    assert_fails(E_AUTH, loader_record_open_key(&keystore, key, envelope->data, envelope->length));
    assert_string_equal(error_text(), ENVELOPE_UNREADABLE);
    assert_fails(E_AUTH, loader_record_open_tls(&tls, key, envelope->data, envelope->length));
    assert_string_equal(error_text(), ENVELOPE_UNREADABLE);
    assert_fails(E_AUTH, loader_record_open_store_key(&store_key, key, envelope->data, envelope->length));
    assert_string_equal(error_text(), ENVELOPE_UNREADABLE);
}

static void wrong_padding_and_wrong_content_look_the_same(void **state)
{
    static const char *const contents[] = {"", "garbage", "{\"keystore_b64\":", "[]", "\xff\x01", "{}{}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(contents); i++) {
        AUTO(buffer) envelope = {0};
        seal(&envelope, contents[i], strlen(contents[i]));
        assert_unreadable(&envelope);
    }
    /* 48 bytes end with 16 of padding, in the envelope's last block but for what closes its five containers;
     * a changed bit of the block before makes another number of the last. */
    AUTO(buffer) envelope = {0};
    AUTO(secret) plaintext = {0};
    size_t wrong = 0;
    seal(&envelope, "{\"keystore_b64\":\"\",\"password_b64\":\"\"}     ", 40);
    for (size_t back = 17; back < 48; back++) {
        envelope.data[envelope.length - back] ^= 0x20;
        if (envelope_open(&plaintext, key, envelope.data, envelope.length).code) {
            wrong++;
            assert_unreadable(&envelope);
        }
        secret_cleanup(&plaintext);
        envelope.data[envelope.length - back] ^= 0x20;
    }
    assert_true(wrong > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wrong_padding_and_wrong_content_look_the_same)};
    return cmocka_run_group_tests(tests, make_key, free_key);
}
