/* aws_ssm.c - see aws_ssm.h.
 *
 * What became of a command is asked for each instance (GetCommandInvocation), because the caller knows which
 * instances there ought to be: one without a running agent has no invocation at all, and would be missing
 * from ListCommandInvocations without a sign. */
#include "aws/aws_ssm.h"

#include <stdio.h>
#include <string.h>

#include "json/json.h"

enum { ANSWER_VALUES_MAX = 2048 };

static const char *const status_names[] = {"Pending", "InProgress", "Delayed",  "Cancelling",
                                           "Success", "Cancelled",  "TimedOut", "Failed"};

bool aws_ssm_is_final(enum aws_ssm_status status)
{
    return status >= AWS_SSM_SUCCESS;
}

const char *aws_ssm_status_name(enum aws_ssm_status status)
{
    return status_names[status];
}

void aws_ssm_invocation_cleanup(struct aws_ssm_invocation *invocation)
{
    buffer_cleanup(&invocation->output);
    buffer_cleanup(&invocation->error_output);
}

/* Status and StatusDetails, of which the latter may be missing. */
static must_check result take_status(enum aws_ssm_status *ret_status,
                                     char details[static AWS_SSM_DETAILS_MAX + 1],
                                     const struct json_view *view)
{
    const char *text;
    size_t i = 0;
    TRY(json_get_text(&text, NULL, view, "Status"));
    while (i < ARRAY_LENGTH(status_names) && strcmp(status_names[i], text) != 0)
        i++;
    ENSURE(i < ARRAY_LENGTH(status_names), E_INPUT, "Status: is not one of those that are known");
    if (json_has(view, "StatusDetails"))
        TRY(json_copy_text(details, AWS_SSM_DETAILS_MAX + 1, view, "StatusDetails"));
    *ret_status = (enum aws_ssm_status)i;
    return RESULT_OK;
}

/* An answer's object; the caller's *ret_document owns it. */
static must_check result call(struct aws_client *client, json_t **ret_document, struct json_view *ret_root,
                              const struct aws_credentials *credentials, const char *operation,
                              const struct buffer *body)
{
    AUTO(buffer) answer = {0};
    AUTO_POINTER(json_t) document = NULL;
    char target[64];
    (void)snprintf(target, sizeof target, "AmazonSSM.%s", operation);
    TRY(aws_client_call(client, &answer, target, credentials, body->data, body->length));
    TRY(aws_error_in_answer(json_read(&document, (const char *)answer.data, answer.length,
                                      AWS_SSM_RESPONSE_MAX, ANSWER_VALUES_MAX),
                            operation));
    TRY(aws_error_in_answer(json_view_root(ret_root, document), operation));
    *ret_document = TAKE(document);
    return RESULT_OK;
}

static must_check result append_member(struct buffer *out, const char *name, const char *text)
{
    TRY(buffer_printf(out, "%s\"%s\":", out->length > 1 ? "," : "", name));
    return json_append_quoted(out, text);
}

static must_check result make_command(struct buffer *body, const struct aws_ssm_command *c)
{
    AUTO(buffer) tag = {0};
    ENSURE(c->num_lines > 0 && c->num_lines <= AWS_SSM_LINES_MAX, E_INTERNAL, "commands: too many");
    TRY(buffer_printf(&tag, "tag:%s", c->tag));
    TRY(buffer_append_text(body, "{"));
    TRY(append_member(body, "DocumentName", "AWS-RunShellScript"));
    TRY(append_member(body, "Comment", c->comment));
    TRY(buffer_append_text(body, ",\"Targets\":[{\"Key\":"));
    TRY(json_append_quoted(body, (const char *)tag.data));
    TRY(buffer_append_text(body, ",\"Values\":["));
    TRY(json_append_quoted(body, c->value));
    TRY(buffer_printf(
        body, "]}],\"TimeoutSeconds\":%u,\"Parameters\":{\"executionTimeout\":[\"%u\"],\"commands\":[",
        c->delivery_seconds, c->execution_seconds));
    for (size_t i = 0; i < c->num_lines; i++) {
        TRY(buffer_append_text(body, i ? "," : ""));
        TRY(json_append_quoted(body, c->lines[i]));
    }
    return buffer_append_text(body, "]}}");
}

result aws_ssm_send(struct aws_client *client, char ret_command_id[static AWS_SSM_COMMAND_ID_MAX + 1],
                    const struct aws_credentials *credentials, const struct aws_ssm_command *command)
{
    static const char operation[] = "SendCommand";
    AUTO(buffer) body = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root, sent;
    char id[AWS_SSM_COMMAND_ID_MAX + 1];
    TRY(make_command(&body, command));
    TRY(call(client, &document, &root, credentials, operation, &body));
    TRY(aws_error_in_answer(json_get_object(&sent, &root, "Command"), operation));
    TRY(aws_error_in_answer(json_copy_text(id, sizeof(id), &sent, "CommandId"), operation));
    ENSURE(*id, E_PEER, "%s: the answer's CommandId is empty", operation);
    memcpy(ret_command_id, id, sizeof(id));
    return RESULT_OK;
}

static must_check result parse_progress(struct aws_ssm_progress *ret_progress, const struct json_view *root)
{
    struct aws_ssm_progress p = {.targets = 0};
    struct json_view list, command;
    TRY(json_get_array(&list, root, "Commands", 1));
    ENSURE(json_array_size(list.value) == 1, E_NOT_FOUND, "there is no such command");
    TRY(json_element_object(&command, &list, 0));
    TRY(take_status(&p.status, p.details, &command));
    TRY(json_get_u64(&p.targets, &command, "TargetCount"));
    TRY(json_get_u64(&p.completed, &command, "CompletedCount"));
    TRY(json_get_u64(&p.errors, &command, "ErrorCount"));
    TRY(json_get_u64(&p.undelivered, &command, "DeliveryTimedOutCount"));
    *ret_progress = p;
    return RESULT_OK;
}

result aws_ssm_progress(struct aws_client *client, struct aws_ssm_progress *ret_progress,
                        const struct aws_credentials *credentials, const char *command_id)
{
    static const char operation[] = "ListCommands";
    AUTO(buffer) body = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    TRY(buffer_append_text(&body, "{"));
    TRY(append_member(&body, "CommandId", command_id));
    TRY(buffer_append_text(&body, "}"));
    result r = call(client, &document, &root, credentials, operation, &body);
    if (r.code && strstr(error_text(), "InvalidCommandId"))
        r.code = E_NOT_FOUND;
    TRY(r);
    r = parse_progress(ret_progress, &root);
    return r.code == E_NOT_FOUND ? r : aws_error_in_answer(r, operation);
}

/* -1 while there is none. */
static must_check result take_response_code(int *ret_code, const struct json_view *root)
{
    const json_t *value = json_object_get(root->value, "ResponseCode");
    ENSURE(
        !value || json_is_null(value) ||
            (json_is_integer(value) && json_integer_value(value) >= -1 && json_integer_value(value) <= 255),
        E_INPUT, "ResponseCode: must be from -1 to 255");
    *ret_code = value && json_is_integer(value) ? (int)json_integer_value(value) : -1;
    return RESULT_OK;
}

static must_check result take_output(struct buffer *ret_output, const struct json_view *root,
                                     const char *name)
{
    const char *text;
    TRY(json_get_text_optional(&text, NULL, root, name));
    return buffer_append_text(ret_output, text ? text : "");
}

static must_check result parse_invocation(struct aws_ssm_invocation *ret_invocation,
                                          const struct json_view *root)
{
    AUTO(aws_ssm_invocation) i = {.response_code = -1};
    TRY(take_status(&i.status, i.details, root));
    TRY(take_response_code(&i.response_code, root));
    TRY(take_output(&i.output, root, "StandardOutputContent"));
    TRY(take_output(&i.error_output, root, "StandardErrorContent"));
    *ret_invocation = i;
    i = (struct aws_ssm_invocation){.response_code = 0};
    return RESULT_OK;
}

result aws_ssm_invocation(struct aws_client *client, struct aws_ssm_invocation *ret_invocation,
                          const struct aws_credentials *credentials, const char *command_id,
                          const char *instance_id)
{
    static const char operation[] = "GetCommandInvocation";
    AUTO(buffer) body = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    TRY(buffer_append_text(&body, "{"));
    TRY(append_member(&body, "CommandId", command_id));
    TRY(append_member(&body, "InstanceId", instance_id));
    TRY(buffer_append_text(&body, "}"));
    TRY(call(client, &document, &root, credentials, operation, &body));
    return aws_error_in_answer(parse_invocation(ret_invocation, &root), operation);
}

static must_check result parse_parameter(struct buffer *value, const struct json_view *root)
{
    struct json_view parameter;
    const char *text;
    size_t length;
    TRY(json_get_object(&parameter, root, "Parameter"));
    TRY(json_get_text(&text, &length, &parameter, "Value"));
    ENSURE(length <= AWS_SSM_VALUE_MAX, E_INPUT, "Value: must have at most %d bytes", AWS_SSM_VALUE_MAX);
    buffer_consume(value, value->length);
    return buffer_append(value, text, length);
}

result aws_ssm_parameter(struct aws_client *client, struct buffer *value,
                         const struct aws_credentials *credentials, const char *name)
{
    static const char operation[] = "GetParameter";
    AUTO(buffer) body = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    TRY(buffer_append_text(&body, "{"));
    TRY(append_member(&body, "Name", name));
    TRY(buffer_append_text(&body, "}"));
    TRY(call(client, &document, &root, credentials, operation, &body));
    return aws_error_in_answer(parse_parameter(value, &root), operation);
}

result aws_ssm_set_parameter(struct aws_client *client, const struct aws_credentials *credentials,
                             const char *name, const char *value)
{
    AUTO(buffer) body = {0};
    AUTO_POINTER(json_t) document = NULL;
    struct json_view root;
    TRY(buffer_append_text(&body, "{"));
    TRY(append_member(&body, "Name", name));
    TRY(append_member(&body, "Value", value));
    TRY(append_member(&body, "Type", "String"));
    TRY(buffer_append_text(&body, ",\"Overwrite\":true}"));
    return call(client, &document, &root, credentials, "PutParameter", &body);
}
