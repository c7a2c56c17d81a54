/* eth2_api_body.c - whole block bodies of phase0 and altair, folded from JSON into their root.
 *
 * Later blocks are signed by their headers; these two are the only ones that Web3Signer's API takes
 * whole. Nothing of a body but its root is ever needed, so there is no struct for it: each function
 * adds its members to a tree in the specification's order (phase0 and altair beacon-chain.md). Only
 * hashing happens on the way, so a body that turns out bad half way has had no effect.
 */
#include "eth2/eth2_api_parts.h"

enum {
    PROPOSER_SLASHINGS_MAX = 16,
    ATTESTER_SLASHINGS_MAX = 2,
    ATTESTATIONS_MAX = 128,
    DEPOSITS_MAX = 16,
    VOLUNTARY_EXITS_MAX = 16,
    ATTESTING_INDICES_MAX = 2048,
    DEPOSIT_PROOF_LEN = 33
};

typedef result fold(uint8_t ret_root[static 32], const struct json_view *object,
                    const struct eth2_sizes *sizes);

/* Adds the member name, an object that fold turns into a root. */
static must_check result add_container(struct ssz_tree *tree, const struct json_view *object,
                                       const char *name, fold *fold_member, const struct eth2_sizes *sizes)
{
    struct json_view member;
    uint8_t root[32];
    TRY(json_get_object(&member, object, name));
    TRY(fold_member(root, &member, sizes));
    ssz_add_root(tree, root);
    return RESULT_OK;
}

struct list {
    const char *name;
    size_t max_elements;
    fold *fold_element;
};

static must_check result add_list(struct ssz_tree *tree, const struct json_view *object,
                                  const struct list *list, const struct eth2_sizes *sizes)
{
    struct json_view array, element;
    struct ssz_tree elements = {.count = 0};
    uint8_t root[32];
    TRY(json_get_array(&array, object, list->name, list->max_elements));
    size_t count = json_array_size(array.value);
    for (size_t i = 0; i < count; i++) {
        TRY(json_element_object(&element, &array, i));
        TRY(list->fold_element(root, &element, sizes));
        ssz_add_root(&elements, root);
    }
    ssz_tree_root(root, &elements, list->max_elements);
    ssz_mix_in_length(root, root, count);
    ssz_add_root(tree, root);
    return RESULT_OK;
}

static must_check result eth1_data(uint8_t ret_root[static 32], const struct json_view *object,
                                   const struct eth2_sizes *sizes)
{
    (void)sizes;
    struct ssz_tree tree = {.count = 0};
    TRY(eth2_api_add_bytes(&tree, object, "deposit_root", 32));
    TRY(eth2_api_add_u64(&tree, object, "deposit_count"));
    TRY(eth2_api_add_bytes(&tree, object, "block_hash", 32));
    ssz_tree_root(ret_root, &tree, 3);
    return RESULT_OK;
}

static must_check result header(uint8_t ret_root[static 32], const struct json_view *object,
                                const struct eth2_sizes *sizes)
{
    (void)sizes;
    struct eth2_block_header typed;
    TRY(eth2_api_block_header(&typed, object));
    eth2_block_header_root(ret_root, &typed);
    return RESULT_OK;
}

/* {message, signature} */
static must_check result signed_container(uint8_t ret_root[static 32], const struct json_view *object,
                                          fold *fold_message, const struct eth2_sizes *sizes)
{
    struct ssz_tree tree = {.count = 0};
    TRY(add_container(&tree, object, "message", fold_message, sizes));
    TRY(eth2_api_add_bytes(&tree, object, "signature", ETH2_SIGNATURE_LEN));
    ssz_tree_root(ret_root, &tree, 2);
    return RESULT_OK;
}

static must_check result signed_header(uint8_t ret_root[static 32], const struct json_view *object,
                                       const struct eth2_sizes *sizes)
{
    return signed_container(ret_root, object, header, sizes);
}

static must_check result proposer_slashing(uint8_t ret_root[static 32], const struct json_view *object,
                                           const struct eth2_sizes *sizes)
{
    struct ssz_tree tree = {.count = 0};
    TRY(add_container(&tree, object, "signed_header_1", signed_header, sizes));
    TRY(add_container(&tree, object, "signed_header_2", signed_header, sizes));
    ssz_tree_root(ret_root, &tree, 2);
    return RESULT_OK;
}

static must_check result attestation_data(uint8_t ret_root[static 32], const struct json_view *object,
                                          const struct eth2_sizes *sizes)
{
    (void)sizes;
    struct eth2_attestation_data typed;
    TRY(eth2_api_attestation_data(&typed, object));
    eth2_attestation_data_root(ret_root, &typed);
    return RESULT_OK;
}

/* List[uint64, 2048]: four numbers a leaf. */
static must_check result add_attesting_indices(struct ssz_tree *tree, const struct json_view *object)
{
    uint8_t packed[8 * ATTESTING_INDICES_MAX], root[32];
    struct packer packer = {.data = packed, .capacity = sizeof packed};
    struct json_view array;
    struct ssz_tree leaves = {.count = 0};
    uint64_t index;
    TRY(json_get_array(&array, object, "attesting_indices", ATTESTING_INDICES_MAX));
    size_t count = json_array_size(array.value);
    for (size_t i = 0; i < count; i++) {
        TRY(json_element_u64(&index, &array, i));
        pack_u64(&packer, index);
    }
    TRY(pack_end(&packer));
    ssz_add_packed(&leaves, packed, packer.length);
    ssz_tree_root(root, &leaves, sizeof packed / SSZ_ROOT_LEN);
    ssz_mix_in_length(root, root, count);
    ssz_add_root(tree, root);
    return RESULT_OK;
}

static must_check result indexed_attestation(uint8_t ret_root[static 32], const struct json_view *object,
                                             const struct eth2_sizes *sizes)
{
    struct ssz_tree tree = {.count = 0};
    TRY(add_attesting_indices(&tree, object));
    TRY(add_container(&tree, object, "data", attestation_data, sizes));
    TRY(eth2_api_add_bytes(&tree, object, "signature", ETH2_SIGNATURE_LEN));
    ssz_tree_root(ret_root, &tree, 3);
    return RESULT_OK;
}

static must_check result attester_slashing(uint8_t ret_root[static 32], const struct json_view *object,
                                           const struct eth2_sizes *sizes)
{
    struct ssz_tree tree = {.count = 0};
    TRY(add_container(&tree, object, "attestation_1", indexed_attestation, sizes));
    TRY(add_container(&tree, object, "attestation_2", indexed_attestation, sizes));
    ssz_tree_root(ret_root, &tree, 2);
    return RESULT_OK;
}

static must_check result attestation(uint8_t ret_root[static 32], const struct json_view *object,
                                     const struct eth2_sizes *sizes)
{
    struct eth2_attestation typed = {.fork = ETH2_PHASE0};
    TRY(eth2_api_attestation(&typed, object, sizes));
    eth2_attestation_root(ret_root, &typed);
    return RESULT_OK;
}

static must_check result deposit_data(uint8_t ret_root[static 32], const struct json_view *object,
                                      const struct eth2_sizes *sizes)
{
    (void)sizes;
    struct ssz_tree tree = {.count = 0};
    TRY(eth2_api_add_bytes(&tree, object, "pubkey", ETH2_PUBKEY_LEN));
    TRY(eth2_api_add_bytes(&tree, object, "withdrawal_credentials", 32));
    TRY(eth2_api_add_u64(&tree, object, "amount"));
    TRY(eth2_api_add_bytes(&tree, object, "signature", ETH2_SIGNATURE_LEN));
    ssz_tree_root(ret_root, &tree, 4);
    return RESULT_OK;
}

static must_check result add_deposit_proof(struct ssz_tree *tree, const struct json_view *object)
{
    struct json_view proof;
    struct ssz_tree branch = {.count = 0};
    uint8_t root[32];
    TRY(json_get_array(&proof, object, "proof", DEPOSIT_PROOF_LEN));
    for (size_t i = 0; i < DEPOSIT_PROOF_LEN; i++) {
        TRY(json_element_hex(root, sizeof root, &proof, i));
        ssz_add_root(&branch, root);
    }
    ssz_tree_root(root, &branch, DEPOSIT_PROOF_LEN);
    ssz_add_root(tree, root);
    return RESULT_OK;
}

static must_check result deposit(uint8_t ret_root[static 32], const struct json_view *object,
                                 const struct eth2_sizes *sizes)
{
    struct ssz_tree tree = {.count = 0};
    TRY(add_deposit_proof(&tree, object));
    TRY(add_container(&tree, object, "data", deposit_data, sizes));
    ssz_tree_root(ret_root, &tree, 2);
    return RESULT_OK;
}

static must_check result voluntary_exit(uint8_t ret_root[static 32], const struct json_view *object,
                                        const struct eth2_sizes *sizes)
{
    (void)sizes;
    struct ssz_tree tree = {.count = 0};
    TRY(eth2_api_add_u64(&tree, object, "epoch"));
    TRY(eth2_api_add_u64(&tree, object, "validator_index"));
    ssz_tree_root(ret_root, &tree, 2);
    return RESULT_OK;
}

static must_check result signed_voluntary_exit(uint8_t ret_root[static 32], const struct json_view *object,
                                               const struct eth2_sizes *sizes)
{
    return signed_container(ret_root, object, voluntary_exit, sizes);
}

static must_check result sync_aggregate(uint8_t ret_root[static 32], const struct json_view *object,
                                        const struct eth2_sizes *sizes)
{
    struct ssz_tree tree = {.count = 0};
    uint8_t bits[32];
    TRY(eth2_api_bit_vector(bits, object, "sync_committee_bits", sizes->sync_committee_bits));
    ssz_add_root(&tree, bits);
    TRY(eth2_api_add_bytes(&tree, object, "sync_committee_signature", ETH2_SIGNATURE_LEN));
    ssz_tree_root(ret_root, &tree, 2);
    return RESULT_OK;
}

result eth2_api_body(uint8_t ret_root[static 32], const struct json_view *body, enum eth2_fork fork,
                     const struct eth2_sizes *sizes)
{
    static const struct list lists[] = {
        {"proposer_slashings", PROPOSER_SLASHINGS_MAX, proposer_slashing},
        {"attester_slashings", ATTESTER_SLASHINGS_MAX, attester_slashing},
        {"attestations", ATTESTATIONS_MAX, attestation},
        {"deposits", DEPOSITS_MAX, deposit},
        {"voluntary_exits", VOLUNTARY_EXITS_MAX, signed_voluntary_exit},
    };
    ENSURE(fork == ETH2_PHASE0 || fork == ETH2_ALTAIR, E_INTERNAL,
           "only phase0 and altair bodies are hashed whole");
    struct ssz_tree tree = {.count = 0};
    TRY(eth2_api_add_bytes(&tree, body, "randao_reveal", ETH2_SIGNATURE_LEN));
    TRY(add_container(&tree, body, "eth1_data", eth1_data, sizes));
    TRY(eth2_api_add_bytes(&tree, body, "graffiti", 32));
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++)
        TRY(add_list(&tree, body, &lists[i], sizes));
    if (fork == ETH2_ALTAIR)
        TRY(add_container(&tree, body, "sync_aggregate", sync_aggregate, sizes));
    ssz_tree_root(ret_root, &tree, fork == ETH2_ALTAIR ? 9 : 8);
    return RESULT_OK;
}
