/* json_secret.h - the plaintexts that KMS encrypts for us: JSON objects of two members, written in the secure
 * heap. Target json. */
#ifndef JSON_JSON_SECRET_H
#define JSON_JSON_SECRET_H

#include "base/secret.h"

/* Bytes, which become base64. */
struct json_secret_member {
    const char *name;
    const uint8_t *data;
    size_t length;
};
must_check result json_secret_pair(struct secret *ret_text, const struct json_secret_member *first,
                                   const struct json_secret_member *second);

#endif
