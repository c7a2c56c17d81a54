/* aws_credentials_file.c - read into the secure heap, parsed there, copied there. */
#include "aws/aws_credentials_file.h"

#include "json/json.h"

enum { FILE_MAX = 16 * 1024, VALUES_MAX = 32 };

static must_check result parse(struct aws_credentials *ret_credentials, const struct secret *text)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *id, *key, *token;
    TRY(json_read(&document, (const char *)text->data, text->length, FILE_MAX, VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_text(&id, NULL, &root, "access_key_id"));
    TRY(json_get_text(&key, NULL, &root, "secret_access_key"));
    TRY(json_get_text_optional(&token, NULL, &root, "token"));
    return aws_credentials_new(ret_credentials, id, key, token ? token : "");
}

result aws_credentials_read(struct aws_credentials *ret_credentials, const char *path)
{
    AUTO(secret) text = {0};
    TRY(secret_read_file(&text, path, FILE_MAX));
    result r = parse(ret_credentials, &text);
    return r.code ? error_prefix(r, "%s", path) : r;
}
