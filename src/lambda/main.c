/* main.c - nitro-signer-lambda: what an operator does to a deployed stack without a machine of their own.
 *
 * It runs on provided.al2023, where the file is called bootstrap, and is its own runtime: one loop, one
 * invocation at a time. What fails in an invocation is the invocation's failure; the process ends only when
 * the Runtime API says so. No seccomp filter: libcurl resolves names, and the micro-virtual machine is ours
 * alone. */
#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/options.h"
#include "base/process_limits.h"
#include "base/secret_allocators.h"
#include "lambda_operations.h"
#include "lambda_runtime.h"

/* The least fits into the 64 KiB that an unprivileged process may lock everywhere. */
enum { HEAP_LEAST = 32 << 10, HEAP_MOST = 1 << 20, REASON_MAX = 32 };

struct function {
    struct lambda_environment environment;
    struct buffer authorities;
};

static void function_cleanup(struct function *function)
{
    lambda_environment_cleanup(&function->environment);
    buffer_cleanup(&function->authorities);
}

/* error_name's "not_found" as "NotFound": the form of Lambda's own reasons. */
static void name_reason(char out[static REASON_MAX], result failed)
{
    bool upper = true;
    size_t length = 0;
    for (const char *at = error_name(failed.code); *at && length < REASON_MAX - 1; at++) {
        if (*at != '_')
            out[length++] = (char)(upper ? toupper((unsigned char)*at) : *at);
        upper = *at == '_';
    }
    out[length] = 0;
}

static must_check result prepare(struct function *function)
{
    TRY(secret_heap_open_up_to(HEAP_LEAST, HEAP_MOST));
    TRY(lambda_environment_read(&function->environment));
    log_set_level(function->environment.log_level);
    log_set_format(function->environment.log_format);
    return aws_authorities_read(&function->authorities, function->environment.ca_file);
}

static must_check result handle(struct buffer *answer, const struct function *function,
                                const struct lambda_invocation *invocation)
{
    enum lambda_operation operation;
    ENSURE(!invocation->event_too_large, E_TOO_LARGE, "event: must have at most %d bytes", LAMBDA_EVENT_MAX);
    TRY(lambda_event_parse(&operation, &invocation->event));
    const struct lambda_call call = {&function->environment, &function->authorities, invocation->deadline_ms};
    TRY(lambda_operations_run(answer, &call, operation));
    const struct log_field fields[] = {{"request", invocation->request_id, 0},
                                       {"operation", lambda_operation_name(operation), 0}};
    log_event(LOG_LEVEL_INFO, fields, ARRAY_LENGTH(fields), "done");
    return RESULT_OK;
}

static must_check result tell_failure(struct lambda_runtime *runtime, long *ret_refused,
                                      const struct lambda_invocation *invocation, result failed)
{
    char reason[REASON_MAX], message[256];
    const struct log_field request = {"request", invocation->request_id, 0};
    name_reason(reason, failed);
    (void)snprintf(message, sizeof message, "%s", error_text());
    log_event(LOG_LEVEL_ERROR, &request, 1, "%s", message);
    return lambda_runtime_fail(runtime, ret_refused, invocation->request_id,
                               &(struct lambda_failure){"Function", reason, message});
}

static must_check result serve_one(struct lambda_runtime *runtime, const struct function *function)
{
    AUTO(lambda_invocation) invocation = {0};
    AUTO(buffer) answer = {0};
    long refused = 0;
    TRY(lambda_runtime_next(runtime, &invocation, LAMBDA_EVENT_MAX));
    result r = handle(&answer, function, &invocation);
    if (r.code)
        TRY(tell_failure(runtime, &refused, &invocation, r));
    else
        TRY(lambda_runtime_respond(runtime, &refused, invocation.request_id, &answer));
    if (refused)
        log_warn("the Runtime API refuses the answer of %s with HTTP %ld", invocation.request_id, refused);
    return RESULT_OK;
}

/* Told twice: in the log, and to Lambda, which shows it to whoever invokes. */
static must_check result give_up(struct lambda_runtime *runtime)
{
    char message[256];
    (void)snprintf(message, sizeof message, "%s", error_text());
    result told =
        lambda_runtime_fail_init(runtime, &(struct lambda_failure){"Runtime", "ConfigInvalid", message});
    if (told.code)
        log_error("%s", error_text());
    FAIL(E_STATE, "%s", message);
}

static must_check result run(void)
{
    AUTO(lambda_runtime) runtime = {0};
    AUTO(function) function = {0};
    const char *address = getenv("AWS_LAMBDA_RUNTIME_API");
    TRY(process_harden());
    TRY(secret_openssl_wipes());
    json_set_alloc_funcs(malloc, secret_wiping_free);
    TRY(aws_library_open());
    ENSURE(address, E_INPUT, "AWS_LAMBDA_RUNTIME_API: must be set: this program is started by AWS Lambda");
    TRY(lambda_runtime_open(&runtime, address));
    if (prepare(&function).code)
        return give_up(&runtime);
    for (;;)
        TRY(serve_one(&runtime, &function));
}

int main(int argc, char **argv)
{
    static const char usage[] =
        "nitro-signer-lambda\n"
        "The Lambda function of a stack: runs as the file bootstrap of the runtime\n"
        "provided.al2023, is configured by environment variables, and takes no options.";
    int next;
    log_open("nitro-signer-lambda", LOG_LEVEL_INFO);
    if (options_parse(&next, NULL, 0, usage, argc, argv).code || next != argc) {
        (void)fprintf(stderr, "nitro-signer-lambda: takes no options or arguments\n");
        return PROGRAM_EXIT_USAGE;
    }
    result r = run();
    log_error("%s", r.code ? error_text() : "ended");
    return 1;
}
