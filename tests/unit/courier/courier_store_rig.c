/* courier_store_rig.c - see courier_store_rig.h. */
#include "courier_store_rig.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "slashing/slashing_codec.h"
#include "slashing/slashing_sqlite.h"
#include "slashing/slashing_store_operations.h"

enum { PATIENCE_MS = 20000 };

struct scripted {
    struct slashing_store store;
    struct rig_script *script;
};

void rig_key(uint8_t pubkey[static 48], uint64_t number)
{
    memset(pubkey, 0, 48);
    memcpy(pubkey, &number, sizeof number);
}

uint64_t rig_number(const uint8_t pubkey[static 48])
{
    uint64_t number;
    memcpy(&number, pubkey, sizeof number);
    return number;
}

static void scripted_close(struct slashing_store *store)
{
    struct rig_script *s = ((struct scripted *)store)->script;
    (void)pthread_mutex_lock(&s->lock);
    s->closed++;
    (void)pthread_mutex_unlock(&s->lock);
    free(store);
}

static result fails(struct rig_script *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool failing = s->asking_fails;
    (void)pthread_mutex_unlock(&s->lock);
    ENSURE(!failing, E_STORE, "the table is on fire");
    return RESULT_OK;
}

static result scripted_head(struct slashing_store *store, struct slashing_head *ret_head)
{
    TRY(fails(((struct scripted *)store)->script));
    *ret_head =
        (struct slashing_head){.generation = 7, .store_id = {1}, .sealed_key_len = 3, .sealed_key = "abc"};
    return RESULT_OK;
}

static result scripted_set_head(struct slashing_store *store, const struct slashing_head *old,
                                const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                                size_t num_enrolments)
{
    TRY(fails(((struct scripted *)store)->script));
    ENSURE(old->generation == 7, E_MISMATCH, "the head is another");
    ENSURE(next->generation == 8 && num_enrolments == 2 && rig_number(enrolments[1].pubkey) == 12, E_STORE,
           "not what was asked");
    return RESULT_OK;
}

static result scripted_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                                 const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    TRY(fails(((struct scripted *)store)->script));
    for (size_t i = 0; i < num_pubkeys; i++)
        ret_entries[i] =
            (struct slashing_entry){.record = {.has_block = true, .block_slot = rig_number(pubkeys[i])}};
    return RESULT_OK;
}

static void answer(struct slashing_advance *a)
{
    uint64_t number = rig_number(a->pubkey);
    if (a->is_history != (number % 3 == 0))
        return; /* nothing was answered, and the test sees it */
    a->conflict = number % 7 == 0;
    a->done = !a->conflict && number % 5 != 0;
    if (a->conflict)
        a->found = (struct slashing_entry){.record = {.has_block = true, .block_slot = number * 10}};
}

static result scripted_advance(struct slashing_store *store, struct slashing_advance *advances,
                               size_t num_advances)
{
    struct rig_script *s = ((struct scripted *)store)->script;
    (void)pthread_mutex_lock(&s->lock);
    assert_true(s->num_batches < RIG_BATCHES_MAX);
    s->batches[s->num_batches++] = num_advances;
    s->at_work++;
    (void)pthread_cond_broadcast(&s->changed);
    while (s->held)
        (void)pthread_cond_wait(&s->changed, &s->lock);
    s->at_work--;
    (void)pthread_mutex_unlock(&s->lock);
    TRY(fails(s));
    bool all = true;
    for (size_t i = 0; i < num_advances; i++) {
        answer(&advances[i]);
        all = all && (advances[i].done || advances[i].conflict);
    }
    ENSURE(all, E_STORE, "not all of them");
    return RESULT_OK;
}

static result scripted_scan(struct slashing_store *store, slashing_visit *visit, void *context)
{
    TRY(fails(((struct scripted *)store)->script));
    for (uint64_t i = 0; i < 600; i++) {
        uint8_t pubkey[48];
        rig_key(pubkey, i);
        TRY(visit(context, pubkey, &(struct slashing_entry){.stamp = {.generation = i}}));
    }
    return RESULT_OK;
}

static const struct slashing_store_operations scripted_operations = {.close = scripted_close,
                                                                     .head = scripted_head,
                                                                     .set_head = scripted_set_head,
                                                                     .load_many = scripted_load_many,
                                                                     .advance = scripted_advance,
                                                                     .scan = scripted_scan};

static result open_scripted(void *context, struct slashing_store **ret_store)
{
    struct rig_script *s = context;
    (void)pthread_mutex_lock(&s->lock);
    bool failing = s->opens_fail;
    if (!failing)
        s->opened++;
    (void)pthread_mutex_unlock(&s->lock);
    ENSURE(!failing, E_NOT_FOUND, "nobody listens there"); /* as for a name that does not resolve */
    struct scripted *scripted = calloc(1, sizeof *scripted);
    ENSURE(scripted, E_MEMORY, "out of memory");
    scripted->store.operations = &scripted_operations;
    scripted->script = s;
    *ret_store = &scripted->store;
    return RESULT_OK;
}

static result authorise_scripted(struct slashing_store *store, const struct aws_credentials *credentials)
{
    struct rig_script *s = ((struct scripted *)store)->script;
    (void)pthread_mutex_lock(&s->lock);
    s->authorised++;
    (void)snprintf(s->access_key_id, sizeof s->access_key_id, "%s", credentials->access_key_id);
    (void)pthread_mutex_unlock(&s->lock);
    return RESULT_OK;
}

static result open_sqlite(void *context, struct slashing_store **ret_store)
{
    return slashing_sqlite_open(ret_store, context);
}

static void open_with(struct rig *rig, const struct courier_store_backend *backend)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    rig->ours = pair[0];
    rig->keeper = pair[1];
    assert_ok(courier_outbox_new(&rig->outbox));
    assert_ok(courier_store_start(&rig->store, backend, rig->outbox));
}

void rig_open(struct rig *rig, unsigned num_threads, size_t batch_max, bool needs_credentials)
{
    memset(rig, 0, sizeof *rig);
    (void)pthread_mutex_init(&rig->script.lock, NULL);
    (void)pthread_cond_init(&rig->script.changed, NULL);
    const struct courier_store_backend backend = {.name = "the scripted store",
                                                  .open = open_scripted,
                                                  .authorise = needs_credentials ? authorise_scripted : NULL,
                                                  .context = &rig->script,
                                                  .num_threads = num_threads,
                                                  .batch_max = batch_max};
    open_with(rig, &backend);
}

void rig_open_sqlite(struct rig *rig, const char *path)
{
    memset(rig, 0, sizeof *rig);
    const struct courier_store_backend backend = {.name = "SQLite",
                                                  .open = open_sqlite,
                                                  .context = (void *)(uintptr_t)path,
                                                  .num_threads = 1,
                                                  .batch_max = 640};
    open_with(rig, &backend);
}

void rig_close(struct rig *rig)
{
    courier_store_stop(rig->store);
    courier_outbox_free(rig->outbox);
    (void)close(rig->ours);
    (void)close(rig->keeper);
    assert_int_equal(rig->script.opened, rig->script.closed);
}

void rig_hold(struct rig *rig, bool held)
{
    (void)pthread_mutex_lock(&rig->script.lock);
    rig->script.held = held;
    (void)pthread_cond_broadcast(&rig->script.changed);
    (void)pthread_mutex_unlock(&rig->script.lock);
}

void rig_wait_at_work(struct rig *rig, unsigned num)
{
    (void)pthread_mutex_lock(&rig->script.lock);
    while (rig->script.at_work < num)
        (void)pthread_cond_wait(&rig->script.changed, &rig->script.lock);
    (void)pthread_mutex_unlock(&rig->script.lock);
}

void rig_send(struct rig *rig, struct packer *p)
{
    struct ipc_message m;
    assert_ok(pack_end(p));
    assert_ok(ipc_open(&m, p->data, p->length));
    assert_ok(courier_store_take(rig->store, &m));
}

void rig_ask(struct rig *rig, uint64_t first, uint32_t num, uint64_t slot)
{
    struct slashing_entry nothing = {0}, next = {.record = {.has_block = true, .block_slot = slot}};
    uint8_t old_bytes[SLASHING_ENTRY_BYTES], next_bytes[SLASHING_ENTRY_BYTES], pubkey[48];
    struct packer p = {.data = rig->packet, .capacity = sizeof rig->packet};
    slashing_entry_encode(old_bytes, &nothing);
    slashing_entry_encode(next_bytes, &next);
    ipc_begin(&p, IPC_STORE_ADVANCE, num);
    for (uint64_t i = first; i < first + num; i++) {
        rig_key(pubkey, i);
        ipc_pack_store_advance(&p, &(struct ipc_store_advance){i, pubkey, old_bytes, next_bytes, i % 3 == 0});
    }
    rig_send(rig, &p);
}

struct ipc_message rig_receive(struct rig *rig)
{
    struct ipc_message m;
    size_t length = 0;
    for (;;) {
        short room = courier_outbox_is_empty(rig->outbox) ? 0 : POLLOUT;
        struct pollfd polls[] = {{.fd = rig->keeper, .events = POLLIN},
                                 {.fd = courier_outbox_descriptor(rig->outbox), .events = POLLIN},
                                 {.fd = rig->ours, .events = room}};
        assert_true(poll(polls, ARRAY_LENGTH(polls), PATIENCE_MS) > 0);
        if (polls[0].revents)
            break;
        assert_ok(courier_outbox_flush(rig->outbox, rig->ours));
    }
    assert_ok(ipc_receive(rig->keeper, rig->packet, &length, NULL));
    assert_ok(ipc_open(&m, rig->packet, length));
    return m;
}
