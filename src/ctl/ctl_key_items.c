/* ctl_key_items.c - see ctl_key_items.h. JSON is written as text: jansson's trees are in the secure heap
 * while secrets are about, and a list of ten thousand keys does not fit there. */
#include "ctl_key_items.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "json/json.h"

result ctl_key_item_write(const char *out, const struct ctl_key_item *key)
{
    char path[PATH_MAX], now[21];
    AUTO(buffer) item = {0};
    ctl_now(now);
    TRY(buffer_printf(
        &item,
        "{\n  \"web3signer_uuid\": \"%s\",\n  \"pubkey\": \"%s\",\n  \"chain\": \"%s\",\n"
        "  \"datetime\": \"%s\",\n  \"active\": true,\n  \"encrypted_key_password_mnemonic_b64\": \"%s\"",
        key->uuid, key->pubkey, key->chain, now, (const char *)key->ciphertext_b64->data));
    if (key->deposit) {
        TRY(buffer_append_text(&item, ",\n  \"deposit_json_b64\": \""));
        TRY(base64_append(&item, key->deposit->data, key->deposit->length));
        TRY(buffer_append_text(&item, "\""));
    }
    TRY(buffer_append_text(&item, "\n}\n"));
    int length = snprintf(path, sizeof path, "%s/validators/%s.json", out, key->pubkey);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--out: the path is too long");
    return file_write(path, item.data, item.length, 0644);
}

void ctl_key_report_begin(struct ctl_key_report *report, const struct ctl_call *call, size_t total)
{
    *report = (struct ctl_key_report){.json = call->json, .progress = ctl_progress_begin(total, "keys")};
    /* Lines on the same terminal say it themselves. */
    if (!call->json && isatty(STDOUT_FILENO) == 1)
        report->progress.terminal = false;
}

result ctl_key_report_add(struct ctl_key_report *report, const char *path, const char *pubkey)
{
    report->num++;
    ctl_progress_tell(&report->progress, report->num);
    if (!report->json) {
        (void)printf("%s  0x%s\n", path, pubkey);
        return RESULT_OK;
    }
    TRY(buffer_append_text(&report->text, report->num > 1 ? ",\n  {\"path\": " : "\n  {\"path\": "));
    TRY(json_append_quoted(&report->text, path));
    return buffer_printf(&report->text, ", \"pubkey\": \"0x%s\"}", pubkey);
}

result ctl_key_report_end(struct ctl_key_report *report)
{
    ctl_progress_cleanup(&report->progress);
    if (report->json)
        (void)printf("{\"keys\": [%s]}\n", report->text.data ? (const char *)report->text.data : "");
    return RESULT_OK;
}

void ctl_key_report_cleanup(struct ctl_key_report *report)
{
    ctl_progress_cleanup(&report->progress);
    buffer_cleanup(&report->text);
}
