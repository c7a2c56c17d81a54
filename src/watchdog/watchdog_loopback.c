/* watchdog_loopback.c - see watchdog_loopback.h. */
#include "watchdog_loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool parse_v4(struct in_addr *ret_v4, const struct net_address *address)
{
    return inet_pton(AF_INET, address->host, ret_v4) == 1 && ntohl(ret_v4->s_addr) >> 24 == IN_LOOPBACKNET;
}

static bool parse_v6(struct in6_addr *ret_v6, const struct net_address *address)
{
    return inet_pton(AF_INET6, address->host, ret_v6) == 1 && IN6_IS_ADDR_LOOPBACK(ret_v6);
}

bool watchdog_is_loopback(const struct net_address *address)
{
    struct in_addr v4;
    struct in6_addr v6;
    switch (address->family) {
    case NET_TCP:
        return parse_v4(&v4, address) || parse_v6(&v6, address);
    case NET_UNIX:
        return true;
    case NET_VSOCK:
        break;
    }
    return false;
}

result watchdog_loopback_socket(struct sockaddr_storage *ret_storage, socklen_t *ret_len,
                                const struct net_address *address)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
    if (address->family != NET_TCP)
        return net_socket_address(ret_storage, ret_len, address);
    if (parse_v4(&v4->sin_addr, address)) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)address->port);
        *ret_len = sizeof *v4;
    } else {
        ENSURE(parse_v6(&v6->sin6_addr, address), E_INPUT, "must be a number of loopback's");
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)address->port);
        *ret_len = sizeof *v6;
    }
    *ret_storage = storage;
    return RESULT_OK;
}
