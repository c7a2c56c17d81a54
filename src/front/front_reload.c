/* front_reload.c - /reload: whether the keys are being read again, and what became of it.
 *
 * The keeper does one thing at a time: a reload waits for the key manager's request that is under way, and
 * the requests behind that one wait for the reload. Nothing of this waits in a connection: the answer to POST
 * only says that it was understood, and GET is answered from here. */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "front.h"
#include "json/json.h"

static const char media_type[] = "application/json";

static const char *status_name(enum front_reload_status status)
{
    switch (status) {
    case FRONT_RELOAD_IDLE:
        return "idle";
    case FRONT_RELOAD_RUNNING:
        return "running";
    case FRONT_RELOAD_COMPLETED:
        return "completed";
    case FRONT_RELOAD_WITH_ERRORS:
        return "completed_with_errors";
    case FRONT_RELOAD_FAILED:
        return "failed";
    }
    return "?";
}

bool front_reload_runs(const struct front *front)
{
    return front->reload.status == FRONT_RELOAD_RUNNING;
}

result front_reload_send(struct front *front)
{
    if (!front->reload.is_due || front_manager_is_busy(front->manager))
        return RESULT_OK;
    struct packer p = {.data = front->packet, .capacity = sizeof front->packet};
    ipc_pack_empty(&p, IPC_RELOAD);
    TRY(pack_end(&p));
    TRY(ipc_send_now(front->keeper, p.data, p.length, -1));
    front->reload.is_due = false;
    return RESULT_OK;
}

static void reply(struct net_http_request *request, int status, const char *body)
{
    net_http_reply(request, status, media_type, body, strlen(body));
}

void front_reload_begin(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)rest;
    if (!front_takes_json(request))
        return;
    if (front_reload_runs(front)) {
        reply(
            request, 409,
            "{\"status\":\"error\",\"message\":\"A reload operation is already in progress. Please try again "
            "later.\"}");
        return;
    }
    front->reload.status = FRONT_RELOAD_RUNNING;
    front->reload.is_due = true;
    front->reload.error[0] = 0;
    reply(
        request, 202,
        "{\"status\":\"accepted\",\"message\":\"Reload operation accepted and is running in the background. "
        "Use GET /reload to check status.\"}");
    front_keeper_tried(front, front_reload_send(front));
}

static must_check result append_time(struct buffer *out, uint64_t ms)
{
    struct tm parts;
    time_t seconds = (time_t)(ms / 1000);
    ENSURE(gmtime_r(&seconds, &parts), E_INTERNAL, "no such time");
    return buffer_printf(out, ",\"lastOperationTime\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03uZ\"",
                         parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min,
                         parts.tm_sec, (unsigned)(ms % 1000));
}

static must_check result format(struct buffer *out, const struct front_reload *reload)
{
    TRY(buffer_printf(out, "{\"status\":\"%s\"", status_name(reload->status)));
    if (reload->ended_ms > 0)
        TRY(append_time(out, reload->ended_ms));
    if (reload->error[0]) {
        TRY(buffer_append_text(out, ",\"lastError\":"));
        TRY(json_append_quoted(out, reload->error));
    }
    return buffer_append_text(out, "}");
}

void front_reload_show(struct front *front, struct net_http_request *request, const char *rest)
{
    AUTO(buffer) body = {0};
    (void)rest;
    if (!front_takes_json(request))
        return;
    if (format(&body, &front->reload).code)
        front_reply_error(request, 500, "%s", error_text());
    else
        net_http_reply(request, 200, media_type, body.data, body.length);
}

result front_reload_take(struct front *front, struct ipc_message *message)
{
    struct front_reload *reload = &front->reload;
    struct ipc_load_result done;
    TRY(ipc_take_reloaded(&done, message));
    ENSURE(front_reload_runs(front) && !reload->is_due, E_PEER,
           "keeper: RELOADED, and no reload was asked for");
    reload->ended_ms = clock_realtime_ms();
    if (!done.ok) {
        reload->status = FRONT_RELOAD_FAILED;
        (void)snprintf(reload->error, sizeof reload->error, "%.*s", (int)done.text.length,
                       (const char *)done.text.data);
    } else if (done.failed > 0) {
        reload->status = FRONT_RELOAD_WITH_ERRORS;
        (void)snprintf(reload->error, sizeof reload->error,
                       "Reload completed with %u signer loading error(s)", done.failed);
    } else {
        reload->status = FRONT_RELOAD_COMPLETED;
    }
    log_info("reload: %s, %u keys are served", status_name(reload->status), done.keys);
    front_manager_go_on(front->manager);
    return RESULT_OK;
}
