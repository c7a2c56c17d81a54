/* fuzz_envelope.c - the reader of KMS's envelopes for a recipient (CMS). One that our key opens stays closed
 * to any other; nothing is left behind in OpenSSL's queue of errors.
 *
 * Every envelope begins with 0x30. An input with another first byte is taken for a plaintext, which comes out
 * of the envelope it is sealed in. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "fuzz.h"
#include "nitro/nitro_envelope.h"

enum { SEQUENCE = 0x30, SEALED_MAX = 4096, SECURE_HEAP_LEN = 1 << 17 };

static EVP_PKEY *our_key, *other_key;
static uint8_t *our_spki;
static size_t our_spki_len;

static EVP_PKEY *read_key(const char *path)
{
    FILE *file = fopen(path, "r");
    EVP_PKEY *key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    PROMISE(key);
    (void)fclose(file);
    return key;
}

static void read_keys(void)
{
    PROMISE(secret_heap_open(SECURE_HEAP_LEN).code == 0);
    our_key = read_key(NS_FUZZ_FOLDER "/keys/envelope.pem");
    other_key = read_key(NS_FUZZ_FOLDER "/keys/envelope_other.pem");
    int length = i2d_PUBKEY(our_key, &our_spki);
    PROMISE(length > 0);
    our_spki_len = (size_t)length;
}

static void try_envelope(const uint8_t *data, size_t size)
{
    AUTO(secret) plaintext = {0}, nothing = {0};
    result opened = envelope_open(&plaintext, our_key, data, size);
    PROMISE((opened.code == 0) == (plaintext.data != NULL) && plaintext.length < size);
    result closed = envelope_open(&nothing, other_key, data, size);
    PROMISE(closed.code && !nothing.data);
    PROMISE(opened.code || closed.code == E_AUTH);
}

static void try_plaintext(const uint8_t *data, size_t size)
{
    AUTO(buffer) envelope = {0};
    AUTO(secret) plaintext = {0};
    PROMISE(envelope_seal(&envelope, our_spki, our_spki_len, data, size).code == 0);
    PROMISE(envelope_open(&plaintext, our_key, envelope.data, envelope.length).code == 0);
    PROMISE(plaintext.length == size && (size == 0 || memcmp(plaintext.data, data, size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!our_key)
        read_keys();
    if (size > 0 && data[0] == SEQUENCE)
        try_envelope(data, size);
    else if (size <= SEALED_MAX)
        try_plaintext(data, size);
    PROMISE(ERR_peek_error() == 0);
    return 0;
}
