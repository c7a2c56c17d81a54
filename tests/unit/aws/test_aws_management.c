/* test_aws_management.c - the operator's calls against a scripted HTTPS server: what is asked, good answers,
 * every refusal and hostile answers. The fields are those of AWS's documentation. */
#include "testing.h"

#include <signal.h>

#include "aws/aws_autoscaling.h"
#include "aws/aws_cloudformation.h"
#include "aws/aws_kms_policy.h"
#include "aws/aws_lambda.h"
#include "aws/aws_ssm.h"
#include "scripted_server.h"

#define HOST "service.us-east-1.amazonaws.com"
#define OK_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define BAD_HEAD "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"

static struct scripted_server server;
static struct buffer ca_pem;

struct fixture {
    struct aws_client *client;
    struct aws_credentials credentials;
    struct scripted_answer script;
};

static void fixture_cleanup(struct fixture *f)
{
    scripted_server_end(&server);
    aws_client_close(f->client);
    aws_credentials_cleanup(&f->credentials);
}

/* A client of a protocol, and a server with one answer for it. f stays where it is. */
static void begin(struct fixture *f, enum aws_protocol protocol, const char *answer)
{
    const struct aws_client_config config = {
        .endpoint = "https://" HOST,
        .region = "us-east-1",
        .service = "service",
        .via = &server.address,
        .ca_pem = &ca_pem,
        .connect_timeout_ms = 5000,
        .attempt_timeout_ms = 5000,
        .attempts = 1,
        .protocol = protocol,
        .read_error = protocol == AWS_PROTOCOL_QUERY ? aws_query_error_read : NULL,
        .content_type = protocol == AWS_PROTOCOL_QUERY ? AWS_QUERY_CONTENT_TYPE : NULL,
        .response_max = 65536};
    *f = (struct fixture){.script = {.bytes = answer}};
    assert_ok(aws_credentials_new(&f->credentials, "AKIDEXAMPLE", "wJalrXUtnFEMI", ""));
    assert_ok(aws_client_open(&f->client, &config));
    scripted_server_begin(&server, &f->script, 1);
}

static bool asked(const char *part)
{
    return strstr((const char *)server.request.data, part);
}

#define STACKS(inside)                                                                                       \
    OK_HEAD "<DescribeStacksResponse><DescribeStacksResult><Stacks>" inside                                  \
            "</Stacks></DescribeStacksResult></DescribeStacksResponse>"
#define STACK_WITH(outputs)                                                                                  \
    "<member><StackName>s</StackName><StackId>arn:s/uuid</StackId>" outputs                                  \
    "<StackStatus>CREATE_COMPLETE</StackStatus></member>"
#define OUTPUT(name, value)                                                                                  \
    "<member><OutputKey>" name "</OutputKey><OutputValue>" value "</OutputValue></member>"

static void a_stack_and_its_outputs(void **state)
{
    (void)state;
    AUTO(fixture) f = {0};
    AUTO(aws_stack) stack = {.num_outputs = 0};
    begin(&f, AWS_PROTOCOL_QUERY,
          STACKS(STACK_WITH("<Outputs>" OUTPUT("A", "1") OUTPUT("B", "2&amp;3") "</Outputs>")));
    assert_ok(aws_cloudformation_stack(f.client, &stack, &f.credentials, "a b&c"));
    assert_string_equal(stack.id, "arn:s/uuid");
    assert_string_equal(stack.status, "CREATE_COMPLETE");
    assert_string_equal(aws_stack_output(&stack, "B"), "2&3");
    assert_null(aws_stack_output(&stack, "C"));
    assert_true(asked("Action=DescribeStacks&Version=2010-05-15&StackName=a%20b%26c"));
    assert_true(asked("POST / HTTP/1.1\r\n"));
    assert_false(asked("X-Amz-Target"));
    assert_true(asked("SignedHeaders=content-type;host;x-amz-date"));
}

static void stacks_that_are_none(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        int error;
    } cases[] = {
        {STACKS(""), E_PEER},
        {STACKS(STACK_WITH("") STACK_WITH("")), E_PEER},
        {STACKS(STACK_WITH("<Outputs>" OUTPUT("A", "1") OUTPUT("A", "2") "</Outputs>")), E_PEER},
        {STACKS(STACK_WITH("<Outputs><member><OutputKey>A</OutputKey></member></Outputs>")), E_PEER},
        {STACKS(STACK_WITH("<Outputs>text</Outputs>")), E_PEER},
        {STACKS("<member><StackName>s</StackName></member>"), E_PEER},
        {OK_HEAD "<Other/>", E_PEER},
        {OK_HEAD "{}", E_PEER},
        {BAD_HEAD
         "<ErrorResponse><Error><Code>ValidationError</Code><Message>Stack with id s does not exist</Message>"
         "</Error></ErrorResponse>",
         E_NOT_FOUND},
        {BAD_HEAD
         "<ErrorResponse><Error><Code>ValidationError</Code><Message>bad</Message></Error></ErrorResponse>",
         E_INPUT},
        {BAD_HEAD "<ErrorResponse><Error><Code>ExpiredToken</Code></Error></ErrorResponse>", E_AUTH},
        {BAD_HEAD "<ErrorResponse><Error><Code>AccessDenied</Code></Error></ErrorResponse>", E_DENIED},
        {BAD_HEAD "<!DOCTYPE a><ErrorResponse/>", E_PEER},
        {BAD_HEAD "nonsense", E_PEER},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
        AUTO(fixture) f = {0};
        AUTO(aws_stack) stack = {.num_outputs = 0};
        begin(&f, AWS_PROTOCOL_QUERY, cases[i].answer);
        assert_fails(cases[i].error, aws_cloudformation_stack(f.client, &stack, &f.credentials, "s"));
        assert_int_equal(stack.num_outputs, 0);
    }
}

static void a_command_and_its_request(void **state)
{
    (void)state;
    static const char *const lines[] = {"first \"line\"", "second"};
    const struct aws_ssm_command command = {.tag = "t",
                                            .value = "v\"x",
                                            .lines = lines,
                                            .num_lines = 2,
                                            .comment = "c",
                                            .delivery_seconds = 60,
                                            .execution_seconds = 99};
    char id[AWS_SSM_COMMAND_ID_MAX + 1];
    AUTO(fixture) f = {0};
    begin(&f, AWS_PROTOCOL_JSON,
          OK_HEAD
          "{\"Command\":{\"CommandId\":\"0831e1a8-a1ac-4257-a1fd-c831b48c4107\",\"Status\":\"Pending\"}}");
    assert_ok(aws_ssm_send(f.client, id, &f.credentials, &command));
    assert_string_equal(id, "0831e1a8-a1ac-4257-a1fd-c831b48c4107");
    assert_true(asked("X-Amz-Target: AmazonSSM.SendCommand\r\n"));
    assert_true(asked("{\"DocumentName\":\"AWS-RunShellScript\",\"Comment\":\"c\",\"Targets\":[{\"Key\":"
                      "\"tag:t\",\"Values\":[\"v\\\"x\"]}],"
                      "\"TimeoutSeconds\":60,\"Parameters\":{\"executionTimeout\":[\"99\"],\"commands\":["
                      "\"first \\\"line\\\"\",\"second\"]}}"));
}

/* It could never be asked for again. */
static void a_command_without_a_number(void **state)
{
    (void)state;
    static const char *const lines[] = {"first"};
    const struct aws_ssm_command command = {
        .tag = "t", .value = "v", .lines = lines, .num_lines = 1, .comment = "c"};
    char id[AWS_SSM_COMMAND_ID_MAX + 1] = "as before";
    AUTO(fixture) f = {0};
    begin(&f, AWS_PROTOCOL_JSON, OK_HEAD "{\"Command\":{\"CommandId\":\"\"}}");
    assert_int_equal(aws_ssm_send(f.client, id, &f.credentials, &command).code, E_PEER);
    assert_non_null(strstr(error_text(), "CommandId"));
    assert_string_equal(id, "as before");
}

static int invocation(struct aws_ssm_invocation *ret_invocation, const char *answer)
{
    AUTO(fixture) f = {0};
    begin(&f, AWS_PROTOCOL_JSON, answer);
    return aws_ssm_invocation(f.client, ret_invocation, &f.credentials, "c", "i-1").code;
}

static void invocations(void **state)
{
    (void)state;
    AUTO(aws_ssm_invocation) i = {.response_code = 0};
    assert_int_equal(E_NONE,
                     invocation(&i, OK_HEAD
                                "{\"Status\":\"Failed\",\"StatusDetails\":\"Failed\",\"ResponseCode\":5,"
                                "\"StandardOutputContent\":\"o\\n\",\"StandardErrorContent\":\"e\"}"));
    assert_int_equal(i.status, AWS_SSM_FAILED);
    assert_int_equal(i.response_code, 5);
    assert_string_equal((const char *)i.output.data, "o\n");
    assert_string_equal((const char *)i.error_output.data, "e");
    assert_true(aws_ssm_is_final(i.status));
    static const struct {
        const char *answer;
        int error;
    } cases[] = {
        {OK_HEAD "{\"Status\":\"Great\",\"ResponseCode\":0}", E_PEER},
        {OK_HEAD "{\"ResponseCode\":0}", E_PEER},
        {OK_HEAD "{\"Status\":\"Success\",\"ResponseCode\":256}", E_PEER},
        {OK_HEAD "{\"Status\":\"Success\",\"ResponseCode\":\"0\"}", E_PEER},
        {OK_HEAD "{\"Status\":\"Success\",\"StandardOutputContent\":7}", E_PEER},
        {OK_HEAD "[]", E_PEER},
        {BAD_HEAD "{\"__type\":\"InvocationDoesNotExist\",\"message\":\"\"}", E_NOT_FOUND},
        {BAD_HEAD "{\"__type\":\"ExpiredTokenException\"}", E_AUTH},
    };
    for (size_t k = 0; k < ARRAY_LENGTH(cases); k++) {
        struct aws_ssm_invocation none = {.response_code = 77};
        assert_int_equal(cases[k].error, invocation(&none, cases[k].answer));
        assert_int_equal(none.response_code, 77);
    }
}

static int group(struct aws_autoscaling_group *ret_group, const char *answer)
{
    AUTO(fixture) f = {0};
    begin(&f, AWS_PROTOCOL_QUERY, answer);
    return aws_autoscaling_group(f.client, ret_group, &f.credentials, "g").code;
}

#define GROUPS(inside)                                                                                       \
    OK_HEAD "<DescribeAutoScalingGroupsResponse><DescribeAutoScalingGroupsResult><AutoScalingGroups>" inside \
            "</AutoScalingGroups></DescribeAutoScalingGroupsResult></DescribeAutoScalingGroupsResponse>"
#define INSTANCE                                                                                             \
    "<member><InstanceId>i-1</InstanceId><LifecycleState>InService</LifecycleState><HealthStatus>Healthy"    \
    "</HealthStatus><AvailabilityZone>us-east-1a</AvailabilityZone></member>"

static void groups(void **state)
{
    (void)state;
    struct aws_autoscaling_group g = {.num_instances = 77};
    assert_int_equal(E_NOT_FOUND, group(&g, GROUPS("")));
    assert_int_equal(E_PEER, group(&g, GROUPS("<member/><member/>")));
    assert_int_equal(E_PEER, group(&g, GROUPS("<member><DesiredCapacity>x</DesiredCapacity></member>")));
    assert_int_equal(
        E_PEER,
        group(&g,
              GROUPS("<member><Instances><member><InstanceId>i</InstanceId></member></Instances></member>")));
    assert_int_equal(g.num_instances, 77);
    assert_int_equal(E_NONE,
                     group(&g, GROUPS("<member><DesiredCapacity>2</DesiredCapacity><Instances>" INSTANCE
                                      "</Instances></member>")));
    assert_int_equal(g.num_instances, 1);
    assert_int_equal(g.desired, 2);
    assert_string_equal(g.instances[0].zone, "us-east-1a");
}

static int invoke(struct buffer *answer, const char *response)
{
    AUTO(fixture) f = {0};
    begin(&f, AWS_PROTOCOL_REST, response);
    return aws_lambda_invoke(f.client, answer, &f.credentials, "arn:aws:lambda:us-east-1:1:function:f",
                             "{\"a\":1}")
        .code;
}

static void functions(void **state)
{
    (void)state;
    AUTO(buffer) answer = {0};
    assert_int_equal(E_NONE, invoke(&answer, OK_HEAD "\"OK\""));
    assert_string_equal((const char *)answer.data, "\"OK\"");
    assert_true(
        asked("POST /2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A1%3Afunction%3Af/invocations "
              "HTTP/1.1\r\n"));
    assert_int_equal(E_PEER,
                     invoke(&answer,
                            "HTTP/1.1 200 OK\r\nX-Amz-Function-Error: Unhandled\r\nConnection: close\r\n\r\n"
                            "{\"errorType\":\"Function.Io\",\"errorMessage\":\"no\\u001b way\"}"));
    assert_error_names("the function failed: Function.Io: no? way");
    assert_int_equal(
        E_PEER,
        invoke(&answer,
               "HTTP/1.1 200 OK\r\nx-amz-function-error: Unhandled\r\nConnection: close\r\n\r\nnull"));
    assert_error_names("without a message");
    assert_int_equal(
        E_NOT_FOUND,
        invoke(&answer, "HTTP/1.1 404 Not Found\r\nx-amzn-ErrorType: ResourceNotFoundException:http://x/\r\n"
                        "Connection: close\r\n\r\n{\"Type\":\"User\",\"Message\":\"none\"}"));
    assert_error_names("ResourceNotFoundException: none");
}

static void key_policies(void **state)
{
    (void)state;
    AUTO(buffer) policy = {0};
    {
        AUTO(fixture) f = {0};
        begin(&f, AWS_PROTOCOL_JSON, OK_HEAD "{\"Policy\":\"{ \\\"a\\\" : 1 }\",\"PolicyName\":\"default\"}");
        assert_ok(aws_kms_get_policy(f.client, &policy, &f.credentials, "arn:aws:kms:r:1:key/k"));
    }
    assert_string_equal((const char *)policy.data, "{ \"a\" : 1 }");
    {
        AUTO(fixture) f = {0};
        begin(&f, AWS_PROTOCOL_JSON,
              BAD_HEAD "{\"__type\":\"MalformedPolicyDocumentException\",\"message\":\"m\"}");
        assert_fails(E_INPUT, aws_kms_put_policy(f.client, &f.credentials, "arn:aws:kms:r:1:key/k", &policy));
    }
    assert_true(asked(
        "{\"KeyId\":\"arn:aws:kms:r:1:key/k\",\"PolicyName\":\"default\",\"Policy\":\"{ \\\"a\\\" : 1 }\"}"));
    AUTO(fixture) f = {0};
    struct aws_kms_key key;
    begin(&f, AWS_PROTOCOL_JSON,
          OK_HEAD
          "{\"KeyMetadata\":{\"Arn\":\"a\",\"KeyState\":\"Enabled\",\"KeySpec\":\"SYMMETRIC_DEFAULT\"}}");
    assert_fails(E_PEER, aws_kms_describe_key(f.client, &key, &f.credentials, "arn:aws:kms:r:1:key/k"));
    assert_error_names("KeyUsage");
}

static int open_server(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    scripted_server_open(&server, HOST);
    return aws_authorities_read(&ca_pem, server.ca_path).code;
}

static int close_server(void **state)
{
    (void)state;
    scripted_server_close(&server);
    buffer_cleanup(&ca_pem);
    return 0;
}

int main(void)
{
    if (secret_heap_open(65536).code || aws_library_open().code)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stack_and_its_outputs),
        cmocka_unit_test(stacks_that_are_none),
        cmocka_unit_test(a_command_and_its_request),
        cmocka_unit_test(a_command_without_a_number),
        cmocka_unit_test(invocations),
        cmocka_unit_test(groups),
        cmocka_unit_test(functions),
        cmocka_unit_test(key_policies),
    };
    return cmocka_run_group_tests(tests, open_server, close_server);
}
