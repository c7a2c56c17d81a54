/* nitro_envelope_seal.c - writes an envelope byte for byte in KMS's layout.
 *
 * The cryptography is OpenSSL's; the BER around it is packed by hand, because OpenSSL's own
 * encoder cannot name the recipient by SHA-256 of its key without a certificate, and the
 * point of this function is that our opener meets exactly what AWS sends. */
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include "nitro/nitro_envelope.h"

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)
DEFINE_AUTO_POINTER(EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_AUTO_POINTER(EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)

enum {
    CONTENT_KEY_LEN = 32,
    IV_LEN = 16,
    RSA_MIN_LEN = 256, /* bytes of modulus: RSA-2048 to RSA-4096 */
    RSA_MAX_LEN = 512,
    LONG_HEADER_LEN = 4, /* tag and length in front of 256 bytes or more, as an encrypted key has */
    PIECE_LEN = 1000     /* how KMS cuts long content */
};

/* ContentInfo, EnvelopedData and their type, all of indefinite length, and version 2. */
static const uint8_t OUTER[] = {0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                0x01, 0x07, 0x03, 0xa0, 0x80, 0x30, 0x80, 0x02, 0x01, 0x02};
static const uint8_t RECIPIENT_VERSION[] = {0x02, 0x01, 0x02};
/* RSAES-OAEP, hash SHA-256, mask generation MGF1 with SHA-256. */
static const uint8_t KEY_ENCRYPTION[] = {
    0x30, 0x3c, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07, 0x30, 0x2f, 0xa0,
    0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30,
    0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00};
/* EncryptedContentInfo of indefinite length, type data, AES-256-CBC up to the initialisation vector. */
static const uint8_t CONTENT_HEAD[] = {0x30, 0x80, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
                                       0x01, 0x07, 0x01, 0x30, 0x1d, 0x06, 0x09, 0x60, 0x86, 0x48,
                                       0x01, 0x65, 0x03, 0x04, 0x01, 0x2a, 0x04, 0x10};
static const uint8_t CONTENT_CONSTRUCTED[] = {0xa0, 0x80};
/* Ends of: content, EncryptedContentInfo, EnvelopedData, [0], ContentInfo. */
static const uint8_t ENDS[10] = {0};

struct sealed {
    uint8_t key_id[SHA256_DIGEST_LENGTH];
    uint8_t encrypted_key[RSA_MAX_LEN];
    size_t encrypted_key_len;
    uint8_t iv[IV_LEN];
    uint8_t content[ENVELOPE_MAX];
    size_t content_len;
};

static must_check result wrap_key(struct sealed *s, EVP_PKEY *recipient, const struct secret *content_key)
{
    AUTO_POINTER(EVP_PKEY_CTX) context = EVP_PKEY_CTX_new(recipient, NULL);
    s->encrypted_key_len = sizeof s->encrypted_key;
    ENSURE(context && EVP_PKEY_encrypt_init(context) == 1 &&
               EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) == 1 &&
               EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) == 1 &&
               EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
               EVP_PKEY_encrypt(context, s->encrypted_key, &s->encrypted_key_len, content_key->data,
                                content_key->length) == 1,
           E_CRYPTO, "envelope: cannot encrypt the content key");
    return RESULT_OK;
}

static must_check result encrypt_content(struct sealed *s, const struct secret *content_key,
                                         const uint8_t *plaintext, size_t plaintext_len)
{
    AUTO_POINTER(EVP_CIPHER_CTX) context = EVP_CIPHER_CTX_new();
    int count = 0, last = 0;
    ENSURE(context && EVP_EncryptInit_ex2(context, EVP_aes_256_cbc(), content_key->data, s->iv, NULL) == 1 &&
               EVP_EncryptUpdate(context, s->content, &count, plaintext, (int)plaintext_len) == 1 &&
               EVP_EncryptFinal_ex(context, s->content + count, &last) == 1,
           E_CRYPTO, "envelope: cannot encrypt the content");
    s->content_len = (size_t)count + (size_t)last;
    return RESULT_OK;
}

static must_check result read_recipient(struct sealed *s, EVP_PKEY **ret_key, const uint8_t *spki,
                                        size_t spki_len)
{
    ENSURE(spki_len >= 1 && spki_len <= 1024, E_INPUT, "recipient key: must be 1 to 1024 bytes");
    const uint8_t *at = spki;
    AUTO_POINTER(EVP_PKEY) key = d2i_PUBKEY(NULL, &at, (long)spki_len);
    ENSURE(key && at == spki + spki_len, E_INPUT, "recipient key: not a SubjectPublicKeyInfo");
    ENSURE(EVP_PKEY_is_a(key, "RSA"), E_UNSUPPORTED, "recipient key: not RSA");
    int key_len = EVP_PKEY_get_size(key);
    ENSURE(key_len >= RSA_MIN_LEN && key_len <= RSA_MAX_LEN, E_UNSUPPORTED,
           "recipient key: must be RSA-2048 to 4096");
    ENSURE(SHA256(spki, spki_len, s->key_id), E_CRYPTO, "recipient key: SHA-256 failed");
    *ret_key = TAKE(key);
    return RESULT_OK;
}

static void pack_header(struct packer *p, uint8_t tag, size_t length)
{
    pack_u8(p, tag);
    if (length >= 0x100)
        pack_u8(p, 0x82);
    else if (length >= 0x80)
        pack_u8(p, 0x81);
    if (length >= 0x100)
        pack_u8(p, (uint8_t)(length >> 8));
    pack_u8(p, (uint8_t)length);
}

static void pack_envelope(struct packer *p, const struct sealed *s)
{
    size_t recipient_len = sizeof RECIPIENT_VERSION + 2 + sizeof s->key_id + sizeof KEY_ENCRYPTION +
                           LONG_HEADER_LEN + s->encrypted_key_len;
    pack_bytes(p, OUTER, sizeof OUTER);
    pack_header(p, 0x31, LONG_HEADER_LEN + recipient_len);
    pack_header(p, 0x30, recipient_len);
    pack_bytes(p, RECIPIENT_VERSION, sizeof RECIPIENT_VERSION);
    pack_header(p, 0x80, sizeof s->key_id);
    pack_bytes(p, s->key_id, sizeof s->key_id);
    pack_bytes(p, KEY_ENCRYPTION, sizeof KEY_ENCRYPTION);
    pack_header(p, 0x04, s->encrypted_key_len);
    pack_bytes(p, s->encrypted_key, s->encrypted_key_len);
    pack_bytes(p, CONTENT_HEAD, sizeof CONTENT_HEAD);
    pack_bytes(p, s->iv, sizeof s->iv);
    pack_bytes(p, CONTENT_CONSTRUCTED, sizeof CONTENT_CONSTRUCTED);
    for (size_t at = 0; at < s->content_len; at += PIECE_LEN) {
        size_t piece_len = s->content_len - at < PIECE_LEN ? s->content_len - at : PIECE_LEN;
        pack_header(p, 0x04, piece_len);
        pack_bytes(p, s->content + at, piece_len);
    }
    pack_bytes(p, ENDS, sizeof ENDS);
}

static must_check result seal(struct buffer *out, const uint8_t *spki, size_t spki_len,
                              const uint8_t *plaintext, size_t plaintext_len)
{
    /* One block of padding at most; the rest of the layout is checked by the packer. */
    ENSURE(plaintext_len <= ENVELOPE_MAX - IV_LEN, E_TOO_LARGE, "envelope: plaintext is over %d bytes",
           ENVELOPE_MAX - IV_LEN);
    struct sealed s;
    AUTO_POINTER(EVP_PKEY) recipient = NULL;
    AUTO(secret) content_key = {0};
    TRY(read_recipient(&s, &recipient, spki, spki_len));
    TRY(secret_new(&content_key, CONTENT_KEY_LEN));
    ENSURE(RAND_priv_bytes(content_key.data, CONTENT_KEY_LEN) == 1 && RAND_bytes(s.iv, sizeof s.iv) == 1,
           E_CRYPTO, "envelope: no randomness");
    TRY(wrap_key(&s, recipient, &content_key));
    TRY(encrypt_content(&s, &content_key, plaintext, plaintext_len));

    uint8_t bytes[ENVELOPE_MAX];
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    pack_envelope(&p, &s);
    TRY(pack_end(&p));
    return buffer_append(out, p.data, p.length);
}

result envelope_seal(struct buffer *out, const uint8_t *recipient_spki, size_t recipient_spki_len,
                     const uint8_t *plaintext, size_t plaintext_len)
{
    result r = seal(out, recipient_spki, recipient_spki_len, plaintext, plaintext_len);
    ERR_clear_error();
    return r;
}
