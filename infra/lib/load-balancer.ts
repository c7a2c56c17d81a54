/* One name and one address for all signers: TCP is passed on, TLS ends inside the enclaves. */
import { Duration, Stack } from "aws-cdk-lib";
import type * as autoscaling from "aws-cdk-lib/aws-autoscaling";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as elbv2 from "aws-cdk-lib/aws-elasticloadbalancingv2";
import * as route53 from "aws-cdk-lib/aws-route53";
import * as targets from "aws-cdk-lib/aws-route53-targets";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import type { Admission } from "./policy-document.ts";
import type { Settings } from "./settings.ts";
import { SIGNER_PORT, type SignerGroup } from "./signer-group.ts";

const HTTPS = 443;

/* The certificate is not verified by load balancers, so a self-signed one will do. A signer that wants a token or a password refuses the
 * question, and that it refuses shows that it serves. One that wants a client certificate breaks the connection: there only
 * the host's proxy can be seen, and the alarms on the log must tell the rest. */
function healthCheck(admission: Admission): elbv2.HealthCheck {
  /* A timeout that is not said is ten seconds, and must be less than the interval. */
  const often = { interval: Duration.seconds(10), timeout: Duration.seconds(6), healthyThresholdCount: 2, unhealthyThresholdCount: 2 };
  if (admission === "certificates") return { ...often, protocol: elbv2.Protocol.TCP };
  const healthyHttpCodes = admission === "any" ? "200" : "200-404";
  return { ...often, protocol: elbv2.Protocol.HTTPS, path: "/upcheck", healthyHttpCodes };
}

export class LoadBalancer extends Construct {
  /** signer.STACK.private */
  readonly name: string;
  readonly targetGroup: elbv2.NetworkTargetGroup;
  readonly balancer: elbv2.NetworkLoadBalancer;

  constructor(scope: Construct, id: string, settings: Settings, vpc: ec2.IVpc, signers: SignerGroup) {
    super(scope, id);
    const admitted = this.securityGroup(settings, vpc, signers);
    this.balancer = new elbv2.NetworkLoadBalancer(this, "Balancer", {
      vpc, vpcSubnets: { subnetGroupName: "private" }, internetFacing: false, crossZoneEnabled: true, securityGroups: [admitted],
    });
    acknowledge(this.balancer, "AwsSolutions-ELB2", "A load balancer that passes TCP on has no access log; the signers have theirs.");
    const listener = this.balancer.addListener("Https", { port: HTTPS, protocol: elbv2.Protocol.TCP });
    this.targetGroup = listener.addTargets("Signers", {
      port: SIGNER_PORT,
      protocol: elbv2.Protocol.TCP,
      targets: [signers.group as autoscaling.AutoScalingGroup],
      deregistrationDelay: Duration.seconds(30),
      healthCheck: healthCheck(settings.policy?.admission ?? "any"),
    });
    this.name = this.record(vpc);
  }

  private securityGroup(settings: Settings, vpc: ec2.IVpc, signers: SignerGroup): ec2.SecurityGroup {
    const admitted = new ec2.SecurityGroup(this, "Clients", { vpc, description: "Who may reach the signers", allowAllOutbound: false });
    for (const range of [settings.vpcCidr, ...settings.clientCidrs]) {
      admitted.addIngressRule(ec2.Peer.ipv4(range), ec2.Port.tcp(HTTPS), "validator clients");
    }
    const signer = ec2.Port.tcp(SIGNER_PORT);
    admitted.addEgressRule(signers.securityGroup, signer, "signers");
    signers.securityGroup.addIngressRule(admitted, signer, "the load balancer");
    return admitted;
  }

  private record(vpc: ec2.IVpc): string {
    const zone = new route53.PrivateHostedZone(this, "Zone", { vpc, zoneName: `${Stack.of(this).stackName}.private` });
    new route53.ARecord(this, "Signer", {
      zone, recordName: "signer", target: route53.RecordTarget.fromAlias(new targets.LoadBalancerTarget(this.balancer)),
    });
    return `signer.${zone.zoneName}`;
  }
}
