/* front_boost_keys.c - the list of keys and their proxies. Both are sorted, so one walk makes the answer. */
#include "front_boost.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

enum { PUBKEY_LEN = 48, FIRST_CAPACITY = 16 };

void front_proxies_cleanup(struct front_proxies *proxies)
{
    free(proxies->items);
    *proxies = (struct front_proxies){0};
}

result front_proxies_add(struct front_proxies *proxies, const struct ipc_proxy *proxy)
{
    ENSURE(proxies->num_items < IPC_PROXIES_IN_ALL_MAX, E_PEER, "keeper: more than %d proxy keys",
           IPC_PROXIES_IN_ALL_MAX);
    if (proxies->num_items == proxies->capacity) {
        size_t capacity = proxies->capacity ? 2 * proxies->capacity : FIRST_CAPACITY;
        struct front_proxy *items = realloc(proxies->items, capacity * sizeof *items);
        ENSURE(items, E_MEMORY, "out of memory");
        proxies->items = items;
        proxies->capacity = capacity;
    }
    struct front_proxy *own = &proxies->items[proxies->num_items++];
    own->scheme = proxy->scheme;
    memcpy(own->delegator, proxy->delegator, PUBKEY_LEN);
    memcpy(own->pubkey, proxy->pubkey, PUBKEY_LEN);
    return RESULT_OK;
}

static int compare(const void *a, const void *b)
{
    const struct front_proxy *one = a, *other = b;
    int by_delegator = memcmp(one->delegator, other->delegator, PUBKEY_LEN);
    return by_delegator ? by_delegator : memcmp(one->pubkey, other->pubkey, PUBKEY_LEN);
}

void front_proxies_sort(struct front_proxies *proxies)
{
    if (proxies->num_items > 0)
        qsort(proxies->items, proxies->num_items, sizeof proxies->items[0], compare);
}

static must_check result append_scheme(struct buffer *out, const struct front_proxy *first,
                                       size_t num_proxies, enum ipc_scheme scheme)
{
    bool any = false;
    for (size_t i = 0; i < num_proxies; i++) {
        char hex[2 * PUBKEY_LEN + 3];
        if (first[i].scheme != scheme)
            continue;
        hex_encode_0x(hex, first[i].pubkey, ipc_scheme_pubkey_len(scheme));
        TRY(buffer_printf(out, "%s\"%s\"", any ? "," : "", hex));
        any = true;
    }
    return RESULT_OK;
}

static must_check result append_key(struct buffer *out, const uint8_t *pubkey,
                                    const struct front_proxy *first, size_t num_proxies)
{
    char hex[2 * PUBKEY_LEN + 3];
    hex_encode_0x(hex, pubkey, PUBKEY_LEN);
    TRY(buffer_printf(out, "{\"consensus\":\"%s\",\"proxy_bls\":[", hex));
    TRY(append_scheme(out, first, num_proxies, IPC_SCHEME_BLS));
    TRY(buffer_append_text(out, "],\"proxy_ecdsa\":["));
    TRY(append_scheme(out, first, num_proxies, IPC_SCHEME_ECDSA));
    return buffer_append_text(out, "]}");
}

result front_proxies_format(struct buffer *out, const struct front_proxies *proxies,
                            const struct buffer *keys)
{
    size_t at = 0;
    TRY(buffer_append_text(out, "{\"keys\":["));
    for (size_t i = 0; i < keys->length; i += PUBKEY_LEN) {
        const uint8_t *pubkey = keys->data + i;
        /* Proxies of keys that are not served are passed over. */
        while (at < proxies->num_items && memcmp(proxies->items[at].delegator, pubkey, PUBKEY_LEN) < 0)
            at++;
        size_t end = at;
        while (end < proxies->num_items && memcmp(proxies->items[end].delegator, pubkey, PUBKEY_LEN) == 0)
            end++;
        TRY(buffer_append_text(out, i > 0 ? "," : ""));
        TRY(append_key(out, pubkey, end > at ? proxies->items + at : NULL, end - at));
        at = end;
    }
    return buffer_append_text(out, "]}");
}
