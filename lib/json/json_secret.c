/* json_secret.c - written, not built as a tree: base64 needs no escaping, and names are ours. Rejected:
 * snprintf, which looks at each character for the text's end. */
#include "json/json_secret.h"

#include <string.h>

#include "base/base64.h"

/* before, then the name and the base64 of the bytes in quotes. */
static must_check result append(struct packer *p, char before, const struct json_secret_member *member)
{
    AUTO(secret) text = {0};
    TRY(base64_secret(&text, member->data, member->length));
    pack_bytes(p, &before, 1);
    pack_bytes(p, "\"", 1);
    pack_bytes(p, member->name, strlen(member->name));
    pack_bytes(p, "\":\"", 3);
    pack_bytes(p, text.data, text.length);
    pack_bytes(p, "\"", 1);
    return RESULT_OK;
}

result json_secret_pair(struct secret *ret_text, const struct json_secret_member *first,
                        const struct json_secret_member *second)
{
    enum { AROUND_LEN = 13 }; /* {"":"","":""} */
    AUTO(secret) text = {0};
    TRY(secret_new(&text, AROUND_LEN + strlen(first->name) + BASE64_LENGTH(first->length) +
                              strlen(second->name) + BASE64_LENGTH(second->length)));
    struct packer p = {.data = text.data, .capacity = text.length};
    TRY(append(&p, '{', first));
    TRY(append(&p, ',', second));
    pack_bytes(&p, "}", 1);
    TRY(pack_end(&p));
    *ret_text = text;
    text = (struct secret){0};
    return RESULT_OK;
}
