/* devcloud_nsm_message.c - see devcloud_nsm_message.h.
 *
 * Answers are written in the member order and the shortest forms of serde_cbor, which is what
 * the device's answers look like byte for byte. */
#include "devcloud_nsm_message.h"

#include "cbor/cbor.h"

/* In the order of enum devcloud_nsm_command. num_fields 0: the request is the bare name. */
static const struct {
    const char *name;
    size_t num_fields;
} COMMANDS[] = {{"DescribePCR", 1}, {"ExtendPCR", 2},   {"LockPCR", 1},  {"LockPCRs", 1},
                {"DescribeNSM", 0}, {"Attestation", 3}, {"GetRandom", 0}};

static must_check result find_command(enum devcloud_nsm_command *ret_command, const struct cbor_node *name,
                                      bool bare)
{
    for (size_t i = 0; i < ARRAY_LENGTH(COMMANDS); i++) {
        if (cbor_is_text(name, COMMANDS[i].name) && bare == (COMMANDS[i].num_fields == 0)) {
            *ret_command = (enum devcloud_nsm_command)i;
            return RESULT_OK;
        }
    }
    FAIL(E_UNSUPPORTED, "request: no such command");
}

static must_check result take_number(uint16_t *ret_number, const struct cbor_node *fields, const char *name)
{
    const struct cbor_node *node = cbor_member(fields, name);
    ENSURE(node && node->kind == CBOR_KIND_UINT && node->number <= UINT16_MAX, E_INPUT,
           "request %s: not a 16-bit number", name);
    *ret_number = (uint16_t)node->number;
    return RESULT_OK;
}

static must_check result take_bytes(struct devcloud_nsm_bytes *ret_bytes, const struct cbor_node *fields,
                                    const char *name, size_t limit)
{
    const struct cbor_node *node = cbor_member(fields, name);
    ENSURE(node, E_INPUT, "request %s: missing", name);
    if (node->kind == CBOR_KIND_NULL)
        return RESULT_OK;
    ENSURE(node->kind == CBOR_KIND_BYTES, E_INPUT, "request %s: not bytes", name);
    ENSURE(node->length <= limit, E_TOO_LARGE, "request %s: over %zu bytes", name, limit);
    *ret_bytes = (struct devcloud_nsm_bytes){.present = true, .bytes = node->bytes, .length = node->length};
    return RESULT_OK;
}

static must_check result parse_fields(struct devcloud_nsm_request *r, const struct cbor_node *fields)
{
    switch (r->command) {
    case DEVCLOUD_DESCRIBE_PCR:
    case DEVCLOUD_LOCK_PCR:
        return take_number(&r->index, fields, "index");
    case DEVCLOUD_LOCK_PCRS:
        return take_number(&r->index, fields, "range");
    case DEVCLOUD_EXTEND_PCR:
        TRY(take_number(&r->index, fields, "index"));
        TRY(take_bytes(&r->data, fields, "data", NSM_REQUEST_MAX));
        ENSURE(r->data.present, E_INPUT, "request data: null");
        return RESULT_OK;
    case DEVCLOUD_ATTESTATION:
        TRY(take_bytes(&r->user_data, fields, "user_data", NSM_USER_DATA_MAX));
        TRY(take_bytes(&r->nonce, fields, "nonce", NSM_NONCE_MAX));
        TRY(take_bytes(&r->public_key, fields, "public_key", NSM_PUBLIC_KEY_MAX));
        ENSURE(!r->public_key.present || r->public_key.length >= 1, E_INPUT, "request public_key: empty");
        return RESULT_OK;
    case DEVCLOUD_DESCRIBE_NSM:
    case DEVCLOUD_GET_RANDOM:
        return RESULT_OK;
    }
    FAIL(E_INTERNAL, "request: command out of range");
}

result devcloud_nsm_parse(struct devcloud_nsm_request *ret_request, const uint8_t *bytes, size_t bytes_len)
{
    ENSURE(bytes_len <= NSM_REQUEST_MAX, E_TOO_LARGE, "request: over %d bytes", NSM_REQUEST_MAX);
    struct cbor_tree tree;
    ENSURE(cbor_read(&tree, bytes, bytes_len).code == E_NONE, E_UNSUPPORTED, "request: not one CBOR item");
    struct devcloud_nsm_request request = {0};
    const struct cbor_node *root = &tree.nodes[0];
    if (root->kind == CBOR_KIND_TEXT) {
        TRY(find_command(&request.command, root, true));
    } else {
        ENSURE(root->kind == CBOR_KIND_MAP && root->number == 1, E_UNSUPPORTED, "request: not a command");
        const struct cbor_node *fields = cbor_sibling(cbor_child(root));
        TRY(find_command(&request.command, cbor_child(root), false));
        ENSURE(fields->kind == CBOR_KIND_MAP && fields->number == COMMANDS[request.command].num_fields,
               E_INPUT, "request: wrong members");
        TRY(parse_fields(&request, fields));
    }
    *ret_request = request;
    return RESULT_OK;
}

static void begin(struct packer *p, enum devcloud_nsm_command command, size_t num_fields)
{
    cbor_pack_map(p, 1);
    cbor_pack_text(p, COMMANDS[command].name);
    cbor_pack_map(p, num_fields);
}

void devcloud_nsm_pack_describe_pcr(struct packer *p, const struct devcloud_pcrs *pcrs, uint16_t index)
{
    begin(p, DEVCLOUD_DESCRIBE_PCR, 2);
    cbor_pack_text(p, "lock");
    cbor_pack_bool(p, devcloud_pcrs_is_locked(pcrs, index));
    cbor_pack_text(p, "data");
    cbor_pack_bytes(p, pcrs->value[index], NSM_PCR_LEN);
}

void devcloud_nsm_pack_extend_pcr(struct packer *p, const struct devcloud_pcrs *pcrs, uint16_t index)
{
    begin(p, DEVCLOUD_EXTEND_PCR, 1);
    cbor_pack_text(p, "data");
    cbor_pack_bytes(p, pcrs->value[index], NSM_PCR_LEN);
}

static void pack_number(struct packer *p, const char *name, uint64_t number)
{
    cbor_pack_text(p, name);
    cbor_pack_uint(p, number);
}

void devcloud_nsm_pack_describe_nsm(struct packer *p, const struct devcloud_pcrs *pcrs, const char *module_id)
{
    begin(p, DEVCLOUD_DESCRIBE_NSM, 7);
    pack_number(p, "version_major", 1);
    pack_number(p, "version_minor", 0);
    pack_number(p, "version_patch", 0);
    cbor_pack_text(p, "module_id");
    cbor_pack_text(p, module_id);
    pack_number(p, "max_pcrs", NSM_PCR_COUNT);
    cbor_pack_text(p, "locked_pcrs");
    size_t num_locked = 0;
    for (unsigned i = 0; i < NSM_PCR_COUNT; i++)
        num_locked += devcloud_pcrs_is_locked(pcrs, i);
    cbor_pack_array(p, num_locked);
    for (unsigned i = 0; i < NSM_PCR_COUNT; i++) {
        if (devcloud_pcrs_is_locked(pcrs, i))
            cbor_pack_uint(p, i);
    }
    cbor_pack_text(p, "digest");
    cbor_pack_text(p, "SHA384");
}

void devcloud_nsm_pack_attestation(struct packer *p, const uint8_t *document, size_t document_len)
{
    begin(p, DEVCLOUD_ATTESTATION, 1);
    cbor_pack_text(p, "document");
    cbor_pack_bytes(p, document, document_len);
}

void devcloud_nsm_pack_random(struct packer *p, const uint8_t *random, size_t random_len)
{
    begin(p, DEVCLOUD_GET_RANDOM, 1);
    cbor_pack_text(p, "random");
    cbor_pack_bytes(p, random, random_len);
}

void devcloud_nsm_pack_done(struct packer *p, enum devcloud_nsm_command command)
{
    cbor_pack_text(p, COMMANDS[command].name);
}

static const char *nsm_error(result failed)
{
    switch ((enum error_code)failed.code) {
    case E_INPUT:
        return "InvalidArgument";
    case E_NOT_FOUND:
        return "InvalidIndex";
    case E_STATE:
        return "ReadOnlyIndex";
    case E_UNSUPPORTED:
        return "InvalidOperation";
    case E_TOO_LARGE:
        return "InputTooLarge";
    case E_NONE:
    case E_MISMATCH:
    case E_SLASHABLE:
    case E_STORE:
    case E_AUTH:
    case E_DENIED:
    case E_PEER:
    case E_TIMEOUT:
    case E_IO:
    case E_MEMORY:
    case E_CRYPTO:
    case E_INTERNAL:
        return "InternalError";
    }
    return "InternalError";
}

void devcloud_nsm_pack_error(struct packer *p, result failed)
{
    cbor_pack_map(p, 1);
    cbor_pack_text(p, "Error");
    cbor_pack_text(p, nsm_error(failed));
}
