/* enclave_log.h - the log's way out: a pipe in which the children and this process write their lines, and the
 * connection to the host to which they are passed on.
 *
 * Nobody ever waits for the log. Lines wait here and in the pipe; when both are full, whoever writes drops
 * its lines and counts them (base/log.h). A host that is not there is asked again every second.
 */
#ifndef ENCLAVE_ENCLAVE_LOG_H
#define ENCLAVE_ENCLAVE_LOG_H

#include <stdint.h>

#include "base/result.h"
#include "net/net_address.h"

enum { ENCLAVE_LOG_LEN = 65536 };

struct enclave_log {
    int pipe;    /* -1: there is no such log, and lines stay on standard error */
    int console; /* what standard error was */
    int connection;
    int timer;
    int events; /* an epoll descriptor, readable when enclave_log_serve has something to do */
    bool connected;
    struct net_address address;
    uint8_t lines[ENCLAVE_LOG_LEN]; /* begins with the beginning of a line */
    size_t length, sent;
};

/* where: unix:PATH or vsock:CID:PORT; E_INPUT names --log. From here on standard output and standard error,
 * of this process and of children started later, are the pipe. Connecting has begun, and may fail without
 * harm. The struct must not be moved afterwards. */
must_check result enclave_log_open(struct enclave_log *ret_log, const char *where);

/* Moves what can be moved without waiting. */
void enclave_log_serve(struct enclave_log *log);

/* Standard output and standard error of this process are again what they were. */
void enclave_log_leave(struct enclave_log *log);

/* The same. Gives the host a moment to take what is left, and to connect if it has
 * not. */
void enclave_log_close(struct enclave_log *log);

#endif
