/* nsm_rig.h - an NSM that answers what it was given beforehand: the other end of a socketpair into which a
 * wrapped send() writes the next answer as soon as a question has gone out. WRAP send recv setsockopt.
 */
#ifndef TESTS_NSM_RIG_H
#define TESTS_NSM_RIG_H

#include "testing.h"

#include <sys/socket.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "nitro/nitro_nsm.h"

extern struct nsm client;
extern int server;

/* What the next calls on the client's socket do instead: errno values in their order, then 0; -1: the end of
 * the stream. options: the one option that cannot be set. */
struct socket_faults {
    int send[3], recv[3], options;
};
extern struct socket_faults socket_faults;

int connect_pair(void **state);
int close_pair(void **state);
#define PAIRED(test) cmocka_unit_test_setup_teardown(test, connect_pair, close_pair)

void read_vector(struct buffer *out, const char *name);

/* Answers wait for their questions, four at most. */
void answer_bytes(const void *bytes, size_t length);
void answer_vector(const char *name);
void answer_hex(const char *hex);
void forget_answers(void);
void assert_asked(const char *name);

ssize_t __real_send(int fd, const void *bytes, size_t length, int flags);

#endif
