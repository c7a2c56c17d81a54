/* watchdog_messages.c - see watchdog_messages.h. The documents are read anew for each init: what changed on
 * disk counts from the next one on. */
#include "watchdog_messages.h"

#include "base/file_io.h"
#include "policy/policy_access.h"
#include "json/json.h"

void watchdog_documents_cleanup(struct watchdog_documents *d)
{
    buffer_cleanup(&d->policy_text);
    buffer_cleanup(&d->access_text);
}

static must_check result check_access(const struct watchdog_documents *d)
{
    AUTO(policy_access) access = {0};
    const char *text = (const char *)d->access_text.data;
    TRY(policy_check_access(&d->policy, text, d->access_text.length));
    return text ? policy_access_parse(&access, text, d->access_text.length) : RESULT_OK;
}

result watchdog_documents_read(struct watchdog_documents *ret_documents, const struct watchdog_options *o)
{
    AUTO(watchdog_documents) d = {0};
    TRY(file_read(&d.policy_text, o->policy, POLICY_TEXT_MAX));
    result r = policy_parse(&d.policy, (const char *)d.policy_text.data, d.policy_text.length);
    if (r.code)
        return error_prefix(r, "%s", o->policy);
    r = o->access ? file_read(&d.access_text, o->access, POLICY_ACCESS_MAX) : RESULT_OK;
    if (!r.code)
        r = check_access(&d);
    if (r.code)
        return error_prefix(r, "%s", o->access ? o->access : o->policy);
    *ret_documents = d;
    d = (struct watchdog_documents){0};
    return RESULT_OK;
}

result watchdog_init_text(struct buffer *out, const struct watchdog_documents *d,
                          const struct watchdog_items *items)
{
    const char *access = (const char *)d->access_text.data;
    TRY(buffer_append_text(out, "{\"operation\":\"init\",\"policy\":"));
    TRY(json_append_quoted(out, (const char *)d->policy_text.data));
    TRY(buffer_append_text(out, ",\"access\":"));
    TRY(json_append_quoted(out, access ? access : ""));
    TRY(buffer_printf(
        out, ",\"encrypted_tls_key\":\"%s\",\"encrypted_validator_keys\":%s,\"validator_pubkeys\":%s,",
        (const char *)items->encrypted_tls_key.data, (const char *)items->encrypted_validator_keys.data,
        (const char *)items->validator_pubkeys.data));
    if (items->num_batches)
        TRY(buffer_printf(out, "\"sealed_validator_keys\":%s,",
                          (const char *)items->sealed_validator_keys.data));
    return RESULT_OK;
}
