/* keeper_requests.c - places whose number is part of the id, so that an answer finds its request at once.
 *
 * An id is used once: its upper bits count. Who answers twice, or what nobody asked, names no request. */
#include "keeper_requests.h"

#include <string.h>

void keeper_requests_open(struct keeper_requests *requests)
{
    requests->num_touched = 0;
    requests->next_serial = 1;
    TAILQ_INIT(&requests->free);
    TAILQ_INIT(&requests->unsent_advances);
    TAILQ_INIT(&requests->unsent_reads);
}

static struct keeper_request_list *unsent_list(struct keeper_requests *requests,
                                               enum keeper_request_kind kind)
{
    return kind == KEEPER_READ ? &requests->unsent_reads : &requests->unsent_advances;
}

static struct keeper_request *take_place(struct keeper_requests *requests)
{
    struct keeper_request *place = TAILQ_FIRST(&requests->free);
    if (place)
        TAILQ_REMOVE(&requests->free, place, in_list);
    else if (requests->num_touched < KEEPER_REQUESTS_MAX)
        place = &requests->places[requests->num_touched++];
    return place;
}

struct keeper_request *keeper_requests_new(struct keeper_requests *requests, enum keeper_request_kind kind,
                                           const uint8_t pubkey[static 48])
{
    struct keeper_request *request = take_place(requests);
    if (!request)
        return NULL;
    size_t place = (size_t)(request - requests->places);
    *request =
        (struct keeper_request){.id = requests->next_serial++ * KEEPER_REQUESTS_MAX + place, .kind = kind};
    memcpy(request->advance.pubkey, pubkey, sizeof request->advance.pubkey);
    TAILQ_INIT(&request->resting);
    TAILQ_INIT(&request->held);
    TAILQ_INSERT_TAIL(unsent_list(requests, kind), request, in_list);
    return request;
}

void keeper_requests_mark_sent(struct keeper_requests *requests, struct keeper_request *request)
{
    TAILQ_REMOVE(unsent_list(requests, request->kind), request, in_list);
    request->is_sent = true;
}

struct keeper_request *keeper_requests_find(struct keeper_requests *requests, uint64_t id)
{
    struct keeper_request *request = &requests->places[id % KEEPER_REQUESTS_MAX];
    return id != 0 && request->id == id && request->is_sent ? request : NULL;
}

void keeper_requests_remove(struct keeper_requests *requests, struct keeper_request *request)
{
    if (!request->is_sent)
        TAILQ_REMOVE(unsent_list(requests, request->kind), request, in_list);
    request->id = 0;
    request->is_sent = false;
    TAILQ_INSERT_HEAD(&requests->free, request, in_list);
}
