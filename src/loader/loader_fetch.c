/* loader_fetch.c - see loader_fetch.h.
 *
 * One thread asks and listens, so that scrypt's threads never wait for a network. The files that a request
 * needs, lists of known servers and tokens of service accounts, are read here: the fetcher can open none. Its
 * answers are a stranger's bytes; they become keys here, where no socket could carry them off. */
#include "loader_fetch.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret_text.h"

enum { LOOK_MS = 200, SILENCE_S = 180, KNOWN_SERVERS_MAX = IPC_FETCH_TEXT_MAX, TOKEN_MAX = 8192 };

_Static_assert((int)KEY_REMOTE_TEXTS == (int)IPC_FETCH_TEXTS &&
                   (int)KEY_AWS_SECRET == IPC_FETCH_SECRET_ACCESS_KEY &&
                   (int)KEY_VAULT_ROLE_PATH == IPC_FETCH_ROLE_PATH,
               "texts of a request are those of a document, in their order");

static must_check result fail(struct loader_fetch *f, result r)
{
    if (r.code && !f->broken) {
        f->broken = r.code;
        (void)snprintf(f->text, sizeof f->text, "the fetcher: %s", error_text());
    }
    return r;
}

/* Its sentence is the latest failure's. */
static void finish(struct loader_fetch *f, struct loader_job *job, result r)
{
    job->error = r.code;
    if (r.code)
        (void)snprintf(job->text, sizeof job->text, "%s: %s", job->source->origin, error_text());
    loader_pool_finish(f->pool, job);
}

/* What stands in files instead of in the document. */
struct file_texts {
    struct secret known_servers, role_token;
};

static void file_texts_cleanup(struct file_texts *texts)
{
    secret_cleanup(&texts->known_servers);
    secret_cleanup(&texts->role_token);
}

static must_check result read_text(struct secret *ret_text, struct ipc_fetch *fetch, unsigned which,
                                   size_t length_max, const char *member)
{
    if (!fetch->texts[which].length)
        return RESULT_OK;
    result r = secret_read_file(ret_text, (const char *)fetch->texts[which].data, length_max);
    if (r.code)
        return error_prefix(r, "%s", member);
    ENSURE(ret_text->length && !memchr(ret_text->data, 0, ret_text->length), E_INPUT,
           "%s: the file is empty, or has a NUL", member);
    fetch->texts[which] = (struct ipc_bytes){ret_text->data, (uint32_t)ret_text->length};
    return RESULT_OK;
}

static must_check result read_files(struct file_texts *texts, struct ipc_fetch *fetch)
{
    TRY(read_text(&texts->known_servers, fetch, IPC_FETCH_KNOWN_SERVERS, KNOWN_SERVERS_MAX,
                  "tlsKnownServersPath"));
    TRY(read_text(&texts->role_token, fetch, IPC_FETCH_ROLE_TOKEN, TOKEN_MAX,
                  "kubernetesServiceAccountTokenPath"));
    if (texts->role_token.data)
        fetch->texts[IPC_FETCH_ROLE_TOKEN].length = (uint32_t)secret_line_length(&texts->role_token);
    return RESULT_OK;
}

static must_check result send(struct loader_fetch *f, const struct ipc_fetch *fetch)
{
    struct packer p = {.data = f->packet.data, .capacity = IPC_PACKET_MAX};
    ipc_pack_fetch(&p, fetch);
    result r = pack_end(&p);
    if (!r.code)
        r = fail(f, ipc_send(f->socket, p.data, p.length, -1));
    secret_wipe(f->packet.data, f->packet.length);
    return r;
}

static must_check result ask(struct loader_fetch *f, const struct key_source *source, uint32_t id)
{
    const struct key_remote *remote = source->remote;
    bool vault = source->kind == KEY_SOURCE_VAULT;
    AUTO(file_texts) texts = {0};
    struct ipc_fetch fetch = {.id = id,
                              .kind = vault ? IPC_FETCH_VAULT : IPC_FETCH_AWS,
                              .environment = remote->environment,
                              .tls = remote->tls,
                              .http2 = remote->http2,
                              .port = remote->port,
                              .timeout_ms = remote->timeout_ms};
    for (unsigned i = 0; i < IPC_FETCH_TEXTS; i++) {
        const char *text = key_remote_text(remote, i);
        fetch.texts[i] = (struct ipc_bytes){(const uint8_t *)text, (uint32_t)strlen(text)};
    }
    if (vault)
        TRY(read_files(&texts, &fetch));
    ENSURE(!f->broken, (enum error_code)f->broken, "%s", f->text);
    return send(f, &fetch);
}

static void begin(struct loader_fetch *f, struct loader_job *job)
{
    uint32_t id = 0;
    while (f->under_way[id])
        id++;
    result r = ask(f, job->source, id);
    if (r.code) {
        finish(f, job, r);
        return;
    }
    f->under_way[id] = job;
    f->num_under_way++;
}

/* The next answer; E_TIMEOUT after a long silence. Looks up now and then: the load may be over. */
static must_check result receive(struct loader_fetch *f, struct ipc_fetched *ret_fetched)
{
    uint64_t deadline = clock_monotonic_ns() + SILENCE_S * UINT64_C(1000000000);
    struct ipc_message m;
    size_t length = 0;
    for (int ready = 0; ready <= 0;) {
        struct pollfd wait = {.fd = f->socket, .events = POLLIN};
        ready = poll(&wait, 1, LOOK_MS);
        ENSURE(ready >= 0 || errno == EINTR, E_IO, "poll: %s", strerror(errno));
        ENSURE(clock_monotonic_ns() < deadline, E_TIMEOUT, "has not answered for %d seconds", SILENCE_S);
        ENSURE(ready > 0 || !f->running || !loader_pool_remote_stopped(f->pool), E_STATE, "the load is over");
    }
    TRY(ipc_receive(f->socket, f->packet.data, &length, NULL));
    TRY(ipc_open(&m, f->packet.data, length));
    ENSURE(m.type == IPC_FETCHED, E_PEER, "message 0x%04x instead of FETCHED", (unsigned)m.type);
    return ipc_take_fetched(ret_fetched, &m);
}

/* One key is one packet; more than that is none. */
static must_check result open_value(struct loader_job *job, const struct ipc_fetched *fetched)
{
    ENSURE(!fetched->error, fetched->error, "%.*s", (int)fetched->value.length,
           (const char *)fetched->value.data);
    ENSURE(!fetched->is_part, E_INPUT, "the value is longer than a key");
    return key_source_parse(&job->key, (const char *)fetched->value.data, fetched->value.length);
}

static must_check result take_answer(struct loader_fetch *f)
{
    struct ipc_fetched fetched;
    TRY(receive(f, &fetched));
    ENSURE(fetched.id < IPC_FETCHES_MAX && f->under_way[fetched.id], E_PEER, "answers what was not asked");
    struct loader_job *job = f->under_way[fetched.id];
    if (!job->error) {
        result r = open_value(job, &fetched);
        job->error = r.code;
        if (r.code)
            (void)snprintf(job->text, sizeof job->text, "%s: %s", job->source->origin, error_text());
    }
    secret_wipe(f->packet.data, f->packet.length);
    if (!fetched.is_last)
        return RESULT_OK;
    f->under_way[fetched.id] = NULL;
    f->num_under_way--;
    loader_pool_finish(f->pool, job);
    return RESULT_OK;
}

/* The fetcher has broken off: none of these will be answered. */
static void give_up(struct loader_fetch *f)
{
    for (size_t i = 0; i < IPC_FETCHES_MAX; i++) {
        struct loader_job *job = TAKE(f->under_way[i]);
        if (!job)
            continue;
        if (job->error)
            loader_pool_finish(f->pool, job);
        else
            finish(f, job, error_set((enum error_code)f->broken, "%s", f->text));
    }
    f->num_under_way = 0;
}

static void *work(void *pointer)
{
    struct loader_fetch *f = pointer;
    for (;;) {
        bool idle = f->num_under_way == 0;
        struct loader_job *job =
            f->num_under_way < IPC_FETCHES_MAX ? loader_pool_take_remote(f->pool, idle) : NULL;
        if (job)
            begin(f, job);
        else if (idle)
            return NULL;
        else if (fail(f, take_answer(f)).code)
            give_up(f);
    }
}

result loader_fetch_start(struct loader_fetch *fetch, struct loader_pool *pool, int socket)
{
    *fetch = (struct loader_fetch){.socket = socket, .pool = pool, .open = true};
    TRY(secret_new(&fetch->packet, IPC_PACKET_MAX));
    int failed = pthread_create(&fetch->thread, NULL, work, fetch);
    ENSURE(!failed, E_IO, "cannot start a thread: %s", strerror(failed));
    fetch->running = true;
    return RESULT_OK;
}

static void stop(struct loader_fetch *fetch)
{
    if (!fetch->running)
        return;
    loader_pool_stop_remote(fetch->pool);
    (void)pthread_join(fetch->thread, NULL);
    fetch->running = false;
}

void loader_fetch_cleanup(struct loader_fetch *fetch)
{
    if (!fetch->open)
        return;
    stop(fetch);
    secret_cleanup(&fetch->packet);
    *fetch = (struct loader_fetch){0};
}

/* All secrets of the fetcher's options, as they come in parts. */
struct all {
    struct loader_fetch *fetch;
    struct loader_report *report;
    struct loader_progress *progress;
    struct secret value; /* room for the largest */
    size_t value_len;
    char name[IPC_FETCHED_NAME_MAX + 1];
};

enum { VALUE_MAX = 65536 };

static void all_cleanup(struct all *all)
{
    secret_cleanup(&all->value);
}

/* Takes key over; a key or a failure, whose sentence is the latest. */
static must_check result report_one(struct all *all, struct keystore *key, result outcome)
{
    struct loader_pool *pool = all->fetch->pool;
    struct loader_job job = {.index = (uint32_t)pool->num_jobs,
                             .kind = LOADER_JOB_OPENED,
                             .counted_as = IPC_SOURCE_AWS,
                             .error = outcome.code,
                             .key = *key};
    *key = (struct keystore){0};
    if (outcome.code)
        (void)snprintf(job.text, sizeof job.text, "%s", error_text());
    TRY(loader_pool_add(pool, &job));
    TRY(loader_report_job(all->report, loader_pool_wait(pool, pool->num_jobs - 1)));
    loader_progress_tell(all->progress, all->report);
    return RESULT_OK;
}

/* A key a line; empty lines are none. With none at all it is a failure, as in a file: nothing is known of the
 * keys it may have had. */
static must_check result report_lines(struct all *all)
{
    AUTO(keystore) none = {0};
    const char *at = (const char *)all->value.data;
    size_t left = all->value_len, num_keys = 0;
    for (size_t line = 1; left > 0; line++) {
        const char *end = memchr(at, '\n', left);
        size_t length = end ? (size_t)(end - at) : left;
        size_t blank = strspn(at, " \t\r");
        if (blank < length) {
            AUTO(keystore) key = {0};
            result r = key_source_parse(&key, at, length);
            if (r.code)
                r = error_prefix(r, "secret %s: line %zu", all->name, line);
            TRY(report_one(all, &key, r));
            num_keys++;
        }
        length += end ? 1 : 0;
        at += length;
        left -= length;
    }
    bool is_end = !all->name[0]; /* the last answer, which is no secret */
    return num_keys > 0 || is_end
               ? RESULT_OK
               : report_one(all, &none, error_set(E_INPUT, "secret %s: has no key", all->name));
}

static must_check result append_part(struct all *all, const struct ipc_fetched *fetched)
{
    ENSURE(fetched->value.length <= VALUE_MAX - all->value_len, E_PEER, "a value is longer than %d bytes",
           VALUE_MAX);
    memcpy(all->value.data + all->value_len, fetched->value.data, fetched->value.length);
    all->value_len += fetched->value.length;
    return RESULT_OK;
}

/* What is told of an answer that is a failure. */
static must_check result report_failed(struct all *all, const struct ipc_fetched *fetched)
{
    AUTO(keystore) none = {0};
    result r =
        error_set(fetched->error, "%.*s", (int)fetched->value.length, (const char *)fetched->value.data);
    if (all->name[0])
        r = error_prefix(r, "secret %s", all->name);
    return report_one(all, &none, error_prefix(r, "AWS Secrets Manager"));
}

static must_check result take_part(struct all *all, const struct ipc_fetched *fetched)
{
    memcpy(all->name, fetched->name.data, fetched->name.length);
    all->name[fetched->name.length] = 0;
    if (fetched->error)
        return report_failed(all, fetched);
    TRY(append_part(all, fetched));
    if (fetched->is_part)
        return RESULT_OK;
    all->value.data[all->value_len] = 0;
    result r = report_lines(all);
    secret_wipe(all->value.data, all->value.length);
    all->value_len = 0;
    return r;
}

/* *ret_last: it was the last answer. The fetcher's own failure is told and ends the asking, not the load. */
static must_check result take_next(struct all *all, bool *ret_last)
{
    struct ipc_fetched fetched;
    AUTO(keystore) none = {0};
    result r = receive(all->fetch, &fetched);
    *ret_last = r.code || fetched.is_last;
    if (r.code)
        return report_one(all, &none, error_prefix(r, "AWS Secrets Manager: the fetcher"));
    r = take_part(all, &fetched);
    secret_wipe(all->fetch->packet.data, all->fetch->packet.length);
    return r;
}

result loader_fetch_all(struct loader_fetch *fetch, struct loader_report *report,
                        struct loader_progress *progress)
{
    AUTO(all) all = {.fetch = fetch, .report = report, .progress = progress};
    AUTO(keystore) none = {0};
    stop(fetch); /* from here on the channel is this thread's */
    TRY(secret_new(&all.value, VALUE_MAX));
    result r = fetch->broken ? error_set((enum error_code)fetch->broken, "%s", fetch->text)
                             : send(fetch, &(struct ipc_fetch){.kind = IPC_FETCH_AWS_ALL});
    if (r.code)
        return report_one(&all, &none, error_prefix(r, "AWS Secrets Manager"));
    for (bool last = false; !last;)
        TRY(take_next(&all, &last));
    return RESULT_OK;
}
