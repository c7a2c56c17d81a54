/* front_answer.c - what the keeper's answer to an order means to a client: one status and one sentence,
 * whether the order came alone or in a batch. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/hex.h"
#include "front.h"
#include "slashing/slashing_rules.h"

__attribute__((format(printf, 4, 5))) static void
explain(struct front_reason *reason, enum front_outcome outcome, int status, const char *format, ...)
{
    va_list arguments;
    reason->outcome = outcome;
    reason->status = status;
    va_start(arguments, format);
    (void)vsnprintf(reason->sentence, sizeof reason->sentence, format, arguments);
    va_end(arguments);
}

static void explain_root(struct front_reason *reason, const struct eth2_order *order,
                         const struct ipc_answer *answer)
{
    char sent[67], computed[67];
    hex_encode_0x(sent, order->client_root, 32);
    hex_encode_0x(computed, answer->signing_root, 32);
    explain(reason, FRONT_ROOT_DIFFERS, 400,
            "signing_root: %s was sent, but the message's is %s (another network or fork_info?)", sent,
            computed);
}

void front_explain(struct front_reason *ret_reason, const struct eth2_order *order,
                   const struct ipc_answer *answer)
{
    struct front_reason *reason = ret_reason;
    *reason = (struct front_reason){0};
    switch (answer->status) {
    case IPC_ANSWER_SIGNED:
        explain(reason, FRONT_SIGNED, 200, "signed");
        return;
    case IPC_ANSWER_UNKNOWN_KEY:
        explain(reason, FRONT_UNKNOWN_KEY, 404, "identifier: no such key is loaded");
        return;
    case IPC_ANSWER_ROOT_DIFFERS:
        explain_root(reason, order, answer);
        return;
    case IPC_ANSWER_SLASHABLE:
        reason->code = slashing_verdict_name((enum slashing_verdict)answer->verdict);
        explain(reason, FRONT_REFUSED, 412, "slashing protection refuses this %s: %s",
                eth2_order_kind_name(order->kind), reason->code);
        return;
    case IPC_ANSWER_STORE:
        explain(reason, FRONT_STORE_ERROR, 500,
                "the slashing protection store cannot answer; nothing is signed");
        return;
    case IPC_ANSWER_BAD_ORDER:
        explain(reason, FRONT_MALFORMED, 400, "the keeper refuses this message as malformed");
        return;
    case IPC_ANSWER_LATE:
        explain(reason, FRONT_LATE, 503, "no signature within %d seconds", FRONT_DEADLINE_SECONDS);
        return;
    case IPC_ANSWER_INTERNAL:
        break;
    }
    explain(reason, FRONT_FAILED, 500, "signing failed");
}

/* Heights are strings, as all 64-bit numbers of this API. */
result front_append_heights(struct buffer *out, const struct eth2_order *order,
                            const struct ipc_answer *answer)
{
    if (answer->has_recorded_block)
        TRY(buffer_printf(out, ",\"recorded_block_slot\":\"%" PRIu64 "\"", answer->recorded_slot));
    if (answer->has_recorded_attestation)
        TRY(buffer_printf(
            out, ",\"recorded_source_epoch\":\"%" PRIu64 "\",\"recorded_target_epoch\":\"%" PRIu64 "\"",
            answer->recorded_source, answer->recorded_target));
    if (answer->has_limit)
        TRY(buffer_printf(out, ",\"%s\":\"%" PRIu64 "\"",
                          order->kind == ETH2_ORDER_ATTESTATION ? "limit_epoch" : "limit_slot",
                          answer->limit));
    return RESULT_OK;
}
