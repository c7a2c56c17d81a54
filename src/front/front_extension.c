/* front_extension.c - Web3Signer's signing extension: a proof that a validator is run here, over the
 * request's own bytes. What they may be is checked completely before the keeper is asked, which then makes
 * sure by itself that they can be no signing root (keeper_sign.c). */
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "front.h"
#include "json/json.h"

enum { VALUES_MAX = 8, MEMBERS = 3 };

static const char media_type[] = "application/json; charset=utf-8";

static void reply_failure(struct net_http_request *http, int status, const char *sentence)
{
    AUTO(buffer) text = {0};
    result r = buffer_append_text(&text, "{\"error\":");
    if (!r.code)
        r = json_append_quoted(&text, sentence);
    if (!r.code)
        r = buffer_append_text(&text, "}");
    if (r.code)
        front_reply_error(http, 500, "out of memory");
    else
        net_http_reply(http, status, media_type, text.data, text.length);
}

/* A string, or a number: clients send both. */
static must_check result check_timestamp(const struct json_view *object)
{
    const char *text = NULL;
    uint64_t number = 0;
    if (!json_get_text(&text, NULL, object, "timestamp").code)
        return RESULT_OK;
    result r = json_get_u64(&number, object, "timestamp");
    ENSURE(!r.code, E_INPUT, "timestamp: must be a string or a number");
    return RESULT_OK;
}

static must_check result check_body(const char *body, size_t body_len)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view object;
    const char *type = NULL, *platform = NULL;
    TRY(json_read(&root, body, body_len, IPC_EXTENSION_MAX, VALUES_MAX));
    TRY(json_view_root(&object, root));
    TRY(json_get_text(&type, NULL, &object, "type"));
    ENSURE(strcmp(type, "PROOF_OF_VALIDATION") == 0, E_INPUT, "type: must be PROOF_OF_VALIDATION");
    TRY(json_get_text(&platform, NULL, &object, "platform"));
    TRY(check_timestamp(&object));
    ENSURE(json_object_size(root) == MEMBERS, E_INPUT, "document: has a member that is not known");
    ENSURE(body[0] == '{' && body[body_len - 1] == '}', E_INPUT,
           "document: must begin and end with its braces");
    ENSURE(body_len >= IPC_EXTENSION_MIN, E_INPUT, "document: too short");
    return RESULT_OK;
}

static void pack(struct packer *p, const struct front_asked *asked)
{
    size_t length = 0;
    const char *body = net_http_body(asked->http, &length);
    ipc_pack_extension_sign(
        p, &(struct ipc_extension_sign){.id = asked->id,
                                        .pubkey = asked->pubkey,
                                        .payload = {(const uint8_t *)body, (uint32_t)length}});
}

void front_extension(struct front *front, struct net_http_request *request, const char *identifier)
{
    struct front_asked asked = {.http = request, .pack = pack};
    size_t length = 0;
    const char *body = net_http_body(request, &length);
    if (check_body(body, length).code)
        reply_failure(request, 400, error_text());
    else if (hex_decode(asked.pubkey, sizeof asked.pubkey, identifier, strlen(identifier)).code)
        reply_failure(request, 404, "Identifier not found.");
    else if (!front_ask(front, &asked))
        reply_failure(request, 503, "too many requests at once");
}

static must_check result format(struct buffer *out, const struct net_http_request *http,
                                const struct ipc_bytes *signature)
{
    char hex[2 * IPC_SIGNATURE_MAX + 3];
    size_t length = 0;
    const char *body = net_http_body(http, &length);
    hex_encode_0x(hex, signature->data, signature->length);
    TRY(buffer_append_text(out, "{\"payload\":\""));
    TRY(base64_append(out, (const uint8_t *)body, length));
    return buffer_printf(out, "\",\"signature\":\"%s\"}", hex);
}

static void reply(struct net_http_request *http, const struct ipc_signature *signature)
{
    AUTO(buffer) text = {0};
    switch (signature->status) {
    case IPC_ANSWER_SIGNED:
        if (!format(&text, http, &signature->signature).code) {
            net_http_reply(http, 200, media_type, text.data, text.length);
            return;
        }
        break;
    case IPC_ANSWER_UNKNOWN_KEY:
        reply_failure(http, 404, "Identifier not found.");
        return;
    case IPC_ANSWER_BAD_ORDER:
        reply_failure(http, 400, "the keeper refuses this document");
        return;
    case IPC_ANSWER_STORE:
        reply_failure(http, 500, "the slashing protection store has failed; nothing is signed");
        return;
    case IPC_ANSWER_ROOT_DIFFERS:
    case IPC_ANSWER_SLASHABLE:
    case IPC_ANSWER_INTERNAL:
    case IPC_ANSWER_LATE:
        break;
    }
    reply_failure(http, 500, "signing failed");
}

result front_extension_take(struct front *front, struct ipc_message *message)
{
    struct ipc_signature signature;
    struct front_asked asked;
    TRY(ipc_take_signature(&signature, message));
    TRY(front_asking_take(&asked, front->asking, signature.id));
    ENSURE(asked.pack == pack, E_PEER, "keeper: an answer of another kind");
    reply(asked.http, &signature);
    return RESULT_OK;
}
