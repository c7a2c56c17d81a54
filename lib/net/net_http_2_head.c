/* net_http_2_head.c - from the fields of an HTTP/2 request to the head that routes know.
 *
 * The fields are written down as an HTTP/1.1 head and go through its parser: one set of rules and limits for
 * both versions, and one sentence for each refusal. What makes this translation dangerous elsewhere, bytes
 * that mean something in one version only, is refused before: nghttp2 checks RFC 9113's rules
 * (pseudo-headers, lower case, connection-specific fields, characters), and nothing is written here that has
 * a CR, LF or NUL, or a space where HTTP/1.1 would see an end. The parser in turn takes exactly one head and
 * no more. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/net_http_2.h"

void net_http_2_fields_cleanup(struct net_http_2_fields *fields)
{
    free(fields->method);
    free(fields->scheme);
    free(fields->path);
    free(fields->authority);
    free(fields->host);
    buffer_cleanup(&fields->lines);
    *fields = (struct net_http_2_fields){0};
}

static bool is_named(const nghttp2_vec *name, const char *text)
{
    return name->len == strlen(text) && memcmp(name->base, text, name->len) == 0;
}

/* Where a field is kept that does not become a line; NULL for all others. */
static char **place_of(struct net_http_2_fields *fields, const nghttp2_vec *name)
{
    return is_named(name, ":method")      ? &fields->method
           : is_named(name, ":scheme")    ? &fields->scheme
           : is_named(name, ":path")      ? &fields->path
           : is_named(name, ":authority") ? &fields->authority
           : is_named(name, "host")       ? &fields->host
                                          : NULL;
}

static must_check result add_line(struct buffer *lines, const nghttp2_vec *name, const nghttp2_vec *value)
{
    TRY(buffer_append(lines, name->base, name->len));
    TRY(buffer_append_text(lines, ": "));
    TRY(buffer_append(lines, value->base, value->len));
    return buffer_append_text(lines, "\r\n");
}

/* nghttp2 has checked as much; that nothing can end a line is worth a second look. */
static bool ends_a_line(const nghttp2_vec *text)
{
    return memchr(text->base, 0, text->len) || memchr(text->base, '\r', text->len) ||
           memchr(text->base, '\n', text->len);
}

result net_http_2_fields_add(struct net_http_2_fields *fields, const nghttp2_vec *name,
                             const nghttp2_vec *value)
{
    fields->bytes += name->len + value->len + NET_HTTP_2_AROUND_FIELD;
    ENSURE(fields->bytes <= NET_HTTP_2_LIST_MAX, E_TOO_LARGE, "headers: far too many");
    ENSURE(!ends_a_line(name) && !ends_a_line(value), E_INPUT, "header: control character");
    char **place = place_of(fields, name);
    if (fields->bytes > NET_HTTP_HEAD_MAX) {
        fields->ignored = true;
        return RESULT_OK;
    }
    if (!place)
        return add_line(&fields->lines, name, value);
    ENSURE(!*place, E_INPUT, "header: repeated");
    *place = strndup((const char *)value->base, value->len);
    ENSURE(*place, E_MEMORY, "out of memory");
    return RESULT_OK;
}

static bool has_space(const char *text)
{
    return strpbrk(text, " \t");
}

static must_check result check(int *ret_status, const struct net_http_2_fields *fields)
{
    ACCEPT_IF(!fields->ignored, 431, "headers: more than %d bytes", NET_HTTP_HEAD_MAX);
    ACCEPT_IF(fields->method && fields->path && fields->scheme, 400,
              "pseudo-headers :method, :scheme and :path: one is missing");
    ACCEPT_IF(!has_space(fields->method), 400, "request line: malformed method");
    ACCEPT_IF(strcasecmp(fields->scheme, "https") == 0 || strcasecmp(fields->scheme, "http") == 0, 400,
              "pseudo-header :scheme: must be https or http");
    /* No absolute form here: the host is in :authority and nowhere else. */
    ACCEPT_IF((fields->path[0] == '/' || strcmp(fields->path, "*") == 0) && !has_space(fields->path), 400,
              "request target: must begin with a slash");
    ACCEPT_IF(!fields->authority || !fields->host || strcasecmp(fields->authority, fields->host) == 0, 400,
              "header host: differs from :authority");
    ACCEPT_IF(fields->authority || fields->host, 400, "header host: missing");
    return RESULT_OK;
}

result net_http_2_fields_end(struct net_http_head *ret_head, int *ret_status,
                             const struct net_http_2_fields *fields)
{
    AUTO(buffer) text = {0};
    size_t head_len;
    TRY(check(ret_status, fields));
    *ret_status = 503;
    TRY(buffer_printf(&text, "%s %s HTTP/1.1\r\nhost: %s\r\n", fields->method, fields->path,
                      fields->authority ? fields->authority : fields->host));
    TRY(buffer_append(&text, fields->lines.data, fields->lines.length));
    TRY(buffer_append_text(&text, "\r\n"));
    TRY(net_http_head_length(&head_len, ret_status, (const char *)text.data, text.length));
    ACCEPT_IF(head_len == text.length, 400, "headers: malformed");
    TRY(net_http_head_parse(ret_head, ret_status, (const char *)text.data, text.length));
    return RESULT_OK;
}
