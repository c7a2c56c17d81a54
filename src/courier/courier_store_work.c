/* courier_store_work.c - what a thread does with a job or a batch: ask its store, put answers in the outbox.
 *
 * Whatever a store says that is neither "done" nor "it held something else" goes to the keeper as open: only
 * the keeper may judge what that means for a signature. The store's sentence is logged when the condition
 * changes, not once an order: an outage concerns every order of every slot. */
#include "courier_store_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "slashing/slashing_codec.h"

#define REOPEN_NS (UINT64_C(10) * 1000000000)

/* Room for the largest packet. */
struct answer {
    uint8_t bytes[IPC_PACKET_MAX];
};

static must_check result put(struct courier_store *store, const struct packer *p)
{
    TRY(pack_end(p));
    return courier_outbox_put(store->outbox, p->data, p->length);
}

static struct packer begin(struct answer *answer)
{
    return (struct packer){.data = answer->bytes, .capacity = sizeof answer->bytes};
}

static struct ipc_bytes text_bytes(const char *text)
{
    size_t length = strlen(text);
    return (struct ipc_bytes){(const uint8_t *)text,
                              (uint32_t)(length < IPC_TEXT_MAX ? length : IPC_TEXT_MAX)};
}

/* What a use of the store came to. E_MISMATCH and E_NOT_FOUND are answers, no failures of the store. */
static void note(struct courier_store_worker *worker, int code)
{
    struct courier_store *store = worker->owner;
    bool fails = code != E_NONE && code != E_MISMATCH && code != E_NOT_FOUND;
    (void)pthread_mutex_lock(&store->lock);
    bool changed = fails != store->failing;
    store->failing = fails;
    (void)pthread_mutex_unlock(&store->lock);
    if (changed && fails)
        log_error("%s cannot be asked: %s", store->backend.name, error_text());
    else if (changed)
        log_info("%s answers again", store->backend.name);
    bool stale = worker->store && clock_monotonic_ns() - worker->opened_ns >= REOPEN_NS;
    if (fails && store->backend.reopen && stale) {
        slashing_store_close(worker->store);
        worker->store = NULL;
        worker->authorised = 0;
    }
}

/* Opens the store if need be, and gives it the latest credentials. */
static must_check result make_ready(struct courier_store_worker *worker)
{
    struct courier_store *owner = worker->owner;
    if (!worker->store) {
        TRY(owner->backend.open(owner->backend.context, &worker->store));
        worker->opened_ns = clock_monotonic_ns();
    }
    if (!owner->backend.authorise)
        return RESULT_OK;
    AUTO(aws_credentials) credentials = {0};
    (void)pthread_mutex_lock(&owner->lock);
    unsigned version = owner->credentials_version;
    bool wanted = version != worker->authorised;
    result r = wanted ? aws_credentials_copy(&credentials, &owner->credentials) : RESULT_OK;
    (void)pthread_mutex_unlock(&owner->lock);
    TRY(r);
    ENSURE(version, E_STATE, "no credentials yet");
    if (wanted)
        TRY(owner->backend.authorise(worker->store, &credentials));
    worker->authorised = version;
    return RESULT_OK;
}

/* Head. */

static must_check result send_head(struct courier_store *store, const struct courier_store_head *found)
{
    struct answer answer;
    struct packer p = begin(&answer);
    uint8_t bytes[SLASHING_HEAD_BYTES] = {0};
    if (found->status == IPC_STORE_HEAD_FOUND)
        slashing_head_encode(bytes, &found->head);
    const struct ipc_store_head message = {
        .status = found->status, .head = bytes, .text = text_bytes(found->text)};
    ipc_pack_store_head(&p, &message);
    return put(store, &p);
}

static must_check result answer_head(struct courier_store *store, const struct courier_store_head *found,
                                     bool for_keeper)
{
    (void)pthread_mutex_lock(&store->lock);
    store->head = *found;
    store->has_head = true;
    (void)pthread_mutex_unlock(&store->lock);
    courier_outbox_notify(store->outbox);
    return for_keeper ? send_head(store, found) : RESULT_OK;
}

static must_check result run_head(struct courier_store_worker *worker, const struct courier_store_job *job)
{
    struct courier_store_head found = {.status = IPC_STORE_HEAD_FOUND};
    result r = make_ready(worker);
    if (!r.code)
        r = slashing_store_head(worker->store, &found.head);
    else
        r = error_set(E_STORE, "%s",
                      error_text()); /* a name that does not resolve is no store without a head */
    if (r.code) {
        found.status = r.code == E_NOT_FOUND ? IPC_STORE_HEAD_NONE : IPC_STORE_HEAD_FAILED;
        (void)snprintf(found.text, sizeof found.text, "%s", error_text());
    }
    note(worker, r.code);
    return answer_head(worker->owner, &found, job->for_keeper);
}

static must_check result send_head_is_set(struct courier_store *store, uint64_t id,
                                          enum ipc_store_outcome outcome, const char *text)
{
    struct answer answer;
    struct packer p = begin(&answer);
    const struct ipc_store_head_is_set message = {.id = id, .outcome = outcome, .text = text_bytes(text)};
    ipc_pack_store_head_is_set(&p, &message);
    return put(store, &p);
}

static must_check result run_head_set(struct courier_store_worker *worker,
                                      const struct courier_store_job *job)
{
    result r = make_ready(worker);
    if (!r.code)
        r = slashing_store_set_head(worker->store, &job->old_head, &job->head, job->enrolments, job->num);
    else
        r = error_set(E_STORE, "%s", error_text()); /* whatever it was, nothing was compared */
    char text[IPC_TEXT_MAX + 1] = "";
    enum ipc_store_outcome outcome = IPC_STORE_DONE;
    if (r.code) {
        outcome = r.code == E_MISMATCH ? IPC_STORE_CONFLICT : IPC_STORE_OPEN_OUTCOME;
        (void)snprintf(text, sizeof text, "%s", error_text());
    }
    note(worker, r.code);
    return send_head_is_set(worker->owner, job->id, outcome, text);
}

/* Entries. */

/* Entries on their way into packets. */
struct entries {
    struct courier_store *store;
    uint64_t id;
    uint32_t num;
    uint8_t bytes[IPC_STORE_ENTRIES_MAX * IPC_STORE_NAMED_ENTRY_LEN];
    struct answer answer;
};

static must_check result send_entries(struct entries *e, enum ipc_store_entries_status status)
{
    struct packer p = begin(&e->answer);
    const struct ipc_store_entries message = {
        .id = e->id, .status = status, .entries = e->bytes, .num_entries = e->num};
    ipc_pack_store_entries(&p, &message);
    e->num = 0;
    return put(e->store, &p);
}

static result add_entry(void *entries, const uint8_t pubkey[static 48], const struct slashing_entry *entry)
{
    struct entries *e = entries;
    if (e->num == IPC_STORE_ENTRIES_MAX) {
        TRY(courier_outbox_wait(e->store->outbox));
        TRY(send_entries(e, IPC_STORE_MORE));
    }
    uint8_t *named = e->bytes + (size_t)e->num++ * IPC_STORE_NAMED_ENTRY_LEN;
    memcpy(named, pubkey, 48);
    slashing_entry_encode(named + 48, entry);
    return RESULT_OK;
}

static must_check result add_many(struct entries *e, struct slashing_store *store,
                                  const struct courier_store_job *job)
{
    struct slashing_entry *found = calloc(job->num, sizeof *found);
    ENSURE(found, E_MEMORY, "out of memory for entries");
    result r = slashing_store_load_many(store, found, (const uint8_t(*)[48])job->pubkeys, job->num);
    for (size_t i = 0; i < job->num && !r.code; i++)
        r = add_entry(e, job->pubkeys[i], &found[i]);
    free(found);
    return r;
}

static must_check result load(struct entries *e, struct courier_store_worker *worker,
                              const struct courier_store_job *job)
{
    TRY(make_ready(worker));
    return job->pubkeys ? add_many(e, worker->store, job) : slashing_store_scan(worker->store, add_entry, e);
}

static must_check result run_load(struct courier_store_worker *worker, const struct courier_store_job *job)
{
    struct entries *e = malloc(sizeof *e);
    ENSURE(e, E_MEMORY, "out of memory for entries");
    e->store = worker->owner;
    e->id = job->id;
    e->num = 0;
    result r = load(e, worker, job);
    /* An entry that should be there and is not: the keeper is told no more than that, the log why. */
    note(worker, r.code ? E_STORE : E_NONE);
    if (r.code)
        e->num = 0;
    r = send_entries(e, r.code ? IPC_STORE_LOAD_FAILED : IPC_STORE_LAST);
    free(e);
    return r;
}

/* Advances. */

static void pack_advanced(struct packer *p, uint64_t id, const struct slashing_advance *advance)
{
    uint8_t found[SLASHING_ENTRY_BYTES];
    struct ipc_store_advanced message = {.id = id, .outcome = IPC_STORE_OPEN_OUTCOME};
    if (advance->done) {
        message.outcome = IPC_STORE_DONE;
    } else if (advance->conflict) {
        slashing_entry_encode(found, &advance->found);
        message.outcome = IPC_STORE_CONFLICT;
        message.found = found;
    }
    ipc_pack_store_advanced(p, &message);
}

static must_check result send_advanced(struct courier_store *store,
                                       const struct courier_store_advances *batch)
{
    struct answer answer;
    for (size_t first = 0; first < batch->num; first += IPC_STORE_ADVANCES_MAX) {
        size_t num =
            batch->num - first < IPC_STORE_ADVANCES_MAX ? batch->num - first : IPC_STORE_ADVANCES_MAX;
        struct packer p = begin(&answer);
        ipc_begin(&p, IPC_STORE_ADVANCED, (uint32_t)num);
        for (size_t i = first; i < first + num; i++)
            pack_advanced(&p, batch->ids[i], &batch->advances[i]);
        TRY(put(store, &p));
    }
    return RESULT_OK;
}

result courier_store_run_batch(struct courier_store_worker *worker)
{
    struct courier_store_advances *batch = &worker->batch;
    result r = make_ready(worker);
    if (!r.code)
        r = slashing_store_advance(worker->store, batch->advances, batch->num);
    note(worker, r.code ? E_STORE : E_NONE);
    return send_advanced(worker->owner, batch);
}

result courier_store_run_job(struct courier_store_worker *worker, const struct courier_store_job *job)
{
    switch (job->kind) {
    case COURIER_STORE_HEAD:
        return run_head(worker, job);
    case COURIER_STORE_HEAD_SET:
        return run_head_set(worker, job);
    case COURIER_STORE_LOAD:
        return run_load(worker, job);
    }
    FAIL(E_INTERNAL, "no such job");
}

/* Without a store having been asked. */

result courier_store_refuse_job(struct courier_store *store, const struct courier_store_job *job,
                                const char *text)
{
    struct courier_store_head none = {.status = IPC_STORE_HEAD_FAILED};
    struct answer answer;
    switch (job->kind) {
    case COURIER_STORE_HEAD:
        (void)snprintf(none.text, sizeof none.text, "%s", text);
        return answer_head(store, &none, job->for_keeper);
    case COURIER_STORE_HEAD_SET:
        return send_head_is_set(store, job->id, IPC_STORE_OPEN_OUTCOME, text);
    case COURIER_STORE_LOAD: {
        struct packer p = begin(&answer);
        ipc_pack_store_entries(&p,
                               &(struct ipc_store_entries){.id = job->id, .status = IPC_STORE_LOAD_FAILED});
        return put(store, &p);
    }
    }
    FAIL(E_INTERNAL, "no such job");
}

result courier_store_refuse_advance(struct courier_store *store, uint64_t id)
{
    static const struct slashing_advance undone;
    struct answer answer;
    struct packer p = begin(&answer);
    ipc_begin(&p, IPC_STORE_ADVANCED, 1);
    pack_advanced(&p, id, &undone);
    return put(store, &p);
}
