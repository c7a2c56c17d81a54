/* bench_clients.h - clients of one signer, each with a connection and every n-th key. */
#ifndef BENCH_CLIENTS_H
#define BENCH_CLIENTS_H

#include "bench_connection.h"
#include "bench_order.h"
#include "bench_samples.h"

/* How long a connection lives. */
enum bench_opening { BENCH_KEPT, BENCH_PER_BURST, BENCH_PER_REQUEST };

/* E_INPUT: there is no such opening. */
must_check result bench_opening_by_name(enum bench_opening *ret_opening, const char *name);

struct bench_plan {
    struct net_address address;
    SSL_CTX *context;
    enum bench_type type;
    enum bench_opening opening;
    bool batches; /* as many requests as there are clients go out together, and the next when all are answered
                   */
    bool spins;   /* polls and never sleeps */
    bool resumes; /* offers the ticket of the connection before */
};

struct bench_client {
    struct bench_connection connection;
    size_t key; /* of the request under way */
    uint64_t epoch;
    uint64_t began_ns;
};

struct bench_clients {
    struct bench_plan plan;
    struct bench_keys keys;
    struct bench_client *list;
    size_t num_clients, under_way, handshakes, resumed;
    struct bench_samples samples; /* from the wish to sign, so with a handshake where one was needed */
    uint64_t until_ns;            /* no further request after that */
    bool is_burst;                /* all keys once */
    int epoll;
};

/* Takes keys over. With kept connections, all are open when it returns. */
must_check result bench_clients_open(struct bench_clients *ret_clients, struct bench_keys *keys,
                                     size_t num_clients, const struct bench_plan *plan);
void bench_clients_cleanup(struct bench_clients *l);

/* Every client asks for one key after the other, then on to the next epoch, until that time. */
must_check result bench_clients_stream(struct bench_clients *l, uint64_t first_epoch, uint64_t until_ns);

/* All keys once, in that epoch. */
must_check result bench_clients_burst(struct bench_clients *l, uint64_t epoch);

/* Checks every client's last answer; the last epoch that was asked for. */
must_check result bench_clients_verify(const struct bench_clients *l, uint64_t *ret_last_epoch);

#endif
