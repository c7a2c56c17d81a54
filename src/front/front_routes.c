/* front_routes.c - the API at a glance. What holds for every route is in front_access.c.
 *
 * Statuses are those of Web3Signer; errors carry {"error": "..."} where it sends a bare phrase, because
 * clients show or log exactly that. Paths arrive decoded, with doubled slashes collapsed and without a
 * trailing one. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "front.h"

typedef void handler(struct front *front, struct net_http_request *request, const char *rest);

static const struct route {
    enum net_http_method method;
    const char *path;
    bool has_rest; /* one more path segment follows */
    bool manages;  /* of the key manager: there only if it is enabled, and with its own credentials */
    handler *handle;
} routes[] = {
    {NET_HTTP_GET, "/upcheck", false, false, front_upcheck},
    {NET_HTTP_GET, "/healthcheck", false, false, front_healthcheck},
    {NET_HTTP_GET, "/api/v1/eth2/publicKeys", false, false, front_keys_list},
    {NET_HTTP_POST, "/api/v1/eth2/sign/", true, false, front_sign},
    {NET_HTTP_GET, "/eth/v1/keystores", false, true, front_manager_list},
    {NET_HTTP_POST, "/eth/v1/keystores", false, true, front_manager_import},
    {NET_HTTP_DELETE, "/eth/v1/keystores", false, true, front_manager_delete},
};

/* What follows the route's path, "" if nothing should; NULL if the path is another. */
static const char *match(const struct route *route, const char *path)
{
    size_t length = strlen(route->path);
    if (strncmp(path, route->path, length) != 0)
        return NULL;
    const char *rest = path + length;
    bool fits = route->has_rest ? *rest && !strchr(rest, '/') : *rest == 0;
    return fits ? rest : NULL;
}

static const char *allowed_by(const struct route *route)
{
    if (route->manages)
        return "GET, POST, DELETE";
    return route->method == NET_HTTP_GET ? "GET" : "POST";
}

void front_handle(void *context, struct net_http_request *request)
{
    struct front *front = context;
    const char *path = net_http_path(request);
    const struct route *other = NULL;
    if (!front_admits(front, request, &path))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        const char *rest = match(&routes[i], path);
        if (!rest || (routes[i].manages && !front->manager))
            continue;
        other = &routes[i];
        if (other->method != net_http_method(request))
            continue;
        if (!other->manages || front_bears_token(front, request))
            other->handle(front, request, rest);
        return;
    }
    if (other) {
        net_http_reply_header(request, "allow", allowed_by(other));
        front_reply_error(request, 405, "this path does not know this method");
        return;
    }
    front_reply_error(request, 404, "Resource not found");
}

void front_reply_error(struct net_http_request *request, int status, const char *format, ...)
{
    char sentence[512], body[600];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    for (char *c = sentence; *c; c++) {
        if (*c < 0x20 || *c == 0x7f || *c == '"' || *c == '\\')
            *c = '?';
    }
    int length = snprintf(body, sizeof body, "{\"error\":\"%s\"}", sentence);
    net_http_reply(request, status, "application/json", body, (size_t)length);
}

bool front_accepts(const char *accept, const char *media_range)
{
    size_t wanted_len = strlen(media_range);
    while (*accept) {
        accept += strspn(accept, " \t,");
        size_t range_len = strcspn(accept, " \t,;");
        if (range_len == wanted_len && strncasecmp(accept, media_range, wanted_len) == 0)
            return true;
        accept += strcspn(accept, ",");
    }
    return false;
}
