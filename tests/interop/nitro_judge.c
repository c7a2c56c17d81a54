/* nitro_judge.c - what our readers say of many pieces, to be compared with what others say
 * (test_aws_cose.py, test_localstack.py).
 *
 *   nitro_judge documents BATCH ROOT TIME     a line for each: the SHA-384 of the payload, or - when it is no
 *                                             attestation document; and 1 when it verifies under the root
 *                                             certificate (DER) at that time in milliseconds, else 0
 *   nitro_judge maps BATCH                    1 for a map in CBOR, else 0
 *   nitro_judge envelopes BATCH KEY           the plaintext of a KMS envelope under that RSA key (DER,
 * PKCS#8) in hexadecimal digits, else - and why it was not opened
 *
 * A batch is a file of pieces, each behind its length in four bytes, the lowest first. */
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"
#include "base/secret.h"
#include "cbor/cbor.h"
#include "nitro/nitro_attestation_parse.h"
#include "nitro/nitro_envelope.h"

enum { BATCH_MAX = 1 << 28, ROOT_MAX = 4096, SECRET_HEAP = 131072 };
enum what { DOCUMENTS, MAPS, ENVELOPES };

struct judge {
    enum what what;
    struct buffer root; /* ENVELOPES: the key */
    uint64_t at_ms;
    EVP_PKEY *key;
};

static void say_document(const struct judge *judge, const uint8_t *piece, size_t length)
{
    static struct attestation_parts parts;
    static struct attestation claims;
    uint8_t digest[48];
    bool parsed = attestation_parse(&parts, piece, length).code == 0;
    bool verified =
        attestation_verify(&claims, piece, length, judge->root.data, judge->root.length, judge->at_ms).code ==
        0;
    if (!parsed) {
        (void)printf("- %d\n", verified);
        return;
    }
    (void)EVP_Digest(parts.payload.bytes, parts.payload.length, digest, NULL, EVP_sha384(), NULL);
    for (size_t i = 0; i < sizeof digest; i++)
        (void)printf("%02x", digest[i]);
    (void)printf(" %d\n", verified);
}

static void say_map(const uint8_t *piece, size_t length)
{
    static struct cbor_tree tree;
    bool is_map = cbor_read(&tree, piece, length).code == 0 && tree.nodes[0].kind == CBOR_KIND_MAP;
    (void)printf("%d\n", is_map);
}

static void say_envelope(const struct judge *judge, const uint8_t *piece, size_t length)
{
    AUTO(secret) plaintext = {0};
    if (envelope_open(&plaintext, judge->key, piece, length).code) {
        (void)printf("- %s\n", error_text());
        return;
    }
    for (size_t i = 0; i < plaintext.length; i++)
        (void)printf("%02x", plaintext.data[i]);
    (void)printf("\n");
}

/* Of exactly its length, so that a sanitizer sees a read behind it. */
static must_check result say_piece(const struct judge *judge, struct cursor *batch)
{
    uint32_t length;
    const uint8_t *view;
    TRY(cursor_u32(batch, &length));
    TRY(cursor_view(batch, &view, length));
    uint8_t *piece = malloc(length + 1);
    ENSURE(piece, E_MEMORY, "out of memory");
    memcpy(piece, view, length);
    switch (judge->what) {
    case DOCUMENTS:
        say_document(judge, piece, length);
        break;
    case MAPS:
        say_map(piece, length);
        break;
    case ENVELOPES:
        say_envelope(judge, piece, length);
        break;
    }
    free(piece);
    return RESULT_OK;
}

static must_check result prepare(struct judge *judge, int argc, char *argv[])
{
    if (argc == 3 && strcmp(argv[1], "maps") == 0) {
        judge->what = MAPS;
        return RESULT_OK;
    }
    bool envelopes = argc == 4 && strcmp(argv[1], "envelopes") == 0;
    ENSURE(envelopes || (argc == 5 && strcmp(argv[1], "documents") == 0), E_INPUT,
           "usage: nitro_judge documents BATCH ROOT TIME, nitro_judge maps BATCH, or nitro_judge envelopes "
           "BATCH KEY");
    TRY(file_read(&judge->root, argv[3], ROOT_MAX));
    judge->what = envelopes ? ENVELOPES : DOCUMENTS;
    if (!envelopes) {
        judge->at_ms = strtoull(argv[4], NULL, 10);
        return RESULT_OK;
    }
    const uint8_t *at = judge->root.data;
    judge->key = d2i_AutoPrivateKey(NULL, &at, (long)judge->root.length);
    ENSURE(judge->key, E_INPUT, "not a private key");
    return secret_heap_open(SECRET_HEAP);
}

static must_check result run(int argc, char *argv[])
{
    AUTO(buffer) batch = {0};
    struct judge judge = {0};
    TRY(prepare(&judge, argc, argv));
    TRY(file_read(&batch, argv[2], BATCH_MAX));
    struct cursor c = {.at = batch.data, .left = batch.length};
    result r = RESULT_OK;
    while (!r.code && c.left > 0)
        r = say_piece(&judge, &c);
    buffer_cleanup(&judge.root);
    EVP_PKEY_free(judge.key);
    return r;
}

int main(int argc, char *argv[])
{
    if (run(argc, argv).code == 0)
        return 0;
    (void)fprintf(stderr, "nitro_judge: %s\n", error_text());
    return 1;
}
