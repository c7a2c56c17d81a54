/* policy.h - the policy document: the settings that decide safety, in one small canonical text.
 *
 * It is measured into PCR16 before any attestation, so the bytes must have one form only:
 * "name value\n" lines, all of them, in the order below, nothing else. PROTOCOL.control has
 * the grammar. Keeper, front, watchdog and nitro-signer all read it with this module.
 */
#ifndef POLICY_POLICY_H
#define POLICY_POLICY_H

#include "base/buffer.h"
#include "base/log.h"
#include "eth2/eth2_network.h"

enum { POLICY_TEXT_MAX = 4096, POLICY_VALUE_MAX = 512 };

struct policy {
    struct eth2_network network;
    bool has_genesis_validators_root; /* false: "any", the store locks to the first one it signs for */
    uint8_t genesis_validators_root[ETH2_ROOT_LEN];
    bool slashing_protection;       /* false only in the stand-alone program, by explicit option */
    char store[POLICY_VALUE_MAX];   /* "sqlite:/absolute/path" or "none" */
    char kms_key[POLICY_VALUE_MAX]; /* the only key ARN whose answers are accepted; "none" stand-alone */
    char region[64];                /* AWS region of KMS; "none" stand-alone */
    enum log_level log_level;       /* ceiling */
};

/* Strict: an unknown, missing, repeated or misplaced line, or a value out of range is E_INPUT and named. */
must_check result policy_parse(struct policy *ret_policy, const char *text, size_t text_len);

/* Appends the canonical text; policy_parse of it gives the same policy. */
must_check result policy_format(struct buffer *out, const struct policy *policy);

/* PCR16 as the keeper leaves it: SHA-384(48 zero bytes || text). */
must_check result policy_measure(uint8_t ret_pcr[static 48], const char *text, size_t text_len);

#endif
