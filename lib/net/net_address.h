/* net_address.h - where something listens or is reached: tcp:HOST:PORT, unix:PATH, vsock:CID:PORT.
 *
 * HOST is a name or an address, [v6] in brackets; PORT 0 asks the kernel for one (tcp only).
 * CID is a number or "any" (VMADDR_CID_ANY, listening only). Only the address differs between
 * Nitro and one machine; no code above asks which it is.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stdint.h>
#include <sys/socket.h>

#include "base/result.h"

enum net_family { NET_TCP, NET_UNIX, NET_VSOCK };

struct net_address {
    enum net_family family;
    char host[256]; /* tcp: host without brackets; unix: path */
    uint32_t cid;   /* vsock */
    uint32_t port;  /* tcp, vsock */
};

/* E_INPUT on anything else; the text is not echoed. */
must_check result net_address_parse(struct net_address *ret_address, const char *text);

/* "tcp:127.0.0.1:9000", as net_address_parse reads it; cut to out_capacity. For logs. */
void net_address_format(char *out, size_t out_capacity, const struct net_address *address);

/* The socket address of a unix: or vsock: address, which need no resolver. E_UNSUPPORTED for tcp. */
must_check result net_socket_address(struct sockaddr_storage *ret_storage, socklen_t *ret_len,
                                     const struct net_address *address);

/* As net_listen, but only bound: peers are refused until the owner calls listen(2). A supervisor binds, the
 * process that serves listens once it is ready. */
must_check result net_bind(int *ret_fd, const struct net_address *address);

/* A listening, non-blocking, close-on-exec stream socket. tcp: SO_REUSEADDR and TCP_NODELAY (inherited by
 * accepted sockets); unix: a stale socket file is replaced, mode 0600. */
must_check result net_listen(int *ret_fd, const struct net_address *address, int backlog);

/* Connects and waits at most timeout_ms; the socket comes back non-blocking and close-on-exec.
 * E_TIMEOUT, E_IO, E_NOT_FOUND (name does not resolve). */
must_check result net_connect(int *ret_fd, const struct net_address *address, int timeout_ms);

/* The port a tcp or vsock listener really has; E_UNSUPPORTED for other families. */
must_check result net_local_port(uint32_t *ret_port, int fd);

#endif
