/* The instances: as many as there are, each in a zone of its own, each with an enclave of the same measure. Their user data only writes what they are, copies
 * files and runs the bundle's installation (packaging/host), so that what happens on a host can be tried without a stack.
 *
 * A group of none until there is a policy document: an enclave without one could only wait. Health is that of the machine, not
 * the load balancer's: a signer that does not serve yet (no keys, the init flag down) is no reason to replace its host, and the
 * watchdog starts enclaves anew in a tenth of a second where a new host takes minutes. */
import { Duration, Fn, Stack } from "aws-cdk-lib";
import * as autoscaling from "aws-cdk-lib/aws-autoscaling";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import type * as iam from "aws-cdk-lib/aws-iam";
import * as s3assets from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import type { Settings } from "./settings.ts";

export const SIGNER_PORT = 8443;
const FOLDER = "/etc/nitro-signer";

export interface HostEnvironment {
  readonly validatorTable: string;
  readonly tlsTable: string;
  readonly initFlag: string;
  readonly repositoryUri: string;
  readonly logGroup: string;
}

/** What an instance copies from S3. */
export class HostFiles extends Construct {
  readonly bundle: s3assets.Asset;
  readonly policy?: s3assets.Asset;
  readonly access?: s3assets.Asset;

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    this.bundle = new s3assets.Asset(this, "Bundle", { path: settings.hostFolder });
    if (settings.policy) this.policy = new s3assets.Asset(this, "PolicyDocument", { path: settings.policy.path });
    if (settings.policy?.accessPath) this.access = new s3assets.Asset(this, "AccessDocument", { path: settings.policy.accessPath });
  }

  all(): s3assets.Asset[] {
    return [this.bundle, this.policy, this.access].filter((file) => file !== undefined);
  }
}

function environmentLines(scope: Construct, settings: Settings, host: HostEnvironment): string[] {
  const { stackName, region, stackId } = Stack.of(scope);
  return Object.entries({
    STACK: stackName,
    REGION: region,
    STACK_UUID: Fn.select(2, Fn.split("/", stackId)),
    VALIDATOR_TABLE: host.validatorTable,
    TLS_TABLE: host.tlsTable,
    INIT_FLAG: host.initFlag,
    IMAGE: `${host.repositoryUri}@${settings.image.digest}`,
    ENCLAVE_CPUS: String(settings.enclaveProcessors),
    ENCLAVE_MEMORY: String(settings.enclaveMemory),
    DEBUG_MODE: String(settings.stage === "dev"),
    LOG_GROUP: host.logGroup,
  }).map(([name, value]) => `NITRO_SIGNER_${name}=${value}`);
}

function userData(scope: Construct, settings: Settings, files: HostFiles, host: HostEnvironment): ec2.UserData {
  const { region } = Stack.of(scope);
  const data = ec2.UserData.forLinux();
  const copy = (file: s3assets.Asset, path: string) =>
    `aws s3 cp --only-show-errors --region ${region} '${file.s3ObjectUrl}' '${path}'`;
  data.addCommands(
    "set -euo pipefail",
    "umask 022",
    `mkdir -p ${FOLDER} /opt/nitro-signer-host`,
    `cat >${FOLDER}/host.env <<'END'`,
    ...environmentLines(scope, settings, host),
    "END",
  );
  if (files.policy) data.addCommands(copy(files.policy, `${FOLDER}/policy.txt`));
  if (files.access) data.addCommands(copy(files.access, `${FOLDER}/access.txt`));
  data.addCommands(
    copy(files.bundle, "/opt/nitro-signer-host.zip"),
    "python3 -m zipfile -e /opt/nitro-signer-host.zip /opt/nitro-signer-host",
    "rm /opt/nitro-signer-host.zip",
    "bash /opt/nitro-signer-host/install",
  );
  return data;
}

export interface SignerGroupProps {
  readonly vpc: ec2.IVpc;
  readonly role: iam.IRole;
  readonly files: HostFiles;
  readonly host: HostEnvironment;
}

export class SignerGroup extends Construct {
  readonly group: autoscaling.AutoScalingGroup;
  readonly securityGroup: ec2.SecurityGroup;

  constructor(scope: Construct, id: string, settings: Settings, props: SignerGroupProps) {
    super(scope, id);
    this.securityGroup = new ec2.SecurityGroup(this, "Instances", {
      vpc: props.vpc, description: "Hosts of signers", allowAllOutbound: false,
    });
    /* Where to is decided by the routes: without a NAT gateway these are AWS's endpoints and no others. */
    this.securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), "AWS services");
    const size = settings.policy ? settings.instances : 0;
    this.group = new autoscaling.AutoScalingGroup(this, "Group", {
      vpc: props.vpc,
      vpcSubnets: { subnetGroupName: "private" },
      launchTemplate: this.launchTemplate(settings, props),
      minCapacity: size,
      maxCapacity: size,
      groupMetrics: [autoscaling.GroupMetrics.all()],
      /* One after the other, with time for the next to serve before the last one goes. */
      updatePolicy: autoscaling.UpdatePolicy.rollingUpdate({
        maxBatchSize: 1,
        minInstancesInService: Math.max(size - 1, 0),
        pauseTime: Duration.minutes(5),
        waitOnResourceSignals: false,
      }),
    });
    acknowledge(this.group, "AwsSolutions-AS3", "Alarms tell of missing instances; the group has no scaling that one could be told of.");
  }

  private launchTemplate(settings: Settings, props: SignerGroupProps): ec2.LaunchTemplate {
    const arm64 = settings.architecture === "arm64";
    return new ec2.LaunchTemplate(this, "Template", {
      instanceType: new ec2.InstanceType(settings.instanceType),
      machineImage: ec2.MachineImage.latestAmazonLinux2023({
        cpuType: arm64 ? ec2.AmazonLinuxCpuType.ARM_64 : ec2.AmazonLinuxCpuType.X86_64,
      }),
      role: props.role,
      securityGroup: this.securityGroup,
      userData: userData(this, settings, props.files, props.host),
      nitroEnclaveEnabled: true,
      /* One hop: no container runs here, and nothing behind the host may ask for its credentials. */
      requireImdsv2: true,
      httpPutResponseHopLimit: 1,
      httpEndpoint: true,
      instanceMetadataTags: false,
      blockDevices: [{
        deviceName: "/dev/xvda",
        volume: ec2.BlockDeviceVolume.ebs(10, { encrypted: true, volumeType: ec2.EbsDeviceVolumeType.GP3, deleteOnTermination: true }),
      }],
    });
  }
}
