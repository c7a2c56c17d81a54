/* keeper_starts.c - see keeper_starts.h. */
#include "keeper_starts.h"

static int setup_mode(void **state, bool single)
{
    if (cloud_setup(state) != 0)
        return -1;
    struct rig *rig = *state;
    courier_open(&courier, rig, true);
    rig->policy.single_mode = single;
    return 0;
}

int starts_setup_single(void **state)
{
    return setup_mode(state, true);
}

int starts_setup_fleet(void **state)
{
    return setup_mode(state, false);
}

int starts_teardown(void **state)
{
    courier_close(&courier);
    return cloud_teardown(state);
}

void starts_begin(struct rig *rig)
{
    cloud_boot(rig);
    courier_serve_one(&courier, rig, IPC_STORE_OPEN);
}

/* LOAD_BEGIN to the end of the loader, with those keys; then what the store is asked. */
void starts_load(struct rig *rig, uint32_t first, uint32_t count, bool add, bool with_key)
{
    cloud_load_begin(rig, add);
    cloud_records(rig, count + 1);
    cloud_load_tls(rig);
    if (with_key)
        courier_send_store_key(&courier, rig);
    rig_load_keys(rig, first, count);
    rig_loader_end(rig, count, 0);
    courier.has_load_result = false;
    courier_serve_until(&courier, rig, rig->front);
}

void starts_serve(struct rig *rig, uint32_t count)
{
    uint8_t packet[16];
    rig_expect(rig, rig->front, IPC_SETTINGS);
    rig_expect(rig, rig->front, IPC_TLS);
    cloud_expect_reload(rig, count);
    rig_expect(rig, rig->front, IPC_SERVE);
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_listening(&p, 0);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_SERVE_STATE, count, 0);
    courier_serve_one(&courier, rig, IPC_LOAD_RESULT);
    assert_true(courier.load_ok);
    courier.has_load_result = false;
}

void starts_boot(struct rig *rig, uint32_t count)
{
    starts_begin(rig);
    starts_load(rig, 0, count, false, true);
    starts_serve(rig, count);
}

void starts_expect_refusal(struct rig *rig, const char *part)
{
    assert_true(courier.has_load_result);
    if (courier.load_ok || !strstr(courier.load_text, part))
        fail_msg("expected \"%s\", got \"%s\"", part, courier.load_text);
    rig_expect_state(rig, IPC_ATTEST_STATE, 0, 0);
}

void starts_refuse(struct rig *rig, const char *part)
{
    starts_begin(rig);
    starts_load(rig, 0, 3, false, true);
    starts_expect_refusal(rig, part);
}

void starts_assert_sealed(uint32_t count, uint64_t generation)
{
    assert_int_equal(courier.num_rows, count);
    assert_int_equal(courier.head.num_validators, count);
    assert_ok(slashing_seal_check_head(&courier.seal, &courier.head));
    for (uint32_t i = 0; i < count; i++) {
        assert_ok(slashing_seal_check_entry(&courier.seal, &courier.rows[i].entry, courier.rows[i].pubkey));
        assert_int_equal(courier.rows[i].entry.stamp.generation, generation);
    }
}

void starts_fill(void)
{
    struct slashing_record some = courier_vote_record(3, 9);
    for (uint32_t i = 0; i < 5; i++)
        courier_write(&courier, i, &some, 7);
}
