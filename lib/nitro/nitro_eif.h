/* nitro_eif.h - enclave image files (EIF): a strict reader, a writer, and the measurements.
 *
 * The format is that of aws-nitro-enclaves-image-format, version 4: a header of 548 bytes, then sections,
 * each with a header of 12 bytes; all integers big endian. Target nitro_eif. What is read points into the
 * caller's bytes.
 */
#ifndef NITRO_EIF_H
#define NITRO_EIF_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/result.h"

enum {
    NITRO_EIF_VERSION = 4,
    NITRO_EIF_SECTIONS_MAX = 32,
    NITRO_EIF_RAMDISKS_MAX =
        NITRO_EIF_SECTIONS_MAX - 4, /* the others: kernel, cmdline, metadata, signature */
    NITRO_EIF_CMDLINE_MAX = 2047,   /* Linux: COMMAND_LINE_SIZE less its NUL */
    NITRO_EIF_METADATA_MAX = 1 << 20,
    NITRO_EIF_SIGNATURE_MAX = 32768,
    NITRO_EIF_SIZE_MAX = 1 << 30, /* of the whole file */
    NITRO_EIF_PCR_LEN = 48
};

/* What AWS's builder writes into the header. nitro-cli does not read them when it runs an image. */
#define NITRO_EIF_DEFAULT_MEMORY UINT64_C(0x40000000)
#define NITRO_EIF_DEFAULT_CPUS UINT64_C(2)

enum nitro_eif_architecture { NITRO_EIF_X86_64, NITRO_EIF_ARM64 };

struct nitro_eif_part {
    const uint8_t *bytes;
    size_t length;
};

struct nitro_eif {
    enum nitro_eif_architecture architecture;
    uint64_t default_memory, default_cpus;
    struct nitro_eif_part kernel, cmdline,
        metadata; /* cmdline: printable ASCII; metadata: JSON, not looked into */
    struct nitro_eif_part ramdisks[NITRO_EIF_RAMDISKS_MAX];
    size_t num_ramdisks;
    struct nitro_eif_part signature; /* length 0: not signed */
};

/* Reads a whole file. The sections must be kernel, cmdline, metadata, one or more ramdisks and at most one
 * signature, in this order, side by side, as the table in the header says, and nothing behind them; the
 * reserved fields must be zero and the CRC right. E_INPUT; E_TOO_LARGE over a limit above; E_UNSUPPORTED
 * another version; E_MISMATCH the CRC. */
must_check result nitro_eif_read(struct nitro_eif *ret_eif, const uint8_t *bytes, size_t bytes_len);

/* Appends the file. E_INPUT or E_TOO_LARGE for what nitro_eif_read would refuse. */
must_check result nitro_eif_write(struct buffer *out, const struct nitro_eif *eif);

/* As a Nitro hypervisor computes them: PCRn = SHA-384(48 zero bytes || SHA-384(data of sections)). */
struct nitro_eif_measurements {
    uint8_t pcr0[NITRO_EIF_PCR_LEN]; /* kernel, cmdline, every ramdisk */
    uint8_t pcr1[NITRO_EIF_PCR_LEN]; /* kernel, cmdline, the first ramdisk */
    uint8_t pcr2[NITRO_EIF_PCR_LEN]; /* the other ramdisks */
};
/* E_CRYPTO */
must_check result nitro_eif_measure(struct nitro_eif_measurements *ret_measurements,
                                    const struct nitro_eif *eif);

/* The register formula for parts that are hashed one behind the other; PCR8 is that of the certificate (DER).
 */
must_check result nitro_eif_register(uint8_t ret_pcr[static NITRO_EIF_PCR_LEN],
                                     const struct nitro_eif_part *parts, size_t num_parts);

#endif
