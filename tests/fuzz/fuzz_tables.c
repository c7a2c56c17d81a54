/* fuzz_tables.c - encrypted keys out of the tables of a stack, on their way to the enclave: what the watchdog
 * makes of DynamoDB's answers, the courier understands as the same number of keys. */
#include "aws_answers.h"
#include "base/log.h"
#include "courier/courier_request.h"
#include "fuzz.h"
#include "watchdog/watchdog_tables.h"

static const char *text_of(const struct buffer *b)
{
    return b->data ? (const char *)b->data : "";
}

static void check_courier(const struct watchdog_items *items)
{
    AUTO(buffer) message = {0};
    AUTO(courier_request) request = {0};
    PROMISE(
        buffer_printf(&message,
                      "{\"operation\":\"reload\",\"encrypted_validator_keys\":%s,\"validator_pubkeys\":%s",
                      text_of(&items->encrypted_validator_keys), text_of(&items->validator_pubkeys))
            .code == 0);
    if (items->num_batches)
        PROMISE(
            buffer_printf(&message, ",\"sealed_validator_keys\":%s", text_of(&items->sealed_validator_keys))
                .code == 0);
    PROMISE(buffer_append_text(&message, "}").code == 0);
    PROMISE(courier_request_parse(&request, (const char *)message.data, message.length).code == 0);
    PROMISE(request.num_keys == items->num_keys && request.num_batches == items->num_batches);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(watchdog_items) items = {0};
    const struct watchdog_tables tables = {"validators", "tls", "u-1"};
    const struct aws_credentials *credentials = aws_answers_credentials();
    log_open("fuzz", LOG_LEVEL_ERROR);
    fuzz_forget_reason();
    aws_answers_begin(data, size, aws_error_read);
    if (!fuzz_accepted(watchdog_tables_read(&items, &tables, NULL, credentials, 1)))
        return 0;
    PROMISE(items.num_keys >= 1 && items.encrypted_tls_key.length > 0);
    check_courier(&items);
    return 0;
}
