/* front_boost.c - Commit-Boost's signer API as Web3Signer has it: keys and their proxies, a new proxy, a
 * signature over an object's root.
 *
 * One proxy is made at a time, since each costs a process, a key derivation and a few fsyncs; the others
 * wait. Errors have the shape that this API's clients know: a code and a message. */
#include "front_boost.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "json/json.h"

enum { WAITING_MAX = 8, BODY_MAX = 4096, VALUES_MAX = 32, PUBKEY_LEN = 48 };

static const char media_type[] = "application/json; charset=utf-8";

struct front_boost {
    struct front *front;
    struct front_proxies proxies; /* complete and sorted */
    struct front_proxies arriving;
    bool is_arriving;
    struct front_asked waiting[WAITING_MAX]; /* for their turn to have a proxy made */
    size_t num_waiting;
    bool is_making;
};

result front_boost_new(struct front_boost **ret_boost, struct front *front)
{
    struct front_boost *boost = calloc(1, sizeof *boost);
    ENSURE(boost, E_MEMORY, "out of memory");
    boost->front = front;
    *ret_boost = boost;
    return RESULT_OK;
}

/* ---- replies ---- */

static void reply_error(struct net_http_request *http, int status, const char *sentence)
{
    AUTO(buffer) text = {0};
    result r = buffer_printf(&text, "{\"code\":%d,\"message\":", status);
    if (!r.code)
        r = json_append_quoted(&text, sentence);
    if (!r.code)
        r = buffer_append_text(&text, "}");
    if (r.code)
        front_reply_error(http, 500, "out of memory");
    else
        net_http_reply(http, status, media_type, text.data, text.length);
}

/* Once r says that the text is complete. */
static void reply(struct net_http_request *http, result r, const struct buffer *text)
{
    if (r.code)
        reply_error(http, 500, "Internal Error");
    else
        net_http_reply(http, 200, media_type, text->data, text->length);
}

void front_boost_free(struct front_boost *boost)
{
    if (!boost)
        return;
    for (size_t i = 0; i < boost->num_waiting; i++)
        reply_error(boost->waiting[i].http, 503, "the signer is ending");
    front_proxies_cleanup(&boost->proxies);
    front_proxies_cleanup(&boost->arriving);
    free(boost);
}

/* ---- requests ---- */

/* "BLS" and so on, by enum ipc_scheme; NULL: not for this request. */
static must_check result get_scheme(enum ipc_scheme *ret_scheme, const struct json_view *object,
                                    const char *member, const char *const names[static 3])
{
    const char *text = NULL;
    TRY(json_get_text(&text, NULL, object, member));
    for (unsigned i = 0; i < 3; i++) {
        if (names[i] && strcmp(text, names[i]) == 0) {
            *ret_scheme = (enum ipc_scheme)i;
            return RESULT_OK;
        }
    }
    return json_blame(error_set(E_INPUT, "does not exist"), object, member);
}

/* E_NOT_FOUND for what is a string and can be no key of this scheme. */
static must_check result get_pubkey(uint8_t out[static PUBKEY_LEN], const struct json_view *object,
                                    enum ipc_scheme scheme)
{
    const char *text = NULL;
    size_t length = 0;
    TRY(json_get_text(&text, &length, object, "pubkey"));
    ENSURE(!hex_decode(out, ipc_scheme_pubkey_len(scheme), text, length).code, E_NOT_FOUND, "Unknown pubkey");
    return RESULT_OK;
}

static must_check result parse_generate(struct front_asked *asked, const char *body, size_t body_len)
{
    static const char *const names[] = {NULL, "BLS", "ECDSA"};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view object;
    TRY(json_read(&root, body, body_len, BODY_MAX, VALUES_MAX));
    TRY(json_view_root(&object, root));
    TRY(get_scheme(&asked->scheme, &object, "scheme", names));
    return get_pubkey(asked->pubkey, &object, IPC_SCHEME_CONSENSUS);
}

static must_check result parse_sign(struct front_asked *asked, const char *body, size_t body_len)
{
    static const char *const names[] = {"CONSENSUS", "PROXY_BLS", "PROXY_ECDSA"};
    AUTO_POINTER(json_t) root = NULL;
    struct json_view object;
    TRY(json_read(&root, body, body_len, BODY_MAX, VALUES_MAX));
    TRY(json_view_root(&object, root));
    TRY(get_scheme(&asked->scheme, &object, "type", names));
    TRY(json_get_hex(asked->object_root, sizeof asked->object_root, &object, "object_root"));
    return get_pubkey(asked->pubkey, &object, asked->scheme);
}

static void reply_malformed(struct net_http_request *http, result r)
{
    reply_error(http, r.code == E_NOT_FOUND ? 404 : 400, error_text());
}

/* ---- the list ---- */

void front_boost_list(struct front *front, struct net_http_request *request, const char *rest)
{
    AUTO(buffer) text = {0};
    (void)rest;
    reply(request, front_proxies_format(&text, &front->boost->proxies, &front->keys), &text);
}

result front_boost_take_proxies(struct front *front, struct ipc_message *message)
{
    struct front_boost *boost = front->boost;
    struct ipc_proxies proxies;
    TRY(ipc_take_proxies(&proxies, message));
    ENSURE(boost && proxies.first != boost->is_arriving, E_PEER,
           "keeper: a list of proxy keys begins in the middle of another, or nobody wants it");
    struct cursor c = {.at = proxies.proxies, .left = (size_t)proxies.num_proxies * IPC_PROXY_LEN};
    for (uint32_t i = 0; i < proxies.num_proxies; i++) {
        struct ipc_proxy proxy;
        TRY(ipc_take_proxy(&proxy, &c));
        TRY(front_proxies_add(&boost->arriving, &proxy));
    }
    TRY(cursor_end(&c));
    boost->is_arriving = !proxies.last;
    if (!proxies.last)
        return RESULT_OK;
    front_proxies_sort(&boost->arriving);
    front_proxies_cleanup(&boost->proxies);
    boost->proxies = boost->arriving;
    boost->arriving = (struct front_proxies){0};
    return RESULT_OK;
}

/* ---- a new proxy ---- */

static void pack_wanted(struct packer *p, const struct front_asked *asked)
{
    ipc_pack_proxy_wanted(
        p, &(struct ipc_proxy_wanted){.id = asked->id, .scheme = asked->scheme, .delegator = asked->pubkey});
}

static void make_next(struct front_boost *boost)
{
    while (!boost->is_making && boost->num_waiting > 0) {
        struct front_asked first = boost->waiting[0];
        memmove(boost->waiting, boost->waiting + 1, --boost->num_waiting * sizeof boost->waiting[0]);
        boost->is_making = front_ask(boost->front, &first);
        if (!boost->is_making)
            reply_error(first.http, 503, "too many requests at once");
    }
}

void front_boost_generate(struct front *front, struct net_http_request *request, const char *rest)
{
    struct front_boost *boost = front->boost;
    struct front_asked asked = {.http = request, .pack = pack_wanted};
    size_t length = 0;
    const char *body = net_http_body(request, &length);
    (void)rest;
    result r = parse_generate(&asked, body, length);
    if (r.code) {
        reply_malformed(request, r);
    } else if (boost->num_waiting == WAITING_MAX) {
        reply_error(request, 503, "too many proxy keys are being made");
    } else {
        boost->waiting[boost->num_waiting++] = asked;
        make_next(boost);
    }
}

static must_check result format_made(struct buffer *out, const struct front_asked *asked,
                                     const struct ipc_proxy_made *made)
{
    char delegator[2 * PUBKEY_LEN + 3], proxy[2 * PUBKEY_LEN + 3], signature[2 * IPC_SIGNATURE_MAX + 3];
    hex_encode_0x(delegator, asked->pubkey, PUBKEY_LEN);
    hex_encode_0x(proxy, made->pubkey, ipc_scheme_pubkey_len(asked->scheme));
    hex_encode_0x(signature, made->signature.data, made->signature.length);
    return buffer_printf(out, "{\"message\":{\"delegator\":\"%s\",\"proxy\":\"%s\"},\"signature\":\"%s\"}",
                         delegator, proxy, signature);
}

static void reply_made(const struct front_asked *asked, const struct ipc_proxy_made *made)
{
    AUTO(buffer) text = {0};
    switch (made->status) {
    case IPC_PROXY_DONE:
        reply(asked->http, format_made(&text, asked, made), &text);
        return;
    case IPC_PROXY_UNKNOWN_KEY:
        reply_error(asked->http, 404, "Unknown pubkey");
        return;
    case IPC_PROXY_TOO_MANY:
        reply_error(asked->http, 403, "there are as many proxy keys as there may be");
        return;
    case IPC_PROXY_FAILED:
        break;
    }
    reply_error(asked->http, 500, "Internal Error");
}

result front_boost_take_made(struct front *front, struct ipc_message *message)
{
    struct front_boost *boost = front->boost;
    struct ipc_proxy_made made;
    struct front_asked asked;
    TRY(ipc_take_proxy_made(&made, message));
    TRY(front_asking_take(&asked, front->asking, made.id));
    ENSURE(boost && asked.pack == pack_wanted, E_PEER, "keeper: an answer of another kind");
    if (made.status == IPC_PROXY_DONE) {
        TRY(front_proxies_add(&boost->proxies, &(struct ipc_proxy){asked.scheme, asked.pubkey, made.pubkey}));
        front_proxies_sort(&boost->proxies);
    }
    reply_made(&asked, &made);
    boost->is_making = false;
    make_next(boost);
    return RESULT_OK;
}

/* ---- signatures ---- */

static void pack_sign(struct packer *p, const struct front_asked *asked)
{
    ipc_pack_boost_sign(p, &(struct ipc_boost_sign){.id = asked->id,
                                                    .scheme = asked->scheme,
                                                    .pubkey = asked->pubkey,
                                                    .object_root = asked->object_root});
}

void front_boost_sign(struct front *front, struct net_http_request *request, const char *rest)
{
    struct front_asked asked = {.http = request, .pack = pack_sign};
    size_t length = 0;
    const char *body = net_http_body(request, &length);
    (void)rest;
    result r = parse_sign(&asked, body, length);
    if (r.code)
        reply_malformed(request, r);
    else if (!front_ask(front, &asked))
        reply_error(request, 503, "too many requests at once");
}

static void reply_signed(struct net_http_request *http, const struct ipc_signature *signature)
{
    AUTO(buffer) text = {0};
    char hex[2 * IPC_SIGNATURE_MAX + 3];
    switch (signature->status) {
    case IPC_ANSWER_SIGNED:
        hex_encode_0x(hex, signature->signature.data, signature->signature.length);
        reply(http, buffer_printf(&text, "\"%s\"", hex), &text);
        return;
    case IPC_ANSWER_UNKNOWN_KEY:
        reply_error(http, 404, "Unknown pubkey");
        return;
    case IPC_ANSWER_STORE:
        reply_error(http, 500, "the slashing protection store has failed; nothing is signed");
        return;
    case IPC_ANSWER_BAD_ORDER:
    case IPC_ANSWER_ROOT_DIFFERS:
    case IPC_ANSWER_SLASHABLE:
    case IPC_ANSWER_INTERNAL:
    case IPC_ANSWER_LATE:
        break;
    }
    reply_error(http, 500, "Internal Error");
}

result front_boost_take_signed(struct front *front, struct ipc_message *message)
{
    struct ipc_signature signature;
    struct front_asked asked;
    TRY(ipc_take_signature(&signature, message));
    TRY(front_asking_take(&asked, front->asking, signature.id));
    ENSURE(asked.pack == pack_sign, E_PEER, "keeper: an answer of another kind");
    reply_signed(asked.http, &signature);
    return RESULT_OK;
}
