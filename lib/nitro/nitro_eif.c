/* nitro_eif.c - enclave image files as one array of bytes.
 *
 * AWS's reader walks the sections and looks at neither the table nor the count in the header; QEMU uses the
 * table. A file on which the two could disagree is refused here: the header is recomputed from the sections
 * that were found, and must come out the same, byte for byte. So everything that is not a section's data has
 * one possible value. Rejected: reading through a file descriptor in pieces; images of ours have a few
 * megabytes, and offsets into one array need no seeking. */
#include "nitro/nitro_eif.h"

#include <openssl/evp.h>
#include <string.h>
#include <zlib.h>

enum {
    HEADER_LEN = 548,
    SECTION_HEADER_LEN = 12,
    FLAGS_ARM64 = 1,
    /* fields of the header */
    AT_VERSION = 0x004,
    AT_FLAGS = 0x006,
    AT_MEMORY = 0x008,
    AT_CPUS = 0x010,
    AT_COUNT = 0x01a,
    AT_OFFSETS = 0x01c,
    AT_SIZES = 0x11c,
    AT_CRC = 0x220
};

static const uint8_t magic[4] = {'.', 'e', 'i', 'f'};

enum section_type {
    SECTION_KERNEL = 1,
    SECTION_CMDLINE = 2,
    SECTION_RAMDISK = 3,
    SECTION_SIGNATURE = 4,
    SECTION_METADATA = 5
};

struct section {
    enum section_type type;
    struct nitro_eif_part data;
};

struct section_list {
    struct section sections[NITRO_EIF_SECTIONS_MAX];
    size_t num_sections;
};

DEFINE_AUTO_POINTER(EVP_MD_CTX, EVP_MD_CTX_free)

static uint64_t get_big_endian(const uint8_t *bytes, size_t bytes_len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes_len; i++)
        value = value << 8 | bytes[i];
    return value;
}

static void put_big_endian(uint8_t *out, size_t out_len, uint64_t value)
{
    for (size_t i = out_len; i > 0; i--, value >>= 8)
        out[i - 1] = (uint8_t)value;
}

/* What may be in an image, whichever way it goes. */
static must_check result check(const struct nitro_eif *eif)
{
    size_t total = HEADER_LEN + 4 * SECTION_HEADER_LEN;
    ENSURE(eif->kernel.length > 0, E_INPUT, "EIF: the kernel is empty");
    ENSURE(eif->cmdline.length <= NITRO_EIF_CMDLINE_MAX, E_TOO_LARGE,
           "EIF: the command line has more than %d bytes", NITRO_EIF_CMDLINE_MAX);
    for (size_t i = 0; i < eif->cmdline.length; i++)
        ENSURE(eif->cmdline.bytes[i] >= ' ' && eif->cmdline.bytes[i] <= '~', E_INPUT,
               "EIF: the command line must be printable ASCII");
    ENSURE(eif->metadata.length <= NITRO_EIF_METADATA_MAX, E_TOO_LARGE,
           "EIF: the metadata has more than %d bytes", NITRO_EIF_METADATA_MAX);
    ENSURE(eif->signature.length <= NITRO_EIF_SIGNATURE_MAX, E_TOO_LARGE,
           "EIF: the signature has more than %d bytes", NITRO_EIF_SIGNATURE_MAX);
    ENSURE(eif->num_ramdisks > 0 && eif->num_ramdisks <= NITRO_EIF_RAMDISKS_MAX, E_INPUT,
           "EIF: there must be between 1 and %d ramdisks", NITRO_EIF_RAMDISKS_MAX);
    ENSURE(eif->kernel.length <= NITRO_EIF_SIZE_MAX, E_TOO_LARGE, "EIF: the kernel is too large");
    total += eif->kernel.length + eif->cmdline.length + eif->metadata.length + eif->signature.length;
    for (size_t i = 0; i < eif->num_ramdisks; i++) {
        ENSURE(eif->ramdisks[i].length > 0, E_INPUT, "EIF: ramdisk %zu is empty", i);
        ENSURE(eif->ramdisks[i].length <= NITRO_EIF_SIZE_MAX, E_TOO_LARGE, "EIF: ramdisk %zu is too large",
               i);
        total += SECTION_HEADER_LEN + eif->ramdisks[i].length;
    }
    ENSURE(total <= NITRO_EIF_SIZE_MAX, E_TOO_LARGE, "EIF: more than %d bytes", NITRO_EIF_SIZE_MAX);
    return RESULT_OK;
}

static void add_section(struct section_list *list, enum section_type type, struct nitro_eif_part data)
{
    list->sections[list->num_sections++] = (struct section){type, data};
}

/* The order of AWS's builder. */
static void list_sections(struct section_list *list, const struct nitro_eif *eif)
{
    list->num_sections = 0;
    add_section(list, SECTION_KERNEL, eif->kernel);
    add_section(list, SECTION_CMDLINE, eif->cmdline);
    add_section(list, SECTION_METADATA, eif->metadata);
    for (size_t i = 0; i < eif->num_ramdisks; i++)
        add_section(list, SECTION_RAMDISK, eif->ramdisks[i]);
    if (eif->signature.length > 0)
        add_section(list, SECTION_SIGNATURE, eif->signature);
}

static void section_header(uint8_t ret_header[static SECTION_HEADER_LEN], const struct section *section)
{
    put_big_endian(ret_header, 2, section->type);
    put_big_endian(ret_header + 2, 2, 0);
    put_big_endian(ret_header + 4, 8, section->data.length);
}

/* All of the header of a checked image, its CRC too, which covers every other byte of the file. */
static void make_header(uint8_t ret_header[static HEADER_LEN], const struct nitro_eif *eif,
                        const struct section_list *list)
{
    uint64_t offset = HEADER_LEN;
    memset(ret_header, 0, HEADER_LEN);
    memcpy(ret_header, magic, sizeof magic);
    put_big_endian(ret_header + AT_VERSION, 2, NITRO_EIF_VERSION);
    put_big_endian(ret_header + AT_FLAGS, 2, eif->architecture == NITRO_EIF_ARM64 ? FLAGS_ARM64 : 0);
    put_big_endian(ret_header + AT_MEMORY, 8, eif->default_memory);
    put_big_endian(ret_header + AT_CPUS, 8, eif->default_cpus);
    put_big_endian(ret_header + AT_COUNT, 2, list->num_sections);
    for (size_t i = 0; i < list->num_sections; i++) {
        put_big_endian(ret_header + AT_OFFSETS + 8 * i, 8, offset);
        put_big_endian(ret_header + AT_SIZES + 8 * i, 8, list->sections[i].data.length);
        offset += SECTION_HEADER_LEN + list->sections[i].data.length;
    }
    uLong crc = crc32_z(crc32_z(0, NULL, 0), ret_header, AT_CRC);
    for (size_t i = 0; i < list->num_sections; i++) {
        uint8_t head[SECTION_HEADER_LEN];
        section_header(head, &list->sections[i]);
        crc = crc32_z(crc, head, sizeof head);
        /* Asked about no bytes at NULL, zlib begins anew. */
        if (list->sections[i].data.length > 0)
            crc = crc32_z(crc, list->sections[i].data.bytes, list->sections[i].data.length);
    }
    put_big_endian(ret_header + AT_CRC, 4, crc);
}

static must_check result take_view(const uint8_t **ret_view, struct cursor *c, size_t length)
{
    result r = cursor_view(c, ret_view, length);
    return r.code ? error_set(E_INPUT, "EIF: truncated") : r;
}

static must_check result read_section(struct section *ret_section, struct cursor *c)
{
    const uint8_t *head, *data;
    TRY(take_view(&head, c, SECTION_HEADER_LEN));
    uint64_t type = get_big_endian(head, 2), size = get_big_endian(head + 4, 8);
    ENSURE(type >= SECTION_KERNEL && type <= SECTION_METADATA, E_INPUT, "EIF: a section of unknown type");
    ENSURE(get_big_endian(head + 2, 2) == 0, E_INPUT, "EIF: a section has flags");
    ENSURE(size <= c->left, E_INPUT, "EIF: a section is longer than the file");
    TRY(take_view(&data, c, (size_t)size));
    *ret_section = (struct section){(enum section_type)type, {data, (size_t)size}};
    return RESULT_OK;
}

/* Section number index; an image has at least four. */
static must_check result take_section(struct nitro_eif *eif, const struct section *section, size_t index,
                                      size_t count)
{
    static const enum section_type first[] = {SECTION_KERNEL, SECTION_CMDLINE, SECTION_METADATA,
                                              SECTION_RAMDISK};
    bool is_signature = index > 3 && index + 1 == count && section->type == SECTION_SIGNATURE;
    enum section_type wanted = index < ARRAY_LENGTH(first) ? first[index] : SECTION_RAMDISK;
    ENSURE(is_signature || section->type == wanted, E_INPUT,
           "EIF: the sections are not kernel, command line, metadata, ramdisks and at most one signature");
    /* An empty signature is none to the rest of us, and would not be written again. */
    ENSURE(!is_signature || section->data.length > 0, E_INPUT, "EIF: the signature is empty");
    ENSURE(is_signature || index < 3 || eif->num_ramdisks < NITRO_EIF_RAMDISKS_MAX, E_TOO_LARGE,
           "EIF: more than %d ramdisks", NITRO_EIF_RAMDISKS_MAX);
    switch (section->type) {
    case SECTION_KERNEL:
        eif->kernel = section->data;
        break;
    case SECTION_CMDLINE:
        eif->cmdline = section->data;
        break;
    case SECTION_METADATA:
        eif->metadata = section->data;
        break;
    case SECTION_SIGNATURE:
        eif->signature = section->data;
        break;
    case SECTION_RAMDISK:
        eif->ramdisks[eif->num_ramdisks++] = section->data;
        break;
    }
    return RESULT_OK;
}

static must_check result check_header(const uint8_t found[static HEADER_LEN], const struct nitro_eif *eif)
{
    uint8_t wanted[HEADER_LEN];
    struct section_list list;
    list_sections(&list, eif);
    make_header(wanted, eif, &list);
    ENSURE(memcmp(found, wanted, AT_CRC) == 0, E_INPUT,
           "EIF: the table in the header is not that of the sections, or a reserved field is set");
    ENSURE(memcmp(found + AT_CRC, wanted + AT_CRC, HEADER_LEN - AT_CRC) == 0, E_MISMATCH,
           "EIF: the CRC is wrong");
    return RESULT_OK;
}

result nitro_eif_read(struct nitro_eif *ret_eif, const uint8_t *bytes, size_t bytes_len)
{
    struct nitro_eif eif = {0};
    struct cursor c = {bytes, bytes_len};
    const uint8_t *header;
    ENSURE(bytes_len <= NITRO_EIF_SIZE_MAX, E_TOO_LARGE, "EIF: more than %d bytes", NITRO_EIF_SIZE_MAX);
    TRY(take_view(&header, &c, HEADER_LEN));
    ENSURE(memcmp(header, magic, sizeof magic) == 0, E_INPUT, "EIF: does not begin as one");
    ENSURE(get_big_endian(header + AT_VERSION, 2) == NITRO_EIF_VERSION, E_UNSUPPORTED,
           "EIF: only version %d is supported", NITRO_EIF_VERSION);
    uint64_t flags = get_big_endian(header + AT_FLAGS, 2), count = get_big_endian(header + AT_COUNT, 2);
    ENSURE(flags <= FLAGS_ARM64, E_INPUT, "EIF: unknown flags");
    ENSURE(count >= 4 && count <= NITRO_EIF_SECTIONS_MAX, E_INPUT,
           "EIF: the number of sections must be between 4 and %d", NITRO_EIF_SECTIONS_MAX);
    eif.architecture = flags == FLAGS_ARM64 ? NITRO_EIF_ARM64 : NITRO_EIF_X86_64;
    eif.default_memory = get_big_endian(header + AT_MEMORY, 8);
    eif.default_cpus = get_big_endian(header + AT_CPUS, 8);
    for (size_t i = 0; i < count; i++) {
        struct section section = {0};
        TRY(read_section(&section, &c));
        TRY(take_section(&eif, &section, i, (size_t)count));
    }
    ENSURE(c.left == 0, E_INPUT, "EIF: bytes behind the last section");
    TRY(check(&eif));
    TRY(check_header(header, &eif));
    *ret_eif = eif;
    return RESULT_OK;
}

result nitro_eif_write(struct buffer *out, const struct nitro_eif *eif)
{
    uint8_t header[HEADER_LEN];
    struct section_list list;
    TRY(check(eif));
    list_sections(&list, eif);
    make_header(header, eif, &list);
    TRY(buffer_append(out, header, sizeof header));
    for (size_t i = 0; i < list.num_sections; i++) {
        uint8_t head[SECTION_HEADER_LEN];
        section_header(head, &list.sections[i]);
        TRY(buffer_append(out, head, sizeof head));
        TRY(buffer_append(out, list.sections[i].data.bytes, list.sections[i].data.length));
    }
    return RESULT_OK;
}

result nitro_eif_register(uint8_t ret_pcr[static NITRO_EIF_PCR_LEN], const struct nitro_eif_part *parts,
                          size_t num_parts)
{
    uint8_t extended[2 * NITRO_EIF_PCR_LEN] = {0}, pcr[NITRO_EIF_PCR_LEN];
    AUTO_POINTER(EVP_MD_CTX) context = EVP_MD_CTX_new();
    ENSURE(context && EVP_DigestInit_ex(context, EVP_sha384(), NULL) == 1, E_CRYPTO, "SHA-384 failed");
    for (size_t i = 0; i < num_parts; i++)
        ENSURE(EVP_DigestUpdate(context, parts[i].bytes, parts[i].length) == 1, E_CRYPTO, "SHA-384 failed");
    ENSURE(EVP_DigestFinal_ex(context, extended + NITRO_EIF_PCR_LEN, NULL) == 1, E_CRYPTO, "SHA-384 failed");
    ENSURE(EVP_Digest(extended, sizeof extended, pcr, NULL, EVP_sha384(), NULL) == 1, E_CRYPTO,
           "SHA-384 failed");
    memcpy(ret_pcr, pcr, sizeof pcr);
    return RESULT_OK;
}

result nitro_eif_measure(struct nitro_eif_measurements *ret_measurements, const struct nitro_eif *eif)
{
    struct nitro_eif_measurements m;
    struct nitro_eif_part parts[2 + NITRO_EIF_RAMDISKS_MAX] = {eif->kernel, eif->cmdline};
    ENSURE(eif->num_ramdisks > 0 && eif->num_ramdisks <= NITRO_EIF_RAMDISKS_MAX, E_INPUT,
           "EIF: there must be between 1 and %d ramdisks", NITRO_EIF_RAMDISKS_MAX);
    memcpy(parts + 2, eif->ramdisks, eif->num_ramdisks * sizeof parts[0]);
    TRY(nitro_eif_register(m.pcr0, parts, 2 + eif->num_ramdisks));
    TRY(nitro_eif_register(m.pcr1, parts, 3));
    TRY(nitro_eif_register(m.pcr2, parts + 3, eif->num_ramdisks - 1));
    *ret_measurements = m;
    return RESULT_OK;
}
