/* front_manager.c - the key manager's routes, and its questions to the keeper.
 *
 * One request at a time is understood, asked and answered; the others wait with their bodies, unread. Signing
 * goes on meanwhile: nothing here waits. Bodies have passwords in them, and are wiped once they are read; the
 * strings taken out of them once they are sent. Rejected: several requests at once, which would have to agree
 * on what a key's state is in between. */
#include "front_manager.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/log.h"
#include "slashing/slashing_codec.h"

enum { WAITING_MAX = 8, PUBKEY_LEN = 48 };

static const char media_type[] = "application/json; charset=utf-8";

/* Where a key comes from. */
struct key_info {
    uint8_t pubkey[PUBKEY_LEN]; /* first: the tree compares it */
    bool readonly;
    char path[IPC_KEY_PATH_MAX + 1];
};

struct front_manager {
    struct front *front;
    void *infos; /* tsearch(3) tree of struct key_info */
    struct net_http_request *waiting[WAITING_MAX];
    size_t num_waiting;
    struct net_http_request *http; /* under way; NULL: none */
    struct front_manager_request request;
    uint32_t num_sent, num_answered; /* packets, of num_asked + 1 or of 1; answers */
    bool is_of_other_genesis, has_genesis;
    uint8_t genesis[32]; /* the store's */
};

static void begin_next(struct front_manager *m);

static int compare_infos(const void *a, const void *b)
{
    return memcmp(a, b, PUBKEY_LEN);
}

result front_manager_new(struct front_manager **ret_manager, struct front *front)
{
    struct front_manager *m = calloc(1, sizeof *m);
    ENSURE(m, E_MEMORY, "out of memory");
    m->front = front;
    *ret_manager = m;
    return RESULT_OK;
}

void front_manager_free(struct front_manager *m)
{
    if (!m)
        return;
    if (m->http)
        front_reply_error(m->http, 503, "the signer is ending");
    for (size_t i = 0; i < m->num_waiting; i++)
        front_reply_error(m->waiting[i], 503, "the signer is ending");
    tdestroy(m->infos, free);
    front_manager_request_cleanup(&m->request);
    free(m);
}

/* ---- the list ---- */

result front_manager_take_info(struct front_manager *m, struct ipc_message *message)
{
    ENSURE(m, E_PEER, "there is no key manager");
    for (uint32_t i = 0; i < message->count; i++) {
        struct ipc_key_info info;
        TRY(ipc_take_key_info(&info, &message->body));
        struct key_info *own = calloc(1, sizeof *own);
        ENSURE(own, E_MEMORY, "out of memory");
        memcpy(own->pubkey, info.pubkey, PUBKEY_LEN);
        struct key_info **found = tsearch(own, &m->infos, compare_infos);
        if (!found || *found != own)
            free(own);
        ENSURE(found, E_MEMORY, "out of memory");
        (*found)->readonly = info.readonly;
        (void)snprintf((*found)->path, sizeof(*found)->path, "%.*s", (int)info.path.length,
                       (const char *)info.path.data);
    }
    return cursor_end(&message->body);
}

static const struct key_info *info_of(const struct front_manager *m, const uint8_t *pubkey)
{
    struct key_info *const *found = tfind(pubkey, &m->infos, compare_infos);
    return found ? *found : NULL;
}

static must_check result append_key(struct buffer *out, const struct front_manager *m, const uint8_t *pubkey)
{
    char hex[2 * PUBKEY_LEN + 3];
    const struct key_info *info = info_of(m, pubkey);
    hex_encode_0x(hex, pubkey, PUBKEY_LEN);
    TRY(buffer_printf(out, "{\"validating_pubkey\":\"%s\",\"derivation_path\":", hex));
    if (info && info->path[0])
        TRY(json_append_quoted(out, info->path));
    else
        TRY(buffer_append_text(out, "null"));
    return buffer_printf(out, ",\"readonly\":%s}", info && info->readonly ? "true" : "false");
}

static must_check result append_keys(struct buffer *out, const struct front_manager *m)
{
    const struct buffer *keys = &m->front->keys;
    TRY(buffer_append_text(out, "{\"data\":["));
    for (size_t at = 0; at < keys->length; at += PUBKEY_LEN) {
        TRY(buffer_append_text(out, at > 0 ? "," : ""));
        TRY(append_key(out, m, keys->data + at));
    }
    return buffer_append_text(out, "]}");
}

/* Once r says that the text is complete. */
static void reply(struct net_http_request *http, result r, const struct buffer *text)
{
    if (r.code)
        front_reply_error(http, 500, "%s", error_text());
    else
        net_http_reply(http, 200, media_type, text->data, text->length);
}

void front_manager_list(struct front *front, struct net_http_request *request, const char *rest)
{
    AUTO(buffer) text = {0};
    (void)rest;
    reply(request, append_keys(&text, front->manager), &text);
}

/* ---- to the keeper ---- */

static must_check result pack_manage(struct front_manager *m, struct packer *p)
{
    uint8_t items[IPC_MANAGE_MAX * IPC_STORE_NAMED_ENTRY_LEN];
    const struct front_manager_request *request = &m->request;
    uint32_t num = 0;
    for (uint32_t i = 0; i < request->num_items; i++) {
        const struct front_manager_item *item = &request->items[i];
        uint8_t *out = items + (size_t)num * IPC_STORE_NAMED_ENTRY_LEN;
        if (!item->is_asked)
            continue;
        memcpy(out, item->pubkey, PUBKEY_LEN);
        slashing_entry_encode(out + PUBKEY_LEN, &(struct slashing_entry){.record = item->history});
        num++;
    }
    ipc_pack_manage(p, &(struct ipc_manage){.action = request->action,
                                            .genesis = request->has_genesis ? request->genesis : NULL,
                                            .items = items,
                                            .num_items = num});
    return pack_end(p);
}

static struct front_manager_item *asked_item(struct front_manager *m, uint32_t number)
{
    for (uint32_t i = 0; i < m->request.num_items; i++)
        if (m->request.items[i].is_asked && m->request.items[i].number == number)
            return &m->request.items[i];
    return NULL;
}

static must_check result send_one(struct front_manager *m)
{
    struct front *front = m->front;
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    if (m->num_sent == 0) {
        TRY(pack_manage(m, &p));
    } else {
        const struct front_manager_item *item = asked_item(m, m->num_sent - 1);
        ENSURE(item, E_INTERNAL, "no such item");
        ipc_pack_keystore(&p, &(struct ipc_keystore){.index = item->number,
                                                     .pubkey = item->pubkey,
                                                     .password = item->password,
                                                     .json = item->json});
        TRY(pack_end(&p));
    }
    result r = ipc_send_now(front->keeper, p.data, p.length, -1);
    secret_wipe(p.data, p.length);
    return r;
}

result front_manager_send(struct front_manager *m)
{
    if (!m || !m->http)
        return RESULT_OK;
    uint32_t num_packets = 1 + (m->request.action == IPC_MANAGE_IMPORT ? m->request.num_asked : 0);
    while (m->num_sent < num_packets) {
        TRY(send_one(m));
        m->num_sent++;
    }
    json_decref(TAKE(m->request.document));
    return RESULT_OK;
}

/* ---- requests ---- */

static must_check result parse(struct front_manager *m)
{
    size_t length = 0;
    const char *body = net_http_body(m->http, &length);
    result r =
        m->request.action == IPC_MANAGE_IMPORT
            ? front_manager_parse_import(&m->request, body, length, m->front->policy.slashing_protection)
            : front_manager_parse_delete(&m->request, body, length);
    net_http_body_wipe(m->http);
    net_http_body_free(m->http);
    return r;
}

/* What is known without the keeper; the rest it is asked. */
static void decide(struct front_manager *m, struct front_manager_item *item)
{
    const struct front *front = m->front;
    bool is_served = front_keys_has(front, item->pubkey);
    const struct key_info *info = info_of(m, item->pubkey);
    char hex[2 * PUBKEY_LEN + 3];
    hex_encode_0x(hex, item->pubkey, PUBKEY_LEN);
    if (m->request.action == IPC_MANAGE_IMPORT && is_served) {
        item->status = "duplicate";
    } else if (m->request.action == IPC_MANAGE_DELETE && is_served && info && info->readonly) {
        item->status = "error";
        (void)snprintf(item->why, sizeof item->why, "Unable to delete readonly key: %s", hex);
    } else {
        item->is_asked = true;
        item->number = m->request.num_asked++;
    }
}

static must_check result format(struct front_manager *m, struct buffer *out)
{
    return m->request.action == IPC_MANAGE_IMPORT
               ? front_manager_format_import(out, &m->request)
               : front_manager_format_delete(out, &m->request, m->has_genesis ? m->genesis : NULL);
}

static void end_request(struct front_manager *m)
{
    AUTO(buffer) text = {0};
    struct net_http_request *http = TAKE(m->http);
    if (m->is_of_other_genesis)
        front_reply_error(http, 400, "slashing_protection: is of another genesis validators root");
    else
        reply(http, format(m, &text), &text);
    front_manager_request_cleanup(&m->request);
    front_manager_go_on(m);
}

static void begin(struct front_manager *m)
{
    enum ipc_manage_action action =
        net_http_method(m->http) == NET_HTTP_POST ? IPC_MANAGE_IMPORT : IPC_MANAGE_DELETE;
    m->request.action = action;
    m->num_sent = m->num_answered = 0;
    m->is_of_other_genesis = m->has_genesis = false;
    if (parse(m).code) {
        front_reply_error(TAKE(m->http), 400, "%s", error_text());
        front_manager_request_cleanup(&m->request);
        return;
    }
    for (uint32_t i = 0; i < m->request.num_items; i++)
        if (!m->request.items[i].status && m->request.items[i].same_as == i)
            decide(m, &m->request.items[i]);
    if (m->request.num_asked == 0) {
        end_request(m);
        return;
    }
    front_keeper_tried(m->front, front_manager_send(m));
}

static void begin_next(struct front_manager *m)
{
    while (!m->http && m->num_waiting > 0 && !front_reload_runs(m->front)) {
        m->http = m->waiting[0];
        memmove(m->waiting, m->waiting + 1, --m->num_waiting * sizeof m->waiting[0]);
        begin(m);
    }
}

bool front_manager_is_busy(const struct front_manager *m)
{
    return m && m->http;
}

/* A reload comes first: it has been promised. */
void front_manager_go_on(struct front_manager *m)
{
    if (!m)
        return;
    front_keeper_tried(m->front, front_reload_send(m->front));
    begin_next(m);
}

static void take_request(struct front *front, struct net_http_request *request)
{
    struct front_manager *m = front->manager;
    if (m->num_waiting == WAITING_MAX) {
        net_http_body_wipe(request);
        front_reply_error(request, 503, "too many requests to the key manager are under way");
        return;
    }
    m->waiting[m->num_waiting++] = request;
    begin_next(m);
}

void front_manager_import(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)rest;
    take_request(front, request);
}

void front_manager_delete(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)rest;
    take_request(front, request);
}

/* ---- answers ---- */

static const char *status_name(enum ipc_managed_status status)
{
    switch (status) {
    case IPC_MANAGED_IMPORTED:
        return "imported";
    case IPC_MANAGED_DELETED:
        return "deleted";
    case IPC_MANAGED_NOT_ACTIVE:
        return "not_active";
    case IPC_MANAGED_NOT_FOUND:
        return "not_found";
    case IPC_MANAGED_ERROR:
    case IPC_MANAGED_OTHER_GENESIS:
        break;
    }
    return "error";
}

result front_manager_take_managed(struct front_manager *m, struct ipc_message *message)
{
    struct ipc_managed managed;
    struct slashing_entry entry;
    TRY(ipc_take_managed(&managed, message));
    TRY(slashing_entry_decode(&entry, managed.entry));
    struct front_manager_item *item = m && m->http ? asked_item(m, managed.index) : NULL;
    ENSURE(item && !item->status, E_PEER, "an answer that the key manager did not ask for");
    item->status = status_name(managed.status);
    (void)snprintf(item->why, sizeof item->why, "%.*s", (int)managed.text.length,
                   (const char *)managed.text.data);
    item->has_record = managed.status == IPC_MANAGED_DELETED || managed.status == IPC_MANAGED_NOT_ACTIVE;
    item->record = entry.record;
    m->is_of_other_genesis = m->is_of_other_genesis || managed.status == IPC_MANAGED_OTHER_GENESIS;
    m->has_genesis = managed.genesis != NULL;
    if (managed.genesis)
        memcpy(m->genesis, managed.genesis, sizeof m->genesis);
    if (++m->num_answered == m->request.num_asked)
        end_request(m);
    return RESULT_OK;
}
