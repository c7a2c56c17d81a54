/* front_manager_parse.c - requests to the key manager, completely into a struct.
 *
 * Of a keystore only its pubkey is looked at: it decides which history belongs to it, and the loader holds
 * the decrypted key to it. The histories are folded to records while they are read; those of other validators
 * are dropped at once. */
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "eth2/eth2_api.h"
#include "front_manager.h"
#include "slashing/slashing_interchange.h"

enum {
    PUBKEY_LEN = 48,
    VALUES_MAX = 4 * IPC_MANAGE_MAX + 64,
    KEYSTORE_VALUES_MAX = 256,
    PUBKEY_TEXT_MAX = 2 * PUBKEY_LEN + 2
};

void front_manager_request_cleanup(struct front_manager_request *request)
{
    json_decref(request->document);
    *request = (struct front_manager_request){0};
}

static void refuse(struct front_manager_item *item, const char *why)
{
    item->status = "error";
    (void)snprintf(item->why, sizeof item->why, "%s", why);
}

static void refuse_because(struct front_manager_item *item, const char *what)
{
    item->status = "error";
    (void)snprintf(item->why, sizeof item->why, "%s: %s", what, error_text());
}

/* The first element of the same key answers for all. */
static void find_same(struct front_manager_request *request, uint32_t number)
{
    struct front_manager_item *item = &request->items[number];
    item->same_as = number;
    for (uint32_t i = 0; i < number && !item->status; i++)
        if (!request->items[i].status && memcmp(request->items[i].pubkey, item->pubkey, PUBKEY_LEN) == 0) {
            item->same_as = i;
            return;
        }
}

/* ---- import ---- */

static must_check result read_pubkey(uint8_t ret_pubkey[static PUBKEY_LEN], const struct ipc_bytes *keystore)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    TRY(json_read(&root, (const char *)keystore->data, keystore->length, IPC_KEYSTORE_MAX,
                  KEYSTORE_VALUES_MAX));
    TRY(json_view_root(&view, root));
    return json_get_hex(ret_pubkey, PUBKEY_LEN, &view, "pubkey");
}

static must_check result take_text(struct ipc_bytes *ret_bytes, const struct json_view *array, size_t index)
{
    const char *text;
    size_t length;
    TRY(json_element_text(&text, &length, array, index));
    ENSURE(length <= UINT32_MAX, E_TOO_LARGE, "a text is too long");
    *ret_bytes = (struct ipc_bytes){(const uint8_t *)text, (uint32_t)length};
    return RESULT_OK;
}

static must_check result take_keystore(struct front_manager_request *request,
                                       const struct json_view *keystores, const struct json_view *passwords)
{
    uint32_t number = request->num_items++;
    struct front_manager_item *item = &request->items[number];
    TRY(take_text(&item->json, keystores, number));
    TRY(take_text(&item->password, passwords, number));
    if (item->password.length > IPC_PASSWORD_MAX)
        refuse(item, "Failed to decrypt keystore: the password is too long");
    else if (read_pubkey(item->pubkey, &item->json).code)
        refuse_because(item, "Failed to decrypt keystore");
    find_same(request, number);
    return RESULT_OK;
}

static int compare_items(const void *a, const void *b)
{
    const struct front_manager_item *const *left = a, *const *right = b;
    return memcmp((*left)->pubkey, (*right)->pubkey, PUBKEY_LEN);
}

struct histories {
    struct front_manager_request *request;
    struct front_manager_item *by_key[IPC_MANAGE_MAX]; /* those that are imported, sorted */
    size_t num;
};

static result keep_genesis(void *context, const uint8_t genesis_validators_root[static 32])
{
    struct front_manager_request *request = ((struct histories *)context)->request;
    request->has_genesis = true;
    memcpy(request->genesis, genesis_validators_root, sizeof request->genesis);
    return RESULT_OK;
}

static result keep_history(void *context, const uint8_t pubkey[static 48],
                           const struct slashing_record *record)
{
    struct histories *h = context;
    struct front_manager_item wanted, *const key = &wanted;
    memcpy(wanted.pubkey, pubkey, PUBKEY_LEN);
    struct front_manager_item **found =
        h->num ? bsearch(&key, h->by_key, h->num, sizeof *h->by_key, compare_items) : NULL;
    if (found)
        slashing_merge(&(*found)->history, &(*found)->history, record);
    return RESULT_OK;
}

static must_check result read_histories(struct front_manager_request *request, const char *text,
                                        size_t text_len)
{
    struct histories h = {.request = request};
    const struct slashing_interchange_visitor visitor = {
        .context = &h, .genesis = keep_genesis, .validator = keep_history};
    AUTO_POINTER(json_stream) in = NULL;
    for (uint32_t i = 0; i < request->num_items; i++)
        if (!request->items[i].status && request->items[i].same_as == i)
            h.by_key[h.num++] = &request->items[i];
    if (h.num > 0)
        qsort(h.by_key, h.num, sizeof *h.by_key, compare_items);
    TRY(json_stream_open_text(&in, text, text_len));
    result r = slashing_interchange_read(in, &visitor);
    return r.code ? error_prefix(r, "slashing_protection") : r;
}

result front_manager_parse_import(struct front_manager_request *ret_request, const char *body,
                                  size_t body_len, bool protected)
{
    struct front_manager_request *request = ret_request;
    struct json_view view, keystores, passwords;
    const char *history;
    size_t history_len;
    *request = (struct front_manager_request){.action = IPC_MANAGE_IMPORT};
    TRY(json_read(&request->document, body, body_len, ETH2_API_BODY_MAX, VALUES_MAX));
    TRY(json_view_root(&view, request->document));
    TRY(json_get_array(&keystores, &view, "keystores", IPC_MANAGE_MAX));
    TRY(json_get_array(&passwords, &view, "passwords", IPC_MANAGE_MAX));
    size_t num = json_array_size(keystores.value);
    ENSURE(num == json_array_size(passwords.value), E_INPUT, "passwords: must be as many as keystores");
    TRY(json_get_text_optional(&history, &history_len, &view, "slashing_protection"));
    while (request->num_items < num)
        TRY(take_keystore(request, &keystores, &passwords));
    return history && protected ? read_histories(request, history, history_len) : RESULT_OK;
}

/* ---- deletion ---- */

static must_check result take_pubkey(struct front_manager_request *request, const struct json_view *pubkeys)
{
    uint32_t number = request->num_items++;
    struct front_manager_item *item = &request->items[number];
    const char *text;
    size_t length;
    TRY(json_element_text(&text, &length, pubkeys, number));
    if (length > PUBKEY_TEXT_MAX || hex_decode(item->pubkey, PUBKEY_LEN, text, length).code)
        refuse(item, "not a public key");
    find_same(request, number);
    return RESULT_OK;
}

result front_manager_parse_delete(struct front_manager_request *ret_request, const char *body,
                                  size_t body_len)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view, pubkeys;
    *ret_request = (struct front_manager_request){.action = IPC_MANAGE_DELETE};
    TRY(json_read(&root, body, body_len, ETH2_API_BODY_MAX, VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_array(&pubkeys, &view, "pubkeys", IPC_MANAGE_MAX));
    size_t num = json_array_size(pubkeys.value);
    while (ret_request->num_items < num)
        TRY(take_pubkey(ret_request, &pubkeys));
    return RESULT_OK;
}
