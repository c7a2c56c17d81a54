/* front_manager_reply.c - the answers of the key manager, as the original shapes them: a message is null in
 * an import that went well, and "" in a deletion. */
#include <string.h>

#include "front_manager.h"
#include "slashing/slashing_interchange.h"

static const struct front_manager_item *answer_of(const struct front_manager_request *request,
                                                  uint32_t number)
{
    return &request->items[request->items[number].same_as];
}

static must_check result append_status(struct buffer *out, const struct front_manager_item *item,
                                       const char *no_message)
{
    TRY(buffer_printf(out, "{\"status\":\"%s\",\"message\":", item->status));
    if (item->why[0])
        TRY(json_append_quoted(out, item->why));
    else
        TRY(buffer_append_text(out, no_message));
    return buffer_append_text(out, "}");
}

static must_check result append_list(struct buffer *out, const struct front_manager_request *request,
                                     const char *no_message)
{
    TRY(buffer_append_text(out, request->num_items ? "{\"data\":[" : "{\"data\": ["));
    for (uint32_t i = 0; i < request->num_items; i++) {
        TRY(buffer_append_text(out, i > 0 ? "," : ""));
        TRY(append_status(out, answer_of(request, i), no_message));
    }
    return buffer_append_text(out, "]");
}

result front_manager_format_import(struct buffer *out, const struct front_manager_request *request)
{
    TRY(append_list(out, request, "null"));
    return buffer_append_text(out, "}");
}

static must_check result append_export(struct buffer *out, const struct front_manager_request *request,
                                       const uint8_t *genesis)
{
    uint32_t num = 0;
    TRY(slashing_interchange_begin(out, genesis));
    for (uint32_t i = 0; i < request->num_items; i++) {
        const struct front_manager_item *item = &request->items[i];
        if (genesis && item->has_record && item->same_as == i)
            TRY(slashing_interchange_append(out, num++ == 0, item->pubkey, &item->record));
    }
    return slashing_interchange_end(out, num == 0);
}

result front_manager_format_delete(struct buffer *out, const struct front_manager_request *request,
                                   const uint8_t *genesis)
{
    AUTO(buffer) text = {0};
    TRY(append_export(&text, request, genesis));
    TRY(append_list(out, request, "\"\""));
    TRY(buffer_append_text(out, ",\"slashing_protection\":"));
    TRY(json_append_quoted(out, (const char *)text.data));
    return buffer_append_text(out, "}");
}
