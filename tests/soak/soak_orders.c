/* soak_orders.c - keys are drawn at random, so that requests of one key overtake each other now and then, as
 * no sane client's do. The numbers come from a seed, but what is answered when does not.
 */
#include "soak_orders.h"

#include <stdlib.h>
#include <string.h>

#include "base/file_io.h"

enum { KEY_FILE_MAX = 16 << 20, SLOTS_PER_VOTE = 8, VARIANTS = 3 };

#define ROOT_OF "0x%064x"
#define CHECKPOINT "{\"epoch\":\"%u\",\"root\":\"" ROOT_OF "\"}"

void soak_orders_cleanup(struct soak_orders *o)
{
    free(o->keys);
    free(o->heights);
    free(o->last);
    *o = (struct soak_orders){0};
}

result soak_orders_open(struct soak_orders *ret_orders, const char *keys_file, const char *version,
                        const char *genesis, uint32_t seed, uint32_t first_height)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, keys_file, KEY_FILE_MAX));
    size_t num_keys = text.length / (SOAK_KEY_TEXT_LEN + 1);
    ENSURE(num_keys > 0 && text.length % (SOAK_KEY_TEXT_LEN + 1) == 0, E_INPUT, "%s: not one key a line",
           keys_file);
    AUTO(soak_orders)
    o = {.keys = calloc(num_keys, sizeof *o.keys),
         .heights = calloc(num_keys, sizeof *o.heights),
         .last = calloc(num_keys, sizeof *o.last),
         .num_keys = (uint32_t)num_keys,
         .version = version,
         .genesis = genesis,
         .random = seed + 0x9e3779b97f4a7c15ULL};
    ENSURE(o.keys && o.heights && o.last, E_MEMORY, "no memory for %zu keys", num_keys);
    for (uint32_t i = 0; i < o.num_keys; i++) {
        memcpy(o.keys[i], text.data + i * (SOAK_KEY_TEXT_LEN + 1UL), SOAK_KEY_TEXT_LEN);
        o.heights[i] =
            (struct soak_heights){.slot = first_height, .source = first_height, .target = first_height};
        o.last[i] = (struct soak_message){SOAK_VOTE, i, first_height, first_height, 1};
    }
    *ret_orders = o;
    o = (struct soak_orders){0};
    return RESULT_OK;
}

/* Below limit; xorshift64*. */
static uint32_t draw(struct soak_orders *o, uint32_t limit)
{
    o->random ^= o->random >> 12;
    o->random ^= o->random << 25;
    o->random ^= o->random >> 27;
    return (uint32_t)((o->random * 0x2545f4914f6cdd1dULL) >> 33) % limit;
}

/* Of a hundred: two of each kind of slashable vote, and as many repetitions; ten blocks, one in ten of them a
 * rival of the last. */
void soak_orders_next(struct soak_message *ret_message, struct soak_orders *o)
{
    uint32_t key = draw(o, o->num_keys), dice = draw(o, 100);
    struct soak_heights *h = &o->heights[key];
    struct soak_message m = {
        .kind = SOAK_VOTE, .key = key, .low = h->source, .high = h->target, .variant = 1};
    if (dice < 10) {
        h->slot += dice > 0;
        m = (struct soak_message){SOAK_BLOCK, key, 0, h->slot, dice > 0 ? 1 : 1 + draw(o, VARIANTS)};
    } else if (dice < 12) { /* a double vote */
        m.variant = 2 + draw(o, VARIANTS - 1);
    } else if (dice < 14) { /* surrounds what was before */
        m.low = m.low > 3 ? m.low - 3 : 0;
        m.high++;
    } else if (dice < 16) { /* is surrounded, once votes have lengthened */
        m.low++;
        m.high -= m.high > m.low;
    } else if (dice < 18) {
        m = o->last[key];
    } else { /* new; one in four sources stays, so that votes have different lengths */
        h->source = draw(o, 4) ? h->target : h->source;
        m.low = h->source;
        m.high = ++h->target;
    }
    o->last[key] = m;
    *ret_message = m;
}

static result append_vote(struct buffer *out, const struct soak_orders *o, const struct soak_message *m)
{
    return buffer_printf(out,
                         "{\"type\":\"ATTESTATION\",\"fork_info\":{\"fork\":{\"previous_version\":\"%s\","
                         "\"current_version\":\"%s\",\"epoch\":\"0\"},\"genesis_validators_root\":\"%s\"},"
                         "\"attestation\":{\"slot\":\"%llu\",\"index\":\"0\",\"beacon_block_root\":\"" ROOT_OF
                         "\",\"source\":" CHECKPOINT ",\"target\":" CHECKPOINT "}}",
                         o->version, o->version, o->genesis, (unsigned long long)m->high * SLOTS_PER_VOTE,
                         m->variant, m->low, 5U, m->high, 6U);
}

static result append_block(struct buffer *out, const struct soak_orders *o, const struct soak_message *m)
{
    return buffer_printf(out,
                         "{\"type\":\"BLOCK_V2\",\"fork_info\":{\"fork\":{\"previous_version\":\"%s\","
                         "\"current_version\":\"%s\",\"epoch\":\"0\"},\"genesis_validators_root\":\"%s\"},"
                         "\"beacon_block\":{\"version\":\"BELLATRIX\",\"block_header\":{\"slot\":\"%u\","
                         "\"proposer_index\":\"3\","
                         "\"parent_root\":\"" ROOT_OF "\",\"state_root\":\"" ROOT_OF
                         "\",\"body_root\":\"" ROOT_OF "\"}}}",
                         o->version, o->version, o->genesis, m->high, 1U, 2U, m->variant);
}

result soak_orders_request(struct buffer *out, const struct soak_orders *o, const struct soak_message *m)
{
    AUTO(buffer) body = {0};
    TRY(m->kind == SOAK_VOTE ? append_vote(&body, o, m) : append_block(&body, o, m));
    TRY(buffer_printf(out,
                      "POST /api/v1/eth2/sign/%s HTTP/1.1\r\nHost: localhost\r\nAccept: application/json\r\n"
                      "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                      o->keys[m->key], body.length));
    return buffer_append(out, body.data, body.length);
}
