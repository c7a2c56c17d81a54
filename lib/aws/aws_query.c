/* aws_query.c - see aws_query.h. */
#include "aws/aws_query.h"

#include <stdio.h>
#include <string.h>

enum { ACTION_MAX = 64 };

static must_check result append_encoded(struct buffer *out, const char *text)
{
    static const char kept[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (; *text; text++) {
        if (strchr(kept, *text))
            TRY(buffer_append(out, text, 1));
        else
            TRY(buffer_printf(out, "%%%02X", (unsigned char)*text));
    }
    return RESULT_OK;
}

result aws_query_begin(struct buffer *form, const char *action, const char *version)
{
    TRY(aws_query_add(form, "Action", action));
    return aws_query_add(form, "Version", version);
}

result aws_query_add(struct buffer *form, const char *name, const char *value)
{
    if (form->length > 0)
        TRY(buffer_append_text(form, "&"));
    TRY(append_encoded(form, name));
    TRY(buffer_append_text(form, "="));
    return append_encoded(form, value);
}

static must_check result parse(struct aws_xml **ret_document, struct aws_xml_element *ret_result,
                               const struct buffer *answer, const char *action)
{
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element root;
    char name[ACTION_MAX + 16];
    TRY(aws_xml_read(&document, answer->data, answer->length));
    (void)snprintf(name, sizeof name, "%sResponse", action);
    TRY(aws_xml_root(&root, document, name));
    (void)snprintf(name, sizeof name, "%sResult", action);
    TRY(aws_xml_child(ret_result, &root, name));
    *ret_document = TAKE(document);
    return RESULT_OK;
}

result aws_query_call(struct aws_client *client, struct aws_xml **ret_document,
                      struct aws_xml_element *ret_result, const struct aws_credentials *credentials,
                      const char *action, const struct buffer *form)
{
    AUTO(buffer) answer = {0};
    ENSURE(strlen(action) <= ACTION_MAX, E_INTERNAL, "action: is too long");
    TRY(aws_client_call(client, &answer, action, credentials, form->data, form->length));
    return aws_error_in_answer(parse(ret_document, ret_result, &answer, action), action);
}

static must_check result read_error(const char **ret_code, const char **ret_message,
                                    const struct aws_xml *document)
{
    struct aws_xml_element root, error;
    TRY(aws_xml_root(&root, document, "ErrorResponse"));
    TRY(aws_xml_child(&error, &root, "Error"));
    TRY(aws_xml_text(ret_code, &error, "Code"));
    return aws_xml_text_optional(ret_message, &error, "Message");
}

void aws_query_error_read(struct aws_error *out, long http_status, const uint8_t *body, size_t body_len)
{
    AUTO_POINTER(aws_xml) document = NULL;
    const char *code = "", *message = NULL;
    result r = aws_xml_read(&document, body, body_len);
    if (!r.code)
        r = read_error(&code, &message, document);
    aws_error_of_type(out, http_status, r.code ? "" : code, message && !r.code ? message : "");
}
