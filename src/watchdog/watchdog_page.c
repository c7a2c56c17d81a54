/* watchdog_page.c - see watchdog_page.h.
 *
 * It shares the loop with the watchdog's work, so nothing here waits, and what a client can make it spend is
 * small: some connections, a head of 8 KiB, no body, and a text that was made before. The long one, the
 * history, is made once a sample, whoever asks how often.
 *
 * Who can be tricked is the operator's browser: pages of the web may ask loopback on its behalf. The name in
 * Host must be loopback's, or a name of theirs that was pointed here would do; its port may be any, since
 * people come through tunnels. An Origin is never sent for what the page itself gets, so one is refused, and
 * no answer has a word for CORS. The policy of the page allows its own two files and nothing inline. */
#include "watchdog_page.h"

#include <stdlib.h>
#include <string.h>

#include "net/net_http.h"
#include "watchdog_assets.h"
#include "watchdog_loopback.h"

enum { CONNECTIONS_MAX = 16, BACKLOG = 16, IDLE_SECONDS = 15, REQUEST_SECONDS = 10 };

static const char content_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

struct watchdog_page {
    struct net_http_server *server;
    watchdog_look look;
    const void *context;
    struct buffer history;
    uint64_t history_takes; /* when that was made */
};
typedef struct watchdog_page watchdog_page;
DEFINE_AUTO_POINTER(watchdog_page, watchdog_page_close)

static must_check result make_index(struct buffer *out, struct watchdog_page *page)
{
    struct watchdog_words words;
    struct watchdog_view view = page->look(page->context);
    watchdog_view_words(&words, &view);
    return watchdog_view_page(out, &words, watchdog_asset_index_html, watchdog_asset_index_html_len);
}

static must_check result make_status(struct buffer *out, struct watchdog_page *page)
{
    struct watchdog_view view = page->look(page->context);
    return watchdog_view_status(out, &view);
}

static must_check result make_history(struct buffer *out, struct watchdog_page *page)
{
    struct watchdog_view view = page->look(page->context);
    if (!page->history.length || page->history_takes != view.history->num_takes) {
        AUTO(buffer) fresh = {0};
        TRY(watchdog_view_history(&fresh, &view));
        buffer_cleanup(&page->history);
        page->history = fresh;
        fresh = (struct buffer){0};
        page->history_takes = view.history->num_takes;
    }
    return buffer_append(out, page->history.data, page->history.length);
}

static must_check result make_style(struct buffer *out, struct watchdog_page *page)
{
    (void)page;
    return buffer_append(out, watchdog_asset_status_css, watchdog_asset_status_css_len);
}

static must_check result make_script(struct buffer *out, struct watchdog_page *page)
{
    (void)page;
    return buffer_append(out, watchdog_asset_status_js, watchdog_asset_status_js_len);
}

static must_check result make_icon(struct buffer *out, struct watchdog_page *page)
{
    (void)page;
    return buffer_append(out, watchdog_asset_icon_svg, watchdog_asset_icon_svg_len);
}

struct route {
    const char *path, *content_type;
    result (*make)(struct buffer *out, struct watchdog_page *page);
};
static const struct route routes[] = {
    {"/", "text/html; charset=utf-8", make_index},
    {"/status.json", "application/json", make_status},
    {"/history.json", "application/json", make_history},
    {"/status.css", "text/css; charset=utf-8", make_style},
    {"/status.js", "text/javascript; charset=utf-8", make_script},
    {"/icon.svg", "image/svg+xml", make_icon},
};

static const struct route *find_route(const char *path)
{
    for (size_t i = 0; i < ARRAY_LENGTH(routes); i++) {
        if (strcmp(routes[i].path, path) == 0)
            return &routes[i];
    }
    return NULL;
}

static void add_headers(struct net_http_request *request)
{
    net_http_reply_header(request, "content-security-policy", content_policy);
    net_http_reply_header(request, "x-content-type-options", "nosniff");
    net_http_reply_header(request, "cache-control", "no-store");
    net_http_reply_header(request, "referrer-policy", "no-referrer");
    net_http_reply_header(request, "cross-origin-resource-policy", "same-origin");
    net_http_reply_header(request, "cross-origin-opener-policy", "same-origin");
}

static void refuse(struct net_http_request *request, int status, const char *why)
{
    net_http_reply(request, status, "text/plain; charset=utf-8", why, strlen(why));
}

static bool is_our_name(const char *host)
{
    struct net_address address = {.family = NET_TCP};
    if (strlen(host) >= sizeof address.host)
        return false;
    memcpy(address.host, host, strlen(host) + 1);
    return strcmp(host, "localhost") == 0 || watchdog_is_loopback(&address);
}

static void handle(void *context, struct net_http_request *request)
{
    AUTO(buffer) text = {0};
    struct watchdog_page *page = context;
    enum net_http_method method = net_http_method(request);
    const struct route *route = find_route(net_http_path(request));
    add_headers(request);
    if (!is_our_name(net_http_host(request))) {
        refuse(request, 403, "Host must be localhost or a number of loopback's\n");
    } else if (net_http_header(request, "origin")) {
        refuse(request, 403, "no other page may ask\n");
    } else if (!route) {
        refuse(request, 404, "there is no such page\n");
    } else if (method != NET_HTTP_GET && method != NET_HTTP_HEAD) {
        net_http_reply_header(request, "allow", "GET, HEAD");
        refuse(request, 405, "this page only tells\n");
    } else if (route->make(&text, page).code) {
        refuse(request, 500, "out of memory\n");
    } else {
        net_http_reply(request, 200, route->content_type, text.data, text.length);
    }
}

result watchdog_page_open(struct watchdog_page **ret_page, struct event_base *base,
                          const struct net_address *address, watchdog_look look, const void *context)
{
    AUTO_FD listener = -1;
    AUTO_POINTER(watchdog_page) page = calloc(1, sizeof *page);
    ENSURE(page, E_MEMORY, "no memory for the status page");
    const struct net_http_config config = {.handler = handle,
                                           .context = page,
                                           .max_connections = CONNECTIONS_MAX,
                                           .idle_timeout_seconds = IDLE_SECONDS,
                                           .request_timeout_seconds = REQUEST_SECONDS,
                                           .max_body = 1};
    page->look = look;
    page->context = context;
    TRY(net_listen(&listener, address, BACKLOG));
    TRY(net_http_server_new(&page->server, base, &config));
    TRY(net_http_server_accept(page->server, listener));
    (void)fd_take(&listener);
    *ret_page = TAKE(page);
    return RESULT_OK;
}

void watchdog_page_close(struct watchdog_page *page)
{
    if (!page)
        return;
    if (page->server)
        net_http_server_free(page->server);
    buffer_cleanup(&page->history);
    free(page);
}
