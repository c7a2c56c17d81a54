/* policy_access.h - the access document: who may connect to an enclave, in one small canonical text.
 *
 * The host hands it in, so the policy document pins its SHA-256: a host that changes a byte gets no signer.
 * It holds no secret: of tokens and passwords it has digests. PROTOCOL.control section 4 has the grammar.
 * What it becomes here are the forms that the stand-alone program reads from files and options, so that the
 * front has one parser for each.
 */
#ifndef POLICY_POLICY_ACCESS_H
#define POLICY_POLICY_ACCESS_H

#include "base/buffer.h"
#include "policy/policy.h"

enum {
    POLICY_ACCESS_MAX = 48 * 1024, /* bytes of the document */
    POLICY_ACCESS_CLIENTS_MAX = 512,
    POLICY_ACCESS_AUTHORITIES_MAX = 16,
    POLICY_ACCESS_DIGESTS_MAX = 256, /* tokens, and as many passwords */
    POLICY_ACCESS_NAMES_MAX = 64     /* hosts, and as many origins */
};

struct policy_access {
    struct buffer clients; /* "NAME FINGERPRINT\n" each: the text of a known-clients file */
    size_t num_clients;
    struct buffer authorities; /* DER, one behind the other */
    size_t num_authorities;
    struct buffer path_tokens, basic; /* SHA-256 digests, POLICY_DIGEST_LEN bytes each */
    struct buffer hosts, origins;     /* separated by commas; empty: no line names one */
};

/* Strict: E_INPUT names the line that is unknown, repeated, out of order or malformed. A document that admits
 * nobody is refused. That authorities are certificates is not looked at. */
must_check result policy_access_parse(struct policy_access *ret_access, const char *text, size_t text_len);
void policy_access_cleanup(struct policy_access *access);

/* Sets what the policy pins: SHA-256 of the text. */
must_check result policy_set_access(struct policy *policy, const char *text, size_t text_len);
/* Whether this is the document that the policy pins: its very bytes, or none (text_len 0) when it says "any".
 * E_MISMATCH says what is wrong. */
must_check result policy_check_access(const struct policy *policy, const char *text, size_t text_len);

#endif
