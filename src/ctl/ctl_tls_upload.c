/* ctl_tls_upload.c - tls upload: the item that tls make has written, put into a TLS table. The private key in
 * it is encrypted by KMS already: nothing here is a secret. */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "aws/aws_dynamodb_item.h"
#include "aws/aws_kms.h"
#include "base/base64.h"
#include "base/file_io.h"
#include "ctl_aws.h"
#include "ctl_report.h"
#include "tls_item/tls_item.h"

enum { ITEM_MAX = 262144, VALUES_MAX = 8, PEM_MAX = 65536 };

struct options {
    struct ctl_aws_options aws;
    const char *items, *table;
    bool replace;
};

/* Texts borrowed from the document. */
struct row {
    json_t *document;
    const char *ciphertext, *certificate;
};

static void row_cleanup(struct row *row)
{
    json_decref(row->document);
}

static must_check result check_ciphertext(const struct json_view *item, const char *text, size_t text_len)
{
    uint8_t bytes[AWS_KMS_CIPHERTEXT_MAX];
    size_t length = 0;
    result r = base64_decode(bytes, &length, sizeof bytes, text, text_len);
    if (!r.code && length == 0)
        r = error_set(E_INPUT, "must not be empty");
    return r.code ? json_blame(r, item, "encrypted_tls_key_b64") : r;
}

static must_check result check_certificate(const struct json_view *item, const char *text, size_t text_len)
{
    AUTO(buffer) pem = {0};
    size_t length = 0;
    ENSURE(text_len <= PEM_MAX, E_TOO_LARGE, "cert_pem: too long");
    TRY(buffer_reserve(&pem, BASE64_DECODED_MAX(text_len) + 1));
    result r = base64_decode(pem.data, &length, BASE64_DECODED_MAX(text_len), text, text_len);
    if (!r.code) {
        pem.length = length;
        pem.data[length] = 0;
        r = tls_item_certificate_check(&pem);
    }
    return r.code ? json_blame(r, item, "cert_pem") : r;
}

static must_check result read_row(struct row *row, const char *path)
{
    AUTO(buffer) text = {0};
    struct json_view item;
    size_t ciphertext_len, certificate_len;
    uint64_t id;
    TRY(file_read(&text, path, ITEM_MAX));
    TRY(json_read(&row->document, text.data ? (const char *)text.data : "", text.length, ITEM_MAX,
                  VALUES_MAX));
    TRY(json_view_root(&item, row->document));
    TRY(json_get_u64_between(&id, &item, "key_id", 1, 1));
    TRY(json_get_text(&row->ciphertext, &ciphertext_len, &item, "encrypted_tls_key_b64"));
    TRY(json_get_text(&row->certificate, &certificate_len, &item, "cert_pem"));
    TRY(check_ciphertext(&item, row->ciphertext, ciphertext_len));
    return check_certificate(&item, row->certificate, certificate_len);
}

/* Somebody else's, or ours of an attempt whose answer was lost. */
static must_check result check_is_ours(struct aws_client *client, const struct ctl_aws *aws,
                                       const char *table, const struct aws_dynamodb_attribute *key,
                                       const struct row *row)
{
    AUTO_POINTER(json_t) there = NULL;
    struct json_view item;
    const char *ciphertext = NULL;
    TRY(aws_dynamodb_item_get(client, &there, &aws->credentials, table, key));
    TRY(json_view_root(&item, there));
    TRY(aws_dynamodb_item_text(&ciphertext, NULL, &item, "encrypted_tls_key_b64"));
    ENSURE(strcmp(ciphertext, row->ciphertext) == 0, E_STATE,
           "somebody else has put a TLS key there meanwhile: it was left as it is");
    return RESULT_OK;
}

/* A key that is there is what clients trust, and what running signers have. */
static must_check result put(const struct ctl_aws *aws, const char *table, const struct row *row,
                             bool replace)
{
    const struct aws_dynamodb_attribute attributes[] = {{"key_id", "N", "1"},
                                                        {"encrypted_tls_key_b64", "S", row->ciphertext},
                                                        {"cert_pem", "S", row->certificate}};
    AUTO_POINTER(aws_client) client = NULL;
    AUTO_POINTER(json_t) there = NULL;
    TRY(ctl_aws_client(&client, aws, &ctl_aws_dynamodb));
    result r = aws_dynamodb_item_get(client, &there, &aws->credentials, table, attributes);
    if (r.code && r.code != E_NOT_FOUND)
        return error_prefix(r, "table %s", table);
    ENSURE(r.code == E_NOT_FOUND || replace, E_STATE,
           "table %s has a TLS key: --replace puts this one in its place", table);
    r = aws_dynamodb_item_put(client, &aws->credentials, table, attributes, ARRAY_LENGTH(attributes),
                              replace);
    if (r.code == E_MISMATCH && !replace)
        r = check_is_ours(client, aws, table, attributes, row);
    return r.code ? error_prefix(r, "table %s", table) : r;
}

result ctl_tls_upload(struct ctl_call *call)
{
    struct options o = {.items = NULL};
    const struct option table[] = {
        {"items", OPTION_FOLDER, &o.items, "folder that tls make --out has written", 0, 0},
        {"table", OPTION_TEXT, &o.table, "name of the TLS table (the stack's)", 0, 0},
        {"replace", OPTION_FLAG, &o.replace, "in the place of a key that is there (false)", 0, 0},
        CTL_AWS_ROWS(o.aws),
    };
    char path[PATH_MAX];
    char *const *none;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(row) row = {.document = NULL};
    const char *name = NULL;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o.items, "items"));
    TRY(ctl_require(call, o.table ? o.table : o.aws.stack, "stack"));
    int length = snprintf(path, sizeof path, "%s/tls/1.json", o.items);
    ENSURE(length > 0 && (size_t)length < sizeof path, E_INPUT, "--items: the path is too long");
    TRY(ctl_aws_open(&aws, call, &o.aws));
    result r = read_row(&row, path);
    if (r.code)
        return error_prefix(r, "%s", path);
    name = o.table;
    if (!name)
        TRY(ctl_aws_output(&name, &aws, call, "TLSKeysTableName"));
    TRY(put(&aws, name, &row, o.replace));
    if (!call->json) {
        (void)printf("the TLS key is in table %s; signers take it when they are started the next time\n",
                     name);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t) object = json_pack("{s:s,s:s}", "table", name, "item", path);
    return ctl_print_json(object);
}
