/* ipc_store.c - what keeper and courier say about a store across a network.
 *
 * The keeper decides and seals, the courier carries: entries and heads pass here as bytes of fixed
 * length, which the two ends encode and decode with slashing_codec. */
#include "ipc/ipc_store.h"

#include <string.h>

#include "ipc/ipc_fields.h"

enum { PUBKEY_LEN = 48 };

static const uint8_t zero[IPC_STORE_HEAD_LEN];

void ipc_pack_store_key(struct packer *p, const uint8_t key[static IPC_STORE_KEY_LEN])
{
    ipc_begin(p, IPC_STORE_KEY, 0);
    pack_bytes(p, key, IPC_STORE_KEY_LEN);
}

result ipc_take_store_key(const uint8_t **ret_key, struct ipc_message *m)
{
    const uint8_t *key = NULL;
    TRY(ipc_take_count(m, 0));
    TRY(cursor_view(&m->body, &key, IPC_STORE_KEY_LEN));
    TRY(cursor_end(&m->body));
    *ret_key = key;
    return RESULT_OK;
}

/* A byte that names one of three. */
static must_check result take_one_of_three(unsigned *ret_value, struct cursor *c)
{
    uint8_t value = 0;
    TRY(cursor_u8(c, &value));
    ENSURE(value <= 2, E_INPUT, "status %u does not exist", value);
    *ret_value = value;
    return RESULT_OK;
}

static must_check result take_seven_zeros(struct cursor *c)
{
    const uint8_t *reserved = NULL;
    TRY(cursor_view(c, &reserved, 7));
    ENSURE(memcmp(reserved, zero, 7) == 0, E_INPUT, "reserved bytes are not zero");
    return RESULT_OK;
}

void ipc_pack_store_head(struct packer *p, const struct ipc_store_head *head)
{
    ipc_begin(p, IPC_STORE_HEAD, head->text.length);
    pack_u8(p, (uint8_t)head->status);
    pack_bytes(p, head->status == IPC_STORE_HEAD_FOUND ? head->head : zero, IPC_STORE_HEAD_LEN);
    pack_bytes(p, head->text.data, head->text.length);
}

result ipc_take_store_head(struct ipc_store_head *ret_head, struct ipc_message *m)
{
    struct ipc_store_head head = {0};
    unsigned status = 0;
    TRY(take_one_of_three(&status, &m->body));
    head.status = (enum ipc_store_head_status)status;
    TRY(cursor_view(&m->body, &head.head, IPC_STORE_HEAD_LEN));
    ENSURE(head.status == IPC_STORE_HEAD_FOUND || memcmp(head.head, zero, IPC_STORE_HEAD_LEN) == 0, E_INPUT,
           "a head that was not found is not zero");
    TRY(ipc_take_counted(&head.text, m, 0, IPC_TEXT_MAX));
    *ret_head = head;
    return RESULT_OK;
}

void ipc_pack_store_head_set(struct packer *p, const struct ipc_store_head_set *set)
{
    ipc_begin(p, IPC_STORE_HEAD_SET, set->num_enrolments);
    pack_u64(p, set->id);
    pack_bytes(p, set->old, IPC_STORE_HEAD_LEN);
    pack_bytes(p, set->next, IPC_STORE_HEAD_LEN);
    if (set->num_enrolments)
        pack_bytes(p, set->enrolments, (size_t)set->num_enrolments * IPC_STORE_NAMED_ENTRY_LEN);
}

result ipc_take_store_head_set(struct ipc_store_head_set *ret_set, struct ipc_message *m)
{
    struct ipc_store_head_set set = {.num_enrolments = m->count};
    ENSURE(m->count <= IPC_STORE_ENROLMENTS_MAX, E_INPUT, "%u enrolments are too many", m->count);
    TRY(cursor_u64(&m->body, &set.id));
    TRY(cursor_view(&m->body, &set.old, IPC_STORE_HEAD_LEN));
    TRY(cursor_view(&m->body, &set.next, IPC_STORE_HEAD_LEN));
    TRY(cursor_view(&m->body, &set.enrolments, (size_t)m->count * IPC_STORE_NAMED_ENTRY_LEN));
    TRY(cursor_end(&m->body));
    *ret_set = set;
    return RESULT_OK;
}

void ipc_pack_store_head_is_set(struct packer *p, const struct ipc_store_head_is_set *set)
{
    ipc_begin(p, IPC_STORE_HEAD_IS_SET, set->text.length);
    pack_u64(p, set->id);
    pack_u8(p, (uint8_t)set->outcome);
    pack_bytes(p, set->text.data, set->text.length);
}

result ipc_take_store_head_is_set(struct ipc_store_head_is_set *ret_set, struct ipc_message *m)
{
    struct ipc_store_head_is_set set = {0};
    unsigned outcome = 0;
    TRY(cursor_u64(&m->body, &set.id));
    TRY(take_one_of_three(&outcome, &m->body));
    set.outcome = (enum ipc_store_outcome)outcome;
    TRY(ipc_take_counted(&set.text, m, 0, IPC_TEXT_MAX));
    *ret_set = set;
    return RESULT_OK;
}

void ipc_pack_store_load(struct packer *p, const struct ipc_store_load *load)
{
    ipc_begin(p, IPC_STORE_LOAD, load->num_keys);
    pack_u64(p, load->id);
    if (load->num_keys)
        pack_bytes(p, load->pubkeys, (size_t)load->num_keys * PUBKEY_LEN);
}

result ipc_take_store_load(struct ipc_store_load *ret_load, struct ipc_message *m)
{
    struct ipc_store_load load = {.num_keys = m->count};
    ENSURE(m->count <= IPC_STORE_LOAD_MAX, E_INPUT, "%u keys are too many", m->count);
    TRY(cursor_u64(&m->body, &load.id));
    TRY(cursor_view(&m->body, &load.pubkeys, (size_t)m->count * PUBKEY_LEN));
    TRY(cursor_end(&m->body));
    *ret_load = load;
    return RESULT_OK;
}

void ipc_pack_store_entries(struct packer *p, const struct ipc_store_entries *entries)
{
    ipc_begin(p, IPC_STORE_ENTRIES, entries->num_entries);
    pack_u64(p, entries->id);
    pack_u8(p, (uint8_t)entries->status);
    if (entries->num_entries)
        pack_bytes(p, entries->entries, (size_t)entries->num_entries * IPC_STORE_NAMED_ENTRY_LEN);
}

result ipc_take_store_entries(struct ipc_store_entries *ret_entries, struct ipc_message *m)
{
    struct ipc_store_entries entries = {.num_entries = m->count};
    unsigned status = 0;
    ENSURE(m->count <= IPC_STORE_ENTRIES_MAX, E_INPUT, "%u entries are too many", m->count);
    TRY(cursor_u64(&m->body, &entries.id));
    TRY(take_one_of_three(&status, &m->body));
    entries.status = (enum ipc_store_entries_status)status;
    ENSURE(entries.status != IPC_STORE_LOAD_FAILED || m->count == 0, E_INPUT, "entries of a failed load");
    TRY(cursor_view(&m->body, &entries.entries, (size_t)m->count * IPC_STORE_NAMED_ENTRY_LEN));
    TRY(cursor_end(&m->body));
    *ret_entries = entries;
    return RESULT_OK;
}

void ipc_pack_store_advance(struct packer *p, const struct ipc_store_advance *advance)
{
    pack_u64(p, advance->id);
    pack_u8(p, advance->is_history);
    pack_bytes(p, zero, 7);
    pack_bytes(p, advance->pubkey, PUBKEY_LEN);
    pack_bytes(p, advance->old, IPC_STORE_ENTRY_LEN);
    pack_bytes(p, advance->next, IPC_STORE_ENTRY_LEN);
}

result ipc_take_store_advance(struct ipc_store_advance *ret_advance, struct cursor *c)
{
    struct ipc_store_advance advance = {0};
    TRY(cursor_u64(c, &advance.id));
    TRY(ipc_take_bool(&advance.is_history, c));
    TRY(take_seven_zeros(c));
    TRY(cursor_view(c, &advance.pubkey, PUBKEY_LEN));
    TRY(cursor_view(c, &advance.old, IPC_STORE_ENTRY_LEN));
    TRY(cursor_view(c, &advance.next, IPC_STORE_ENTRY_LEN));
    *ret_advance = advance;
    return RESULT_OK;
}

void ipc_pack_store_advanced(struct packer *p, const struct ipc_store_advanced *advanced)
{
    pack_u64(p, advanced->id);
    pack_u8(p, (uint8_t)advanced->outcome);
    pack_bytes(p, zero, 7);
    pack_bytes(p, advanced->outcome == IPC_STORE_CONFLICT ? advanced->found : zero, IPC_STORE_ENTRY_LEN);
}

result ipc_take_store_advanced(struct ipc_store_advanced *ret_advanced, struct cursor *c)
{
    struct ipc_store_advanced advanced = {0};
    unsigned outcome = 0;
    TRY(cursor_u64(c, &advanced.id));
    TRY(take_one_of_three(&outcome, c));
    advanced.outcome = (enum ipc_store_outcome)outcome;
    TRY(take_seven_zeros(c));
    TRY(cursor_view(c, &advanced.found, IPC_STORE_ENTRY_LEN));
    if (advanced.outcome != IPC_STORE_CONFLICT) {
        ENSURE(memcmp(advanced.found, zero, IPC_STORE_ENTRY_LEN) == 0, E_INPUT,
               "an entry was found where none was asked for");
        advanced.found = NULL;
    }
    *ret_advanced = advanced;
    return RESULT_OK;
}

void ipc_pack_store_access(struct packer *p, const struct ipc_store_access *access)
{
    ipc_begin(p, IPC_STORE_ACCESS, 0);
    ipc_pack_text(p, access->name);
    ipc_pack_text(p, access->secret);
    ipc_pack_text(p, access->extra);
}

result ipc_take_store_access(struct ipc_store_access *ret_access, struct ipc_message *m)
{
    struct ipc_store_access access = {0};
    TRY(ipc_take_count(m, 0));
    TRY(ipc_take_text(&access.name, &m->body, IPC_STORE_ACCESS_MAX));
    TRY(ipc_take_text(&access.secret, &m->body, IPC_STORE_ACCESS_MAX));
    TRY(ipc_take_text(&access.extra, &m->body, IPC_STORE_ACCESS_MAX));
    TRY(cursor_end(&m->body));
    *ret_access = access;
    return RESULT_OK;
}
