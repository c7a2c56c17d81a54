/* test_nitro_flips.c - every single bit of AWS's real documents decides: with any one changed, none verifies
 * at its own time, under AWS's root. Every NS_FLIPS_STRIDE-th bit in each run, which is some of every other
 * byte; make soak takes all of them, which are 107,496. */
#include "testing.h"

#include <stdlib.h>

#include "base/file_io.h"
#include "nitro/nitro_attestation.h"

enum { STRIDE = 17 };

static const struct {
    const char *name;
    uint64_t timestamp_ms;
} real[] = {
    {"nitro/marlinprotocol_NitroProver/attestation.bin", 1712732941701},
    {"nitro/marlinprotocol_NitroProver/sample_attestation.bin", 1708930921439},
    {"nitro/fortanix_rust-sgx/request_proper.bin", 1631182760215},
};

static struct attestation attestation;

static result verify(const struct buffer *document, uint64_t at_ms)
{
    return attestation_verify(&attestation, document->data, document->length, attestation_aws_root_g1,
                              attestation_aws_root_g1_len, at_ms);
}

static void flip_all(const char *name, uint64_t at_ms, size_t stride)
{
    char path[512];
    AUTO(buffer) document = {0};
    size_t accepted = 0;
    vector_path(path, sizeof path, name);
    assert_ok(file_read(&document, path, ATTESTATION_DOCUMENT_MAX));
    for (size_t bit = 0; bit < 8 * document.length; bit += stride) {
        document.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (verify(&document, at_ms).code == E_NONE) {
            print_error("%s: accepted with bit %zu of byte %zu changed\n", name, bit % 8, bit / 8);
            accepted++;
        }
        document.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_int_equal(accepted, 0);
    assert_ok(verify(&document, at_ms)); /* and it was the changed bit that was refused */
}

static void every_single_bit_decides(void **state)
{
    (void)state;
    const char *text = getenv("NS_FLIPS_STRIDE");
    size_t stride = text ? (size_t)strtoul(text, NULL, 10) : STRIDE;
    assert_true(stride > 0);
    for (size_t i = 0; i < ARRAY_LENGTH(real); i++)
        flip_all(real[i].name, real[i].timestamp_ms, stride);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_single_bit_decides)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
