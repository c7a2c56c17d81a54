/* ctl_control.c - blocking, with a deadline: a tool has nothing else to do. */
#include "ctl_control.h"

#include <string.h>

#include "base/clock.h"
#include "net/net_address.h"
#include "net/net_frame.h"

enum { REPLY_MAX = 128 * 1024, REPLY_VALUES_MAX = 64, CONNECT_MS = 5000 };
#define DEADLINE_NS UINT64_C(10000000000)

void ctl_reply_cleanup(struct ctl_reply *reply)
{
    json_decref(reply->document);
    *reply = (struct ctl_reply){0};
}

static must_check result exchange(struct buffer *reply, const struct net_address *address,
                                  const char *request)
{
    AUTO_FD fd = -1;
    TRY(net_connect(&fd, address, CONNECT_MS));
    uint64_t deadline = clock_monotonic_ns() + DEADLINE_NS;
    TRY(net_frame_write(fd, request, strlen(request), deadline));
    return net_frame_read(reply, fd, REPLY_MAX, deadline);
}

static must_check result parse(struct ctl_reply *reply, const struct buffer *text)
{
    uint64_t status;
    TRY(json_read(&reply->document, (const char *)text->data, text->length, REPLY_MAX, REPLY_VALUES_MAX));
    TRY(json_view_root(&reply->root, reply->document));
    TRY(json_get_u64(&status, &reply->root, "status"));
    TRY(json_get_object(&reply->body, &reply->root, "body"));
    if (status == 200)
        return RESULT_OK;
    const char *reason = NULL;
    TRY(json_get_text_optional(&reason, NULL, &reply->body, "error"));
    FAIL(E_PEER, "answered %u: %s", (unsigned)status, reason ? reason : "no reason given");
}

result ctl_control_ask(struct ctl_reply *reply, const struct net_address *address, const char *request)
{
    AUTO(buffer) text = {0};
    TRY(exchange(&text, address, request));
    result r = parse(reply, &text);
    return r.code ? error_prefix(r, "the control port") : r;
}
