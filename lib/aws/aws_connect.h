/* aws_connect.h - lets libcurl reach an endpoint through another address; for those who make libcurl handles.
 */
#ifndef AWS_AWS_CONNECT_H
#define AWS_AWS_CONNECT_H

#include <curl/curl.h>

#include "net/net_address.h"

struct aws_connect {
    struct net_address via;
    int timeout_ms;
    struct curl_slist *table;      /* libcurl does not copy it */
    struct curl_sockaddr *address; /* libcurl's own, between its two callbacks */
    enum error_code failure;       /* why the latest connection could not be made; the caller resets it */
    char text[256];                /* and its sentence */
};

/* Sets the options of curl; connect must stay where it is until curl is cleaned up. */
must_check result aws_connect_through(struct aws_connect *connect, CURL *curl, const struct net_address *via,
                                      int timeout_ms);
void aws_connect_cleanup(struct aws_connect *connect);

#endif
