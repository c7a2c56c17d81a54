/* signer_policy.h - the policy document that a command line amounts to. */
#ifndef SIGNER_SIGNER_POLICY_H
#define SIGNER_SIGNER_POLICY_H

#include "policy/policy.h"
#include "signer_options.h"

/* Appends the policy text. E_INPUT: --network or an option of slashing protection cannot be used. */
must_check result signer_policy(struct buffer *out, const struct signer_options *options);

#endif
