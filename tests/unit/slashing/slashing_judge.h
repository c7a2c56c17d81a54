/* slashing_judge.h - the judge of property tests: knows every signature that ever left, of every validator,
 * and says whether two of them could be slashed. Shares no code with lib/slashing. */
#ifndef SLASHING_JUDGE_H
#define SLASHING_JUDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A signature, as far as slashing goes. Blocks: height is the slot. Votes: height is the target. */
struct judge_message {
    bool is_block;
    uint64_t source, height;
    uint64_t root[4]; /* of what was signed */
};

/* is_slashable_attestation_data of the consensus specification, and its condition on proposals, for two
 * messages of one validator in either order. */
bool judge_slashable(const struct judge_message *a, const struct judge_message *b);

struct judge_history {
    struct judge_message *messages; /* ascending by height, each once */
    size_t num, capacity;
};

/* Of one validator. All zero at first. */
struct judge_validator {
    struct judge_history blocks, votes;
};

/* Whether the message can be slashed together with any earlier one, which is then *ret_other; remembers it
 * otherwise. O(log n) and a move. */
bool judge_convicts(struct judge_validator *validator, struct judge_message *ret_other,
                    const struct judge_message *message);
void judge_forget(struct judge_validator *validator);

#endif
