/* loader_report.c - see loader_report.h. */
#include "loader_report.h"

#include <search.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "loader_sealed.h"

/* One byte less than a packet: with its NUL the buffer is one block of 64 KiB, and no message of
 * ours is that long. */
enum { PACKET_CAPACITY = IPC_PACKET_MAX - 1 };

/* A slow load is seen to go on. */
#define BATCH_NS UINT64_C(2000000000)

static int compare_pubkeys(const void *a, const void *b)
{
    return memcmp(a, b, BLS_PUBKEY_LEN);
}

static void keep_pubkey(void *pubkey)
{
    (void)pubkey; /* borrowed */
}

void loader_report_cleanup(struct loader_report *report)
{
    secret_cleanup(&report->packet);
    tdestroy(report->seen, keep_pubkey);
    *report = (struct loader_report){0};
}

result loader_report_open(struct loader_report *report, int socket)
{
    *report = (struct loader_report){.socket = socket, .sent_ns = clock_monotonic_ns()};
    return secret_new(&report->packet, PACKET_CAPACITY);
}

void loader_report_count(struct loader_report *report, enum ipc_source source)
{
    report->counts.sources[report->counts.num_sources++].source = source;
}

/* NULL when it is not counted by source. */
static struct ipc_source_count *count_of(struct loader_report *report, const struct loader_job *job)
{
    bool counted = job->kind == LOADER_JOB_SOURCE || job->kind == LOADER_JOB_OPENED;
    for (uint32_t i = 0; i < report->counts.num_sources && counted; i++)
        if (report->counts.sources[i].source == job->counted_as)
            return &report->counts.sources[i];
    return NULL;
}

static struct packer begin(struct loader_report *report)
{
    return (struct packer){.data = report->packet.data, .capacity = report->packet.length};
}

/* Sends the packet and wipes it, whether it went out or not. */
static must_check result finish(struct loader_report *report, const struct packer *p)
{
    result r = pack_end(p);
    if (!r.code)
        r = ipc_send(report->socket, p->data, p->length, -1);
    secret_wipe(p->data, p->length);
    return r;
}

/* Bulk keystores have a path too, which the original does not tell. */
static struct ipc_key_info info_of(const struct loader_job *job)
{
    bool bulk = job->source && job->source->password == KEY_SOURCE_WHOLE_FILE;
    const char *path = bulk ? "" : job->key.path;
    return (struct ipc_key_info){.pubkey = job->key.pubkey,
                                 .readonly = job->kind == LOADER_JOB_OPENED ||
                                             (job->source && job->source->kind != KEY_SOURCE_KEYSTORE),
                                 .path = {(const uint8_t *)path, (uint32_t)strlen(path)}};
}

static must_check result send_origins(struct loader_report *report)
{
    for (uint32_t sent = 0, num = 0; report->tells_origins && sent < report->num_batch; sent += num) {
        struct packer p = begin(report);
        num = report->num_batch - sent < IPC_KEY_INFOS_MAX ? report->num_batch - sent : IPC_KEY_INFOS_MAX;
        ipc_begin(&p, IPC_KEY_INFO, num);
        for (uint32_t i = 0; i < num; i++) {
            struct ipc_key_info info = info_of(report->batch[sent + i]);
            ipc_pack_key_info(&p, &info);
        }
        TRY(finish(report, &p));
    }
    return RESULT_OK;
}

static must_check result send_batch(struct loader_report *report)
{
    if (!report->num_batch)
        return RESULT_OK;
    TRY(send_origins(report));
    struct packer p = begin(report);
    ipc_begin(&p, IPC_KEY, report->num_batch);
    for (uint32_t i = 0; i < report->num_batch; i++) {
        struct loader_job *job = report->batch[i];
        ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){job->index, job->key.secret.data, job->key.pubkey});
        secret_cleanup(&job->key.secret);
    }
    report->keys += report->num_batch;
    report->sent_ns = clock_monotonic_ns();
    report->num_batch = 0;
    return finish(report, &p);
}

static must_check result is_first(struct loader_report *report, bool *ret_first, const uint8_t *pubkey,
                                  uint32_t index)
{
    void *found = tsearch(pubkey, &report->seen, compare_pubkeys);
    ENSURE(found, E_MEMORY, "out of memory for the list of keys");
    *ret_first = *(const uint8_t **)found == pubkey;
    if (*ret_first)
        return RESULT_OK;
    char text[2 * BLS_PUBKEY_LEN + 3];
    hex_encode_0x(text, pubkey, BLS_PUBKEY_LEN);
    log_warn("record %u: key %s was loaded before; the first is used", index, text);
    return RESULT_OK;
}

static must_check result report_key(struct loader_report *report, struct loader_job *job)
{
    bool first = false;
    TRY(is_first(report, &first, job->key.pubkey, job->index));
    if (!first) {
        secret_cleanup(&job->key.secret);
        return RESULT_OK;
    }
    struct ipc_source_count *count = count_of(report, job);
    if (count)
        count->keys++;
    report->batch[report->num_batch++] = job;
    bool due = clock_monotonic_ns() - report->sent_ns > BATCH_NS;
    return due || report->num_batch == IPC_LOADED_KEYS_MAX ? send_batch(report) : RESULT_OK;
}

/* Whose key it was said to be, or NULL. */
static const uint8_t *label_of(const struct loader_job *job)
{
    return job->has_wanted_pubkey ? job->wanted_pubkey : NULL;
}

static must_check result report_failure(struct loader_report *report, const struct ipc_record_failed *failed)
{
    struct packer p = begin(report);
    ipc_pack_record_failed(&p, failed);
    report->failed++;
    log_warn("record %u: %.*s", failed->index, (int)failed->text.length, (const char *)failed->text.data);
    return finish(report, &p);
}

static struct ipc_bytes bytes_of(const char *text)
{
    return (struct ipc_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
}

/* It could be opened, but is of no use. */
static must_check result refuse(struct loader_report *report, const struct loader_job *job, const char *text)
{
    return report_failure(report,
                          &(struct ipc_record_failed){job->index, E_INPUT, bytes_of(text), label_of(job)});
}

/* Those of one message that are good and new go out in one packet. */
static must_check result report_opened(struct loader_report *report, const struct loader_sealed *sealed)
{
    uint32_t good[IPC_SEALED_KEYS_MAX], num_good = 0;
    for (uint32_t i = 0; i < sealed->num_keys; i++) {
        bool first = false;
        if (!sealed->has_failed[i])
            TRY(is_first(report, &first, loader_sealed_pubkey(sealed, i), sealed->index + i));
        if (first)
            good[num_good++] = i;
    }
    if (num_good == 0)
        return RESULT_OK;
    struct packer p = begin(report);
    ipc_begin(&p, IPC_KEY, num_good);
    for (uint32_t i = 0; i < num_good; i++)
        ipc_pack_loaded_key(&p, &(struct ipc_loaded_key){sealed->index + good[i],
                                                         loader_sealed_secret(sealed, good[i]),
                                                         loader_sealed_pubkey(sealed, good[i])});
    report->keys += num_good;
    return finish(report, &p);
}

static must_check result report_sealed(struct loader_report *report, struct loader_job *job)
{
    struct loader_sealed *sealed = job->sealed;
    if (!job->error)
        TRY(report_opened(report, sealed));
    for (uint32_t i = 0; i < sealed->num_keys; i++) {
        const struct ipc_record_failed failed = {
            .index = sealed->index + i,
            .error = job->error ? (enum error_code)job->error : E_AUTH,
            .text = bytes_of(
                job->error ? job->text : "it was not sealed with this data key for this public key and UUID"),
            .pubkey = loader_sealed_pubkey(sealed, i)};
        if (job->error || sealed->has_failed[i])
            TRY(report_failure(report, &failed));
    }
    secret_cleanup(&sealed->secrets);
    return RESULT_OK;
}

result loader_report_tls(struct loader_report *report, struct loader_tls *tls)
{
    struct packer p = begin(report);
    struct ipc_tls message = {
        .private_key = {tls->private_key.data, (uint32_t)tls->private_key.length},
        .certificates = {tls->certificates.data, (uint32_t)tls->certificates.length},
    };
    memcpy(message.spki_digest, tls->spki_digest, sizeof message.spki_digest);
    ipc_pack_tls(&p, &message);
    report->has_tls = true;
    loader_tls_cleanup(tls);
    return finish(report, &p);
}

result loader_report_store_key(struct loader_report *report, struct secret *key)
{
    struct packer p = begin(report);
    ENSURE(key->length == IPC_STORE_KEY_LEN, E_INPUT, "the store's key has %zu bytes, not %d", key->length,
           IPC_STORE_KEY_LEN);
    ipc_pack_store_key(&p, key->data);
    report->has_store_key = true;
    secret_cleanup(key);
    return finish(report, &p);
}

result loader_report_job(struct loader_report *report, struct loader_job *job)
{
    if (job->sealed)
        return report_sealed(report, job);
    if (job->error) {
        struct ipc_source_count *count = count_of(report, job);
        if (count)
            count->failed++;
        return report_failure(report, &(struct ipc_record_failed){job->index, (enum error_code)job->error,
                                                                  bytes_of(job->text), label_of(job)});
    }
    switch (job->kind) {
    case LOADER_JOB_KEY_RECORD:
    case LOADER_JOB_SOURCE:
    case LOADER_JOB_KEYSTORE:
    case LOADER_JOB_OPENED:
        return report_key(report, job);
    case LOADER_JOB_STORE_KEY_RECORD:
        if (report->has_store_key)
            return refuse(report, job, "a store's key came before");
        return loader_report_store_key(report, &job->store_key);
    case LOADER_JOB_TLS_RECORD:
        if (report->has_tls)
            return refuse(report, job, "a TLS record came before");
        return loader_report_tls(report, &job->tls);
    case LOADER_JOB_SEALED:
    case LOADER_JOB_PROXY:
        break;
    }
    FAIL(E_INTERNAL, "no such kind of job");
}

result loader_report_end(struct loader_report *report)
{
    TRY(send_batch(report));
    struct packer p = begin(report);
    ipc_pack_loader_end(&p, &(struct ipc_loader_end){report->keys, report->failed, report->counts});
    return finish(report, &p);
}
