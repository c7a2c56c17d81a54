/* ipc_orders.c - sign orders and their answers, of fixed length.
 *
 * Every value has one encoding: the decoder encodes what it understood once more and
 * compares, so that padding, flags and unused fields cannot carry anything. Rejected: a
 * check a field, which is the same comparison written out and easier to leave incomplete. */
#include "ipc/ipc.h"

#include <string.h>

static const uint8_t zeros[96];

static void pack_attestation(struct packer *p, const struct eth2_attestation_data *a)
{
    pack_u64(p, a->slot);
    pack_u64(p, a->index);
    pack_bytes(p, a->beacon_block_root, sizeof a->beacon_block_root);
    pack_u64(p, a->source.epoch);
    pack_bytes(p, a->source.root, sizeof a->source.root);
    pack_u64(p, a->target.epoch);
    pack_bytes(p, a->target.root, sizeof a->target.root);
}

static must_check result take_attestation(struct eth2_attestation_data *a, struct cursor *c)
{
    TRY(cursor_u64(c, &a->slot));
    TRY(cursor_u64(c, &a->index));
    TRY(cursor_copy(c, a->beacon_block_root, sizeof a->beacon_block_root));
    TRY(cursor_u64(c, &a->source.epoch));
    TRY(cursor_copy(c, a->source.root, sizeof a->source.root));
    TRY(cursor_u64(c, &a->target.epoch));
    return cursor_copy(c, a->target.root, sizeof a->target.root);
}

static void pack_header(struct packer *p, const struct eth2_block_header *h)
{
    pack_u64(p, h->slot);
    pack_u64(p, h->proposer_index);
    pack_bytes(p, h->parent_root, sizeof h->parent_root);
    pack_bytes(p, h->state_root, sizeof h->state_root);
    pack_bytes(p, h->body_root, sizeof h->body_root);
    pack_bytes(p, zeros, 16);
}

static must_check result take_header(struct eth2_block_header *h, struct cursor *c)
{
    const uint8_t *padding;
    TRY(cursor_u64(c, &h->slot));
    TRY(cursor_u64(c, &h->proposer_index));
    TRY(cursor_copy(c, h->parent_root, sizeof h->parent_root));
    TRY(cursor_copy(c, h->state_root, sizeof h->state_root));
    TRY(cursor_copy(c, h->body_root, sizeof h->body_root));
    return cursor_view(c, &padding, 16);
}

void ipc_pack_order(struct packer *p, const struct ipc_order *order)
{
    const struct eth2_order *o = &order->order;
    pack_u64(p, order->id);
    pack_u8(p, (uint8_t)o->kind);
    pack_u8(p, o->has_client_root);
    pack_u16(p, order->patience_ms);
    pack_bytes(p, zeros, 4);
    pack_bytes(p, o->pubkey, sizeof o->pubkey);
    pack_bytes(p, o->has_client_root ? o->client_root : zeros, sizeof o->client_root);
    pack_bytes(p, o->fork_info.previous_version, ETH2_VERSION_LEN);
    pack_bytes(p, o->fork_info.current_version, ETH2_VERSION_LEN);
    pack_u64(p, o->fork_info.epoch);
    pack_bytes(p, o->fork_info.genesis_validators_root, ETH2_ROOT_LEN);
    if (o->kind == ETH2_ORDER_ATTESTATION) {
        pack_attestation(p, &o->of.attestation);
    } else if (o->kind == ETH2_ORDER_BLOCK) {
        pack_header(p, &o->of.header);
    } else {
        pack_bytes(p, o->of.object.root, ETH2_ROOT_LEN);
        pack_u64(p, o->of.object.epoch);
        pack_bytes(p, zeros, 88);
    }
}

static must_check result take_object(struct eth2_order *o, struct cursor *c)
{
    const uint8_t *padding;
    if (o->kind == ETH2_ORDER_ATTESTATION)
        return take_attestation(&o->of.attestation, c);
    if (o->kind == ETH2_ORDER_BLOCK)
        return take_header(&o->of.header, c);
    TRY(cursor_copy(c, o->of.object.root, ETH2_ROOT_LEN));
    TRY(cursor_u64(c, &o->of.object.epoch));
    return cursor_view(c, &padding, 88);
}

result ipc_take_order(struct ipc_order *ret_order, struct cursor *c)
{
    struct ipc_order order = {0};
    struct eth2_order *o = &order.order;
    const uint8_t *start = c->at, *padding;
    uint8_t kind = 0, flag = 0;
    TRY(cursor_u64(c, &order.id));
    TRY(cursor_u8(c, &kind));
    ENSURE(kind >= ETH2_ORDER_BLOCK && kind < ETH2_ORDER_KIND_END, E_INPUT, "order: kind %u does not exist",
           kind);
    o->kind = (enum eth2_order_kind)kind;
    TRY(cursor_u8(c, &flag));
    o->has_client_root = flag != 0;
    TRY(cursor_u16(c, &order.patience_ms));
    TRY(cursor_view(c, &padding, 4));
    TRY(cursor_copy(c, o->pubkey, sizeof o->pubkey));
    TRY(cursor_copy(c, o->client_root, sizeof o->client_root));
    TRY(cursor_copy(c, o->fork_info.previous_version, ETH2_VERSION_LEN));
    TRY(cursor_copy(c, o->fork_info.current_version, ETH2_VERSION_LEN));
    TRY(cursor_u64(c, &o->fork_info.epoch));
    TRY(cursor_copy(c, o->fork_info.genesis_validators_root, ETH2_ROOT_LEN));
    TRY(take_object(o, c));

    uint8_t again[IPC_ORDER_LEN];
    struct packer p = {.data = again, .capacity = sizeof again};
    ipc_pack_order(&p, &order);
    TRY(pack_end(&p));
    ENSURE(memcmp(again, start, sizeof again) == 0, E_INPUT, "order: not in canonical form");
    *ret_order = order;
    return RESULT_OK;
}

void ipc_pack_sign_many(struct packer *p, const struct ipc_sign_many *many)
{
    ipc_begin(p, IPC_SIGN_MANY, many->num_keys);
    pack_u8(p, many->more);
    ipc_pack_order(p, &many->order);
    pack_bytes(p, many->pubkeys, (size_t)many->num_keys * sizeof many->order.order.pubkey);
}

result ipc_take_sign_many(struct ipc_sign_many *ret_many, struct ipc_message *m)
{
    struct ipc_sign_many many = {.num_keys = m->count};
    uint8_t more = 0;
    ENSURE(many.num_keys >= 1 && many.num_keys <= IPC_SIGN_KEYS_MAX, E_INPUT,
           "sign many: count %u is not in 1..%d", many.num_keys, IPC_SIGN_KEYS_MAX);
    TRY(cursor_u8(&m->body, &more));
    ENSURE(more <= 1, E_INPUT, "sign many: flags are %u", more);
    many.more = more;
    TRY(ipc_take_order(&many.order, &m->body));
    ENSURE(memcmp(many.order.order.pubkey, zeros, sizeof many.order.order.pubkey) == 0, E_INPUT,
           "sign many: the order names a key");
    ENSURE(many.order.id <= UINT64_MAX - many.num_keys, E_INPUT, "sign many: the ids run over");
    TRY(cursor_view(&m->body, &many.pubkeys, (size_t)many.num_keys * sizeof many.order.order.pubkey));
    TRY(cursor_end(&m->body));
    *ret_many = many;
    return RESULT_OK;
}

void ipc_pack_answer(struct packer *p, const struct ipc_answer *answer)
{
    bool slashable = answer->status == IPC_ANSWER_SLASHABLE;
    pack_u64(p, answer->id);
    pack_u8(p, (uint8_t)answer->status);
    pack_u8(p, slashable ? answer->verdict : 0);
    pack_bytes(p, zeros, 6);
    pack_bytes(p, answer->signing_root, sizeof answer->signing_root);
    pack_bytes(p, answer->status == IPC_ANSWER_SIGNED ? answer->signature : zeros, sizeof answer->signature);
    pack_u64(p, slashable ? answer->recorded_slot : 0);
    pack_u64(p, slashable ? answer->recorded_source : 0);
    pack_u64(p, slashable ? answer->recorded_target : 0);
    pack_u8(p, slashable && answer->has_recorded_block);
    pack_u8(p, slashable && answer->has_recorded_attestation);
    pack_u8(p, slashable && answer->has_limit);
    pack_bytes(p, zeros, 5);
    pack_u64(p, slashable && answer->has_limit ? answer->limit : 0);
    pack_bytes(p, zeros, 8);
}

result ipc_take_answer(struct ipc_answer *ret_answer, struct cursor *c)
{
    struct ipc_answer answer = {0};
    const uint8_t *start = c->at, *padding;
    uint8_t status = 0, has_block = 0, has_attestation = 0, has_limit = 0;
    TRY(cursor_u64(c, &answer.id));
    TRY(cursor_u8(c, &status));
    ENSURE(status <= IPC_ANSWER_LATE, E_INPUT, "answer: status %u does not exist", status);
    answer.status = (enum ipc_answer_status)status;
    TRY(cursor_u8(c, &answer.verdict));
    ENSURE(answer.status != IPC_ANSWER_SLASHABLE ||
               (answer.verdict >= IPC_VERDICT_FIRST && answer.verdict <= IPC_VERDICT_LAST),
           E_INPUT, "answer: verdict %u is no refusal", answer.verdict);
    TRY(cursor_view(c, &padding, 6));
    TRY(cursor_copy(c, answer.signing_root, sizeof answer.signing_root));
    TRY(cursor_copy(c, answer.signature, sizeof answer.signature));
    TRY(cursor_u64(c, &answer.recorded_slot));
    TRY(cursor_u64(c, &answer.recorded_source));
    TRY(cursor_u64(c, &answer.recorded_target));
    TRY(cursor_u8(c, &has_block));
    TRY(cursor_u8(c, &has_attestation));
    TRY(cursor_u8(c, &has_limit));
    TRY(cursor_view(c, &padding, 5));
    TRY(cursor_u64(c, &answer.limit));
    TRY(cursor_view(c, &padding, 8));
    answer.has_limit = has_limit != 0;
    answer.has_recorded_block = has_block != 0;
    answer.has_recorded_attestation = has_attestation != 0;

    uint8_t again[IPC_ANSWER_LEN];
    struct packer p = {.data = again, .capacity = sizeof again};
    ipc_pack_answer(&p, &answer);
    TRY(pack_end(&p));
    ENSURE(memcmp(again, start, sizeof again) == 0, E_INPUT, "answer: not in canonical form");
    *ret_answer = answer;
    return RESULT_OK;
}
