/* eth2_api_payload.c - execution payloads and requests, hashed as they are read; see eth2_api_stream.h.
 *
 * What can be large (transactions, the block access list, the lists of requests) goes into its root element
 * by element; what is small is put into a JSON object beside, where the usual accessors find it and name it
 * when it is wrong. Containers as in @lodestar/types 1.50. The limits of lists bound our work; in a
 * progressive list they are no part of the root.
 */
#include "eth2/eth2_api_stream.h"

#include <string.h>

enum {
    VALUES_MAX = 1024, /* in one small member */
    TRANSACTIONS_MAX = 1048576,
    WITHDRAWALS_MAX = 16,
    DEPOSIT_REQUESTS_MAX = 8192,
    WITHDRAWAL_REQUESTS_MAX = 16,
    CONSOLIDATION_REQUESTS_MAX = 2,
    BUILDER_DEPOSIT_REQUESTS_MAX = 64,
    BUILDER_EXIT_REQUESTS_MAX = 16,
    EXTRA_DATA_MAX = 32
};

/* ---- walking ---- */

result eth2_api_walk(json_t **ret_rest, struct json_view *object, struct json_stream *stream,
                     eth2_api_take_member *take, void *context)
{
    AUTO_POINTER(json_t) rest = json_object();
    const char *name = NULL;
    ENSURE(rest, E_MEMORY, "out of memory for JSON");
    result begun = json_stream_begin_object(stream);
    if (begun.code)
        return object->parent ? json_blame(begun, object->parent, object->name) : begun;
    for (;;) {
        AUTO_POINTER(json_t) value = NULL;
        bool taken = false;
        TRY(json_stream_next_member(stream, &name));
        if (!name)
            break;
        TRY(take(&taken, context, stream, object, name));
        if (taken)
            continue;
        result r = json_stream_value(stream, &value, JSON_STREAM_VALUE_MAX, VALUES_MAX);
        if (r.code)
            return json_blame(r, object, name);
        ENSURE(json_object_set(rest, name, value) == 0, E_MEMORY, "out of memory for JSON");
    }
    object->value = rest;
    *ret_rest = TAKE(rest);
    return RESULT_OK;
}

/* ---- lists ---- */

typedef result fold(uint8_t ret_root[static SSZ_ROOT_LEN], const struct json_view *object);

struct list {
    const char *name;
    size_t max_elements;
    fold *fold_element;
};

static must_check result begin_array(struct json_stream *stream, const struct json_view *array)
{
    result r = json_stream_begin_array(stream);
    return r.code ? json_blame(r, array->parent, array->name) : r;
}

static must_check result too_many(const struct json_view *array, size_t limit)
{
    return json_blame(error_set(E_INPUT, "must have at most %zu elements", limit), array->parent,
                      array->name);
}

static must_check result add_element(struct ssz_progressive *tree, struct json_stream *stream,
                                     const struct json_view *array, const struct list *list, size_t index)
{
    AUTO_POINTER(json_t) value = NULL;
    struct json_view element;
    uint8_t root[SSZ_ROOT_LEN];
    result r = json_stream_value(stream, &value, JSON_STREAM_VALUE_MAX, VALUES_MAX);
    if (r.code)
        return json_blame_element(r, array, index);
    TRY(json_view_element(&element, value, array, index));
    TRY(list->fold_element(root, &element));
    ssz_progressive_add(tree, root);
    return RESULT_OK;
}

/* A progressive list of small containers. */
static must_check result list_root(uint8_t ret_root[static SSZ_ROOT_LEN], struct json_stream *stream,
                                   const struct json_view *object, const struct list *list)
{
    struct json_view array = {.parent = object, .name = list->name};
    struct ssz_progressive tree = {.num_full = 0};
    uint8_t root[SSZ_ROOT_LEN];
    bool more = false;
    size_t count = 0;
    TRY(begin_array(stream, &array));
    for (;; count++) {
        TRY(json_stream_next_element(stream, &more));
        if (!more)
            break;
        if (count == list->max_elements)
            return too_many(&array, count);
        TRY(add_element(&tree, stream, &array, list, count));
    }
    ssz_progressive_root(root, &tree);
    ssz_mix_in_length(ret_root, root, count);
    return RESULT_OK;
}

static void add_bytes(void *context, const uint8_t *bytes, size_t bytes_len)
{
    struct ssz_byte_list *list = context;
    ssz_byte_list_add(list, bytes, bytes_len);
}

static must_check result byte_list_root(uint8_t ret_root[static SSZ_ROOT_LEN], struct json_stream *stream)
{
    struct ssz_byte_list list;
    list.length = 0;
    list.tree.num_full = 0;
    list.tree.tree.count = 0;
    TRY(json_stream_hex(stream, add_bytes, &list));
    ssz_byte_list_root(ret_root, &list);
    return RESULT_OK;
}

static must_check result transactions_root(uint8_t ret_root[static SSZ_ROOT_LEN], struct json_stream *stream,
                                           const struct json_view *object)
{
    struct json_view array = {.parent = object, .name = "transactions"};
    struct ssz_progressive tree = {.num_full = 0};
    uint8_t root[SSZ_ROOT_LEN];
    bool more = false;
    size_t count = 0;
    TRY(begin_array(stream, &array));
    for (;; count++) {
        TRY(json_stream_next_element(stream, &more));
        if (!more)
            break;
        if (count == TRANSACTIONS_MAX)
            return too_many(&array, count);
        result r = byte_list_root(root, stream);
        if (r.code)
            return json_blame_element(r, &array, count);
        ssz_progressive_add(&tree, root);
    }
    ssz_progressive_root(root, &tree);
    ssz_mix_in_length(ret_root, root, count);
    return RESULT_OK;
}

/* ---- small containers ---- */

enum { CONTAINER_MEMBERS_MAX = 5 };

static must_check result container_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct json_view *object,
                                        const struct eth2_api_member *members, size_t num_members)
{
    uint8_t roots[CONTAINER_MEMBERS_MAX][SSZ_ROOT_LEN];
    struct ssz_tree tree = {.count = 0};
    ENSURE(num_members <= CONTAINER_MEMBERS_MAX, E_INTERNAL, "container has too many members");
    TRY(eth2_api_members(roots, object, members, num_members));
    for (size_t i = 0; i < num_members; i++)
        ssz_add_root(&tree, roots[i]);
    ssz_tree_root(ret_root, &tree, num_members);
    return RESULT_OK;
}

static must_check result withdrawal(uint8_t ret_root[static SSZ_ROOT_LEN], const struct json_view *object)
{
    static const struct eth2_api_member members[] = {
        {"index", 0}, {"validator_index", 0}, {"address", 20}, {"amount", 0}};
    return container_root(ret_root, object, members, ARRAY_LENGTH(members));
}

static must_check result deposit_request(uint8_t ret_root[static SSZ_ROOT_LEN],
                                         const struct json_view *object)
{
    static const struct eth2_api_member members[] = {
        {"pubkey", 48}, {"withdrawal_credentials", 32}, {"amount", 0}, {"signature", 96}, {"index", 0}};
    return container_root(ret_root, object, members, ARRAY_LENGTH(members));
}

static must_check result withdrawal_request(uint8_t ret_root[static SSZ_ROOT_LEN],
                                            const struct json_view *object)
{
    static const struct eth2_api_member members[] = {
        {"source_address", 20}, {"validator_pubkey", 48}, {"amount", 0}};
    return container_root(ret_root, object, members, ARRAY_LENGTH(members));
}

static must_check result consolidation_request(uint8_t ret_root[static SSZ_ROOT_LEN],
                                               const struct json_view *object)
{
    static const struct eth2_api_member members[] = {
        {"source_address", 20}, {"source_pubkey", 48}, {"target_pubkey", 48}};
    return container_root(ret_root, object, members, ARRAY_LENGTH(members));
}

static must_check result builder_deposit_request(uint8_t ret_root[static SSZ_ROOT_LEN],
                                                 const struct json_view *object)
{
    static const struct eth2_api_member members[] = {
        {"pubkey", 48}, {"withdrawal_credentials", 32}, {"amount", 0}, {"signature", 96}};
    return container_root(ret_root, object, members, ARRAY_LENGTH(members));
}

static must_check result builder_exit_request(uint8_t ret_root[static SSZ_ROOT_LEN],
                                              const struct json_view *object)
{
    static const struct eth2_api_member members[] = {{"source_address", 20}, {"pubkey", 48}};
    return container_root(ret_root, object, members, ARRAY_LENGTH(members));
}

/* ---- execution requests ---- */

static const struct list request_lists[] = {
    {"deposits", DEPOSIT_REQUESTS_MAX, deposit_request},
    {"withdrawals", WITHDRAWAL_REQUESTS_MAX, withdrawal_request},
    {"consolidations", CONSOLIDATION_REQUESTS_MAX, consolidation_request},
    {"builder_deposits", BUILDER_DEPOSIT_REQUESTS_MAX, builder_deposit_request},
    {"builder_exits", BUILDER_EXIT_REQUESTS_MAX, builder_exit_request},
};

struct requests {
    bool taken[ARRAY_LENGTH(request_lists)];
    uint8_t roots[ARRAY_LENGTH(request_lists)][SSZ_ROOT_LEN];
};

static must_check result take_request_list(bool *ret_taken, void *context, struct json_stream *stream,
                                           const struct json_view *object, const char *name)
{
    struct requests *requests = context;
    for (size_t i = 0; i < ARRAY_LENGTH(request_lists); i++) {
        if (strcmp(request_lists[i].name, name) != 0)
            continue;
        TRY(list_root(requests->roots[i], stream, object, &request_lists[i]));
        requests->taken[i] = *ret_taken = true;
        return RESULT_OK;
    }
    return RESULT_OK;
}

result eth2_api_requests_root(uint8_t ret_root[static SSZ_ROOT_LEN], struct json_stream *stream,
                              const struct json_view *parent)
{
    struct requests requests = {.taken = {false}};
    struct json_view object = {.parent = parent, .name = "execution_requests"};
    AUTO_POINTER(json_t) rest = NULL;
    TRY(eth2_api_walk(&rest, &object, stream, take_request_list, &requests));
    for (size_t i = 0; i < ARRAY_LENGTH(request_lists); i++) {
        if (!requests.taken[i])
            return json_blame(error_set(E_INPUT, "is missing"), &object, request_lists[i].name);
    }
    ssz_progressive_container_root(ret_root, requests.roots, ARRAY_LENGTH(request_lists));
    return RESULT_OK;
}

/* ---- the payload ---- */

enum {
    EXTRA_DATA = 10,
    BASE_FEE = 11,
    TRANSACTIONS = 13,
    WITHDRAWALS = 14,
    ACCESS_LIST = 17,
    PAYLOAD_MEMBERS = 19
};

static const struct eth2_api_member payload_members[PAYLOAD_MEMBERS] = {
    {"parent_hash", 32},
    {"fee_recipient", 20},
    {"state_root", 32},
    {"receipts_root", 32},
    {"logs_bloom", 256},
    {"prev_randao", 32},
    {"block_number", 0},
    {"gas_limit", 0},
    {"gas_used", 0},
    {"timestamp", 0},
    {NULL, 0},
    {NULL, 0},
    {"block_hash", 32},
    {NULL, 0},
    {NULL, 0},
    {"blob_gas_used", 0},
    {"excess_blob_gas", 0},
    {NULL, 0},
    {"slot_number", 0},
};

struct payload {
    bool has_transactions, has_withdrawals, has_access_list;
    uint8_t roots[PAYLOAD_MEMBERS][SSZ_ROOT_LEN];
};

static must_check result take_payload_member(bool *ret_taken, void *context, struct json_stream *stream,
                                             const struct json_view *object, const char *name)
{
    static const struct list withdrawals = {"withdrawals", WITHDRAWALS_MAX, withdrawal};
    struct payload *payload = context;
    *ret_taken = true;
    if (strcmp(name, withdrawals.name) == 0) {
        payload->has_withdrawals = true;
        return list_root(payload->roots[WITHDRAWALS], stream, object, &withdrawals);
    }
    if (strcmp(name, "transactions") == 0) {
        payload->has_transactions = true;
        return transactions_root(payload->roots[TRANSACTIONS], stream, object);
    }
    if (strcmp(name, "block_access_list") == 0) {
        payload->has_access_list = true;
        result r = byte_list_root(payload->roots[ACCESS_LIST], stream);
        return r.code ? json_blame(r, object, name) : r;
    }
    *ret_taken = false;
    return RESULT_OK;
}

static must_check result extra_data_root(uint8_t ret_root[static SSZ_ROOT_LEN],
                                         const struct json_view *object)
{
    uint8_t bytes[EXTRA_DATA_MAX] = {0};
    size_t length = 0;
    TRY(json_get_hex_up_to(bytes, &length, sizeof bytes, object, "extra_data"));
    ssz_mix_in_length(ret_root, bytes, length);
    return RESULT_OK;
}

/* 10 * value + digit, in place, least significant byte first; false if that is too large. */
static bool append_digit(uint8_t value[static SSZ_ROOT_LEN], char digit)
{
    unsigned carry = (unsigned)(digit - '0');
    for (size_t i = 0; i < SSZ_ROOT_LEN; i++) {
        carry += 10u * value[i];
        value[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

/* uint256: a quoted decimal; a bare number up to 2^64-1, whose text is none or begins with NUL
 * (json_large.c). Its root is itself. */
static must_check result base_fee_root(uint8_t ret_root[static SSZ_ROOT_LEN], const struct json_view *object)
{
    static const char name[] = "base_fee_per_gas";
    const char *text = json_string_value(json_object_get(object->value, name));
    uint8_t value[SSZ_ROOT_LEN] = {0};
    uint64_t number = 0;
    if (!text || !*text) {
        TRY(json_get_u64(&number, object, name));
        eth2_uint64_root(ret_root, number);
        return RESULT_OK;
    }
    bool good = true;
    for (const char *c = text; good && *c; c++)
        good = *c >= '0' && *c <= '9' && append_digit(value, *c);
    if (!good)
        return json_blame(error_set(E_INPUT, "must be a decimal number below 2^256"), object, name);
    memcpy(ret_root, value, sizeof value);
    return RESULT_OK;
}

result eth2_api_check_has(bool has, const struct json_view *object, const char *name)
{
    return has ? RESULT_OK : json_blame(error_set(E_INPUT, "is missing"), object, name);
}

result eth2_api_payload_root(uint8_t ret_root[static SSZ_ROOT_LEN], uint64_t *ret_slot,
                             struct json_stream *stream, const struct json_view *parent)
{
    struct payload payload = {.has_transactions = false};
    struct json_view object = {.parent = parent, .name = "payload"};
    AUTO_POINTER(json_t) rest = NULL;
    TRY(eth2_api_walk(&rest, &object, stream, take_payload_member, &payload));
    TRY(eth2_api_members(payload.roots, &object, payload_members, PAYLOAD_MEMBERS));
    TRY(extra_data_root(payload.roots[EXTRA_DATA], &object));
    TRY(base_fee_root(payload.roots[BASE_FEE], &object));
    TRY(eth2_api_check_has(payload.has_transactions, &object, "transactions"));
    TRY(eth2_api_check_has(payload.has_withdrawals, &object, "withdrawals"));
    TRY(eth2_api_check_has(payload.has_access_list, &object, "block_access_list"));
    TRY(json_get_u64(ret_slot, &object, "slot_number"));
    ssz_progressive_container_root(ret_root, payload.roots, PAYLOAD_MEMBERS);
    return RESULT_OK;
}
