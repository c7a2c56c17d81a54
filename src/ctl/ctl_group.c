/* ctl_group.c - see ctl_group.h.
 *
 * Which instances there ought to be is the Auto Scaling group's to say, whom the command reached is Systems
 * Manager's: an instance whose agent does not run is in the first list only, and must not pass for done. */
#include "ctl_group.h"

#include <string.h>

#include "base/clock.h"
#include "ctl_report.h"

enum { DELIVERY_SECONDS = 60, EXECUTION_LEAST_SECONDS = 30 };

const struct ctl_aws_service ctl_aws_ssm = {
    .name = "ssm", .variable = "SSM", .response_max = AWS_SSM_RESPONSE_MAX};
const struct ctl_aws_service ctl_aws_autoscaling = {.name = "autoscaling",
                                                    .variable = "AUTO_SCALING",
                                                    .protocol = AWS_PROTOCOL_QUERY,
                                                    .content_type = AWS_QUERY_CONTENT_TYPE,
                                                    .response_max = AWS_QUERY_RESPONSE_MAX};

void ctl_group_run_cleanup(struct ctl_group_run *run)
{
    for (size_t i = 0; i < run->num_members; i++)
        aws_ssm_invocation_cleanup(&run->members[i].invocation);
}

/* One that is about to begin, or stands by, may sign all the same. */
static bool is_expected(const struct aws_autoscaling_instance *instance, const struct ctl_script *script)
{
    return strcmp(instance->state, "InService") == 0 ||
           (script->for_whole_group && strcmp(instance->state, "Terminated") != 0);
}

static must_check result find_members(struct ctl_group_run *run, const struct ctl_aws *aws,
                                      const struct ctl_script *script)
{
    AUTO_POINTER(aws_client) client = NULL;
    struct aws_autoscaling_group group;
    size_t expected = 0;
    TRY(ctl_aws_client(&client, aws, &ctl_aws_autoscaling));
    result r = aws_autoscaling_group(client, &group, &aws->credentials, run->group);
    if (r.code)
        return error_prefix(r, "group %s", run->group);
    for (size_t i = 0; i < group.num_instances; i++) {
        bool is = is_expected(&group.instances[i], script);
        run->members[run->num_members++] =
            (struct ctl_group_member){.instance = group.instances[i], .expected = is};
        expected += is;
    }
    ENSURE(expected > 0, E_STATE, "group %s has no instance%s (it has %zu, and wants %u)", run->group,
           script->for_whole_group ? "" : " in service", group.num_instances, (unsigned)group.desired);
    return RESULT_OK;
}

static must_check result send_script(struct ctl_group_run *run, const struct ctl_aws *aws,
                                     struct aws_client *ssm, const struct ctl_script *script)
{
    bool long_enough = script->timeout_seconds >= EXECUTION_LEAST_SECONDS;
    const struct aws_ssm_command command = {.tag = "aws:autoscaling:groupName",
                                            .value = run->group,
                                            .lines = script->lines,
                                            .num_lines = script->num_lines,
                                            .comment = script->comment,
                                            .delivery_seconds = DELIVERY_SECONDS,
                                            .execution_seconds = long_enough ? script->timeout_seconds
                                                                             : EXECUTION_LEAST_SECONDS};
    return aws_ssm_send(ssm, run->command_id, &aws->credentials, &command);
}

static bool is_done(const struct ctl_group_member *member)
{
    return !member->expected || (member->answered && aws_ssm_is_final(member->invocation.status));
}

static must_check result ask_member(struct ctl_group_member *member, const struct ctl_aws *aws,
                                    struct aws_client *ssm, const char *command_id)
{
    AUTO(aws_ssm_invocation) invocation = {.response_code = -1};
    result r = aws_ssm_invocation(ssm, &invocation, &aws->credentials, command_id, member->instance.id);
    if (r.code == E_NOT_FOUND)
        return RESULT_OK; /* not yet, or never */
    TRY(r);
    aws_ssm_invocation_cleanup(&member->invocation);
    member->invocation = invocation;
    member->answered = true;
    invocation = (struct aws_ssm_invocation){.response_code = -1};
    return RESULT_OK;
}

static must_check result ask_members(struct ctl_group_run *run, size_t *ret_done, const struct ctl_aws *aws,
                                     struct aws_client *ssm)
{
    *ret_done = 0;
    for (size_t i = 0; i < run->num_members; i++) {
        struct ctl_group_member *member = &run->members[i];
        if (!is_done(member))
            TRY(ask_member(member, aws, ssm, run->command_id));
        *ret_done += is_done(member);
    }
    return RESULT_OK;
}

/* Whether nothing more will come: then those who have not answered by now never will. */
static must_check result ask_whole(struct ctl_group_run *run, bool *ret_final, const struct ctl_aws *aws,
                                   struct aws_client *ssm)
{
    struct aws_ssm_progress progress;
    *ret_final = false;
    result r = aws_ssm_progress(ssm, &progress, &aws->credentials, run->command_id);
    if (r.code == E_NOT_FOUND)
        return RESULT_OK;
    TRY(r);
    *ret_final = aws_ssm_is_final(progress.status);
    memcpy(run->details, progress.details, sizeof run->details);
    return RESULT_OK;
}

static must_check result wait_for_end(struct ctl_group_run *run, const struct ctl_aws *aws,
                                      struct aws_client *ssm, uint32_t timeout_seconds)
{
    uint64_t deadline = clock_monotonic_ns() + timeout_seconds * UINT64_C(1000000000);
    unsigned pause_ms = 0;
    size_t done = 0;
    for (bool final = false;;) {
        TRY(ask_members(run, &done, aws, ssm));
        ctl_report_progress("%s: %zu of %zu instances done", run->group, done, run->num_members);
        if (final || done == run->num_members || clock_monotonic_ns() >= deadline)
            return RESULT_OK;
        TRY(ask_whole(run, &final, aws, ssm));
        ctl_pause(&pause_ms);
    }
}

result ctl_group_run(struct ctl_group_run *run, struct ctl_aws *aws, struct ctl_call *call,
                     const struct ctl_script *script)
{
    AUTO_POINTER(aws_client) ssm = NULL;
    TRY(ctl_aws_output(&run->group, aws, call, "ASGGroupName"));
    TRY(find_members(run, aws, script));
    TRY(ctl_aws_client(&ssm, aws, &ctl_aws_ssm));
    TRY(send_script(run, aws, ssm, script));
    result r = wait_for_end(run, aws, ssm, script->timeout_seconds);
    ctl_report_progress_end();
    return r.code ? error_prefix(r, "command %s", run->command_id) : r;
}

static must_check result check_member(const struct ctl_group_run *run, const struct ctl_group_member *member)
{
    const struct aws_ssm_invocation *invocation = &member->invocation;
    char said[96];
    if (!member->expected)
        return RESULT_OK;
    ENSURE(member->answered, E_PEER, "%s was not reached: is its SSM agent running?%s%s", member->instance.id,
           run->details[0] ? " Systems Manager says: " : "", run->details);
    ENSURE(aws_ssm_is_final(invocation->status), E_TIMEOUT, "%s: the command is still %s; it goes on there",
           member->instance.id, aws_ssm_status_name(invocation->status));
    ctl_printable(said, sizeof said,
                  invocation->error_output.length ? (const char *)invocation->error_output.data : "");
    ENSURE(invocation->status == AWS_SSM_SUCCESS && invocation->response_code <= 0, E_PEER,
           "%s: the command ended as %s (%s), exit status %d%s%s", member->instance.id,
           aws_ssm_status_name(invocation->status), invocation->details, invocation->response_code,
           said[0] ? ": " : "", said);
    return RESULT_OK;
}

result ctl_group_check(const struct ctl_group_run *run)
{
    size_t answered = 0, expected = 0;
    for (size_t i = 0; i < run->num_members; i++) {
        answered += run->members[i].answered;
        expected += run->members[i].expected;
    }
    ENSURE(answered > 0, E_PEER,
           "none of the %zu instances of group %s answered: are their SSM agents running, and may they reach "
           "Systems Manager?%s%s",
           expected, run->group, run->details[0] ? " It says: " : "", run->details);
    for (size_t i = 0; i < run->num_members; i++)
        TRY(check_member(run, &run->members[i]));
    return RESULT_OK;
}

const char *ctl_group_member_status(const struct ctl_group_member *member)
{
    return member->answered ? aws_ssm_status_name(member->invocation.status) : "NotReached";
}

static const char *text_of(const struct buffer *b)
{
    return b->data ? (const char *)b->data : "";
}

json_t *ctl_group_member_json(const struct ctl_group_member *member)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:i,s:s,s:s}", "id", member->instance.id, "zone",
                     member->instance.zone, "lifecycle", member->instance.state, "health",
                     member->instance.health, "status", ctl_group_member_status(member), "response_code",
                     member->answered ? member->invocation.response_code : -1, "output",
                     text_of(&member->invocation.output), "error_output",
                     text_of(&member->invocation.error_output));
}
