/* memory_store.c - see memory_store.h. */
#include "memory_store.h"

#include "slashing/slashing_sealed.h"

struct memory_store memory;

static void memory_close(struct slashing_store *store)
{
    (void)store;
}

static result memory_head(struct slashing_store *store, struct slashing_head *ret_head)
{
    (void)store;
    *ret_head = memory.head;
    return RESULT_OK;
}

static result memory_set_head(struct slashing_store *store, const struct slashing_head *old,
                              const struct slashing_head *next, const struct slashing_enrolment *enrolments,
                              size_t num_enrolments)
{
    (void)store;
    ENSURE(memcmp(old->mac, memory.head.mac, sizeof old->mac) == 0, E_MISMATCH, "another head");
    for (size_t i = 0; i < num_enrolments; i++)
        memory.of[memory.num++] = enrolments[i];
    memory.head = *next;
    return RESULT_OK;
}

static struct slashing_enrolment *find(const uint8_t *pubkey)
{
    for (size_t i = 0; i < memory.num; i++)
        if (memcmp(memory.of[i].pubkey, pubkey, 48) == 0)
            return &memory.of[i];
    return NULL;
}

static result memory_load_many(struct slashing_store *store, struct slashing_entry *ret_entries,
                               const uint8_t (*pubkeys)[48], size_t num_pubkeys)
{
    (void)store;
    for (size_t i = 0; i < num_pubkeys; i++) {
        const struct slashing_enrolment *found = find(pubkeys[i]);
        ENSURE(found, E_STORE, "not enrolled");
        ret_entries[i] = found->entry;
    }
    return RESULT_OK;
}

static result memory_advance(struct slashing_store *store, struct slashing_advance *advances,
                             size_t num_advances)
{
    (void)store;
    for (size_t i = 0; i < num_advances; i++) {
        struct slashing_enrolment *found = find(advances[i].pubkey);
        ENSURE(found, E_STORE, "not enrolled");
        advances[i].conflict = memory.rivalry > 0 || memcmp(found->entry.stamp.mac, advances[i].old_stamp.mac,
                                                            SLASHING_MAC_LEN) != 0;
        advances[i].done = !advances[i].conflict;
        memory.rivalry -= memory.rivalry > 0;
        advances[i].found = found->entry;
        if (advances[i].done)
            found->entry =
                (struct slashing_entry){.record = advances[i].next, .stamp = advances[i].next_stamp};
    }
    return RESULT_OK;
}

static result memory_transaction(struct slashing_store *store, result (*work)(void *context), void *context)
{
    (void)store;
    return work(context);
}

static result memory_scan(struct slashing_store *store, slashing_visit *visit, void *context)
{
    (void)store;
    for (size_t i = 0; i < memory.num; i++)
        TRY(visit(context, memory.of[i].pubkey, &memory.of[i].entry));
    return RESULT_OK;
}

static const struct slashing_store_operations memory_operations = {
    memory_close,   memory_head,        memory_set_head, memory_load_many,
    memory_advance, memory_transaction, memory_scan};

struct slashing_seal seal;

void open_seal(void)
{
    struct secret key = {0};
    static const uint8_t bytes[SLASHING_SEAL_KEY_LEN] = {1}, store_id[SLASHING_STORE_ID_LEN] = {2};
    assert_ok(secret_copy(&key, bytes, sizeof bytes));
    assert_ok(slashing_seal_open(&seal, &key, store_id));
}

void begin_memory(size_t num)
{
    struct slashing_store *store = NULL;
    struct slashing_head begun = {.num_validators = num};
    struct slashing_enrolment of[SLASHING_ENROLMENTS_MAX] = {0};
    memory = (struct memory_store){.base.operations = &memory_operations};
    memcpy(begun.store_id, seal.store_id, sizeof begun.store_id);
    for (size_t i = 0; i < num; i++)
        memset(of[i].pubkey, (int)i + 1, 48);
    assert_ok(slashing_sealed_open(&store, &memory.base, &seal));
    assert_ok(slashing_store_set_head(store, &memory.head, &begun, of, num));
    slashing_store_close(store);
}

struct slashing_record held(uint8_t key)
{
    uint8_t pubkey[48];
    memset(pubkey, key, sizeof pubkey);
    return find(pubkey)->entry.record;
}
