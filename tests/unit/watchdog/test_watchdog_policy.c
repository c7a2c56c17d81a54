/* test_watchdog_policy.c - stories told to the table, and what must hold in every state. */
#include "testing.h"

#include "watchdog/watchdog_policy.h"

static struct watchdog after(const enum watchdog_event *events, size_t num_events)
{
    struct watchdog w = {0};
    for (size_t i = 0; i < num_events; i++)
        (void)watchdog_take(&w, events[i]);
    return w;
}
#define AFTER(...)                                                                                           \
    after((const enum watchdog_event[]){__VA_ARGS__},                                                        \
          ARRAY_LENGTH(((const enum watchdog_event[]){__VA_ARGS__})))
#define SERVING WATCHDOG_START, WATCHDOG_CONNECTED, WATCHDOG_REPLY_OK

static void test_the_good_day(void **state)
{
    (void)state;
    struct watchdog w = {0};
    struct watchdog_step step = watchdog_take(&w, WATCHDOG_START);
    assert_int_equal(step.actions, WATCHDOG_DO_START_CHILD | WATCHDOG_DO_CONNECT);
    step = watchdog_take(&w, WATCHDOG_CONNECT_FAILED);
    assert_int_equal(step.timer, WATCHDOG_TIMER_CONNECT);
    step = watchdog_take(&w, WATCHDOG_TIMER);
    assert_int_equal(step.actions, WATCHDOG_DO_CONNECT);
    step = watchdog_take(&w, WATCHDOG_CONNECTED);
    assert_int_equal(step.actions, WATCHDOG_DO_SEND_INIT);
    assert_int_equal(step.timer, WATCHDOG_TIMER_INIT_REPLY);
    step = watchdog_take(&w, WATCHDOG_REPLY_OK);
    assert_int_equal(step.actions, WATCHDOG_DO_ANNOUNCE);
    assert_int_equal(step.timer, WATCHDOG_TIMER_STATUS);
    step = watchdog_take(&w, WATCHDOG_TIMER);
    assert_int_equal(step.actions, WATCHDOG_DO_SEND_STATUS);
    step = watchdog_take(&w, WATCHDOG_REPLY_OK);
    assert_int_equal(step.actions, 0); /* ready is announced once, not with every status */
    assert_int_equal(w.state, WATCHDOG_SERVE);
}

static void test_a_refused_init_is_sent_again_ever_later(void **state)
{
    (void)state;
    struct watchdog w = AFTER(WATCHDOG_START, WATCHDOG_CONNECTED);
    uint32_t previous = 0;
    for (int i = 0; i < 12; i++) {
        struct watchdog_step step = watchdog_take(&w, WATCHDOG_REPLY_BAD);
        assert_int_equal(step.timer, WATCHDOG_TIMER_INIT);
        assert_true(step.delay_ms > previous || step.delay_ms == 60000);
        previous = step.delay_ms;
        step = watchdog_take(&w, WATCHDOG_TIMER);
        assert_int_equal(step.actions, WATCHDOG_DO_SEND_INIT);
    }
    assert_int_equal(previous, 60000);
}

static void test_fresh_credentials_end_the_wait(void **state)
{
    (void)state;
    struct watchdog w = AFTER(WATCHDOG_START, WATCHDOG_CONNECTED, WATCHDOG_REPLY_BAD);
    struct watchdog_step step = watchdog_take(&w, WATCHDOG_CREDENTIALS);
    assert_int_equal(step.actions, WATCHDOG_DO_SEND_INIT);
}

static void test_a_broken_connection_ends_the_enclave(void **state)
{
    (void)state;
    struct watchdog w = AFTER(SERVING);
    struct watchdog_step step = watchdog_take(&w, WATCHDOG_LOST);
    assert_true(step.actions & WATCHDOG_DO_TERMINATE);
    assert_true(step.actions & WATCHDOG_DO_ANNOUNCE_DOWN);
    assert_int_equal(step.timer, WATCHDOG_TIMER_KILL);
    step = watchdog_take(&w, WATCHDOG_TIMER); /* it does not listen to SIGTERM */
    assert_int_equal(step.actions, WATCHDOG_DO_KILL);
    step = watchdog_take(&w, WATCHDOG_CHILD_ENDED);
    assert_int_equal(step.timer, WATCHDOG_TIMER_RESTART);
    step = watchdog_take(&w, WATCHDOG_TIMER);
    assert_true(step.actions & WATCHDOG_DO_START_CHILD);
}

static void test_restarts_back_off_until_it_has_served_for_long(void **state)
{
    (void)state;
    struct watchdog w = {0};
    (void)watchdog_take(&w, WATCHDOG_START);
    uint32_t delay = watchdog_take(&w, WATCHDOG_CHILD_ENDED).delay_ms;
    assert_int_equal(delay, 100);
    for (int i = 0; i < 20; i++) {
        (void)watchdog_take(&w, WATCHDOG_TIMER);
        delay = watchdog_take(&w, WATCHDOG_CHILD_ENDED).delay_ms;
    }
    assert_int_equal(delay, 30000);
    (void)watchdog_take(&w, WATCHDOG_TIMER);
    (void)watchdog_take(&w, WATCHDOG_CONNECTED);
    (void)watchdog_take(&w, WATCHDOG_REPLY_OK);
    /* One that serves and dies at once is as bad as one that never served. */
    assert_int_equal(watchdog_take(&w, WATCHDOG_CHILD_ENDED).delay_ms, 30000);
    (void)watchdog_take(&w, WATCHDOG_STABLE); /* raced: nothing serves */
    (void)watchdog_take(&w, WATCHDOG_TIMER);
    (void)watchdog_take(&w, WATCHDOG_CONNECTED);
    (void)watchdog_take(&w, WATCHDOG_REPLY_OK);
    assert_int_equal(watchdog_take(&w, WATCHDOG_STABLE).timer, WATCHDOG_TIMER_KEEP);
    assert_int_equal(watchdog_take(&w, WATCHDOG_CHILD_ENDED).delay_ms, 100);
}

static void test_credentials_wait_for_the_reply_under_way(void **state)
{
    (void)state;
    struct watchdog w = AFTER(SERVING, WATCHDOG_TIMER);
    assert_int_equal(watchdog_take(&w, WATCHDOG_CREDENTIALS).actions, 0);
    struct watchdog_step step = watchdog_take(&w, WATCHDOG_REPLY_OK);
    assert_int_equal(step.actions, WATCHDOG_DO_SEND_CREDENTIALS);
    assert_int_equal(step.timer, WATCHDOG_TIMER_REPLY);
    step = watchdog_take(&w, WATCHDOG_REPLY_BAD); /* refused credentials do not end a signer that serves */
    assert_int_equal(w.state, WATCHDOG_SERVE);
    assert_int_equal(step.actions, 0);
}

static void test_credentials_during_init_follow_it(void **state)
{
    (void)state;
    struct watchdog w = AFTER(WATCHDOG_START, WATCHDOG_CONNECTED, WATCHDOG_CREDENTIALS);
    struct watchdog_step step = watchdog_take(&w, WATCHDOG_REPLY_OK);
    assert_int_equal(step.actions, WATCHDOG_DO_ANNOUNCE | WATCHDOG_DO_SEND_CREDENTIALS);
}

static void test_credentials_during_a_refused_init_repeat_it_at_once(void **state)
{
    (void)state;
    struct watchdog w = AFTER(WATCHDOG_START, WATCHDOG_CONNECTED, WATCHDOG_CREDENTIALS);
    struct watchdog_step step = watchdog_take(&w, WATCHDOG_REPLY_BAD);
    assert_int_equal(step.actions, WATCHDOG_DO_SEND_INIT);
    assert_int_equal(step.timer, WATCHDOG_TIMER_INIT_REPLY);
    step = watchdog_take(&w, WATCHDOG_REPLY_BAD); /* but once only */
    assert_int_equal(step.actions, 0);
    assert_int_equal(step.timer, WATCHDOG_TIMER_INIT);
}

static void test_an_enclave_without_a_control_port_is_ended(void **state)
{
    (void)state;
    struct watchdog w = AFTER(WATCHDOG_START);
    uint64_t waited_ms = 0;
    struct watchdog_step step = {0};
    while (w.state == WATCHDOG_CONNECTING && waited_ms < 1000000) {
        step = watchdog_take(&w, WATCHDOG_CONNECT_FAILED);
        waited_ms += step.timer == WATCHDOG_TIMER_CONNECT ? step.delay_ms : 0;
        if (w.state == WATCHDOG_CONNECTING)
            (void)watchdog_take(&w, WATCHDOG_TIMER);
    }
    assert_int_equal(w.state, WATCHDOG_ENDING);
    assert_true(step.actions & WATCHDOG_DO_TERMINATE);
    assert_true(waited_ms > 240000);
    (void)watchdog_take(&w, WATCHDOG_CHILD_ENDED);
    assert_true(watchdog_take(&w, WATCHDOG_TIMER).actions & WATCHDOG_DO_START_CHILD);
    step = watchdog_take(&w, WATCHDOG_CONNECT_FAILED); /* the next one has its own time */
    assert_int_equal(w.state, WATCHDOG_CONNECTING);
    assert_int_equal(step.delay_ms, 20);
}

static void test_a_sick_status_ends_the_enclave(void **state)
{
    (void)state;
    struct watchdog w = AFTER(SERVING, WATCHDOG_TIMER);
    assert_true(watchdog_take(&w, WATCHDOG_REPLY_BAD).actions & WATCHDOG_DO_TERMINATE);
    w = AFTER(SERVING, WATCHDOG_TIMER);
    assert_true(watchdog_take(&w, WATCHDOG_TIMER).actions & WATCHDOG_DO_TERMINATE); /* no answer in time */
}

/* From every state that can be reached: STOP, then the child's end, exits; and a child that ends unasked is
 * always followed by a timer that starts another. */
static void test_every_state_can_stop_and_recover(void **state)
{
    (void)state;
    for (int s = 0; s < WATCHDOG_STATE_COUNT; s++) {
        struct watchdog w = {.state = (enum watchdog_state)s};
        struct watchdog_step step = watchdog_take(&w, WATCHDOG_STOP);
        if (s != WATCHDOG_DOWN)
            step = watchdog_take(&w, WATCHDOG_CHILD_ENDED);
        assert_int_equal(step.actions, WATCHDOG_DO_EXIT);

        w = (struct watchdog){.state = (enum watchdog_state)s};
        if (s == WATCHDOG_DOWN || s == WATCHDOG_STOPPING)
            continue;
        step = watchdog_take(&w, WATCHDOG_CHILD_ENDED);
        assert_int_equal(step.timer, WATCHDOG_TIMER_RESTART);
        assert_true(watchdog_take(&w, WATCHDOG_TIMER).actions & WATCHDOG_DO_START_CHILD);
    }
}

/* Whatever comes in whatever order: a child is started only while none runs. */
static void test_an_enclave_that_ran_before_is_asked_and_not_told(void **state)
{
    (void)state;
    struct watchdog w = {0};
    (void)watchdog_take(&w, WATCHDOG_START);
    assert_int_equal(watchdog_take(&w, WATCHDOG_CONNECTED_ADOPTED).actions, WATCHDOG_DO_SEND_STATUS);
    struct watchdog other = w;
    assert_int_equal(watchdog_take(&w, WATCHDOG_CREDENTIALS).actions, 0);
    /* It serves, and gets what came meanwhile. */
    assert_int_equal(watchdog_take(&w, WATCHDOG_REPLY_OK).actions,
                     WATCHDOG_DO_ANNOUNCE | WATCHDOG_DO_SEND_CREDENTIALS);
    assert_true(watchdog_take(&other, WATCHDOG_REPLY_BAD).actions & WATCHDOG_DO_TERMINATE);
}

static void test_never_two_enclaves(void **state)
{
    (void)state;
    unsigned number = 1;
    struct watchdog w = {0};
    bool running = false;
    for (int i = 0; i < 200000; i++) {
        number = number * 1103515245u + 12345u;
        enum watchdog_event event = (enum watchdog_event)((number >> 16) % WATCHDOG_EVENT_COUNT);
        if (event == WATCHDOG_CHILD_ENDED && !running)
            continue;
        if (event == WATCHDOG_CHILD_ENDED)
            running = false;
        struct watchdog_step step = watchdog_take(&w, event);
        if (step.actions & WATCHDOG_DO_START_CHILD) {
            assert_false(running);
            running = true;
        }
        if (step.actions & WATCHDOG_DO_EXIT)
            assert_false(running);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_good_day),
        cmocka_unit_test(test_a_refused_init_is_sent_again_ever_later),
        cmocka_unit_test(test_fresh_credentials_end_the_wait),
        cmocka_unit_test(test_a_broken_connection_ends_the_enclave),
        cmocka_unit_test(test_restarts_back_off_until_it_has_served_for_long),
        cmocka_unit_test(test_credentials_wait_for_the_reply_under_way),
        cmocka_unit_test(test_credentials_during_init_follow_it),
        cmocka_unit_test(test_credentials_during_a_refused_init_repeat_it_at_once),
        cmocka_unit_test(test_an_enclave_without_a_control_port_is_ended),
        cmocka_unit_test(test_a_sick_status_ends_the_enclave),
        cmocka_unit_test(test_every_state_can_stop_and_recover),
        cmocka_unit_test(test_an_enclave_that_ran_before_is_asked_and_not_told),
        cmocka_unit_test(test_never_two_enclaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
