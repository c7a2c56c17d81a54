/* test_ipc_packets.c - packets on real sockets: their borders, passed descriptors, a full buffer. */
#include "testing.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc/ipc.h"

static uint8_t pattern[IPC_PACKET_MAX];

static void open_pair(int pair[2], int type)
{
    assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
}

static void packets_keep_their_borders(void **state)
{
    (void)state;
    static uint8_t received[IPC_PACKET_MAX];
    int pair[2];
    size_t length;
    open_pair(pair, SOCK_SEQPACKET);
    assert_ok(ipc_send(pair[0], pattern, 8, -1));
    assert_ok(ipc_send(pair[0], pattern, IPC_PACKET_MAX, -1));
    assert_ok(ipc_receive(pair[1], received, &length, NULL));
    assert_int_equal(length, 8);
    assert_ok(ipc_receive(pair[1], received, &length, NULL));
    assert_int_equal(length, IPC_PACKET_MAX);
    assert_memory_equal(received, pattern, IPC_PACKET_MAX);
    assert_fails(E_INTERNAL, ipc_send(pair[0], pattern, IPC_PACKET_MAX + 1, -1));
    assert_fails(E_INTERNAL, ipc_send(pair[0], pattern, 7, -1));

    assert_int_equal(send(pair[0], pattern, sizeof pattern, 0), sizeof pattern);
    struct iovec parts[2] = {{pattern, sizeof pattern}, {pattern, 1}};
    struct msghdr longer = {.msg_iov = parts, .msg_iovlen = 2};
    assert_int_equal(sendmsg(pair[0], &longer, 0), sizeof pattern + 1);
    assert_ok(ipc_receive(pair[1], received, &length, NULL));
    assert_fails(E_INPUT, ipc_receive(pair[1], received, &length, NULL));

    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    assert_fails(E_TIMEOUT, ipc_receive(pair[1], received, &length, NULL));
    (void)close(pair[0]);
    assert_fails(E_PEER, ipc_receive(pair[1], received, &length, NULL));
    assert_fails(E_PEER, ipc_send(pair[1], pattern, 8, -1));
    (void)close(pair[1]);
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void send_two_descriptors(int socket, int first, int second)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control = {0};
    struct iovec part = {pattern, 8};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(8)};
    memcpy(CMSG_DATA(header), (int[]){first, second}, 8);
    assert_int_equal(sendmsg(socket, &message, 0), 8);
}

static void a_descriptor_travels_only_where_expected(void **state)
{
    (void)state;
    static uint8_t received[IPC_PACKET_MAX];
    int pair[2], passed = -1, pipe_ends[2];
    size_t length;
    open_pair(pair, SOCK_SEQPACKET);
    assert_int_equal(pipe(pipe_ends), 0);
    int before = open_descriptors();

    assert_ok(ipc_send(pair[0], pattern, 8, pipe_ends[1]));
    assert_ok(ipc_receive(pair[1], received, &length, &passed));
    assert_int_equal(write(passed, "x", 1), 1);
    assert_int_equal(fcntl(passed, F_GETFD), FD_CLOEXEC);
    char byte = 0;
    assert_int_equal(read(pipe_ends[0], &byte, 1), 1);
    assert_int_equal(byte, 'x');
    (void)close(passed);

    assert_ok(ipc_send(pair[0], pattern, 8, -1));
    assert_ok(ipc_receive(pair[1], received, &length, &passed));
    assert_int_equal(passed, -1);

    assert_ok(ipc_send(pair[0], pattern, 8, pipe_ends[1]));
    assert_fails(E_INPUT, ipc_receive(pair[1], received, &length, NULL));
    send_two_descriptors(pair[0], pipe_ends[0], pipe_ends[1]);
    assert_fails(E_INPUT, ipc_receive(pair[1], received, &length, &passed));
    assert_int_equal(open_descriptors(), before);

    (void)close(pair[0]);
    (void)close(pair[1]);
    (void)close(pipe_ends[0]);
    (void)close(pipe_ends[1]);
}

static void *drain(void *socket)
{
    static uint8_t received[IPC_PACKET_MAX];
    uintptr_t packets = 0;
    size_t length;
    while (!ipc_receive(*(const int *)socket, received, &length, NULL).code)
        packets++;
    return (void *)packets; // NOLINT: a count travels as the thread's value
}

/* More than the socket's buffer holds: the sender waits, also on a non-blocking socket. */
static void sending_waits_for_room(void **state)
{
    (void)state;
    int pair[2];
    open_pair(pair, SOCK_SEQPACKET);
    assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
    int sent = 0;
    while (!ipc_send_now(pair[0], pattern, IPC_PACKET_MAX, -1).code)
        sent++;
    assert_true(sent > 0 && sent < 100);
    assert_fails(E_TIMEOUT, ipc_send_now(pair[0], pattern, IPC_PACKET_MAX, -1));
    pthread_t reader;
    assert_int_equal(pthread_create(&reader, NULL, drain, &pair[1]), 0);
    for (int i = sent; i < 100; i++)
        assert_ok(ipc_send(pair[0], pattern, IPC_PACKET_MAX, -1));
    (void)close(pair[0]);
    void *packets;
    assert_int_equal(pthread_join(reader, &packets), 0);
    assert_int_equal((uintptr_t)packets, 100);
    (void)close(pair[1]);
}

int main(void)
{
    for (size_t i = 0; i < sizeof pattern; i++)
        pattern[i] = (uint8_t)(i * 151 + i / 256 + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packets_keep_their_borders),
        cmocka_unit_test(a_descriptor_travels_only_where_expected),
        cmocka_unit_test(sending_waits_for_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
