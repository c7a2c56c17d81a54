/* test_nitro_eif.c - images made by another program measure to what it says; ours read back; every
 * truncation, every flipped bit and every wrong field is refused. */
#include "testing.h"

#include <openssl/pem.h>
#include <zlib.h>

#include "base/file_io.h"
#include "base/hex.h"
#include "nitro/nitro_eif_signature.h"

enum {
    HEADER = 548,
    AT_COUNT = 0x1a,
    AT_OFFSETS = 0x1c,
    AT_SIZES = 0x11c,
    AT_UNUSED = 0x21c,
    AT_CRC = 0x220
};

static const uint8_t kernel[] = "kernel", ramdisk_0[] = "first", ramdisk_1[] = "second";
static const char cmdline[] = "console=ttyS0", metadata[] = "{}";

static struct nitro_eif small(void)
{
    return (struct nitro_eif){
        .default_memory = NITRO_EIF_DEFAULT_MEMORY,
        .default_cpus = NITRO_EIF_DEFAULT_CPUS,
        .kernel = {kernel, sizeof kernel},
        .cmdline = {(const uint8_t *)cmdline, sizeof cmdline - 1},
        .metadata = {(const uint8_t *)metadata, sizeof metadata - 1},
        .ramdisks = {{ramdisk_0, sizeof ramdisk_0}, {ramdisk_1, sizeof ramdisk_1}},
        .num_ramdisks = 2,
    };
}

/* The small image as bytes of exactly their length, so that the sanitizer sees a read behind them. */
static uint8_t *written(size_t *ret_len)
{
    AUTO(buffer) out = {0};
    struct nitro_eif eif = small();
    assert_ok(nitro_eif_write(&out, &eif));
    uint8_t *bytes = malloc(out.length);
    assert_non_null(bytes);
    memcpy(bytes, out.data, out.length);
    *ret_len = out.length;
    return bytes;
}

/* Makes the CRC right again, so that what else is wrong is what is found. */
static void repair(uint8_t *bytes, size_t bytes_len)
{
    uLong crc = crc32(0, bytes, AT_CRC);
    crc = crc32(crc, bytes + HEADER, (uInt)(bytes_len - HEADER));
    for (size_t i = 0; i < 4; i++)
        bytes[AT_CRC + i] = (uint8_t)(crc >> (24 - 8 * i));
}

static void read_vector(struct buffer *out, const char *name)
{
    char path[512], full[256];
    (void)snprintf(full, sizeof full, "nitro/SYNTHETIC/%s", name);
    vector_path(path, sizeof path, full);
    assert_ok(file_read(out, path, 1 << 20));
}

static void assert_register(const uint8_t pcr[static NITRO_EIF_PCR_LEN], const char *expected)
{
    char digits[2 * NITRO_EIF_PCR_LEN + 1];
    hex_encode(digits, pcr, NITRO_EIF_PCR_LEN);
    assert_string_equal(digits, expected);
}

static const char pcr_0[] =
    "d831a2b05a1736067884012dce78473d89b2248975e4a2e12d2d115cb56696b64090e5bcf87556dd513f8aafa2f5a7cb";

static void test_images_of_another_program(void **state)
{
    (void)state;
    static const char *const names[] = {"unsigned.eif", "signed.eif"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        AUTO(buffer) bytes = {0};
        AUTO(buffer) again = {0};
        struct nitro_eif eif;
        struct nitro_eif_measurements m;
        read_vector(&bytes, names[i]);
        assert_ok(nitro_eif_read(&eif, bytes.data, bytes.length));
        assert_int_equal(eif.architecture, NITRO_EIF_X86_64);
        assert_int_equal(eif.num_ramdisks, 2);
        assert_int_equal(eif.kernel.length, 512);
        assert_int_equal(eif.ramdisks[1].length, 380);
        assert_int_equal(eif.signature.length, i == 0 ? 0 : 1577);
        assert_ok(nitro_eif_measure(&m, &eif));
        assert_register(m.pcr0, pcr_0);
        assert_register(m.pcr1, "5fd767a2f630a043e0e9af7a150ec9e0fe4c697f3858796f2519edb67c0afd3a6a9ffcc18a99"
                                "02b8e5f2bc9f02e3a39c");
        assert_register(m.pcr2, "53984f50214dbf017d796733551a6368cee4d59d0d419970b2e32c076d36a5d5de24903e5fb2"
                                "d7211def2e9749a43bc2");
        assert_ok(nitro_eif_write(&again, &eif));
        assert_int_equal(again.length, bytes.length);
        assert_memory_equal(again.data, bytes.data, bytes.length);
    }
}

static void test_signature_of_another_program(void **state)
{
    (void)state;
    AUTO(buffer) bytes = {0};
    AUTO(buffer) tampered = {0};
    struct nitro_eif eif;
    struct nitro_eif_measurements m;
    uint8_t pcr8[NITRO_EIF_PCR_LEN];
    X509 *certificate = NULL;
    read_vector(&bytes, "signed.eif");
    assert_ok(nitro_eif_read(&eif, bytes.data, bytes.length));
    assert_ok(nitro_eif_measure(&m, &eif));
    assert_ok(nitro_eif_signature_verify(&certificate, &eif.signature, m.pcr0));
    assert_ok(nitro_eif_certificate_measure(pcr8, certificate));
    assert_register(
        pcr8,
        "79feec7293b593a99513f312081193830730c30599ec7681262eddd7268e9f7e45f89ef49f9b696d39fffb7e046a93dd");
    X509_free(certificate);

    read_vector(&tampered, "signed_tampered_ramdisk_goodcrc.eif");
    assert_ok(nitro_eif_read(&eif, tampered.data, tampered.length));
    assert_ok(nitro_eif_measure(&m, &eif));
    assert_fails(E_AUTH, nitro_eif_signature_verify(&certificate, &eif.signature, m.pcr0));
    assert_error_names("another PCR0");
}

static void test_wrong_crc(void **state)
{
    (void)state;
    AUTO(buffer) bytes = {0};
    struct nitro_eif eif;
    read_vector(&bytes, "unsigned_badcrc.eif");
    assert_fails(E_MISMATCH, nitro_eif_read(&eif, bytes.data, bytes.length));
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    size_t length;
    uint8_t *whole = written(&length);
    struct nitro_eif eif;
    for (size_t cut = 0; cut < length; cut++) {
        uint8_t *bytes = malloc(cut ? cut : 1);
        memcpy(bytes, whole, cut);
        assert_fails(E_INPUT, nitro_eif_read(&eif, bytes, cut));
        if (cut >= HEADER) {
            repair(bytes, cut);
            assert_fails(E_INPUT, nitro_eif_read(&eif, bytes, cut));
        }
        free(bytes);
    }
    whole = realloc(whole, length + 1);
    whole[length] = 0;
    repair(whole, length + 1);
    assert_fails(E_INPUT, nitro_eif_read(&eif, whole, length + 1));
    assert_error_names("behind the last section");
    free(whole);
}

static bool is_data(size_t at)
{
    const size_t sizes[] = {sizeof kernel, sizeof cmdline - 1, sizeof metadata - 1, sizeof ramdisk_0,
                            sizeof ramdisk_1};
    size_t offset = HEADER;
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        offset += 12;
        if (at >= offset && at < offset + sizes[i])
            return true;
        offset += sizes[i];
    }
    return false;
}

/* Defaults of memory and processors may be anything, and one flag is the architecture. */
static bool is_free(size_t at, unsigned bit)
{
    return (at >= 8 && at < 0x18) || (at == 7 && bit == 0);
}

static void test_every_flipped_bit(void **state)
{
    (void)state;
    size_t length;
    uint8_t *bytes = written(&length);
    struct nitro_eif eif;
    struct nitro_eif_measurements before, after;
    assert_ok(nitro_eif_read(&eif, bytes, length));
    assert_ok(nitro_eif_measure(&before, &eif));
    for (size_t at = 0; at < length; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            uint8_t saved[4];
            memcpy(saved, bytes + AT_CRC, sizeof saved);
            bytes[at] ^= (uint8_t)(1U << bit);
            assert_true(nitro_eif_read(&eif, bytes, length).code != 0);
            repair(bytes, length);
            bool is_crc = at >= AT_CRC && at < HEADER;
            if (nitro_eif_read(&eif, bytes, length).code == 0) {
                assert_true(is_data(at) || is_free(at, bit) || is_crc);
                assert_ok(nitro_eif_measure(&after, &eif));
                bool is_metadata = eif.metadata.bytes <= bytes + at && bytes + at < eif.metadata.bytes + 2;
                bool is_measured = is_data(at) && !is_metadata;
                assert_int_equal(is_measured, memcmp(before.pcr0, after.pcr0, sizeof before.pcr0) != 0);
            } else {
                assert_true(!is_free(at, bit));
            }
            bytes[at] ^= (uint8_t)(1U << bit);
            memcpy(bytes + AT_CRC, saved, sizeof saved);
        }
    }
    assert_ok(nitro_eif_read(&eif, bytes, length));
    free(bytes);
}

/* Writes a big-endian number, makes the CRC right, and expects a refusal that names this. */
static void refused_with(size_t at, size_t width, uint64_t value, int code, const char *named)
{
    size_t length;
    uint8_t *bytes = written(&length);
    struct nitro_eif eif;
    for (size_t i = 0; i < width; i++)
        bytes[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    repair(bytes, length);
    assert_fails(code, nitro_eif_read(&eif, bytes, length));
    assert_error_names(named);
    free(bytes);
}

static void test_wrong_fields(void **state)
{
    (void)state;
    const size_t first = HEADER, second = HEADER + 12 + sizeof kernel;
    refused_with(0, 4, 0x2e656967, E_INPUT, "does not begin");
    refused_with(4, 2, 3, E_UNSUPPORTED, "version");
    refused_with(4, 2, 5, E_UNSUPPORTED, "version");
    refused_with(6, 2, 2, E_INPUT, "flags");
    refused_with(0x18, 2, 1, E_INPUT, "reserved");
    refused_with(AT_UNUSED, 4, 1, E_INPUT, "reserved");
    refused_with(AT_COUNT, 2, 0, E_INPUT, "number of sections");
    refused_with(AT_COUNT, 2, 3, E_INPUT, "number of sections");
    refused_with(AT_COUNT, 2, 33, E_INPUT, "number of sections");
    refused_with(AT_COUNT, 2, UINT16_MAX, E_INPUT, "number of sections");
    refused_with(AT_COUNT, 2, 4, E_INPUT, "behind the last section");
    refused_with(AT_COUNT, 2, 6, E_INPUT, "truncated");
    refused_with(AT_OFFSETS, 8, HEADER + 1, E_INPUT, "table");
    refused_with(AT_OFFSETS + 8, 8, UINT64_MAX, E_INPUT, "table");
    refused_with(AT_OFFSETS + 5 * 8, 8, 1, E_INPUT, "table");
    refused_with(AT_SIZES, 8, sizeof kernel + 1, E_INPUT, "table");
    refused_with(AT_SIZES + 31 * 8, 8, 1, E_INPUT, "table");
    refused_with(first, 2, 0, E_INPUT, "unknown type");
    refused_with(first, 2, 6, E_INPUT, "unknown type");
    refused_with(first, 2, 2, E_INPUT, "not kernel");
    refused_with(second, 2, 5, E_INPUT, "not kernel");
    refused_with(second, 2, 4, E_INPUT, "not kernel");
    refused_with(first + 2, 2, 1, E_INPUT, "flags");
    refused_with(first + 4, 8, UINT64_MAX, E_INPUT, "longer than the file");
    refused_with(first + 4, 8, UINT64_MAX - HEADER - 11, E_INPUT, "longer than the file");
    refused_with(first + 4, 8, UINT64_C(1) << 63, E_INPUT, "longer than the file");
    refused_with(first + 4, 8, 0, E_INPUT, "");
    refused_with(second + 12, 1, '\n', E_INPUT, "printable");
}

static void test_two_signatures_and_signatures_elsewhere(void **state)
{
    (void)state;
    size_t length;
    uint8_t *bytes = written(&length);
    struct nitro_eif eif;
    /* The last ramdisk becomes a signature, which is well formed as a section; then the one before it. */
    size_t last = length - 12 - sizeof ramdisk_1, before = last - 12 - sizeof ramdisk_0;
    bytes[last + 1] = 4;
    repair(bytes, length);
    assert_ok(nitro_eif_read(&eif, bytes, length));
    assert_int_equal(eif.signature.length, sizeof ramdisk_1);
    assert_int_equal(eif.num_ramdisks, 1);
    bytes[before + 1] = 4;
    repair(bytes, length);
    assert_fails(E_INPUT, nitro_eif_read(&eif, bytes, length));
    bytes[last + 1] = 3;
    repair(bytes, length);
    assert_fails(E_INPUT, nitro_eif_read(&eif, bytes, length));
    free(bytes);
}

static void test_what_is_not_written(void **state)
{
    (void)state;
    AUTO(buffer) out = {0};
    static const uint8_t much[NITRO_EIF_SIGNATURE_MAX + 1];
    char long_line[NITRO_EIF_CMDLINE_MAX + 2];
    memset(long_line, 'x', sizeof long_line);
    struct nitro_eif eif = small();
    eif.kernel.length = 0;
    assert_fails(E_INPUT, nitro_eif_write(&out, &eif));
    eif = small();
    eif.kernel.length = SIZE_MAX;
    assert_fails(E_TOO_LARGE, nitro_eif_write(&out, &eif));
    eif = small();
    eif.ramdisks[1].length = NITRO_EIF_SIZE_MAX;
    assert_fails(E_TOO_LARGE, nitro_eif_write(&out, &eif));
    eif = small();
    eif.ramdisks[1].length = 0;
    assert_fails(E_INPUT, nitro_eif_write(&out, &eif));
    for (size_t i = 0; i <= 1; i++) {
        eif = small();
        eif.num_ramdisks = i * (NITRO_EIF_RAMDISKS_MAX + 1);
        assert_fails(E_INPUT, nitro_eif_write(&out, &eif));
    }
    eif = small();
    eif.cmdline = (struct nitro_eif_part){(const uint8_t *)long_line, NITRO_EIF_CMDLINE_MAX + 1};
    assert_fails(E_TOO_LARGE, nitro_eif_write(&out, &eif));
    eif.cmdline.length--;
    assert_ok(nitro_eif_write(&out, &eif));
    eif = small();
    eif.cmdline = (struct nitro_eif_part){(const uint8_t *)"a\n", 2};
    assert_fails(E_INPUT, nitro_eif_write(&out, &eif));
    eif = small();
    eif.metadata.length = NITRO_EIF_METADATA_MAX + 1;
    assert_fails(E_TOO_LARGE, nitro_eif_write(&out, &eif));
    assert_error_names("metadata");
    eif = small();
    eif.ramdisks[1].length = (size_t)NITRO_EIF_SIZE_MAX + 1;
    assert_fails(E_TOO_LARGE, nitro_eif_write(&out, &eif));
    assert_error_names("ramdisk 1 is too large");
    eif = small();
    eif.signature = (struct nitro_eif_part){much, sizeof much};
    assert_fails(E_TOO_LARGE, nitro_eif_write(&out, &eif));
}

static void test_as_many_sections_as_there_can_be(void **state)
{
    (void)state;
    AUTO(buffer) out = {0};
    struct nitro_eif eif = small(), again;
    eif.architecture = NITRO_EIF_ARM64;
    eif.signature = (struct nitro_eif_part){ramdisk_0, 1};
    eif.num_ramdisks = NITRO_EIF_RAMDISKS_MAX;
    for (size_t i = 0; i < NITRO_EIF_RAMDISKS_MAX; i++)
        eif.ramdisks[i] = (struct nitro_eif_part){ramdisk_1, 1 + i % 3};
    assert_ok(nitro_eif_write(&out, &eif));
    assert_ok(nitro_eif_read(&again, out.data, out.length));
    assert_int_equal(again.architecture, NITRO_EIF_ARM64);
    assert_int_equal(again.num_ramdisks, NITRO_EIF_RAMDISKS_MAX);
    /* The signature's place taken by one more ramdisk. */
    out.data[out.length - 12] = 3;
    repair(out.data, out.length);
    assert_true(nitro_eif_read(&again, out.data, out.length).code != 0);
}

/* The file's own limit holds before anything is read; an image has a ramdisk to be measured. */
static void test_limits_of_size_and_number(void **state)
{
    (void)state;
    struct nitro_eif eif = {0};
    struct nitro_eif_measurements m = {.pcr0 = {0x5a}};
    assert_fails(E_TOO_LARGE, nitro_eif_read(&eif, kernel, (size_t)NITRO_EIF_SIZE_MAX + 1));
    for (size_t i = 0; i <= 1; i++) {
        eif = small();
        eif.num_ramdisks = i * (NITRO_EIF_RAMDISKS_MAX + 1);
        assert_fails(E_INPUT, nitro_eif_measure(&m, &eif));
        assert_int_equal(m.pcr0[0], 0x5a);
    }
}

/* zlib's sum begins anew when it is asked about nothing. */
static void test_empty_sections(void **state)
{
    (void)state;
    AUTO(buffer) out = {0};
    struct nitro_eif eif = small(), again;
    eif.cmdline = (struct nitro_eif_part){NULL, 0};
    assert_ok(nitro_eif_write(&out, &eif));
    assert_ok(nitro_eif_read(&again, out.data, out.length));
    assert_int_equal(again.cmdline.length, 0);
    uint8_t crc[4];
    memcpy(crc, out.data + AT_CRC, sizeof crc);
    repair(out.data, out.length);
    assert_memory_equal(crc, out.data + AT_CRC, sizeof crc);
    /* A signature may not be empty: it would not be written again. The last ramdisk becomes one. */
    size_t last = out.length - 12 - sizeof ramdisk_1;
    out.data[last + 1] = 4;
    memset(out.data + last + 4, 0, 8);
    out.length = last + 12;
    repair(out.data, out.length);
    assert_fails(E_INPUT, nitro_eif_read(&again, out.data, out.length));
    assert_error_names("signature is empty");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_of_another_program),
        cmocka_unit_test(test_signature_of_another_program),
        cmocka_unit_test(test_wrong_crc),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_every_flipped_bit),
        cmocka_unit_test(test_wrong_fields),
        cmocka_unit_test(test_two_signatures_and_signatures_elsewhere),
        cmocka_unit_test(test_what_is_not_written),
        cmocka_unit_test(test_limits_of_size_and_number),
        cmocka_unit_test(test_empty_sections),
        cmocka_unit_test(test_as_many_sections_as_there_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
