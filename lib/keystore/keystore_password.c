/* keystore_password.c - NFKD by utf8proc, whose decomposition writes code points into the
 * caller's memory: so the only copies of a password are two secrets. Rejected: libunistring,
 * ICU and utf8proc_map, which all allocate for themselves on the ordinary heap.
 *
 * Decomposing looks code points up in tables. NFKD leaves ASCII as it is, so a text of visible ASCII, as
 * nearly all passwords and every English mnemonic are, is copied: of it nothing becomes known but that. */
#include "keystore/keystore_password.h"

#include <utf8proc.h>

enum { UTF8_MAX = 4 /* bytes of a code point */ };

static bool is_control(int32_t code_point)
{
    return code_point < 0x20 || (code_point >= 0x7f && code_point <= 0x9f);
}

/* The decomposed, canonically ordered code points of text. */
static must_check result decompose(struct secret *ret_code_points, size_t *ret_num, const uint8_t *text,
                                   size_t text_len)
{
    const utf8proc_option_t options = UTF8PROC_STABLE | UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
    utf8proc_ssize_t wanted = utf8proc_decompose(text, (utf8proc_ssize_t)text_len, NULL, 0, options);
    ENSURE(wanted >= 0, E_INPUT, "must be UTF-8");
    AUTO(secret) code_points = {0};
    TRY(secret_new(&code_points, (size_t)wanted * sizeof(int32_t)));
    utf8proc_ssize_t num =
        utf8proc_decompose(text, (utf8proc_ssize_t)text_len, (void *)code_points.data, wanted, options);
    ENSURE(num == wanted, E_CRYPTO, "Unicode normalisation failed");
    *ret_code_points = code_points;
    *ret_num = (size_t)num;
    code_points = (struct secret){0};
    return RESULT_OK;
}

/* All of it from space to ~, without a branch on any. */
static bool is_visible_ascii(const uint8_t *text, size_t text_len)
{
    unsigned others = 0;
    for (size_t i = 0; i < text_len; i++)
        others |= ((text[i] - 0x20u) | ('~' - (unsigned)text[i])) >> 31;
    return secret_verdict(others == 0);
}

static must_check result normalize(struct secret *ret_text, const uint8_t *text, size_t text_len,
                                   bool drop_controls)
{
    AUTO(secret) code_points = {0}, normal = {0};
    size_t num = 0, length = 0;
    ENSURE(text_len <= KEYSTORE_PASSWORD_MAX, E_TOO_LARGE, "more than %d bytes", KEYSTORE_PASSWORD_MAX);
    if (is_visible_ascii(text, text_len))
        return secret_copy(ret_text, text, text_len);
    TRY(decompose(&code_points, &num, text, text_len));
    TRY(secret_new(&normal, num * UTF8_MAX));
    const int32_t *code_point = (const void *)code_points.data;
    for (size_t i = 0; i < num; i++) {
        if (!drop_controls || !is_control(code_point[i]))
            length += (size_t)utf8proc_encode_char(code_point[i], normal.data + length);
    }
    secret_truncate(&normal, length);
    *ret_text = normal;
    normal = (struct secret){0};
    return RESULT_OK;
}

result keystore_nfkd(struct secret *ret_text, const uint8_t *text, size_t text_len)
{
    return normalize(ret_text, text, text_len, false);
}

result keystore_password_normalize(struct secret *ret_password, const uint8_t *password, size_t password_len)
{
    result r = normalize(ret_password, password, password_len, true);
    return r.code ? error_prefix(r, "password") : r;
}
