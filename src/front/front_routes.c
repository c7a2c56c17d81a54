/* front_routes.c - the API at a glance, and what holds for every route: origin, host, method.
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
    handler *handle;
} routes[] = {
    {NET_HTTP_GET, "/upcheck", false, front_upcheck},
    {NET_HTTP_GET, "/healthcheck", false, front_healthcheck},
    {NET_HTTP_GET, "/api/v1/eth2/publicKeys", false, front_keys_list},
    {NET_HTTP_POST, "/api/v1/eth2/sign/", true, front_sign},
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

static bool host_allowed(const struct front_hosts *hosts, const char *host)
{
    for (size_t i = 0; i < hosts->num_names; i++) {
        if (strcmp(hosts->names[i], host) == 0)
            return true;
    }
    return hosts->any;
}

bool front_admits(const struct front_hosts *hosts, struct net_http_request *request)
{
    static const char not_authorized[] = "{\"message\":\"Host not authorized.\"}";
    if (net_http_header(request, "origin")) {
        front_reply_error(request, 403, "CORS Rejected - Invalid origin");
        return false;
    }
    if (!host_allowed(hosts, net_http_host(request))) {
        net_http_reply(request, 403, "application/json; charset=utf-8", not_authorized,
                       sizeof not_authorized - 1);
        return false;
    }
    return true;
}

void front_handle(void *context, struct net_http_request *request)
{
    struct front *front = context;
    if (!front_admits(&front->hosts, request))
        return;
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        const char *rest = match(&routes[i], net_http_path(request));
        if (rest && routes[i].method == net_http_method(request)) {
            routes[i].handle(front, request, rest);
            return;
        }
        if (rest) {
            net_http_reply_header(request, "allow", routes[i].method == NET_HTTP_GET ? "GET" : "POST");
            front_reply_error(request, 405, "this path does not know this method");
            return;
        }
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

static must_check result add_host(struct front_hosts *hosts, const char *option, char *name)
{
    ENSURE(hosts->num_names < FRONT_HOSTS_MAX, E_INPUT, "--%s: more than %d names", option, FRONT_HOSTS_MAX);
    ENSURE(*name, E_INPUT, "--%s: empty name", option);
    for (char *c = name; *c; c++) {
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c | 0x20);
    }
    hosts->names[hosts->num_names++] = name;
    return RESULT_OK;
}

result front_hosts_parse(struct front_hosts *ret_hosts, const char *option, const char *text)
{
    AUTO(front_hosts) hosts = {0};
    hosts.text = strdup(text);
    ENSURE(hosts.text, E_MEMORY, "out of memory");
    for (char *at = hosts.text; at;) {
        char *name = at;
        at = strchr(at, ',');
        if (at)
            *at++ = 0;
        TRY(add_host(&hosts, option, name));
    }
    for (size_t i = 0; i < hosts.num_names; i++) {
        bool any = strcmp(hosts.names[i], "*") == 0 || strcmp(hosts.names[i], "all") == 0;
        bool none = strcmp(hosts.names[i], "none") == 0;
        ENSURE(!(any || none) || hosts.num_names == 1, E_INPUT, "--%s: * and none stand alone", option);
        hosts.any = any;
        if (any || none)
            hosts.num_names = 0;
    }
    *ret_hosts = hosts;
    hosts.text = NULL;
    return RESULT_OK;
}

void front_hosts_cleanup(struct front_hosts *hosts)
{
    free(hosts->text);
    *hosts = (struct front_hosts){0};
}
