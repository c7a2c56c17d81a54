/* loader_records.c - records mode: RECIPIENT_KEY, RECORD..., LOAD_END in; keys and failures out.
 *
 * Records are read as fast as they come and worked on meanwhile, but nothing is sent before
 * LOAD_END has come: the keeper, which still serves signatures, never waits for a slow scrypt
 * with a full socket on either side. */
#include "loader_modes.h"

#include <string.h>

#include "base/log.h"
#include "ipc/ipc.h"
#include "loader_pool.h"
#include "loader_report.h"
#include "loader_sealed.h"

enum { ENVELOPES_MAX = 16384 /* they wait in memory */ };

DEFINE_AUTO_POINTER(EVP_PKEY, EVP_PKEY_free)

/* What has come so far. */
struct received {
    uint32_t envelopes, sealed_keys;
};

/* The next packet; *ret_message points into packet, which the caller wipes by receiving again. */
static must_check result receive(struct ipc_message *ret_message, struct secret *packet, int socket)
{
    size_t length = 0;
    TRY(ipc_receive(socket, packet->data, &length, NULL));
    return ipc_open(ret_message, packet->data, length);
}

static must_check result receive_recipient_key(EVP_PKEY **ret_key, struct secret *packet, int socket)
{
    struct ipc_message message;
    struct ipc_bytes der;
    TRY(receive(&message, packet, socket));
    ENSURE(message.type == IPC_RECIPIENT_KEY, E_PEER, "message 0x%04x before the recipient key",
           message.type);
    TRY(ipc_take_bytes_message(&der, &message, 4096));
    const uint8_t *at = der.data;
    AUTO_POINTER(EVP_PKEY) key = d2i_AutoPrivateKey(NULL, &at, der.length);
    bool whole = key && at == der.data + der.length;
    secret_wipe(packet->data, packet->length);
    ENSURE(whole && EVP_PKEY_is_a(key, "RSA"), E_INPUT, "the recipient key is not an RSA key in PKCS#8 DER");
    *ret_key = TAKE(key);
    return RESULT_OK;
}

static must_check result add_record(struct loader_pool *pool, struct loader_batch *batch,
                                    struct ipc_message *message)
{
    struct ipc_record record;
    TRY(ipc_take_record(&record, message));
    struct loader_job job = {.index = record.index};
    switch (record.kind) {
    case IPC_RECORD_VALIDATOR:
        job.kind = LOADER_JOB_KEY_RECORD;
        break;
    case IPC_RECORD_TLS:
        job.kind = LOADER_JOB_TLS_RECORD;
        break;
    case IPC_RECORD_STORE_KEY:
        job.kind = LOADER_JOB_STORE_KEY_RECORD;
        break;
    case IPC_RECORD_DATA_KEY:
        loader_batch_begin(batch, pool->recipient_key, record.envelope);
        return RESULT_OK;
    }
    job.has_wanted_pubkey = record.pubkey != NULL;
    if (record.pubkey)
        memcpy(job.wanted_pubkey, record.pubkey, sizeof job.wanted_pubkey);
    TRY(buffer_append(&job.envelope, record.envelope.data, record.envelope.length));
    return loader_pool_add(pool, &job);
}

static must_check result add_sealed(struct loader_pool *pool, const struct loader_batch *batch,
                                    struct received *received, struct ipc_message *message)
{
    struct ipc_sealed_keys sealed;
    struct loader_job job = {.kind = LOADER_JOB_SEALED};
    TRY(ipc_take_sealed_keys(&sealed, message));
    received->sealed_keys += sealed.num_keys;
    ENSURE(received->sealed_keys <= IPC_LOAD_KEYS_MAX, E_TOO_LARGE, "more than %d sealed keys in one load",
           IPC_LOAD_KEYS_MAX);
    TRY(loader_sealed_new(&job.sealed, batch, &sealed));
    job.index = sealed.index;
    if (!job.sealed->data_key.data) {
        job.kind = LOADER_JOB_OPENED;
        job.error = E_AUTH;
        memcpy(job.text, batch->text, sizeof job.text);
    }
    return loader_pool_add(pool, &job);
}

/* Until LOAD_END; its count must be that of the records. */
static must_check result receive_records(struct loader_pool *pool, struct loader_batch *batch,
                                         struct secret *packet, int socket)
{
    for (struct received received = {0};;) {
        ENSURE(received.envelopes <= ENVELOPES_MAX, E_TOO_LARGE, "more than %d records in one load",
               ENVELOPES_MAX);
        struct ipc_message message;
        TRY(receive(&message, packet, socket));
        if (message.type == IPC_LOAD_END) {
            uint32_t announced = 0;
            TRY(ipc_take_load_end(&announced, &message));
            uint32_t came = received.envelopes + received.sealed_keys;
            ENSURE(announced == came, E_PEER, "%u records came, %u were sent", came, announced);
            return RESULT_OK;
        }
        if (message.type == IPC_SEALED_KEYS) {
            TRY(add_sealed(pool, batch, &received, &message));
            continue;
        }
        ENSURE(message.type == IPC_RECORD, E_PEER, "message 0x%04x among the records", message.type);
        TRY(add_record(pool, batch, &message));
        received.envelopes++;
    }
}

result loader_run_records(int socket, const struct loader_settings *settings)
{
    AUTO_POINTER(EVP_PKEY) key = NULL;
    AUTO(secret) packet = {0};
    AUTO(loader_pool) pool = {0};
    AUTO(loader_report) report = {0};
    AUTO(loader_batch) batch = {0};
    TRY(secret_new(&packet, IPC_PACKET_MAX));
    TRY(receive_recipient_key(&key, &packet, socket));
    TRY(loader_pool_open(&pool, key, settings->jobs));
    TRY(receive_records(&pool, &batch, &packet, socket));
    TRY(loader_report_open(&report, socket));
    for (size_t i = 0; i < pool.num_jobs; i++)
        TRY(loader_report_job(&report, loader_pool_wait(&pool, i)));
    TRY(loader_report_end(&report));
    log_info("%u keys loaded, %u records failed", report.keys, report.failed);
    return RESULT_OK;
}
