/* devcloud_enclave.c - see devcloud_enclave.h. */
#include "devcloud_enclave.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/hex.h"
#include "devcloud_document.h"
#include "devcloud_nsm_message.h"

enum { MODULE_RANDOM_LEN = 8, RANDOM_LEN = 256 };

result devcloud_enclave_boot(struct devcloud_enclave *ret_enclave, const struct devcloud_identity *identity)
{
    struct devcloud_enclave e;
    uint8_t random[MODULE_RANDOM_LEN];
    char hex[2 * MODULE_RANDOM_LEN + 1];
    ENSURE(RAND_bytes(random, sizeof random) == 1, E_CRYPTO, "module id: no randomness");
    hex_encode(hex, random, sizeof random);
    int length = snprintf(e.module_id, sizeof e.module_id, "%s-enc%s", identity->instance_id, hex);
    ENSURE(length > 0 && (size_t)length < sizeof e.module_id, E_INPUT, "instance id: too long");
    TRY(devcloud_pcrs_boot(&e.pcrs, identity));
    *ret_enclave = e;
    return RESULT_OK;
}

static must_check result attest(struct devcloud_enclave *e, struct packer *answer,
                                struct devcloud_authority *authority,
                                const struct devcloud_nsm_request *request)
{
    uint64_t now_ms = clock_realtime_ms();
    uint8_t document[NSM_RESPONSE_MAX];
    size_t document_len;
    TRY(devcloud_authority_renew(authority, now_ms));
    const struct devcloud_document claims = {
        .module_id = e->module_id, .timestamp_ms = now_ms, .pcrs = &e->pcrs, .request = request};
    TRY(devcloud_document_sign(&claims, document, &document_len, authority));
    devcloud_nsm_pack_attestation(answer, document, document_len);
    return RESULT_OK;
}

static must_check result give_random(struct packer *answer)
{
    uint8_t random[RANDOM_LEN];
    ENSURE(RAND_bytes(random, sizeof random) == 1, E_CRYPTO, "no randomness");
    devcloud_nsm_pack_random(answer, random, sizeof random);
    return RESULT_OK;
}

static must_check result execute(struct devcloud_enclave *e, struct packer *answer,
                                 struct devcloud_authority *authority,
                                 const struct devcloud_nsm_request *request)
{
    switch (request->command) {
    case DEVCLOUD_DESCRIBE_PCR:
        ENSURE(request->index < NSM_PCR_COUNT, E_NOT_FOUND, "no such register");
        devcloud_nsm_pack_describe_pcr(answer, &e->pcrs, request->index);
        return RESULT_OK;
    case DEVCLOUD_EXTEND_PCR:
        TRY(devcloud_pcrs_extend(&e->pcrs, request->index, request->data.bytes, request->data.length));
        devcloud_nsm_pack_extend_pcr(answer, &e->pcrs, request->index);
        return RESULT_OK;
    case DEVCLOUD_LOCK_PCR:
        TRY(devcloud_pcrs_lock(&e->pcrs, request->index));
        devcloud_nsm_pack_done(answer, request->command);
        return RESULT_OK;
    case DEVCLOUD_LOCK_PCRS:
        TRY(devcloud_pcrs_lock_range(&e->pcrs, request->index));
        devcloud_nsm_pack_done(answer, request->command);
        return RESULT_OK;
    case DEVCLOUD_DESCRIBE_NSM:
        devcloud_nsm_pack_describe_nsm(answer, &e->pcrs, e->module_id);
        return RESULT_OK;
    case DEVCLOUD_ATTESTATION:
        return attest(e, answer, authority, request);
    case DEVCLOUD_GET_RANDOM:
        return give_random(answer);
    }
    FAIL(E_INTERNAL, "request: command out of range");
}

static must_check result answer_or_fail(struct devcloud_enclave *e, struct packer *answer,
                                        struct devcloud_authority *authority, const uint8_t *request,
                                        size_t request_len)
{
    struct devcloud_nsm_request parsed;
    TRY(devcloud_nsm_parse(&parsed, request, request_len));
    TRY(execute(e, answer, authority, &parsed));
    return pack_end(answer);
}

void devcloud_enclave_answer(struct devcloud_enclave *e, uint8_t ret_answer[static NSM_RESPONSE_MAX],
                             size_t *ret_answer_len, struct devcloud_authority *authority,
                             const uint8_t *request, size_t request_len)
{
    struct packer answer = {.data = ret_answer, .capacity = NSM_RESPONSE_MAX};
    result r = answer_or_fail(e, &answer, authority, request, request_len);
    if (r.code) {
        answer = (struct packer){.data = ret_answer, .capacity = NSM_RESPONSE_MAX};
        devcloud_nsm_pack_error(&answer, r);
        ERR_clear_error();
    }
    *ret_answer_len = answer.length;
}
