/* watchdog_credentials.h - the role's credentials as a member of a message. */
#ifndef WATCHDOG_WATCHDOG_CREDENTIALS_H
#define WATCHDOG_WATCHDOG_CREDENTIALS_H

#include "aws/aws_credentials.h"

/* The "credential" member of a control message, with its name: appended in front of it must be a comma or
 * brace. */
must_check result watchdog_credentials_member(struct secret *ret_json,
                                              const struct aws_credentials *credentials);

#endif
