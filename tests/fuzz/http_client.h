/* http_client.h - the client of a server that runs in the same loop: for targets whose inputs are what a
 * client sends. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include <event2/event.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/buffer.h"

struct http_client {
    struct event_base *base;
    int listener; /* the server's */
    struct sockaddr_un address;
    socklen_t address_len;
    void (*work)(
        void *context); /* whatever else there is to do between two turns of the loop; NULL: nothing */
    void *context;
};

/* A listening socket without a name in the file system. */
void http_client_listen(struct http_client *client, struct event_base *base);

/* Sends the bytes in pieces of at most that many over a connection of its own, lets the server work after
 * each, ends the output, and appends to replies all that comes back. */
void http_client_exchange(struct http_client *client, struct buffer *replies, const uint8_t *data,
                          size_t size, size_t piece);

/* Lets the server work until it has nothing to do. */
void http_client_turn(struct http_client *client);

/* Passes over the replies of HTTP/1.1 in these bytes; those with status 100 are taken out. Each has a status
 * line, a length and as much of a body; a body that says it is JSON is. The number of replies; statuses has
 * room for most. */
size_t http_client_check(struct buffer *replies, int *statuses, size_t most);

#endif
