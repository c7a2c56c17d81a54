/* aws_secrets.c - see aws_secrets.h.
 *
 * Values are asked for by the names of a page: at most sixteen answers are in memory at a time, whatever an
 * account holds. Rejected: BatchGetSecretValue, which brings twenty in one call, but needs a permission that
 * policies written for Web3Signer do not give. */
#include "aws/aws_secrets.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_wiped_buffer.h"
#include "json/json.h"

enum { PAGE_VALUES_MAX = 200000, VALUE_VALUES_MAX = 64, TOKEN_MAX = 16384, FILTERS = 3 };

void aws_secrets_page_cleanup(struct aws_secrets_page *page)
{
    buffer_cleanup(&page->next);
    page->num_names = 0;
}

void aws_secrets_value_cleanup(struct aws_secrets_value *value)
{
    secret_cleanup(&value->string);
}

/* Words with commas between them as a JSON array. */
static must_check result append_words(struct buffer *out, const char *words)
{
    for (const char *at = words; *at;) {
        char word[256];
        size_t length = strcspn(at, ",");
        ENSURE(length > 0 && length < sizeof word, E_INPUT,
               "filter: a word must have from 1 to %zu characters", sizeof word - 1);
        (void)snprintf(word, sizeof word, "%.*s", (int)length, at);
        TRY(buffer_append_text(out, at == words ? "[" : ","));
        TRY(json_append_quoted(out, word));
        at += length + (at[length] ? 1 : 0);
    }
    return buffer_append_text(out, "]");
}

static must_check result append_filters(struct buffer *out, const struct aws_secrets_filter *filter)
{
    const struct {
        const char *key, *words;
    } filters[FILTERS] = {
        {"name", filter->name_prefixes}, {"tag-key", filter->tag_keys}, {"tag-value", filter->tag_values}};
    bool any = false;
    for (size_t i = 0; i < FILTERS; i++) {
        if (!filters[i].words[0])
            continue;
        TRY(buffer_printf(out, "%s{\"Key\":\"%s\",\"Values\":", any ? "," : ",\"Filters\":[",
                          filters[i].key));
        TRY(append_words(out, filters[i].words));
        TRY(buffer_append_text(out, "}"));
        any = true;
    }
    return any ? buffer_append_text(out, "]") : RESULT_OK;
}

static must_check result make_list_request(struct buffer *out, const struct buffer *next,
                                           const struct aws_secrets_filter *filter)
{
    TRY(buffer_printf(out, "{\"MaxResults\":%d", AWS_SECRETS_PAGE_MAX));
    TRY(append_filters(out, filter));
    if (next->length) {
        TRY(buffer_append_text(out, ",\"NextToken\":"));
        TRY(json_append_quoted(out, (const char *)next->data));
    }
    return buffer_append_text(out, "}");
}

/* The ARN is what cannot be mistaken for another secret's. */
static must_check result take_name(struct aws_secrets_page *page, const struct json_view *list, size_t index)
{
    struct json_view entry;
    const char *name;
    size_t length;
    TRY(json_element_object(&entry, list, index));
    TRY(json_get_text(&name, &length, &entry, "ARN"));
    ENSURE(length > 0 && length <= AWS_SECRETS_NAME_MAX, E_INPUT, "ARN: must have from 1 to %d characters",
           AWS_SECRETS_NAME_MAX);
    memcpy(page->names[page->num_names++], name, length + 1);
    return RESULT_OK;
}

static must_check result take_next(struct aws_secrets_page *page, const struct json_view *root)
{
    const char *next;
    size_t length = 0;
    TRY(json_get_text_optional(&next, &length, root, "NextToken"));
    ENSURE(length <= TOKEN_MAX, E_INPUT, "NextToken: is too long");
    bool same = next && page->next.length == length && length && memcmp(page->next.data, next, length) == 0;
    ENSURE(!same, E_INPUT, "NextToken: names the same page again");
    buffer_consume(&page->next, page->next.length);
    return next ? buffer_append(&page->next, next, length) : RESULT_OK;
}

static must_check result take_page(struct aws_secrets_page *page, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, list;
    TRY(json_read(&document, (const char *)answer->data, answer->length, AWS_SECRETS_PAGE_RESPONSE_MAX,
                  PAGE_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_array(&list, &root, "SecretList", AWS_SECRETS_PAGE_MAX));
    page->num_names = 0;
    for (size_t i = 0; i < json_array_size(list.value); i++)
        TRY(take_name(page, &list, i));
    return take_next(page, &root);
}

result aws_secrets_list(struct aws_client *client, struct aws_secrets_page *page,
                        const struct aws_credentials *credentials, const struct aws_secrets_filter *filter)
{
    AUTO(buffer) request = {0}, answer = {0};
    TRY(make_list_request(&request, &page->next, filter));
    TRY(aws_client_call(client, &answer, "secretsmanager.ListSecrets", credentials, request.data,
                        request.length));
    return aws_error_in_answer(take_page(page, &answer), "ListSecrets");
}

static must_check result take_string(struct secret *ret_string, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *string;
    size_t length = 0;
    TRY(json_read(&document, (const char *)answer->data, answer->length, AWS_SECRETS_VALUE_RESPONSE_MAX,
                  VALUE_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_text_optional(&string, &length, &root, "SecretString"));
    ENSURE(length <= AWS_SECRETS_VALUE_MAX, E_INPUT, "SecretString: is longer than %d bytes",
           AWS_SECRETS_VALUE_MAX);
    ENSURE(string, E_NOT_FOUND, "the secret has no string");
    return secret_copy(ret_string, string, length);
}

/* One value under way. */
struct fetch {
    struct aws_secrets_value *value;
    struct buffer request;
    struct wiped_buffer answer;
};

/* Taken at once, so that an answer is not kept until all have come. */
static result on_answer(struct aws_call *call, bool *ret_again)
{
    struct fetch *fetch = call->context;
    *ret_again = false;
    if (call->status != 200)
        return aws_error_result(&call->error, call->status);
    result r = take_string(&fetch->value->string, &fetch->answer.bytes);
    secret_wipe(fetch->answer.bytes.data, fetch->answer.bytes.capacity);
    return r.code == E_NOT_FOUND ? r : aws_error_in_answer(r, "GetSecretValue");
}

static must_check result begin(struct aws_call *call, struct fetch *fetch, struct aws_secrets_value *value)
{
    struct buffer *request = &fetch->request;
    fetch->value = value;
    /* In one piece, so that growing leaves no copies behind. */
    TRY(buffer_reserve(&fetch->answer.bytes, AWS_SECRETS_VALUE_RESPONSE_MAX));
    TRY(buffer_append_text(request, "{\"SecretId\":"));
    TRY(json_append_quoted(request, value->name));
    TRY(buffer_append_text(request, "}"));
    *call = (struct aws_call){.target = "secretsmanager.GetSecretValue",
                              .body = {request->data, request->length},
                              .answer = &fetch->answer.bytes,
                              .answered = on_answer,
                              .context = fetch};
    return RESULT_OK;
}

struct batch {
    struct aws_call calls[AWS_SECRETS_AT_ONCE];
    struct fetch fetches[AWS_SECRETS_AT_ONCE];
};

static void batch_cleanup(struct batch *batch)
{
    for (size_t i = 0; i < AWS_SECRETS_AT_ONCE; i++) {
        buffer_cleanup(&batch->fetches[i].request);
        wiped_buffer_cleanup(&batch->fetches[i].answer);
    }
}

result aws_secrets_get(struct aws_client *client, struct aws_secrets_value *values, size_t num_values,
                       const struct aws_credentials *credentials, uint64_t deadline_ns)
{
    AUTO(batch) batch = {0};
    ENSURE(num_values <= AWS_SECRETS_AT_ONCE, E_INTERNAL, "more than %d secrets at once",
           AWS_SECRETS_AT_ONCE);
    for (size_t i = 0; i < num_values; i++)
        TRY(begin(&batch.calls[i], &batch.fetches[i], &values[i]));
    result r = aws_client_call_many(client, batch.calls, num_values, credentials, deadline_ns);
    for (size_t i = 0; i < num_values; i++) {
        values[i].outcome = batch.calls[i].outcome;
        memcpy(values[i].text, batch.calls[i].text, sizeof values[i].text);
    }
    /* A single call's failure is its outcome's matter. */
    return r.code == E_MEMORY ? r : RESULT_OK;
}
