/* aws_calls.c - many calls at once from one thread, over libcurl's multi interface.
 *
 * Calls wait in the order they were given; whatever exchange is free takes the first that may begin.
 * Rejected: HTTP/2 (DynamoDB speaks 1.1 only) and a thread a connection. */
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/aws_client_private.h"
#include "base/clock.h"

enum { BACKOFF_FIRST_MS = 50, BACKOFF_LARGEST_MS = 5000, NS_PER_MS = 1000000, IDLE_MS = 1000 };

struct job {
    struct aws_call *call;
    unsigned failures;
    uint64_t not_before_ns;
    bool running, finished;
    bool fresh; /* a kept connection may be dead without a sign; the others then are too */
};

struct run {
    struct aws_client *client;
    const struct aws_credentials *credentials;
    uint64_t deadline_ns; /* 0: none */
    struct job *jobs;
    size_t num_jobs, num_left;
    size_t num_running;
};

static void run_cleanup(struct run *run)
{
    /* After a failure of libcurl itself exchanges may still be under way; the sentence of that failure stays.
     */
    for (size_t i = 0; i < run->client->num_exchanges; i++) {
        struct aws_exchange *exchange = &run->client->exchanges[i];
        if (!exchange->call)
            continue;
        (void)curl_multi_remove_handle(run->client->multi, exchange->curl);
        aws_exchange_abandon(exchange);
    }
    free(run->jobs);
}

/* Milliseconds until the deadline, at least 0; a very long time without one. */
static long time_left_ms(const struct run *run)
{
    uint64_t now = clock_monotonic_ns();
    if (!run->deadline_ns)
        return INT32_MAX;
    return now < run->deadline_ns ? (long)((run->deadline_ns - now) / NS_PER_MS) : 0;
}

static void finish_job(struct run *run, struct job *job, result outcome)
{
    job->finished = true;
    run->num_left--;
    job->call->outcome = outcome;
    job->call->text[0] = 0;
    if (outcome.code)
        (void)snprintf(job->call->text, sizeof job->call->text, "%s", error_text());
}

/* Full jitter: anything between nothing and the exponential bound, so that a fleet does not knock in step.
 * Within what is left of the time, so that there is one more attempt before the deadline. */
static long back_off_ms(const struct run *run, unsigned failures)
{
    long bound = BACKOFF_FIRST_MS, half = time_left_ms(run) / 2;
    for (unsigned i = 1; i < failures && bound < BACKOFF_LARGEST_MS; i++)
        bound *= 2;
    if (bound > BACKOFF_LARGEST_MS)
        bound = BACKOFF_LARGEST_MS;
    if (bound > half)
        bound = half;
    uint32_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1)
        return bound;
    return (long)(random % (uint32_t)(bound + 1));
}

/* Another attempt after a pause, or, when there is to be none, the failure as outcome. */
static void try_again(struct run *run, struct job *job, result failed)
{
    unsigned attempts = run->client->config.attempts;
    job->failures++;
    if ((attempts && job->failures >= attempts) || time_left_ms(run) == 0) {
        finish_job(run, job, failed);
        return;
    }
    job->not_before_ns =
        clock_monotonic_ns() + (uint64_t)back_off_ms(run, job->failures) * (uint64_t)NS_PER_MS;
}

/* There is an answer; only what the service itself says is tried again comes back with retry. */
static must_check result judge(const struct run *run, struct aws_call *call, bool *ret_again)
{
    struct aws_error *error = &call->error;
    *error = (struct aws_error){0};
    if (call->status != 200) {
        run->client->config.read_error(error, call->status, call->answer->data, call->answer->length);
        if (!error->type[0] && call->error_type[0]) {
            const struct aws_error of_body = *error;
            aws_error_of_type(error, call->status, call->error_type, of_body.message);
        }
        *ret_again = error->retry;
    }
    if (call->answered && !*ret_again)
        return call->answered(call, ret_again);
    return call->status == 200 ? RESULT_OK : aws_error_result(&call->error, call->status);
}

static void end_attempt(struct run *run, struct aws_exchange *exchange, CURLcode code)
{
    struct job *job = NULL;
    struct aws_outcome outcome;
    for (size_t i = 0; i < run->num_jobs && !job; i++)
        if (run->jobs[i].call == exchange->call)
            job = &run->jobs[i];
    (void)curl_multi_remove_handle(run->client->multi, exchange->curl);
    result r = aws_exchange_end(exchange, &outcome, &run->client->endpoint, code);
    run->num_running--;
    job->running = false;
    job->fresh = outcome.lost || outcome.timed_out;
    bool until_deadline = run->client->config.attempts == 0;
    bool again = outcome.lost || (until_deadline && outcome.timed_out);
    if (!r.code)
        r = judge(run, job->call, &again);
    if (again)
        try_again(run, job, r);
    else
        finish_job(run, job, r);
}

/* A free exchange, opened now if need be; NULL when all that there may be are under way. */
static must_check result free_exchange(struct run *run, struct aws_exchange **ret_exchange)
{
    struct aws_client *client = run->client;
    *ret_exchange = NULL;
    for (size_t i = 0; i < client->num_exchanges && !*ret_exchange; i++)
        if (!client->exchanges[i].call)
            *ret_exchange = &client->exchanges[i];
    if (*ret_exchange || client->num_exchanges == client->config.connections)
        return RESULT_OK;
    struct aws_exchange *opened = &client->exchanges[client->num_exchanges++];
    TRY(aws_exchange_open(opened, &client->endpoint, &client->config, &client->ca_pem));
    *ret_exchange = opened;
    return RESULT_OK;
}

static must_check result begin_attempt(struct run *run, struct aws_exchange *exchange, struct job *job)
{
    long timeout_ms = run->client->config.attempt_timeout_ms, left_ms = time_left_ms(run);
    if (left_ms == 0) {
        finish_job(run, job, error_set(E_TIMEOUT, "%s: no time left", run->client->endpoint.host));
        return RESULT_OK;
    }
    if (timeout_ms > left_ms)
        timeout_ms = left_ms;
    const struct aws_attempt attempt = {.call = job->call, .timeout_ms = timeout_ms, .fresh = job->fresh};
    TRY(aws_exchange_begin(exchange, &run->client->endpoint, run->credentials, &attempt));
    job->running = true;
    run->num_running++;
    CURLMcode code = curl_multi_add_handle(run->client->multi, exchange->curl);
    ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
    return RESULT_OK;
}

/* Begins what may begin; *ret_wait_ms says when the next of those that pause may. */
static must_check result begin_ready(struct run *run, int *ret_wait_ms)
{
    uint64_t now = clock_monotonic_ns();
    *ret_wait_ms = IDLE_MS;
    for (size_t i = 0; i < run->num_jobs; i++) {
        struct job *job = &run->jobs[i];
        struct aws_exchange *exchange;
        if (job->running || job->finished)
            continue;
        if (job->not_before_ns > now) {
            uint64_t pause_ms = (job->not_before_ns - now) / NS_PER_MS + 1;
            *ret_wait_ms = pause_ms < (uint64_t)*ret_wait_ms ? (int)pause_ms : *ret_wait_ms;
            continue;
        }
        TRY(free_exchange(run, &exchange));
        if (!exchange)
            return RESULT_OK;
        TRY(begin_attempt(run, exchange, job));
    }
    return RESULT_OK;
}

/* Returns whether any attempt has ended, so that others may begin. */
static bool end_attempts(struct run *run)
{
    bool any = false;
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(run->client->multi, &left))) {
        struct aws_exchange *exchange = NULL;
        CURLcode code = message->data.result; /* the message is gone once its handle is removed */
        (void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&exchange);
        end_attempt(run, exchange, code);
        any = true;
    }
    return any;
}

static must_check result perform(struct run *run)
{
    while (run->num_left > 0) {
        int wait_ms, under_way;
        ENSURE(!run->client->config.stop || !atomic_load(run->client->config.stop), E_TIMEOUT,
               "given up: this program is ending");
        TRY(begin_ready(run, &wait_ms));
        CURLMcode code = curl_multi_perform(run->client->multi, &under_way);
        if (!code && !end_attempts(run) && run->num_left > 0)
            code = curl_multi_poll(run->client->multi, NULL, 0, wait_ms, NULL);
        ENSURE(!code, E_INTERNAL, "libcurl: %s", curl_multi_strerror(code));
    }
    return RESULT_OK;
}

result aws_client_call_many(struct aws_client *client, struct aws_call *calls, size_t num_calls,
                            const struct aws_credentials *credentials, uint64_t deadline_ns)
{
    ENSURE(client->config.attempts > 0 || deadline_ns > 0, E_INTERNAL, "neither attempts nor a deadline");
    AUTO(run)
    run = {.client = client,
           .credentials = credentials,
           .deadline_ns = deadline_ns,
           .jobs = calloc(num_calls ? num_calls : 1, sizeof *run.jobs),
           .num_jobs = num_calls,
           .num_left = num_calls};
    ENSURE(run.jobs, E_MEMORY, "out of memory for %zu calls", num_calls);
    for (size_t i = 0; i < num_calls; i++) {
        run.jobs[i].call = &calls[i];
        /* Until it has another: a failure of libcurl itself ends them all. */
        calls[i].outcome = (result){E_INTERNAL};
    }
    TRY(perform(&run));
    for (size_t i = 0; i < num_calls; i++)
        ENSURE(!calls[i].outcome.code, (enum error_code)calls[i].outcome.code, "%s: %s", calls[i].target,
               calls[i].text);
    return RESULT_OK;
}
