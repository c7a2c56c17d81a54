/* slashing_judge.c - see slashing_judge.h.
 *
 * As long as no two votes of a history can be slashed, sources ascend with targets. So a new vote need only
 * be compared with the one at its target and with those next to it: if it surrounds any, it surrounds the one
 * just below its target, whose source is the highest there; if any surrounds it, the one just above does,
 * whose source is the lowest there. test_slashing_judge.c compares this with asking about every pair. */
#include "slashing_judge.h"

#include <stdlib.h>
#include <string.h>

static bool same(const struct judge_message *a, const struct judge_message *b)
{
    return a->source == b->source && a->height == b->height && memcmp(a->root, b->root, sizeof a->root) == 0;
}

static bool surrounds(const struct judge_message *outer, const struct judge_message *inner)
{
    return outer->source < inner->source && inner->height < outer->height;
}

bool judge_slashable(const struct judge_message *a, const struct judge_message *b)
{
    if (a->is_block != b->is_block)
        return false;
    if (a->is_block)
        return a->height == b->height && !same(a, b);
    return (a->height == b->height && !same(a, b)) || surrounds(a, b) || surrounds(b, a);
}

/* The first that is not below height. */
static size_t find(const struct judge_history *history, uint64_t height)
{
    size_t low = 0, high = history->num;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->messages[middle].height < height)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct judge_history *history, size_t at, const struct judge_message *message)
{
    if (history->num == history->capacity) {
        history->capacity = history->capacity ? 2 * history->capacity : 64;
        history->messages = realloc(history->messages, history->capacity * sizeof *history->messages);
        if (!history->messages)
            abort();
    }
    memmove(history->messages + at + 1, history->messages + at,
            (history->num - at) * sizeof *history->messages);
    history->messages[at] = *message;
    history->num++;
}

bool judge_convicts(struct judge_validator *validator, struct judge_message *ret_other,
                    const struct judge_message *message)
{
    struct judge_history *history = message->is_block ? &validator->blocks : &validator->votes;
    size_t at = find(history, message->height);
    size_t first = at > 0 ? at - 1 : 0;
    for (size_t i = first; i < history->num && i <= at + 1; i++) {
        if (judge_slashable(&history->messages[i], message)) {
            *ret_other = history->messages[i];
            return true;
        }
    }
    if (at == history->num || history->messages[at].height != message->height)
        insert(history, at, message);
    return false;
}

void judge_forget(struct judge_validator *validator)
{
    free(validator->blocks.messages);
    free(validator->votes.messages);
    *validator = (struct judge_validator){0};
}
