/* proxy_routes.c - LISTEN=CONNECT and the list of targets that may be reached from inside.
 *
 * A unix path may contain '=', so the text is cut where an address begins, not at the first sign. */
#include "proxy.h"

#include <string.h>
#include <strings.h>

static const char *find_target(const char *text)
{
    static const char *const beginnings[] = {"=tcp:", "=unix:", "=vsock:"};
    const char *found = NULL;
    for (size_t i = 0; i < ARRAY_LENGTH(beginnings); i++) {
        const char *at = strstr(text, beginnings[i]);
        if (at && (!found || at < found))
            found = at;
    }
    return found;
}

result proxy_route_parse(struct proxy_route *ret_route, const char *text)
{
    struct proxy_route route;
    char listen[300];
    const char *target = find_target(text);
    ENSURE(target && (size_t)(target - text) < sizeof listen, E_INPUT, "must be LISTEN=CONNECT");
    memcpy(listen, text, (size_t)(target - text));
    listen[target - text] = 0;
    TRY(net_address_parse(&route.listen, listen));
    TRY(net_address_parse(&route.target, target + 1));
    *ret_route = route;
    return RESULT_OK;
}

static bool same_address(const struct net_address *a, const struct net_address *b)
{
    if (a->family != b->family || a->port != b->port)
        return false;
    switch (a->family) {
    case NET_TCP:
        return strcasecmp(a->host, b->host) == 0;
    case NET_UNIX:
        return strcmp(a->host, b->host) == 0;
    case NET_VSOCK:
        return a->cid == b->cid;
    }
    return false;
}

result proxy_allowed(bool *ret_allowed, const struct option_list *allow, const struct net_address *target)
{
    bool allowed = false;
    for (size_t i = 0; i < allow->num_values; i++) {
        struct net_address entry;
        result r = net_address_parse(&entry, allow->values[i]);
        if (r.code)
            return error_prefix(r, "--allow");
        allowed = allowed || same_address(&entry, target);
    }
    *ret_allowed = allowed;
    return RESULT_OK;
}
