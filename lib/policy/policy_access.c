/* policy_access.c - lines of six kinds, in one order, so that a list has one text and one digest.
 *
 * The digest alone would pin any bytes. One form all the same: an operator who makes the document twice from
 * the same files must get the same PCR16, and a line that stands there twice is a mistake worth knowing.
 * Rejected: the files of the stand-alone program as they are, one behind the other, with tokens in plain text
 * before the host's eyes. */
#include "policy/policy_access.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/hex.h"

enum { NAME_MAX_LEN = 127, FINGERPRINT_LEN = 64, AUTHORITY_MAX = 8192, HOST_MAX_LEN = 255 };

static const char hex_digits[] = "0123456789abcdef";
static const char host_characters[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";

/* value[0..length) is printable ASCII without a newline, followed by a byte that may be read. */
typedef result taker(struct policy_access *access, const char *value, size_t length);

static bool is_digest(const char *text, size_t length)
{
    return length == FINGERPRINT_LEN && strspn(text, hex_digits) >= length;
}

/* How much of a line "NAME FINGERPRINT" is the name. */
static size_t name_length(size_t length)
{
    return length > FINGERPRINT_LEN ? length - FINGERPRINT_LEN - 1 : 0;
}

static bool has_client(const struct policy_access *access, const char *name, size_t name_len)
{
    const char *at = (const char *)access->clients.data;
    for (size_t i = 0; i < access->num_clients; i++) {
        size_t length = strcspn(at, "\n");
        if (name_length(length) == name_len && memcmp(at, name, name_len) == 0)
            return true;
        at += length + 1;
    }
    return false;
}

/* A name that a known-clients file would read as something else is none: a comment, or blanks at an end. */
static must_check result take_client(struct policy_access *access, const char *value, size_t length)
{
    size_t name_len = name_length(length);
    ENSURE(name_len > 0 && value[name_len] == ' ' && is_digest(value + name_len + 1, FINGERPRINT_LEN),
           E_INPUT, "must be a common name and the certificate's SHA-256, %d lower-case digits",
           FINGERPRINT_LEN);
    ENSURE(name_len <= NAME_MAX_LEN && value[0] != '#' && value[0] != ' ' && value[name_len - 1] != ' ',
           E_INPUT, "a name has 1 to %d characters, none of them a # in front or a blank at an end",
           NAME_MAX_LEN);
    ENSURE(!has_client(access, value, name_len), E_INPUT, "this name stands in a line above");
    TRY(buffer_append(&access->clients, value, length));
    TRY(buffer_append_text(&access->clients, "\n"));
    access->num_clients++;
    return RESULT_OK;
}

static must_check result take_authority(struct policy_access *access, const char *value, size_t length)
{
    uint8_t der[AUTHORITY_MAX];
    size_t der_len = 0;
    result r = base64_decode(der, &der_len, sizeof der, value, length);
    ENSURE(!r.code && der_len > 0, E_INPUT, "must be the base64 of a certificate of at most %d bytes",
           AUTHORITY_MAX);
    access->num_authorities++;
    return buffer_append(&access->authorities, der, der_len);
}

static must_check result take_digest(struct buffer *out, const char *value, size_t length)
{
    uint8_t digest[POLICY_DIGEST_LEN];
    ENSURE(is_digest(value, length), E_INPUT, "must be a SHA-256, %d lower-case digits", FINGERPRINT_LEN);
    TRY(hex_decode(digest, sizeof digest, value, length));
    return buffer_append(out, digest, sizeof digest);
}

static must_check result take_path_token(struct policy_access *access, const char *value, size_t length)
{
    return take_digest(&access->path_tokens, value, length);
}

static must_check result take_basic(struct policy_access *access, const char *value, size_t length)
{
    return take_digest(&access->basic, value, length);
}

static must_check result append_name(struct buffer *out, const char *value, size_t length)
{
    if (out->length)
        TRY(buffer_append_text(out, ","));
    return buffer_append(out, value, length);
}

static bool is_word(const char *value, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(value, word, length) == 0;
}

static must_check result take_host(struct policy_access *access, const char *value, size_t length)
{
    ENSURE(length <= HOST_MAX_LEN && strspn(value, host_characters) >= length &&
               !is_word(value, length, "all") && !is_word(value, length, "none"),
           E_INPUT, "must be a host's name in lower case, without a port");
    return append_name(&access->hosts, value, length);
}

static must_check result take_origin(struct policy_access *access, const char *value, size_t length)
{
    /* Without the plus that a scheme could have: the front takes that for a regular expression's. */
    size_t scheme_len = strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-.");
    size_t begin_len = scheme_len + strlen("://");
    ENSURE(scheme_len > 0 && length > begin_len && length <= HOST_MAX_LEN &&
               memcmp(value + scheme_len, "://", 3) == 0 &&
               strspn(value + begin_len, host_characters) >= length - begin_len,
           E_INPUT, "must be an origin in lower case, such as https://example.org:8443");
    return append_name(&access->origins, value, length);
}

static const struct kind {
    const char *name;
    taker *take;
    size_t max;
} kinds[] = {
    {"client", take_client, POLICY_ACCESS_CLIENTS_MAX},
    {"ca", take_authority, POLICY_ACCESS_AUTHORITIES_MAX},
    {"path_token_sha256", take_path_token, POLICY_ACCESS_DIGESTS_MAX},
    {"basic_sha256", take_basic, POLICY_ACCESS_DIGESTS_MAX},
    {"host", take_host, POLICY_ACCESS_NAMES_MAX},
    {"cors", take_origin, POLICY_ACCESS_NAMES_MAX},
};

struct line {
    const char *text;
    size_t length;
};

/* Where the reading is: which kind of line is open, how many of it there were, and the last line. */
struct place {
    size_t kind, count;
    struct line before;
};

static must_check result next_line(struct line *ret_line, struct cursor *rest)
{
    const char *text = (const char *)rest->at;
    const char *end = memchr(text, '\n', rest->left);
    ENSURE(end, E_INPUT, "must end with a newline");
    size_t length = (size_t)(end - text);
    for (size_t i = 0; i < length; i++)
        ENSURE(text[i] >= ' ' && text[i] <= '~', E_INPUT, "must be printable ASCII");
    *ret_line = (struct line){text, length};
    rest->at += length + 1;
    rest->left -= length + 1;
    return RESULT_OK;
}

static must_check result find_kind(size_t *ret_kind, const struct line *line)
{
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        size_t name_len = strlen(kinds[i].name);
        if (line->length > name_len + 1 && memcmp(line->text, kinds[i].name, name_len) == 0 &&
            line->text[name_len] == ' ') {
            *ret_kind = i;
            return RESULT_OK;
        }
    }
    FAIL(E_INPUT, "must be client, ca, path_token_sha256, basic_sha256, host or cors, and what goes with it");
}

static int compare(const struct line *a, const struct line *b)
{
    int order = memcmp(a->text, b->text, a->length < b->length ? a->length : b->length);
    return order ? order : (a->length > b->length) - (a->length < b->length);
}

static must_check result take_line(struct policy_access *access, struct place *place, const struct line *line)
{
    size_t kind = 0;
    TRY(find_kind(&kind, line));
    ENSURE(kind >= place->kind, E_INPUT, "%s must stand before %s", kinds[kind].name,
           kinds[place->kind].name);
    if (kind > place->kind)
        *place = (struct place){.kind = kind};
    ENSURE(place->count < kinds[kind].max, E_INPUT, "more than %zu lines of %s", kinds[kind].max,
           kinds[kind].name);
    int order = place->count ? compare(&place->before, line) : -1;
    ENSURE(order != 0, E_INPUT, "is the line above again");
    ENSURE(order < 0, E_INPUT, "must stand before the line above: lines of a kind are sorted");
    place->count++;
    place->before = *line;
    size_t skipped = strlen(kinds[kind].name) + 1;
    result r = kinds[kind].take(access, line->text + skipped, line->length - skipped);
    return r.code ? error_prefix(r, "%s", kinds[kind].name) : r;
}

result policy_access_parse(struct policy_access *ret_access, const char *text, size_t text_len)
{
    static const char first[] = "nitro-signer-access 1\n";
    AUTO(policy_access) access = {0};
    struct place place = {0};
    ENSURE(text_len <= POLICY_ACCESS_MAX, E_INPUT, "access: must have at most %d bytes", POLICY_ACCESS_MAX);
    ENSURE(text_len >= strlen(first) && memcmp(text, first, strlen(first)) == 0, E_INPUT,
           "access: line 1: must be nitro-signer-access 1");
    struct cursor rest = {(const uint8_t *)text + strlen(first), text_len - strlen(first)};
    for (size_t number = 2; rest.left; number++) {
        struct line line = {0};
        result r = next_line(&line, &rest);
        if (!r.code)
            r = take_line(&access, &place, &line);
        if (r.code)
            return error_prefix(r, "access: line %zu", number);
    }
    ENSURE(access.num_clients + access.num_authorities + access.path_tokens.length + access.basic.length > 0,
           E_INPUT,
           "access: admits nobody: a line of client, ca, path_token_sha256 or basic_sha256 is needed");
    *ret_access = access;
    access = (struct policy_access){0};
    return RESULT_OK;
}

void policy_access_cleanup(struct policy_access *access)
{
    buffer_cleanup(&access->clients);
    buffer_cleanup(&access->authorities);
    buffer_cleanup(&access->path_tokens);
    buffer_cleanup(&access->basic);
    buffer_cleanup(&access->hosts);
    buffer_cleanup(&access->origins);
    *access = (struct policy_access){0};
}

static must_check result digest_of(uint8_t ret_digest[static POLICY_DIGEST_LEN], const char *text,
                                   size_t text_len)
{
    ENSURE(EVP_Digest(text, text_len, ret_digest, NULL, EVP_sha256(), NULL) == 1, E_CRYPTO, "SHA-256 failed");
    return RESULT_OK;
}

result policy_set_access(struct policy *policy, const char *text, size_t text_len)
{
    uint8_t digest[POLICY_DIGEST_LEN];
    TRY(digest_of(digest, text, text_len));
    memcpy(policy->access, digest, sizeof digest);
    policy->has_access = true;
    return RESULT_OK;
}

result policy_check_access(const struct policy *policy, const char *text, size_t text_len)
{
    uint8_t digest[POLICY_DIGEST_LEN];
    ENSURE(policy->has_access || text_len == 0, E_MISMATCH,
           "access: the policy says any: no access document may come with it");
    if (!policy->has_access)
        return RESULT_OK;
    ENSURE(text_len > 0, E_MISMATCH, "access: the policy pins an access document, and none came");
    TRY(digest_of(digest, text, text_len));
    ENSURE(memcmp(digest, policy->access, sizeof digest) == 0, E_MISMATCH,
           "access: is not the document whose SHA-256 the policy pins");
    return RESULT_OK;
}
