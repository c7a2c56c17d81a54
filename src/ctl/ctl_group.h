/* ctl_group.h - one fixed script on every instance of a stack's Auto Scaling group, and what came of it. */
#ifndef CTL_CTL_GROUP_H
#define CTL_CTL_GROUP_H

#include "aws/aws_autoscaling.h"
#include "aws/aws_ssm.h"
#include "ctl_aws.h"
#include "json/json.h"

extern const struct ctl_aws_service ctl_aws_ssm, ctl_aws_autoscaling;

struct ctl_script {
    const char *const *lines; /* fixed text */
    size_t num_lines;
    const char *comment;
    uint32_t timeout_seconds; /* all in all */
    bool for_whole_group;     /* an instance that is not in service has to answer, too */
};

struct ctl_group_member {
    struct aws_autoscaling_instance instance;
    bool expected; /* without its answer not all is well */
    bool answered; /* the invocation is there */
    struct aws_ssm_invocation invocation;
};

struct ctl_group_run {
    const char *group;
    char command_id[AWS_SSM_COMMAND_ID_MAX + 1];
    char details[AWS_SSM_DETAILS_MAX + 1]; /* what Systems Manager says of the whole */
    struct ctl_group_member members[AWS_AUTOSCALING_INSTANCES_MAX];
    size_t num_members;
};
void ctl_group_run_cleanup(struct ctl_group_run *run);

/* Runs it and waits until each instance that is expected to has ended it, or the time is over. RESULT_OK
 * whatever became of it on the instances: ctl_group_check is who judges. E_NOT_FOUND when there is no group;
 * E_STATE when it has no such instance. */
must_check result ctl_group_run(struct ctl_group_run *run, struct ctl_aws *aws, struct ctl_call *call,
                                const struct ctl_script *script);

/* RESULT_OK when the script ended well on every instance that is expected to; else a sentence about the first
 * where it did not, E_TIMEOUT when it has not ended, E_PEER when it failed or never got there. */
must_check result ctl_group_check(const struct ctl_group_run *run);

/* {"id", "zone", "lifecycle", "health", "status", "response_code", "output", "error_output"}; status is
 * NotReached without an invocation. The caller owns it; NULL when there is no memory. */
json_t *ctl_group_member_json(const struct ctl_group_member *member);
/* The same word. */
const char *ctl_group_member_status(const struct ctl_group_member *member);

#endif
