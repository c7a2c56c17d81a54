/* test_keeper_network.c - a store across a network while keys serve: heads that change or lie, more reads
 * than there may be under way, answers in no form, and calls that fail. The test is front, courier and
 * loader. */
#include "keeper_courier.h"
#include "keeper_faults.h"
#include "keeper_manager.h"

#include "slashing/slashing_rules.h"

static uint8_t packet[IPC_PACKET_MAX];

static struct packer begin(void)
{
    return (struct packer){.data = packet, .capacity = sizeof packet};
}

static void expect_signed(struct rig *rig, struct eth2_order order)
{
    struct ipc_answer answer = courier_sign_one(&courier, rig, order);
    rig_assert_signed(rig, &answer, &order);
}

/* ---- heads ---- */

static void want_high_watermark(struct rig *rig)
{
    struct packer p = begin();
    ipc_pack_empty(&p, IPC_HIGH_WATERMARK_WANTED);
    rig_send(rig->front, &p);
}

static struct ipc_high_watermark take_high_watermark(struct rig *rig)
{
    struct ipc_high_watermark high;
    rig_expect(rig, rig->front, IPC_HIGH_WATERMARK);
    assert_ok(ipc_take_high_watermark(&high, &rig->message));
    return high;
}

static void the_high_watermark_is_as_it_was_read_last(void **state)
{
    struct rig *rig = *state;
    static const struct {
        bool is_set;
        uint64_t epoch, slot;
    } heads[] = {{false, 0, 0},    {true, 40, 1280}, {true, 41, 1280},
                 {true, 41, 1300}, {true, 41, 1300}, {false, 0, 0}};
    courier_boot(&courier, rig, 1);
    for (size_t i = 0; i < ARRAY_LENGTH(heads); i++) {
        courier.head.has_high_watermark = heads[i].is_set;
        courier.head.high_epoch = heads[i].epoch;
        courier.head.high_slot = heads[i].slot;
        courier_seal_head(&courier);
        want_high_watermark(rig);
        courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
        struct ipc_high_watermark high = take_high_watermark(rig);
        assert_int_equal(high.status, heads[i].is_set ? IPC_HIGH_WATERMARK_SET : IPC_HIGH_WATERMARK_NONE);
        assert_int_equal(high.epoch, heads[i].epoch);
        assert_int_equal(high.slot, heads[i].slot);
    }
    expect_signed(rig, rig_vote(0, 40, 41, 1));
    rig_stop(rig);
}

/* Read once more, it ends all signing: and nobody waits in vain for the high watermark. */
static void expect_broken_by_head(struct rig *rig)
{
    courier_seal_head(&courier);
    want_high_watermark(rig);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    assert_int_equal(take_high_watermark(rig).status, IPC_HIGH_WATERMARK_UNKNOWN);
    rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
    courier_expect_health(rig, false);
    want_high_watermark(rig);
    assert_int_equal(take_high_watermark(rig).status, IPC_HIGH_WATERMARK_UNKNOWN); /* without asking */
    rig_expect_silence(rig->courier);
    assert_int_equal(rig_sign_one(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL)).status, IPC_ANSWER_STORE);
    faults_bend_all(FAULT_clock_monotonic_ns, INT64_MAX / 2); /* later, nor does it look by itself */
    want_high_watermark(rig);
    (void)take_high_watermark(rig);
    rig_expect_silence(rig->courier);
    assert_true(faults_stop(FAULT_clock_monotonic_ns));
    rig_stop(rig);
}

static void an_earlier_generation_ends_all_signing(void **state)
{
    courier_boot(&courier, *state, 1);
    courier.head.generation--;
    expect_broken_by_head(*state);
}

static void a_head_that_is_gone_ends_all_signing(void **state)
{
    courier_boot(&courier, *state, 1);
    courier.status = IPC_STORE_HEAD_NONE;
    expect_broken_by_head(*state);
}

static void a_genesis_that_is_gone_ends_all_signing(void **state)
{
    courier_boot(&courier, *state, 1);
    expect_signed(*state, rig_vote(0, 1, 2, 1));
    courier.head.has_genesis = false;
    memset(courier.head.genesis_validators_root, 0, 32);
    expect_broken_by_head(*state);
}

static void another_genesis_ends_all_signing(void **state)
{
    courier_boot(&courier, *state, 1);
    expect_signed(*state, rig_vote(0, 1, 2, 1));
    courier.head.genesis_validators_root[31] ^= 1;
    expect_broken_by_head(*state);
}

static void a_head_that_cannot_be_read_is_asked_for_again(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 0); /* without keys there is no write that could say that all is well */
    courier.status = IPC_STORE_HEAD_FAILED;
    want_high_watermark(rig);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    assert_int_equal(take_high_watermark(rig).status, IPC_HIGH_WATERMARK_UNKNOWN);
    courier_expect_health(rig, false);
    courier.status = IPC_STORE_HEAD_FOUND;
    want_high_watermark(rig);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    assert_int_equal(take_high_watermark(rig).status, IPC_HIGH_WATERMARK_NONE);
    courier_expect_health(rig, true);
    rig_stop(rig);
}

/* The policy's root is locked at the start, once for all. */
static void a_policy_with_a_genesis_locks_it(void **state)
{
    struct rig *rig = *state;
    rig->policy.has_genesis_validators_root = true;
    memset(rig->policy.genesis_validators_root, 0x21, 32);
    rig->policy.single_mode = false;
    courier_boot(&courier, rig, 1);
    assert_true(courier.head.has_genesis);
    assert_int_equal(courier.head.genesis_validators_root[5], 0x21);
    unsigned sets = courier.num_head_sets;
    expect_signed(rig, rig_vote(0, 1, 2, 1));
    rig_stop(rig);
    courier_boot(&courier, rig, 1);
    assert_int_equal(courier.num_head_sets, sets);
    rig_stop(rig);
}

/* Who waits for the lock goes on when a start has made it. */
static void orders_go_on_when_an_import_locks_the_genesis(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    struct slashing_record history = courier_vote_record(6, 7);
    struct eth2_order vote = rig_vote(0, 1, 2, 1);
    rig->option = "--key-manager";
    courier_boot(&courier, rig, 1);
    manager_begin_import(rig, 1, 1, 1, &history);
    courier.head_sets = COURIER_KEEPS;
    manager_send_key(rig, 0, 1);
    rig_loader_end(rig, 1, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET);
    courier_send_order(rig, &order, vote);
    rig_expect_silence(rig->front);
    courier_answer_kept(&courier, rig, 0);
    courier.head_sets = COURIER_HONEST;
    courier_serve_until(&courier, rig, rig->front);
    struct ipc_answer answer = courier_take_answer(rig, &order);
    rig_assert_signed(rig, &answer, &vote);
}

static void send_head_bytes(struct rig *rig, uint8_t value)
{
    uint8_t bytes[SLASHING_HEAD_BYTES];
    struct packer p = begin();
    memset(bytes, value, sizeof bytes);
    ipc_pack_store_head(&p, &(struct ipc_store_head){.status = IPC_STORE_HEAD_FOUND, .head = bytes});
    rig_send(rig->courier, &p);
}

static void a_head_in_no_form_ends_it(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    want_high_watermark(rig);
    rig_expect(rig, rig->courier, IPC_STORE_HEAD_WANTED);
    send_head_bytes(rig, 0xff);
    rig_expect_end(rig, 1);
}

static void another_head_was_set_than_was_asked_ends_it(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    courier_boot(&courier, rig, 1);
    courier_send_order(rig, &order, rig_vote(0, 1, 2, 1));
    rig_expect(rig, rig->courier, IPC_STORE_HEAD_SET);
    struct packer p = begin();
    ipc_pack_store_head_is_set(&p, &(struct ipc_store_head_is_set){.id = 99, .outcome = IPC_STORE_DONE});
    rig_send(rig->courier, &p);
    rig_expect_end(rig, 1);
}

/* A start that has been read everything waits for its turn to change the head. */
static void a_look_at_the_head_does_not_cross_an_enrolment(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    struct packer p = begin();
    ipc_pack_empty(&p, IPC_RELOAD);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, 1, 0);
    rig_take_loader(rig);
    rig_load_keys(rig, 0, 2);
    courier.loads = COURIER_KEEPS;
    rig_loader_end(rig, 2, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    courier.heads = COURIER_KEEPS;
    want_high_watermark(rig);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    courier_answer_kept(&courier, rig, 0);
    rig_expect_silence(rig->courier); /* one thing at a time */
    courier_answer_kept(&courier, rig, 1);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_SET);
    (void)take_high_watermark(rig);
    manager_expect_keys(rig, 2);
    rig_expect(rig, rig->front, IPC_RELOADED);
    rig_expect_state(rig, IPC_SERVE_STATE, 2, 0);
    expect_signed(rig, rig_vote(1, 1, 2, 1));
    rig_stop(rig);
}

/* ---- seals that cannot be made ---- */

static void without_a_seal_nothing_is_recorded_or_signed(void **state)
{
    struct rig *rig = *state;
    courier_boot(&courier, rig, 1);
    faults_fail(FAULT_slashing_seal_entry, 1);
    struct ipc_order order;
    courier_send_order(rig, &order, rig_vote(0, 1, 2, 1));
    rig_expect_state(rig, IPC_FAILED_STATE, 1, 0);
    courier_expect_health(rig, false);
    assert_int_equal(courier.num_advances, 0);
    rig_expect_silence(rig->courier);
    assert_int_equal(rig_sign_one(rig, rig_order(0, ETH2_ORDER_RANDAO_REVEAL)).status, IPC_ANSWER_STORE);
    rig_stop(rig);
}

static void without_a_seal_there_is_no_start(void **state)
{
    struct rig *rig = *state;
    static const struct {
        enum fault fault;
        bool is_broken;
        unsigned num_asked; /* of the courier, before it */
    } faults[] = {{FAULT_slashing_seal_open, false, 1},
                  {FAULT_slashing_seal_identity, false, 1},
                  {FAULT_slashing_seal_head, true, 2},
                  {FAULT_slashing_seal_entry, false, 2},
                  {FAULT_calloc, false, 0}};
    for (size_t i = 0; i < ARRAY_LENGTH(faults); i++) {
        rig_boot_to_load(rig);
        courier_send_store_key(&courier, rig);
        rig_load_keys(rig, 0, 2);
        courier_serve_one(&courier, rig, IPC_STORE_OPEN);
        faults_fail(faults[i].fault, 1);
        rig_loader_end(rig, 2, 0);
        for (unsigned asked = 0; asked < faults[i].num_asked; asked++)
            courier_serve_one(&courier, rig, asked == 0 ? IPC_STORE_HEAD_WANTED : IPC_STORE_LOAD);
        if (faults[i].is_broken)
            rig_expect_state(rig, IPC_FAILED_STATE, 0, 0);
        rig_expect_end(rig, 1);
        assert_true(faults_stop(faults[i].fault));
    }
}

/* ---- more than may be under way ---- */

enum { MANY = 1100, PLACES = 8 };

static struct ipc_order orders[MANY];

static void make_orders(uint64_t epoch, uint32_t num)
{
    for (uint32_t i = 0; i < num; i++)
        orders[i] = (struct ipc_order){.order = rig_vote(i, epoch, epoch + 1, 1)};
}

/* Nothing is known of the records of all but the last key; the store works. */
static void forget_all_but_one(struct rig *rig, uint32_t num, uint64_t epoch)
{
    make_orders(epoch, num);
    courier.advances = COURIER_LOSES;
    for (uint32_t at = 0; at < num; at += RIG_ORDERS_MAX) {
        uint32_t part = num - at < RIG_ORDERS_MAX ? num - at : RIG_ORDERS_MAX, taken = 0;
        rig_send_orders(rig, orders + at, part);
        while (taken < part) {
            courier_serve_until(&courier, rig, rig->front);
            rig_receive(rig, rig->front);
            if (rig->message.type == IPC_SIGNED)
                taken += rig->message.count;
        }
    }
    courier.advances = COURIER_HONEST;
    struct ipc_order order;
    courier_send_order(rig, &order, rig_vote(num, epoch, epoch + 1, 1));
    for (bool is_answered = false; !is_answered;) {
        courier_serve_until(&courier, rig, rig->front);
        rig_receive(rig, rig->front);
        is_answered = rig->message.type == IPC_SIGNED;
    }
}

static void take_health_if_there(struct rig *rig)
{
    struct ipc_health health;
    rig_receive(rig, rig->front);
    if (rig->message.type == IPC_HEALTH)
        assert_ok(ipc_take_health(&health, &rig->message));
}

/* A reload with a new key, which finds no place for its reads. */
static void expect_no_reload(struct rig *rig, uint32_t served)
{
    struct packer p = begin();
    struct ipc_load_result answer;
    ipc_pack_empty(&p, IPC_RELOAD);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, served, 0);
    rig_take_loader(rig);
    rig_load_keys(rig, 0, served + 1);
    rig_loader_end(rig, served + 1, 0);
    courier_serve_one(&courier, rig, IPC_STORE_HEAD_WANTED);
    rig_expect(rig, rig->front, IPC_RELOADED);
    assert_ok(ipc_take_reloaded(&answer, &rig->message));
    assert_false(answer.ok);
    assert_non_null(memmem(answer.text.data, answer.text.length, "too many reads are under way", 28));
    rig_expect_state(rig, IPC_SERVE_STATE, served, 0);
}

static void so_many_reads_are_under_way_and_no_more(void **state)
{
    struct rig *rig = *state;
    uint32_t num = courier.is_sealed ? 20 : MANY - 1; /* so many that a read takes several packets */
    courier_boot(&courier, rig, num + 1);
    forget_all_but_one(rig, num, 1);
    take_health_if_there(rig);
    make_orders(2, num);
    courier.loads = COURIER_KEEPS;
    courier.num_kept = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        rig_send_orders(rig, &orders[i], 1);
        courier_serve_one(&courier, rig, IPC_STORE_LOAD);
    }
    for (uint32_t at = PLACES; at < num; at += RIG_ORDERS_MAX)
        rig_send_orders(rig, orders + at, num - at < RIG_ORDERS_MAX ? num - at : RIG_ORDERS_MAX);
    struct ipc_order again = {.order = orders[PLACES].order};
    rig_send_orders(rig, &again, 1); /* waits behind the first of its key, whose read is not even sent */
    rig_expect_silence(rig->courier);
    rig_expect_silence(rig->front);
    expect_no_reload(rig, num + 1);
    courier.loads = COURIER_HONEST;
    for (uint32_t i = 0; i < PLACES; i++)
        courier_answer_kept(&courier, rig, i);
    for (uint32_t taken = 0; taken < num + 1;) {
        courier_serve_until(&courier, rig, rig->front);
        rig_receive(rig, rig->front);
        for (uint32_t i = 0; rig->message.type == IPC_SIGNED && i < rig->message.count; i++, taken++) {
            struct ipc_answer answer;
            assert_ok(ipc_take_answer(&answer, &rig->message.body));
            assert_int_equal(answer.status, IPC_ANSWER_SIGNED);
        }
    }
    rig_stop(rig);
}

static void without_a_place_orders_wait_for_the_next_turn(void **state)
{
    struct rig *rig = *state;
    struct ipc_order order;
    struct eth2_order vote = rig_vote(0, 1, 2, 1), randao = rig_order(0, ETH2_ORDER_RANDAO_REVEAL);
    courier_boot(&courier, rig, 2);
    for (int round = 0; round < 2; round++) {
        faults_fail(FAULT_keeper_requests_new, 1);
        courier_send_order(rig, &order, vote);
        faults_await(FAULT_keeper_requests_new);
        rig_expect_silence(rig->courier);
        assert_true(faults_stop(FAULT_keeper_requests_new));
        struct ipc_order other = {.order = randao};
        static uint8_t one[IPC_PACKET_MAX];
        struct packer p = {.data = one, .capacity = sizeof one};
        other.id = 1;
        ipc_begin(&p, IPC_SIGN, 1);
        ipc_pack_order(&p, &other);
        rig_send(rig->front, &p); /* anything that wakes it */
        rig_expect(rig, rig->front, IPC_SIGNED);
        courier.advances = round == 0 ? COURIER_LOSES : COURIER_HONEST;
        courier_serve_until(&courier, rig, rig->front);
        struct ipc_answer answer = courier_take_answer(rig, &order);
        assert_int_equal(answer.status, round == 0 ? IPC_ANSWER_STORE : IPC_ANSWER_SIGNED);
        if (round == 0) { /* then its record has to be read first */
            courier_expect_health(rig, false);
            courier.advances = COURIER_HONEST;
            expect_signed(rig, rig_vote(1, 1, 2, 1));
            courier_expect_health(rig, true);
        }
    }
    rig_stop(rig);
}

/* ---- entries in no form ---- */

static void send_entries(struct rig *rig, uint64_t id, const uint8_t *named, uint32_t num)
{
    struct packer p = begin();
    ipc_pack_store_entries(&p, &(struct ipc_store_entries){
                                   .id = id, .status = IPC_STORE_LAST, .entries = named, .num_entries = num});
    rig_send(rig->courier, &p);
}

/* Of the other key. The id of the request that comes next: that follows, in the other of two places. */
static uint64_t begin_advance(struct rig *rig)
{
    struct ipc_order order;
    courier.num_kept = 0;
    courier.advances = COURIER_KEEPS;
    courier_send_order(rig, &order, rig_vote(1, 50, 51, 1));
    courier_serve_one(&courier, rig, IPC_STORE_ADVANCE);
    courier.advances = COURIER_HONEST;
    uint64_t id = courier_kept_id(&courier, 0), places = 16384;
    buffer_cleanup(&courier.kept[0]);
    courier.num_kept = 0;
    return id - id % places + places + (id % places == 0);
}

static void entries_that_are_no_answer_end_it(void **state)
{
    struct rig *rig = *state;
    enum { ENTRY = IPC_STORE_NAMED_ENTRY_LEN };
    for (int attack = 0; attack < 8; attack++) {
        static uint8_t named[2][ENTRY];
        struct slashing_entry entry = {.record = courier_vote_record(0, 1)};
        struct ipc_store_load load;
        struct ipc_order order;
        courier_boot(&courier, rig, 2);
        forget_all_but_one(rig, 1, 10 + (uint64_t)attack);
        take_health_if_there(rig);
        uint64_t waiting = begin_advance(rig);
        courier_send_order(rig, &order, rig_vote(0, 50, 51, 1));
        rig_expect(rig, rig->courier, IPC_STORE_LOAD);
        assert_ok(ipc_take_store_load(&load, &rig->message));
        assert_int_equal(load.num_keys, 1);
        if (attack == 4)
            entry.stamp.generation = 1;
        if (attack == 5)
            entry.stamp.mac[31] = 1;
        for (size_t i = 0; i < 2; i++) {
            memcpy(named[i], rig_pubkey(attack == 0), 48);
            slashing_entry_encode(named[i] + 48, &entry);
        }
        if (attack == 3)
            memset(named[0] + 48, 0xff, ENTRY - 48);
        if (attack == 7) /* the request that waits for the read, as if it were an advance */
            courier_send_advanced(rig,
                                  &(struct ipc_store_advanced){.id = waiting, .outcome = IPC_STORE_DONE});
        else
            send_entries(rig, load.id + (attack == 6), named[0], attack == 1 ? 2 : attack != 2);
        rig_expect_end(rig, 1);
    }
}

int main(void)
{
#define SEALED(function)                                                                                     \
    cmocka_unit_test_setup_teardown(function, faults_setup_sealed, faults_teardown_courier)
#define PLAIN(function) cmocka_unit_test_setup_teardown(function, faults_setup_plain, faults_teardown_courier)
    const struct CMUnitTest tests[] = {
        SEALED(the_high_watermark_is_as_it_was_read_last),
        SEALED(an_earlier_generation_ends_all_signing),
        SEALED(a_head_that_is_gone_ends_all_signing),
        PLAIN(a_genesis_that_is_gone_ends_all_signing),
        PLAIN(another_genesis_ends_all_signing),
        SEALED(a_head_that_cannot_be_read_is_asked_for_again),
        PLAIN(a_policy_with_a_genesis_locks_it),
        PLAIN(orders_go_on_when_an_import_locks_the_genesis),
        SEALED(a_head_in_no_form_ends_it),
        PLAIN(another_head_was_set_than_was_asked_ends_it),
        SEALED(a_look_at_the_head_does_not_cross_an_enrolment),
        SEALED(without_a_seal_nothing_is_recorded_or_signed),
        SEALED(without_a_seal_there_is_no_start),
        SEALED(so_many_reads_are_under_way_and_no_more),
        PLAIN(so_many_reads_are_under_way_and_no_more),
        SEALED(without_a_place_orders_wait_for_the_next_turn),
        PLAIN(entries_that_are_no_answer_end_it),
    };
    if (secret_heap_open(1 << 20).code)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
