/* nsm_rig.c - see nsm_rig.h. */
#include "nsm_rig.h"

#include <errno.h>
#include <unistd.h>

#include "base/file_io.h"
#include "base/hex.h"

struct nsm client;
int server = -1;

void read_vector(struct buffer *out, const char *name)
{
    char path[512], full[128];
    (void)snprintf(full, sizeof full, "nitro/SYNTHETIC/%s", name);
    vector_path(path, sizeof path, full);
    assert_ok(file_read(out, path, 65536));
}

int connect_pair(void **state)
{
    (void)state;
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        return -1;
    client = (struct nsm){.fd = pair[0]};
    server = pair[1];
    return 0;
}

int close_pair(void **state)
{
    (void)state;
    nsm_cleanup(&client);
    (void)close(server);
    return 0;
}

/* Answers that wait for their questions. */
static struct {
    struct buffer all[4];
    size_t num;
} answers;

void answer_bytes(const void *bytes, size_t length)
{
    assert_true(answers.num < ARRAY_LENGTH(answers.all));
    assert_ok(buffer_append(&answers.all[answers.num++], bytes, length));
}

struct socket_faults socket_faults;

static int next_fault(int faults[static 3])
{
    int first = faults[0];
    faults[0] = faults[1];
    faults[1] = faults[2];
    faults[2] = 0;
    return first;
}

ssize_t __wrap_recv(int fd, void *bytes, size_t capacity, int flags);
ssize_t __real_recv(int fd, void *bytes, size_t capacity, int flags);
ssize_t __wrap_recv(int fd, void *bytes, size_t capacity, int flags)
{
    int fault = fd == client.fd && !(flags & MSG_DONTWAIT) ? next_fault(socket_faults.recv) : 0;
    if (fault <= 0)
        return fault ? 0 : __real_recv(fd, bytes, capacity, flags);
    errno = fault;
    return -1;
}

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int __real_setsockopt(int fd, int level, int option, const void *value, socklen_t length);
int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t length)
{
    if (option != socket_faults.options)
        return __real_setsockopt(fd, level, option, value, length);
    errno = ENOBUFS;
    return -1;
}

ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t length, int flags)
{
    int fault = fd == client.fd ? next_fault(socket_faults.send) : 0;
    if (fault) {
        errno = fault;
        return -1;
    }
    ssize_t sent = __real_send(fd, bytes, length, flags);
    if (fd != client.fd || sent < 0 || answers.num == 0)
        return sent;
    assert_int_equal(__real_send(server, answers.all[0].data, answers.all[0].length, 0),
                     (ssize_t)answers.all[0].length);
    buffer_cleanup(&answers.all[0]);
    answers.num--;
    memmove(answers.all, answers.all + 1, answers.num * sizeof answers.all[0]);
    answers.all[answers.num] = (struct buffer){0};
    return sent;
}

void answer_vector(const char *name)
{
    AUTO(buffer) b = {0};
    read_vector(&b, name);
    answer_bytes(b.data, b.length);
}

void answer_hex(const char *hex)
{
    uint8_t bytes[512];
    assert_ok(hex_decode(bytes, strlen(hex) / 2, hex, strlen(hex)));
    answer_bytes(bytes, strlen(hex) / 2);
}

void forget_answers(void)
{
    for (size_t i = 0; i < answers.num; i++)
        buffer_cleanup(&answers.all[i]);
    answers.num = 0;
}

void assert_asked(const char *name)
{
    AUTO(buffer) expected = {0};
    uint8_t bytes[NSM_REQUEST_MAX + 1];
    read_vector(&expected, name);
    ssize_t count = recv(server, bytes, sizeof bytes, MSG_DONTWAIT);
    assert_int_equal(count, (ssize_t)expected.length);
    assert_memory_equal(bytes, expected.data, expected.length);
}
