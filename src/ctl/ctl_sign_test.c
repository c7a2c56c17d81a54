/* ctl_sign_test.c - sign-test: a small validator client.
 *
 * It believes nothing the signer says: each signing root is computed here from the request, and each
 * signature is verified against the validator's public key. Blocks and attestations are recorded by
 * the signer like any others; with keys that have duties, give an epoch that is over. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "bls/bls.h"
#include "ctl_report.h"
#include "ctl_samples.h"
#include "ctl_terminal.h"
#include "eth2/eth2_api.h"
#include "eth2/eth2_config.h"
#include "json/json.h"

enum {
    ANSWER_MAX = 16 << 20,
    KEYS_MAX = 131072, /* of a signer */
    TIMEOUT_S = 30,
    URL_MAX = 1024,
    NUM_VALUES_MAX = KEYS_MAX + 8
};

struct options {
    const char *url, *ca_file, *client_cert_file, *client_key_file, *network, *genesis_validators_root,
        *pubkey, *only, *epoch, *variant;
    uint32_t expect;
    bool show_signature;
    json_t *results; /* --output=json: what is printed at the end; else NULL */
};

typedef struct curl_slist curl_slist;
DEFINE_AUTO_POINTER(CURL, curl_easy_cleanup)
DEFINE_AUTO_POINTER(curl_slist, curl_slist_free_all)

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.network = "mainnet", .variant = "a", .expect = 200};
    const struct option table[] = {
        {"url", OPTION_TEXT, &o->url, "the signer, such as https://signer.example:443", 0, 0},
        {"ca-file", OPTION_FILE, &o->ca_file, "PEM file of the certificate to trust (the system's)", 0, 0},
        {"client-cert-file", OPTION_FILE, &o->client_cert_file,
         "PEM file of the certificate to present, and those above it (none)", 0, 0},
        {"client-key-file", OPTION_FILE, &o->client_key_file, "PEM file of its key (that of the certificate)",
         0, 0},
        {"network", OPTION_TEXT, &o->network, "name or configuration YAML (mainnet)", 0, 0},
        {"genesis-validators-root", OPTION_TEXT, &o->genesis_validators_root,
         "0x root; the store is locked to the first one", 0, 0},
        {"pubkey", OPTION_TEXT, &o->pubkey, "the validator (the first one that the signer lists)", 0, 0},
        {"only", OPTION_TEXT, &o->only, "one type, such as ATTESTATION (all)", 0, 0},
        {"epoch", OPTION_TEXT, &o->epoch, "epoch of the messages (now)", 0, 0},
        {"variant", OPTION_TEXT, &o->variant, "another text, another message of the same duty (a)", 0, 0},
        {"expect", OPTION_U32, &o->expect, "HTTP status that must come (200)", 100, 599},
        {"show-signature", OPTION_FLAG, &o->show_signature, "print the signatures too (false)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o->url, "url"));
    return ctl_require(call, o->genesis_validators_root, "genesis-validators-root");
}

static size_t on_data(char *bytes, size_t size, size_t count, void *context)
{
    struct buffer *answer = context;
    result r = answer->length + size * count > ANSWER_MAX ? error_set(E_TOO_LARGE, "the answer is too long")
                                                          : buffer_append(answer, bytes, size * count);
    return r.code ? 0 : size * count;
}

static must_check result configure(CURL *curl, const struct options *o, const char *url,
                                   struct buffer *answer)
{
    bool set =
        curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https,http") == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
        (!o->ca_file || curl_easy_setopt(curl, CURLOPT_CAINFO, o->ca_file) == CURLE_OK) &&
        (!o->client_cert_file || curl_easy_setopt(curl, CURLOPT_SSLCERT, o->client_cert_file) == CURLE_OK) &&
        (!o->client_key_file || curl_easy_setopt(curl, CURLOPT_SSLKEY, o->client_key_file) == CURLE_OK) &&
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer) == CURLE_OK;
    ENSURE(set, E_INTERNAL, "libcurl refuses an option");
    return RESULT_OK;
}

/* GET, or POST when there is a body. *ret_status is HTTP's. */
static must_check result request(CURL *curl, const struct options *o, long *ret_status, struct buffer *answer,
                                 const char *path, const struct buffer *body)
{
    char url[URL_MAX];
    int length = snprintf(url, sizeof url, "%s%s", o->url, path);
    ENSURE(length > 0 && (size_t)length < sizeof url, E_INPUT, "--url: too long");
    TRY(configure(curl, o, url, answer));
    AUTO_POINTER(curl_slist) headers = curl_slist_append(NULL, "Accept: application/json");
    if (body) {
        headers = curl_slist_append(headers, "Content-Type: application/json");
        ENSURE(curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->data) == CURLE_OK &&
                   curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body->length) == CURLE_OK,
               E_INTERNAL, "libcurl refuses an option");
    }
    ENSURE(curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK, E_INTERNAL,
           "libcurl refuses an option");
    CURLcode code = curl_easy_perform(curl);
    (void)curl_easy_setopt(curl, CURLOPT_HTTPHEADER, NULL);
    ENSURE(code == CURLE_OK, E_PEER, "%s: %s", o->url, curl_easy_strerror(code));
    (void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    return RESULT_OK;
}

/* The first key of the list that the signer gives. */
static must_check result first_key(CURL *curl, const struct options *o,
                                   uint8_t ret_pubkey[static BLS_PUBKEY_LEN])
{
    long status;
    AUTO(buffer) answer = {0};
    AUTO_POINTER(json_t) list = NULL;
    TRY(request(curl, o, &status, &answer, "/api/v1/eth2/publicKeys", NULL));
    ENSURE(status == 200, E_PEER, "publicKeys: answered %ld", status);
    TRY(json_read(&list, (const char *)answer.data, answer.length, ANSWER_MAX, NUM_VALUES_MAX));
    const struct json_view view = {.value = list};
    ENSURE(json_is_array(list) && json_array_size(list) > 0, E_PEER, "the signer lists no key");
    return json_element_hex(ret_pubkey, BLS_PUBKEY_LEN, &view, 0);
}

static must_check result read_signature(uint8_t ret_signature[static BLS_SIGNATURE_LEN],
                                        const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    TRY(json_read(&document, (const char *)answer->data, answer->length, ANSWER_MAX, 8));
    TRY(json_view_root(&root, document));
    return json_get_hex(ret_signature, BLS_SIGNATURE_LEN, &root, "signature");
}

/* The signature is over the root that we compute ourselves. */
static must_check result verify(const uint8_t signature[static BLS_SIGNATURE_LEN],
                                const struct eth2_network *network, const struct buffer *body,
                                const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    struct eth2_order order;
    uint8_t root[ETH2_ROOT_LEN];
    TRY(eth2_api_parse(&order, network, (const char *)body->data, body->length));
    TRY(eth2_order_signing_root(root, network, &order));
    return bls_verify(pubkey, signature, root, sizeof root);
}

/* Of the result that was begun last; takes value over. */
static must_check result add_member(const struct options *o, const char *name, json_t *value)
{
    json_t *last = json_array_get(o->results, json_array_size(o->results) - 1);
    ENSURE(json_object_set_new(last, name, value) == 0, E_MEMORY, "no memory for the output, or not UTF-8");
    return RESULT_OK;
}

static must_check result tell_refusal(const struct options *o, const struct buffer *answer)
{
    const char *text = answer->length ? (const char *)answer->data : "";
    if (o->results)
        return add_member(o, "answer", json_stringn(text, answer->length));
    (void)printf("refused as expected: %.*s\n", (int)answer->length, text);
    return RESULT_OK;
}

static must_check result tell_sample(const struct options *o, const char *type, long status,
                                     double milliseconds)
{
    if (!o->results) {
        (void)printf("%-38s %ld  %6.2f ms  ", type, status, milliseconds);
        return RESULT_OK;
    }
    json_t *one =
        json_pack("{s:s,s:I,s:f}", "type", type, "status", (json_int_t)status, "milliseconds", milliseconds);
    ENSURE(json_array_append_new(o->results, one) == 0, E_MEMORY, "no memory for the output");
    return RESULT_OK;
}

static must_check result check_answer(const struct options *o, const struct ctl_sample_world *w,
                                      const struct buffer *body, const struct buffer *answer,
                                      const uint8_t pubkey[static BLS_PUBKEY_LEN])
{
    uint8_t signature[BLS_SIGNATURE_LEN];
    char digits[2 * BLS_SIGNATURE_LEN + 3];
    if (o->expect != 200)
        return tell_refusal(o, answer);
    TRY(read_signature(signature, answer));
    TRY(verify(signature, &w->network, body, pubkey));
    hex_encode_0x(digits, signature, sizeof signature);
    if (o->results) {
        TRY(add_member(o, "verified", json_true()));
        return o->show_signature ? add_member(o, "signature", json_string(digits)) : RESULT_OK;
    }
    (void)printf("%sverified%s%s%s\n", ctl_style(CTL_GOOD), ctl_style(CTL_PLAIN),
                 o->show_signature ? " " : "", o->show_signature ? digits : "");
    return RESULT_OK;
}

static must_check result sign_one(CURL *curl, const struct options *o, const struct ctl_sample_world *w,
                                  const struct ctl_sample *sample)
{
    char path[256];
    uint8_t pubkey[BLS_PUBKEY_LEN];
    long status;
    AUTO(buffer) body = {0};
    AUTO(buffer) answer = {0};
    TRY(hex_decode(pubkey, sizeof pubkey, w->pubkey, strlen(w->pubkey)));
    TRY(ctl_sample_body(&body, sample, w));
    (void)snprintf(path, sizeof path, "/api/v1/eth2/sign/0x%s", w->pubkey);
    uint64_t start = clock_monotonic_ns();
    TRY(request(curl, o, &status, &answer, path, &body));
    double milliseconds = (double)(clock_monotonic_ns() - start) / 1e6;
    TRY(tell_sample(o, sample->type, status, milliseconds));
    ENSURE(status == (long)o->expect, E_MISMATCH, "%s: answered %ld, expected %u: %.*s", sample->type, status,
           o->expect, (int)answer.length, answer.length ? (const char *)answer.data : "");
    result r = check_answer(o, w, &body, &answer, pubkey);
    return r.code ? error_prefix(r, "%s", sample->type) : r;
}

static bool is_a_type(const char *name)
{
    for (size_t i = 0; i < ctl_num_samples; i++) {
        if (strcmp(name, ctl_samples[i].type) == 0)
            return true;
    }
    return false;
}

static must_check result make_world(struct ctl_sample_world *w, const struct options *o)
{
    ENSURE(!o->only || is_a_type(o->only), E_INPUT, "--only: there is no such type");
    TRY(eth2_network_of_option(&w->network, o->network));
    result r = hex_decode(w->genesis_validators_root, ETH2_ROOT_LEN, o->genesis_validators_root,
                          strlen(o->genesis_validators_root));
    if (r.code)
        return error_prefix(r, "--genesis-validators-root");
    w->variant = o->variant;
    if (!o->epoch) {
        uint64_t seconds = clock_realtime_ms() / 1000 - w->network.genesis_time;
        w->epoch = seconds / w->network.seconds_per_slot / eth2_slots_per_epoch(w->network.preset);
        return RESULT_OK;
    }
    r = parse_u64(&w->epoch, o->epoch);
    ENSURE(r.code || w->epoch < UINT64_C(1) << 56, E_INPUT, "--epoch: too large");
    return r.code ? error_prefix(r, "--epoch") : r;
}

/* Signs with all samples that --only admits. */
static must_check result sign_all(CURL *curl, const struct options *o, const struct ctl_sample_world *w)
{
    for (size_t i = 0; i < ctl_num_samples; i++) {
        if (o->only && strcmp(o->only, ctl_samples[i].type) != 0)
            continue;
        TRY(sign_one(curl, o, w, &ctl_samples[i]));
    }
    return RESULT_OK;
}

result ctl_sign_test(struct ctl_call *call)
{
    struct options o;
    struct ctl_sample_world world = {0};
    uint8_t pubkey[BLS_PUBKEY_LEN];
    char digits[2 * BLS_PUBKEY_LEN + 1];
    TRY(parse_options(&o, call));
    call->is_usage_error = true;
    TRY(make_world(&world, &o));
    call->is_usage_error = false;
    ENSURE(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, E_INTERNAL, "libcurl does not start");
    AUTO_POINTER(CURL) curl = curl_easy_init();
    ENSURE(curl, E_MEMORY, "libcurl does not start");
    result r = o.pubkey ? hex_decode(pubkey, sizeof pubkey, o.pubkey, strlen(o.pubkey))
                        : first_key(curl, &o, pubkey);
    if (r.code)
        return o.pubkey ? error_prefix(r, "--pubkey") : r;
    hex_encode(digits, pubkey, sizeof pubkey);
    world.pubkey = digits;
    AUTO_POINTER(json_t) object = json_pack("{s:s+,s:[]}", "pubkey", "0x", digits, "results");
    o.results = call->json ? json_object_get(object, "results") : NULL;
    r = sign_all(curl, &o, &world);
    /* What was signed is recorded, whatever came behind it. */
    if (call->json)
        TRY(ctl_print_json(object));
    return r;
}
