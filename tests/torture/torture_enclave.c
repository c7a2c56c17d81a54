/* torture_enclave.c - an attestation document is verified, and one of KMS's envelopes for a recipient opened.
 * Whatever fails, nothing is accepted that is not whole: on failure the claims stay untouched, and no
 * plaintext is there; a forged document is never accepted. */
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <string.h>

#include "base/file_io.h"
#include "nitro/nitro_attestation.h"
#include "nitro/nitro_envelope.h"
#include "torture.h"

#define DOCUMENT_MS UINT64_C(1767225600000) /* when its certificates are valid */
#define FUZZ NS_TORTURE_FOLDER "/../fuzz"

enum { FILE_MAX = 16384, PLAINTEXT_LEN = 32 };

static struct buffer document, forged, root, envelope;
static EVP_PKEY *key;
static const uint8_t plaintext[PLAINTEXT_LEN] = {1, 2, 3};

static void read_root(void)
{
    FILE *file = fopen(FUZZ "/keys/attestation_root.pem", "r");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    uint8_t *der = NULL;
    int length = certificate ? i2d_X509(certificate, &der) : 0;
    torture_must(length > 0 ? buffer_append(&root, der, (size_t)length) : error_set(E_IO, "no root"));
    OPENSSL_free(der);
    X509_free(certificate);
    if (file)
        (void)fclose(file);
}

static void make_envelope(void)
{
    uint8_t *spki = NULL;
    FILE *file = fopen(FUZZ "/keys/envelope.pem", "r");
    key = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    int length = key ? i2d_PUBKEY(key, &spki) : 0;
    torture_must(length > 0 ? envelope_seal(&envelope, spki, (size_t)length, plaintext, sizeof plaintext)
                            : error_set(E_IO, "no key"));
    OPENSSL_free(spki);
    if (file)
        (void)fclose(file);
}

static void prepare(void)
{
    AUTO(secret) opened = {0};
    static struct attestation claims;
    torture_must(secret_heap_open(1 << 20));
    torture_warm_openssl();
    torture_must(file_read(&document, FUZZ "/corpus/attestation/valid_tag18", FILE_MAX));
    torture_must(buffer_append(&forged, document.data, document.length));
    forged.data[forged.length - 1] ^= 1; /* of the signature */
    read_root();
    make_envelope();
    /* OpenSSL's beginnings again: it fetches algorithms when they are first wanted. */
    torture_must(
        attestation_verify(&claims, document.data, document.length, root.data, root.length, DOCUMENT_MS));
    torture_must(envelope_open(&opened, key, envelope.data, envelope.length));
}

static result verify(const struct buffer *what, bool is_forged)
{
    static struct attestation claims, before;
    memset(&claims, 0x5a, sizeof claims);
    memset(&before, 0x5a, sizeof before);
    result r = attestation_verify(&claims, what->data, what->length, root.data, root.length, DOCUMENT_MS);
    torture_require(!r.code || memcmp(&claims, &before, sizeof claims) == 0, "a refusal left claims");
    torture_require(r.code || !is_forged, "a forged document was accepted");
    torture_require(r.code || claims.timestamp_ms > 0, "claims without a time");
    return r;
}

static result open_envelope(void)
{
    AUTO(secret) opened = {0};
    result r = envelope_open(&opened, key, envelope.data, envelope.length);
    torture_require(!r.code == (opened.data != NULL), "a refusal left a plaintext");
    torture_require(
        r.code || (opened.length == PLAINTEXT_LEN && memcmp(opened.data, plaintext, PLAINTEXT_LEN) == 0),
        "another plaintext");
    return r;
}

static void act(const char *folder)
{
    (void)folder;
    torture_begin();
    torture_outcome(verify(&document, false));
    torture_outcome(open_envelope());
    torture_require(verify(&forged, true).code, "accepted");
    torture_end();
}

int main(void)
{
    const struct torture_scenario scenario = {
        .name = "enclave", .prepare = prepare, .act = act, .one_place_in = 9};
    return torture_main(&scenario);
}
