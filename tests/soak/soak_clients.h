/* soak_clients.h - clients that ask, each on a connection of its own, and go on asking whatever becomes of
 * the signer. */
#ifndef SOAK_CLIENTS_H
#define SOAK_CLIENTS_H

#include "bench_connection.h"
#include "bench_samples.h"
#include "soak_oracle.h"

enum soak_status { SOAK_200, SOAK_400, SOAK_404, SOAK_412, SOAK_500, SOAK_503, SOAK_OTHER, SOAK_STATUSES };

struct soak_client {
    struct bench_connection connection;
    struct soak_message message; /* under way, or last */
    bool is_asking;              /* a request has been sent whole, and its answer not come whole */
    uint64_t began_ns, retry_ns; /* when it was sent; not before then a new connection */
};

/* What happened since the counts were taken last. */
struct soak_counts {
    uint64_t statuses[SOAK_STATUSES];
    uint64_t sent, cut, lost, handshakes, not_sent, not_connected;
    struct bench_samples samples;
};

struct soak_clients {
    struct net_address address;
    SSL_CTX *context;
    struct soak_orders orders;
    struct soak_oracle oracle;
    struct soak_client *list;
    size_t num_clients;
    uint64_t answer_ns; /* an answer that takes longer is lost */
    uint32_t sample_one_in, until_sample;
    bool pausing; /* nothing new is asked, and who is not asking closes */
    struct soak_counts counts;
    int epoll;
};

/* orders and context belong to the clients from here on, whatever the result. Nobody is connected yet. */
must_check result soak_clients_open(struct soak_clients *ret_clients, struct soak_orders *orders,
                                    SSL_CTX *context, size_t num_clients);
void soak_clients_cleanup(struct soak_clients *l);

/* One turn: connects, asks, and takes what has come, waiting for it some milliseconds. Prints a line of JSON
 * for each answer that is not as it should be. An error only when the generator itself cannot go on. */
must_check result soak_clients_turn(struct soak_clients *l);

/* How many answers are still to come. */
size_t soak_clients_asking(const struct soak_clients *l);

#endif
