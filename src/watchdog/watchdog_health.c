/* watchdog_health.c - see watchdog_health.h. The state word decides: a signer that lost its keys is of no
 * use. */
#include "watchdog_health.h"

#include <string.h>

#include "base/hex.h"
#include "policy/policy.h"
#include "json/json.h"

enum { STATUS_VALUES_MAX = 64, PCR_LEN = 48, NAMES_MAX = 8 /* in a line of the log */ };

static must_check result read_status(json_t **ret_document, struct json_view *ret_root, const char *body)
{
    TRY(json_read(ret_document, body, strlen(body), strlen(body), STATUS_VALUES_MAX));
    return json_view_root(ret_root, *ret_document);
}

static enum watchdog_health health_of(const char *state)
{
    if (strcmp(state, "serve") == 0 || strcmp(state, "load") == 0) /* a reload: the old keys serve */
        return WATCHDOG_HEALTH_SERVES;
    return strcmp(state, "failed") == 0 ? WATCHDOG_HEALTH_FAILED : WATCHDOG_HEALTH_USELESS;
}

static must_check result read_number(uint64_t *ret_number, const struct json_view *view, const char *name)
{
    return json_has(view, name) ? json_get_u64(ret_number, view, name) : RESULT_OK;
}

static must_check result read_failed_keys(struct watchdog_status *status, const struct json_view *root)
{
    struct json_view list;
    if (!json_has(root, "failed_keys"))
        return RESULT_OK;
    TRY(json_get_array(&list, root, "failed_keys", WATCHDOG_FAILED_KEYS_MAX));
    for (size_t i = 0; i < json_array_size(list.value); i++) {
        const char *text = NULL;
        size_t length = 0;
        TRY(json_element_text(&text, &length, &list, i));
        result r = hex_decode(status->failed_keys[i], WATCHDOG_FAILED_KEY_LEN, text, length);
        if (r.code)
            return error_prefix(r, "failed_keys[%zu]", i);
        status->num_failed_keys++;
    }
    return RESULT_OK;
}

result watchdog_status_read(struct watchdog_status *ret_status, const char *body)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    struct watchdog_status status = {0};
    const char *state;
    TRY(read_status(&document, &root, body));
    TRY(json_get_text(&state, NULL, &root, "state"));
    TRY(read_number(&status.keys, &root, "keys"));
    TRY(read_number(&status.failed, &root, "failed"));
    TRY(read_failed_keys(&status, &root));
    status.health = health_of(state);
    *ret_status = status;
    return RESULT_OK;
}

result watchdog_status_failures(struct buffer *out, const struct watchdog_status *status)
{
    TRY(buffer_printf(out, "%llu keys could not be loaded", (unsigned long long)status->failed));
    uint32_t num = status->num_failed_keys < NAMES_MAX ? status->num_failed_keys : NAMES_MAX;
    for (uint32_t i = 0; i < num; i++) {
        char pubkey[2 * WATCHDOG_FAILED_KEY_LEN + 3];
        hex_encode_0x(pubkey, status->failed_keys[i], WATCHDOG_FAILED_KEY_LEN);
        TRY(buffer_printf(out, "%s%s", i ? ", " : ": ", pubkey));
    }
    return buffer_append_text(out, num && status->failed > num ? " and others, which its log names" : "");
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
