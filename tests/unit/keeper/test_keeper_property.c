/* test_keeper_property.c - random orders to a real keeper on its SQLite store, which is killed at random
 * moments and started again, and reads its keys anew while orders wait, so that some leave and come back; a
 * judge who knows all signatures that it ever answered with. NS_ORDERS says how many, NS_SEED which. */
#include "keeper_rig.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "slashing/slashing_judge.h"

enum { KEYS = 5, BATCH = 12, BATCHES_A_LIFE = 25 };

static struct judge_validator validators[KEYS];
/* The highest signed heights and the source there: orders are made near them. */
static uint64_t slots[KEYS], sources[KEYS], targets[KEYS];
static struct eth2_order latest[KEYS];
static uint64_t num_orders, num_signed, num_refused, num_unknown, num_deaths, num_reloads;
/* The keys in service, and those of the reload that is under way. */
static struct range {
    uint32_t first, count;
} served, wanted_keys;
static bool is_reloading;

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

static uint64_t chance(int below)
{
    return (uint64_t)(rand() % below);
}

static uint64_t near(uint64_t mark, int up)
{
    uint64_t there = mark + chance(up + 2);
    return there >= 2 ? there - chance(3) : there;
}

static struct eth2_order random_order(uint32_t key)
{
    uint8_t variety = (uint8_t)chance(2);
    switch (chance(6)) {
    case 0:
        return latest[key].kind ? latest[key] : rig_vote(key, 0, 1, variety);
    case 1:
        return rig_block(key, near(slots[key], 2), variety);
    case 2: /* as an honest client goes on */
        return rig_vote(key, targets[key], targets[key] + 1, variety);
    case 3: /* at the mark */
        return rig_vote(key, sources[key], targets[key], variety);
    default:
        return rig_vote(key, near(sources[key], 2), near(targets[key], 3), variety);
    }
}

static void note_marks(uint32_t key, const struct judge_message *message)
{
    if (message->is_block && message->height > slots[key])
        slots[key] = message->height;
    if (!message->is_block && message->height >= targets[key]) {
        targets[key] = message->height;
        sources[key] = message->source;
    }
}

static void judge(struct rig *rig, const struct ipc_order *asked, uint32_t key,
                  const struct ipc_answer *answer)
{
    const struct eth2_order *order = &asked->order;
    struct judge_message message = {.is_block = order->kind == ETH2_ORDER_BLOCK}, other;
    if (answer->status == IPC_ANSWER_UNKNOWN_KEY) {
        assert_true(is_reloading || served.count < KEYS);
        num_unknown++;
        return;
    }
    if (answer->status != IPC_ANSWER_SIGNED) {
        assert_int_equal(answer->status, IPC_ANSWER_SLASHABLE);
        num_refused++;
        return;
    }
    num_signed++;
    if (chance(16) == 0)
        rig_assert_signed(rig, answer, order);
    message.source = message.is_block ? 0 : order->of.attestation.source.epoch;
    message.height = message.is_block ? order->of.header.slot : order->of.attestation.target.epoch;
    memcpy(message.root, answer->signing_root, sizeof message.root);
    if (judge_convicts(&validators[key], &other, &message))
        fail_msg("key %u: source %llu height %llu, and source %llu height %llu", key,
                 (unsigned long long)other.source, (unsigned long long)other.height,
                 (unsigned long long)message.source, (unsigned long long)message.height);
    note_marks(key, &message);
}

static void begin_reload(struct rig *rig)
{
    uint8_t packet[16];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    ipc_pack_empty(&p, IPC_RELOAD);
    rig_send(rig->front, &p);
    rig_expect_state(rig, IPC_LOAD_STATE, served.count, served.count < KEYS);
    rig_take_loader(rig);
    is_reloading = true;
    num_reloads++;
}

/* All keys; or some, and a file that failed: so none is disabled. */
static void bring_keys(struct rig *rig)
{
    uint8_t packet[128];
    struct packer p = {.data = packet, .capacity = sizeof packet};
    wanted_keys = (struct range){0, KEYS};
    if (chance(2)) {
        wanted_keys.first = (uint32_t)chance(KEYS);
        wanted_keys.count = (uint32_t)chance(KEYS - (int)wanted_keys.first);
        ipc_pack_record_failed(&p,
                               &(struct ipc_record_failed){9, E_CRYPTO, {(const uint8_t *)"bad", 3}, NULL});
        rig_send(rig->loader, &p);
    }
    rig_load_keys(rig, wanted_keys.first, wanted_keys.count);
    rig_loader_end(rig, wanted_keys.count, wanted_keys.count < KEYS);
}

static void end_reload(struct rig *rig)
{
    struct ipc_load_result done;
    assert_ok(ipc_take_reloaded(&done, &rig->message));
    assert_true(is_reloading && done.ok && done.keys == wanted_keys.count);
    served = wanted_keys;
    rig_expect_state(rig, IPC_SERVE_STATE, served.count, served.count < KEYS);
    is_reloading = false;
}

/* Takes answers until all are there and the reload is over, or, from a dead keeper, until the end. */
static void take_answers(struct rig *rig, const struct ipc_order *orders, const uint32_t *keys, bool is_dead)
{
    for (uint32_t taken = 0; taken < BATCH || is_reloading;) {
        size_t length = 0;
        if (is_dead && ipc_receive(rig->front, rig->packet, &length, NULL).code)
            return;
        if (is_dead)
            assert_ok(ipc_open(&rig->message, rig->packet, length));
        else
            rig_receive(rig, rig->front);
        if (rig->message.type == IPC_RELOADED && !is_dead) {
            end_reload(rig);
            continue;
        }
        for (uint32_t i = 0; rig->message.type == IPC_SIGNED && i < rig->message.count; i++, taken++) {
            struct ipc_answer answer;
            assert_ok(ipc_take_answer(&answer, &rig->message.body));
            uint64_t at = answer.id - orders[0].id; /* in any order */
            assert_in_range(at, 0, BATCH - 1);
            judge(rig, &orders[at], keys[at], &answer);
        }
    }
}

static void one_batch(struct rig *rig, bool is_last)
{
    struct ipc_order orders[BATCH] = {0};
    uint32_t keys[BATCH];
    bool is_for_many = chance(3) == 0; /* one message for some keys, in two packets */
    for (int i = 0; i < BATCH; i++) {
        keys[i] = (uint32_t)chance(KEYS);
        orders[i].order = is_for_many && i > 0 ? orders[0].order : random_order(keys[i]);
        memcpy(orders[i].order.pubkey, rig_pubkey(keys[i]), 48);
        latest[keys[i]] = orders[i].order;
    }
    enum { BEFORE, AROUND, AFTER, NEVER } reload = chance(4) ? NEVER : (unsigned)chance(3);
    if (reload <= AROUND)
        begin_reload(rig);
    if (reload == BEFORE)
        bring_keys(rig);
    if (is_for_many) {
        rig_send_many(rig, orders, BATCH / 2, true);
        rig_send_many(rig, orders + BATCH / 2, BATCH / 2, false);
    } else {
        rig_send_orders(rig, orders, BATCH);
    }
    if (reload == AFTER)
        begin_reload(rig);
    if (reload == AROUND || reload == AFTER)
        bring_keys(rig);
    num_orders += BATCH;
    if (is_last) {
        (void)usleep((useconds_t)chance(4000));
        assert_int_equal(kill(rig->pid, SIGKILL), 0);
        num_deaths++;
    }
    take_answers(rig, orders, keys, is_last);
}

static void a_keeper_that_is_killed_signs_nothing_slashable(void **state)
{
    struct rig *rig = *state;
    uint64_t seed = from_environment("NS_SEED", (uint64_t)time(NULL)),
             wanted = from_environment("NS_ORDERS", 3000);
    print_message("NS_SEED=%llu: ", (unsigned long long)seed);
    srand((unsigned)seed);
    while (num_orders < wanted) {
        rig_boot(rig, KEYS);
        served = (struct range){0, KEYS};
        is_reloading = false;
        for (int batches = 1 + (int)chance(BATCHES_A_LIFE); batches > 0; batches--)
            one_batch(rig, batches == 1);
        rig_kill(rig);
    }
    print_message(
        "%llu orders, %llu signed, %llu refused, %llu of keys that were away, %llu reloads, %llu deaths\n",
        (unsigned long long)num_orders, (unsigned long long)num_signed, (unsigned long long)num_refused,
        (unsigned long long)num_unknown, (unsigned long long)num_reloads, (unsigned long long)num_deaths);
    assert_true(num_unknown > 0 && num_reloads > 0);
    assert_true(num_signed > num_orders / 10 && num_refused > num_orders / 10);
    for (int i = 0; i < KEYS; i++)
        judge_forget(&validators[i]);
}

/* The same judge, and a keeper without protection. */
static void a_keeper_without_protection_is_convicted(void **state)
{
    struct rig *rig = *state;
    struct judge_validator validator = {0};
    struct judge_message other;
    bool convicted = false;
    rig->policy.slashing_protection = false;
    assert_ok(policy_set_store(&rig->policy, "none"));
    rig_boot(rig, 1);
    for (uint8_t variety = 0; variety < 2; variety++) {
        struct eth2_order vote = rig_vote(0, 5, 6, variety);
        struct ipc_answer answer = rig_sign_one(rig, vote);
        struct judge_message message = {.source = 5, .height = 6};
        rig_assert_signed(rig, &answer, &vote);
        memcpy(message.root, answer.signing_root, sizeof message.root);
        convicted = judge_convicts(&validator, &other, &message);
    }
    assert_true(convicted);
    judge_forget(&validator);
    rig_stop(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_keeper_that_is_killed_signs_nothing_slashable, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_keeper_without_protection_is_convicted, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
