/* ctl_access.c - access make: the files that say who may connect to a stand-alone signer, under the same
 * option names, become the one document that an enclave's policy pins. Tokens and passwords go into it as
 * digests; each kind of line is sorted, so the same files give the same document. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/file_io.h"
#include "base/hex.h"
#include "ctl_report.h"
#include "net/net_tls_clients.h"
#include "policy/policy_access.h"
#include "policy/policy_credentials.h"

enum { LINES_MAX = 512, FILE_MAX_LEN = 1048576, HEX_LEN = 2 * POLICY_DIGEST_LEN };

typedef struct net_tls_clients net_tls_clients;
DEFINE_AUTO_POINTER(net_tls_clients, net_tls_clients_free)
DEFINE_AUTO_POINTER(BIO, BIO_free_all)
DEFINE_AUTO_POINTER(X509, X509_free)

struct options {
    const char *known_clients, *client_ca, *basic, *path_tokens, *hosts, *origins;
};

/* Lines of one kind, without their newline. */
struct lines {
    char *texts[LINES_MAX];
    size_t count;
};

static void lines_cleanup(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->texts[i]);
    lines->count = 0;
}

static must_check result add_line(struct lines *lines, const struct buffer *text)
{
    ENSURE(lines->count < LINES_MAX, E_TOO_LARGE, "more than %d lines", LINES_MAX);
    char *copy = strdup((const char *)text->data);
    ENSURE(copy, E_MEMORY, "out of memory");
    lines->texts[lines->count++] = copy;
    return RESULT_OK;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What the files say twice is said once. */
static must_check result print_lines(struct buffer *out, struct lines *lines)
{
    qsort(lines->texts, lines->count, sizeof *lines->texts, compare);
    for (size_t i = 0; i < lines->count; i++) {
        if (i == 0 || strcmp(lines->texts[i - 1], lines->texts[i]) != 0)
            TRY(buffer_printf(out, "%s\n", lines->texts[i]));
    }
    return RESULT_OK;
}

static must_check result read_clients(struct lines *lines, const char *path)
{
    AUTO(buffer) text = {0};
    AUTO_POINTER(net_tls_clients) clients = NULL;
    TRY(file_read(&text, path, FILE_MAX_LEN));
    TRY(net_tls_clients_new(&clients));
    TRY(net_tls_clients_know(clients, text.data ? (const char *)text.data : "", text.length));
    for (size_t i = 0; i < net_tls_clients_known(clients); i++) {
        AUTO(buffer) line = {0};
        char digits[HEX_LEN + 1];
        hex_encode(digits, net_tls_clients_fingerprint(clients, i), POLICY_DIGEST_LEN);
        TRY(buffer_printf(&line, "client %s %s", net_tls_clients_name(clients, i), digits));
        TRY(add_line(lines, &line));
    }
    return RESULT_OK;
}

static must_check result add_certificate(struct lines *lines, X509 *certificate)
{
    AUTO(buffer) line = {0};
    uint8_t *der = NULL;
    int length = i2d_X509(certificate, &der);
    result r = buffer_append_text(&line, "ca ");
    if (!r.code)
        r = length > 0 ? base64_append(&line, der, (size_t)length)
                       : error_set(E_CRYPTO, "a certificate cannot be written");
    OPENSSL_free(der);
    return r.code ? r : add_line(lines, &line);
}

static must_check result read_authorities(struct lines *lines, const char *path)
{
    AUTO(buffer) text = {0};
    TRY(file_read(&text, path, FILE_MAX_LEN));
    AUTO_POINTER(BIO) bio = BIO_new_mem_buf(text.data, (int)text.length);
    ENSURE(bio, E_MEMORY, "out of memory");
    for (;;) {
        AUTO_POINTER(X509) certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!certificate)
            break;
        TRY(add_certificate(lines, certificate));
    }
    bool ended = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    ERR_clear_error();
    ENSURE(ended && lines->count > 0, E_INPUT, "not a PEM file of certificates");
    return RESULT_OK;
}

static must_check result read_credentials(struct lines *lines, const char *kind,
                                          enum policy_credentials_kind form, const char *path)
{
    AUTO(secret) digests = {0};
    TRY(policy_credentials_read(&digests, form, path));
    for (size_t at = 0; at < digests.length; at += POLICY_DIGEST_LEN) {
        AUTO(buffer) line = {0};
        char digits[HEX_LEN + 1];
        hex_encode(digits, digests.data + at, POLICY_DIGEST_LEN);
        TRY(buffer_printf(&line, "%s %s", kind, digits));
        TRY(add_line(lines, &line));
    }
    return RESULT_OK;
}

static must_check result read_tokens(struct lines *lines, const char *path)
{
    return read_credentials(lines, "path_token_sha256", POLICY_TOKENS, path);
}

static must_check result read_basic(struct lines *lines, const char *path)
{
    return read_credentials(lines, "basic_sha256", POLICY_BASIC, path);
}

static must_check result split(struct lines *lines, const char *kind, const char *names)
{
    for (const char *at = names; at;) {
        AUTO(buffer) line = {0};
        size_t length = strcspn(at, ",");
        TRY(buffer_printf(&line, "%s %.*s", kind, (int)length, at));
        for (uint8_t *c = line.data; *c; c++) {
            if (*c >= 'A' && *c <= 'Z')
                *c = (uint8_t)(*c | 0x20);
        }
        TRY(add_line(lines, &line));
        at = at[length] ? at + length + 1 : NULL;
    }
    return RESULT_OK;
}

static must_check result read_hosts(struct lines *lines, const char *names)
{
    return split(lines, "host", names);
}

static must_check result read_origins(struct lines *lines, const char *names)
{
    return split(lines, "cors", names);
}

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){0};
    const struct option table[] = {
        {"tls-known-clients-file", OPTION_FILE, &o->known_clients,
         "serve TLS clients whose certificate's name and fingerprint are in this file (none)", 0, 0},
        {"tls-client-ca-file", OPTION_FILE, &o->client_ca,
         "serve TLS clients whose certificate comes from an authority in this PEM file (none)", 0, 0},
        {"http-path-tokens-file", OPTION_FILE, &o->path_tokens,
         "file of tokens; requests need one of them before their path, or HTTP Basic (none)", 0, 0},
        {"http-basic-credentials-file", OPTION_FILE, &o->basic,
         "file of user:password lines; requests need one of them, or a token (none)", 0, 0},
        {"http-host-allowlist", OPTION_TEXT, &o->hosts, "comma-separated Host names served (all)", 0, 0},
        {"http-cors-origins", OPTION_TEXT, &o->origins, "comma-separated origins whose pages may ask (none)",
         0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    call->is_usage_error = !o->known_clients && !o->client_ca && !o->path_tokens && !o->basic;
    ENSURE(!call->is_usage_error, E_INPUT,
           "one of --tls-known-clients-file, --tls-client-ca-file, --http-path-tokens-file and "
           "--http-basic-credentials-file is required: nobody could connect");
    return RESULT_OK;
}

/* In the order of the document. */
static must_check result compose(struct buffer *out, const struct options *o)
{
    const struct {
        const char *option, *value;
        result (*read)(struct lines *lines, const char *value);
    } kinds[] = {
        {"tls-known-clients-file", o->known_clients, read_clients},
        {"tls-client-ca-file", o->client_ca, read_authorities},
        {"http-path-tokens-file", o->path_tokens, read_tokens},
        {"http-basic-credentials-file", o->basic, read_basic},
        {"http-host-allowlist", o->hosts, read_hosts},
        {"http-cors-origins", o->origins, read_origins},
    };
    TRY(buffer_append_text(out, "nitro-signer-access 1\n"));
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        AUTO(lines) lines = {.count = 0};
        result r = kinds[i].value ? kinds[i].read(&lines, kinds[i].value) : RESULT_OK;
        if (r.code)
            return error_prefix(r, "--%s", kinds[i].option);
        TRY(print_lines(out, &lines));
    }
    return RESULT_OK;
}

result ctl_access_make(struct ctl_call *call)
{
    struct options o;
    AUTO(buffer) text = {0};
    AUTO(policy_access) checked = {0};
    TRY(parse_options(&o, call));
    TRY(ctl_secrets_open());
    TRY(compose(&text, &o));
    /* What the enclave would refuse must not be printed: its grammar is the judge. */
    TRY(policy_access_parse(&checked, (const char *)text.data, text.length));
    return ctl_print_document(call, (const char *)text.data);
}
