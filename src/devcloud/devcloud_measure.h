/* devcloud_measure.h - the measurement that stands for an enclave image: PCR0 over the files it would hold.
 */
#ifndef DEVCLOUD_MEASURE_H
#define DEVCLOUD_MEASURE_H

#include <stdint.h>

#include "base/result.h"
#include "nitro/nitro_nsm.h"

/* SHA-384(48 zero bytes || SHA-384(the files' bytes one behind the other)), AWS's formula for an image.
 * files: paths with commas between them, at least one. */
must_check result devcloud_measure(uint8_t ret_pcr0[static NSM_PCR_LEN], const char *files);

#endif
