/* ctl_tls_show.c - tls show: the certificate that validator clients pin, of the stack's TLS table. */
#include <stdio.h>

#include "aws/aws_dynamodb_item.h"
#include "base/base64.h"
#include "ctl_aws.h"
#include "ctl_report.h"
#include "tls_item/tls_item.h"

/* The PEM of the table's item, whose private half stays where it is. */
static must_check result read_certificate(struct buffer *pem, const json_t *item)
{
    struct json_view view;
    const char *text;
    size_t text_len, length = 0;
    TRY(json_view_root(&view, item));
    TRY(aws_dynamodb_item_text(&text, &text_len, &view, "cert_pem"));
    TRY(buffer_reserve(pem, BASE64_DECODED_MAX(text_len) + 1));
    result r = base64_decode(pem->data, &length, BASE64_DECODED_MAX(text_len), text, text_len);
    if (r.code)
        return error_prefix(r, "cert_pem");
    pem->length = length;
    pem->data[length] = 0;
    r = tls_item_certificate_check(pem);
    return r.code ? error_prefix(r, "cert_pem") : r;
}

static must_check result get(struct buffer *pem, const struct ctl_aws *aws, const char *table)
{
    static const struct aws_dynamodb_attribute key = {"key_id", "N", "1"};
    AUTO_POINTER(aws_client) client = NULL;
    AUTO_POINTER(json_t) item = NULL;
    TRY(ctl_aws_client(&client, aws, &ctl_aws_dynamodb));
    result r = aws_dynamodb_item_get(client, &item, &aws->credentials, table, &key);
    if (r.code)
        return error_prefix(r, "table %s", table);
    r = read_certificate(pem, item);
    return r.code ? error_prefix(r, "item of table %s", table) : r;
}

result ctl_tls_show(struct ctl_call *call)
{
    struct ctl_aws_options o = {0};
    const struct option table[] = {CTL_AWS_ROWS(o)};
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(buffer) pem = {0};
    const char *name, *host;
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o.stack, "stack"));
    TRY(ctl_aws_open(&aws, call, &o));
    TRY(ctl_aws_output(&name, &aws, call, "TLSKeysTableName"));
    TRY(ctl_aws_output(&host, &aws, call, "SignerELBFQDN"));
    TRY(get(&pem, &aws, name));
    if (!aws.json) {
        (void)fwrite(pem.data, 1, pem.length, stdout);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:s,s:s}", "stack", aws.stack_name, "host", host, "certificate_pem",
                       (const char *)pem.data);
    return ctl_print_json(object);
}
