/* eth2_api_envelope.c - a request to sign an execution payload envelope, hashed as it is read.
 *
 * The envelope carries a whole execution payload, tens of megabytes of hex. So the text is walked once, and
 * of the members, which may come in any order, only the roots are kept. Rejected: jansson for the whole,
 * three times the text in memory.
 */
#include "eth2/eth2_api_stream.h"

#include <string.h>

enum { PAYLOAD, REQUESTS, ENVELOPE_MEMBERS = 5 };

struct parts {
    bool is_outer; /* where the members may stand in "data" */
    bool has_data, has_payload, has_requests;
    uint8_t data[SSZ_ROOT_LEN]; /* the root of the wrapped envelope */
    uint64_t slot;
    uint8_t roots[ENVELOPE_MEMBERS][SSZ_ROOT_LEN];
};

static must_check result envelope_root(uint8_t ret_root[static SSZ_ROOT_LEN], uint64_t *ret_slot,
                                       struct json_stream *stream, const struct json_view *parent);

static must_check result take_envelope_member(bool *ret_taken, void *context, struct json_stream *stream,
                                              const struct json_view *object, const char *name)
{
    struct parts *parts = context;
    *ret_taken = true;
    if (parts->is_outer && strcmp(name, "data") == 0) {
        parts->has_data = true;
        return envelope_root(parts->data, &parts->slot, stream, object);
    }
    if (strcmp(name, "payload") == 0) {
        parts->has_payload = true;
        return eth2_api_payload_root(parts->roots[PAYLOAD], &parts->slot, stream, object);
    }
    if (strcmp(name, "execution_requests") == 0) {
        parts->has_requests = true;
        return eth2_api_requests_root(parts->roots[REQUESTS], stream, object);
    }
    *ret_taken = false;
    return RESULT_OK;
}

/* From the parts that were met and the small members beside them. */
static must_check result join(uint8_t ret_root[static SSZ_ROOT_LEN], struct parts *parts,
                              const struct json_view *object)
{
    static const struct eth2_api_member members[ENVELOPE_MEMBERS] = {{NULL, 0},
                                                                     {NULL, 0},
                                                                     {"builder_index", 0},
                                                                     {"beacon_block_root", 32},
                                                                     {"parent_beacon_block_root", 32}};
    TRY(eth2_api_check_has(parts->has_payload, object, "payload"));
    TRY(eth2_api_check_has(parts->has_requests, object, "execution_requests"));
    TRY(eth2_api_members(parts->roots, object, members, ENVELOPE_MEMBERS));
    ssz_progressive_container_root(ret_root, parts->roots, ENVELOPE_MEMBERS);
    return RESULT_OK;
}

static must_check result envelope_root(uint8_t ret_root[static SSZ_ROOT_LEN], uint64_t *ret_slot,
                                       struct json_stream *stream, const struct json_view *parent)
{
    struct parts parts = {.is_outer = false};
    struct json_view object = {.parent = parent, .name = "data"};
    AUTO_POINTER(json_t) rest = NULL;
    TRY(eth2_api_walk(&rest, &object, stream, take_envelope_member, &parts));
    TRY(join(ret_root, &parts, &object));
    *ret_slot = parts.slot;
    return RESULT_OK;
}

/* {version, data}, or what data would be. */
static must_check result either_root(struct eth2_api_envelope *envelope, struct json_stream *stream,
                                     const struct json_view *parent, const char *name)
{
    struct parts parts = {.is_outer = true};
    struct json_view object = {.parent = parent, .name = name};
    AUTO_POINTER(json_t) rest = NULL;
    TRY(eth2_api_walk(&rest, &object, stream, take_envelope_member, &parts));
    if (parts.has_data || json_has(&object, "version")) {
        TRY(eth2_api_version_since_gloas(&object));
        TRY(eth2_api_check_has(parts.has_data, &object, "data"));
        if (parts.has_payload)
            return json_blame(error_set(E_INPUT, "stands beside data"), &object, "payload");
        memcpy(envelope->root, parts.data, sizeof envelope->root);
    } else {
        TRY(join(envelope->root, &parts, &object));
        envelope->is_bare = true;
    }
    envelope->slot = parts.slot;
    return RESULT_OK;
}

struct top {
    bool has_envelope;
    struct eth2_api_envelope envelope;
};

static must_check result take_top_member(bool *ret_taken, void *context, struct json_stream *stream,
                                         const struct json_view *object, const char *name)
{
    struct top *top = context;
    *ret_taken = strcmp(name, "execution_payload_envelope") == 0;
    if (!*ret_taken)
        return RESULT_OK;
    top->has_envelope = true;
    return either_root(&top->envelope, stream, object, "execution_payload_envelope");
}

result eth2_api_envelope_read(struct eth2_api_envelope *ret_envelope, const char *text, size_t text_len)
{
    AUTO_POINTER(json_stream) stream = NULL;
    struct top top = {.has_envelope = false};
    struct json_view object = {0};
    TRY(json_stream_open_text(&stream, text, text_len));
    AUTO_POINTER(json_t) rest = NULL;
    TRY(eth2_api_walk(&rest, &object, stream, take_top_member, &top));
    TRY(json_stream_end(stream));
    TRY(eth2_api_check_has(top.has_envelope, &object, "execution_payload_envelope"));
    top.envelope.rest = TAKE(rest);
    *ret_envelope = top.envelope;
    return RESULT_OK;
}
