/* ctl_stack_policy.h - the key policy of a stack's KMS key: what it has to be, and what one that is there
 * comes to. */
#ifndef CTL_CTL_STACK_POLICY_H
#define CTL_CTL_STACK_POLICY_H

#include "ctl.h"
#include "json/json.h"

enum { CTL_PCR_LEN = 48, CTL_PCR_DIGITS = 2 * CTL_PCR_LEN, CTL_PCR0_MAX = 2, CTL_DEMANDS_MAX = 8 };

/* SHA-384(48 zero bytes || bytes) as digits: how a register is extended once. */
must_check result ctl_pcr_of(char out[static CTL_PCR_DIGITS + 1], const void *bytes, size_t bytes_len);

struct ctl_stack_policy {
    const char *partition, *account; /* of the key: aws, 111122223333 */
    const char *instance_role, *lambda_role;
    bool attested; /* false: in development the two roles may Decrypt */
    char pcr0[CTL_PCR0_MAX][CTL_PCR_DIGITS + 1];
    size_t num_pcr0;
    char pcr16[CTL_PCR_DIGITS + 1];
};
/* The document, as infra/lib/key-policy.ts makes it for a key of the stack's own. */
must_check result ctl_stack_policy_make(json_t **ret_document, const struct ctl_stack_policy *policy);

/* Two documents say the same: order of members and of lists of texts, and a list of one text or the text
 * itself, make no difference, since AWS does not keep them. */
must_check result ctl_stack_policy_equal(bool *ret_equal, const json_t *a, const json_t *b);

enum ctl_decrypt_rule {
    CTL_DECRYPT_ATTESTED, /* Deny statements close it for everybody without attestation */
    CTL_DECRYPT_NOBODY,   /* a Deny without conditions */
    CTL_DECRYPT_OPEN      /* whom the Allow statements and IAM admit */
};
const char *ctl_decrypt_rule_name(enum ctl_decrypt_rule rule);

/* What a document demands of who decrypts; values are lists of the document's. */
struct ctl_policy_reading {
    enum ctl_decrypt_rule decrypt;
    struct {
        const char *name; /* ImageSha384, PCR16 */
        const json_t *values;
    } demands[CTL_DEMANDS_MAX];
    size_t num_demands;
};
/* E_INPUT for what is no policy document. Borrows from it. */
must_check result ctl_stack_policy_read(struct ctl_policy_reading *ret_reading, const json_t *document);

#endif
