/* cbor_pack.c - the writer: libcbor's head encoders, which choose the shortest form, into a
 * packer, whose overflow is reported once at the end. */
#include <cbor.h>
#include <string.h>

#include "cbor/cbor.h"

/* The longest head: one byte and eight of value. */
enum { HEAD_MAX = 9 };

void cbor_pack_uint(struct packer *p, uint64_t value)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_uint(value, head, sizeof head));
}

void cbor_pack_negative(struct packer *p, uint64_t value)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_negint(value, head, sizeof head));
}

void cbor_pack_bytes(struct packer *p, const uint8_t *bytes, size_t bytes_len)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_bytestring_start(bytes_len, head, sizeof head));
    pack_bytes(p, bytes, bytes_len);
}

void cbor_pack_text(struct packer *p, const char *text)
{
    uint8_t head[HEAD_MAX];
    size_t text_len = strlen(text);
    pack_bytes(p, head, cbor_encode_string_start(text_len, head, sizeof head));
    pack_bytes(p, text, text_len);
}

void cbor_pack_array(struct packer *p, size_t num_elements)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_array_start(num_elements, head, sizeof head));
}

void cbor_pack_map(struct packer *p, size_t num_pairs)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_map_start(num_pairs, head, sizeof head));
}

void cbor_pack_null(struct packer *p)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_null(head, sizeof head));
}

void cbor_pack_bool(struct packer *p, bool value)
{
    uint8_t head[HEAD_MAX];
    pack_bytes(p, head, cbor_encode_bool(value, head, sizeof head));
}
