/* bench_clients.c - one thread and epoll: the generator shares the cores with what it measures, so it must be
 * cheap.
 *
 * Each client owns every n-th key and walks through its keys, so the order of one key's requests never
 * depends on timing and nothing is slashable.
 */
#include "bench_clients.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/clock.h"

enum { IDLE_MS = 10000, EVENTS_MAX = 512 };

result bench_opening_by_name(enum bench_opening *ret_opening, const char *name)
{
    static const char *const names[] = {
        [BENCH_KEPT] = "kept", [BENCH_PER_BURST] = "per-burst", [BENCH_PER_REQUEST] = "per-request"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(name, names[i]) == 0) {
            *ret_opening = (enum bench_opening)i;
            return RESULT_OK;
        }
    FAIL(E_INPUT, "--opening: kept, per-burst or per-request");
}

void bench_clients_cleanup(struct bench_clients *l)
{
    for (size_t i = 0; i < l->num_clients; i++)
        bench_connection_cleanup(&l->list[i].connection);
    free(l->list);
    bench_keys_cleanup(&l->keys);
    bench_samples_cleanup(&l->samples);
    fd_auto_close(&l->epoll);
    *l = (struct bench_clients){.epoll = -1};
}

static struct bench_order order_of(const struct bench_clients *l, const struct bench_client *c)
{
    return (struct bench_order){
        .type = l->plan.type, .key = l->keys.texts[c->key], .number = c->key, .epoch = c->epoch};
}

static result send_order(struct bench_clients *l, struct bench_client *c)
{
    AUTO(buffer) request = {0};
    struct bench_order order = order_of(l, c);
    TRY(bench_order_request(&request, &order));
    return bench_connection_send(&c->connection, &request);
}

static void count_handshake(struct bench_clients *l, const struct bench_client *c)
{
    l->handshakes += !c->connection.shaking;
    l->resumed += !c->connection.shaking && c->connection.resumed;
}

/* Its handshake may be over at once: the signer can get the processor between our hello and our next look. */
static result open_connection(struct bench_clients *l, struct bench_client *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    TRY(bench_connection_open(&c->connection, &l->plan.address, l->plan.context));
    ENSURE(epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->connection.fd, &event) == 0, E_IO, "epoll_ctl");
    count_handshake(l, c);
    return RESULT_OK;
}

static void close_connection(struct bench_clients *l, struct bench_client *c)
{
    bench_connection_close(&c->connection, l->plan.resumes);
}

/* The next key's request, after a handshake when there is no connection; nothing when a burst is over. */
static result start_next(struct bench_clients *l, struct bench_client *c)
{
    c->key += l->num_clients;
    if (c->key >= l->keys.num_keys && l->is_burst) {
        c->key -= l->num_clients; /* the last one, whose answer is verified */
        if (l->plan.opening != BENCH_KEPT)
            close_connection(l, c);
        return RESULT_OK;
    }
    if (c->key >= l->keys.num_keys) {
        c->key %= l->num_clients;
        c->epoch++;
    }
    c->began_ns = clock_monotonic_ns();
    l->under_way++;
    if (c->connection.fd < 0)
        TRY(open_connection(l, c));
    return c->connection.shaking ? RESULT_OK : send_order(l, c);
}

static result answered(struct bench_clients *l, struct bench_client *c)
{
    uint64_t now = clock_monotonic_ns();
    l->under_way--;
    ENSURE(c->connection.status == 200, E_DENIED, "the signer answered %d: %.200s", c->connection.status,
           bench_connection_body(&c->connection));
    TRY(bench_samples_add(&l->samples, now - c->began_ns));
    if (l->plan.opening == BENCH_PER_REQUEST)
        close_connection(l, c);
    return now < l->until_ns && !l->plan.batches ? start_next(l, c) : RESULT_OK;
}

static result shake(struct bench_clients *l, struct bench_client *c)
{
    TRY(bench_connection_shake(&c->connection));
    count_handshake(l, c);
    return RESULT_OK;
}

static result go_on(struct bench_clients *l, struct bench_client *c)
{
    bool complete;
    if (c->connection.shaking) {
        TRY(shake(l, c));
        return c->connection.shaking ? RESULT_OK : send_order(l, c);
    }
    TRY(bench_connection_receive(&c->connection, &complete));
    return complete ? answered(l, c) : RESULT_OK;
}

static int wait_for_events(const struct bench_clients *l, struct epoll_event *events)
{
    if (!l->plan.spins)
        return epoll_wait(l->epoll, events, EVENTS_MAX, IDLE_MS);
    int ready = 0;
    for (uint64_t start = clock_monotonic_ns();
         ready == 0 && clock_monotonic_ns() - start < IDLE_MS * 1000000ULL;)
        ready = epoll_wait(l->epoll, events, EVENTS_MAX, 0);
    return ready;
}

static result exchange_until_answered(struct bench_clients *l)
{
    struct epoll_event events[EVENTS_MAX];
    while (l->under_way > 0) {
        int ready = wait_for_events(l, events);
        ENSURE(ready > 0, E_TIMEOUT, "the signer fell silent with %zu requests under way", l->under_way);
        for (int i = 0; i < ready; i++)
            TRY(go_on(l, events[i].data.ptr));
    }
    return RESULT_OK;
}

/* The first client has a key left whenever another one has. */
static bool has_more(const struct bench_clients *l)
{
    return l->is_burst ? l->list[0].key + l->num_clients < l->keys.num_keys
                       : clock_monotonic_ns() < l->until_ns;
}

static result exchange(struct bench_clients *l, uint64_t epoch)
{
    for (size_t i = 0; i < l->num_clients; i++) {
        l->list[i].key = i - l->num_clients; /* start_next adds num_clients: the i-th key comes first */
        l->list[i].epoch = epoch;
    }
    do {
        for (size_t i = 0; i < l->num_clients; i++)
            TRY(start_next(l, &l->list[i]));
        TRY(exchange_until_answered(l));
    } while (l->plan.batches && has_more(l));
    return RESULT_OK;
}

static result shake_all(struct bench_clients *l)
{
    struct epoll_event events[EVENTS_MAX];
    for (size_t i = 0; i < l->num_clients; i++)
        TRY(open_connection(l, &l->list[i]));
    while (l->handshakes < l->num_clients) {
        int ready = epoll_wait(l->epoll, events, EVENTS_MAX, IDLE_MS);
        ENSURE(ready > 0, E_TIMEOUT, "TLS: no answer in %d ms", IDLE_MS);
        for (int i = 0; i < ready; i++) {
            struct bench_client *c = events[i].data.ptr;
            bool complete;
            if (c->connection.shaking)
                TRY(shake(l, c));
            else
                TRY(bench_connection_receive(&c->connection, &complete)); /* tickets */
        }
    }
    return RESULT_OK;
}

result bench_clients_open(struct bench_clients *ret_clients, struct bench_keys *keys, size_t num_clients,
                          const struct bench_plan *plan)
{
    AUTO(bench_clients) l = {.plan = *plan, .epoll = epoll_create1(EPOLL_CLOEXEC)};
    l.keys = *keys;
    *keys = (struct bench_keys){0};
    ENSURE(num_clients <= l.keys.num_keys, E_INPUT, "fewer keys than connections");
    l.list = calloc(num_clients, sizeof *l.list);
    ENSURE(l.epoll >= 0 && l.list, E_MEMORY, "no memory for %zu clients", num_clients);
    for (l.num_clients = 0; l.num_clients < num_clients; l.num_clients++)
        l.list[l.num_clients].connection.fd = -1;
    if (plan->opening == BENCH_KEPT)
        TRY(shake_all(&l));
    *ret_clients = l;
    l = (struct bench_clients){.epoll = -1};
    return RESULT_OK;
}

result bench_clients_stream(struct bench_clients *l, uint64_t first_epoch, uint64_t until_ns)
{
    l->until_ns = until_ns;
    return exchange(l, first_epoch);
}

result bench_clients_burst(struct bench_clients *l, uint64_t epoch)
{
    l->is_burst = true;
    l->until_ns = UINT64_MAX;
    TRY(exchange(l, epoch));
    for (size_t i = 0; i < l->num_clients && l->plan.opening == BENCH_PER_BURST; i++)
        close_connection(l, &l->list[i]);
    return RESULT_OK;
}

result bench_clients_verify(const struct bench_clients *l, uint64_t *ret_last_epoch)
{
    uint64_t last = 0;
    for (size_t i = 0; i < l->num_clients; i++) {
        const struct bench_client *c = &l->list[i];
        struct bench_order order = order_of(l, c);
        TRY(bench_order_verify(&order, bench_connection_body(&c->connection)));
        last = c->epoch > last ? c->epoch : last;
    }
    *ret_last_epoch = last;
    return RESULT_OK;
}
