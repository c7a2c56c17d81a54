/* ctl_aws_private.h - between the files ctl_aws*.c. */
#ifndef CTL_CTL_AWS_PRIVATE_H
#define CTL_CTL_AWS_PRIVATE_H

#include "ctl_aws.h"

/* A variable's value; NULL when it is not set, or set to nothing. */
const char *ctl_aws_variable(const char *name);

/* Where credentials and region come from. */
must_check result ctl_aws_find_region(char out[static CTL_AWS_REGION_MAX + 1],
                                      const struct ctl_aws_options *options);
must_check result ctl_aws_find_credentials(struct aws_credentials *ret_credentials,
                                           const struct ctl_aws_options *options);

/* The outputs of stack name in the text of a file of outputs: {"STACK": {"NAME": "value"}}. Of other values
 * than texts nothing is taken. E_NOT_FOUND without the stack. */
must_check result ctl_aws_outputs_parse(struct aws_stack *ret_stack, const struct buffer *text,
                                        const char *name);

#endif
