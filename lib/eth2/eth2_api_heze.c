/* eth2_api_heze.c - the type of message that Heze adds: the inclusion list of EIP-7805.
 *
 * No version of remote-signing-api has it. Type and member are those of Lodestar's client, the container is
 * that of @lodestar/types 1.50: InclusionList{slot, validator_index, dependent_root, transactions}, the last
 * a progressive list of progressive byte lists. The specification of Heze is not final. */
#include "eth2/eth2_api_parts.h"

/* MAX_TRANSACTIONS_BYTES_PER_INCLUSION_LIST; each transaction has one byte at least. */
enum { TRANSACTIONS_BYTES_MAX = 8192 };

static must_check result transactions_root(uint8_t ret_root[static SSZ_ROOT_LEN],
                                           const struct json_view *object)
{
    struct json_view array;
    struct ssz_progressive tree = {.num_full = 0};
    uint8_t bytes[TRANSACTIONS_BYTES_MAX], root[SSZ_ROOT_LEN];
    size_t left = sizeof bytes;
    TRY(json_get_array(&array, object, "transactions", TRANSACTIONS_BYTES_MAX));
    size_t count = json_array_size(array.value);
    for (size_t i = 0; i < count; i++) {
        struct ssz_byte_list list = {.length = 0};
        size_t length = 0;
        TRY(json_element_hex_up_to(bytes, &length, left, &array, i));
        left -= length;
        ssz_byte_list_add(&list, bytes, length);
        ssz_byte_list_root(root, &list);
        ssz_progressive_add(&tree, root);
    }
    ssz_progressive_root(root, &tree);
    ssz_mix_in_length(ret_root, root, count);
    return RESULT_OK;
}

result eth2_api_take_inclusion_list(struct eth2_order *order, const struct eth2_api_request *request)
{
    struct json_view list;
    struct ssz_tree tree = {.count = 0};
    uint8_t transactions[SSZ_ROOT_LEN];
    uint64_t slot;
    TRY(json_get_object(&list, &request->top, "inclusion_list"));
    TRY(json_get_u64(&slot, &list, "slot"));
    ssz_add_u64(&tree, slot);
    TRY(eth2_api_add_u64(&tree, &list, "validator_index"));
    TRY(eth2_api_add_bytes(&tree, &list, "dependent_root", ETH2_ROOT_LEN));
    TRY(transactions_root(transactions, &list));
    ssz_add_root(&tree, transactions);
    ssz_tree_root(order->of.object.root, &tree, 4);
    order->of.object.epoch = eth2_epoch_of_slot(request->network, slot);
    return RESULT_OK;
}
