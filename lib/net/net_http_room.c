/* net_http_room.c - what all clients share: places for connections, and memory for long bodies; and who goes
 * first when there is no more of it.
 *
 * Places: a connection of which no request was ever admitted is fresh, whether it is silent, sends, or is
 * told that it is refused. Those go before any other, the oldest first: whoever opens thousands, or begins as
 * many requests, pushes out others of that kind, not the kept connections of clients that work. Then the
 * longest idle.
 *
 * Bodies: a long one is counted from its first bytes until its request is freed, wherever that is, for a
 * handler may keep it when the client has long gone. When a body finds no room, that of the request which has
 * waited longest for more of its own makes it. Rejected: to refuse the new one; two clients that send all but
 * the last byte would keep everybody else out. */
#include <event2/buffer.h>

#include "net/net_http_internal.h"

/* ---- places ---- */

/* NULL: it stays. */
static struct net_http_connections *list_of(struct net_http_connection *c)
{
    return c->fresh ? &c->server->fresh : c->idle ? &c->server->idle : NULL;
}

static void move(struct net_http_connection *c, bool fresh, bool idle)
{
    struct net_http_connections *before = list_of(c);
    c->fresh = fresh;
    c->idle = idle;
    struct net_http_connections *after = list_of(c);
    if (before == after)
        return;
    if (before)
        TAILQ_REMOVE(before, c, place_link);
    if (after)
        TAILQ_INSERT_TAIL(after, c, place_link);
}

void net_http_connection_enter(struct net_http_connection *c)
{
    TAILQ_INSERT_TAIL(&c->server->all, c, link);
    c->server->num_connections++;
    move(c, true, true);
}

void net_http_connection_leave(struct net_http_connection *c)
{
    move(c, false, false);
    TAILQ_REMOVE(&c->server->all, c, link);
    c->server->num_connections--;
}

void net_http_connection_set_idle(struct net_http_connection *c, bool idle)
{
    move(c, c->fresh, idle);
    net_http_update_listening(c->server);
}

bool net_http_connection_admits(struct net_http_connection *c, struct net_http_request *request)
{
    const struct net_http_config *config = &c->server->config;
    if (config->admits && !config->admits(config->context, request))
        return false;
    move(c, false, c->idle);
    net_http_update_listening(c->server);
    return true;
}

bool net_http_has_room(const struct net_http_server *server)
{
    return server->num_connections < server->config.max_connections || !TAILQ_EMPTY(&server->fresh) ||
           !TAILQ_EMPTY(&server->idle);
}

struct net_http_connection *net_http_first_to_go(struct net_http_server *server)
{
    struct net_http_connection *c = TAILQ_FIRST(&server->fresh);
    return c ? c : TAILQ_FIRST(&server->idle);
}

/* ---- long bodies ---- */

static struct net_http_requests *bodies_of(struct net_http_request *request)
{
    return request->is_whole ? &request->counted_in->whole : &request->counted_in->arriving;
}

static void count(struct net_http_request *request, struct net_http_server *server, size_t bytes)
{
    server->body_bytes += bytes;
    request->counted = bytes;
    request->counted_in = server;
    TAILQ_INSERT_TAIL(bodies_of(request), request, body_link);
}

static void uncount(struct net_http_request *request)
{
    if (!request->counted_in)
        return;
    TAILQ_REMOVE(bodies_of(request), request, body_link);
    request->counted_in->body_bytes -= request->counted;
    request->counted_in = NULL;
}

result net_http_body_count(struct net_http_server *server, struct net_http_request *request)
{
    size_t length = evbuffer_get_length(request->bytes);
    if (length <= NET_HTTP_SMALL_BODY)
        return RESULT_OK;
    uncount(request);
    count(request, server, length);
    while (server->body_bytes > server->config.max_bodies) {
        struct net_http_request *oldest = TAILQ_FIRST(&server->arriving);
        result none = error_set(E_TOO_LARGE, "too many request bodies at once");
        if (oldest == request)
            return none;
        oldest->exchange->crowd_out(oldest->exchange);
    }
    return RESULT_OK;
}

void net_http_body_is_whole(struct net_http_request *request)
{
    struct net_http_server *server = request->counted_in;
    uncount(request);
    request->is_whole = true;
    if (server)
        count(request, server, request->counted);
}

void net_http_body_free(struct net_http_request *request)
{
    uncount(request);
    (void)evbuffer_drain(request->bytes, evbuffer_get_length(request->bytes));
}

void net_http_bodies_leave(struct net_http_server *server)
{
    struct net_http_request *request;
    while ((request = TAILQ_FIRST(&server->whole)))
        uncount(request);
}
