/* aws_autoscaling.h - the instances of an Auto Scaling group, and replacing them one by one. For a client of
 * the protocol in aws_query.h. Target aws_management. */
#ifndef AWS_AWS_AUTOSCALING_H
#define AWS_AWS_AUTOSCALING_H

#include "aws/aws_query.h"

enum {
    AWS_AUTOSCALING_INSTANCES_MAX = 50,
    AWS_AUTOSCALING_ID_MAX = 64,
    AWS_AUTOSCALING_STATE_MAX = 32,
    AWS_AUTOSCALING_REASON_MAX = 255
};

struct aws_autoscaling_instance {
    char id[AWS_AUTOSCALING_ID_MAX + 1];
    char state[AWS_AUTOSCALING_STATE_MAX + 1]; /* InService, Pending, Terminating:Wait, ... */
    char health[AWS_AUTOSCALING_STATE_MAX + 1];
    char zone[AWS_AUTOSCALING_STATE_MAX + 1];
};

struct aws_autoscaling_group {
    uint64_t desired;
    struct aws_autoscaling_instance instances[AWS_AUTOSCALING_INSTANCES_MAX];
    size_t num_instances;
};

/* DescribeAutoScalingGroups. E_NOT_FOUND; E_PEER for an answer that is not of the expected form; else as
 * aws_client_call. */
must_check result aws_autoscaling_group(struct aws_client *client, struct aws_autoscaling_group *ret_group,
                                        const struct aws_credentials *credentials, const char *name);

enum aws_refresh_status {
    AWS_REFRESH_PENDING,
    AWS_REFRESH_IN_PROGRESS,
    AWS_REFRESH_CANCELLING,
    AWS_REFRESH_ROLLBACK_IN_PROGRESS,
    AWS_REFRESH_BAKING,
    AWS_REFRESH_SUCCESSFUL, /* this one and those that follow are final */
    AWS_REFRESH_FAILED,
    AWS_REFRESH_CANCELLED,
    AWS_REFRESH_ROLLBACK_FAILED,
    AWS_REFRESH_ROLLBACK_SUCCESSFUL
};
bool aws_refresh_is_final(enum aws_refresh_status status);
const char *aws_refresh_status_name(enum aws_refresh_status status);

struct aws_refresh {
    enum aws_refresh_status status;
    char reason[AWS_AUTOSCALING_REASON_MAX + 1]; /* cut; "" for none */
    uint64_t percentage, instances_left;
};

/* StartInstanceRefresh; *ret_id names it. E_STATE when one is under way. */
must_check result aws_autoscaling_refresh(struct aws_client *client,
                                          char ret_id[static AWS_AUTOSCALING_ID_MAX + 1],
                                          const struct aws_credentials *credentials, const char *group,
                                          unsigned min_healthy_percentage, unsigned warmup_seconds);
/* DescribeInstanceRefreshes of one. E_NOT_FOUND. */
must_check result aws_autoscaling_refresh_status(struct aws_client *client, struct aws_refresh *ret_refresh,
                                                 const struct aws_credentials *credentials, const char *group,
                                                 const char *id);

#endif
