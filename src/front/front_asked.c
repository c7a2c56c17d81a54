/* front_asked.c - requests that the keeper is asked about one by one: rare beside sign orders, and of many
 * forms. Each has a place, whose number is in the id it is asked under, so that an answer finds its request;
 * an id is used once. There is no deadline of their own: the keeper answers each, or ends, and so does the
 * front. Rejected: to make them orders. Batches, deadlines and counts are for what comes by the thousand. */
#include <stdlib.h>
#include <string.h>

#include "front.h"

enum { PLACES = 256 };

struct front_asking {
    struct front *front;
    uint64_t next_serial;
    uint32_t waiting[PLACES]; /* places that are to be sent, in their order */
    size_t num_waiting;
    struct front_asked places[PLACES];
};

result front_asking_new(struct front_asking **ret_asking, struct front *front)
{
    struct front_asking *asking = calloc(1, sizeof *asking);
    ENSURE(asking, E_MEMORY, "out of memory");
    asking->front = front;
    *ret_asking = asking;
    return RESULT_OK;
}

void front_asking_free(struct front_asking *asking)
{
    for (size_t i = 0; asking && i < PLACES; i++)
        if (asking->places[i].http)
            front_reply_error(asking->places[i].http, 503, "the signer is ending");
    free(asking);
}

static must_check result send_first(struct front_asking *asking)
{
    struct front *front = asking->front;
    struct front_asked *asked = &asking->places[asking->waiting[0]];
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    asked->pack(&p, asked);
    TRY(pack_end(&p));
    TRY(ipc_send_now(front->keeper, p.data, p.length, -1));
    asked->is_sent = true;
    memmove(asking->waiting, asking->waiting + 1, --asking->num_waiting * sizeof asking->waiting[0]);
    return RESULT_OK;
}

result front_asking_send(struct front_asking *asking)
{
    while (asking->num_waiting > 0) {
        TRY(send_first(asking));
    }
    return RESULT_OK;
}

bool front_ask(struct front *front, const struct front_asked *asked)
{
    struct front_asking *asking = front->asking;
    uint32_t place = 0;
    while (place < PLACES && asking->places[place].http)
        place++;
    if (place == PLACES)
        return false;
    asking->places[place] = *asked;
    asking->places[place].id = asking->next_serial++ * PLACES + place;
    asking->places[place].is_sent = false;
    asking->waiting[asking->num_waiting++] = place;
    front_keeper_tried(front, front_asking_send(asking));
    return true;
}

result front_asking_take(struct front_asked *ret_asked, struct front_asking *asking, uint64_t id)
{
    struct front_asked *asked = &asking->places[id % PLACES];
    ENSURE(asked->http && asked->is_sent && asked->id == id, E_PEER,
           "an answer to a question that was never asked");
    *ret_asked = *asked;
    asked->http = NULL;
    return RESULT_OK;
}
