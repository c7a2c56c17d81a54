/* loader_sealed.c - see loader_sealed.h.
 *
 * A key takes a microsecond to open, so what counts is memory: the blobs as they came, 32 bytes for each
 * secret, and no job, keystore or text for each. The public key is not computed from the secret here: the
 * keeper, who has to do it in any case, does not believe this process. */
#include "loader_sealed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "nitro/nitro_envelope.h"

void loader_batch_cleanup(struct loader_batch *batch)
{
    secret_cleanup(&batch->data_key);
    *batch = (struct loader_batch){0};
}

static must_check result open_data_key(struct secret *ret_key, EVP_PKEY *recipient_key,
                                       struct ipc_bytes envelope)
{
    AUTO(secret) key = {0};
    TRY(envelope_open(&key, recipient_key, envelope.data, envelope.length));
    ENSURE(key.length == NITRO_SEALED_DATA_KEY_LEN, E_AUTH, ENVELOPE_UNREADABLE); /* loader_record.c */
    *ret_key = key;
    key = (struct secret){0};
    return RESULT_OK;
}

void loader_batch_begin(struct loader_batch *batch, EVP_PKEY *recipient_key, struct ipc_bytes envelope)
{
    loader_batch_cleanup(batch);
    batch->begun = true;
    if (!open_data_key(&batch->data_key, recipient_key, envelope).code)
        return;
    (void)snprintf(batch->text, sizeof batch->text, "its data key: %s", error_text());
    log_warn("a data key cannot be opened: %s", error_text());
}

void loader_sealed_free(struct loader_sealed *sealed)
{
    if (!sealed)
        return;
    secret_cleanup(&sealed->data_key);
    secret_cleanup(&sealed->secrets);
    free(sealed);
}
typedef struct loader_sealed loader_sealed;
DEFINE_AUTO_POINTER(loader_sealed, loader_sealed_free)

result loader_sealed_new(struct loader_sealed **ret_sealed, const struct loader_batch *batch,
                         const struct ipc_sealed_keys *message)
{
    ENSURE(batch->begun, E_PEER, "sealed keys before their data key");
    AUTO_POINTER(loader_sealed) sealed = calloc(1, sizeof *sealed);
    ENSURE(sealed, E_MEMORY, "out of memory for sealed keys");
    sealed->index = message->index;
    sealed->num_keys = message->num_keys;
    memcpy(sealed->uuid, message->uuid.data, message->uuid.length);
    memcpy(sealed->blobs, message->keys, (size_t)message->num_keys * NITRO_SEALED_LEN);
    if (batch->data_key.data)
        TRY(secret_copy(&sealed->data_key, batch->data_key.data, batch->data_key.length));
    *ret_sealed = TAKE(sealed);
    return RESULT_OK;
}

result loader_sealed_open(struct loader_sealed *sealed)
{
    AUTO(nitro_sealed) batch = {0};
    TRY(nitro_sealed_begin(&batch, &sealed->data_key, sealed->uuid, false));
    secret_cleanup(&sealed->data_key);
    TRY(secret_new(&sealed->secrets, (size_t)sealed->num_keys * NITRO_SEALED_SECRET_LEN));
    for (uint32_t i = 0; i < sealed->num_keys; i++)
        sealed->has_failed[i] =
            nitro_sealed_open(&batch, sealed->secrets.data + (size_t)i * NITRO_SEALED_SECRET_LEN,
                              sealed->blobs[i])
                .code != E_NONE;
    return RESULT_OK;
}

const uint8_t *loader_sealed_pubkey(const struct loader_sealed *sealed, uint32_t i)
{
    return sealed->blobs[i]; /* it comes first */
}

const uint8_t *loader_sealed_secret(const struct loader_sealed *sealed, uint32_t i)
{
    return sealed->secrets.data + (size_t)i * NITRO_SEALED_SECRET_LEN;
}
