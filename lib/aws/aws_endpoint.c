/* aws_endpoint.c - see aws_endpoint.h. libcurl would resolve too, in a thread and whenever it connects again.
 */
#include "aws/aws_endpoint.h"

#include <netdb.h>
#include <string.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/options.h"

enum { HTTPS_PORT = 443 };

result aws_endpoint_address(struct net_address *ret_address, const char *endpoint)
{
    static const char scheme[] = "https://";
    struct net_address address = {.family = NET_TCP};
    uint64_t port = HTTPS_PORT;
    ENSURE(strncmp(endpoint, scheme, strlen(scheme)) == 0, E_INPUT, "endpoint: must begin with https://");
    const char *host = endpoint + strlen(scheme);
    bool bracketed = host[0] == '[';
    size_t length = bracketed ? strcspn(++host, "]") : strcspn(host, ":/");
    const char *rest = host + length + (bracketed && host[length] ? 1 : 0);
    ENSURE(length > 0 && length < sizeof address.host, E_INPUT, "endpoint: has no host");
    if (rest[0] == ':')
        TRY(parse_u64(&port, rest + 1));
    ENSURE((rest[0] == 0 || rest[0] == ':') && port >= 1 && port <= UINT16_MAX, E_INPUT,
           "endpoint: must be https://HOST or https://HOST:PORT");
    memcpy(address.host, host, length);
    address.port = (uint32_t)port;
    *ret_address = address;
    return RESULT_OK;
}

result aws_endpoint_resolve(struct net_address *ret_address, const char *endpoint, int timeout_ms)
{
    struct net_address address;
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    AUTO_FD fd = -1;
    TRY(aws_endpoint_address(&address, endpoint));
    TRY(net_connect(&fd, &address, timeout_ms));
    ENSURE(getpeername(fd, (struct sockaddr *)&peer, &length) == 0 &&
               getnameinfo((const struct sockaddr *)&peer, length, address.host, sizeof address.host, NULL, 0,
                           NI_NUMERICHOST) == 0,
           E_IO, "the address of the endpoint cannot be told");
    *ret_address = address;
    return RESULT_OK;
}
