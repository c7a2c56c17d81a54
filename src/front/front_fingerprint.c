/* front_fingerprint.c - which software asks, and in which shapes: what an operator wants to know before an
 * update of either side. Names and shapes are of fixed lists, so no client can make new series or new lines.
 *
 * A name is found in the User-Agent header. Several clients send only that of the library they are built
 * with: Teku's says Java, Lodestar's node, Vero's Python, Prysm's Go; and some send none. */
#include <string.h>

#include "base/log.h"
#include "front.h"

enum { AGENT_SHOWN_MAX = 80 };

/* The first whose text is in the header, in any case, is it. */
static const struct {
    const char *text, *name;
} agents[] = {
    {"lighthouse", "lighthouse"}, {"prysm", "prysm"},   {"nimbus", "nimbus"},     {"teku", "teku"},
    {"lodestar", "lodestar"},     {"vero", "vero"},     {"grandine", "grandine"}, {"ssv", "ssv"},
    {"vouch", "vouch"},           {"java", "java"},     {"go-http-client", "go"}, {"node", "node"},
    {"undici", "node"},           {"python", "python"}, {"aiohttp", "python"},    {"reqwest", "reqwest"},
    {"chronos", "nimbus"},        {"curl", "curl"},
};

static const char *const names[FRONT_CLIENTS] = {
    "lighthouse", "prysm", "nimbus", "teku",   "lodestar", "vero", "grandine", "ssv",   "vouch",
    "java",       "go",    "node",   "python", "reqwest",  "curl", "none",     "other",
};

const char *front_client_name(size_t client)
{
    return names[client];
}

static size_t index_of(const char *name)
{
    size_t i = 0;
    while (i < FRONT_CLIENTS - 1 && strcmp(names[i], name) != 0)
        i++;
    return i;
}

size_t front_client_of(struct net_http_request *request)
{
    const char *agent = net_http_header(request, "user-agent");
    if (!agent || !*agent)
        return index_of("none");
    for (size_t i = 0; i < ARRAY_LENGTH(agents); i++) {
        if (strcasestr(agent, agents[i].text))
            return index_of(agents[i].name);
    }
    return index_of("other");
}

void front_note_shape(struct front *front, struct net_http_request *request, enum eth2_order_kind kind,
                      enum eth2_api_shape shape)
{
    char shown[AGENT_SHOWN_MAX + 1] = "";
    if (shape == ETH2_SHAPE_CURRENT)
        return;
    front_metrics_shape(front, shape);
    if (front->shapes_told & UINT32_C(1) << shape)
        return;
    front->shapes_told |= UINT32_C(1) << shape;
    const char *agent = net_http_header(request, "user-agent");
    for (size_t i = 0; agent && agent[i] && i < AGENT_SHOWN_MAX; i++)
        shown[i] = (char)(agent[i] >= 0x20 && agent[i] < 0x7f ? agent[i] : '?');
    const struct log_field fields[] = {{.name = "shape", .text = eth2_api_shape_name(shape)},
                                       {.name = "type", .text = eth2_order_kind_name(kind)},
                                       {.name = "user_agent", .text = shown}};
    log_event(LOG_LEVEL_WARN, fields, ARRAY_LENGTH(fields),
              "a client sends a pre-1.4 shape, which is taken; told once, counted in the metrics");
}
