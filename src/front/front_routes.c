/* front_routes.c - the API at a glance. What holds for every route is in front_access.c, and is asked before
 * a request's body is let in: who has no credentials is to cost no more than a head.
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

enum { PLACE_DEPTH_MAX = 16 };

typedef void handler(struct front *front, struct net_http_request *request, const char *rest);

static bool has_manager(const struct front *front)
{
    return front->manager;
}

static bool signs_extensions(const struct front *front)
{
    return front->options.extension_signing;
}

static bool is_standalone(const struct front *front)
{
    return !front->options.enclave;
}

static bool is_attested(const struct front *front)
{
    return front->options.enclave;
}

static bool has_protection(const struct front *front)
{
    return front->policy.slashing_protection;
}

static bool has_boost(const struct front *front)
{
    return front->boost;
}

static const struct route {
    enum net_http_method method;
    const char *path;
    bool has_rest;                                             /* one more path segment follows */
    bool (*is_there)(const struct front *);                    /* NULL: always */
    bool (*admits)(struct front *, struct net_http_request *); /* credentials of its own; NULL: none */
    handler *handle;
} routes[] = {
    {NET_HTTP_GET, "/upcheck", false, NULL, NULL, front_upcheck},
    {NET_HTTP_GET, "/healthcheck", false, NULL, NULL, front_healthcheck},
    {NET_HTTP_GET, "/api/v1/eth2/publicKeys", false, NULL, NULL, front_keys_list},
    {NET_HTTP_POST, "/api/v1/eth2/sign", false, NULL, NULL, front_sign_batch},
    {NET_HTTP_POST, "/api/v1/eth2/sign/", true, NULL, NULL, front_sign},
    {NET_HTTP_POST, "/api/v1/eth2/ext/sign/", true, signs_extensions, NULL, front_extension},
    {NET_HTTP_GET, "/api/v1/eth2/highWatermark", false, has_protection, NULL, front_watermark_show},
    {NET_HTTP_GET, "/attestation", false, is_attested, NULL, front_attestation_begin},
    {NET_HTTP_GET, "/reload", false, is_standalone, NULL, front_reload_show},
    {NET_HTTP_POST, "/reload", false, is_standalone, NULL, front_reload_begin},
    {NET_HTTP_GET, "/signer/v1/get_pubkeys", false, has_boost, NULL, front_boost_list},
    {NET_HTTP_POST, "/signer/v1/generate_proxy_key", false, has_boost, NULL, front_boost_generate},
    {NET_HTTP_POST, "/signer/v1/request_signature", false, has_boost, NULL, front_boost_sign},
    {NET_HTTP_GET, "/eth/v1/keystores", false, has_manager, front_bears_token, front_manager_list},
    {NET_HTTP_POST, "/eth/v1/keystores", false, has_manager, front_bears_token, front_manager_import},
    {NET_HTTP_DELETE, "/eth/v1/keystores", false, has_manager, front_bears_token, front_manager_delete},
};

static bool is_served(const struct front *front, const struct route *route)
{
    return !route->is_there || route->is_there(front);
}

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

/* "GET, POST": what this path knows. */
static void reply_not_allowed(struct front *front, struct net_http_request *request, const char *path)
{
    static const char *const names[] = {
        [NET_HTTP_GET] = "GET", [NET_HTTP_POST] = "POST", [NET_HTTP_DELETE] = "DELETE"};
    char allowed[64] = "";
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (!is_served(front, &routes[i]) || !match(&routes[i], path))
            continue;
        size_t length = strlen(allowed);
        (void)snprintf(allowed + length, sizeof allowed - length, "%s%s", length ? ", " : "",
                       names[routes[i].method]);
    }
    net_http_reply_header(request, "allow", allowed);
    front_reply_error(request, 405, "this path does not know this method");
}

bool front_routes_find(struct front_place *ret_place, const char *path)
{
    for (int depth = 0; path && depth < PLACE_DEPTH_MAX; depth++, path = strchr(path + 1, '/')) {
        for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
            const char *rest = match(&routes[i], path);
            if (!rest)
                continue;
            *ret_place = (struct front_place){.path = path, .route = routes[i].path, .rest = rest};
            return true;
        }
    }
    return false;
}

bool front_begin(void *context, struct net_http_request *request)
{
    struct front *front = context;
    const char *path = net_http_path(request);
    front_log_begin(front, request);
    if (!front_admits(front, request, &path))
        return false;
    net_http_set_path_left(request, path);
    return true;
}

void front_handle(void *context, struct net_http_request *request)
{
    struct front *front = context;
    const char *path = net_http_path_left(request);
    bool path_is_known = false;
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        const struct route *route = &routes[i];
        const char *rest = is_served(front, route) ? match(route, path) : NULL;
        if (!rest)
            continue;
        path_is_known = true;
        if (route->method != net_http_method(request))
            continue;
        if (!route->admits || route->admits(front, request))
            route->handle(front, request, rest);
        return;
    }
    if (path_is_known)
        reply_not_allowed(front, request, path);
    else
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

bool front_takes_json(struct net_http_request *request)
{
    const char *accept = net_http_header(request, "accept");
    bool takes = !accept || front_accepts(accept, "application/json") ||
                 front_accepts(accept, "application/*") || front_accepts(accept, "*/*");
    if (!takes)
        front_reply_error(request, 406, "this path answers with application/json");
    return takes;
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
