/* devcloud_credentials.h - the role credentials of this cloud, random at each start.
 */
#ifndef DEVCLOUD_CREDENTIALS_H
#define DEVCLOUD_CREDENTIALS_H

#include "aws/aws_credentials.h"

/* Makes credentials of the shape of a role's and writes them to DIR/credentials.json (0600) as
 * {"access_key_id","secret_access_key","token"}. */
must_check result devcloud_credentials_make(struct aws_credentials *ret_credentials, const char *state_dir);

#endif
