/* ctl_attest.c - attest verify: a fresh document, checked against a pinned root, our nonce and, if
 * given, the expected measurements. */
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl.h"
#include "ctl_control.h"
#include "nitro/nitro_attestation.h"

enum { NONCE_LEN = 32, ROOT_MAX = 8192 };

struct options {
    const char *control, *root, *pcr0, *pcr16;
};

/* What the options mean. */
struct wishes {
    struct net_address control;
    uint8_t pcr0[ATTESTATION_PCR_LEN], pcr16[ATTESTATION_PCR_LEN];
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){0};
    const struct option table[] = {
        {"control", OPTION_TEXT, &o->control, "the control port, such as vsock:16:5000", 0, 0},
        {"root", OPTION_TEXT, &o->root,
         "DER file of the root certificate to trust (AWS Nitro Enclaves root G1)", 0, 0},
        {"pcr0", OPTION_TEXT, &o->pcr0, "the image that must run there (any)", 0, 0},
        {"pcr16", OPTION_TEXT, &o->pcr16, "the policy that must be locked there (any)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), "nitro-signer-ctl attest verify [options]", 0, &none));
    return ctl_require(call, o->control, "control");
}

static must_check result take_pcr(uint8_t ret_value[static ATTESTATION_PCR_LEN], const char *option,
                                  const char *text)
{
    result r = text ? hex_decode(ret_value, ATTESTATION_PCR_LEN, text, strlen(text)) : RESULT_OK;
    return r.code ? error_prefix(r, "--%s", option) : r;
}

static must_check result interpret(struct wishes *w, struct ctl_call *call, const struct options *o)
{
    TRY(ctl_address(&w->control, call, o->control, "control"));
    call->is_usage_error = true;
    TRY(take_pcr(w->pcr0, "pcr0", o->pcr0));
    TRY(take_pcr(w->pcr16, "pcr16", o->pcr16));
    call->is_usage_error = false;
    return RESULT_OK;
}

static must_check result fetch(struct buffer *document, const struct net_address *control,
                               const uint8_t nonce[static NONCE_LEN])
{
    char nonce_b64[BASE64_LENGTH(NONCE_LEN) + 1], request[128];
    const char *text;
    size_t text_len, length;
    base64_encode(nonce_b64, nonce, NONCE_LEN);
    (void)snprintf(request, sizeof request, "{\"operation\":\"attest\",\"nonce\":\"%s\"}", nonce_b64);
    AUTO(ctl_reply) reply = {0};
    TRY(ctl_control_ask(&reply, control, request));
    TRY(json_get_text(&text, &text_len, &reply.body, "document"));
    TRY(buffer_reserve(document, BASE64_DECODED_MAX(text_len)));
    TRY(base64_decode(document->data, &length, BASE64_DECODED_MAX(text_len), text, text_len));
    document->length = length;
    return RESULT_OK;
}

static must_check result verify(struct attestation *a, const struct buffer *document, const struct options *o)
{
    AUTO(buffer) root = {0};
    if (o->root)
        TRY(file_read(&root, o->root, ROOT_MAX));
    return attestation_verify(a, document->data, document->length,
                              o->root ? root.data : attestation_aws_root_g1,
                              o->root ? root.length : attestation_aws_root_g1_len, clock_realtime_ms());
}

static must_check result check_pcr(const struct attestation *a, unsigned index,
                                   const uint8_t expected[static ATTESTATION_PCR_LEN])
{
    ENSURE(a->pcr_present & (UINT32_C(1) << index), E_MISMATCH, "PCR%u is not in the document", index);
    ENSURE(memcmp(a->pcr[index], expected, ATTESTATION_PCR_LEN) == 0, E_MISMATCH, "PCR%u is another one",
           index);
    return RESULT_OK;
}

static void print(const struct attestation *a)
{
    (void)printf("module_id %s\n", a->module_id);
    for (unsigned i = 0; i < ATTESTATION_PCR_COUNT; i++) {
        static const uint8_t zero[ATTESTATION_PCR_LEN];
        char digits[2 * ATTESTATION_PCR_LEN + 1];
        if (!(a->pcr_present & (UINT32_C(1) << i)) || memcmp(a->pcr[i], zero, sizeof zero) == 0)
            continue;
        hex_encode(digits, a->pcr[i], ATTESTATION_PCR_LEN);
        (void)printf("pcr%u %s\n", i, digits);
    }
    if (a->user_data.present) {
        char digits[2 * ATTESTATION_FIELD_MAX + 1];
        hex_encode(digits, a->user_data.bytes, a->user_data.length);
        (void)printf("user_data %s\n", digits);
    }
}

result ctl_attest_verify(struct ctl_call *call)
{
    struct options o;
    uint8_t nonce[NONCE_LEN];
    struct attestation a;
    AUTO(buffer) document = {0};
    struct wishes wishes = {0};
    TRY(parse_options(&o, call));
    TRY(interpret(&wishes, call, &o));
    ENSURE(RAND_bytes(nonce, sizeof nonce) == 1, E_CRYPTO, "no randomness");
    TRY(fetch(&document, &wishes.control, nonce));
    TRY(verify(&a, &document, &o));
    ENSURE(a.nonce.present && a.nonce.length == NONCE_LEN && memcmp(a.nonce.bytes, nonce, NONCE_LEN) == 0,
           E_MISMATCH, "the document was made for another nonce");
    if (o.pcr0)
        TRY(check_pcr(&a, 0, wishes.pcr0));
    if (o.pcr16)
        TRY(check_pcr(&a, 16, wishes.pcr16));
    print(&a);
    return RESULT_OK;
}
