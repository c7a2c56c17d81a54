/* ctl_attest.c - attest verify: a fresh document, checked against a pinned root, our nonce and, if
 * given, the expected measurements and the state of an earlier time. Over HTTPS also against the connection's
 * own TLS key and the list of public keys, so that a certificate needs no authority. Nothing is printed
 * before all of it holds. */
#include <curl/curl.h>
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl.h"
#include "ctl_attest.h"
#include "ctl_control.h"
#include "ctl_report.h"
#include "nitro/nitro_attestation.h"
#include "slashing/slashing_attested.h"

enum {
    NONCE_LEN = 32,
    ROOT_MAX = 8192,
    CREDENTIAL_MAX = 1024,
    STATE_TEXT_LEN = 2 * SLASHING_ATTESTED_BYTES,
    NUM_PCRS = 5,
    SECURE_HEAP = 1 << 16
};

/* The registers that an option may name. */
static const struct {
    unsigned index;
    const char *option, *help;
} registers[NUM_PCRS] = {
    {0, "pcr0", "the image that must run there (any; required with --url)"},
    {16, "pcr16", "the policy that must be locked there (any)"},
    {3, "pcr3", "the IAM role of the instance, measured (any)"},
    {4, "pcr4", "the instance, measured (any)"},
    {8, "pcr8", "the certificate that signed the image, measured (any)"},
};

struct options {
    const char *control, *root, *not_before, *save, *path_token_file, *basic_file;
    const char *pcrs[NUM_PCRS]; /* as registers has them; NULL: any */
    uint32_t max_age;
    bool allow_debug;
    struct ctl_attest_server server;
};

/* What the options mean. */
struct wishes {
    struct net_address control;
    uint8_t pcrs[NUM_PCRS][ATTESTATION_PCR_LEN];
    struct slashing_attested before; /* with --not-before */
};

static must_check result check_options(struct options *o, struct ctl_call *call)
{
    static const char https[] = "https://";
    const char *url = o->server.url;
    if (!url && !o->control)
        return ctl_require(call, NULL, "url");
    call->is_usage_error = true;
    ENSURE(!url || !o->control, E_INPUT, "--url: not beside --control");
    ENSURE(!url || (strncmp(url, https, sizeof https - 1) == 0 && url[sizeof https - 1] &&
                    !url[sizeof https - 1 + strcspn(url + sizeof https - 1, "/?#@")]),
           E_INPUT, "--url: must be https://HOST or https://HOST:PORT");
    ENSURE(!url || o->pcrs[0] || o->allow_debug, E_INPUT, "--pcr0: required with --url");
    ENSURE(o->server.ca_file || (!o->path_token_file && !o->basic_file), E_INPUT,
           "--ca-file: required with credentials, which would else go to whoever answers");
    call->is_usage_error = false;
    return RESULT_OK;
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.max_age = 300};
    struct option table[] = {
        {"control", OPTION_TEXT, &o->control, "the control port, such as vsock:16:5000", 0, 0},
        {"url", OPTION_TEXT, &o->server.url, "or the signer's HTTPS, such as https://signer.example:443", 0,
         0},
        {"ca-file", OPTION_FILE, &o->server.ca_file,
         "PEM file of a certificate that must vouch for the server's as well (none: its key is attested)", 0,
         0},
        {"client-cert-file", OPTION_FILE, &o->server.client_cert_file,
         "PEM file of the certificate to present, and those above it (none)", 0, 0},
        {"client-key-file", OPTION_FILE, &o->server.client_key_file,
         "PEM file of its key (that of the certificate)", 0, 0},
        {"path-token-file", OPTION_FILE, &o->path_token_file,
         "file of the token that paths begin with (none)", 0, 0},
        {"basic-credentials-file", OPTION_FILE, &o->basic_file, "file of user:password (none)", 0, 0},
        {"root", OPTION_FILE, &o->root,
         "DER file of the root certificate to trust (AWS Nitro Enclaves root G1)", 0, 0},
        {registers[0].option, OPTION_TEXT, &o->pcrs[0], registers[0].help, 0, 0},
        {registers[1].option, OPTION_TEXT, &o->pcrs[1], registers[1].help, 0, 0},
        {registers[2].option, OPTION_TEXT, &o->pcrs[2], registers[2].help, 0, 0},
        {registers[3].option, OPTION_TEXT, &o->pcrs[3], registers[3].help, 0, 0},
        {registers[4].option, OPTION_TEXT, &o->pcrs[4], registers[4].help, 0, 0},
        {"allow-debug", OPTION_FLAG, &o->allow_debug,
         "accept an enclave in debug mode, whose console the host reads (false)", 0, 0},
        {"max-age-seconds", OPTION_U32, &o->max_age,
         "how far the document's time may be from this machine's (300)", 1, 10800},
        {"not-before", OPTION_FILE, &o->not_before,
         "file of an earlier --save: nothing may have gone back since", 0, 0},
        {"save", OPTION_FILE, &o->save, "file to keep the state in, once all is verified", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    return check_options(o, call);
}

/* The first line; what stands behind it is not looked at. */
static must_check result read_credential(struct secret *ret_text, const char *option, const char *path)
{
    AUTO(secret) text = {0};
    result r = secret_read_file(&text, path, CREDENTIAL_MAX);
    if (r.code)
        return error_prefix(r, "--%s", option);
    size_t length = 0;
    while (length < text.length && text.data[length] >= ' ' && text.data[length] < 0x7f)
        length++;
    ENSURE(length > 0, E_INPUT, "--%s: the file begins with no printable character", option);
    return secret_copy(ret_text, text.data, length);
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

static must_check result interpret(struct wishes *w, struct ctl_call *call, struct options *o)
{
    if (o->control)
        TRY(ctl_address(&w->control, call, o->control, "control"));
    call->is_usage_error = true;
    for (unsigned i = 0; i < NUM_PCRS; i++)
        TRY(take_pcr(w->pcrs[i], registers[i].option, o->pcrs[i]));
    call->is_usage_error = false;
    if (o->path_token_file || o->basic_file)
        TRY(secret_heap_open(SECURE_HEAP));
    if (o->path_token_file)
        TRY(read_credential(&o->server.path_token, "path-token-file", o->path_token_file));
    if (o->basic_file)
        TRY(read_credential(&o->server.basic, "basic-credentials-file", o->basic_file));
    result r = o->not_before ? read_state(&w->before, o->not_before) : RESULT_OK;
    return r.code ? error_prefix(r, "--not-before") : r;
}

static must_check result fetch_by_control(struct buffer *document, const struct net_address *control,
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

static bool is_zero(const uint8_t value[static ATTESTATION_PCR_LEN])
{
    static const uint8_t zero[ATTESTATION_PCR_LEN];
    return memcmp(value, zero, ATTESTATION_PCR_LEN) == 0;
}

static must_check result check_time(const struct attestation *a, uint32_t max_age)
{
    uint64_t now = clock_realtime_ms(), made = a->timestamp_ms;
    uint64_t apart = now > made ? now - made : made - now;
    ENSURE(apart <= UINT64_C(1000) * max_age, E_MISMATCH, "the document's time is %" PRIu64 " seconds %s",
           apart / 1000, now > made ? "ago" : "ahead");
    return RESULT_OK;
}

static must_check result check_pcrs(const struct attestation *a, const struct options *o,
                                    const struct wishes *wishes)
{
    ENSURE((a->pcr_present & 1) && (o->allow_debug || !is_zero(a->pcr[0])), E_MISMATCH,
           "PCR0 is zero: an enclave in debug mode, whose console the host reads (--allow-debug)");
    for (unsigned i = 0; i < NUM_PCRS; i++) {
        unsigned index = registers[i].index;
        if (!o->pcrs[i])
            continue;
        ENSURE(a->pcr_present & (UINT32_C(1) << index), E_MISMATCH, "PCR%u is not in the document", index);
        ENSURE(memcmp(a->pcr[index], wishes->pcrs[i], ATTESTATION_PCR_LEN) == 0, E_MISMATCH,
               "PCR%u is another one", index);
    }
    return RESULT_OK;
}

static void print_digest(const char *name, const uint8_t digest[static CTL_DIGEST_LEN])
{
    char digits[2 * CTL_DIGEST_LEN + 1];
    hex_encode(digits, digest, CTL_DIGEST_LEN);
    (void)printf("%s %s\n", name, digits);
}

static void print(const struct attestation *a, const struct slashing_attested *state)
{
    (void)printf("module_id %s\ntimestamp_ms %" PRIu64 "\n", a->module_id, a->timestamp_ms);
    for (unsigned i = 0; i < ATTESTATION_PCR_COUNT; i++) {
        char digits[2 * ATTESTATION_PCR_LEN + 1];
        if (!(a->pcr_present & (UINT32_C(1) << i)) || is_zero(a->pcr[i]))
            continue;
        hex_encode(digits, a->pcr[i], ATTESTATION_PCR_LEN);
        (void)printf("pcr%u %s\n", i, digits);
    }
    print_digest("tls_key", state->tls_key);
    print_digest("public_keys", state->public_keys);
    print_digest("records", state->records);
    (void)printf("generation %" PRIu64 "\nvalidators %" PRIu64 "\n", state->generation,
                 state->num_validators);
    (void)printf("highest_target_epoch %" PRIu64 "\nhighest_block_slot %" PRIu64 "\n", state->highest_epoch,
                 state->highest_slot);
}

static json_t *digest_of(const uint8_t digest[static CTL_DIGEST_LEN])
{
    char digits[2 * CTL_DIGEST_LEN + 1];
    hex_encode(digits, digest, CTL_DIGEST_LEN);
    return json_string(digits);
}

/* Numbers as numbers: none of them is above 2^53. */
static must_check result print_json(const struct attestation *a, const struct slashing_attested *state)
{
    AUTO_POINTER(json_t)
    object =
        json_pack("{s:s,s:I,s:{},s:o,s:o,s:o,s:I,s:I,s:I,s:I}", "module_id", a->module_id, "timestamp_ms",
                  (json_int_t)a->timestamp_ms, "pcrs", "tls_key", digest_of(state->tls_key), "public_keys",
                  digest_of(state->public_keys), "records", digest_of(state->records), "generation",
                  (json_int_t)state->generation, "validators", (json_int_t)state->num_validators,
                  "highest_target_epoch", (json_int_t)state->highest_epoch, "highest_block_slot",
                  (json_int_t)state->highest_slot);
    for (unsigned i = 0; i < ATTESTATION_PCR_COUNT; i++) {
        char digits[2 * ATTESTATION_PCR_LEN + 1], name[8];
        if (!(a->pcr_present & (UINT32_C(1) << i)) || is_zero(a->pcr[i]))
            continue;
        hex_encode(digits, a->pcr[i], ATTESTATION_PCR_LEN);
        (void)snprintf(name, sizeof name, "%u", i);
        ENSURE(json_object_set_new(json_object_get(object, "pcrs"), name, json_string(digits)) == 0, E_MEMORY,
               "no memory for the output");
    }
    return ctl_print_json(object);
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

/* What is served over HTTPS is what the document says: its key is that of the connection the document came
 * over, and of the one the list comes over. */
static must_check result check_server(const struct slashing_attested *state,
                                      const struct ctl_attest_server *server,
                                      const uint8_t spki_digest[static CTL_DIGEST_LEN])
{
    uint8_t listed[CTL_DIGEST_LEN];
    size_t count;
    ENSURE(memcmp(state->tls_key, spki_digest, CTL_DIGEST_LEN) == 0, E_MISMATCH,
           "the document is about another TLS key than the connection's: somebody is in between");
    TRY(ctl_attest_list(listed, &count, server, state->tls_key));
    ENSURE(count == state->num_validators && memcmp(state->public_keys, listed, CTL_DIGEST_LEN) == 0,
           E_MISMATCH, "the public keys that are listed are not those that are attested");
    return RESULT_OK;
}

static must_check result verify_all(struct attestation *ret_attestation, struct slashing_attested *ret_state,
                                    const struct options *o, const struct wishes *wishes)
{
    uint8_t nonce[NONCE_LEN], spki_digest[CTL_DIGEST_LEN];
    AUTO(buffer) document = {0};
    struct attestation *a = ret_attestation;
    ENSURE(RAND_bytes(nonce, sizeof nonce) == 1, E_CRYPTO, "no randomness");
    if (o->control)
        TRY(fetch_by_control(&document, &wishes->control, nonce));
    else
        TRY(ctl_attest_fetch(&document, spki_digest, &o->server, nonce, sizeof nonce));
    TRY(verify(a, &document, o));
    ENSURE(a->nonce.present && a->nonce.length == NONCE_LEN && memcmp(a->nonce.bytes, nonce, NONCE_LEN) == 0,
           E_MISMATCH, "the document was made for another nonce");
    TRY(check_time(a, o->max_age));
    TRY(check_pcrs(a, o, wishes));
    TRY(check_state(ret_state, a, o, wishes));
    return o->control ? RESULT_OK : check_server(ret_state, &o->server, spki_digest);
}

static must_check result run(struct options *o, struct ctl_call *call)
{
    struct attestation a;
    struct slashing_attested state;
    struct wishes wishes = {0};
    TRY(interpret(&wishes, call, o));
    ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, E_INTERNAL, "libcurl does not start");
    TRY(verify_all(&a, &state, o, &wishes));
    if (call->json)
        TRY(print_json(&a, &state));
    else
        print(&a, &state);
    return o->save ? save_state(o->save, &state) : RESULT_OK;
}

result ctl_attest_verify(struct ctl_call *call)
{
    struct options o;
    TRY(parse_options(&o, call));
    result r = run(&o, call);
    ctl_attest_server_cleanup(&o.server);
    return r;
}
