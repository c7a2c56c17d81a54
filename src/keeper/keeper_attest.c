/* keeper_attest.c - what the Nitro Security Module is asked: measure the policy, attest.
 *
 * The recipient key is made from the start on (keeper_recipient.c). It becomes known here only once PCR16 is
 * extended with the policy's bytes and locked, so no document with that key can ever be made under another
 * policy. The private half leaves this process only to the loader. Rejected: opening envelopes here - CMS and
 * JSON would be parsed beside the validators' keys. */
#include "keeper.h"

#include <openssl/bio.h>
#include <openssl/encoder.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <string.h>

enum { POLICY_PCR = 16, EXTRA_ENTROPY_LEN = 64 };

result keeper_attest_open(struct keeper *k)
{
    bool locked;
    uint8_t entropy[EXTRA_ENTROPY_LEN];
    TRY(nsm_open(&k->nsm, k->nsm_address));
    TRY(nsm_describe_pcr(&k->nsm, k->pcr0, &locked, 0));
    TRY(nsm_describe_pcr(&k->nsm, k->pcr16, &locked, POLICY_PCR));
    /* Mixed in and counted as nothing: the kernel's generator has to be good on its own. */
    TRY(nsm_get_random(&k->nsm, entropy, sizeof entropy));
    RAND_add(entropy, sizeof entropy, 0);
    secret_wipe(entropy, sizeof entropy);
    return keeper_recipient_begin(&k->recipient);
}

static bool is_zero(const uint8_t value[static NSM_PCR_LEN])
{
    static const uint8_t zero[NSM_PCR_LEN];
    return memcmp(value, zero, NSM_PCR_LEN) == 0;
}

static must_check result measure(struct keeper *k, struct ipc_bytes text)
{
    uint8_t expected[NSM_PCR_LEN], found[NSM_PCR_LEN];
    bool locked = false;
    TRY(policy_measure(expected, (const char *)text.data, text.length));
    TRY(nsm_describe_pcr(&k->nsm, found, &locked, POLICY_PCR));
    if (!locked && is_zero(found))
        TRY(nsm_extend_pcr(&k->nsm, found, POLICY_PCR, text.data, text.length));
    ENSURE(memcmp(found, expected, NSM_PCR_LEN) == 0, E_MISMATCH, "PCR16 holds another policy already");
    if (!locked)
        TRY(nsm_lock_pcr(&k->nsm, POLICY_PCR));
    /* Read back: what the documents will say is what counts. */
    TRY(nsm_describe_pcr(&k->nsm, k->pcr16, &locked, POLICY_PCR));
    ENSURE(locked && memcmp(k->pcr16, expected, NSM_PCR_LEN) == 0, E_PEER, "the NSM did not lock PCR16");
    return RESULT_OK;
}

result keeper_attest_measure(struct keeper *k, struct ipc_bytes policy_text)
{
    TRY(measure(k, policy_text));
    if (!k->recipient_key)
        k->recipient_key = keeper_recipient_take(&k->recipient);
    ENSURE(k->recipient_key, E_CRYPTO, "no RSA key could be made");
    return RESULT_OK;
}

DEFINE_AUTO_POINTER(BIO, BIO_free)
DEFINE_AUTO_POINTER(OSSL_ENCODER_CTX, OSSL_ENCODER_CTX_free)

result keeper_attest_export_key(struct secret *ret_der, const struct keeper *k)
{
    AUTO_POINTER(OSSL_ENCODER_CTX)
    encoder =
        OSSL_ENCODER_CTX_new_for_pkey(k->recipient_key, EVP_PKEY_KEYPAIR, "DER", "PrivateKeyInfo", NULL);
    AUTO_POINTER(BIO) out = BIO_new(BIO_s_secmem());
    ENSURE(encoder && out && OSSL_ENCODER_to_bio(encoder, out) == 1, E_CRYPTO,
           "the RSA key cannot be encoded");
    char *bytes = NULL;
    long length = BIO_get_mem_data(out, &bytes);
    ENSURE(length > 0 && length <= IPC_POLICY_MAX, E_CRYPTO, "the RSA key has an impossible encoding");
    return secret_copy(ret_der, bytes, (size_t)length);
}

static must_check result attest_recipient(struct keeper *k, struct buffer *out, struct ipc_bytes nonce)
{
    unsigned char *spki = NULL;
    int length = i2d_PUBKEY(k->recipient_key, &spki);
    ENSURE(length > 0, E_CRYPTO, "the public key cannot be encoded");
    result r = nsm_attest(&k->nsm, out, NULL, 0, nonce.length ? nonce.data : NULL, nonce.length, spki,
                          (size_t)length);
    OPENSSL_free(spki);
    return r;
}

void keeper_attest(struct keeper *k, const struct ipc_attest *wanted)
{
    AUTO(buffer) document = {0};
    bool is_recipient = wanted->purpose == IPC_ATTEST_RECIPIENT;
    if (is_recipient)
        keeper_phases_spend(&k->phases, IPC_PHASE_DECRYPT);
    result r = is_recipient ? attest_recipient(k, &document, wanted->nonce)
                            : keeper_identity_attest(k, &document, wanted->nonce);
    if (is_recipient)
        keeper_phases_spend(&k->phases, IPC_PHASE_ATTEST);
    if (r.code) {
        log_error("attestation: %s", error_text());
        document.length = 0; /* an empty document says that there is none */
    }
    struct packer p = keeper_pack(k);
    ipc_pack_bytes_message(&p, IPC_DOCUMENT, (struct ipc_bytes){document.data, (uint32_t)document.length});
    keeper_send(&k->courier, &p);
}
