/* aws_kms_policy.c - see aws_kms_policy.h. Nothing here is secret: a key policy names roles and
 * measurements. */
#include "aws/aws_kms_policy.h"

#include <stdio.h>
#include <string.h>

#include "aws/aws_kms_private.h"
#include "json/json.h"

enum { ANSWER_VALUES_MAX = 512, ANSWER_MAX = 4 * AWS_KMS_POLICY_MAX };

static must_check result begin_request(struct buffer *body, const char *key_id)
{
    TRY(aws_kms_check_key_id(key_id));
    return buffer_printf(body, "{\"KeyId\":\"%s\"", key_id);
}

static must_check result parse_key(struct aws_kms_key *ret_key, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, metadata;
    struct aws_kms_key key = {.arn = ""};
    TRY(json_read(&document, (const char *)answer->data, answer->length, ANSWER_MAX, ANSWER_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_object(&metadata, &root, "KeyMetadata"));
    TRY(json_copy_text(key.arn, sizeof key.arn, &metadata, "Arn"));
    TRY(json_copy_text(key.state, sizeof key.state, &metadata, "KeyState"));
    TRY(json_copy_text(key.spec, sizeof key.spec, &metadata, "KeySpec"));
    TRY(json_copy_text(key.usage, sizeof key.usage, &metadata, "KeyUsage"));
    *ret_key = key;
    return RESULT_OK;
}

result aws_kms_describe_key(struct aws_client *client, struct aws_kms_key *ret_key,
                            const struct aws_credentials *credentials, const char *key_id)
{
    static const char operation[] = "TrentService.DescribeKey";
    AUTO(buffer) body = {0}, answer = {0};
    TRY(begin_request(&body, key_id));
    TRY(buffer_append_text(&body, "}"));
    TRY(aws_client_call(client, &answer, operation, credentials, body.data, body.length));
    return aws_error_in_answer(parse_key(ret_key, &answer), operation);
}

static must_check result parse_policy(struct buffer *policy, const struct buffer *answer)
{
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    const char *text;
    size_t length;
    TRY(json_read(&document, (const char *)answer->data, answer->length, ANSWER_MAX, ANSWER_VALUES_MAX));
    TRY(json_view_root(&root, document));
    TRY(json_get_text(&text, &length, &root, "Policy"));
    ENSURE(length <= AWS_KMS_POLICY_MAX, E_INPUT, "Policy: must have at most %d bytes", AWS_KMS_POLICY_MAX);
    buffer_consume(policy, policy->length);
    return buffer_append(policy, text, length);
}

result aws_kms_get_policy(struct aws_client *client, struct buffer *policy,
                          const struct aws_credentials *credentials, const char *key_id)
{
    static const char operation[] = "TrentService.GetKeyPolicy";
    AUTO(buffer) body = {0}, answer = {0};
    TRY(begin_request(&body, key_id));
    TRY(buffer_append_text(&body, ",\"PolicyName\":\"default\"}"));
    TRY(aws_client_call(client, &answer, operation, credentials, body.data, body.length));
    return aws_error_in_answer(parse_policy(policy, &answer), operation);
}

result aws_kms_put_policy(struct aws_client *client, const struct aws_credentials *credentials,
                          const char *key_id, const struct buffer *policy)
{
    static const char operation[] = "TrentService.PutKeyPolicy";
    AUTO(buffer) body = {0}, answer = {0};
    ENSURE(policy->length > 0 && policy->length <= AWS_KMS_POLICY_MAX, E_INPUT,
           "key policy: must have from 1 to %d bytes", AWS_KMS_POLICY_MAX);
    TRY(begin_request(&body, key_id));
    TRY(buffer_append_text(&body, ",\"PolicyName\":\"default\",\"Policy\":"));
    TRY(json_append_quoted(&body, (const char *)policy->data));
    TRY(buffer_append_text(&body, "}"));
    return aws_client_call(client, &answer, operation, credentials, body.data, body.length);
}
