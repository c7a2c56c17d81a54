/* devcloud_nsm.h - serves a software NSM on a unix SOCK_SEQPACKET socket. A connection is an enclave: it
 * boots with fresh registers and ends with the connection. One packet is one request, one packet its answer.
 */
#ifndef DEVCLOUD_NSM_H
#define DEVCLOUD_NSM_H

#include "devcloud_authority.h"
#include "devcloud_pcrs.h"

struct event_base;
struct devcloud_nsm;

struct devcloud_nsm_config {
    const char *path;                     /* of the socket; a stale one is replaced; mode 0600 */
    struct devcloud_identity identity;    /* its texts are kept, not copied */
    struct devcloud_authority *authority; /* kept */
};

must_check result devcloud_nsm_start(struct devcloud_nsm **ret_nsm, struct event_base *base,
                                     const struct devcloud_nsm_config *config);
/* Closes all and removes the socket; accepts NULL. */
void devcloud_nsm_stop(struct devcloud_nsm *n);

#endif
