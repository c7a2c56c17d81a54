/* ipc_messages.c - messages among supervisor, keeper, front and courier; those of a load are
 * in ipc_load.c. Each decoder ends by asking that nothing is left. */
#include <string.h>

#include "ipc/ipc.h"

#include "ipc/ipc_fields.h"

const char *ipc_keeper_state_name(enum ipc_keeper_state state)
{
    switch (state) {
    case IPC_WAIT_STATE:
        return "wait";
    case IPC_ATTEST_STATE:
        return "attest";
    case IPC_LOAD_STATE:
        return "load";
    case IPC_SERVE_STATE:
        return "serve";
    case IPC_FAILED_STATE:
        return "failed";
    }
    return "?";
}

result ipc_take_count(const struct ipc_message *m, uint32_t count)
{
    ENSURE(m->count == count, E_INPUT, "message 0x%04x: count is %u, not %u", m->type, m->count, count);
    return RESULT_OK;
}

result ipc_take_bool(bool *ret_value, struct cursor *c)
{
    uint8_t value = 0;
    TRY(cursor_u8(c, &value));
    ENSURE(value <= 1, E_INPUT, "a flag is neither 0 nor 1");
    *ret_value = value == 1;
    return RESULT_OK;
}

result ipc_take_keeper_state(enum ipc_keeper_state *ret_state, struct cursor *c)
{
    uint8_t value = 0;
    TRY(cursor_u8(c, &value));
    ENSURE(value >= IPC_WAIT_STATE && value <= IPC_FAILED_STATE, E_INPUT, "state %u does not exist", value);
    *ret_state = (enum ipc_keeper_state)value;
    return RESULT_OK;
}

void ipc_pack_text(struct packer *p, struct ipc_bytes text)
{
    pack_u32(p, text.length);
    if (text.length)
        pack_bytes(p, text.data, text.length);
}

result ipc_take_text(struct ipc_bytes *ret_text, struct cursor *c, uint32_t max_length)
{
    struct ipc_bytes text = {0};
    TRY(cursor_u32(c, &text.length));
    ENSURE(text.length <= max_length, E_INPUT, "a text of %u bytes is too long", text.length);
    TRY(cursor_view(c, &text.data, text.length));
    ENSURE(!text.length || !memchr(text.data, 0, text.length), E_INPUT, "a text has a NUL");
    *ret_text = text;
    return RESULT_OK;
}

result ipc_take_counted(struct ipc_bytes *ret_bytes, struct ipc_message *m, uint32_t low, uint32_t high)
{
    ENSURE(m->count >= low && m->count <= high, E_INPUT, "message 0x%04x: %u bytes are not in %u..%u",
           m->type, m->count, low, high);
    struct ipc_bytes bytes = {.length = m->count};
    TRY(cursor_view(&m->body, &bytes.data, m->count));
    TRY(cursor_end(&m->body));
    *ret_bytes = bytes;
    return RESULT_OK;
}

void ipc_pack_state(struct packer *p, const struct ipc_state *state)
{
    ipc_begin(p, IPC_STATE, 1);
    pack_u8(p, (uint8_t)state->state);
    pack_u32(p, state->keys);
    pack_u32(p, state->failed);
    pack_u32(p, state->port);
}

result ipc_take_state(struct ipc_state *ret_state, struct ipc_message *m)
{
    struct ipc_state state = {0};
    TRY(ipc_take_count(m, 1));
    TRY(ipc_take_keeper_state(&state.state, &m->body));
    TRY(cursor_u32(&m->body, &state.keys));
    TRY(cursor_u32(&m->body, &state.failed));
    TRY(cursor_u32(&m->body, &state.port));
    TRY(cursor_end(&m->body));
    *ret_state = state;
    return RESULT_OK;
}

void ipc_pack_counts(struct packer *p, const struct ipc_counts *counts)
{
    for (uint32_t i = 0; i < counts->num_sources; i++) {
        pack_u8(p, (uint8_t)counts->sources[i].source);
        pack_u32(p, counts->sources[i].keys);
        pack_u32(p, counts->sources[i].failed);
    }
}

result ipc_take_counts(struct ipc_counts *ret_counts, struct ipc_message *m)
{
    struct ipc_counts counts = {.num_sources = m->count};
    ENSURE(m->count < IPC_SOURCE_END, E_INPUT, "message 0x%04x: %u sources are too many", m->type, m->count);
    for (uint32_t i = 0, least = IPC_SOURCE_CONFIG_FILES; i < m->count; i++) {
        uint8_t source = 0;
        TRY(cursor_u8(&m->body, &source));
        ENSURE(source >= least && source < IPC_SOURCE_END, E_INPUT,
               "message 0x%04x: source %u does not exist, or is out of order", m->type, source);
        least = source + 1u;
        counts.sources[i].source = (enum ipc_source)source;
        TRY(cursor_u32(&m->body, &counts.sources[i].keys));
        TRY(cursor_u32(&m->body, &counts.sources[i].failed));
    }
    TRY(cursor_end(&m->body));
    *ret_counts = counts;
    return RESULT_OK;
}

const char *ipc_phase_name(enum ipc_phase phase)
{
    static const char *const names[] = {"init", "attest", "decrypt", "load", "records", "ready"};
    return phase < IPC_PHASE_END ? names[phase] : "?";
}

static void pack_phases(struct packer *p, const struct ipc_phases *phases)
{
    for (size_t i = 0; i < IPC_PHASE_END; i++)
        pack_u32(p, phases->us[i]);
}

static must_check result take_phases(struct ipc_phases *ret_phases, struct cursor *c)
{
    for (size_t i = 0; i < IPC_PHASE_END; i++)
        TRY(cursor_u32(c, &ret_phases->us[i]));
    return RESULT_OK;
}

static void pack_failed_keys(struct packer *p, const struct ipc_failed_keys *failed)
{
    pack_u8(p, (uint8_t)failed->num);
    pack_bytes(p, failed->pubkeys, failed->num * sizeof failed->pubkeys[0]);
}

static must_check result take_failed_keys(struct ipc_failed_keys *ret_failed, struct cursor *c)
{
    uint8_t num = 0;
    TRY(cursor_u8(c, &num));
    ENSURE(num <= IPC_FAILED_KEYS_MAX, E_INPUT, "failed keys: %u are more than %d", num, IPC_FAILED_KEYS_MAX);
    ret_failed->num = num;
    return cursor_copy(c, ret_failed->pubkeys[0], num * sizeof ret_failed->pubkeys[0]);
}

void ipc_pack_health(struct packer *p, const struct ipc_health *health)
{
    ipc_begin(p, IPC_HEALTH, health->counts.num_sources);
    pack_u8(p, health->store_ok);
    pack_u32(p, health->keys);
    pack_u32(p, health->failed);
    pack_phases(p, &health->phases);
    pack_failed_keys(p, &health->failed_keys);
    ipc_pack_counts(p, &health->counts);
}

result ipc_take_health(struct ipc_health *ret_health, struct ipc_message *m)
{
    struct ipc_health health = {0};
    TRY(ipc_take_bool(&health.store_ok, &m->body));
    TRY(cursor_u32(&m->body, &health.keys));
    TRY(cursor_u32(&m->body, &health.failed));
    TRY(take_phases(&health.phases, &m->body));
    TRY(take_failed_keys(&health.failed_keys, &m->body));
    TRY(ipc_take_counts(&health.counts, m));
    *ret_health = health;
    return RESULT_OK;
}

void ipc_pack_high_watermark(struct packer *p, const struct ipc_high_watermark *high)
{
    bool is_set = high->status == IPC_HIGH_WATERMARK_SET;
    ipc_begin(p, IPC_HIGH_WATERMARK, 0);
    pack_u8(p, (uint8_t)high->status);
    pack_u64(p, is_set ? high->epoch : 0);
    pack_u64(p, is_set ? high->slot : 0);
}

result ipc_take_high_watermark(struct ipc_high_watermark *ret_high, struct ipc_message *m)
{
    struct ipc_high_watermark high = {0};
    uint8_t status = 0;
    TRY(ipc_take_count(m, 0));
    TRY(cursor_u8(&m->body, &status));
    ENSURE(status <= IPC_HIGH_WATERMARK_SET, E_INPUT, "high watermark: status %u does not exist", status);
    high.status = (enum ipc_high_watermark_status)status;
    TRY(cursor_u64(&m->body, &high.epoch));
    TRY(cursor_u64(&m->body, &high.slot));
    ENSURE(high.status == IPC_HIGH_WATERMARK_SET || (high.epoch == 0 && high.slot == 0), E_INPUT,
           "high watermark: there is none, and yet heights");
    TRY(cursor_end(&m->body));
    *ret_high = high;
    return RESULT_OK;
}

void ipc_pack_status(struct packer *p, const struct ipc_status *status)
{
    ipc_begin(p, IPC_STATUS, 1);
    pack_u8(p, (uint8_t)status->state);
    pack_u32(p, status->keys);
    pack_u32(p, status->failed);
    pack_u8(p, status->store_ok);
    pack_bytes(p, status->pcr0, sizeof status->pcr0);
    pack_bytes(p, status->pcr16, sizeof status->pcr16);
    pack_phases(p, &status->phases);
    pack_failed_keys(p, &status->failed_keys);
}

result ipc_take_status(struct ipc_status *ret_status, struct ipc_message *m)
{
    struct ipc_status status = {0};
    TRY(ipc_take_count(m, 1));
    TRY(ipc_take_keeper_state(&status.state, &m->body));
    TRY(cursor_u32(&m->body, &status.keys));
    TRY(cursor_u32(&m->body, &status.failed));
    TRY(ipc_take_bool(&status.store_ok, &m->body));
    TRY(cursor_copy(&m->body, status.pcr0, sizeof status.pcr0));
    TRY(cursor_copy(&m->body, status.pcr16, sizeof status.pcr16));
    TRY(take_phases(&status.phases, &m->body));
    TRY(take_failed_keys(&status.failed_keys, &m->body));
    TRY(cursor_end(&m->body));
    *ret_status = status;
    return RESULT_OK;
}

void ipc_pack_bytes_message(struct packer *p, enum ipc_type type, struct ipc_bytes bytes)
{
    ipc_begin(p, type, bytes.length);
    pack_bytes(p, bytes.data, bytes.length);
}

result ipc_take_bytes_message(struct ipc_bytes *ret_bytes, struct ipc_message *m, uint32_t max_length)
{
    /* A document of 0 bytes says that there is none; the other texts and keys are never empty. */
    bool may_be_empty = m->type == IPC_DOCUMENT || m->type == IPC_IDENTITY;
    return ipc_take_counted(ret_bytes, m, may_be_empty ? 0 : 1, max_length);
}

void ipc_pack_empty(struct packer *p, enum ipc_type type)
{
    ipc_begin(p, type, 0);
}

result ipc_take_empty(struct ipc_message *m)
{
    TRY(ipc_take_count(m, 0));
    return cursor_end(&m->body);
}

void ipc_pack_keys(struct packer *p, const struct ipc_keys *keys)
{
    ipc_begin(p, IPC_KEYS, keys->num_keys);
    pack_u8(p, (uint8_t)((keys->first ? 1 : 0) | (keys->last ? 2 : 0)));
    pack_bytes(p, keys->pubkeys, (size_t)keys->num_keys * 48);
}

result ipc_take_keys(struct ipc_keys *ret_keys, struct ipc_message *m)
{
    struct ipc_keys keys = {.num_keys = m->count};
    uint8_t flags = 0;
    ENSURE(m->count <= IPC_KEYS_MAX, E_INPUT, "keys: %u are more than %d", m->count, IPC_KEYS_MAX);
    TRY(cursor_u8(&m->body, &flags));
    ENSURE(flags <= 3, E_INPUT, "keys: flags 0x%02x do not exist", flags);
    TRY(cursor_view(&m->body, &keys.pubkeys, (size_t)m->count * 48));
    TRY(cursor_end(&m->body));
    keys.first = (flags & 1) != 0;
    keys.last = (flags & 2) != 0;
    *ret_keys = keys;
    return RESULT_OK;
}

void ipc_pack_listening(struct packer *p, uint32_t port)
{
    ipc_begin(p, IPC_LISTENING, 0);
    pack_u32(p, port);
}

result ipc_take_listening(uint32_t *ret_port, struct ipc_message *m)
{
    uint32_t port = 0;
    TRY(ipc_take_count(m, 0));
    TRY(cursor_u32(&m->body, &port));
    TRY(cursor_end(&m->body));
    *ret_port = port;
    return RESULT_OK;
}

void ipc_pack_policy_result(struct packer *p, const struct ipc_policy_result *r)
{
    ipc_begin(p, IPC_POLICY_RESULT, r->text.length);
    pack_u8(p, r->accepted);
    pack_bytes(p, r->text.data, r->text.length);
}

result ipc_take_policy_result(struct ipc_policy_result *ret_result, struct ipc_message *m)
{
    struct ipc_policy_result r = {0};
    TRY(ipc_take_bool(&r.accepted, &m->body));
    TRY(ipc_take_counted(&r.text, m, 0, r.accepted ? 0 : IPC_TEXT_MAX));
    *ret_result = r;
    return RESULT_OK;
}

void ipc_pack_attest(struct packer *p, const struct ipc_attest *attest)
{
    ipc_begin(p, IPC_ATTEST, attest->nonce.length);
    pack_u8(p, (uint8_t)attest->purpose);
    pack_bytes(p, attest->nonce.data, attest->nonce.length);
}

result ipc_take_attest(struct ipc_attest *ret_attest, struct ipc_message *m)
{
    struct ipc_attest attest = {0};
    uint8_t purpose = 0;
    TRY(cursor_u8(&m->body, &purpose));
    ENSURE(purpose <= IPC_ATTEST_IDENTITY, E_INPUT, "attest: purpose %u does not exist", purpose);
    attest.purpose = (enum ipc_attest_purpose)purpose;
    TRY(ipc_take_counted(&attest.nonce, m, 0, IPC_NONCE_MAX));
    *ret_attest = attest;
    return RESULT_OK;
}
