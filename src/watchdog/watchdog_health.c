/* watchdog_health.c - see watchdog_health.h. The state word decides: a signer that lost its keys is of no
 * use. */
#include "watchdog_health.h"

#include <string.h>

#include "policy/policy.h"
#include "json/json.h"

enum { STATUS_VALUES_MAX = 64, PCR_LEN = 48 };

static must_check result read_status(json_t **ret_document, struct json_view *ret_root, const char *body)
{
    TRY(json_read(ret_document, body, strlen(body), strlen(body), STATUS_VALUES_MAX));
    return json_view_root(ret_root, *ret_document);
}

result watchdog_health_read(enum watchdog_health *ret_health, const char *body)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *state;
    TRY(read_status(&document, &root, body));
    TRY(json_get_text(&state, NULL, &root, "state"));
    bool serves =
        strcmp(state, "serve") == 0 || strcmp(state, "load") == 0; /* a reload: the old keys serve */
    *ret_health = serves                         ? WATCHDOG_HEALTH_SERVES
                  : strcmp(state, "failed") == 0 ? WATCHDOG_HEALTH_FAILED
                                                 : WATCHDOG_HEALTH_USELESS;
    return RESULT_OK;
}

result watchdog_health_check_policy(const char *body, const struct buffer *policy_text)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    uint8_t told[PCR_LEN], measured[PCR_LEN];
    TRY(read_status(&document, &root, body));
    TRY(json_get_hex(told, sizeof told, &root, "pcr16"));
    TRY(policy_measure(measured, (const char *)policy_text->data, policy_text->length));
    ENSURE(memcmp(told, measured, sizeof told) == 0, E_MISMATCH, "pcr16: is not the measure of the policy");
    return RESULT_OK;
}
