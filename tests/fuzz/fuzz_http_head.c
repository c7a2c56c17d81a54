/* fuzz_http_head.c - the head of a request. What is accepted, written again in its plainest form, is accepted
 * as the same; it ends where the first reading said it would, and no earlier part of it is a head; a refusal
 * has a status and a reason. */
#include <ctype.h>
#include <strings.h>

#include "base/buffer.h"
#include "fuzz.h"
#include "net/net_http_parse.h"

static bool is_refusal(int status)
{
    return status == 400 || status == 414 || status == 431 || status == 501 || status == 505 ||
           status == 413 || status == 417;
}

static void append_encoded(struct buffer *out, const char *path)
{
    for (; *path; path++) {
        bool plain = isalnum((unsigned char)*path) || strchr("/-._~*", *path);
        result r = plain ? buffer_append(out, path, 1) : buffer_printf(out, "%%%02X", (unsigned char)*path);
        PROMISE(r.code == 0);
    }
}

static bool is_host(const struct net_http_field *field)
{
    return strcasecmp(field->name, "host") == 0;
}

/* Of the host there is only the name left, without port and brackets. */
static void write_field(struct buffer *out, const struct net_http_head *head,
                        const struct net_http_field *field)
{
    char line[NET_HTTP_HEAD_MAX + 16];
    const char *value = is_host(field) ? head->host : field->value;
    bool is_address = is_host(field) && strchr(value, ':');
    int length = snprintf(line, sizeof line, is_address ? "%s:[%s]\r\n" : "%s: %s \r\n", field->name, value);
    PROMISE(length > 0 && buffer_append(out, line, (size_t)length).code == 0);
}

static void write_again(struct buffer *out, const struct net_http_head *head)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "BREW"};
    PROMISE(buffer_printf(out, "%s ", methods[head->method]).code == 0);
    append_encoded(out, head->path);
    if (*head->query)
        PROMISE(buffer_printf(out, "?%s", head->query).code == 0);
    PROMISE(buffer_printf(out, " HTTP/1.%d\r\n", head->minor_0 ? 0 : 1).code == 0);
    for (size_t i = 0; i < head->num_fields; i++)
        write_field(out, head, &head->fields[i]);
    PROMISE(buffer_append_text(out, "\r\n").code == 0);
}

static void check_again(const struct net_http_head *head)
{
    AUTO(buffer) text = {0};
    struct net_http_head again = {0};
    int status = 0;
    if (*head->host && net_http_head_find(head, "host", 0) == head->num_fields)
        return; /* it stood in the target, and there is no such field */
    write_again(&text, head);
    if (text.length > NET_HTTP_LINE_MAX)
        return; /* what was not encoded is three times as long now */
    PROMISE(net_http_head_parse(&again, &status, (const char *)text.data, text.length).code == 0);
    PROMISE(again.method == head->method && strcmp(again.path, head->path) == 0);
    PROMISE(strcmp(again.query, head->query) == 0 && strcmp(again.host, head->host) == 0);
    PROMISE(again.keep_alive == head->keep_alive && again.expect_continue == head->expect_continue);
    PROMISE(again.chunked == head->chunked && again.content_length == head->content_length);
    PROMISE(again.num_fields == head->num_fields);
    for (size_t i = 0; i < head->num_fields; i++)
        PROMISE(is_host(&head->fields[i]) || strcmp(again.fields[i].value, head->fields[i].value) == 0);
    net_http_head_cleanup(&again);
}

static void check_head(const struct net_http_head *head)
{
    bool asterisk = head->method == NET_HTTP_OPTIONS && strcmp(head->path, "*") == 0;
    PROMISE((head->path[0] == '/' || asterisk) && !(head->chunked && head->content_length));
    PROMISE(head->num_fields <= NET_HTTP_FIELDS_MAX);
    for (size_t i = 0; i < head->num_fields; i++) {
        PROMISE(*head->fields[i].name && !strpbrk(head->fields[i].name, " \t\r\n:"));
        PROMISE(!strpbrk(head->fields[i].value, "\r\n"));
        PROMISE(net_http_head_find(head, head->fields[i].name, i) == i);
    }
}

static void try_head(const char *text, size_t length)
{
    struct net_http_head head = {0};
    int status = 0;
    if (fuzz_accepted(net_http_head_parse(&head, &status, text, length))) {
        check_head(&head);
        check_again(&head);
        net_http_head_cleanup(&head);
        return;
    }
    PROMISE(is_refusal(status) && !strpbrk(error_text(), "\"\\"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    size_t length = 0, shorter = 0;
    int status = 0;
    fuzz_forget_reason();
    if (size == 0)
        return 0;
    if (!fuzz_accepted(net_http_head_length(&length, &status, text, size))) {
        PROMISE(is_refusal(status));
        return 0;
    }
    if (length == 0)
        return 0;
    PROMISE(length <= size && length <= NET_HTTP_HEAD_MAX && memcmp(text + length - 4, "\r\n\r\n", 4) == 0);
    PROMISE(net_http_head_length(&shorter, &status, text, length - 1).code == 0 && shorter == 0);
    PROMISE(net_http_head_length(&shorter, &status, text, length).code == 0 && shorter == length);
    try_head(text, length);
    return 0;
}
