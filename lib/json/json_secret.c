/* json_secret.c - written, not built as a tree: base64 needs no escaping, and names are ours. */
#include "json/json_secret.h"

#include <stdio.h>
#include <string.h>

#include "base/base64.h"

result json_secret_pair(struct secret *ret_text, const struct json_secret_member *first,
                        const struct json_secret_member *second)
{
    static const char format[] = "{\"%s\":\"%s\",\"%s\":\"%s\"}";
    AUTO(secret) a = {0};
    AUTO(secret) b = {0};
    TRY(base64_secret(&a, first->data, first->length));
    TRY(base64_secret(&b, second->data, second->length));
    TRY(secret_new(ret_text,
                   sizeof format + strlen(first->name) + a.length + strlen(second->name) + b.length));
    int length = snprintf((char *)ret_text->data, ret_text->length + 1, format, first->name, (char *)a.data,
                          second->name, (char *)b.data);
    secret_truncate(ret_text, (size_t)length);
    return RESULT_OK;
}
