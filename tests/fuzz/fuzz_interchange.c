/* fuzz_interchange.c - EIP-3076 files. What is accepted, written again as an export does, is accepted as the
 * same records; read twice it is no different; and each record refuses the very heights that it has.
 *
 * The reader goes from validator to validator; that of a whole file, which folds those that come again, must
 * agree with it. */
#include "fuzz.h"
#include "slashing/slashing_history.h"
#include "slashing/slashing_interchange.h"

static result read_history(struct slashing_history *ret_history, const char *text, size_t length)
{
    AUTO_POINTER(json_stream) stream = NULL;
    PROMISE(json_stream_open_text(&stream, text, length).code == 0);
    return slashing_history_read(ret_history, stream);
}

struct visited {
    const struct slashing_history *history;
    size_t num;
};

static result see_genesis(void *context, const uint8_t root[static 32])
{
    struct visited *v = context;
    PROMISE(memcmp(v->history->genesis_validators_root, root, 32) == 0);
    return RESULT_OK;
}

/* Whatever one element has, the validator's record in the whole covers it. */
static result see_validator(void *context, const uint8_t pubkey[static 48],
                            const struct slashing_record *record)
{
    struct visited *v = context;
    v->num++;
    for (size_t i = 0; i < v->history->num_validators; i++) {
        const struct slashing_enrolment *one = &v->history->validators[i];
        if (memcmp(one->pubkey, pubkey, 48) != 0)
            continue;
        PROMISE(slashing_covers(&one->entry.record, record));
        return RESULT_OK;
    }
    PROMISE(false);
    return RESULT_OK;
}

static void check_visits(const struct slashing_history *history, const char *text, size_t length)
{
    AUTO_POINTER(json_stream) stream = NULL;
    struct visited v = {history, 0};
    const struct slashing_interchange_visitor visitor = {&v, see_genesis, see_validator};
    PROMISE(json_stream_open_text(&stream, text, length).code == 0);
    PROMISE(slashing_interchange_read(stream, &visitor).code == 0);
    PROMISE(v.num >= history->num_validators);
}

static bool same_record(const struct slashing_record *a, const struct slashing_record *b)
{
    return a->has_block == b->has_block && a->has_attestation == b->has_attestation &&
           (!a->has_block || (a->block_slot == b->block_slot && a->block_has_root == b->block_has_root &&
                              (!a->block_has_root || memcmp(a->block_root, b->block_root, 32) == 0))) &&
           (!a->has_attestation ||
            (a->source_epoch == b->source_epoch && a->target_epoch == b->target_epoch &&
             a->attestation_has_root == b->attestation_has_root &&
             (!a->attestation_has_root || memcmp(a->attestation_root, b->attestation_root, 32) == 0)));
}

static void check_refuses(const struct slashing_record *record)
{
    static const struct slashing_limits limits;
    struct eth2_order order = {.kind = ETH2_ORDER_BLOCK};
    struct slashing_record next;
    uint8_t other[32] = {0xa5, 0x5a, 0xa5};
    order.of.header.slot = record->block_slot;
    if (record->has_block && memcmp(record->block_root, other, 32) != 0)
        PROMISE(!slashing_allows(slashing_decide(&next, record, &limits, &order, other)));
    order = (struct eth2_order){.kind = ETH2_ORDER_ATTESTATION};
    order.of.attestation.source.epoch = record->source_epoch;
    order.of.attestation.target.epoch = record->target_epoch;
    if (record->has_attestation && memcmp(record->attestation_root, other, 32) != 0)
        PROMISE(!slashing_allows(slashing_decide(&next, record, &limits, &order, other)));
}

static void check_export(const struct slashing_history *history)
{
    AUTO(buffer) text = {0};
    AUTO(slashing_history) again = {0};
    PROMISE(slashing_interchange_begin(&text, history->genesis_validators_root).code == 0);
    for (size_t i = 0; i < history->num_validators; i++) {
        const struct slashing_enrolment *one = &history->validators[i];
        PROMISE(i == 0 || memcmp(one[-1].pubkey, one->pubkey, 48) < 0);
        check_refuses(&one->entry.record);
        PROMISE(slashing_interchange_append(&text, i == 0, one->pubkey, &one->entry.record).code == 0);
    }
    PROMISE(slashing_interchange_end(&text, history->num_validators == 0).code == 0);
    PROMISE(read_history(&again, (const char *)text.data, text.length).code == 0);
    PROMISE(again.num_validators == history->num_validators);
    PROMISE(memcmp(again.genesis_validators_root, history->genesis_validators_root, 32) == 0);
    for (size_t i = 0; i < history->num_validators; i++) {
        PROMISE(memcmp(again.validators[i].pubkey, history->validators[i].pubkey, 48) == 0);
        PROMISE(same_record(&again.validators[i].entry.record, &history->validators[i].entry.record));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(slashing_history) history = {0};
    fuzz_forget_reason();
    if (!fuzz_accepted(read_history(&history, (const char *)data, size)))
        return 0;
    check_visits(&history, (const char *)data, size);
    check_export(&history);
    return 0;
}
