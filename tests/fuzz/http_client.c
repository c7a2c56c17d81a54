/* http_client.c - see http_client.h. */
#include "http_client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum { TURNS = 4, BACKLOG = 16, STATUS_LINE = 12 /* HTTP/1.1 200 */ };

void http_client_listen(struct http_client *client, struct event_base *base)
{
    client->base = base;
    client->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    PROMISE(client->listener >= 0);
    client->address.sun_family = AF_UNIX;
    /* Of no name: the kernel finds one. */
    PROMISE(bind(client->listener, (struct sockaddr *)&client->address, sizeof(sa_family_t)) == 0);
    PROMISE(listen(client->listener, BACKLOG) == 0);
    client->address_len = sizeof client->address;
    PROMISE(getsockname(client->listener, (struct sockaddr *)&client->address, &client->address_len) == 0);
}

void http_client_turn(struct http_client *client)
{
    for (int i = 0; i < TURNS; i++) {
        PROMISE(event_base_loop(client->base, EVLOOP_NONBLOCK) >= 0);
        if (client->work)
            client->work(client->context);
    }
}

/* False at the end of what the server says. */
static bool receive(struct buffer *replies, int fd)
{
    uint8_t bytes[4096];
    for (;;) {
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n <= 0)
            return n < 0 && errno == EAGAIN;
        PROMISE(buffer_append(replies, bytes, (size_t)n).code == 0);
    }
}

/* Until nothing has come for a while; what was sent in one go may take the server many turns. */
static bool receive_rest(struct http_client *client, struct buffer *replies, int fd)
{
    bool open = true;
    for (int silent = 0; open && silent < TURNS; silent++) {
        size_t before = replies->length;
        http_client_turn(client);
        open = receive(replies, fd);
        if (replies->length > before)
            silent = 0;
    }
    return open;
}

void http_client_exchange(struct http_client *client, struct buffer *replies, const uint8_t *data,
                          size_t size, size_t piece)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    PROMISE(fd >= 0 && connect(fd, (struct sockaddr *)&client->address, client->address_len) == 0);
    http_client_turn(client);
    bool open = true;
    for (size_t at = 0; at < size && open;) {
        size_t step = size - at < piece ? size - at : piece;
        ssize_t n = send(fd, data + at, step, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            break;
        at += n > 0 ? (size_t)n : 0;
        http_client_turn(client);
        open = receive(replies, fd);
    }
    /* Only then: who ends its output is not answered more than what is under way. */
    open = open && receive_rest(client, replies, fd);
    (void)shutdown(fd, SHUT_WR);
    if (open)
        (void)receive_rest(client, replies, fd);
    (void)close(fd);
    http_client_turn(client);
}

static size_t number_behind(const char *head, const char *name)
{
    const char *found = strcasestr(head, name);
    PROMISE(found);
    return (size_t)strtoul(found + strlen(name), NULL, 10);
}

static void check_body(const char *head, const char *body, size_t length)
{
    if (!strcasestr(head, "content-type: application/json") || length == 0)
        return;
    json_t *root = json_loadb(body, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);
    PROMISE(root);
    json_decref(root);
}

size_t http_client_check(struct buffer *replies, int *statuses, size_t most)
{
    size_t num = 0, at = 0;
    while (at < replies->length) {
        char *head = (char *)replies->data + at;
        size_t left = replies->length - at;
        char *end = memmem(head, left, "\r\n\r\n", 4);
        PROMISE(end && left > STATUS_LINE && memcmp(head, "HTTP/1.1 ", 9) == 0);
        size_t head_len = (size_t)(end - head) + 4;
        int status = (int)strtoul(head + 9, NULL, 10);
        PROMISE(status >= 100 && status <= 599);
        if (status == 100) {
            memmove(head, head + head_len, left - head_len);
            replies->length -= head_len;
            continue;
        }
        end[2] = 0;
        size_t body_len = status == 204 || status == 304 ? 0 : number_behind(head, "content-length:");
        /* The answer to HEAD has a length and no body. */
        if (left == head_len ||
            memcmp(head + head_len, "HTTP/1.1 ", left - head_len < 9 ? left - head_len : 9) == 0)
            body_len = 0;
        PROMISE(body_len <= left - head_len);
        check_body(head, head + head_len, body_len);
        end[2] = '\r';
        PROMISE(num < most);
        statuses[num++] = status;
        at += head_len + body_len;
    }
    return num;
}
