/* A network without a way out: private subnets in two zones, and to each AWS service that is called an endpoint of its own. What has
 * no route cannot leak keys or fetch programs. Gateway endpoints are free; an interface endpoint is some $7.3 a month and zone, so
 * each is here for a reason. All but KMS stand in one zone unless told otherwise: they serve deployments, commands and logs, while a running
 * enclave signs on without them, and one that restarts in the other zone needs KMS alone. */
import { RemovalPolicy, Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { Settings } from "./settings.ts";

const HTTPS = ec2.Port.tcp(443);

/* ec2messages is not among them: since its version 3.3.40 the SSM agent takes ssmmessages instead, and AL2023 has newer ones. */
const ENDPOINTS: readonly { name: string; service: ec2.InterfaceVpcEndpointAwsService; everywhere: boolean }[] = [
  /* The enclave opens keys by it, and the Lambda function makes the TLS key. */
  { name: "Kms", service: ec2.InterfaceVpcEndpointAwsService.KMS, everywhere: true },
  /* The init flag, and the agent by which services are started. */
  { name: "Ssm", service: ec2.InterfaceVpcEndpointAwsService.SSM, everywhere: false },
  /* The agent's commands come over this. */
  { name: "SsmMessages", service: ec2.InterfaceVpcEndpointAwsService.SSM_MESSAGES, everywhere: false },
  /* A token for the registry, and the registry; its layers come from S3. */
  { name: "EcrApi", service: ec2.InterfaceVpcEndpointAwsService.ECR, everywhere: false },
  { name: "EcrRegistry", service: ec2.InterfaceVpcEndpointAwsService.ECR_DOCKER, everywhere: false },
  /* The hosts' and the enclaves' log, on which alarms stand. */
  { name: "Logs", service: ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS, everywhere: false },
];

export class Network extends Construct {
  readonly vpc: ec2.Vpc;

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    const inside = settings.nat ? ec2.SubnetType.PRIVATE_WITH_EGRESS : ec2.SubnetType.PRIVATE_ISOLATED;
    this.vpc = new ec2.Vpc(this, "Vpc", {
      ipAddresses: ec2.IpAddresses.cidr(settings.vpcCidr),
      maxAzs: 2,
      natGateways: settings.nat ? 1 : 0,
      subnetConfiguration: [
        { name: "private", subnetType: inside, cidrMask: 24 },
        ...(settings.nat ? [{ name: "public", subnetType: ec2.SubnetType.PUBLIC, cidrMask: 28, mapPublicIpOnLaunch: false }] : []),
      ],
    });
    this.logRefusedTraffic();
    this.addGateways(settings);
    if (!settings.nat) this.addEndpoints(settings);
  }

  /* What was let through is known to be ours; what was refused is what somebody tried. */
  private logRefusedTraffic(): void {
    const group = new logs.LogGroup(this, "RefusedTraffic", {
      retention: logs.RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new iam.Role(this, "FlowLogRole", { assumedBy: new iam.ServicePrincipal("vpc-flow-logs.amazonaws.com") });
    this.vpc.addFlowLog("Refused", {
      destination: ec2.FlowLogDestination.toCloudWatchLogs(group, role),
      trafficType: ec2.FlowLogTrafficType.REJECT,
    });
  }

  private addGateways(settings: Settings): void {
    const { region, partition } = Stack.of(this);
    const storage = this.vpc.addGatewayEndpoint("Storage", { service: ec2.GatewayVpcEndpointAwsService.S3 });
    /* Amazon Linux's packages, the registry's layers, and what this deployment wrote; nothing can be written through it. */
    storage.addToPolicy(new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: ["s3:GetObject"],
      resources: [
        `arn:${partition}:s3:::al2023-repos-${region}-*/*`,
        `arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`,
        `arn:${partition}:s3:::cdk-*-assets-${settings.account}-${settings.region}/*`,
      ],
    }));
    const tables = this.vpc.addGatewayEndpoint("Tables", { service: ec2.GatewayVpcEndpointAwsService.DYNAMODB });
    /* Credentials of another account get nowhere: they could only carry something out. */
    tables.addToPolicy(new iam.PolicyStatement({
      principals: [new iam.AnyPrincipal()],
      actions: ["dynamodb:*"],
      resources: [`arn:${partition}:dynamodb:${settings.region}:${settings.account}:table/*`],
    }));
  }

  private addEndpoints(settings: Settings): void {
    const callers = new ec2.SecurityGroup(this, "Endpoints", {
      vpc: this.vpc, description: "AWS services, for whoever is inside", allowAllOutbound: false,
    });
    callers.addIngressRule(ec2.Peer.ipv4(settings.vpcCidr), HTTPS, "HTTPS from inside");
    for (const { name, service, everywhere } of ENDPOINTS) {
      const subnets = this.vpc.isolatedSubnets.slice(0, everywhere ? 2 : settings.endpointZones);
      this.vpc.addInterfaceEndpoint(name, { service, subnets: { subnets }, securityGroups: [callers], open: false, privateDnsEnabled: true });
    }
  }
}
