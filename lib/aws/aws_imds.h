/* aws_imds.h - the credentials of an instance's role from its metadata service, version 2 (IMDSv2). Plain
 * HTTP to a link-local address, never by a proxy. Target aws_imds. */
#ifndef AWS_AWS_IMDS_H
#define AWS_AWS_IMDS_H

#include <stdatomic.h>
#include <stdint.h>

#include "aws/aws_credentials.h"

#define AWS_IMDS_ENDPOINT "http://169.254.169.254"

struct aws_imds;

struct aws_imds_config {
    const char *endpoint; /* http://HOST[:PORT]; NULL: AWS_IMDS_ENDPOINT. Copied */
    int attempt_timeout_ms;
    unsigned attempts;       /* what has no answer is asked so often in all */
    const atomic_bool *stop; /* set by another thread: give up within a second. NULL: never */
};

/* E_INPUT names the endpoint. */
must_check result aws_imds_open(struct aws_imds **ret_imds, const struct aws_imds_config *config);
void aws_imds_close(struct aws_imds *imds);

/* The role's current credentials, and when they expire (milliseconds since 1970 UTC); blocks. The session
 * token of the service is kept and renewed. jansson must have an allocator that is fit for secrets.
 *   E_NOT_FOUND  the instance has no role
 *   E_DENIED     the metadata service is switched off for this instance
 *   E_TIMEOUT    no answer: the sentence speaks of the hop limit, the usual reason
 *   E_IO         no connection
 *   E_PEER       anything else, such as a Code other than Success */
must_check result aws_imds_credentials(struct aws_credentials *ret_credentials, uint64_t *ret_expires_ms,
                                       struct aws_imds *imds);

/* "2026-01-31T12:00:00Z" as milliseconds since 1970; E_INPUT on another form. */
must_check result aws_imds_time(uint64_t *ret_time_ms, const char *text);

#endif
