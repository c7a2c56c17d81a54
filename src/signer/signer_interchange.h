/* signer_interchange.h - eth2 import, export and watermark-repair. */
#ifndef SIGNER_SIGNER_INTERCHANGE_H
#define SIGNER_SIGNER_INTERCHANGE_H

#include "signer_options.h"

/* Becomes nitro-signer-interchange, whose exit status is then that of this process. Returns only when that
 * fails. The command must not be SIGNER_SERVE. */
must_check result signer_interchange_become(const struct signer_options *options);

#endif
