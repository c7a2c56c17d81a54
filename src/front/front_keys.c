/* front_keys.c - the public keys. Clients drop validators that are missing from this list, so a list that
 * is still arriving is never shown: the old answer stands until the new one is complete. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "front.h"

enum { PUBKEY_LEN = 48, MAX_KEYS = 1 << 20 };

static must_check result format_keys(struct buffer *out, const struct buffer *keys)
{
    size_t num_keys = keys->length / PUBKEY_LEN;
    TRY(buffer_reserve(out, num_keys * (2 * PUBKEY_LEN + 5) + 2));
    TRY(buffer_append_text(out, "["));
    for (size_t i = 0; i < num_keys; i++) {
        char hex[2 * PUBKEY_LEN + 3];
        hex_encode_0x(hex, keys->data + i * PUBKEY_LEN, PUBKEY_LEN);
        TRY(buffer_printf(out, "%s\"%s\"", i > 0 ? "," : "", hex));
    }
    return buffer_append_text(out, "]");
}

static int compare_keys(const void *a, const void *b)
{
    return memcmp(a, b, PUBKEY_LEN);
}

bool front_keys_has(const struct front *front, const uint8_t pubkey[static 48])
{
    size_t num_keys = front->keys.length / PUBKEY_LEN;
    return num_keys > 0 && bsearch(pubkey, front->keys.data, num_keys, PUBKEY_LEN, compare_keys);
}

result front_keys_take(struct front *front, struct ipc_message *message)
{
    struct ipc_keys keys;
    TRY(ipc_take_keys(&keys, message));
    ENSURE(keys.first != front->new_keys_open, E_PEER, "keeper: a key list begins in the middle of another");
    size_t bytes_len = (size_t)keys.num_keys * PUBKEY_LEN;
    if (keys.first)
        buffer_consume(&front->new_keys, front->new_keys.length);
    ENSURE(front->new_keys.length + bytes_len <= (size_t)MAX_KEYS * PUBKEY_LEN, E_TOO_LARGE,
           "keeper: more than %d keys", MAX_KEYS);
    TRY(buffer_append(&front->new_keys, keys.pubkeys, bytes_len));
    front->new_keys_open = !keys.last;
    if (!keys.last)
        return RESULT_OK;
    AUTO(buffer) json = {0}, sorted = {0};
    TRY(format_keys(&json, &front->new_keys));
    TRY(buffer_append(&sorted, front->new_keys.data, front->new_keys.length));
    if (sorted.length > 0)
        qsort(sorted.data, sorted.length / PUBKEY_LEN, PUBKEY_LEN, compare_keys);
    struct buffer old_keys = front->keys;
    front->keys = sorted;
    sorted = old_keys;
    struct buffer old = front->keys_json;
    front->keys_json = json;
    json = old;
    buffer_cleanup(&front->new_keys);
    return RESULT_OK;
}

void front_keys_list(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)rest;
    if (front_takes_json(request))
        net_http_reply(request, 200, "application/json; charset=utf-8", front->keys_json.data,
                       front->keys_json.length);
}
