/* nitro_nsm.c - the requests of the Nitro Security Module and the reading of its answers.
 *
 * Requests are written exactly as AWS's own library writes them (serde: a variant without
 * fields is a text, one with fields a map of one pair, an absent option null). Answers are
 * looked up by name, not by position, because nothing promises an order. */
#include "nitro/nitro_nsm.h"

#include <string.h>

#include "base/secret.h"
#include "cbor/cbor.h"
#include "nitro/nitro_nsm_transport.h"

/* One exchange. The request is written into a packer over request; the tree points into response, which is
 * wiped at the end because it may hold randomness. */
struct exchange {
    uint8_t request[NSM_REQUEST_MAX];
    uint8_t response[NSM_RESPONSE_MAX];
    struct packer packer;
    struct cbor_tree tree;
};

static void exchange_cleanup(struct exchange *e)
{
    secret_wipe(e->response, sizeof e->response);
}

/* Starts {variant: {…num_fields pairs…}}. */
static struct packer *begin(struct exchange *e, const char *variant, size_t num_fields)
{
    e->packer = (struct packer){.data = e->request, .capacity = sizeof e->request};
    cbor_pack_map(&e->packer, 1);
    cbor_pack_text(&e->packer, variant);
    cbor_pack_map(&e->packer, num_fields);
    return &e->packer;
}

static void pack_index(struct packer *p, uint16_t index)
{
    cbor_pack_text(p, "index");
    cbor_pack_uint(p, index);
}

/* The names of aws-nitro-enclaves-nsm-api's ErrorCode; "Success" in an error answer would be nonsense. */
static must_check result refused(const struct cbor_node *name)
{
    static const struct {
        const char *name;
        enum error_code code;
    } errors[] = {
        {"InvalidArgument", E_INPUT}, {"InvalidIndex", E_INPUT},     {"InvalidResponse", E_PEER},
        {"ReadOnlyIndex", E_STATE},   {"InvalidOperation", E_INPUT}, {"BufferTooSmall", E_INPUT},
        {"InputTooLarge", E_INPUT},   {"InternalError", E_PEER},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(errors); i++) {
        if (cbor_is_text(name, errors[i].name))
            FAIL(errors[i].code, "NSM: %s", errors[i].name);
    }
    FAIL(E_PEER, "NSM: an error of unknown name");
}

/* Sends the request and leaves its answer, which is not an error, in e->tree. */
static must_check result exchange(struct exchange *e, const struct nsm *n)
{
    size_t response_len = 0;
    TRY(pack_end(&e->packer));
    TRY(nsm_transact(n, e->response, &response_len, e->packer.data, e->packer.length));
    if (cbor_read(&e->tree, e->response, response_len).code)
        return error_prefix((result){E_PEER}, "NSM answer");
    const struct cbor_node *error = cbor_member(&e->tree.nodes[0], "Error");
    return error ? refused(error) : RESULT_OK;
}

/* The fields of {variant: {…}}. */
static must_check result answer_fields(const struct cbor_node **ret_fields, const struct exchange *e,
                                       const char *variant)
{
    const struct cbor_node *root = &e->tree.nodes[0];
    const struct cbor_node *fields = cbor_member(root, variant);
    ENSURE(fields && root->number == 1 && fields->kind == CBOR_KIND_MAP, E_PEER, "NSM answer: not %s",
           variant);
    *ret_fields = fields;
    return RESULT_OK;
}

static must_check result answer_bytes(const struct cbor_node **ret_bytes, const struct exchange *e,
                                      const char *variant, const char *field)
{
    const struct cbor_node *fields;
    TRY(answer_fields(&fields, e, variant));
    const struct cbor_node *bytes = cbor_member(fields, field);
    ENSURE(bytes && bytes->kind == CBOR_KIND_BYTES, E_PEER, "NSM answer: %s.%s is not bytes", variant, field);
    *ret_bytes = bytes;
    return RESULT_OK;
}

static must_check result answer_pcr(const struct cbor_node **ret_value, const struct exchange *e,
                                    const char *variant)
{
    TRY(answer_bytes(ret_value, e, variant, "data"));
    ENSURE((*ret_value)->length == NSM_PCR_LEN, E_PEER, "NSM answer: %s.data is not %d bytes", variant,
           NSM_PCR_LEN);
    return RESULT_OK;
}

result nsm_describe_pcr(const struct nsm *n, uint8_t ret_value[static NSM_PCR_LEN], bool *ret_locked,
                        uint16_t index)
{
    AUTO(exchange) e;
    pack_index(begin(&e, "DescribePCR", 1), index);
    TRY(exchange(&e, n));
    const struct cbor_node *fields, *value;
    TRY(answer_fields(&fields, &e, "DescribePCR"));
    TRY(answer_pcr(&value, &e, "DescribePCR"));
    const struct cbor_node *locked = cbor_member(fields, "lock");
    ENSURE(locked && locked->kind == CBOR_KIND_BOOL, E_PEER, "NSM answer: DescribePCR.lock is not a boolean");
    memcpy(ret_value, value->bytes, NSM_PCR_LEN);
    *ret_locked = locked->number == 1;
    return RESULT_OK;
}

result nsm_extend_pcr(const struct nsm *n, uint8_t ret_value[static NSM_PCR_LEN], uint16_t index,
                      const uint8_t *data, size_t data_len)
{
    AUTO(exchange) e;
    struct packer *p = begin(&e, "ExtendPCR", 2);
    pack_index(p, index);
    cbor_pack_text(p, "data");
    cbor_pack_bytes(p, data, data_len);
    TRY(exchange(&e, n));
    const struct cbor_node *value;
    TRY(answer_pcr(&value, &e, "ExtendPCR"));
    memcpy(ret_value, value->bytes, NSM_PCR_LEN);
    return RESULT_OK;
}

result nsm_lock_pcr(const struct nsm *n, uint16_t index)
{
    AUTO(exchange) e;
    pack_index(begin(&e, "LockPCR", 1), index);
    TRY(exchange(&e, n));
    ENSURE(cbor_is_text(&e.tree.nodes[0], "LockPCR"), E_PEER, "NSM answer: not LockPCR");
    return RESULT_OK;
}

static must_check result get_some_random(const struct nsm *n, uint8_t *out, size_t *ret_len,
                                         size_t out_capacity)
{
    AUTO(exchange) e;
    e.packer = (struct packer){.data = e.request, .capacity = sizeof e.request};
    cbor_pack_text(&e.packer, "GetRandom");
    TRY(exchange(&e, n));
    const struct cbor_node *random;
    TRY(answer_bytes(&random, &e, "GetRandom", "random"));
    ENSURE(random->length > 0, E_PEER, "NSM answer: GetRandom.random is empty");
    *ret_len = random->length < out_capacity ? random->length : out_capacity;
    memcpy(out, random->bytes, *ret_len);
    return RESULT_OK;
}

result nsm_get_random(const struct nsm *n, uint8_t *out, size_t out_len)
{
    size_t done = 0;
    while (done < out_len) {
        size_t some;
        TRY(get_some_random(n, out + done, &some, out_len - done));
        done += some;
    }
    return RESULT_OK;
}

static void pack_optional(struct packer *p, const char *name, const uint8_t *bytes, size_t bytes_len)
{
    cbor_pack_text(p, name);
    if (bytes)
        cbor_pack_bytes(p, bytes, bytes_len);
    else
        cbor_pack_null(p);
}

result nsm_attest(const struct nsm *n, struct buffer *out, const uint8_t *user_data, size_t user_data_len,
                  const uint8_t *nonce, size_t nonce_len, const uint8_t *public_key, size_t public_key_len)
{
    ENSURE(user_data_len <= NSM_USER_DATA_MAX, E_TOO_LARGE, "user_data: over %d bytes", NSM_USER_DATA_MAX);
    ENSURE(nonce_len <= NSM_NONCE_MAX, E_TOO_LARGE, "nonce: over %d bytes", NSM_NONCE_MAX);
    ENSURE(public_key_len <= NSM_PUBLIC_KEY_MAX, E_TOO_LARGE, "public_key: over %d bytes",
           NSM_PUBLIC_KEY_MAX);
    AUTO(exchange) e;
    struct packer *p = begin(&e, "Attestation", 3);
    pack_optional(p, "user_data", user_data, user_data_len);
    pack_optional(p, "nonce", nonce, nonce_len);
    pack_optional(p, "public_key", public_key, public_key_len);
    TRY(exchange(&e, n));
    const struct cbor_node *document;
    TRY(answer_bytes(&document, &e, "Attestation", "document"));
    ENSURE(document->length > 0, E_PEER, "NSM answer: Attestation.document is empty");
    return buffer_append(out, document->bytes, document->length);
}
