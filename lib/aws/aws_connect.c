/* aws_connect.c - see aws_connect.h.
 *
 * tcp: libcurl's CONNECT_TO does all of it. unix: and vsock: the documented way is to open and connect the
 * socket in the OPENSOCKET callback and to say so in the SOCKOPT callback. libcurl 7.88 (Debian 12) ignores
 * that answer and connects again (curl/curl pull 10648), so there we give it the address to connect to
 * instead: in the second callback, because after the first it formats the address and knows no vsock. A fixed
 * entry in libcurl's name table keeps it from asking a resolver; host name and certificate checks stay what
 * they are. Rejected: CURLOPT_PROXY (the host's relay speaks no proxy protocol) and CURLOPT_UNIX_SOCKET_PATH
 * (it would leave vsock as the one way no test on an ordinary machine takes). */
#include "aws/aws_connect.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { CONNECTS_AGAIN_FROM = 0x075800, CONNECTS_AGAIN_TO = 0x075801 }; /* 7.88.0, 7.88.1 */

static bool connects_again(void)
{
    unsigned version = curl_version_info(CURLVERSION_NOW)->version_num;
    return version >= CONNECTS_AGAIN_FROM && version <= CONNECTS_AGAIN_TO;
}

static must_check result make_socket(int *ret_fd, const struct aws_connect *connect)
{
    if (!connects_again())
        return net_connect(ret_fd, &connect->via, connect->timeout_ms);
    int family = connect->via.family == NET_UNIX ? AF_UNIX : AF_VSOCK;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    ENSURE(fd >= 0, E_IO, "socket: %s", strerror(errno));
    *ret_fd = fd;
    return RESULT_OK;
}

/* Keeps the sentence too: until somebody asks, another exchange may fail with another. True if it failed. */
static bool remember(struct aws_connect *connect, result r)
{
    connect->failure = (enum error_code)r.code;
    if (r.code)
        (void)snprintf(connect->text, sizeof connect->text, "%s", error_text());
    return r.code != 0;
}

static curl_socket_t open_socket(void *connect_pointer, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct aws_connect *connect = connect_pointer;
    int fd = -1;
    connect->address = address;
    return remember(connect, make_socket(&fd, connect)) ? CURL_SOCKET_BAD : fd;
}

/* struct curl_sockaddr ends in a sockaddr, behind which libcurl keeps room for any sockaddr_storage. */
static must_check result replace_address(struct curl_sockaddr *address, const struct net_address *via)
{
    struct sockaddr_storage storage;
    socklen_t length = 0;
    TRY(net_socket_address(&storage, &length, via));
    address->family = storage.ss_family;
    address->addrlen = length;
    memcpy((char *)address + offsetof(struct curl_sockaddr, addr), &storage, length);
    return RESULT_OK;
}

static int finish_socket(void *connect_pointer, curl_socket_t socket, curlsocktype purpose)
{
    (void)socket, (void)purpose;
    struct aws_connect *connect = connect_pointer;
    if (!connects_again())
        return CURL_SOCKOPT_ALREADY_CONNECTED;
    return remember(connect, replace_address(connect->address, &connect->via)) ? CURL_SOCKOPT_ERROR
                                                                               : CURL_SOCKOPT_OK;
}

static must_check result add_entry(struct aws_connect *connect, const char *entry)
{
    connect->table = curl_slist_append(NULL, entry);
    ENSURE(connect->table, E_MEMORY, "out of memory for an address");
    return RESULT_OK;
}

result aws_connect_through(struct aws_connect *connect, CURL *curl, const struct net_address *via,
                           int timeout_ms)
{
    connect->via = *via;
    connect->timeout_ms = timeout_ms;
    CURLcode code = CURLE_OK;
    if (via->family == NET_TCP) {
        char entry[300];
        (void)snprintf(entry, sizeof entry, strchr(via->host, ':') ? "::[%s]:%u" : "::%s:%u", via->host,
                       via->port);
        TRY(add_entry(connect, entry));
        code = curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect->table);
    } else {
        TRY(add_entry(connect, "::127.0.0.1:443")); /* never connected to */
        code = curl_easy_setopt(curl, CURLOPT_CONNECT_TO, connect->table);
        code = code ? code : curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
        code = code ? code : curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, connect);
        code = code ? code : curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, finish_socket);
        code = code ? code : curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, connect);
    }
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_easy_strerror(code));
    return RESULT_OK;
}

void aws_connect_cleanup(struct aws_connect *connect)
{
    curl_slist_free_all(connect->table);
    connect->table = NULL;
}
