/* courier_outbox.c - see courier_outbox.h.
 *
 * A list under a mutex, and an eventfd that tells the main thread. The keeper is never waited for: it may be
 * slow to read while it waits for nobody either, and two processes that wait for each other's room would
 * stand still for good. Rejected: letting the threads send to the socket themselves; a SEQPACKET socket would
 * permit it, but with a full one each of them would have to wait and none could be told to end. */
#include "courier_outbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ipc/ipc.h"

struct packet {
    struct packet *next;
    size_t length;
    uint8_t bytes[];
};

struct courier_outbox {
    int event;
    pthread_mutex_t lock;
    pthread_cond_t shorter;
    struct packet *first, *last;
    size_t bytes; /* of all packets */
    bool closed;
    bool broken; /* an answer is missing, and will be */
};

result courier_outbox_new(struct courier_outbox **ret_outbox)
{
    AUTO_FD event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(event >= 0, E_IO, "eventfd: %s", strerror(errno));
    struct courier_outbox *outbox = calloc(1, sizeof *outbox);
    ENSURE(outbox, E_MEMORY, "out of memory for the outbox");
    outbox->event = fd_take(&event);
    (void)pthread_mutex_init(&outbox->lock, NULL);
    (void)pthread_cond_init(&outbox->shorter, NULL);
    *ret_outbox = outbox;
    return RESULT_OK;
}

void courier_outbox_free(struct courier_outbox *outbox)
{
    if (!outbox)
        return;
    while (outbox->first) {
        struct packet *next = outbox->first->next;
        free(outbox->first);
        outbox->first = next;
    }
    (void)pthread_cond_destroy(&outbox->shorter);
    (void)pthread_mutex_destroy(&outbox->lock);
    (void)close(outbox->event);
    free(outbox);
}

/* The counter only overflows after 2^64 writes without a read; a full one is readable as well. */
void courier_outbox_notify(const struct courier_outbox *outbox)
{
    const uint64_t one = 1;
    ssize_t written = write(outbox->event, &one, sizeof one);
    (void)written;
}

result courier_outbox_put(struct courier_outbox *outbox, const uint8_t *bytes, size_t length)
{
    struct packet *packet = malloc(sizeof *packet + length);
    ENSURE(packet, E_MEMORY, "out of memory for a packet to the keeper");
    packet->next = NULL;
    packet->length = length;
    memcpy(packet->bytes, bytes, length);
    (void)pthread_mutex_lock(&outbox->lock);
    if (outbox->last)
        outbox->last->next = packet;
    else
        outbox->first = packet;
    outbox->last = packet;
    outbox->bytes += length;
    (void)pthread_mutex_unlock(&outbox->lock);
    courier_outbox_notify(outbox);
    return RESULT_OK;
}

result courier_outbox_wait(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    while (outbox->bytes >= COURIER_OUTBOX_LONG && !outbox->closed)
        (void)pthread_cond_wait(&outbox->shorter, &outbox->lock);
    bool closed = outbox->closed;
    (void)pthread_mutex_unlock(&outbox->lock);
    ENSURE(!closed, E_STATE, "the courier ends");
    return RESULT_OK;
}

void courier_outbox_close(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->closed = true;
    (void)pthread_cond_broadcast(&outbox->shorter);
    (void)pthread_mutex_unlock(&outbox->lock);
}

void courier_outbox_break(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    outbox->broken = true;
    (void)pthread_mutex_unlock(&outbox->lock);
    courier_outbox_notify(outbox);
}

static bool is_broken(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    bool broken = outbox->broken;
    (void)pthread_mutex_unlock(&outbox->lock);
    return broken;
}

int courier_outbox_descriptor(const struct courier_outbox *outbox)
{
    return outbox->event;
}

/* The first packet; it stays in the list, from whose front only the main thread takes. */
static struct packet *peek(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    struct packet *packet = outbox->first;
    (void)pthread_mutex_unlock(&outbox->lock);
    return packet;
}

static void drop_first(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    struct packet *packet = outbox->first;
    outbox->first = packet->next;
    if (!outbox->first)
        outbox->last = NULL;
    outbox->bytes -= packet->length;
    if (outbox->bytes < COURIER_OUTBOX_LONG)
        (void)pthread_cond_broadcast(&outbox->shorter);
    (void)pthread_mutex_unlock(&outbox->lock);
    free(packet);
}

result courier_outbox_flush(struct courier_outbox *outbox, int socket)
{
    uint64_t count = 0;
    ssize_t taken = read(outbox->event, &count, sizeof count);
    (void)taken; /* nothing was put: then there may still be something that had no room */
    ENSURE(!is_broken(outbox), E_MEMORY, "an answer to the keeper could not be made");
    for (struct packet *packet = peek(outbox); packet; packet = peek(outbox)) {
        result r = ipc_send_now(socket, packet->bytes, packet->length, -1);
        if (r.code == E_TIMEOUT)
            return RESULT_OK;
        TRY(r);
        drop_first(outbox);
    }
    return RESULT_OK;
}

bool courier_outbox_is_empty(struct courier_outbox *outbox)
{
    return peek(outbox) == NULL;
}

bool courier_outbox_is_long(struct courier_outbox *outbox)
{
    (void)pthread_mutex_lock(&outbox->lock);
    bool is_long = outbox->bytes >= COURIER_OUTBOX_LONG;
    (void)pthread_mutex_unlock(&outbox->lock);
    return is_long;
}
