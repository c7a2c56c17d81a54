/* lambda_event.c - see lambda_event.h. */
#include "lambda_event.h"

#include <string.h>

#include "json/json.h"

enum { VALUES_MAX = 64 };

const char *lambda_operation_name(enum lambda_operation operation)
{
    switch (operation) {
    case LAMBDA_SET_TLS_KEY:
        return "set_tls_key";
    case LAMBDA_GET_TLS_KEY:
        return "get_tls_key";
    case LAMBDA_DECRYPT_TLS_KEY:
        return "decrypt_tls_key";
    case LAMBDA_WEB3SIGNER_STATUS:
        return "web3signer_status";
    case LAMBDA_WEB3SIGNER_PUBLIC_KEYS:
        return "web3signer_public_keys";
    }
    return "";
}

static must_check result parse(enum lambda_operation *ret_operation, const struct buffer *event)
{
    AUTO_POINTER(json_t) root = NULL;
    struct json_view view;
    const char *name = NULL;
    TRY(json_read(&root, (const char *)event->data, event->length, LAMBDA_EVENT_MAX, VALUES_MAX));
    TRY(json_view_root(&view, root));
    TRY(json_get_text(&name, NULL, &view, "operation"));
    for (int i = LAMBDA_SET_TLS_KEY; i <= LAMBDA_WEB3SIGNER_PUBLIC_KEYS; i++) {
        if (strcmp(name, lambda_operation_name((enum lambda_operation)i)) != 0)
            continue;
        *ret_operation = (enum lambda_operation)i;
        return RESULT_OK;
    }
    FAIL(E_INPUT, "operation: must be set_tls_key, get_tls_key, decrypt_tls_key, web3signer_status or "
                  "web3signer_public_keys");
}

result lambda_event_parse(enum lambda_operation *ret_operation, const struct buffer *event)
{
    result r = parse(ret_operation, event);
    return r.code ? error_prefix(r, "event") : r;
}
