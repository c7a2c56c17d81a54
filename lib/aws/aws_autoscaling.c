/* aws_autoscaling.c - see aws_autoscaling.h. */
#include "aws/aws_autoscaling.h"

#include <stdio.h>
#include <string.h>

#include "base/options.h"

#define VERSION "2011-01-01"

static const char *const status_names[] = {
    "Pending",    "InProgress", "Cancelling", "RollbackInProgress", "Baking",
    "Successful", "Failed",     "Cancelled",  "RollbackFailed",     "RollbackSuccessful"};

bool aws_refresh_is_final(enum aws_refresh_status status)
{
    return status >= AWS_REFRESH_SUCCESSFUL;
}

const char *aws_refresh_status_name(enum aws_refresh_status status)
{
    return status_names[status];
}

/* 0 when it is missing. */
static must_check result take_number(uint64_t *ret_number, const struct aws_xml_element *element,
                                     const char *name)
{
    const char *text;
    *ret_number = 0;
    TRY(aws_xml_text_optional(&text, element, name));
    if (!text)
        return RESULT_OK;
    result r = parse_u64(ret_number, text);
    return r.code ? error_prefix(r, "%s", name) : r;
}

static must_check result blame(result r, const char *action)
{
    return r.code == E_NOT_FOUND ? r : aws_error_in_answer(r, action);
}

static must_check result take_instance(struct aws_autoscaling_instance *ret_instance,
                                       const struct aws_xml_element *element)
{
    TRY(aws_xml_copy_text(ret_instance->id, sizeof ret_instance->id, element, "InstanceId"));
    TRY(aws_xml_copy_text(ret_instance->state, sizeof ret_instance->state, element, "LifecycleState"));
    TRY(aws_xml_copy_text(ret_instance->health, sizeof ret_instance->health, element, "HealthStatus"));
    return aws_xml_copy_text(ret_instance->zone, sizeof ret_instance->zone, element, "AvailabilityZone");
}

/* The only member of a list. */
static must_check result take_one(struct aws_xml_element *ret_member, const struct aws_xml_element *answer,
                                  const char *list_name)
{
    struct aws_xml_element list, another;
    uint32_t at = 0;
    TRY(aws_xml_list(&list, answer, list_name));
    ENSURE(aws_xml_next_member(ret_member, &at, &list), E_NOT_FOUND, "%s: there is none of that name",
           list_name);
    ENSURE(!aws_xml_next_member(&another, &at, &list), E_INPUT, "%s: must have one member", list_name);
    return RESULT_OK;
}

static must_check result take_instances(struct aws_autoscaling_group *group,
                                        const struct aws_xml_element *description)
{
    struct aws_xml_element list, member;
    if (!aws_xml_has(description, "Instances"))
        return RESULT_OK;
    TRY(aws_xml_list(&list, description, "Instances"));
    for (uint32_t at = 0; aws_xml_next_member(&member, &at, &list);) {
        ENSURE(group->num_instances < AWS_AUTOSCALING_INSTANCES_MAX, E_TOO_LARGE, "Instances: more than %d",
               AWS_AUTOSCALING_INSTANCES_MAX);
        TRY(take_instance(&group->instances[group->num_instances++], &member));
    }
    return RESULT_OK;
}

static must_check result parse_group(struct aws_autoscaling_group *ret_group,
                                     const struct aws_xml_element *answer)
{
    struct aws_autoscaling_group group = {.num_instances = 0};
    struct aws_xml_element description;
    TRY(take_one(&description, answer, "AutoScalingGroups"));
    TRY(take_number(&group.desired, &description, "DesiredCapacity"));
    TRY(take_instances(&group, &description));
    *ret_group = group;
    return RESULT_OK;
}

result aws_autoscaling_group(struct aws_client *client, struct aws_autoscaling_group *ret_group,
                             const struct aws_credentials *credentials, const char *name)
{
    static const char action[] = "DescribeAutoScalingGroups";
    AUTO(buffer) form = {0};
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element answer;
    TRY(aws_query_begin(&form, action, VERSION));
    TRY(aws_query_add(&form, "AutoScalingGroupNames.member.1", name));
    TRY(aws_query_call(client, &document, &answer, credentials, action, &form));
    return blame(parse_group(ret_group, &answer), action);
}

result aws_autoscaling_refresh(struct aws_client *client, char ret_id[static AWS_AUTOSCALING_ID_MAX + 1],
                               const struct aws_credentials *credentials, const char *group,
                               unsigned min_healthy_percentage, unsigned warmup_seconds)
{
    static const char action[] = "StartInstanceRefresh";
    AUTO(buffer) form = {0};
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element answer;
    char number[16];
    TRY(aws_query_begin(&form, action, VERSION));
    TRY(aws_query_add(&form, "AutoScalingGroupName", group));
    TRY(aws_query_add(&form, "Strategy", "Rolling"));
    (void)snprintf(number, sizeof number, "%u", min_healthy_percentage);
    TRY(aws_query_add(&form, "Preferences.MinHealthyPercentage", number));
    (void)snprintf(number, sizeof number, "%u", warmup_seconds);
    TRY(aws_query_add(&form, "Preferences.InstanceWarmup", number));
    TRY(aws_query_call(client, &document, &answer, credentials, action, &form));
    return blame(aws_xml_copy_text(ret_id, AWS_AUTOSCALING_ID_MAX + 1, &answer, "InstanceRefreshId"), action);
}

static must_check result parse_refresh(struct aws_refresh *ret_refresh, const struct aws_xml_element *answer)
{
    struct aws_refresh refresh = {.percentage = 0};
    struct aws_xml_element member;
    const char *status, *reason;
    size_t i = 0;
    TRY(take_one(&member, answer, "InstanceRefreshes"));
    TRY(aws_xml_text(&status, &member, "Status"));
    while (i < ARRAY_LENGTH(status_names) && strcmp(status_names[i], status) != 0)
        i++;
    ENSURE(i < ARRAY_LENGTH(status_names), E_INPUT, "Status: is not one of those that are known");
    refresh.status = (enum aws_refresh_status)i;
    TRY(aws_xml_text_optional(&reason, &member, "StatusReason"));
    (void)snprintf(refresh.reason, sizeof refresh.reason, "%s", reason ? reason : "");
    TRY(take_number(&refresh.percentage, &member, "PercentageComplete"));
    TRY(take_number(&refresh.instances_left, &member, "InstancesToUpdate"));
    *ret_refresh = refresh;
    return RESULT_OK;
}

result aws_autoscaling_refresh_status(struct aws_client *client, struct aws_refresh *ret_refresh,
                                      const struct aws_credentials *credentials, const char *group,
                                      const char *id)
{
    static const char action[] = "DescribeInstanceRefreshes";
    AUTO(buffer) form = {0};
    AUTO_POINTER(aws_xml) document = NULL;
    struct aws_xml_element answer;
    TRY(aws_query_begin(&form, action, VERSION));
    TRY(aws_query_add(&form, "AutoScalingGroupName", group));
    TRY(aws_query_add(&form, "InstanceRefreshIds.member.1", id));
    TRY(aws_query_call(client, &document, &answer, credentials, action, &form));
    return blame(parse_refresh(ret_refresh, &answer), action);
}
