/* fuzz_eif_signature.c - the reader of a signature section, certificate and COSE_Sign1 included. An input is
 * a PCR0 and a section. What is accepted has a certificate that can be measured; and it is no signature of
 * another PCR0. */
#include <string.h>

#include "fuzz.h"
#include "nitro/nitro_eif_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    X509 *certificate = NULL, *none = NULL;
    uint8_t pcr8[NITRO_EIF_PCR_LEN], other[NITRO_EIF_PCR_LEN];
    if (size < NITRO_EIF_PCR_LEN)
        return 0;
    struct nitro_eif_part section = {data + NITRO_EIF_PCR_LEN, size - NITRO_EIF_PCR_LEN};
    result r = nitro_eif_signature_verify(&certificate, &section, data);
    PROMISE((r.code == 0) == (certificate != NULL));
    if (!certificate)
        return 0;
    PROMISE(nitro_eif_certificate_measure(pcr8, certificate).code == 0);
    X509_free(certificate);
    memcpy(other, data, sizeof other);
    other[0] ^= 1;
    PROMISE(nitro_eif_signature_verify(&none, &section, other).code != 0 && !none);
    return 0;
}
