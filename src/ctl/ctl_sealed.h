/* ctl_sealed.h - many keys under one data key that KMS encrypts: an item for a whole batch. */
#ifndef CTL_CTL_SEALED_H
#define CTL_CTL_SEALED_H

#include "bls/bls.h"
#include "ctl_kms.h"
#include "nitro/nitro_sealed.h"

struct ctl_sealed {
    struct secret data_key;
    struct nitro_sealed sealer, opener;
    struct buffer blobs, deposits;     /* deposits: the inside of a JSON list */
    char name[2 * BLS_PUBKEY_LEN + 1]; /* the first public key: the item's file name */
};
void ctl_sealed_cleanup(struct ctl_sealed *sealed);

/* With a new data key, which secrets_fd, unless CTL_NO_FD, is told. The UUID outlives it. */
must_check result ctl_sealed_begin(struct ctl_sealed *ret_sealed, const char *uuid, uint32_t secrets_fd);

/* Seals a key, and opens it again; deposit is its datum as ctl_deposit_json makes it, or NULL. */
must_check result ctl_sealed_add(struct ctl_sealed *sealed, const struct secret *key,
                                 const uint8_t pubkey[static BLS_PUBKEY_LEN], const struct buffer *deposit);

/* Has KMS encrypt the data key, and writes OUT/sealed/NAME.json and OUT/deposits/NAME.json. */
must_check result ctl_sealed_write(struct ctl_sealed *sealed, struct ctl_kms *kms, const char *out,
                                   const char *chain);

#endif
