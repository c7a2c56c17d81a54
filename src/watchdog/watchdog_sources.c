/* watchdog_sources.c - see watchdog_sources.h.
 *
 * One thread, one job at a time, outcome by an eventfd; what the job makes is the thread's own until the loop
 * takes it over. Rejected: libcurl on the event loop (retries would have to be told twice) and a child
 * process (ciphertexts and credentials would have to be passed once more). */
#include "watchdog_sources.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "aws/aws_credentials_file.h"
#include "aws/aws_dynamodb_query.h"
#include "aws/aws_imds.h"
#include "base/clock.h"
#include "base/secret_allocators.h"
#include "watchdog_items.h"
#include "watchdog_tables.h"

enum {
    MINUTE_MS = 60 * 1000,
    RENEW_BEFORE_MS = 15 * MINUTE_MS, /* new ones appear at least 5 minutes before the old ones expire */
    LOOK_AT_LEAST_MS = 60 * MINUTE_MS,
    TABLES_DEADLINE_S = 120,
    CONNECT_MS = 5000,
    ATTEMPT_MS = 20000,
    IMDS_ATTEMPT_MS = 2000,
    IMDS_ATTEMPTS = 4
};

/* Belongs to the thread while it runs, else to the loop. */
struct job {
    bool items, credentials;
    struct watchdog_material made;
    result outcome;
    char text[256];
};

struct watchdog_sources {
    const struct watchdog_options *options;
    char endpoint[320], region[64];
    struct aws_client *dynamodb; /* NULL: not opened yet, or keys are in files */
    struct aws_imds *imds;       /* NULL: credentials are in a file */
    atomic_bool stopping;

    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool working; /* under the lock: the job is the thread's */
    struct job job;
    int event_fd;

    struct watchdog_material material;
    bool stale;              /* a service took our credentials for expired */
    bool again, again_items; /* asked for while the thread worked */
    struct event *event;
    watchdog_on_fetched on_fetched;
    void *context;
};
typedef struct watchdog_sources watchdog_sources;
DEFINE_AUTO_POINTER(watchdog_sources, watchdog_sources_close)

/* Pages of a table are large and no secret; credentials are small and one. */
static _Thread_local bool parsing_secret;

static void *choose_malloc(size_t size)
{
    return parsing_secret ? secret_malloc(size) : malloc(size);
}

static void material_cleanup(struct watchdog_material *m)
{
    aws_credentials_cleanup(&m->credentials);
    watchdog_items_cleanup(&m->items);
    *m = (struct watchdog_material){0};
}

static must_check result fetch_credentials(struct watchdog_sources *s, struct watchdog_material *made)
{
    parsing_secret = true;
    result r = s->imds ? aws_imds_credentials(&made->credentials, &made->expires_ms, s->imds)
                       : aws_credentials_read(&made->credentials, s->options->credentials);
    parsing_secret = false;
    return r;
}

static must_check result open_dynamodb(struct watchdog_sources *s)
{
    const struct aws_client_config config = {.endpoint = s->endpoint,
                                             .region = s->region,
                                             .service = "dynamodb",
                                             .ca_file = s->options->ca_file,
                                             .connect_timeout_ms = CONNECT_MS,
                                             .attempt_timeout_ms = ATTEMPT_MS,
                                             .response_max = AWS_DYNAMODB_PAGE_RESPONSE_MAX,
                                             .content_type = AWS_DYNAMODB_CONTENT_TYPE,
                                             .stop = &s->stopping};
    result r = aws_client_open(&s->dynamodb, &config);
    return r.code ? error_prefix(r, "DynamoDB") : r;
}

static must_check result fetch_items(struct watchdog_sources *s, struct watchdog_items *items,
                                     const struct aws_credentials *credentials)
{
    const struct watchdog_options *o = s->options;
    if (o->items)
        return watchdog_items_read(items, o->items);
    const struct watchdog_tables tables = {
        .validators = o->validator_table, .tls = o->tls_table, .stack_uuid = o->stack_uuid};
    uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)TABLES_DEADLINE_S * 1000000000;
    return watchdog_tables_read(items, &tables, s->dynamodb, credentials, deadline_ns);
}

/* Reads material.credentials when the job brings none of its own: the loop changes them only between jobs. */
static must_check result run_job(struct watchdog_sources *s, struct job *job)
{
    if (job->credentials)
        TRY(fetch_credentials(s, &job->made));
    if (!job->items)
        return RESULT_OK;
    TRY(fetch_items(s, &job->made.items,
                    job->credentials ? &job->made.credentials : &s->material.credentials));
    job->made.have_items = true;
    return RESULT_OK;
}

static void *work(void *sources_pointer)
{
    struct watchdog_sources *s = sources_pointer;
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->working && !atomic_load(&s->stopping))
            (void)pthread_cond_wait(&s->changed, &s->lock);
        if (atomic_load(&s->stopping))
            break;
        (void)pthread_mutex_unlock(&s->lock);
        s->job.outcome = run_job(s, &s->job);
        if (s->job.outcome.code)
            (void)snprintf(s->job.text, sizeof s->job.text, "%s", error_text());
        (void)pthread_mutex_lock(&s->lock);
        s->working = false;
        if (write(s->event_fd, &one, sizeof one) != sizeof one)
            break; /* the counter cannot overflow with one job at a time */
    }
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

static bool credentials_differ(const struct aws_credentials *a, const struct aws_credentials *b)
{
    return strcmp(a->access_key_id, b->access_key_id) != 0 ||
           a->session_token.length != b->session_token.length ||
           (a->session_token.length &&
            !secret_equal(a->session_token.data, b->session_token.data, a->session_token.length));
}

/* What came, even if something else of the same job did not come. */
static bool take_made(struct watchdog_sources *s)
{
    struct watchdog_material *made = &s->job.made;
    bool fresh = false;
    if (made->credentials.access_key_id[0]) {
        fresh = !s->imds || credentials_differ(&made->credentials, &s->material.credentials);
        aws_credentials_cleanup(&s->material.credentials);
        s->material.credentials = made->credentials;
        s->material.expires_ms = made->expires_ms;
        made->credentials = (struct aws_credentials){0};
    }
    if (made->have_items) {
        watchdog_items_cleanup(&s->material.items);
        s->material.items = made->items;
        s->material.have_items = true;
        made->items = (struct watchdog_items){0};
    }
    material_cleanup(made);
    return fresh;
}

static void on_event(evutil_socket_t fd, short what, void *context)
{
    (void)what;
    struct watchdog_sources *s = context;
    uint64_t count;
    if (read(fd, &count, sizeof count) != sizeof count)
        return;
    struct watchdog_fetched fetched = {.items = s->job.items, .outcome = s->job.outcome, .text = s->job.text};
    fetched.fresh_credentials = take_made(s);
    s->stale = s->job.outcome.code == E_AUTH;
    char text[sizeof s->job.text];
    (void)snprintf(text, sizeof text, "%s", s->job.text);
    fetched.text = text;
    bool again = s->again, again_items = s->again_items;
    s->again = s->again_items = false;
    s->job = (struct job){0};
    if (again)
        watchdog_sources_fetch(s, again_items);
    s->on_fetched(s->context, &fetched);
}

static bool expires_within(const struct watchdog_sources *s, uint64_t ms)
{
    return s->material.expires_ms && clock_realtime_ms() + ms >= s->material.expires_ms;
}

void watchdog_sources_fetch(struct watchdog_sources *s, bool items)
{
    (void)pthread_mutex_lock(&s->lock);
    bool busy = s->working || s->job.items || s->job.credentials;
    if (!busy) {
        bool at_hand = s->material.credentials.access_key_id[0] && !s->stale;
        /* A mere look for credentials is one even if those at hand would do. */
        s->job =
            (struct job){.items = items,
                         .credentials = !items || !s->imds || !at_hand || expires_within(s, RENEW_BEFORE_MS)};
        s->working = true;
        (void)pthread_cond_signal(&s->changed);
    }
    (void)pthread_mutex_unlock(&s->lock);
    if (busy) {
        s->again = true;
        s->again_items = s->again_items || items;
    }
}

const struct watchdog_material *watchdog_sources_material(const struct watchdog_sources *s)
{
    return &s->material;
}

uint32_t watchdog_sources_refresh_ms(const struct watchdog_sources *s)
{
    uint64_t now = clock_realtime_ms(), expires = s->material.expires_ms;
    if (!s->imds)
        return 0;
    if (expires <= now + RENEW_BEFORE_MS)
        return s->options->imds_interval * 1000;
    uint64_t left = expires - now - RENEW_BEFORE_MS, least = (uint64_t)s->options->imds_interval * 1000;
    if (left < least)
        left = least;
    return left < LOOK_AT_LEAST_MS ? (uint32_t)left : LOOK_AT_LEAST_MS;
}

static must_check result fetch_files(struct watchdog_sources *s)
{
    if (!s->imds)
        TRY(fetch_credentials(s, &s->material));
    if (!s->options->items)
        return RESULT_OK;
    TRY(watchdog_items_read(&s->material.items, s->options->items));
    s->material.have_items = true;
    return RESULT_OK;
}

static must_check result open_services(struct watchdog_sources *s, const char *region)
{
    const struct watchdog_options *o = s->options;
    json_object_seed(0);
    json_set_alloc_funcs(choose_malloc, secret_free); /* which frees, and wipes, blocks of either kind */
    TRY(aws_library_open());
    if (!o->credentials) {
        const struct aws_imds_config config = {.endpoint = o->imds_endpoint,
                                               .attempt_timeout_ms = IMDS_ATTEMPT_MS,
                                               .attempts = IMDS_ATTEMPTS,
                                               .stop = &s->stopping};
        TRY(aws_imds_open(&s->imds, &config));
    }
    if (o->items)
        return RESULT_OK;
    (void)snprintf(s->region, sizeof s->region, "%s", o->region ? o->region : region);
    ENSURE(strcmp(s->region, "none") != 0, E_INPUT, "--region: required, since the policy has none");
    int length = o->dynamodb_endpoint ? snprintf(s->endpoint, sizeof s->endpoint, "%s", o->dynamodb_endpoint)
                                      : snprintf(s->endpoint, sizeof s->endpoint,
                                                 "https://dynamodb.%s.amazonaws.com", s->region);
    ENSURE(length > 0 && (size_t)length < sizeof s->endpoint, E_INPUT, "--dynamodb-endpoint: is too long");
    return open_dynamodb(s);
}

static must_check result start_thread(struct watchdog_sources *s, struct event_base *base)
{
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    ENSURE(s->event_fd >= 0, E_IO, "eventfd: %s", strerror(errno));
    s->event = event_new(base, s->event_fd, EV_READ | EV_PERSIST, on_event, s);
    ENSURE(s->event && event_add(s->event, NULL) == 0, E_MEMORY, "no memory for events");
    /* Signals are the loop's. */
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&s->thread, NULL, work, s);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    ENSURE(code == 0, E_IO, "thread: %s", strerror(code));
    s->started = true;
    return RESULT_OK;
}

result watchdog_sources_open(struct watchdog_sources **ret_sources, const struct watchdog_options *options,
                             const char *region, struct event_base *base, watchdog_on_fetched on_fetched,
                             void *context)
{
    AUTO_POINTER(watchdog_sources) s = calloc(1, sizeof *s);
    ENSURE(s, E_MEMORY, "out of memory for the sources");
    s->options = options;
    s->on_fetched = on_fetched;
    s->context = context;
    s->event_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_cond_init(&s->changed, NULL);
    TRY(open_services(s, region));
    TRY(fetch_files(s));
    TRY(start_thread(s, base));
    *ret_sources = TAKE(s);
    return RESULT_OK;
}

void watchdog_sources_close(struct watchdog_sources *s)
{
    if (!s)
        return;
    if (s->started) {
        (void)pthread_mutex_lock(&s->lock);
        atomic_store(&s->stopping, true);
        (void)pthread_cond_signal(&s->changed);
        (void)pthread_mutex_unlock(&s->lock);
        (void)pthread_join(s->thread, NULL);
    }
    if (s->event)
        event_free(s->event);
    if (s->event_fd >= 0)
        (void)close(s->event_fd);
    aws_client_close(s->dynamodb);
    if (s->imds)
        aws_imds_close(s->imds);
    material_cleanup(&s->job.made);
    material_cleanup(&s->material);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->changed);
    free(s);
}
