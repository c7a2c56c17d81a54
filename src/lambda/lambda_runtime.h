/* lambda_runtime.h - the Lambda Runtime API, version 2018-06-01, as a function that is its own runtime speaks
 * it: wait for an event, answer it, wait for the next. */
#ifndef LAMBDA_RUNTIME_H
#define LAMBDA_RUNTIME_H

#include <curl/curl.h>
#include <stdint.h>

#include "base/buffer.h"

enum { LAMBDA_REQUEST_ID_MAX = 128, LAMBDA_RUNTIME_URL_MAX = 320 };

struct lambda_runtime {
    CURL *curl; /* keeps the connection */
    char base[LAMBDA_RUNTIME_URL_MAX];
    struct buffer body; /* of the latest answer, as far as body_max goes */
    size_t body_max;
    bool body_too_long;
};
void lambda_runtime_cleanup(struct lambda_runtime *runtime);

/* address is AWS_LAMBDA_RUNTIME_API, HOST:PORT; E_INPUT. After aws_library_open. */
must_check result lambda_runtime_open(struct lambda_runtime *ret_runtime, const char *address);

struct lambda_invocation {
    char request_id[LAMBDA_REQUEST_ID_MAX + 1];
    uint64_t deadline_ms; /* as clock_realtime_ms */
    struct buffer event;
    bool event_too_large; /* event is then cut */
};
void lambda_invocation_cleanup(struct lambda_invocation *invocation);

/* Waits for an event, however long, at most event_max bytes of which are kept. Lost connections are made anew
 * a few times. A failure means that the process is to end. */
must_check result lambda_runtime_next(struct lambda_runtime *runtime,
                                      struct lambda_invocation *ret_invocation, size_t event_max);

/* What went wrong, for error answers. */
struct lambda_failure {
    const char *category; /* "Function", "Runtime" */
    const char *reason;   /* one word */
    const char *message;
};

/* The result of an invocation, JSON. When the runtime finds it too large, the invocation fails instead; other
 * refusals (it is answered already, its time is over) are *ret_refused, an HTTP status, else 0. A failure
 * means that the process is to end. */
must_check result lambda_runtime_respond(struct lambda_runtime *runtime, long *ret_refused,
                                         const char *request_id, const struct buffer *answer);
/* The failure of an invocation; likewise. */
must_check result lambda_runtime_fail(struct lambda_runtime *runtime, long *ret_refused,
                                      const char *request_id, const struct lambda_failure *failure);
/* The failure of the function's start; the process is to end then, with a status that is not 0. */
must_check result lambda_runtime_fail_init(struct lambda_runtime *runtime,
                                           const struct lambda_failure *failure);

#endif
