/* fuzz_aws_json.c - what KMS, Secrets Manager, Systems Manager, DynamoDB (items, queries, writes) and Lambda
 * answer. The first byte says which call is made. A call that succeeds has all of its result, within its
 * limits; one that fails has left nothing behind. */
#include "aws/aws_dynamodb_query.h"
#include "aws/aws_dynamodb_write.h"
#include "aws/aws_kms_plain.h"
#include "aws/aws_kms_policy.h"
#include "aws/aws_lambda.h"
#include "aws/aws_secrets.h"
#include "aws/aws_ssm.h"
#include "aws_answers.h"
#include "fuzz.h"

static const char key[] = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";

static void try_kms_decrypt(const struct aws_credentials *c)
{
    AUTO(buffer) envelope = {0};
    static const uint8_t bytes[4] = {1, 2, 3, 4};
    const struct aws_kms_decrypt request = {key, bytes, sizeof bytes, bytes, sizeof bytes};
    if (fuzz_accepted(aws_kms_decrypt(NULL, &envelope, c, &request)))
        PROMISE(envelope.length >= 1 && envelope.length <= AWS_KMS_ENVELOPE_MAX);
}

static void try_kms_encrypt(const struct aws_credentials *c)
{
    AUTO(buffer) ciphertext = {0};
    AUTO(secret) plaintext = {0};
    struct aws_kms_encrypt two[2] = {{.plaintext = &plaintext}, {.plaintext = &plaintext}};
    PROMISE(secret_copy(&plaintext, "p", 1).code == 0);
    if (fuzz_accepted(aws_kms_encrypt(NULL, &ciphertext, c, key, &plaintext)))
        PROMISE(ciphertext.length >= 1 && ciphertext.length <= AWS_KMS_CIPHERTEXT_MAX);
    (void)fuzz_accepted(aws_kms_encrypt_many(NULL, two, 2, c, key, 1));
    for (size_t i = 0; i < 2; i++) {
        PROMISE(two[i].outcome.code ? *two[i].text != 0 : two[i].ciphertext.length > 0);
        buffer_cleanup(&two[i].ciphertext);
    }
}

static void try_kms_plain(const struct aws_credentials *c)
{
    AUTO(aws_kms_key_pair) pair = {0};
    AUTO(secret) plaintext = {0};
    AUTO(buffer) ciphertext = {0};
    PROMISE(buffer_append_text(&ciphertext, "c").code == 0);
    bool made = fuzz_accepted(aws_kms_plain_key_pair(NULL, &pair, c, key));
    PROMISE(made == (pair.private_key.length > 0) && made == (pair.public_key.length > 0));
    bool opened = fuzz_accepted(aws_kms_plain_decrypt(NULL, &plaintext, c, key, &ciphertext));
    PROMISE(opened == (plaintext.data != NULL));
}

static void try_kms_policy(const struct aws_credentials *c)
{
    struct aws_kms_key described = {0};
    AUTO(buffer) policy = {0};
    if (fuzz_accepted(aws_kms_describe_key(NULL, &described, c, key)))
        PROMISE(*described.arn && *described.state);
    if (fuzz_accepted(aws_kms_get_policy(NULL, &policy, c, key)))
        PROMISE(policy.length <= AWS_KMS_POLICY_MAX);
}

static void try_secrets(const struct aws_credentials *c)
{
    AUTO(aws_secrets_page) page = {0};
    const struct aws_secrets_filter filter = {"a,b", "", ""};
    struct aws_secrets_value values[2] = {{.name = "a"}, {.name = "b"}};
    if (fuzz_accepted(aws_secrets_list(NULL, &page, c, &filter))) {
        PROMISE(page.num_names <= AWS_SECRETS_PAGE_MAX);
        for (size_t i = 0; i < page.num_names; i++)
            PROMISE(*page.names[i] && strlen(page.names[i]) <= AWS_SECRETS_NAME_MAX);
        if (page.next.length)
            (void)fuzz_accepted(aws_secrets_list(NULL, &page, c, &filter));
    }
    PROMISE(aws_secrets_get(NULL, values, 2, c, 1).code == 0);
    for (size_t i = 0; i < 2; i++) {
        PROMISE((values[i].outcome.code == 0) == (values[i].string.data != NULL));
        PROMISE(!values[i].outcome.code || *values[i].text);
        aws_secrets_value_cleanup(&values[i]);
    }
}

static void try_ssm(const struct aws_credentials *c)
{
    char id[AWS_SSM_COMMAND_ID_MAX + 1] = "";
    static const char *const lines[] = {"true"};
    const struct aws_ssm_command command = {"tag:a", "b", lines, 1, "c", 30, 60};
    struct aws_ssm_progress progress;
    AUTO(aws_ssm_invocation) invocation = {0};
    AUTO(buffer) value = {0};
    if (!fuzz_accepted(aws_ssm_send(NULL, id, c, &command)))
        return;
    PROMISE(*id && strlen(id) <= AWS_SSM_COMMAND_ID_MAX);
    if (fuzz_accepted(aws_ssm_progress(NULL, &progress, c, id)))
        PROMISE(*aws_ssm_status_name(progress.status) && strlen(progress.details) <= AWS_SSM_DETAILS_MAX);
    if (fuzz_accepted(aws_ssm_invocation(NULL, &invocation, c, id, "i-1")))
        PROMISE(*aws_ssm_status_name(invocation.status));
    if (fuzz_accepted(aws_ssm_parameter(NULL, &value, c, "/a")))
        PROMISE(value.length <= AWS_SSM_VALUE_MAX);
    (void)fuzz_accepted(aws_ssm_set_parameter(NULL, c, "/a", "b"));
}

static result see_item(void *context, const struct json_view *item)
{
    const char *text;
    size_t length;
    bool truth;
    ++*(size_t *)context;
    if (fuzz_accepted(aws_dynamodb_text(&text, &length, item, "a")))
        PROMISE(strlen(text) == length);
    (void)fuzz_accepted(aws_dynamodb_truth(&truth, item, "active"));
    return RESULT_OK;
}

static void try_dynamodb(const struct aws_credentials *c)
{
    static const char *const names[] = {"a", "active"};
    const struct aws_dynamodb_query query = {"table", "a", "b", names, 2, 10};
    const struct aws_dynamodb_attribute attributes[] = {
        {"k1", "S", "x"}, {"k2", "S", "y"}, {"proof", "S", "z"}};
    struct aws_dynamodb_write writes[1] = {0};
    AUTO_POINTER(json_t) item = NULL;
    size_t num = 0;
    (void)fuzz_accepted(aws_dynamodb_query(NULL, c, &query, 1, see_item, &num));
    bool got = fuzz_accepted(aws_dynamodb_item_get(NULL, &item, c, "table", attributes));
    PROMISE(got == json_is_object(item));
    PROMISE(aws_dynamodb_write_put(&writes[0], "table", attributes, 3, "proof", NULL).code == 0);
    bool written = fuzz_accepted(aws_dynamodb_write_all(NULL, writes, 1, "table", c, 1));
    PROMISE(written == (writes[0].outcome.code == 0));
    aws_dynamodb_write_cleanup(&writes[0]);
}

static void try_lambda(const struct aws_credentials *c)
{
    AUTO(buffer) answer = {0};
    if (fuzz_accepted(aws_lambda_invoke(NULL, &answer, c, "function", "{}")))
        PROMISE(answer.length <= AWS_LAMBDA_RESPONSE_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const calls[])(const struct aws_credentials *) = {
        try_kms_decrypt, try_kms_encrypt, try_kms_plain, try_kms_policy,
        try_secrets,     try_ssm,         try_dynamodb,  try_lambda};
    if (size < 1)
        return 0;
    const struct aws_credentials *credentials = aws_answers_credentials();
    fuzz_forget_reason();
    aws_answers_begin(data + 1, size - 1, aws_error_read);
    calls[data[0] % ARRAY_LENGTH(calls)](credentials);
    return 0;
}
