/* net_tls_known.c - Web3Signer's list of known clients: a common name and a SHA-256 fingerprint a line.
 *
 * Hexadecimal of either case, colons between bytes or none; '#' begins a comment line. As there, the last
 * line of a name is the one that counts. Unlike there, a name may have blanks in it: the fingerprint is
 * the last word of its line. */
#include "net/net_tls_known.h"

#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
#include "base/secret.h"

enum { CLIENTS_MAX = 4096, HEX_LEN = 64, COLONS_LEN = 95 };

static const char blanks[] = " \t\r";

static must_check result parse_fingerprint(uint8_t ret_fingerprint[static 32], const char *word, size_t line)
{
    char digits[HEX_LEN];
    size_t length = strlen(word);
    ENSURE(length == HEX_LEN || length == COLONS_LEN, E_INPUT,
           "line %zu: the last word must be a SHA-256 fingerprint, 64 hexadecimal digits", line);
    size_t step = length == HEX_LEN ? 2 : 3;
    for (size_t i = 0; i < 32; i++) {
        ENSURE(step == 2 || i == 31 || word[i * step + 2] == ':', E_INPUT,
               "line %zu: a colon must stand between any two bytes of the fingerprint, or none", line);
        memcpy(digits + i * 2, word + i * step, 2);
    }
    result r = hex_decode(ret_fingerprint, 32, digits, HEX_LEN);
    return r.code ? error_prefix(r, "line %zu", line) : r;
}

static struct net_tls_known_client *place_of(struct net_tls_known *known, const char *name)
{
    for (size_t i = 0; i < known->num_clients; i++) {
        if (strcmp(known->clients[i].name, name) == 0)
            return &known->clients[i];
    }
    return &known->clients[known->num_clients++];
}

/* text is the line, which ends with a NUL; it is cut in place. */
static must_check result parse_line(struct net_tls_known *known, char *text, size_t line)
{
    text += strspn(text, blanks);
    size_t length = strlen(text);
    while (length > 0 && strchr(blanks, text[length - 1]))
        text[--length] = 0;
    if (length == 0 || *text == '#')
        return RESULT_OK;
    size_t name_len = length;
    while (name_len > 0 && !strchr(blanks, text[name_len - 1]))
        name_len--;
    const char *word = text + name_len;
    while (name_len > 0 && strchr(blanks, text[name_len - 1]))
        name_len--;
    ENSURE(name_len > 0, E_INPUT, "line %zu: must be a common name and a SHA-256 fingerprint", line);
    uint8_t fingerprint[32];
    TRY(parse_fingerprint(fingerprint, word, line));
    ENSURE(known->num_clients < CLIENTS_MAX, E_TOO_LARGE, "line %zu: more than %d clients", line,
           CLIENTS_MAX);
    text[name_len] = 0;
    struct net_tls_known_client *client = place_of(known, text);
    client->name = text;
    memcpy(client->fingerprint, fingerprint, sizeof fingerprint);
    return RESULT_OK;
}

result net_tls_known_parse(struct net_tls_known *ret_known, const char *text, size_t text_len)
{
    AUTO(net_tls_known) known = {0};
    ENSURE(!memchr(text, 0, text_len), E_INPUT, "NUL character");
    known.text = malloc(text_len + 1);
    known.clients = calloc(CLIENTS_MAX, sizeof *known.clients);
    ENSURE(known.text && known.clients, E_MEMORY, "out of memory");
    memcpy(known.text, text, text_len);
    known.text[text_len] = 0;
    size_t line = 0;
    for (char *at = known.text; at;) {
        char *next = strchr(at, '\n');
        if (next)
            *next++ = 0;
        TRY(parse_line(&known, at, ++line));
        at = next;
    }
    *ret_known = known;
    known = (struct net_tls_known){0};
    return RESULT_OK;
}

void net_tls_known_cleanup(struct net_tls_known *known)
{
    free(known->text);
    free(known->clients);
    *known = (struct net_tls_known){0};
}

bool net_tls_known_has(const struct net_tls_known *known, const char *name,
                       const uint8_t fingerprint[static 32])
{
    bool found = false;
    for (size_t i = 0; i < known->num_clients; i++) {
        bool same = secret_equal(known->clients[i].fingerprint, fingerprint, 32);
        found |= same & (strcmp(known->clients[i].name, name) == 0);
    }
    return found;
}
