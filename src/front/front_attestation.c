/* front_attestation.c - GET /attestation?nonce=HEX, in an enclave: a document of the NSM that says who this
 * signer is, so that a client can judge it before it trusts what it serves (PROTOCOL.control section 7).
 *
 * The keeper makes it, and only one at a time: the NSM is slow, and who may ask is whoever may ask for the
 * keys. Rejected: a queue here, in which strangers would keep the places. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"
#include "front.h"

static const char bad_nonce[] = "nonce: the query must be nonce=HEX, 1 to 64 bytes as hexadecimal digits";

static must_check result parse_nonce(uint8_t ret_nonce[static IPC_IDENTITY_NONCE_MAX], size_t *ret_length,
                                     const char *query)
{
    static const char name[] = "nonce=";
    ENSURE(strncmp(query, name, sizeof name - 1) == 0, E_INPUT, "not nonce=");
    const char *digits = query + sizeof name - 1;
    if (strncmp(digits, "0x", 2) == 0)
        digits += 2;
    size_t length = strlen(digits);
    ENSURE(length % 2 == 0 && length / 2 >= 1 && length / 2 <= IPC_IDENTITY_NONCE_MAX, E_INPUT,
           "not as many digits");
    TRY(hex_decode(ret_nonce, length / 2, digits, length));
    *ret_length = length / 2;
    return RESULT_OK;
}

result front_attestation_send(struct front *front)
{
    struct front_attestation *a = &front->attestation;
    if (!a->waiting || a->is_sent)
        return RESULT_OK;
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    ipc_pack_bytes_message(&p, IPC_IDENTITY_WANTED, (struct ipc_bytes){a->nonce, (uint32_t)a->nonce_len});
    TRY(pack_end(&p));
    TRY(ipc_send_now(front->keeper, p.data, p.length, -1));
    a->is_sent = true;
    return RESULT_OK;
}

static void refuse(struct net_http_request *request, int status, const char *sentence)
{
    net_http_reply_header(request, "retry-after", "1");
    front_reply_error(request, status, "%s", sentence);
}

void front_attestation_begin(struct front *front, struct net_http_request *request, const char *rest)
{
    struct front_attestation *a = &front->attestation;
    uint8_t nonce[IPC_IDENTITY_NONCE_MAX];
    size_t nonce_len = 0;
    (void)rest;
    if (!front_takes_json(request))
        return;
    if (parse_nonce(nonce, &nonce_len, net_http_query(request)).code) {
        front_reply_error(request, 400, "%s", bad_nonce);
        return;
    }
    if (a->waiting) {
        refuse(request, 429, "another attestation document is being made");
        return;
    }
    memcpy(a->nonce, nonce, nonce_len);
    a->nonce_len = nonce_len;
    a->waiting = request;
    a->is_sent = false;
    front_keeper_tried(front, front_attestation_send(front));
}

static must_check result format(struct buffer *out, struct ipc_bytes document)
{
    TRY(buffer_append_text(out, "{\"document\":\""));
    TRY(base64_append(out, document.data, document.length));
    return buffer_append_text(out, "\"}");
}

result front_attestation_take(struct front *front, struct ipc_message *message)
{
    struct front_attestation *a = &front->attestation;
    struct ipc_bytes document;
    AUTO(buffer) body = {0};
    TRY(ipc_take_bytes_message(&document, message, IPC_DOCUMENT_MAX));
    ENSURE(a->waiting && a->is_sent, E_PEER, "keeper: an attestation document that nobody asked for");
    struct net_http_request *request = a->waiting;
    a->waiting = NULL;
    if (document.length == 0) {
        refuse(request, 503, "no attestation document can be made now");
    } else if (format(&body, document).code) {
        front_reply_error(request, 500, "%s", error_text());
    } else {
        net_http_reply_header(request, "cache-control", "no-store");
        net_http_reply(request, 200, "application/json", body.data, body.length);
    }
    return RESULT_OK;
}

void front_attestation_close(struct front *front)
{
    if (front->attestation.waiting)
        front_reply_error(front->attestation.waiting, 503, "the signer is ending");
    front->attestation.waiting = NULL;
}
