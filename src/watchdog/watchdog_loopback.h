/* watchdog_loopback.h - addresses that nobody on a network reaches. */
#ifndef WATCHDOG_WATCHDOG_LOOPBACK_H
#define WATCHDOG_WATCHDOG_LOOPBACK_H

#include "net/net_address.h"

/* Whether it is unix:PATH, or tcp: with a number of this machine's own (127.0.0.0/8, ::1); no name is one,
 * since what it means is decided elsewhere. */
bool watchdog_is_loopback(const struct net_address *address);

/* The socket's address, without asking a resolver: of a loopback or vsock address; E_INPUT of others. */
must_check result watchdog_loopback_socket(struct sockaddr_storage *ret_storage, socklen_t *ret_len,
                                           const struct net_address *address);

#endif
