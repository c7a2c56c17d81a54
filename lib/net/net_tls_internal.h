/* net_tls_internal.h - what the files of net_tls share; not for other rooms. */
#ifndef NET_TLS_INTERNAL_H
#define NET_TLS_INTERNAL_H

#include "net/net_tls.h"

/* Tickets under keys that change (net_tls_tickets.c). They belong to this context alone, so no session
 * outlives the key, the certificate or the rules about clients it was made under. */
must_check result net_tls_tickets_use(SSL_CTX *context);

#endif
