/* keeper_limits.h - what the clock and the policy add to the rules of slashing protection. */
#ifndef KEEPER_LIMITS_H
#define KEEPER_LIMITS_H

#include "policy/policy.h"
#include "slashing/slashing_rules.h"

/* Sets the floor where the policy wants one: the epoch and slot of now. To be called once, when the first
 * keys go into service. Warns where the policy's bound on the future cannot be kept. */
void keeper_limits_begin(struct slashing_limits *limits, const struct policy *policy);

/* Sets the latest epoch and slot that may be signed now. To be called once a batch; leaves the rest alone. */
void keeper_limits_update(struct slashing_limits *limits, const struct policy *policy);

#endif
