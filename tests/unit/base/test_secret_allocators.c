/* test_secret_allocators.c - what libraries give back has been wiped, however they give it back. */
#include "testing.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/secret.h"
#include "base/secret_allocators.h"

static uint8_t marker[16] = "only once here";
static size_t freed, freed_unwiped;
void __real_free(void *block);
void __wrap_free(void *block);

void __wrap_free(void *block)
{
    size_t size = block ? malloc_usable_size(block) : 0;
    freed += block != NULL;
    freed_unwiped += block && memmem(block, size, marker, sizeof marker) != NULL;
    __real_free(block);
}

static int setup(void **state)
{
    (void)state;
    freed = freed_unwiped = 0;
    return 0;
}

static void blocks_are_wiped_when_freed(void **state)
{
    (void)state;
    uint8_t *block = OPENSSL_malloc(100);
    memcpy(block + 84, marker, sizeof marker);
    OPENSSL_free(block);
    assert_int_equal(freed, 1);
    assert_int_equal(freed_unwiped, 0);
    secret_wiping_free(NULL);
    assert_int_equal(freed, 1);
}

static void blocks_are_wiped_when_they_move(void **state)
{
    (void)state;
    uint8_t *block = OPENSSL_malloc(sizeof marker);
    memcpy(block, marker, sizeof marker);
    for (size_t size = 1; size < 70000; size *= 3) {
        block = OPENSSL_realloc(block, size);
        assert_non_null(block);
        assert_memory_equal(block, marker, size < sizeof marker ? size : sizeof marker);
        if (size < sizeof marker) {
            OPENSSL_free(block);
            block = OPENSSL_malloc(sizeof marker);
            memcpy(block, marker, sizeof marker);
        }
    }
    assert_null(OPENSSL_realloc(block, 0));
    assert_true(freed > 10);
    assert_int_equal(freed_unwiped, 0);
}

/* OpenSSL itself frees the encoding of a private key as it is. */
static void an_encoded_private_key_leaves_nothing(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    size_t length = 32;
    uint8_t raw[32];
    assert_int_equal(EVP_PKEY_get_raw_private_key(key, raw, &length), 1);
    memcpy(marker, raw + 8, sizeof marker);
    BIO *out = BIO_new(BIO_s_secmem());
    assert_int_equal(i2d_PKCS8PrivateKeyInfo_bio(out, key), 1);
    BIO_free(out);
    EVP_PKEY_free(key);
    assert_true(freed > 10);
    assert_int_equal(freed_unwiped, 0);
}

static void secret_blocks_are_in_the_secure_heap(void **state)
{
    (void)state;
    void *block = secret_malloc(40);
    assert_non_null(block);
    assert_int_equal(CRYPTO_secure_allocated(block), 1);
    secret_free(block);
    secret_free(NULL);
}

int main(void)
{
    if (secret_openssl_wipes().code || secret_heap_open(65536).code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(blocks_are_wiped_when_freed, setup),
        cmocka_unit_test_setup(blocks_are_wiped_when_they_move, setup),
        cmocka_unit_test_setup(an_encoded_private_key_leaves_nothing, setup),
        cmocka_unit_test_setup(secret_blocks_are_in_the_secure_heap, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
