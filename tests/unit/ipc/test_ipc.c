/* test_ipc.c - every message there and back, every wrong length refused, limits. The messages are in
 * ipc_table.c. */
#include "ipc_table.h"

static size_t packed(size_t which, uint8_t *out)
{
    struct packer p = {.data = out, .capacity = IPC_PACKET_MAX};
    messages[which].pack(&p);
    assert_ok(pack_end(&p));
    return p.length;
}

/* Opens and decodes a heap copy of exactly that length, so that asan sees any read beyond it. */
static result decode(size_t which, struct packer *again, const uint8_t *packet, size_t packet_len)
{
    uint8_t *copy = malloc(packet_len ? packet_len : 1);
    assert_non_null(copy);
    memcpy(copy, packet, packet_len);
    struct ipc_message m;
    result r = ipc_open(&m, copy, packet_len);
    if (!r.code)
        r = messages[which].take(again, &m);
    free(copy);
    return r;
}

static void every_message_comes_back_as_it_was(void **state)
{
    (void)state;
    static uint8_t packet[IPC_PACKET_MAX], back[IPC_PACKET_MAX];
    for (size_t i = 0; i < num_messages; i++) {
        size_t length = packed(i, packet);
        if (length != messages[i].length)
            fail_msg("%s: %zu bytes, the protocol says %zu", messages[i].name, length, messages[i].length);
        assert_int_equal(packet[0] | packet[1] << 8, messages[i].type);
        struct packer again = {.data = back, .capacity = sizeof back};
        assert_ok(decode(i, &again, packet, length));
        assert_ok(pack_end(&again));
        assert_int_equal(again.length, length);
        assert_memory_equal(back, packet, length);
    }
}

static void every_other_length_is_refused(void **state)
{
    (void)state;
    static uint8_t packet[IPC_PACKET_MAX], back[IPC_PACKET_MAX];
    for (size_t i = 0; i < num_messages; i++) {
        size_t length = packed(i, packet);
        packet[length] = 0;
        for (size_t cut = 0; cut <= length + 1; cut++) {
            struct packer again = {.data = back, .capacity = sizeof back};
            int expected = cut == length ? E_NONE : E_INPUT;
            result r = decode(i, &again, packet, cut);
            if (r.code != expected)
                fail_msg("%s of %zu bytes cut to %zu: %s", messages[i].name, length, cut, error_name(r.code));
        }
    }
}

/* What a mutated packet decodes to, if anything, is the packet again: there is one form only. */
static void random_bytes_never_crash_and_have_one_form(void **state)
{
    (void)state;
    static uint8_t packet[IPC_PACKET_MAX], back[IPC_PACKET_MAX];
    srandom(20260131);
    for (size_t i = 0; i < num_messages; i++) {
        for (int round = 0; round < 2000; round++) {
            size_t length = packed(i, packet);
            size_t reach = length < 400 ? length : 400;
            for (int changes = 1 + round % 4; changes > 0; changes--)
                packet[(size_t)random() % reach] = (uint8_t)random();
            struct packer again = {.data = back, .capacity = sizeof back};
            struct ipc_message m;
            if (ipc_open(&m, packet, length).code || m.type != messages[i].type)
                continue;
            if (decode(i, &again, packet, length).code)
                continue;
            assert_int_equal(again.length, length);
            assert_memory_equal(back, packet, length);
        }
    }
}

static void headers_are_checked(void **state)
{
    (void)state;
    struct ipc_message m;
    static const uint8_t unknown[8] = {0x0f, 3, 0, 0, 0, 0, 0, 0};
    assert_fails(E_INPUT, ipc_open(&m, unknown, 8));
    assert_error_names("0x030f");
    static const uint8_t reserved[8] = {0x04, 2, 1, 0, 0, 0, 0, 0};
    assert_fails(E_INPUT, ipc_open(&m, reserved, 8));
    static const uint8_t counted[8] = {0x04, 2, 0, 0, 1, 0, 0, 0};
    assert_ok(ipc_open(&m, counted, 8));
    assert_fails(E_INPUT, ipc_take_empty(&m));
}

static void batches_have_limits(void **state)
{
    (void)state;
    static uint8_t packet[IPC_PACKET_MAX];
    static const struct {
        enum ipc_type type;
        uint32_t most;
        size_t length;
    } batches[] = {{IPC_SIGN, IPC_BATCH_MAX, IPC_ORDER_LEN},
                   {IPC_SIGNED, IPC_BATCH_MAX, IPC_ANSWER_LEN},
                   {IPC_KEY, IPC_LOADED_KEYS_MAX, IPC_LOADED_KEY_LEN}};
    for (size_t i = 0; i < ARRAY_LENGTH(batches); i++) {
        struct ipc_message m;
        for (uint32_t count = 0; count <= batches[i].most + 1; count++) {
            struct packer p = {.data = packet, .capacity = sizeof packet};
            ipc_begin(&p, batches[i].type, count);
            int expected = count >= 1 && count <= batches[i].most ? E_NONE : E_INPUT;
            assert_int_equal(ipc_open(&m, packet, 8 + count * batches[i].length).code, expected);
        }
        /* A count whose product with the record length wraps 32 bits. */
        struct packer p = {.data = packet, .capacity = sizeof packet};
        ipc_begin(&p, batches[i].type, 0x10000000);
        assert_fails(E_INPUT, ipc_open(&m, packet, 8));
    }
}

static result take_many(const struct ipc_sign_many *sent)
{
    static uint8_t packet[IPC_PACKET_MAX];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    struct ipc_sign_many many;
    struct ipc_message m;
    ipc_pack_sign_many(&p, sent);
    assert_ok(pack_end(&p));
    assert_ok(ipc_open(&m, packet, p.length));
    return ipc_take_sign_many(&many, &m);
}

static void a_batch_names_its_keys_apart(void **state)
{
    (void)state;
    struct ipc_sign_many many = {
        .order = {.id = 1, .order = {.kind = ETH2_ORDER_RANDAO_REVEAL}}, .pubkeys = pattern, .num_keys = 1};
    many.order.order.pubkey[47] = 1;
    assert_fails(E_INPUT, take_many(&many)); /* the order has a key of its own */
    many.order.order.pubkey[47] = 0;
    assert_ok(take_many(&many));
    many.num_keys = IPC_SIGN_KEYS_MAX;
    assert_ok(take_many(&many));
    many.order.id = UINT64_MAX - IPC_SIGN_KEYS_MAX;
    assert_ok(take_many(&many));
    many.order.id++;
    assert_fails(E_INPUT, take_many(&many));
    many.order.id = 1;
    many.num_keys = 0;
    assert_fails(E_INPUT, take_many(&many));
    many.num_keys = IPC_SIGN_KEYS_MAX + 1;
    assert_fails(E_INPUT, take_many(&many));
}

static void limits_of_text_hold(void **state)
{
    (void)state;
    static uint8_t packet[IPC_PACKET_MAX];
    struct ipc_message m;
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_policy_result(&p, &(struct ipc_policy_result){true, some(1)});
    assert_ok(ipc_open(&m, packet, p.length));
    struct ipc_policy_result policy;
    assert_fails(E_INPUT, ipc_take_policy_result(&policy, &m));

    p.length = 0;
    ipc_pack_tls(&p, &(struct ipc_tls){some(30000), some(30001), {0}});
    assert_ok(ipc_open(&m, packet, p.length));
    struct ipc_tls tls;
    assert_fails(E_INPUT, ipc_take_tls(&tls, &m));

    p.length = 0;
    ipc_pack_bytes_message(&p, IPC_POLICY, some(0));
    assert_ok(ipc_open(&m, packet, p.length));
    struct ipc_bytes bytes;
    assert_fails(E_INPUT, ipc_take_bytes_message(&bytes, &m, IPC_POLICY_MAX));

    p.length = 0;
    ipc_pack_record(&p, &(struct ipc_record){IPC_RECORD_VALIDATOR, 0, some(IPC_RECORD_MAX + 1), NULL});
    assert_ok(ipc_open(&m, packet, p.length));
    struct ipc_record record;
    assert_fails(E_INPUT, ipc_take_record(&record, &m));
}

/* A caller's mistake cannot put a signature into a refusal. */
static void a_refusal_never_carries_a_signature(void **state)
{
    (void)state;
    uint8_t bytes[IPC_ANSWER_LEN];
    struct ipc_answer answer = answer_of(IPC_ANSWER_SIGNED);
    answer.status = IPC_ANSWER_STORE;
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    ipc_pack_answer(&p, &answer);
    assert_ok(pack_end(&p));
    for (size_t i = 48; i < 144; i++)
        assert_int_equal(bytes[i], 0);
}

/* A front must not take a number for a refusal that it has no name for. */
static void only_refusals_are_verdicts(void **state)
{
    (void)state;
    for (unsigned verdict = 0; verdict < 256; verdict++) {
        uint8_t bytes[IPC_ANSWER_LEN];
        struct ipc_answer answer = answer_of(IPC_ANSWER_SLASHABLE), taken;
        answer.verdict = (uint8_t)verdict;
        struct packer p = {.data = bytes, .capacity = sizeof bytes};
        ipc_pack_answer(&p, &answer);
        assert_ok(pack_end(&p));
        struct cursor c = {bytes, sizeof bytes};
        bool known = verdict >= IPC_VERDICT_FIRST && verdict <= IPC_VERDICT_LAST;
        assert_int_equal(ipc_take_answer(&taken, &c).code, known ? E_NONE : E_INPUT);
    }
}

/* A limit without its flag is not in canonical form. */
static void a_limit_comes_with_its_flag(void **state)
{
    (void)state;
    uint8_t bytes[IPC_ANSWER_LEN];
    struct ipc_answer answer = answer_of(IPC_ANSWER_SLASHABLE), taken;
    struct packer p = {.data = bytes, .capacity = sizeof bytes};
    ipc_pack_answer(&p, &answer);
    assert_ok(pack_end(&p));
    struct cursor c = {bytes, sizeof bytes};
    assert_ok(ipc_take_answer(&taken, &c));
    assert_true(taken.has_limit && taken.limit == answer.limit);
    bytes[170] = 0;
    c = (struct cursor){bytes, sizeof bytes};
    assert_fails(E_INPUT, ipc_take_answer(&taken, &c));
}

int main(void)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 151 + i / 256 + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_refusals_are_verdicts),
        cmocka_unit_test(a_limit_comes_with_its_flag),
        cmocka_unit_test(every_message_comes_back_as_it_was),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(random_bytes_never_crash_and_have_one_form),
        cmocka_unit_test(headers_are_checked),
        cmocka_unit_test(batches_have_limits),
        cmocka_unit_test(a_batch_names_its_keys_apart),
        cmocka_unit_test(limits_of_text_hold),
        cmocka_unit_test(a_refusal_never_carries_a_signature),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
