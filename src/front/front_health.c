/* front_health.c - /upcheck and /healthcheck, answered from what the keeper last said: neither waits for it,
 * so they answer in time however many signatures are under way. */
#include "front.h"

#include "base/hex.h"

void front_upcheck(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)front;
    (void)rest;
    const char *accept = net_http_header(request, "accept");
    bool text = !accept || front_accepts(accept, "text/plain") || front_accepts(accept, "text/*") ||
                front_accepts(accept, "*/*");
    if (text)
        net_http_reply(request, 200, "text/plain; charset=utf-8", "OK", 2);
    else if (front_accepts(accept, "application/json") || front_accepts(accept, "application/*"))
        net_http_reply(request, 200, "application/json; charset=utf-8", "{\"status\":\"OK\"}", 15);
    else
        front_reply_error(request, 406, "this path answers with text/plain or application/json");
}

static const char *up_or_down(bool up)
{
    return up ? "UP" : "DOWN";
}

static const char *source_name(enum ipc_source source)
{
    switch (source) {
    case IPC_SOURCE_CONFIG_FILES:
        return "config-files-loading";
    case IPC_SOURCE_KEYSTORES:
        return "keystores-bulk-loading";
    case IPC_SOURCE_AWS:
        return "aws-bulk-loading";
    case IPC_SOURCE_END:
        break;
    }
    return "unexpected";
}

/* Not in Web3Signer, whose clients look at status, outcome and checks. */
static must_check result append_failed_keys(struct buffer *out, const struct ipc_failed_keys *failed)
{
    if (!failed->num)
        return RESULT_OK;
    TRY(buffer_append_text(out, ",\"failed-keys\":["));
    for (uint32_t i = 0; i < failed->num; i++) {
        char pubkey[2 * sizeof failed->pubkeys[0] + 3];
        hex_encode_0x(pubkey, failed->pubkeys[i], sizeof failed->pubkeys[0]);
        TRY(buffer_printf(out, "%s\"%s\"", i ? "," : "", pubkey));
    }
    return buffer_append_text(out, "]");
}

static must_check result append_source(struct buffer *out, const struct ipc_source_count *count, bool first,
                                       const struct ipc_failed_keys *failed)
{
    TRY(buffer_printf(out,
                      "%s{\"id\":\"%s\",\"status\":\"%s\",\"data\":{\"keys-loaded\":%u,\"error-count\":%u",
                      first ? "" : ",", source_name(count->source), up_or_down(count->failed == 0),
                      count->keys, count->failed));
    TRY(append_failed_keys(out, failed));
    return buffer_append_text(out, "}}");
}

/* In an enclave keys have one source, under the first one's name, and only there failed ones are named. */
static must_check result append_sources(struct buffer *out, const struct ipc_health *health)
{
    const struct ipc_counts *counts = &health->counts;
    struct ipc_source_count all = {IPC_SOURCE_CONFIG_FILES, health->keys, health->failed};
    const struct ipc_failed_keys none = {0};
    if (counts->num_sources == 0)
        TRY(append_source(out, &all, true, &health->failed_keys));
    for (uint32_t i = 0; i < counts->num_sources; i++)
        TRY(append_source(out, &counts->sources[i], i == 0, &none));
    return RESULT_OK;
}

static must_check result format_health(struct buffer *out, const struct front *front)
{
    const struct ipc_health *health = &front->health;
    bool keys_up = health->failed == 0;
    bool store_up = health->store_ok || !front->policy.slashing_protection;
    const char *outcome = up_or_down(keys_up && store_up);
    TRY(buffer_printf(out,
                      "{\"status\":\"%s\",\"checks\":[{\"id\":\"keys-check\",\"status\":\"%s\",\"checks\":[",
                      outcome, up_or_down(keys_up)));
    TRY(append_sources(out, health));
    TRY(buffer_append_text(out, "]},{\"id\":\"default-check\",\"status\":\"UP\"}"));
    if (front->policy.slashing_protection)
        TRY(buffer_printf(out, ",{\"id\":\"slashing-protection-db-health-check\",\"status\":\"%s\"}",
                          up_or_down(store_up)));
    return buffer_printf(out, "],\"outcome\":\"%s\"}", outcome);
}

void front_healthcheck(struct front *front, struct net_http_request *request, const char *rest)
{
    (void)rest;
    const struct ipc_health *health = &front->health;
    bool up = health->failed == 0 && (health->store_ok || !front->policy.slashing_protection);
    AUTO(buffer) body = {0};
    if (format_health(&body, front).code)
        front_reply_error(request, 500, "out of memory");
    else
        net_http_reply(request, up ? 200 : 503, "application/json;charset=UTF-8", body.data, body.length);
}
