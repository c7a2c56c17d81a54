/* nitro_judge.c - what our readers say of many pieces, to be compared with what others say
 * (test_aws_cose.py).
 *
 *   nitro_judge documents BATCH ROOT TIME     a line for each: the SHA-384 of the payload, or - when it is no
 *                                             attestation document; and 1 when it verifies under the root
 *                                             certificate (DER) at that time in milliseconds, else 0
 *   nitro_judge maps BATCH                    1 for a map in CBOR, else 0
 *
 * A batch is a file of pieces, each behind its length in four bytes, the lowest first. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"
#include "cbor/cbor.h"
#include "nitro/nitro_attestation_parse.h"

enum { BATCH_MAX = 1 << 28, ROOT_MAX = 4096 };

struct judge {
    struct buffer root;
    uint64_t at_ms;
    bool maps;
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
    if (judge->maps)
        say_map(piece, length);
    else
        say_document(judge, piece, length);
    free(piece);
    return RESULT_OK;
}

static must_check result run(int argc, char *argv[])
{
    AUTO(buffer) batch = {0};
    struct judge judge = {.maps = argc == 3 && strcmp(argv[1], "maps") == 0};
    ENSURE(judge.maps || (argc == 5 && strcmp(argv[1], "documents") == 0), E_INPUT,
           "usage: nitro_judge documents BATCH ROOT TIME, or nitro_judge maps BATCH");
    TRY(file_read(&batch, argv[2], BATCH_MAX));
    if (!judge.maps) {
        TRY(file_read(&judge.root, argv[3], ROOT_MAX));
        judge.at_ms = strtoull(argv[4], NULL, 10);
    }
    struct cursor c = {.at = batch.data, .left = batch.length};
    result r = RESULT_OK;
    while (!r.code && c.left > 0)
        r = say_piece(&judge, &c);
    buffer_cleanup(&judge.root);
    return r;
}

int main(int argc, char *argv[])
{
    if (run(argc, argv).code == 0)
        return 0;
    (void)fprintf(stderr, "nitro_judge: %s\n", error_text());
    return 1;
}
