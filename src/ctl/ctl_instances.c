/* ctl_instances.c - instances refresh: new instances in the place of the old, a few at a time, as after a new
 * image or policy document was deployed. */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "ctl_group.h"
#include "ctl_report.h"

enum {
    TIMEOUT_SECONDS = 3600,
    TIMEOUT_MAX = 86400,
    MIN_HEALTHY = 50,
    WARMUP_SECONDS = 180,
    WARMUP_MAX = 3600
};

struct options {
    struct ctl_aws_options aws;
    uint32_t timeout_seconds, min_healthy, warmup_seconds;
    bool no_wait;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){
        .timeout_seconds = TIMEOUT_SECONDS, .min_healthy = MIN_HEALTHY, .warmup_seconds = WARMUP_SECONDS};
    const struct option table[] = {
        CTL_AWS_ROWS(o->aws),
        {"min-healthy-percentage", OPTION_U32, &o->min_healthy,
         "of the instances so many percent are left in service meanwhile (50)", 0, 100},
        {"warmup-seconds", OPTION_U32, &o->warmup_seconds,
         "how long a new instance has before it counts (180)", 0, WARMUP_MAX},
        {"timeout-seconds", OPTION_U32, &o->timeout_seconds, "how long to wait (3600)", 1, TIMEOUT_MAX},
        {"no-wait", OPTION_FLAG, &o->no_wait, "only begin it (false)", 0, 0},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    return ctl_require(call, o->aws.stack, "stack");
}

static must_check result print_refresh(const struct ctl_aws *aws, const char *group, const char *id,
                                       const struct aws_refresh *refresh)
{
    char reason[AWS_AUTOSCALING_REASON_MAX + 1];
    ctl_printable(reason, sizeof reason, refresh->reason);
    if (!aws->json) {
        (void)printf("%s %s %" PRIu64 "%%%s%s\n", id, aws_refresh_status_name(refresh->status),
                     refresh->percentage, reason[0] ? " " : "", reason);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t)
    object = json_pack("{s:s,s:s,s:s,s:s,s:I,s:s}", "stack", aws->stack_name, "group", group, "refresh_id",
                       id, "status", aws_refresh_status_name(refresh->status), "percentage",
                       (json_int_t)refresh->percentage, "reason", reason);
    return ctl_print_json(object);
}

static must_check result wait_for_end(struct aws_refresh *refresh, const struct ctl_aws *aws,
                                      struct aws_client *client, const char *group, const char *id,
                                      uint32_t timeout_seconds)
{
    uint64_t deadline = clock_monotonic_ns() + timeout_seconds * UINT64_C(1000000000);
    unsigned pause_ms = 0;
    for (;;) {
        result r = aws_autoscaling_refresh_status(client, refresh, &aws->credentials, group, id);
        if (r.code && r.code != E_NOT_FOUND) /* it may not be listed yet */
            return r;
        ctl_report_progress("%s: %s, %" PRIu64 "%% done, %" PRIu64 " instances left", group,
                            aws_refresh_status_name(refresh->status), refresh->percentage,
                            refresh->instances_left);
        if (aws_refresh_is_final(refresh->status) || clock_monotonic_ns() >= deadline)
            return RESULT_OK;
        ctl_pause(&pause_ms);
    }
}

result ctl_instances_refresh(struct ctl_call *call)
{
    struct options o;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO_POINTER(aws_client) client = NULL;
    struct aws_refresh refresh = {.status = AWS_REFRESH_PENDING};
    char id[AWS_AUTOSCALING_ID_MAX + 1];
    const char *group;
    TRY(parse_options(&o, call));
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(ctl_aws_output(&group, &aws, call, "ASGGroupName"));
    TRY(ctl_aws_client(&client, &aws, &ctl_aws_autoscaling));
    result r = aws_autoscaling_refresh(client, id, &aws.credentials, group, o.min_healthy, o.warmup_seconds);
    if (r.code)
        return error_prefix(r, "group %s", group);
    if (o.no_wait)
        return print_refresh(&aws, group, id, &refresh);
    r = wait_for_end(&refresh, &aws, client, group, id, o.timeout_seconds);
    ctl_report_progress_end();
    if (r.code)
        return error_prefix(r, "refresh %s of group %s", id, group);
    TRY(print_refresh(&aws, group, id, &refresh));
    ENSURE(aws_refresh_is_final(refresh.status), E_TIMEOUT, "refresh %s is still %s; it goes on", id,
           aws_refresh_status_name(refresh.status));
    ENSURE(refresh.status == AWS_REFRESH_SUCCESSFUL, E_PEER, "refresh %s ended as %s: %s", id,
           aws_refresh_status_name(refresh.status), refresh.reason);
    return RESULT_OK;
}
