/* fuzz_eif.c - the reader of enclave images. What it accepts is written again as the same bytes, and can be
 * measured.
 *
 * Each input is tried as it is and with its CRC made right: else hardly any would come as far as the
 * sections. */
#include <string.h>
#include <zlib.h>

#include "fuzz.h"
#include "nitro/nitro_eif.h"

enum { HEADER_LEN = 548, AT_CRC = 0x220 };

static void try(const uint8_t *data, size_t size)
{
    struct nitro_eif eif;
    struct nitro_eif_measurements measured;
    AUTO(buffer) again = {0};
    if (nitro_eif_read(&eif, data, size).code)
        return;
    PROMISE(nitro_eif_measure(&measured, &eif).code == 0);
    PROMISE(nitro_eif_write(&again, &eif).code == 0);
    PROMISE(again.length == size && memcmp(again.data, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try(data, size);
    if (size < HEADER_LEN)
        return 0;
    uint8_t *repaired = malloc(size);
    PROMISE(repaired);
    memcpy(repaired, data, size);
    uLong crc = crc32_z(crc32_z(0, NULL, 0), data, AT_CRC);
    if (size > HEADER_LEN)
        crc = crc32_z(crc, data + HEADER_LEN, size - HEADER_LEN);
    for (size_t i = 0; i < 4; i++)
        repaired[AT_CRC + i] = (uint8_t)(crc >> (24 - 8 * i));
    try(repaired, size);
    free(repaired);
    return 0;
}
