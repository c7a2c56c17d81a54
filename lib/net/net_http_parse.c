/* net_http_parse.c - see net_http_parse.h.
 *
 * The whole head is there before any of it is read, so this is straight-line code over one copy that
 * is cut into strings in place. Rejected: libevent's evhttp, which ends the process when a client
 * comes over vsock (getnameinfo on its address is treated as fatal), buffers a chunk-size line without
 * a limit, ignores unknown transfer codings and answers bad requests as "HTTP/0.0"; and Debian's
 * http-parser, which is no longer maintained. */
#include "net/net_http_parse.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

result net_http_head_length(size_t *ret_len, int *ret_status, const char *input, size_t input_len)
{
    /* Without this a client that ends lines with LF alone would wait for its time-out. */
    const char *newline = memchr(input, '\n', input_len);
    ACCEPT_IF(!newline || (newline > input && newline[-1] == '\r'), 400, "line does not end with CR LF");
    size_t line_len = newline ? (size_t)(newline - input) - 1 : input_len;
    ACCEPT_IF(line_len <= NET_HTTP_LINE_MAX, 414, "request line: longer than %d bytes", NET_HTTP_LINE_MAX);
    const char *end = memmem(input, input_len, "\r\n\r\n", 4);
    size_t head_len = end ? (size_t)(end - input) + 4 : 0;
    ACCEPT_IF((end ? head_len : input_len) <= NET_HTTP_HEAD_MAX, 431, "headers: more than %d bytes",
              NET_HTTP_HEAD_MAX);
    *ret_len = head_len;
    return RESULT_OK;
}

static bool is_token_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *text)
{
    for (const char *c = text; *c; c++) {
        if (!is_token_character(*c))
            return false;
    }
    return *text != 0;
}

/* Cuts text at the first separator; NULL and text untouched if there is none. */
static char *cut(char *text, char separator)
{
    char *at = strchr(text, separator);
    if (!at)
        return NULL;
    *at = 0;
    return at + 1;
}

static enum net_http_method method_of(const char *name)
{
    static const char *const names[] = {
        [NET_HTTP_GET] = "GET", [NET_HTTP_HEAD] = "HEAD",     [NET_HTTP_POST] = "POST",
        [NET_HTTP_PUT] = "PUT", [NET_HTTP_DELETE] = "DELETE", [NET_HTTP_OPTIONS] = "OPTIONS",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        if (strcmp(names[i], name) == 0)
            return (enum net_http_method)i;
    }
    return NET_HTTP_OTHER;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Decodes, collapses and trims in place: the result is never longer. */
static must_check result normalise_path(char *path, int *ret_status)
{
    char *out = path;
    for (const char *in = path; *in; in++) {
        int c = (unsigned char)*in;
        if (c == '%') {
            int high = hex_value(in[1]);
            int low = high < 0 ? -1 : hex_value(in[2]);
            ACCEPT_IF(low >= 0, 400, "path: malformed percent encoding");
            c = high * 16 + low;
            in += 2;
        }
        ACCEPT_IF(c >= 0x20 && c != 0x7f, 400, "path: control character");
        if (c == '/' && out > path && out[-1] == '/')
            continue;
        *out++ = (char)c;
    }
    if (out - path > 1 && out[-1] == '/')
        out--;
    *out = 0;
    return RESULT_OK;
}

/* "name", "name:port", "[address]:port" becomes the bare name in lower case. */
static must_check result normalise_host(char **inout_host, int *ret_status)
{
    char *host = *inout_host, *end;
    if (host[0] == '[') {
        end = strchr(++host, ']');
        ACCEPT_IF(end && (end[1] == 0 || end[1] == ':'), 400, "host: malformed");
    } else {
        end = host + strcspn(host, ":");
    }
    const char *port = *end == ']' ? end + 1 : end;
    if (*port == ':')
        port++;
    ACCEPT_IF(port[strspn(port, "0123456789")] == 0, 400, "host: malformed port");
    *end = 0;
    for (char *c = host; *c; c++) {
        bool upper = *c >= 'A' && *c <= 'Z';
        if (upper)
            *c = (char)(*c | 0x20);
        ACCEPT_IF(is_token_character(*c) || strchr("(),;=:", *c), 400, "host: malformed");
    }
    *inout_host = host;
    return RESULT_OK;
}

/* origin-form, absolute-form (its authority then stands for Host) or "*". */
static must_check result parse_target(struct net_http_head *head, char *target, int *ret_status)
{
    for (const char *c = target; *c; c++)
        ACCEPT_IF(*c > 0x20 && *c < 0x7f, 400, "request target: character outside ASCII");
    static char root[] = "/";
    char *path = target;
    if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
        char *authority = strchr(target, ':') + 3;
        path = authority + strcspn(authority, "/?");
        ACCEPT_IF(path > authority, 400, "request target: no host");
        /* One byte to the left, over the scheme, makes room to end it. */
        memmove(authority - 1, authority, (size_t)(path - authority));
        path[-1] = 0;
        authority--;
        TRY(normalise_host(&authority, ret_status));
        head->host = authority;
    }
    char *query = cut(path, '?');
    head->query = query ? query : "";
    if (path != target && *path == 0)
        path = root;
    ACCEPT_IF(path[0] == '/' || (head->method == NET_HTTP_OPTIONS && strcmp(path, "*") == 0), 400,
              "request target: must begin with a slash");
    head->path = path;
    return path == root ? RESULT_OK : normalise_path(path, ret_status);
}

static must_check result parse_request_line(struct net_http_head *head, char *line, int *ret_status)
{
    char *target = cut(line, ' ');
    ACCEPT_IF(target && is_token(line), 400, "request line: malformed method");
    head->method = method_of(line);
    char *version = cut(target, ' ');
    ACCEPT_IF(version && *target, 400, "request line: malformed");
    bool known = strncmp(version, "HTTP/", 5) == 0 && version[5] >= '0' && version[5] <= '9' &&
                 version[6] == '.' && version[7] >= '0' && version[7] <= '9' && version[8] == 0;
    ACCEPT_IF(known, 400, "request line: malformed version");
    ACCEPT_IF(strcmp(version, "HTTP/1.1") == 0 || strcmp(version, "HTTP/1.0") == 0, 505,
              "only HTTP/1.1 and HTTP/1.0 are spoken here");
    head->minor_0 = version[7] == '0';
    head->keep_alive = !head->minor_0;
    return parse_target(head, target, ret_status);
}

static must_check result parse_field(struct net_http_head *head, char *line, int *ret_status)
{
    ACCEPT_IF(head->num_fields < NET_HTTP_FIELDS_MAX, 431, "headers: more than %d", NET_HTTP_FIELDS_MAX);
    ACCEPT_IF(line[0] != ' ' && line[0] != '\t', 400, "header: folded line");
    char *value = cut(line, ':');
    ACCEPT_IF(value && is_token(line), 400, "header: malformed name");
    value += strspn(value, " \t");
    size_t length = strlen(value);
    while (length > 0 && (value[length - 1] == ' ' || value[length - 1] == '\t'))
        length--;
    value[length] = 0;
    for (const char *c = value; *c; c++)
        ACCEPT_IF((unsigned char)*c >= 0x20 || *c == '\t', 400, "header: control character in a value");
    ACCEPT_IF(!strchr(value, 0x7f), 400, "header: control character in a value");
    head->fields[head->num_fields++] = (struct net_http_field){.name = line, .value = value};
    return RESULT_OK;
}

size_t net_http_head_find(const struct net_http_head *head, const char *name, size_t start)
{
    size_t i = start;
    while (i < head->num_fields && strcasecmp(head->fields[i].name, name) != 0)
        i++;
    return i;
}

bool net_http_has_token(const char *value, const char *token)
{
    size_t token_len = strlen(token);
    for (const char *at = value; *at; at += *at == ',') {
        at += strspn(at, " \t");
        size_t length = strcspn(at, ",");
        size_t trimmed = length;
        while (trimmed > 0 && (at[trimmed - 1] == ' ' || at[trimmed - 1] == '\t'))
            trimmed--;
        if (trimmed == token_len && strncasecmp(at, token, token_len) == 0)
            return true;
        at += length;
    }
    return false;
}

/* The value of a header that may stand there once only; NULL if it does not. */
static must_check result find_single(const char **ret_value, int *ret_status,
                                     const struct net_http_head *head, const char *name)
{
    size_t at = net_http_head_find(head, name, 0);
    bool found = at < head->num_fields;
    ACCEPT_IF(!found || net_http_head_find(head, name, at + 1) == head->num_fields, 400,
              "header %s: repeated", name);
    *ret_value = found ? head->fields[at].value : NULL;
    return RESULT_OK;
}

static must_check result parse_length(uint64_t *ret_length, int *ret_status, const char *text)
{
    size_t digits = strspn(text, "0123456789");
    ACCEPT_IF(digits > 0 && text[digits] == 0, 400, "header content-length: must be decimal");
    ACCEPT_IF(digits <= 18, 413, "request body: too long");
    *ret_length = strtoull(text, NULL, 10);
    return RESULT_OK;
}

static must_check result interpret_body(struct net_http_head *head, int *ret_status)
{
    const char *length, *coding, *expect;
    TRY(find_single(&length, ret_status, head, "content-length"));
    TRY(find_single(&coding, ret_status, head, "transfer-encoding"));
    TRY(find_single(&expect, ret_status, head, "expect"));
    ACCEPT_IF(!length || !coding, 400, "header content-length beside transfer-encoding");
    if (length)
        TRY(parse_length(&head->content_length, ret_status, length));
    if (coding) {
        ACCEPT_IF(!head->minor_0, 400, "header transfer-encoding: not in HTTP/1.0");
        ACCEPT_IF(strcasecmp(coding, "chunked") == 0, 501,
                  "header transfer-encoding: only chunked is supported");
        head->chunked = true;
    }
    if (expect) {
        ACCEPT_IF(strcasecmp(expect, "100-continue") == 0, 417,
                  "header expect: only 100-continue is supported");
        head->expect_continue = !head->minor_0;
    }
    return RESULT_OK;
}

static must_check result interpret_host(struct net_http_head *head, int *ret_status)
{
    const char *value;
    TRY(find_single(&value, ret_status, head, "host"));
    ACCEPT_IF(value || head->minor_0, 400, "header host: missing");
    if (head->host)
        return RESULT_OK;
    head->host = "";
    if (!value)
        return RESULT_OK;
    /* A copy in place: the field keeps the value as it was sent only until here. */
    char *host = head->text + (value - head->text);
    TRY(normalise_host(&host, ret_status));
    head->host = host;
    return RESULT_OK;
}

static void interpret_connection(struct net_http_head *head)
{
    for (size_t i = net_http_head_find(head, "connection", 0); i < head->num_fields;
         i = net_http_head_find(head, "connection", i + 1)) {
        if (net_http_has_token(head->fields[i].value, "close")) {
            head->keep_alive = false;
            return;
        }
        if (net_http_has_token(head->fields[i].value, "keep-alive"))
            head->keep_alive = true;
    }
}

static must_check result parse_lines(struct net_http_head *head, int *ret_status, size_t head_len)
{
    char *end = head->text + head_len - 2; /* the last empty line */
    bool first = true;
    for (char *line = head->text; line < end;) {
        char *line_end = memmem(line, (size_t)(end + 2 - line), "\r\n", 2);
        *line_end = 0;
        char *next = line_end + 2;
        ACCEPT_IF(strlen(line) == (size_t)(line_end - line), 400, "header: NUL character");
        ACCEPT_IF(!strpbrk(line, "\r\n"), 400, "line does not end with CR LF");
        if (first)
            TRY(parse_request_line(head, line, ret_status));
        else
            TRY(parse_field(head, line, ret_status));
        first = false;
        line = next;
    }
    ACCEPT_IF(!first, 400, "request line: missing");
    return RESULT_OK;
}

result net_http_head_parse(struct net_http_head *ret_head, int *ret_status, const char *head_bytes,
                           size_t head_len)
{
    *ret_status = 400;
    ENSURE(head_len >= 4 && memcmp(head_bytes + head_len - 4, "\r\n\r\n", 4) == 0, E_INPUT,
           "head is not complete");
    AUTO(net_http_head) head = {0};
    head.text = malloc(head_len + 1);
    ACCEPT_IF(head.text, 503, "out of memory");
    memcpy(head.text, head_bytes, head_len);
    head.text[head_len] = 0;
    TRY(parse_lines(&head, ret_status, head_len));
    TRY(interpret_body(&head, ret_status));
    TRY(interpret_host(&head, ret_status));
    interpret_connection(&head);
    *ret_head = head;
    head.text = NULL;
    return RESULT_OK;
}

void net_http_head_cleanup(struct net_http_head *head)
{
    free(head->text);
    *head = (struct net_http_head){0};
}
