/* ctl_status.c - status: what the signer says of itself. */
#include <stdio.h>
#include <stdlib.h>

#include "ctl.h"
#include "ctl_control.h"

result ctl_status(struct ctl_call *call)
{
    const char *control = NULL;
    const struct option table[] = {
        {"control", OPTION_TEXT, &control, "the control port, such as vsock:16:5000", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), "nitro-signer-ctl status --control=ADDRESS", 0, &none));
    TRY(ctl_require(call, control, "control"));
    struct net_address address;
    TRY(ctl_address(&address, call, control, "control"));
    AUTO(ctl_reply) reply = {0};
    TRY(ctl_control_ask(&reply, &address, "{\"operation\":\"status\"}"));
    char *text = json_dumps(reply.body.value, JSON_INDENT(2) | JSON_SORT_KEYS);
    ENSURE(text, E_MEMORY, "no memory for the reply");
    (void)puts(text);
    free(text);
    return RESULT_OK;
}
