/* base64.h - RFC 4648 section 4 (standard alphabet, padded), in constant time so that it
 * may carry secrets. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/secret.h"

/* Characters of an encoding, without the NUL. */
#define BASE64_LENGTH(bytes_len) (((bytes_len) + 2) / 3 * 4)
/* Upper bound of decoded bytes. */
#define BASE64_DECODED_MAX(text_len) ((text_len) / 4 * 3)

/* Writes BASE64_LENGTH(bytes_len) characters and a NUL. */
void base64_encode(char *out, const uint8_t *bytes, size_t bytes_len);

/* The same at the end of a buffer, and as a secret of its own. */
must_check result base64_append(struct buffer *out, const uint8_t *bytes, size_t bytes_len);
must_check result base64_secret(struct secret *ret_text, const uint8_t *bytes, size_t bytes_len);

/* Strict: padding required, no white space, unused bits zero. out holds out_capacity bytes;
 * E_TOO_LARGE if that is not enough, E_INPUT on anything malformed (out is then wiped). */
must_check result base64_decode(uint8_t *out, size_t *ret_len, size_t out_capacity, const char *text,
                                size_t text_len);

#endif
