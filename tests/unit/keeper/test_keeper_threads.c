/* test_keeper_threads.c - several threads of a real keeper sign what comes together: each signature is the
 * one that was asked for, each order is answered once, and the threads are held by the sandbox as the first
 * one. */
#include "keeper_rig.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { KEYS = 60, ROUNDS = 4, THREADS = 4 };

/* Votes for one thing by many, votes for as many things, and what needs no record, in turn. */
static struct eth2_order make_order(uint32_t i, uint64_t target)
{
    if (i % 3 == 0)
        return rig_vote(i % KEYS, target - 1, target, 7);
    if (i % 3 == 1)
        return rig_vote(i % KEYS, target - 1, target, (uint8_t)(8 + i));
    return rig_order(i % KEYS, ETH2_ORDER_RANDAO_REVEAL);
}

static void all_are_signed_as_they_were_asked_for(void **state)
{
    struct rig *rig = *state;
    static struct ipc_order orders[KEYS];
    static struct ipc_answer answers[KEYS];
    rig_boot(rig, KEYS);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < KEYS; i++)
            orders[i].order = make_order(i, 3 + round);
        for (size_t again = 0; again < 2; again++) { /* recorded; then hashed and recorded before */
            rig_sign(rig, answers, orders, KEYS);
            for (uint32_t i = 0; i < KEYS; i++)
                rig_assert_signed(rig, &answers[i], &orders[i].order);
        }
    }
    rig_stop(rig);
}

/* Answers come in packets while other orders are signed. */
static void several_packets_at_once(void **state)
{
    struct rig *rig = *state;
    enum { PACKETS = 6, EACH = KEYS / PACKETS };
    static struct ipc_order orders[KEYS];
    static struct ipc_answer answers[KEYS];
    rig_boot(rig, KEYS);
    for (uint32_t i = 0; i < KEYS; i++)
        orders[i].order = make_order(i, 5);
    for (uint32_t i = 0; i < PACKETS; i++)
        rig_send_orders(rig, orders + i * EACH, EACH);
    rig_take_answers(rig, answers, orders, KEYS);
    for (uint32_t i = 0; i < KEYS; i++)
        rig_assert_signed(rig, &answers[i], &orders[i].order);
    rig_stop(rig);
}

enum { MANY = 400 }; /* more than a turn of its loop signs */

/* Takes what the keeper still sends until its end; each answer is whole, of an order that was sent, and the
 * only one of it. */
static uint32_t take_the_rest(struct rig *rig, const struct ipc_order *orders)
{
    bool answered[MANY] = {0};
    size_t length = 0;
    uint32_t num = 0;
    while (!ipc_receive(rig->front, rig->packet, &length, NULL).code) {
        assert_ok(ipc_open(&rig->message, rig->packet, length));
        if (rig->message.type != IPC_SIGNED)
            continue;
        for (uint32_t i = 0; i < rig->message.count; i++, num++) {
            struct ipc_answer answer;
            assert_ok(ipc_take_answer(&answer, &rig->message.body));
            assert_in_range(answer.id, orders[0].id, orders[0].id + MANY - 1);
            size_t at = (size_t)(answer.id - orders[0].id);
            assert_false(answered[at]);
            answered[at] = true;
            rig_assert_signed(rig, &answer, &orders[at].order);
        }
        assert_ok(cursor_end(&rig->message.body));
    }
    return num;
}

/* Told to end while it signs, it finishes what it has begun and ends well. */
static void an_end_in_the_middle_is_a_clean_one(void **state)
{
    struct rig *rig = *state;
    enum { PACKETS = 4, EACH = MANY / PACKETS, TIMES = 8 };
    static struct ipc_order orders[MANY];
    uint32_t num_answered = 0;
    for (uint32_t time = 0; time < TIMES; time++) {
        rig_boot(rig, KEYS);
        for (uint32_t i = 0; i < MANY; i++) {
            orders[i].order =
                i < KEYS ? make_order(i, 5 + time) : rig_order(i % KEYS, ETH2_ORDER_RANDAO_REVEAL);
            if (i >= KEYS)
                memcpy(orders[i].order.of.object.root, &i, sizeof i);
        }
        for (uint32_t i = 0; i < PACKETS; i++)
            rig_send_orders(rig, orders + i * EACH, EACH);
        (void)usleep(time * 3000);
        assert_int_equal(kill(rig->pid, SIGTERM), 0);
        num_answered += take_the_rest(rig, orders);
        rig_expect_end(rig, 0);
    }
    assert_in_range(num_answered, 1, TIMES * MANY - 1);
}

static int seccomp_mode(pid_t pid, const char *thread)
{
    char path[320], line[256];
    int mode = -1;
    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/status", (int)pid, thread);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof line, status))
        (void)sscanf(line, "Seccomp: %d", &mode);
    (void)fclose(status);
    return mode;
}

static void each_thread_is_in_the_sandbox(void **state)
{
    struct rig *rig = *state;
    char path[64], first[16];
    size_t num_threads = 0;
    rig_boot(rig, 1);
    (void)snprintf(first, sizeof first, "%d", (int)rig->pid); /* builds for coverage have no sandbox */
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)rig->pid);
    DIR *folder = opendir(path);
    assert_non_null(folder);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        assert_int_equal(seccomp_mode(rig->pid, entry->d_name), seccomp_mode(rig->pid, first));
        num_threads++;
    }
    (void)closedir(folder);
#if !defined(__SANITIZE_THREAD__) /* which has one of its own */
    assert_int_equal(num_threads, THREADS);
#endif
    rig_stop(rig);
}

#define RIG_TEST(function) cmocka_unit_test_setup_teardown(function, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(all_are_signed_as_they_were_asked_for),
        RIG_TEST(several_packets_at_once),
        RIG_TEST(an_end_in_the_middle_is_a_clean_one),
        RIG_TEST(each_thread_is_in_the_sandbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
