/* ipc_load.c - messages of a load: records in, keys and TLS material out. Views point into
 * the packet: secrets are copied by the receiver to where they will live, and nowhere else. */
#include "ipc/ipc.h"

#include <string.h>

#include "ipc/ipc_fields.h"

void ipc_pack_tls(struct packer *p, const struct ipc_tls *tls)
{
    ipc_begin(p, IPC_TLS, 0);
    pack_bytes(p, tls->spki_digest, sizeof tls->spki_digest);
    pack_u32(p, tls->private_key.length);
    pack_bytes(p, tls->private_key.data, tls->private_key.length);
    pack_u32(p, tls->certificates.length);
    pack_bytes(p, tls->certificates.data, tls->certificates.length);
}

static must_check result take_sized(struct ipc_bytes *ret_bytes, struct cursor *c, uint32_t max_length)
{
    struct ipc_bytes bytes = {0};
    TRY(cursor_u32(c, &bytes.length));
    ENSURE(bytes.length >= 1 && bytes.length <= max_length, E_INPUT, "tls: %u bytes are not in 1..%u",
           bytes.length, max_length);
    TRY(cursor_view(c, &bytes.data, bytes.length));
    *ret_bytes = bytes;
    return RESULT_OK;
}

result ipc_take_tls(struct ipc_tls *ret_tls, struct ipc_message *m)
{
    struct ipc_tls tls = {0};
    TRY(ipc_take_count(m, 0));
    TRY(cursor_copy(&m->body, tls.spki_digest, sizeof tls.spki_digest));
    TRY(take_sized(&tls.private_key, &m->body, IPC_TLS_MAX));
    TRY(take_sized(&tls.certificates, &m->body, IPC_TLS_MAX - tls.private_key.length));
    TRY(cursor_end(&m->body));
    *ret_tls = tls;
    return RESULT_OK;
}

void ipc_pack_load_begin(struct packer *p, bool add)
{
    ipc_begin(p, IPC_LOAD_BEGIN, 0);
    pack_u8(p, add);
}

result ipc_take_load_begin(bool *ret_add, struct ipc_message *m)
{
    bool add = false;
    TRY(ipc_take_count(m, 0));
    TRY(ipc_take_bool(&add, &m->body));
    TRY(cursor_end(&m->body));
    *ret_add = add;
    return RESULT_OK;
}

static const uint8_t no_pubkey[48];

void ipc_pack_pubkey_or_none(struct packer *p, const uint8_t *pubkey)
{
    pack_bytes(p, pubkey ? pubkey : no_pubkey, sizeof no_pubkey);
}

result ipc_take_pubkey_or_none(const uint8_t **ret_pubkey, struct cursor *c)
{
    const uint8_t *pubkey = NULL;
    TRY(cursor_view(c, &pubkey, sizeof no_pubkey));
    *ret_pubkey = memcmp(pubkey, no_pubkey, sizeof no_pubkey) == 0 ? NULL : pubkey;
    return RESULT_OK;
}

void ipc_pack_record(struct packer *p, const struct ipc_record *record)
{
    ipc_begin(p, IPC_RECORD, record->envelope.length);
    pack_u8(p, (uint8_t)record->kind);
    pack_u32(p, record->index);
    ipc_pack_pubkey_or_none(p, record->pubkey);
    pack_bytes(p, record->envelope.data, record->envelope.length);
}

result ipc_take_record(struct ipc_record *ret_record, struct ipc_message *m)
{
    struct ipc_record record = {0};
    uint8_t kind = 0;
    TRY(cursor_u8(&m->body, &kind));
    ENSURE(kind >= IPC_RECORD_VALIDATOR && kind <= IPC_RECORD_DATA_KEY, E_INPUT,
           "record: kind %u does not exist", kind);
    record.kind = (enum ipc_record_kind)kind;
    TRY(cursor_u32(&m->body, &record.index));
    TRY(ipc_take_pubkey_or_none(&record.pubkey, &m->body));
    TRY(ipc_take_counted(&record.envelope, m, 1, IPC_RECORD_MAX));
    *ret_record = record;
    return RESULT_OK;
}

void ipc_pack_sealed_keys(struct packer *p, const struct ipc_sealed_keys *sealed)
{
    ipc_begin(p, IPC_SEALED_KEYS, sealed->num_keys);
    pack_u32(p, sealed->index);
    pack_u8(p, (uint8_t)sealed->uuid.length);
    pack_bytes(p, sealed->uuid.data, sealed->uuid.length);
    pack_bytes(p, sealed->keys, (size_t)sealed->num_keys * IPC_SEALED_LEN);
}

result ipc_take_sealed_keys(struct ipc_sealed_keys *ret_sealed, struct ipc_message *m)
{
    struct ipc_sealed_keys sealed = {.num_keys = m->count};
    uint8_t uuid_len = 0;
    ENSURE(m->count >= 1 && m->count <= IPC_SEALED_KEYS_MAX, E_INPUT, "sealed keys: %u are not in 1..%d",
           m->count, IPC_SEALED_KEYS_MAX);
    TRY(cursor_u32(&m->body, &sealed.index));
    TRY(cursor_u8(&m->body, &uuid_len));
    ENSURE(uuid_len >= 1 && uuid_len <= IPC_UUID_MAX, E_INPUT, "sealed keys: a UUID of %u bytes", uuid_len);
    sealed.uuid.length = uuid_len;
    TRY(cursor_view(&m->body, &sealed.uuid.data, uuid_len));
    TRY(cursor_view(&m->body, &sealed.keys, (size_t)m->count * IPC_SEALED_LEN));
    TRY(cursor_end(&m->body));
    *ret_sealed = sealed;
    return RESULT_OK;
}

void ipc_pack_load_end(struct packer *p, uint32_t records)
{
    ipc_begin(p, IPC_LOAD_END, 0);
    pack_u32(p, records);
}

result ipc_take_load_end(uint32_t *ret_records, struct ipc_message *m)
{
    uint32_t records = 0;
    TRY(ipc_take_count(m, 0));
    TRY(cursor_u32(&m->body, &records));
    TRY(cursor_end(&m->body));
    *ret_records = records;
    return RESULT_OK;
}

void ipc_pack_loader_end(struct packer *p, const struct ipc_loader_end *end)
{
    ipc_begin(p, IPC_LOAD_END, end->counts.num_sources);
    pack_u32(p, end->keys);
    pack_u32(p, end->failed);
    ipc_pack_counts(p, &end->counts);
}

result ipc_take_loader_end(struct ipc_loader_end *ret_end, struct ipc_message *m)
{
    struct ipc_loader_end end = {0};
    uint64_t keys = 0, failed = 0;
    TRY(cursor_u32(&m->body, &end.keys));
    TRY(cursor_u32(&m->body, &end.failed));
    TRY(ipc_take_counts(&end.counts, m));
    for (uint32_t i = 0; i < end.counts.num_sources; i++) {
        keys += end.counts.sources[i].keys;
        failed += end.counts.sources[i].failed;
    }
    ENSURE(end.counts.num_sources == 0 || (keys == end.keys && failed == end.failed), E_INPUT,
           "load end: the counts of the sources are not the whole");
    *ret_end = end;
    return RESULT_OK;
}

static void pack_result(struct packer *p, enum ipc_type type, const struct ipc_load_result *r)
{
    ipc_begin(p, type, r->text.length);
    pack_u8(p, r->ok);
    pack_u32(p, r->keys);
    pack_u32(p, r->failed);
    pack_bytes(p, r->text.data, r->text.length);
}

void ipc_pack_load_result(struct packer *p, const struct ipc_load_result *r)
{
    pack_result(p, IPC_LOAD_RESULT, r);
}

void ipc_pack_reloaded(struct packer *p, const struct ipc_load_result *r)
{
    pack_result(p, IPC_RELOADED, r);
}

result ipc_take_load_result(struct ipc_load_result *ret_result, struct ipc_message *m)
{
    struct ipc_load_result r = {0};
    TRY(ipc_take_bool(&r.ok, &m->body));
    TRY(cursor_u32(&m->body, &r.keys));
    TRY(cursor_u32(&m->body, &r.failed));
    TRY(ipc_take_counted(&r.text, m, 0, IPC_TEXT_MAX));
    *ret_result = r;
    return RESULT_OK;
}

result ipc_take_reloaded(struct ipc_load_result *ret_result, struct ipc_message *m)
{
    return ipc_take_load_result(ret_result, m);
}

void ipc_pack_loaded_key(struct packer *p, const struct ipc_loaded_key *key)
{
    pack_u32(p, key->index);
    pack_bytes(p, key->secret, 32);
    pack_bytes(p, key->pubkey, 48);
}

result ipc_take_loaded_key(struct ipc_loaded_key *ret_key, struct cursor *c)
{
    struct ipc_loaded_key key = {0};
    TRY(cursor_u32(c, &key.index));
    TRY(cursor_view(c, &key.secret, 32));
    TRY(cursor_view(c, &key.pubkey, 48));
    *ret_key = key;
    return RESULT_OK;
}

void ipc_pack_record_failed(struct packer *p, const struct ipc_record_failed *failed)
{
    ipc_begin(p, IPC_RECORD_FAILED, failed->text.length);
    pack_u32(p, failed->index);
    pack_u8(p, (uint8_t)failed->error);
    ipc_pack_pubkey_or_none(p, failed->pubkey);
    pack_bytes(p, failed->text.data, failed->text.length);
}

result ipc_take_record_failed(struct ipc_record_failed *ret_failed, struct ipc_message *m)
{
    struct ipc_record_failed failed = {0};
    uint8_t error = 0;
    TRY(cursor_u32(&m->body, &failed.index));
    TRY(cursor_u8(&m->body, &error));
    ENSURE(error > E_NONE && error <= E_INTERNAL, E_INPUT, "record failed: error %u does not exist", error);
    failed.error = (enum error_code)error;
    TRY(ipc_take_pubkey_or_none(&failed.pubkey, &m->body));
    TRY(ipc_take_counted(&failed.text, m, 0, IPC_TEXT_MAX));
    *ret_failed = failed;
    return RESULT_OK;
}
