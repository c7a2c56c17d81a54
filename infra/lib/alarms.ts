/* What somebody has to be woken for. Numbers come from the load balancer, the group and the function; words from the log, each a sentence that
 * the programs write (test/stack.test.ts looks them up in their sources, so that neither can change alone). */
import { Duration } from "aws-cdk-lib";
import type * as autoscaling from "aws-cdk-lib/aws-autoscaling";
import * as cloudwatch from "aws-cdk-lib/aws-cloudwatch";
import * as actions from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sns from "aws-cdk-lib/aws-sns";
import { Construct } from "constructs";
import type { LoadBalancer } from "./load-balancer.ts";
import type { Settings } from "./settings.ts";

const { GREATER_THAN_OR_EQUAL_TO_THRESHOLD: AT_LEAST, LESS_THAN_THRESHOLD: BELOW } = cloudwatch.ComparisonOperator;
const { BREACHING, NOT_BREACHING } = cloudwatch.TreatMissingData;

/** Words of the signers' log. */
export const LOGGED = [
  { name: "KmsDenies", words: "KMS denied the enclave", meaning: "KMS refuses the keys: its policy has another image, policy document or role" },
  { name: "SlashingRefused", words: "slashing protection refuses this", meaning: "A client asked for a signature that could be slashed" },
  { name: "KeyLeftOut", words: "this key is left out", meaning: "An item of the table is damaged: its validator is not served" },
  { name: "SignerFailed", words: "the signer has failed for good", meaning: "A signer was replaced by another or its record went back: it stays down" },
  { name: "SignerDown", words: "the signer does not serve", meaning: "A signer answers and does not serve" },
] as const;

export interface AlarmsProps {
  readonly balancer: LoadBalancer;
  readonly group: autoscaling.AutoScalingGroup;
  readonly function: lambda.IFunction;
  readonly log: logs.ILogGroup;
}

export class Alarms extends Construct {
  private readonly topic: sns.ITopic | undefined;

  constructor(scope: Construct, id: string, settings: Settings, props: AlarmsProps) {
    super(scope, id);
    this.topic = settings.alarmTopicArn ? sns.Topic.fromTopicArn(this, "Topic", settings.alarmTopicArn) : undefined;
    /* Before there are instances none can be missing. */
    if (settings.policy) this.watchInstances(props, settings.instances);
    this.alarm("LambdaErrors", "The Lambda function failed", {
      metric: props.function.metricErrors({ period: Duration.minutes(5) }),
      threshold: 1, evaluationPeriods: 1, comparisonOperator: AT_LEAST, treatMissingData: NOT_BREACHING,
    });
    for (const { name, words, meaning } of LOGGED) {
      const filter = new logs.MetricFilter(this, `${name}Lines`, {
        logGroup: props.log,
        filterPattern: logs.FilterPattern.literal(`"${words}"`),
        metricNamespace: `NitroSigner/${settings.stackName}`,
        metricName: name,
        metricValue: "1",
      });
      this.alarm(name, meaning, {
        metric: filter.metric({ statistic: "sum", period: Duration.minutes(5) }),
        threshold: 1, evaluationPeriods: 1, comparisonOperator: AT_LEAST, treatMissingData: NOT_BREACHING,
      });
    }
  }

  private watchInstances(props: AlarmsProps, instances: number): void {
    const period = Duration.minutes(1);
    this.alarm("NoSigner", "No signer is healthy: nothing is signed", {
      metric: props.balancer.targetGroup.metrics.healthyHostCount({ period, statistic: "max" }),
      threshold: 1, evaluationPeriods: 2, comparisonOperator: BELOW, treatMissingData: BREACHING,
    });
    this.alarm("UnhealthySigner", "A signer is unhealthy", {
      metric: props.balancer.targetGroup.metrics.unHealthyHostCount({ period, statistic: "max" }),
      threshold: 1, evaluationPeriods: 5, comparisonOperator: AT_LEAST, treatMissingData: NOT_BREACHING,
    });
    this.alarm("InstanceMissing", "The group has fewer instances than it should", {
      metric: new cloudwatch.Metric({
        namespace: "AWS/AutoScaling", metricName: "GroupInServiceInstances", period, statistic: "min",
        dimensionsMap: { AutoScalingGroupName: props.group.autoScalingGroupName },
      }),
      threshold: instances, evaluationPeriods: 15, comparisonOperator: BELOW, treatMissingData: BREACHING,
    });
  }

  private alarm(name: string, alarmDescription: string, rule: cloudwatch.AlarmProps): void {
    const alarm = new cloudwatch.Alarm(this, name, { ...rule, alarmDescription });
    if (!this.topic) return;
    alarm.addAlarmAction(new actions.SnsAction(this.topic));
    alarm.addOkAction(new actions.SnsAction(this.topic));
  }
}
