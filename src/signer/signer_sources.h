/* signer_sources.h - keys in AWS Secrets Manager: the options, and what the fetcher has to be told to get in.
 */
#ifndef SIGNER_SIGNER_SOURCES_H
#define SIGNER_SIGNER_SOURCES_H

#include "aws/aws_credentials.h"
#include "base/result.h"
#include "process/process_supervisor.h"

struct signer_sources_options {
    bool aws_enabled;
    const char *aws_mode; /* SPECIFIED or ENVIRONMENT */
    /* NULL: not given; so for all */
    const char *aws_access_key_id, *aws_secret_access_key, *aws_region, *aws_prefixes, *aws_tags,
        *aws_endpoint;
};

/* E_INPUT names the option that is missing or wrong. */
must_check result signer_sources_check(const struct signer_sources_options *o);
/* The fetcher's own options. */
must_check result signer_sources_command(struct process_command *command,
                                         const struct signer_sources_options *o);

/* AWS credentials: of the environment and of the options; empty where there are none. */
struct signer_sources_access {
    struct aws_credentials environment, specified;
};
/* Takes them, and wipes them where they were: no child inherits the environment's, and the command line of
 * this process does not show the key any more. The secure heap must be open. */
must_check result signer_sources_take(struct signer_sources_access *ret_access,
                                      const struct signer_sources_options *o);
void signer_sources_access_cleanup(struct signer_sources_access *access);

/* The fetcher's first two messages, of both. context is a struct signer_sources_access. */
must_check result signer_sources_greet(void *context, int channel);

#endif
