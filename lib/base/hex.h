/* hex.h - hexadecimal, in constant time so that it may carry secrets. */
#ifndef BASE_HEX_H
#define BASE_HEX_H

#include <stdint.h>

#include "base/result.h"

/* Writes 2 * bytes_len lower-case digits and a NUL; out holds 2 * bytes_len + 1. */
void hex_encode(char *out, const uint8_t *bytes, size_t bytes_len);

/* As hex_encode with "0x" in front; out holds 2 * bytes_len + 3. */
void hex_encode_0x(char *out, const uint8_t *bytes, size_t bytes_len);

/* Decodes exactly out_len bytes from digits of either case with an optional "0x".
 * text_len counts text. E_INPUT on another length or a foreign character; out is then
 * wiped. The text is never echoed. */
must_check result hex_decode(uint8_t *out, size_t out_len, const char *text, size_t text_len);

#endif
