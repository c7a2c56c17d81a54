/* test_keeper_extension.c - texts that are signed as they are: what the keeper takes for one, and when. */
#include "keeper_rig.h"

#include <unistd.h>

static const char proof[] = "{\"type\":\"PROOF_OF_VALIDATION\",\"platform\":\"AT\",\"timestamp\":1}";

static void ask(struct rig *rig, const uint8_t *pubkey, const void *payload, size_t payload_len)
{
    static uint8_t packet[IPC_PACKET_MAX];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_extension_sign(&p, &(struct ipc_extension_sign){
                                    .id = 77, .pubkey = pubkey, .payload = {payload, (uint32_t)payload_len}});
    rig_send(rig->front, &p);
}

static struct ipc_signature answer(struct rig *rig)
{
    struct ipc_signature signature;
    rig_expect(rig, rig->front, IPC_EXTENSION_SIGNED);
    assert_ok(ipc_take_signature(&signature, &rig->message));
    assert_int_equal(signature.id, 77);
    return signature;
}

static void boot(struct rig *rig)
{
    rig->option = "--extension-signing";
    rig_boot(rig, 2);
}

static void the_bytes_themselves_are_signed(void **state)
{
    struct rig *rig = *state;
    boot(rig);
    ask(rig, rig_pubkey(1), proof, sizeof proof - 1);
    struct ipc_signature signature = answer(rig);
    assert_int_equal(signature.status, IPC_ANSWER_SIGNED);
    assert_int_equal(signature.signature.length, 96);
    assert_ok(bls_verify(rig_pubkey(1), signature.signature.data, (const uint8_t *)proof, sizeof proof - 1));
    rig_stop(rig);
}

static void a_key_that_is_not_there(void **state)
{
    struct rig *rig = *state;
    boot(rig);
    ask(rig, rig_pubkey(2), proof, sizeof proof - 1);
    assert_int_equal(answer(rig).status, IPC_ANSWER_UNKNOWN_KEY);
    rig_stop(rig);
}

/* 33 bytes are the first that can be no signing root; with fewer the message is not one. */
static void nothing_as_long_as_a_root_is_signed(void **state)
{
    struct rig *rig = *state;
    uint8_t payload[IPC_EXTENSION_MAX + 1];
    static const size_t refused[] = {0, 1, 31, 32, IPC_EXTENSION_MAX + 1};
    memset(payload, ' ', sizeof payload);
    payload[0] = '{';
    for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
        boot(rig);
        if (refused[i])
            payload[refused[i] - 1] = '}';
        ask(rig, rig_pubkey(0), payload, refused[i]);
        rig_expect_end(rig, 1);
        payload[refused[i] ? refused[i] - 1 : 1] = ' ';
        payload[0] = '{';
    }
    boot(rig);
    static const size_t taken[] = {33, IPC_EXTENSION_MAX};
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++) {
        payload[taken[i] - 1] = '}';
        ask(rig, rig_pubkey(0), payload, taken[i]);
        assert_int_equal(answer(rig).status, IPC_ANSWER_SIGNED);
    }
    rig_stop(rig);
}

static void what_is_no_object_is_not_signed(void **state)
{
    struct rig *rig = *state;
    char payload[sizeof proof];
    boot(rig);
    memcpy(payload, proof, sizeof proof);
    payload[0] = '[';
    ask(rig, rig_pubkey(0), payload, sizeof proof - 1);
    assert_int_equal(answer(rig).status, IPC_ANSWER_BAD_ORDER);
    payload[0] = '{';
    payload[sizeof proof - 2] = ' ';
    ask(rig, rig_pubkey(0), payload, sizeof proof - 1);
    assert_int_equal(answer(rig).status, IPC_ANSWER_BAD_ORDER);
    rig_stop(rig);
}

/* Whatever has become of the front. */
static void a_front_cannot_have_them_signed_when_that_is_off(void **state)
{
    struct rig *rig = *state;
    rig_boot(rig, 1);
    ask(rig, rig_pubkey(0), proof, sizeof proof - 1);
    rig_expect_end(rig, 1);
}

static void not_before_there_are_keys(void **state)
{
    struct rig *rig = *state;
    rig->option = "--extension-signing";
    rig_boot_to_load(rig);
    ask(rig, rig_pubkey(0), proof, sizeof proof - 1);
    rig_expect_end(rig, 1);
}

static void not_in_an_enclave(void **state)
{
    struct rig *rig = *state;
    rig->option = "--extension-signing";
    rig_start(rig, "enclave", NULL);
    rig_expect_end(rig, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_bytes_themselves_are_signed, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_key_that_is_not_there, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(nothing_as_long_as_a_root_is_signed, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_object_is_not_signed, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_front_cannot_have_them_signed_when_that_is_off, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(not_before_there_are_keys, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(not_in_an_enclave, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
