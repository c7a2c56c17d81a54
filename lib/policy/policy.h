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

enum {
    POLICY_TEXT_MAX = 4096,
    POLICY_VALUE_MAX = 512,
    POLICY_FAR_FUTURE_MAX = 1000000, /* epochs */
    POLICY_FAR_FUTURE_DEFAULT = 2,   /* of those who make documents; a document always says */
    POLICY_STORE_IDENTITY_LEN = 32,
    POLICY_DIGEST_LEN = 32, /* SHA-256 */
    POLICY_ACCOUNT_LEN = 12 /* digits of an AWS account */
};

enum policy_store_kind {
    POLICY_STORE_NONE,
    POLICY_STORE_SQLITE,
    POLICY_STORE_DYNAMODB,
    POLICY_STORE_POSTGRESQL
};

struct policy {
    struct eth2_network network;
    bool has_genesis_validators_root; /* false: "any", the store locks to the first one it signs for */
    uint8_t genesis_validators_root[ETH2_ROOT_LEN];
    bool slashing_protection; /* false only in the stand-alone program, by explicit option */
    enum policy_store_kind store_kind;
    /* "sqlite:/absolute/path", "dynamodb:ACCOUNT/TABLE", "dynamodb:TABLE", "postgresql" or "none" */
    char store[POLICY_VALUE_MAX];
    char
        store_account[POLICY_ACCOUNT_LEN + 1]; /* of the table, as store has it; "": any, not in an enclave */
    bool has_store_identity;                   /* only with DynamoDB */
    uint8_t store_identity[POLICY_STORE_IDENTITY_LEN]; /* of the table's identity record */
    bool single_mode;               /* one signer at a time: each start fences off those before it */
    bool has_far_future;            /* false: "any" */
    uint64_t far_future_epochs;     /* nothing further ahead of the clock is signed */
    bool boot_floor;                /* nothing up to the moment of the start is signed */
    char kms_key[POLICY_VALUE_MAX]; /* the only key ARN whose answers are accepted; "none" stand-alone */
    char region[64];                /* AWS region of KMS; "none" stand-alone */
    bool has_access; /* false: "any", whoever reaches the port; stand-alone, where options say who, always */
    uint8_t access[POLICY_DIGEST_LEN]; /* SHA-256 of the access document (policy_access.h) */
    enum log_level log_level;          /* ceiling */
};

/* Sets store_kind, store and store_account from the text of the line, and single_mode to what goes with it
 * where there is a choice: false for dynamodb. E_INPUT says what the text must be. */
must_check result policy_set_store(struct policy *policy, const char *text);
/* What stands behind the kind of store: the path or the table's name; "" where nothing does. */
const char *policy_store_place(const struct policy *policy);
/* The AWS account that the table must be in; NULL: none is named. */
const char *policy_store_account(const struct policy *policy);
/* "any" or a number of epochs; E_INPUT otherwise. */
must_check result policy_set_far_future(struct policy *policy, const char *text);

/* Strict: an unknown, missing, repeated or misplaced line, or a value out of range is E_INPUT and named. */
must_check result policy_parse(struct policy *ret_policy, const char *text, size_t text_len);

/* Appends the canonical text; policy_parse of it gives the same policy. */
must_check result policy_format(struct buffer *out, const struct policy *policy);

/* PCR16 as the keeper leaves it: SHA-384(48 zero bytes || text). */
must_check result policy_measure(uint8_t ret_pcr[static 48], const char *text, size_t text_len);

#endif
