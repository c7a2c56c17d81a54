/* ctl_policy_show.c - policy show: the key policy of a stack's key, and what it demands. */
#include <stdio.h>
#include <string.h>

#include "ctl_report.h"
#include "ctl_stack_key.h"
#include "ctl_stack_policy.h"

enum { POLICY_VALUES_MAX = 8192 };

void ctl_stack_key_cleanup(struct ctl_stack_key *key)
{
    aws_client_close(key->client);
    json_decref(key->document);
}

result ctl_stack_key_read(json_t **ret_document, const struct ctl_stack_key *key, const struct ctl_aws *aws)
{
    AUTO(buffer) text = {0};
    result r = aws_kms_get_policy(key->client, &text, &aws->credentials, key->arn);
    if (r.code)
        return error_prefix(r, "key %s", key->arn);
    r = json_read(ret_document, (const char *)text.data, text.length, AWS_KMS_POLICY_MAX, POLICY_VALUES_MAX);
    return r.code ? error_prefix((result){E_PEER}, "policy of key %s", key->arn) : r;
}

result ctl_stack_key_open(struct ctl_stack_key *ret_key, struct ctl_aws *aws, struct ctl_call *call)
{
    AUTO(ctl_stack_key) key = {.client = NULL};
    struct ctl_aws_service service = ctl_aws_kms;
    service.response_max = (size_t)4 * AWS_KMS_POLICY_MAX;
    TRY(ctl_aws_output(&key.arn, aws, call, "KMSKeyARN"));
    TRY(ctl_aws_client(&key.client, aws, &service));
    result r = aws_kms_describe_key(key.client, &key.key, &aws->credentials, key.arn);
    if (r.code)
        return error_prefix(r, "key %s", key.arn);
    TRY(ctl_stack_key_read(&key.document, &key, aws));
    *ret_key = key;
    key = (struct ctl_stack_key){.client = NULL};
    return RESULT_OK;
}

bool ctl_stack_key_has_replicas(const struct ctl_stack_key *key)
{
    return strstr(key->key.arn, ":key/mrk-");
}

static must_check result print_json(const struct ctl_aws *aws, const struct ctl_stack_key *key,
                                    const struct ctl_policy_reading *reading)
{
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:s,s:s,s:b,s:s,s:{},s:O}", "stack", aws->stack_name, "key", key->arn, "state",
                       key->key.state, "multi_region", (int)ctl_stack_key_has_replicas(key), "decrypt",
                       ctl_decrypt_rule_name(reading->decrypt), "demands", "policy", key->document);
    json_t *demands = json_object_get(object, "demands");
    for (size_t i = 0; i < reading->num_demands; i++) {
        const json_t *values = reading->demands[i].values;
        json_t *list = json_is_array(values) ? json_deep_copy(values) : json_pack("[O]", values);
        ENSURE(json_object_set_new(demands, reading->demands[i].name, list) == 0, E_MEMORY,
               "no memory for the output");
    }
    return ctl_print_json(object);
}

static void print_values(const json_t *values)
{
    size_t num = json_is_array(values) ? json_array_size(values) : 1;
    for (size_t i = 0; i < num; i++) {
        char text[128];
        const char *value = json_string_value(json_is_array(values) ? json_array_get(values, i) : values);
        ctl_printable(text, sizeof text, value ? value : "?");
        (void)printf("%s %s", i ? " or" : "", text);
    }
    (void)puts("");
}

static must_check result print_text(const struct ctl_stack_key *key, const struct ctl_policy_reading *reading)
{
    static const char *const sentences[] = {
        [CTL_DECRYPT_ATTESTED] = "only enclaves that attest what is demanded may decrypt",
        [CTL_DECRYPT_NOBODY] = "nobody may decrypt",
        [CTL_DECRYPT_OPEN] =
            "OPEN: whoever an Allow statement or IAM admits may decrypt, without attestation"};
    (void)printf("key %s\nstate %s\ndecrypt %s\n", key->arn, key->key.state, sentences[reading->decrypt]);
    if (ctl_stack_key_has_replicas(key))
        (void)puts(
            "multi-region: replicas in other regions have policies of their own, and decrypt the same");
    for (size_t i = 0; i < reading->num_demands; i++) {
        char name[64];
        ctl_printable(name, sizeof name, reading->demands[i].name);
        (void)printf("demands %s", name);
        print_values(reading->demands[i].values);
    }
    return ctl_print_json(key->document);
}

result ctl_policy_show(struct ctl_call *call)
{
    struct ctl_aws_options o = {0};
    const struct option table[] = {CTL_AWS_ROWS(o)};
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_stack_key) key = {.client = NULL};
    struct ctl_policy_reading reading;
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    TRY(ctl_require(call, o.stack, "stack"));
    TRY(ctl_aws_open(&aws, call, &o));
    TRY(ctl_stack_key_open(&key, &aws, call));
    result r = ctl_stack_policy_read(&reading, key.document);
    if (r.code)
        return error_prefix((result){E_PEER}, "policy of key %s", key.arn);
    return aws.json ? print_json(&aws, &key, &reading) : print_text(&key, &reading);
}
