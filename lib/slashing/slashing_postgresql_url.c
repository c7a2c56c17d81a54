/* slashing_postgresql_url.c - the address of a database, as Java's driver and as PostgreSQL itself write it.
 *
 * Rejected: libpq's own parser, which fills what an address leaves out from the environment and from files of
 * the user, and would read a password into ordinary memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/options.h"
#include "slashing/slashing_postgresql_url.h"

enum { DECODED_MAX = 1024 };

/* A piece of the URL. */
struct span {
    const char *at;
    size_t length;
};

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Percent encoding only: "+" is itself, as in a password. */
static must_check result decode(char *out, size_t out_size, struct span in, const char *what)
{
    size_t used = 0;
    for (size_t i = 0; i < in.length; i++) {
        char c = in.at[i];
        if (c == '%') {
            int high = i + 2 < in.length ? digit_of(in.at[i + 1]) : -1;
            int low = i + 2 < in.length ? digit_of(in.at[i + 2]) : -1;
            ENSURE(high >= 0 && low >= 0, E_INPUT, "%s: not percent encoded", what);
            c = (char)(high << 4 | low);
            i += 2;
        }
        ENSURE((unsigned char)c >= ' ' && c != 0x7f, E_INPUT, "%s: a control character", what);
        ENSURE(used + 1 < out_size, E_TOO_LARGE, "%s: too long", what);
        out[used++] = c;
    }
    out[used] = '\0';
    return RESULT_OK;
}

/* A setting may be made once. */
static must_check result set_text(char out[static SLASHING_POSTGRESQL_TEXT_MAX], struct span value,
                                  const char *what)
{
    char text[SLASHING_POSTGRESQL_TEXT_MAX];
    ENSURE(out[0] == '\0', E_INPUT, "%s: given twice", what);
    TRY(decode(text, sizeof text, value, what));
    ENSURE(text[0] != '\0', E_INPUT, "%s: empty", what);
    memcpy(out, text, sizeof text);
    return RESULT_OK;
}

static must_check result set_password(struct slashing_postgresql_settings *s, struct span value)
{
    char text[DECODED_MAX];
    ENSURE(s->password.length == 0, E_INPUT, "password: given twice");
    result r = decode(text, sizeof text, value, "password");
    if (!r.code && text[0] != '\0')
        r = secret_copy(&s->password, text, strlen(text));
    secret_wipe(text, sizeof text);
    return r;
}

static must_check result parse_seconds(uint32_t *ret_seconds, struct span value, const char *what)
{
    char text[SLASHING_POSTGRESQL_TEXT_MAX] = "";
    uint64_t seconds;
    ENSURE(*ret_seconds == 0, E_INPUT, "%s: given twice", what);
    TRY(set_text(text, value, what));
    result r = parse_u64(&seconds, text);
    if (r.code)
        return error_prefix(r, "%s", what);
    ENSURE(seconds >= 1 && seconds <= 3600, E_INPUT, "%s: must be 1 to 3600 seconds", what);
    *ret_seconds = (uint32_t)seconds;
    return RESULT_OK;
}

static bool is_word(struct span name, const char *word)
{
    return strlen(word) == name.length && memcmp(word, name.at, name.length) == 0;
}

static must_check result set_sslmode(struct slashing_postgresql_settings *s, struct span value)
{
    static const char *const modes[] = {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
    TRY(set_text(s->sslmode, value, "sslmode"));
    for (size_t i = 0; i < ARRAY_LENGTH(modes); i++)
        if (strcmp(s->sslmode, modes[i]) == 0)
            return RESULT_OK;
    FAIL(E_INPUT, "sslmode: must be disable, allow, prefer, require, verify-ca or verify-full");
}

/* Those that are copied as they are; NULL for any other name. */
static char *text_parameter(struct slashing_postgresql_settings *s, bool is_jdbc, struct span name)
{
    if (is_word(name, "user"))
        return s->user;
    if (is_word(name, "sslrootcert"))
        return s->sslrootcert;
    if (is_word(name, "sslcert"))
        return s->sslcert;
    if (is_word(name, "sslkey"))
        return s->sslkey;
    return !is_jdbc && is_word(name, "host") ? s->host : NULL;
}

static must_check result set_socket_timeout(struct slashing_postgresql_settings *s, struct span value)
{
    uint32_t seconds = s->statement_timeout_milliseconds;
    TRY(parse_seconds(&seconds, value, "socketTimeout"));
    s->statement_timeout_milliseconds = seconds * 1000;
    return RESULT_OK;
}

static must_check result set_parameter(struct slashing_postgresql_settings *s, bool *ret_ssl, bool is_jdbc,
                                       struct span name, struct span value)
{
    char shown[41];
    (void)snprintf(shown, sizeof shown, "%.*s", name.length < 40 ? (int)name.length : 40, name.at);
    char *text = text_parameter(s, is_jdbc, name);
    if (text)
        return set_text(text, value, shown);
    if (is_word(name, "password"))
        return set_password(s, value);
    if (is_word(name, "sslmode"))
        return set_sslmode(s, value);
    if (is_word(name, "connect_timeout") || is_word(name, "connectTimeout"))
        return parse_seconds(&s->connect_timeout_seconds, value, shown);
    if (is_word(name, "socketTimeout"))
        return set_socket_timeout(s, value);
    ENSURE(is_jdbc && is_word(name, "ssl"), E_INPUT, "parameter %s: not known", shown);
    *ret_ssl = is_word(value, "true") || value.length == 0;
    ENSURE(*ret_ssl || is_word(value, "false"), E_INPUT, "ssl: must be true or false");
    return RESULT_OK;
}

static must_check result parse_parameters(struct slashing_postgresql_settings *s, bool is_jdbc,
                                          struct span text)
{
    bool ssl = false;
    while (text.length > 0) {
        const char *end = memchr(text.at, '&', text.length);
        struct span pair = {text.at, end ? (size_t)(end - text.at) : text.length};
        const char *equals = memchr(pair.at, '=', pair.length);
        struct span name = {pair.at, equals ? (size_t)(equals - pair.at) : pair.length};
        struct span value = {pair.at + pair.length, 0};
        if (equals)
            value = (struct span){equals + 1, pair.length - name.length - 1};
        TRY(set_parameter(s, &ssl, is_jdbc, name, value));
        size_t used = pair.length + (end ? 1 : 0);
        text = (struct span){text.at + used, text.length - used};
    }
    /* What Java's driver means by it. */
    if (ssl && s->sslmode[0] == '\0')
        memcpy(s->sslmode, "verify-full", sizeof "verify-full");
    return RESULT_OK;
}

static must_check result set_port(struct slashing_postgresql_settings *s, struct span text)
{
    char digits[6];
    uint64_t port = 0;
    TRY(decode(digits, sizeof digits, text, "port"));
    result r = parse_u64(&port, digits);
    ENSURE(!r.code && port >= 1 && port <= 65535, E_INPUT, "port: must be 1 to 65535");
    (void)snprintf(s->port, sizeof s->port, "%u", (unsigned)port);
    return RESULT_OK;
}

/* HOST, HOST:PORT or [ADDRESS]:PORT; all of it may be absent. */
static must_check result parse_host(struct slashing_postgresql_settings *s, struct span text)
{
    ENSURE(!memchr(text.at, ',', text.length), E_INPUT, "host: must be one; several are not supported");
    struct span host = text, rest = {text.at + text.length, 0};
    if (text.length > 0 && text.at[0] == '[') {
        const char *end = memchr(text.at, ']', text.length);
        ENSURE(end, E_INPUT, "host: ] is missing");
        host = (struct span){text.at + 1, (size_t)(end - text.at) - 1};
        rest = (struct span){end + 1, text.length - host.length - 2};
    } else {
        const char *colon = memchr(text.at, ':', text.length);
        host.length = colon ? (size_t)(colon - text.at) : text.length;
        rest = (struct span){text.at + host.length, text.length - host.length};
    }
    if (host.length > 0)
        TRY(set_text(s->host, host, "host"));
    if (rest.length == 0)
        return RESULT_OK;
    ENSURE(rest.at[0] == ':', E_INPUT, "host: something stands behind it that is no port");
    return set_port(s, (struct span){rest.at + 1, rest.length - 1});
}

static must_check result parse_user(struct slashing_postgresql_settings *s, struct span text)
{
    const char *colon = memchr(text.at, ':', text.length);
    struct span user = {text.at, colon ? (size_t)(colon - text.at) : text.length};
    TRY(set_text(s->user, user, "user"));
    return colon ? set_password(s, (struct span){colon + 1, text.length - user.length - 1}) : RESULT_OK;
}

/* What stands behind "//". */
static must_check result parse_authority(struct slashing_postgresql_settings *s, bool is_jdbc,
                                         const char *text)
{
    size_t length = strcspn(text, "/?");
    const char *path = text + length;
    const char *at = is_jdbc ? NULL : memrchr(text, '@', length);
    struct span host = {text, length};
    if (at) {
        TRY(parse_user(s, (struct span){text, (size_t)(at - text)}));
        host = (struct span){at + 1, length - (size_t)(at - text) - 1};
    }
    TRY(parse_host(s, host));
    ENSURE(path[0] == '/' && path[1] != '\0' && path[1] != '?', E_INPUT,
           "the name of the database is missing");
    size_t name_length = strcspn(path + 1, "?");
    TRY(set_text(s->database, (struct span){path + 1, name_length}, "database"));
    const char *query = path + 1 + name_length;
    if (query[0] == '?')
        TRY(parse_parameters(s, is_jdbc, (struct span){query + 1, strlen(query + 1)}));
    return RESULT_OK;
}

static must_check result parse(struct slashing_postgresql_settings *s, const char *url)
{
    static const char jdbc[] = "jdbc:postgresql://", plain[] = "postgresql://", short_plain[] = "postgres://";
    if (strncmp(url, jdbc, strlen(jdbc)) == 0)
        TRY(parse_authority(s, true, url + strlen(jdbc)));
    else if (strncmp(url, plain, strlen(plain)) == 0)
        TRY(parse_authority(s, false, url + strlen(plain)));
    else if (strncmp(url, short_plain, strlen(short_plain)) == 0)
        TRY(parse_authority(s, false, url + strlen(short_plain)));
    else
        FAIL(E_INPUT, "must begin with jdbc:postgresql:// or postgresql://");
    if (s->host[0] == '\0')
        memcpy(s->host, "localhost", sizeof "localhost");
    return RESULT_OK;
}

result slashing_postgresql_parse_url(struct slashing_postgresql_settings *ret_settings, const char *url)
{
    AUTO(slashing_postgresql_settings) s = {0};
    TRY(parse(&s, url));
    *ret_settings = s;
    s.password = (struct secret){0};
    return RESULT_OK;
}

void slashing_postgresql_settings_cleanup(struct slashing_postgresql_settings *settings)
{
    secret_cleanup(&settings->password);
}
