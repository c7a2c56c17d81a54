/* ipc_packet.c - headers, and packets on a SOCK_SEQPACKET descriptor.
 *
 * The kernel keeps the borders of packets, so nothing here assembles or splits: one system
 * call is one message or a refusal. A packet that was cut (MSG_TRUNC) or brought descriptors
 * nobody asked for is refused whole. Rejected: a stream with length prefixes, which would put
 * a reassembly buffer, and its bugs, in front of the keys. */
#include "ipc/ipc.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static bool type_exists(uint16_t type)
{
    switch ((enum ipc_type)type) {
    case IPC_POLICY:
    case IPC_STATE:
    case IPC_LOADER_START:
    case IPC_MANAGER_START:
    case IPC_LOADER_STOP:
    case IPC_SETTINGS:
    case IPC_TLS:
    case IPC_KEYS:
    case IPC_SERVE:
    case IPC_LISTENING:
    case IPC_HEALTH:
    case IPC_SIGN:
    case IPC_SIGNED:
    case IPC_ACCESS:
    case IPC_HIGH_WATERMARK_WANTED:
    case IPC_HIGH_WATERMARK:
    case IPC_SIGN_MANY:
    case IPC_IDENTITY_WANTED:
    case IPC_IDENTITY:
    case IPC_POLICY_RESULT:
    case IPC_ATTEST:
    case IPC_DOCUMENT:
    case IPC_LOAD_BEGIN:
    case IPC_RECORD:
    case IPC_LOAD_END:
    case IPC_LOAD_ABORT:
    case IPC_LOAD_RESULT:
    case IPC_STATUS_WANTED:
    case IPC_STATUS:
    case IPC_SEALED_KEYS:
    case IPC_RECIPIENT_KEY:
    case IPC_KEY:
    case IPC_RECORD_FAILED:
    case IPC_STORE_KEY:
    case IPC_STORE_OPEN:
    case IPC_STORE_HEAD:
    case IPC_STORE_HEAD_WANTED:
    case IPC_STORE_HEAD_SET:
    case IPC_STORE_HEAD_IS_SET:
    case IPC_STORE_LOAD:
    case IPC_STORE_ENTRIES:
    case IPC_STORE_ADVANCE:
    case IPC_STORE_ADVANCED:
    case IPC_STORE_ACCESS:
    case IPC_MANAGE:
    case IPC_KEYSTORE:
    case IPC_FILES:
    case IPC_FILE_DONE:
    case IPC_MANAGED:
    case IPC_KEY_INFO:
    case IPC_RELOAD:
    case IPC_RELOADED:
    case IPC_PROXY_START:
    case IPC_PROXY_KEY:
    case IPC_PROXIES:
    case IPC_PROXY_WANTED:
    case IPC_PROXY_MADE:
    case IPC_BOOST_SIGN:
    case IPC_BOOST_SIGNED:
    case IPC_EXTENSION_SIGN:
    case IPC_EXTENSION_SIGNED:
    case IPC_FETCH_ACCESS:
    case IPC_FETCH:
    case IPC_FETCHED:
        return true;
    }
    return false;
}

/* Messages that are an array of records are taken one record at a time by the caller: their whole length is
 * checked here, once, before the first record is looked at. */
static must_check result check_array(const struct ipc_message *m, uint32_t count_max, size_t record_len)
{
    ENSURE(m->count >= 1 && m->count <= count_max, E_INPUT, "message 0x%04x: count %u is not in 1..%u",
           m->type, m->count, count_max);
    ENSURE(m->body.left == m->count * record_len, E_INPUT,
           "message 0x%04x: length does not follow from its count", m->type);
    return RESULT_OK;
}

result ipc_open(struct ipc_message *ret_message, const uint8_t *packet, size_t packet_len)
{
    struct ipc_message m = {.body = {.at = packet, .left = packet_len}};
    uint16_t type = 0, reserved = 0;
    ENSURE(packet_len <= IPC_PACKET_MAX, E_INPUT, "packet of %zu bytes is too long", packet_len);
    TRY(cursor_u16(&m.body, &type));
    TRY(cursor_u16(&m.body, &reserved));
    TRY(cursor_u32(&m.body, &m.count));
    ENSURE(type_exists(type), E_INPUT, "message type 0x%04x does not exist", type);
    ENSURE(reserved == 0, E_INPUT, "message 0x%04x: reserved bytes are not zero", type);
    m.type = (enum ipc_type)type;
    if (m.type == IPC_SIGN)
        TRY(check_array(&m, IPC_BATCH_MAX, IPC_ORDER_LEN));
    if (m.type == IPC_SIGNED)
        TRY(check_array(&m, IPC_BATCH_MAX, IPC_ANSWER_LEN));
    if (m.type == IPC_KEY)
        TRY(check_array(&m, IPC_LOADED_KEYS_MAX, IPC_LOADED_KEY_LEN));
    if (m.type == IPC_KEY_INFO)
        TRY(check_array(&m, IPC_KEY_INFOS_MAX, IPC_KEY_INFO_LEN));
    if (m.type == IPC_STORE_ADVANCE)
        TRY(check_array(&m, IPC_STORE_ADVANCES_MAX, IPC_STORE_ADVANCE_LEN));
    if (m.type == IPC_STORE_ADVANCED)
        TRY(check_array(&m, IPC_STORE_ADVANCES_MAX, IPC_STORE_ADVANCED_LEN));
    *ret_message = m;
    return RESULT_OK;
}

void ipc_begin(struct packer *p, enum ipc_type type, uint32_t count)
{
    pack_u16(p, (uint16_t)type);
    pack_u16(p, 0);
    pack_u32(p, count);
}

static must_check result wait_for_room(int socket)
{
    struct pollfd wait = {.fd = socket, .events = POLLOUT};
    int n = poll(&wait, 1, -1);
    ENSURE(n >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
    return RESULT_OK;
}

union descriptor_control {
    struct cmsghdr header; /* for its alignment */
    char space[CMSG_SPACE(sizeof(int))];
};

result ipc_send_now(int socket, const uint8_t *packet, size_t packet_len, int descriptor)
{
    ENSURE(packet_len >= IPC_HEADER_LEN && packet_len <= IPC_PACKET_MAX, E_INTERNAL, "packet of %zu bytes",
           packet_len);
    union descriptor_control control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)packet, .iov_len = packet_len};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        ENSURE(errno != EAGAIN, E_TIMEOUT, "no room for a packet");
        ENSURE(errno != EPIPE && errno != ECONNRESET && errno != ENOTCONN, E_PEER,
               "the other process is gone");
        FAIL(E_IO, "sendmsg: %s", strerror(errno));
    }
    ENSURE((size_t)sent == packet_len, E_IO, "sendmsg cut a packet");
    return RESULT_OK;
}

result ipc_send(int socket, const uint8_t *packet, size_t packet_len, int descriptor)
{
    for (;;) {
        result r = ipc_send_now(socket, packet, packet_len, descriptor);
        if (r.code != E_TIMEOUT)
            return r;
        TRY(wait_for_room(socket));
    }
}

/* Keeps the only descriptor, or closes all: more than one is a breach of the protocol. */
static must_check result take_descriptor(int *ret_descriptor, struct msghdr *message)
{
    AUTO_FD kept = -1;
    bool too_many = (message->msg_flags & MSG_CTRUNC) != 0;
    for (struct cmsghdr *h = CMSG_FIRSTHDR(message); h; h = CMSG_NXTHDR(message, h)) {
        if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            too_many = too_many || kept >= 0;
            fd_auto_close(&kept);
            memcpy(&kept, CMSG_DATA(h) + i * sizeof(int), sizeof kept);
        }
    }
    ENSURE(!too_many, E_INPUT, "packet carries more than one descriptor");
    *ret_descriptor = fd_take(&kept);
    return RESULT_OK;
}

result ipc_receive(int socket, uint8_t *data, size_t *ret_len, int *ret_descriptor)
{
    union descriptor_control control = {0};
    struct iovec part = {.iov_base = data, .iov_len = IPC_PACKET_MAX};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) {
        ENSURE(errno != EAGAIN, E_TIMEOUT, "no packet waits");
        ENSURE(errno != ECONNRESET && errno != ENOTCONN, E_PEER, "the other process is gone");
        FAIL(E_IO, "recvmsg: %s", strerror(errno));
    }
    AUTO_FD descriptor = -1;
    TRY(take_descriptor(&descriptor, &message));
    ENSURE(received > 0, E_PEER, "the other process is gone");
    ENSURE(!(message.msg_flags & MSG_TRUNC), E_INPUT, "packet longer than %d bytes", IPC_PACKET_MAX);
    ENSURE(ret_descriptor || descriptor < 0, E_INPUT, "packet carries a descriptor nobody expects");
    if (ret_descriptor)
        *ret_descriptor = fd_take(&descriptor);
    *ret_len = (size_t)received;
    return RESULT_OK;
}
