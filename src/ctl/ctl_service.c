/* ctl_service.c - service start, stop and status: the signer on every instance of a stack.
 *
 * The flag says what an instance does when it begins: it becomes "true" when every instance serves, so that
 * new ones serve too, and "false" before the first is stopped, so that none that begins meanwhile does. What
 * runs on an instance is fixed text: nothing of an option gets into a shell. */
#include <stdio.h>
#include <string.h>

#include "ctl_group.h"
#include "ctl_report.h"
#include "ctl_units.h"

#define TARGET "nitro-signer.target"
#define PROXY "nitro-signer-proxy.service"
#define WATCHDOG "nitro-signer-watchdog.service"

enum { TIMEOUT_SECONDS = 300, TIMEOUT_MAX = 7200 };

/* The target does not wait for its services, the services by name are waited for: the watchdog is ready when
 * the signer serves. is-active of several is content with one, hence a line for each. */
static const char *const start_lines[] = {"set -eu", "systemctl start " TARGET,
                                          "systemctl start " PROXY " " WATCHDOG, "systemctl is-active " PROXY,
                                          "systemctl is-active " WATCHDOG};
static const char *const stop_lines[] = {"set -eu", "systemctl stop " TARGET " " WATCHDOG " " PROXY};
static const char *const status_lines[] = {
    "systemctl show --property=Id,LoadState,ActiveState,SubState,Result,NRestarts " PROXY " " WATCHDOG};

struct options {
    struct ctl_aws_options aws;
    uint32_t timeout_seconds;
};

static must_check result parse_options(struct options *o, struct ctl_call *call)
{
    *o = (struct options){.timeout_seconds = TIMEOUT_SECONDS};
    const struct option table[] = {
        CTL_AWS_ROWS(o->aws),
        {"timeout-seconds", OPTION_U32, &o->timeout_seconds, "how long to wait for the instances (300)", 1,
         TIMEOUT_MAX},
    };
    char *const *none;
    TRY(ctl_parse(call, table, ARRAY_LENGTH(table), &none));
    return ctl_require(call, o->aws.stack, "stack");
}

static must_check result set_flag(struct ctl_aws *aws, struct ctl_call *call, const char *value)
{
    AUTO_POINTER(aws_client) ssm = NULL;
    const char *name;
    TRY(ctl_aws_output(&name, aws, call, "Web3SignerInitFlagParamName"));
    TRY(ctl_aws_client(&ssm, aws, &ctl_aws_ssm));
    result r = aws_ssm_set_parameter(ssm, &aws->credentials, name, value);
    return r.code ? error_prefix(r, "parameter %s", name) : r;
}

/* "none" when there is no such parameter. */
static must_check result get_flag(struct buffer *flag, struct ctl_aws *aws, struct ctl_call *call)
{
    AUTO_POINTER(aws_client) ssm = NULL;
    const char *name;
    TRY(ctl_aws_output(&name, aws, call, "Web3SignerInitFlagParamName"));
    TRY(ctl_aws_client(&ssm, aws, &ctl_aws_ssm));
    result r = aws_ssm_parameter(ssm, flag, &aws->credentials, name);
    if (r.code == E_NOT_FOUND)
        return buffer_append_text(flag, "none");
    return r.code ? error_prefix(r, "parameter %s", name) : r;
}

static void print_member(const struct ctl_group_member *member)
{
    (void)printf("%s %s %s %s\n", member->instance.id, member->instance.zone, member->instance.state,
                 ctl_group_member_status(member));
}

/* {"stack", "group", "command_id", "init_flag", "instances": [...]}; the caller fills instances. */
static json_t *begin_object(const struct ctl_aws *aws, const struct ctl_group_run *run, const char *flag)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:[]}", "stack", aws->stack_name, "group", run->group, "command_id",
                     run->command_id, "init_flag", flag, "instances");
}

static must_check result print_run(const struct ctl_aws *aws, const struct ctl_group_run *run,
                                   const char *flag)
{
    if (!aws->json) {
        for (size_t i = 0; i < run->num_members; i++)
            print_member(&run->members[i]);
        (void)printf("init flag %s\n", flag);
        return RESULT_OK;
    }
    AUTO_POINTER(json_t) object = begin_object(aws, run, flag);
    for (size_t i = 0; i < run->num_members; i++)
        ENSURE(json_array_append_new(json_object_get(object, "instances"),
                                     ctl_group_member_json(&run->members[i])) == 0,
               E_MEMORY, "no memory for the output");
    return ctl_print_json(object);
}

result ctl_service_start(struct ctl_call *call)
{
    struct options o;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_group_run) run = {.num_members = 0};
    AUTO(buffer) flag = {0};
    TRY(parse_options(&o, call));
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(get_flag(&flag, &aws, call));
    const struct ctl_script script = {start_lines, ARRAY_LENGTH(start_lines),
                                      "nitro-signer-ctl service start", o.timeout_seconds, false};
    TRY(ctl_group_run(&run, &aws, call, &script));
    if (ctl_group_check(&run).code) {
        TRY(print_run(&aws, &run, (const char *)flag.data));
        return ctl_group_check(&run);
    }
    result r = set_flag(&aws, call, "true");
    if (r.code)
        return error_prefix(r, "every instance runs, but instances that begin later will not");
    return print_run(&aws, &run, "true");
}

result ctl_service_stop(struct ctl_call *call)
{
    struct options o;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_group_run) run = {.num_members = 0};
    TRY(parse_options(&o, call));
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(set_flag(&aws, call, "false"));
    const struct ctl_script script = {stop_lines, ARRAY_LENGTH(stop_lines), "nitro-signer-ctl service stop",
                                      o.timeout_seconds, true};
    TRY(ctl_group_run(&run, &aws, call, &script));
    TRY(print_run(&aws, &run, "false"));
    return ctl_group_check(&run);
}

static must_check result read_units(struct ctl_units *ret_units, const struct ctl_group_member *member)
{
    const struct buffer *output = &member->invocation.output;
    *ret_units = (struct ctl_units){.num_units = 0};
    if (!member->answered || member->invocation.status != AWS_SSM_SUCCESS)
        return RESULT_OK;
    result r = ctl_units_parse(ret_units, output->data ? (const char *)output->data : "");
    return r.code ? error_prefix((result){E_PEER}, "%s: what systemctl says", member->instance.id) : r;
}

static void print_units(const struct ctl_units *units)
{
    for (size_t i = 0; i < units->num_units; i++) {
        const struct ctl_unit *unit = &units->units[i];
        (void)printf("  %s %s (%s), %s, restarted %u times%s%s\n", unit->name, unit->active, unit->sub,
                     unit->load, (unsigned)unit->restarts, unit->result[0] ? ", last result " : "",
                     unit->result);
    }
}

static must_check result append_member(json_t *instances, const struct ctl_group_member *member,
                                       const struct ctl_units *units)
{
    AUTO_POINTER(json_t) object = ctl_group_member_json(member);
    AUTO_POINTER(json_t) list = json_array();
    bool added = object && list;
    for (size_t i = 0; i < units->num_units && added; i++) {
        const struct ctl_unit *unit = &units->units[i];
        json_t *entry =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:I}", "name", unit->name, "load", unit->load, "active",
                      unit->active, "sub", unit->sub, "result", unit->result, "restarts",
                      (json_int_t)(unit->restarts < INT64_MAX ? unit->restarts : INT64_MAX));
        added = json_array_append_new(list, entry) == 0;
    }
    added = added && json_object_set(object, "units", list) == 0 && json_array_append(instances, object) == 0;
    ENSURE(added, E_MEMORY, "no memory for the output");
    return RESULT_OK;
}

static must_check result print_status(const struct ctl_aws *aws, const struct ctl_group_run *run,
                                      const char *flag)
{
    AUTO_POINTER(json_t) object = begin_object(aws, run, flag);
    struct ctl_units units;
    if (!aws->json)
        (void)printf("init flag %s\n", flag);
    for (size_t i = 0; i < run->num_members; i++) {
        const struct ctl_group_member *member = &run->members[i];
        TRY(read_units(&units, member));
        TRY(append_member(json_object_get(object, "instances"), member, &units));
        if (aws->json)
            continue;
        print_member(member);
        print_units(&units);
    }
    return aws->json ? ctl_print_json(object) : RESULT_OK;
}

result ctl_service_status(struct ctl_call *call)
{
    struct options o;
    AUTO(ctl_aws) aws = {.json = false};
    AUTO(ctl_group_run) run = {.num_members = 0};
    AUTO(buffer) flag = {0};
    char text[32];
    TRY(parse_options(&o, call));
    TRY(ctl_aws_open(&aws, call, &o.aws));
    TRY(get_flag(&flag, &aws, call));
    ctl_printable(text, sizeof text, (const char *)flag.data);
    const struct ctl_script script = {status_lines, ARRAY_LENGTH(status_lines),
                                      "nitro-signer-ctl service status", o.timeout_seconds, false};
    TRY(ctl_group_run(&run, &aws, call, &script));
    TRY(print_status(&aws, &run, text));
    return ctl_group_check(&run);
}
