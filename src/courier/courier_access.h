/* courier_access.h - the supervisor's channel of the stand-alone courier: STORE_ACCESS (PROTOCOL.ipc section
 * 4). */
#ifndef COURIER_COURIER_ACCESS_H
#define COURIER_COURIER_ACCESS_H

#include "aws/aws_credentials.h"

/* What is not given is empty. */
struct courier_access {
    struct secret name, secret, extra;
};

/* Waits for the next STORE_ACCESS. E_PEER when the supervisor is gone. */
must_check result courier_access_receive(struct courier_access *ret_access, int supervisor);
/* As credentials of AWS. */
must_check result courier_access_credentials(struct aws_credentials *ret_credentials,
                                             const struct courier_access *access);
/* Wipes. */
void courier_access_cleanup(struct courier_access *access);

#endif
