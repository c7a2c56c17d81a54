/* test_slashing_judge.c - the judge judged: known pairs, and all pairs of random histories. */
#include "testing.h"

#include "slashing_judge.h"

static struct judge_message vote(uint64_t source, uint64_t target, uint64_t root)
{
    return (struct judge_message){.source = source, .height = target, .root = {root}};
}

static struct judge_message block(uint64_t slot, uint64_t root)
{
    return (struct judge_message){.is_block = true, .height = slot, .root = {root}};
}

static void known_pairs(void **state)
{
    (void)state;
    const struct {
        struct judge_message a, b;
        bool slashable;
    } cases[] = {
        {block(5, 1), block(5, 2), true},
        {block(5, 1), block(5, 1), false},
        {block(5, 1), block(6, 2), false},
        {vote(1, 2, 1), vote(1, 2, 1), false},
        {vote(1, 2, 1), vote(1, 2, 2), true},  /* double vote */
        {vote(1, 2, 1), vote(0, 2, 1), true},  /* ... of another source */
        {vote(1, 2, 1), vote(2, 3, 1), false}, /* consecutive */
        {vote(1, 2, 1), vote(1, 3, 1), false}, /* the same source */
        {vote(0, 3, 1), vote(1, 2, 1), true},  /* surround */
        {vote(0, 3, 1), vote(1, 3, 1), true},  /* the same target */
        {vote(0, 3, 1), vote(0, 2, 1), false}, /* not strictly */
        {vote(0, 9, 1), vote(4, 4, 1), true},
        {vote(0, 3, 1), vote(3, 4, 1), false},
        {vote(0, UINT64_MAX, 1), vote(1, UINT64_MAX - 1, 1), true},
        {block(2, 1), vote(1, 2, 2), false},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        struct judge_validator validator = {0};
        struct judge_message other;
        assert_int_equal(judge_slashable(&cases[i].a, &cases[i].b), cases[i].slashable);
        assert_int_equal(judge_slashable(&cases[i].b, &cases[i].a), cases[i].slashable);
        assert_false(judge_convicts(&validator, &other, &cases[i].a));
        assert_int_equal(judge_convicts(&validator, &other, &cases[i].b), cases[i].slashable);
        judge_forget(&validator);
    }
}

enum { LENGTH = 60 };

/* Histories in no order at all, each up to the first message that is convicted. */
static void one_message_is_judged_by_all(void **state)
{
    (void)state;
    int convicted = 0;
    srand(1);
    for (int round = 0; round < 3000; round++) {
        struct judge_validator validator = {0};
        struct judge_message history[LENGTH], other;
        int range = 2 + rand() % 200;
        bool ended = false;
        for (int n = 0; n < LENGTH && !ended; n++) {
            uint64_t target = (uint64_t)(rand() % range), root = (uint64_t)(rand() % 40 == 0);
            history[n] = rand() % 5 ? vote(target - target % (uint64_t)(1 + rand() % 3), target, root)
                                    : block(target, root);
            bool slashable = false;
            for (int i = 0; i < n; i++)
                slashable = slashable || judge_slashable(&history[i], &history[n]);
            ended = judge_convicts(&validator, &other, &history[n]);
            assert_int_equal(ended, slashable);
            assert_true(!ended || judge_slashable(&other, &history[n]));
        }
        convicted += ended;
        judge_forget(&validator);
    }
    assert_in_range(convicted, 1000, 2999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_pairs),
        cmocka_unit_test(one_message_is_judged_by_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
