/* loader_sealed.h - keys under a data key, as they come: a message of many is one job of the pool. */
#ifndef LOADER_SEALED_H
#define LOADER_SEALED_H

#include <openssl/evp.h>

#include "ipc/ipc.h"
#include "nitro/nitro_sealed.h"

/* The data key of the batch that comes in, opened when it comes. */
struct loader_batch {
    bool begun;
    struct secret data_key; /* empty when it could not be opened, and text says why */
    char text[IPC_TEXT_MAX + 1];
};
void loader_batch_cleanup(struct loader_batch *batch);

/* Another batch: of this envelope. What is wrong with it is told with each of its keys. */
void loader_batch_begin(struct loader_batch *batch, EVP_PKEY *recipient_key, struct ipc_bytes envelope);

/* One message. Secrets are in the secure heap until they are reported. */
struct loader_sealed {
    uint32_t index, num_keys; /* the keys are index, index + 1, ... */
    struct secret data_key;
    char uuid[NITRO_SEALED_UUID_MAX + 1];
    uint8_t blobs[IPC_SEALED_KEYS_MAX][NITRO_SEALED_LEN];
    struct secret secrets;                /* one behind the other */
    bool has_failed[IPC_SEALED_KEYS_MAX]; /* the only way is E_AUTH */
};
/* NULL is fine. */
void loader_sealed_free(struct loader_sealed *sealed);

/* E_PEER before the first batch; E_INPUT, of all of them, when their data key could not be opened. */
must_check result loader_sealed_new(struct loader_sealed **ret_sealed, const struct loader_batch *batch,
                                    const struct ipc_sealed_keys *message);

/* Opens each; fails only for all of them together. */
must_check result loader_sealed_open(struct loader_sealed *sealed);

const uint8_t *loader_sealed_pubkey(const struct loader_sealed *sealed, uint32_t i);
const uint8_t *loader_sealed_secret(const struct loader_sealed *sealed, uint32_t i);

#endif
