/* aws_credentials_environment.h - the credentials that AWS's tools and Lambda hand over in the environment.
 */
#ifndef AWS_AWS_CREDENTIALS_ENVIRONMENT_H
#define AWS_AWS_CREDENTIALS_ENVIRONMENT_H

#include "aws/aws_credentials.h"

/* Reads AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, where it is set, AWS_SESSION_TOKEN; a variable that is
 * set to nothing counts as not set. Afterwards the last two are wiped and gone from the environment, which
 * can be read for as long as the process lives. E_INPUT names the variable. */
must_check result aws_credentials_take_environment(struct aws_credentials *ret_credentials);

#endif
