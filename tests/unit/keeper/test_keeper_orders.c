/* test_keeper_orders.c - in which order orders are signed, by themselves and against a model: queues of
 * numbers, and the rule that is promised of them. */
#include "testing.h"

#include "keeper/keeper_orders.h"

enum { STEPS = 20000, MODEL_MAX = 4096 };

static struct keeper_orders orders;
static uint64_t next_id;

static const enum eth2_order_kind kinds[] = {ETH2_ORDER_ATTESTATION, ETH2_ORDER_AGGREGATE_AND_PROOF,
                                             ETH2_ORDER_VALIDATOR_REGISTRATION};

static int setup(void **state)
{
    (void)state;
    keeper_orders_open(&orders);
    next_id = 0;
    return 0;
}

static struct keeper_order *add(enum eth2_order_kind kind, bool is_of_many)
{
    struct ipc_order heard = {.id = next_id++, .order.kind = kind};
    struct keeper_order *order = keeper_orders_add(&orders, &heard, 0);
    order->is_of_many = is_of_many;
    return order;
}

static void add_signable(enum eth2_order_kind kind, size_t count)
{
    while (count-- > 0)
        keeper_orders_make_signable(&orders, add(kind, false));
}

/* What is taken at once, and gives the places back. Returns how many. */
static size_t take(struct keeper_order *ret_taken, size_t max)
{
    struct keeper_order_list taken = TAILQ_HEAD_INITIALIZER(taken);
    struct keeper_order *order;
    size_t num = 0;
    keeper_orders_take_signable(&orders, &taken, max);
    while ((order = TAILQ_FIRST(&taken))) {
        ret_taken[num++] = *order;
        keeper_orders_remove(&orders, order);
    }
    return num;
}

static void every_kind_has_its_lane(void **state)
{
    (void)state;
    static const enum eth2_due expected[ETH2_ORDER_KIND_END] = {
        [0] = ETH2_DUE_WHENEVER,
        [ETH2_ORDER_DEPOSIT] = ETH2_DUE_WHENEVER,
        [ETH2_ORDER_VOLUNTARY_EXIT] = ETH2_DUE_WHENEVER,
        [ETH2_ORDER_AGGREGATION_SLOT] = ETH2_DUE_LATE,
        [ETH2_ORDER_AGGREGATE_AND_PROOF] = ETH2_DUE_LATE,
        [ETH2_ORDER_SYNC_COMMITTEE_SELECTION_PROOF] = ETH2_DUE_LATE,
        [ETH2_ORDER_SYNC_COMMITTEE_CONTRIBUTION_AND_PROOF] = ETH2_DUE_LATE,
        [ETH2_ORDER_VALIDATOR_REGISTRATION] = ETH2_DUE_WHENEVER,
        [ETH2_ORDER_BLS_TO_EXECUTION_CHANGE] = ETH2_DUE_WHENEVER,
        [ETH2_ORDER_PAYLOAD_ATTESTATION_MESSAGE] = ETH2_DUE_LATE,
        [ETH2_ORDER_PROPOSER_PREFERENCES] = ETH2_DUE_WHENEVER,
        [ETH2_ORDER_INCLUSION_LIST] = ETH2_DUE_LATE,
    };
    for (int kind = 0; kind < ETH2_ORDER_KIND_END; kind++)
        assert_int_equal(eth2_order_due((enum eth2_order_kind)kind), expected[kind]);
    assert_int_equal(eth2_order_due(ETH2_ORDER_KIND_END), ETH2_DUE_WHENEVER);
}

/* Whatever waits, a few that are due early are the next, in their order, and by themselves: nobody waits for
 * the signatures of what is taken with them. */
static void who_is_due_early_is_next(void **state)
{
    (void)state;
    struct keeper_order taken[32];
    add_signable(ETH2_ORDER_VALIDATOR_REGISTRATION, 10000);
    add_signable(ETH2_ORDER_AGGREGATION_SLOT, 2000);
    add_signable(ETH2_ORDER_ATTESTATION, 2);
    add_signable(ETH2_ORDER_BLOCK, 1);
    assert_true(keeper_orders_lone_are_due(&orders));
    assert_int_equal(take(taken, 32), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(taken[i].answer.id, 12000 + i);
    assert_false(keeper_orders_lone_are_due(&orders));
    assert_int_equal(take(taken, 32), 32);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(taken[i].answer.id, 10000 + i);
    keeper_orders_make_signable(&orders, add(ETH2_ORDER_RANDAO_REVEAL, true));
    assert_false(keeper_orders_lone_are_due(&orders));
    assert_int_equal(take(taken, 32), 1);
    assert_int_equal(taken[0].order.kind, ETH2_ORDER_RANDAO_REVEAL);
}

/* However many come that are due before it. */
static void no_lane_starves(void **state)
{
    (void)state;
    static struct keeper_order taken[4 * KEEPER_WHENEVER_SHARE];
    size_t num_of[ETH2_ORDER_KIND_END] = {0};
    add_signable(ETH2_ORDER_ATTESTATION, ARRAY_LENGTH(taken));
    add_signable(ETH2_ORDER_AGGREGATE_AND_PROOF, 1000);
    add_signable(ETH2_ORDER_VALIDATOR_REGISTRATION, 1000);
    assert_int_equal(take(taken, ARRAY_LENGTH(taken)), ARRAY_LENGTH(taken));
    for (size_t i = 0; i < ARRAY_LENGTH(taken); i++)
        num_of[taken[i].order.kind]++;
    assert_int_equal(num_of[ETH2_ORDER_VALIDATOR_REGISTRATION], 4);
    assert_int_equal(num_of[ETH2_ORDER_AGGREGATE_AND_PROOF], ARRAY_LENGTH(taken) / KEEPER_LATE_SHARE - 4);
}

static void a_deadline_ends_with_being_signable(void **state)
{
    (void)state;
    struct keeper_order *first = add(ETH2_ORDER_ATTESTATION, false),
                        *second = add(ETH2_ORDER_VALIDATOR_REGISTRATION, false);
    uint64_t late = (uint64_t)KEEPER_ORDER_SECONDS * 1000000000;
    assert_null(keeper_orders_expired(&orders, late - 1));
    assert_ptr_equal(keeper_orders_expired(&orders, late), first);
    keeper_orders_make_signable(&orders, first);
    assert_ptr_equal(keeper_orders_expired(&orders, late), second);
    keeper_orders_make_signable(&orders, second);
    assert_null(keeper_orders_expired(&orders, UINT64_MAX));
    assert_int_equal(keeper_orders_deadline_ns(&orders), UINT64_MAX);
}

/* Of each list the first one, so that all that are late are found one by one. */
static void what_is_late_is_found_in_every_lane(void **state)
{
    (void)state;
    struct keeper_order *late;
    for (size_t i = 0; i < 4 * ARRAY_LENGTH(kinds); i++) {
        struct ipc_order heard = {
            .id = i, .patience_ms = (uint16_t)(1 + i), .order.kind = kinds[i % ARRAY_LENGTH(kinds)]};
        struct keeper_order *order = keeper_orders_add(&orders, &heard, 1000);
        order->is_of_many = i / ARRAY_LENGTH(kinds) % 2;
        keeper_orders_make_signable(&orders, order);
    }
    add_signable(ETH2_ORDER_ATTESTATION, 1); /* does not say how long it waits */
    assert_null(keeper_orders_late(&orders, 1000 + 999999));
    for (uint64_t ms = 1; ms <= 4 * ARRAY_LENGTH(kinds); ms++) {
        late = keeper_orders_late(&orders, 1000 + ms * 1000000);
        assert_non_null(late);
        assert_int_equal(late->answer.id, ms - 1);
        keeper_orders_remove(&orders, late);
        assert_null(keeper_orders_late(&orders, 1000 + ms * 1000000));
    }
    assert_null(keeper_orders_late(&orders, UINT64_MAX - 1));
    assert_true(keeper_orders_are_signable(&orders));
}

/* ---- the model ---- */

struct queue {
    uint64_t ids[MODEL_MAX];
    size_t first, num; /* a ring */
};

static struct {
    struct queue lone, of_many;
    bool many_are_next;
} lanes[ARRAY_LENGTH(kinds)];

static void push(struct queue *queue, uint64_t id)
{
    assert_true(queue->num < MODEL_MAX);
    queue->ids[(queue->first + queue->num++) % MODEL_MAX] = id;
}

static uint64_t pop(struct queue *queue)
{
    assert_true(queue->num > 0);
    uint64_t id = queue->ids[queue->first];
    queue->first = (queue->first + 1) % MODEL_MAX;
    queue->num--;
    return id;
}

static size_t waiting_in(size_t lane)
{
    return lanes[lane].lone.num + lanes[lane].of_many.num;
}

static size_t first_lane(void)
{
    size_t lane = 0;
    while (lane < ARRAY_LENGTH(lanes) && waiting_in(lane) == 0)
        lane++;
    return lane;
}

static uint64_t model_next(size_t lane)
{
    if (lanes[lane].lone.num == 0)
        return pop(&lanes[lane].of_many);
    if (lanes[lane].of_many.num == 0)
        return pop(&lanes[lane].lone);
    lanes[lane].many_are_next = !lanes[lane].many_are_next;
    return pop(lanes[lane].many_are_next ? &lanes[lane].of_many : &lanes[lane].lone);
}

static void add_by_chance(void)
{
    size_t lane = (size_t)rand() % ARRAY_LENGTH(kinds);
    bool is_of_many = rand() % 2;
    if (waiting_in(lane) >= MODEL_MAX / 2)
        return;
    struct keeper_order *order = add(kinds[lane], is_of_many);
    keeper_orders_make_signable(&orders, order);
    push(is_of_many ? &lanes[lane].of_many : &lanes[lane].lone, order->answer.id);
}

static void take_by_chance(uint64_t *num_taken, uint64_t *num_shares)
{
    struct keeper_order taken[32];
    size_t max = 1 + (size_t)rand() % 32, first = first_lane();
    size_t num = take(taken, max);
    assert_true(num > 0 || first == ARRAY_LENGTH(lanes));
    for (size_t i = 0; i < num; i++) {
        size_t lane = (size_t)eth2_order_due(taken[i].order.kind);
        assert_true(waiting_in(first) > 0);
        assert_int_equal(taken[i].answer.id, model_next(lane));
        (*num_taken)++;
        if (lane != first) {
            assert_true(lane > first);
            assert_int_equal(*num_taken % (lane == 1 ? KEEPER_LATE_SHARE : KEEPER_WHENEVER_SHARE), 0);
            (*num_shares)++;
        }
    }
    assert_true(num == max || first == ARRAY_LENGTH(lanes) || waiting_in(first) == 0);
}

static void as_the_model_does(void **state)
{
    (void)state;
    uint64_t num_taken = 0, num_shares = 0;
    memset(lanes, 0, sizeof lanes);
    srand(7);
    for (int i = 0; i < STEPS; i++) {
        int adds = rand() % (i / 1000 % 2 ? 60 : 24); /* by times more come than go */
        while (adds-- > 0)
            add_by_chance();
        take_by_chance(&num_taken, &num_shares);
    }
    while (keeper_orders_are_signable(&orders))
        take_by_chance(&num_taken, &num_shares);
    assert_int_equal(first_lane(), ARRAY_LENGTH(lanes));
    assert_int_equal(keeper_orders_room(&orders), KEEPER_ORDERS_MAX);
    assert_in_range(num_shares, 100, num_taken / KEEPER_LATE_SHARE + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_kind_has_its_lane, setup),
        cmocka_unit_test_setup(who_is_due_early_is_next, setup),
        cmocka_unit_test_setup(no_lane_starves, setup),
        cmocka_unit_test_setup(a_deadline_ends_with_being_signable, setup),
        cmocka_unit_test_setup(what_is_late_is_found_in_every_lane, setup),
        cmocka_unit_test_setup(as_the_model_does, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
