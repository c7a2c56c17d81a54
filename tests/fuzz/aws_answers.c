/* aws_answers.c - see aws_answers.h. A call is answered as lib/aws/aws_calls.c would: hooks are asked, and
 * asked again while they wish so. */
#include "aws_answers.h"

#include "fuzz.h"
#include "fuzz_secret.h"

enum { ATTEMPTS_MAX = 20 };

static const uint8_t *left;
static size_t left_len;
static aws_error_reader reader;

void aws_answers_begin(const uint8_t *data, size_t size, aws_error_reader read_error)
{
    left = data;
    left_len = size;
    reader = read_error;
}

const struct aws_credentials *aws_answers_credentials(void)
{
    static struct aws_credentials credentials;
    fuzz_open_secret_heap();
    if (!credentials.secret_access_key.data)
        PROMISE(aws_credentials_new(&credentials, "AKID", "secret", "").code == 0);
    return &credentials;
}

static result attempt(struct aws_call *call, bool *ret_again)
{
    ENSURE(left_len > 0, E_IO, "there is no connection");
    struct fuzz_part part = fuzz_next_part(&left, &left_len);
    char first = part.size > 0 ? (char)part.data[0] : ' ';
    bool is_status = first == '4' || first == '5' || first == '6';
    call->status = first == '4' ? 400 : first == '5' ? 500 : 200;
    (void)snprintf(call->function_error, sizeof call->function_error, "%s", first == '6' ? "Unhandled" : "");
    buffer_consume(call->answer, call->answer->length);
    TRY(buffer_append(call->answer, part.data + is_status, part.size - is_status));
    call->error = (struct aws_error){0};
    *ret_again = false;
    if (call->status != 200) {
        reader(&call->error, call->status, call->answer->data, call->answer->length);
        PROMISE(call->error.code != E_NONE);
        PROMISE(strlen(call->error.type) <= AWS_ERROR_TYPE_MAX &&
                strlen(call->error.message) <= AWS_ERROR_MESSAGE_MAX);
        for (const char *at = call->error.message; *at; at++)
            PROMISE((uint8_t)*at >= ' ');
    }
    if (call->answered)
        return call->answered(call, ret_again);
    return call->status == 200 ? RESULT_OK : aws_error_result(&call->error, call->status);
}

static void make_call(struct aws_call *call)
{
    bool again = true;
    PROMISE(call->answer && call->body.left > 0);
    for (int i = 0; i < ATTEMPTS_MAX && again; i++)
        call->outcome = attempt(call, &again);
    PROMISE(!again || call->outcome.code);
    call->text[0] = 0;
    if (!fuzz_accepted(call->outcome))
        (void)snprintf(call->text, sizeof call->text, "%s", error_text());
}

result __wrap_aws_client_call_many(struct aws_client *client, struct aws_call *calls, size_t num_calls,
                                   const struct aws_credentials *credentials, uint64_t deadline_ns);
result __wrap_aws_client_call_many(struct aws_client *client, struct aws_call *calls, size_t num_calls,
                                   const struct aws_credentials *credentials, uint64_t deadline_ns)
{
    (void)client, (void)deadline_ns;
    PROMISE(credentials);
    for (size_t i = 0; i < num_calls; i++)
        make_call(&calls[i]);
    for (size_t i = 0; i < num_calls; i++)
        ENSURE(!calls[i].outcome.code, (enum error_code)calls[i].outcome.code, "%s: %s", calls[i].target,
               calls[i].text);
    return RESULT_OK;
}

result __wrap_aws_client_call(struct aws_client *client, struct buffer *response, const char *target,
                              const struct aws_credentials *credentials, const uint8_t *body,
                              size_t body_len);
result __wrap_aws_client_call(struct aws_client *client, struct buffer *response, const char *target,
                              const struct aws_credentials *credentials, const uint8_t *body, size_t body_len)
{
    struct aws_call call = {.target = target, .body = {body, body_len}, .answer = response};
    return __wrap_aws_client_call_many(client, &call, 1, credentials, 0);
}
