/* soak_clients.c - one thread and epoll, as tests/bench/bench_clients.c; but where that one gives up, this
 * one notes when it was, and tries again.
 *
 * Whether a cut was one of ours is not judged here: soak.py knows when it broke what. What never has an
 * excuse is told as lost (no answer in time), malformed, extra (bytes that nobody asked for) or unexpected
 * (another status).
 */
#include "soak_clients.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

enum { TURN_MS = 20, EVENTS_MAX = 512, RETRY_NS = 50000000, SIGNATURE_TEXT_LEN = 2 + 2 * 96 };

#define BODY_BEGIN "{\"signature\":\""
#define BODY_END "\"}"

void soak_clients_cleanup(struct soak_clients *l)
{
    for (size_t i = 0; i < l->num_clients; i++)
        bench_connection_cleanup(&l->list[i].connection);
    free(l->list);
    soak_oracle_cleanup(&l->oracle);
    soak_orders_cleanup(&l->orders);
    bench_samples_cleanup(&l->counts.samples);
    SSL_CTX_free(l->context);
    fd_auto_close(&l->epoll);
    *l = (struct soak_clients){.epoll = -1};
}

result soak_clients_open(struct soak_clients *ret_clients, struct soak_orders *orders, SSL_CTX *context,
                         size_t num_clients)
{
    AUTO(soak_clients) l = {.orders = *orders, .context = context, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    *orders = (struct soak_orders){0};
    TRY(soak_oracle_open(&l.oracle, l.orders.num_keys));
    l.list = calloc(num_clients, sizeof *l.list);
    ENSURE(l.epoll >= 0 && l.list, E_MEMORY, "no memory for %zu clients", num_clients);
    for (l.num_clients = 0; l.num_clients < num_clients; l.num_clients++)
        l.list[l.num_clients].connection.fd = -1;
    *ret_clients = l;
    l = (struct soak_clients){.epoll = -1};
    return RESULT_OK;
}

static void tell(const struct soak_clients *l, const struct soak_client *c, const char *event, int status)
{
    printf("{\"event\":\"%s\",\"at\":%.3f,\"began\":%.3f,\"status\":%d,\"key\":\"%s\",\"bytes\":%zu}\n",
           event, (double)clock_monotonic_ns() / 1e9, (double)c->began_ns / 1e9, status,
           l->orders.keys[c->message.key], c->connection.answer.length);
}

static void hang_up(struct soak_client *c)
{
    bench_connection_close(&c->connection, false);
    c->is_asking = false;
    c->retry_ns = clock_monotonic_ns() + RETRY_NS;
}

/* The connection has ended, in the middle of something or not. */
static void cut(struct soak_clients *l, struct soak_client *c)
{
    if (c->is_asking) {
        l->counts.cut++;
        tell(l, c, "cut", 0);
    }
    hang_up(c);
}

static result ask(struct soak_clients *l, struct soak_client *c)
{
    AUTO(buffer) request = {0};
    if (l->pausing) {
        hang_up(c);
        return RESULT_OK;
    }
    soak_orders_next(&c->message, &l->orders);
    TRY(soak_orders_request(&request, &l->orders, &c->message));
    c->began_ns = clock_monotonic_ns();
    if (bench_connection_send(&c->connection, &request).code) {
        l->counts.not_sent++;
        hang_up(c);
        return RESULT_OK;
    }
    c->is_asking = true;
    l->counts.sent++;
    return RESULT_OK;
}

static result shaken(struct soak_clients *l, struct soak_client *c)
{
    if (c->connection.shaking)
        return RESULT_OK;
    l->counts.handshakes++;
    return ask(l, c);
}

static result connect_client(struct soak_clients *l, struct soak_client *c)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
    if (bench_connection_open(&c->connection, &l->address, l->context).code) {
        l->counts.not_connected++;
        hang_up(c);
        return RESULT_OK;
    }
    ENSURE(epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->connection.fd, &event) == 0, E_IO, "epoll_ctl");
    return shaken(l, c);
}

static enum soak_status status_of(int status)
{
    static const int statuses[] = {[SOAK_200] = 200, [SOAK_400] = 400, [SOAK_404] = 404,
                                   [SOAK_412] = 412, [SOAK_500] = 500, [SOAK_503] = 503};
    for (size_t i = 0; i < ARRAY_LENGTH(statuses); i++)
        if (statuses[i] == status)
            return (enum soak_status)i;
    return SOAK_OTHER;
}

/* Whether the body is one signature and nothing else; *ret_text points to it. */
static bool read_signature(const char **ret_text, const struct bench_connection *connection)
{
    const char *body = bench_connection_body(connection);
    const size_t begin = strlen(BODY_BEGIN), length = begin + SIGNATURE_TEXT_LEN + strlen(BODY_END);
    if (connection->body_length != length || strncmp(body, BODY_BEGIN, begin) != 0 ||
        strncmp(body + begin + SIGNATURE_TEXT_LEN, BODY_END, strlen(BODY_END)) != 0)
        return false;
    *ret_text = body + begin;
    for (size_t i = 2; i < SIGNATURE_TEXT_LEN; i++)
        if (!isxdigit((unsigned char)(*ret_text)[i]))
            return false;
    return strncmp(*ret_text, "0x", 2) == 0;
}

static result take_signature(struct soak_clients *l, const struct soak_client *c)
{
    const char *text;
    const struct soak_message *m = &c->message;
    if (!read_signature(&text, &c->connection)) {
        tell(l, c, "malformed", 200);
        return RESULT_OK;
    }
    TRY(soak_oracle_add(&l->oracle, m, text, SIGNATURE_TEXT_LEN));
    if (l->until_sample-- == 0) {
        l->until_sample = l->sample_one_in;
        printf("{\"event\":\"sample\",\"kind\":\"%s\",\"key\":\"%s\",\"low\":%u,\"high\":%u,\"variant\":%u,"
               "\"signature\":\"%.*s\"}\n",
               m->kind == SOAK_VOTE ? "vote" : "block", l->orders.keys[m->key], m->low, m->high, m->variant,
               SIGNATURE_TEXT_LEN, text);
    }
    return RESULT_OK;
}

static result answered(struct soak_clients *l, struct soak_client *c)
{
    const struct bench_connection *connection = &c->connection;
    enum soak_status status = status_of(connection->status);
    const char *closes = strcasestr((const char *)connection->answer.data, "\r\nConnection: close");
    c->is_asking = false;
    l->counts.statuses[status]++;
    TRY(bench_samples_add(&l->counts.samples, clock_monotonic_ns() - c->began_ns));
    if (status == SOAK_200)
        TRY(take_signature(l, c));
    if (status == SOAK_400 || status == SOAK_OTHER)
        tell(l, c, "unexpected", connection->status);
    if (status == SOAK_404 || status == SOAK_500 || status == SOAK_503)
        tell(l, c, "refused", connection->status);
    if (connection->answer.length > connection->head_length + connection->body_length)
        tell(l, c, "extra", connection->status);
    if (!closes || closes > bench_connection_body(connection))
        return ask(l, c);
    hang_up(c);
    return RESULT_OK;
}

static result go_on(struct soak_clients *l, struct soak_client *c)
{
    bool complete = false;
    if (c->connection.fd < 0)
        return RESULT_OK;
    if (c->connection.shaking) {
        if (!bench_connection_shake(&c->connection).code)
            return shaken(l, c);
        l->counts.not_connected++;
        hang_up(c);
        return RESULT_OK;
    }
    size_t before = c->connection.answer.length;
    result r = bench_connection_receive(&c->connection, &complete);
    if (c->is_asking && c->connection.head_length &&
        c->connection.answer.length >= c->connection.head_length + c->connection.body_length)
        return answered(l, c);
    if (!c->is_asking && c->connection.answer.length > before)
        tell(l, c, "extra", 0);
    if (r.code)
        cut(l, c);
    return RESULT_OK;
}

/* Connections that are to be made, and answers that should have come. */
static result look_after(struct soak_clients *l)
{
    uint64_t now = clock_monotonic_ns();
    for (size_t i = 0; i < l->num_clients; i++) {
        struct soak_client *c = &l->list[i];
        if (c->is_asking && now - c->began_ns > l->answer_ns) {
            l->counts.lost++;
            tell(l, c, "lost", 0);
            hang_up(c);
        }
        if (c->connection.fd < 0 && !l->pausing && now >= c->retry_ns)
            TRY(connect_client(l, c));
    }
    return RESULT_OK;
}

result soak_clients_turn(struct soak_clients *l)
{
    struct epoll_event events[EVENTS_MAX];
    TRY(look_after(l));
    int ready = epoll_wait(l->epoll, events, EVENTS_MAX, TURN_MS);
    for (int i = 0; i < ready; i++)
        TRY(go_on(l, events[i].data.ptr));
    return RESULT_OK;
}

size_t soak_clients_asking(const struct soak_clients *l)
{
    size_t asking = 0;
    for (size_t i = 0; i < l->num_clients; i++)
        asking += l->list[i].is_asking;
    return asking;
}
