/* front_log.c - request ids, and the two lines that a request can leave in the log: one when it was refused
 * or failed, and with --access-logs one for every request.
 *
 * Both are written where every answer passes, whatever route made it, so none is forgotten and none looks
 * different. An id is the client's own (x-request-id), if it is one that cannot be mistaken for anything
 * else, and is then sent back; else it is a random number of this process and a count, and the answer is byte
 * for byte the original's.
 *
 * What is logged of a request: its method, its place in the API, its answer, and the client's address and
 * name, cut and in printable ASCII. Never its query, nor what stands before a known path or in place of one
 * while there are path tokens: that is, or may be meant as, a token.
 *
 * Lines of the first sort are bounded in number, apart for what anybody can cause, for what slashing
 * protection refused, and for our own failures: a flood of one must not hide another. The access log is
 * bounded by the log itself, which drops and counts what standard error does not take at once. */
#include <inttypes.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hex.h"
#include "base/log.h"
#include "eth2/eth2_order.h"
#include "front.h"

enum { ID_MAX = 64, AGENT_MAX = 80, PATH_MAX_LENGTH = 160, SENTENCE_MAX = 400 };

/* ---- ids and notes ---- */

/* The note of a request: its number above, then how it ended plus one, then its kind. */
enum { NOTE_OUTCOME_SHIFT = 8, NOTE_NUMBER_SHIFT = 16, NOTE_BYTE = 0xff };

result front_log_open(struct front *front)
{
    uint8_t random[8];
    ENSURE(RAND_bytes(random, sizeof random) == 1, E_CRYPTO, "no random numbers");
    hex_encode(front->instance, random, sizeof random);
    log_never_wait();
    return RESULT_OK;
}

/* The client's own id; NULL if it sent none that can be taken. */
static const char *client_id(struct net_http_request *request)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *id = net_http_header(request, "x-request-id");
    size_t length = id ? strlen(id) : 0;
    return length > 0 && length <= ID_MAX && strspn(id, allowed) == length ? id : NULL;
}

void front_log_begin(struct front *front, struct net_http_request *request)
{
    net_http_set_note(request, ++front->num_requests << NOTE_NUMBER_SHIFT);
    front_metrics_client(front, front_client_of(request));
    const char *id = client_id(request);
    if (id)
        net_http_reply_header(request, "x-request-id", id);
}

void front_log_note(struct net_http_request *request, enum front_outcome outcome, enum eth2_order_kind kind)
{
    uint64_t number = net_http_note(request) >> NOTE_NUMBER_SHIFT;
    net_http_set_note(request, number << NOTE_NUMBER_SHIFT | ((uint64_t)outcome + 1) << NOTE_OUTCOME_SHIFT |
                                   (uint64_t)kind);
}

/* ---- what a line says ---- */

/* The texts that fields point at. */
struct subject {
    char id[ID_MAX + 1], client[NET_HTTP_CLIENT_MAX], agent[AGENT_MAX + 1], path[PATH_MAX_LENGTH + 1];
    const char *method;
    struct front_place place; /* route NULL: the path is not known */
    uint64_t note, duration_us;
};

static void copy_printable(char *out, size_t out_capacity, const char *text)
{
    size_t i = 0;
    for (; i < out_capacity - 1 && text[i]; i++)
        out[i] = (char)(text[i] >= 0x20 && text[i] < 0x7f ? text[i] : '?');
    out[i] = 0;
}

static const char *method_name(const struct net_http_request *request)
{
    static const char *const names[] = {
        [NET_HTTP_GET] = "GET", [NET_HTTP_HEAD] = "HEAD",     [NET_HTTP_POST] = "POST",
        [NET_HTTP_PUT] = "PUT", [NET_HTTP_DELETE] = "DELETE", [NET_HTTP_OPTIONS] = "OPTIONS",
    };
    enum net_http_method method = net_http_method(request);
    return method < NET_HTTP_OTHER ? names[method] : "-";
}

static void describe_path(struct subject *s, const struct front *front, const char *path)
{
    static const char cut[] = "/***";
    bool found = front_routes_find(&s->place, path), whole = found && s->place.path == path;
    if (!whole && (found || front->tokens.length > 0))
        (void)snprintf(s->path, sizeof s->path, "%s", cut);
    size_t length = strlen(s->path);
    if (found || length == 0)
        copy_printable(s->path + length, sizeof s->path - length, found ? s->place.path : path);
}

/* number 0: of a request that is none, which gets one now. */
static void format_id(char out[static ID_MAX + 1], struct front *front, const char *of_client,
                      uint64_t number)
{
    if (of_client)
        (void)snprintf(out, ID_MAX + 1, "%s", of_client);
    else
        (void)snprintf(out, ID_MAX + 1, "%s-%" PRIx64, front->instance,
                       number ? number : ++front->num_requests);
}

static void describe(struct subject *ret_subject, struct front *front, const struct net_http_answer *answer)
{
    struct subject s = {.method = "-", .path = "-"};
    struct net_http_request *request = answer->request;
    const char *agent = request ? net_http_header(request, "user-agent") : NULL;
    copy_printable(s.agent, sizeof s.agent, agent ? agent : "");
    const char *id = request ? client_id(request) : NULL;
    s.note = request ? net_http_note(request) : 0;
    format_id(s.id, front, id, s.note >> NOTE_NUMBER_SHIFT);
    net_http_client(s.client, answer->connection);
    if (request) {
        s.method = method_name(request);
        s.path[0] = 0;
        describe_path(&s, front, net_http_path(request));
        s.duration_us = (clock_monotonic_ns() - net_http_began_ns(request)) / 1000;
    }
    *ret_subject = s;
}

/* What the client was told: the texts of our own {"error":"..."} have nothing in them that would be escaped.
 * False for every other body. */
static bool error_sentence(char out[static SENTENCE_MAX], const struct net_http_answer *answer)
{
    static const char begin[] = "{\"error\":\"";
    size_t begin_len = sizeof begin - 1;
    if (answer->body_len < begin_len || memcmp(answer->body, begin, begin_len) != 0)
        return false;
    const char *sentence = answer->body + begin_len;
    const char *end = memchr(sentence, '"', answer->body_len - begin_len);
    (void)snprintf(out, SENTENCE_MAX, "%.*s", end ? (int)(end - sentence) : 0, sentence);
    return true;
}

/* ---- the lines ---- */

static void add_text(struct log_field *fields, size_t *num_fields, const char *name, const char *text)
{
    if (*text)
        fields[(*num_fields)++] = (struct log_field){.name = name, .text = text};
}

static void add_number(struct log_field *fields, size_t *num_fields, const char *name, uint64_t number)
{
    fields[(*num_fields)++] = (struct log_field){.name = name, .number = number};
}

static size_t common_fields(struct log_field *fields, const struct subject *s, int status)
{
    size_t count = 0;
    add_text(fields, &count, "request_id", s->id);
    add_text(fields, &count, "client", s->client);
    add_text(fields, &count, "user_agent", s->agent);
    add_text(fields, &count, "method", s->method);
    add_text(fields, &count, "path", s->path);
    add_number(fields, &count, "status", (uint64_t)status);
    add_number(fields, &count, "duration_us", s->duration_us);
    return count;
}

static void log_trouble(enum log_level level, const struct subject *s, int status, const char *sentence)
{
    struct log_field fields[LOG_FIELDS_MAX];
    char pubkey[2 * 48 + 3] = "";
    uint64_t kind = s->note & NOTE_BYTE, outcome = s->note >> NOTE_OUTCOME_SHIFT & NOTE_BYTE;
    size_t count = common_fields(fields, s, status);
    if (outcome > 0)
        add_text(fields, &count, "outcome", front_outcome_name((enum front_outcome)(outcome - 1)));
    if (kind > 0)
        add_text(fields, &count, "type", eth2_order_kind_name((enum eth2_order_kind)kind));
    if (s->place.route && *s->place.rest)
        copy_printable(pubkey, sizeof pubkey, s->place.rest);
    add_text(fields, &count, "pubkey", pubkey);
    log_event(level, fields, count, "%s", sentence);
}

static void log_access(const struct subject *s, const struct net_http_answer *answer)
{
    struct log_field fields[LOG_FIELDS_MAX];
    size_t count = common_fields(fields, s, answer->status);
    add_number(fields, &count, "bytes", answer->body_len);
    log_event(LOG_LEVEL_INFO, fields, count, "request");
}

static bool trouble_is_logged(struct front *front, int status)
{
    if (status == 412)
        return front_refusal_is_logged(&front->slashing_refusals);
    return front_refusal_is_logged(status >= 500 ? &front->troubles : &front->refusals);
}

void front_log_key(struct front *front, struct net_http_request *request, const struct front_reason *reason,
                   enum eth2_order_kind kind, const uint8_t pubkey[static 48])
{
    char id[ID_MAX + 1], hex[2 * 48 + 3];
    struct log_field fields[LOG_FIELDS_MAX];
    size_t count = 0;
    if (!trouble_is_logged(front, reason->status))
        return;
    format_id(id, front, client_id(request), net_http_note(request) >> NOTE_NUMBER_SHIFT);
    hex_encode_0x(hex, pubkey, 48);
    add_text(fields, &count, "request_id", id);
    add_number(fields, &count, "status", (uint64_t)reason->status);
    add_text(fields, &count, "outcome", front_outcome_name(reason->outcome));
    add_text(fields, &count, "type", eth2_order_kind_name(kind));
    add_text(fields, &count, "pubkey", hex);
    log_event(reason->status == 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, fields, count, "%s",
              reason->sentence);
}

void front_answered(void *context, const struct net_http_answer *answer)
{
    struct front *front = context;
    char sentence[SENTENCE_MAX] = "the connection ended before the answer";
    bool trouble = answer->status == 0 || (answer->status >= 400 && error_sentence(sentence, answer));
    trouble = trouble && trouble_is_logged(front, answer->status);
    bool access = front->options.access_logs && log_writes(LOG_LEVEL_INFO);
    if (!trouble && !access)
        return;
    struct subject subject;
    describe(&subject, front, answer);
    if (trouble)
        log_trouble(answer->status == 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, &subject, answer->status,
                    sentence);
    if (access)
        log_access(&subject, answer);
}
