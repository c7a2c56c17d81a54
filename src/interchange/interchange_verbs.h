/* interchange_verbs.h - what nitro-signer-interchange does with a store. Each logs what it has done. */
#ifndef INTERCHANGE_INTERCHANGE_VERBS_H
#define INTERCHANGE_INTERCHANGE_VERBS_H

#include <stdint.h>

#include "interchange_store.h"

/* Merges the EIP-3076 file into the store, which is made when absent. Enters the sandbox. */
must_check result interchange_import(const struct interchange_place *place, const char *from_path);
/* Writes the store's records to a file, mode 0600, all of it or none. */
must_check result interchange_export(const struct interchange_place *place, const char *to_path);
/* Raises every validator's watermarks to these heights, where they are lower. */
must_check result interchange_repair(const struct interchange_place *place, uint64_t epoch, uint64_t slot);
/* The high watermark: at or above it nothing is signed for any validator. */
must_check result interchange_set_high_watermark(const struct interchange_place *place, uint64_t epoch,
                                                 uint64_t slot);
must_check result interchange_remove_high_watermark(const struct interchange_place *place);

#endif
