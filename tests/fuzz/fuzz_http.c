/* fuzz_http.c - the whole HTTP server, HTTP/1.1 and HTTP/2, without TLS. In whatever pieces the bytes of an
 * HTTP/1.1 client arrive, the server hears the same requests and says the same: what two readings could
 * understand differently would let a request be smuggled past whoever reads the first. A handler is given
 * nothing but decoded paths without control bytes and whole bodies; each request is answered once.
 *
 * The first byte says how long the pieces are and whether handlers answer at once or later. */
#include <event2/event.h>

#include "fuzz.h"
#include "http_client.h"
#include "net/net_http.h"
#include "net/net_loop.h"

enum { BODY_MAX = 3000, LATER_MAX = 600, STATUSES_MAX = 4096, PIECES_MAX = 400 };

static struct http_client client;
static struct net_http_request *later[LATER_MAX];
static size_t num_later;
static bool answer_later;

static void check_text(const char *text, bool may_have_blanks)
{
    for (; *text; text++)
        PROMISE((uint8_t)*text > ' ' || (may_have_blanks && *text == ' '));
}

static void answer(struct net_http_request *request)
{
    AUTO(buffer) text = {0};
    size_t length = 0;
    const char *body = net_http_body(request, &length), *type = net_http_header(request, "content-type");
    PROMISE(body && body[length] == 0 && length <= BODY_MAX);
    PROMISE(buffer_printf(&text, "%d %s?%s %s %s %zu ", net_http_method(request), net_http_path(request),
                          net_http_query(request), net_http_host(request), type ? type : "", length)
                .code == 0);
    PROMISE(buffer_append(&text, body, length).code == 0);
    net_http_reply(request, 200, "text/plain", text.data, text.length);
}

static void handle(void *context, struct net_http_request *request)
{
    const char *path = net_http_path(request);
    (void)context;
    bool asterisk = net_http_method(request) == NET_HTTP_OPTIONS && strcmp(path, "*") == 0;
    PROMISE(*path == '/' || asterisk);
    PROMISE(!strstr(path, "//") && (path[1] == 0 || path[strlen(path) - 1] != '/'));
    check_text(path, true);
    check_text(net_http_query(request), false);
    check_text(net_http_host(request), false);
    if (answer_later && num_later < LATER_MAX)
        later[num_later++] = request;
    else
        answer(request);
}

/* The latest first: HTTP/2 does not care about the order. */
static void answer_later_ones(void *context)
{
    (void)context;
    while (num_later > 0)
        answer(later[--num_later]);
}

static void listen_once(void)
{
    struct net_http_server *server = NULL;
    struct event_base *base = event_base_new();
    PROMISE(base);
    http_client_listen(&client, base);
    client.work = answer_later_ones;
    const struct net_http_config config = {.handler = handle, .max_body = BODY_MAX, .max_http2 = 2};
    PROMISE(net_http_server_new(&server, base, &config).code == 0);
    PROMISE(net_http_server_accept(server, client.listener).code == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int statuses[STATUSES_MAX];
    AUTO(buffer) whole = {0}, pieces = {0};
    if (!client.base)
        listen_once();
    if (size < 2)
        return 0;
    size_t piece = 1 + data[0] % 64;
    answer_later = data[0] & 0x80;
    if (size / piece > PIECES_MAX)
        piece = size / PIECES_MAX;
    http_client_exchange(&client, &whole, data + 1, size - 1, size);
    if (size > 4 && memcmp(data + 1, "PRI", 3) == 0)
        return 0;
    http_client_exchange(&client, &pieces, data + 1, size - 1, piece);
    size_t num = http_client_check(&whole, statuses, STATUSES_MAX);
    PROMISE(http_client_check(&pieces, statuses, STATUSES_MAX) == num);
    PROMISE(whole.length == pieces.length &&
            (num == 0 || memcmp(whole.data, pieces.data, whole.length) == 0));
    return 0;
}
