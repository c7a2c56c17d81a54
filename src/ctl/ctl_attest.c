/* ctl_attest.c - attest verify: a fresh document, checked against a pinned root, our nonce and, if
 * given, the expected measurements and the state of an earlier time. */
#include <inttypes.h>
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
#include "slashing/slashing_attested.h"

enum { NONCE_LEN = 32, ROOT_MAX = 8192, STATE_TEXT_LEN = 2 * SLASHING_ATTESTED_BYTES };

struct options {
    const char *control, *root, *pcr0, *pcr16, *not_before, *save;
};

/* What the options mean. */
struct wishes {
    struct net_address control;
    uint8_t pcr0[ATTESTATION_PCR_LEN], pcr16[ATTESTATION_PCR_LEN];
    struct slashing_attested before; /* with --not-before */
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
        {"not-before", OPTION_TEXT, &o->not_before,
         "file of an earlier --save: nothing may have gone back since", 0, 0},
        {"save", OPTION_TEXT, &o->save, "file to keep the state in, once all is verified", 0, 0},
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

/* One line of hexadecimal digits: the user_data of the document then. */
static must_check result read_state(struct slashing_attested *ret_state, const char *path)
{
    AUTO(buffer) text = {0};
    uint8_t bytes[SLASHING_ATTESTED_BYTES];
    TRY(file_read(&text, path, STATE_TEXT_LEN + 1));
    size_t length = text.length / 2; /* of another version, too, whose own refusal says more */
    ENSURE(text.length % 2 == 1 && text.data[text.length - 1] == '\n', E_INPUT,
           "%s: not a state that --save wrote", path);
    TRY(hex_decode(bytes, length, (const char *)text.data, 2 * length));
    return slashing_attested_decode(ret_state, bytes, length);
}

static must_check result save_state(const char *path, const struct slashing_attested *state)
{
    uint8_t bytes[SLASHING_ATTESTED_BYTES];
    char text[STATE_TEXT_LEN + 1];
    slashing_attested_encode(bytes, state);
    hex_encode(text, bytes, sizeof bytes);
    text[STATE_TEXT_LEN] = '\n';
    return file_write(path, text, sizeof text, 0644);
}

static must_check result interpret(struct wishes *w, struct ctl_call *call, const struct options *o)
{
    TRY(ctl_address(&w->control, call, o->control, "control"));
    call->is_usage_error = true;
    TRY(take_pcr(w->pcr0, "pcr0", o->pcr0));
    TRY(take_pcr(w->pcr16, "pcr16", o->pcr16));
    call->is_usage_error = false;
    result r = o->not_before ? read_state(&w->before, o->not_before) : RESULT_OK;
    return r.code ? error_prefix(r, "--not-before") : r;
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

static void print(const struct attestation *a, const struct slashing_attested *state)
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
    char digits[2 * 32 + 1];
    hex_encode(digits, state->tls_key, sizeof state->tls_key);
    (void)printf("tls_key %s\n", digits);
    hex_encode(digits, state->public_keys, sizeof state->public_keys);
    (void)printf("public_keys %s\n", digits);
    hex_encode(digits, state->records, sizeof state->records);
    (void)printf("records %s\n", digits);
    (void)printf("generation %" PRIu64 "\nvalidators %" PRIu64 "\n", state->generation,
                 state->num_validators);
    (void)printf("highest_target_epoch %" PRIu64 "\nhighest_block_slot %" PRIu64 "\n", state->highest_epoch,
                 state->highest_slot);
}

/* What the document says of the signer, and whether it can be later than what was known. */
static must_check result check_state(struct slashing_attested *ret_state, const struct attestation *a,
                                     const struct options *o, const struct wishes *wishes)
{
    ENSURE(a->user_data.present, E_MISMATCH, "the document says nothing of the signer's state");
    result r = slashing_attested_decode(ret_state, a->user_data.bytes, a->user_data.length);
    if (r.code)
        return error_prefix(r, "user_data");
    return o->not_before ? slashing_attested_compare(ret_state, &wishes->before) : RESULT_OK;
}

result ctl_attest_verify(struct ctl_call *call)
{
    struct options o;
    uint8_t nonce[NONCE_LEN];
    struct attestation a;
    struct slashing_attested state;
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
    TRY(check_state(&state, &a, &o, &wishes));
    print(&a, &state);
    return o.save ? save_state(o.save, &state) : RESULT_OK;
}
