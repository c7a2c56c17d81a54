/* One signer on AWS: what there is and who knows whom. Outputs have the names of the system that this one replaces, and a few more. */
import { CfnOutput, Fn, RemovalPolicy, Stack } from "aws-cdk-lib";
import { TarballImageAsset } from "aws-cdk-lib/aws-ecr-assets";
import * as logs from "aws-cdk-lib/aws-logs";
import * as ssm from "aws-cdk-lib/aws-ssm";
import type { Construct } from "constructs";
import { Alarms } from "./alarms.ts";
import { InstanceRole } from "./instance-role.ts";
import { makeKey } from "./key.ts";
import { LoadBalancer } from "./load-balancer.ts";
import { Network } from "./network.ts";
import type { Settings } from "./settings.ts";
import { HostFiles, SignerGroup } from "./signer-group.ts";
import { Tables } from "./tables.ts";
import { makeLambdaRole, TlsFunction } from "./tls-function.ts";

export class NitroValidatorStack extends Stack {
  private readonly zones: readonly string[];

  constructor(scope: Construct, settings: Settings) {
    super(scope, settings.stackName, {
      stackName: settings.stackName,
      description: "nitro-signer: a remote signer for Ethereum validators in AWS Nitro Enclaves",
      tags: { "nitro-signer:stack": settings.stackName },
      env: { account: settings.account, region: settings.region },
    });
    this.zones = settings.zones;
    const network = new Network(this, "Network", settings);
    const { vpc } = network;
    const tables = new Tables(this, "Tables", settings);
    const instanceRole = new InstanceRole(this, "Instance", settings);
    const lambdaRole = makeLambdaRole(this);
    const users = { instanceRoleArn: instanceRole.role.roleArn, lambdaRoleArn: lambdaRole.roleArn };
    const key = makeKey(this, settings, users, instanceRole.arn);
    const log = new logs.LogGroup(this, "SystemLog", {
      retention: logs.RetentionDays.ONE_YEAR, removalPolicy: settings.stage === "prod" ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
    });
    /* Changed by nitro-signer-ctl service start and stop. CloudFormation leaves it alone while this text does not change. */
    const initFlag = new ssm.StringParameter(this, "InitFlag", {
      parameterName: `/nitro-signer/${settings.stackName}/init-flag`, stringValue: "false", description: "true: the host's services start with the machine",
    });
    const { repository } = new TarballImageAsset(this, "Image", { tarballFile: settings.image.archive });
    const files = new HostFiles(this, "Files", settings);
    instanceRole.allow({ key, tables, initFlag, repository, log, files: files.all() });
    const signers = new SignerGroup(this, "Signers", settings, {
      vpc,
      role: instanceRole.role,
      files,
      host: {
        validatorTable: tables.validatorKeys.tableName,
        tlsTable: tables.tlsKeys.tableName,
        initFlag: initFlag.parameterName,
        repositoryUri: repository.repositoryUri,
        logGroup: log.logGroupName,
      },
    });
    /* A new image is admitted by the key policy before an instance starts it; and one that starts before its routes and endpoints are there
     * installs nothing, once and for all. */
    signers.group.node.addDependency(key, instanceRole, network);
    const balancer = new LoadBalancer(this, "LoadBalancer", settings, vpc, signers);
    const tls = new TlsFunction(this, "Lambda", settings, { role: lambdaRole, vpc, key, table: tables.tlsKeys, signer: balancer.name });
    new Alarms(this, "Alarms", settings, { balancer, group: signers.group, function: tls.function, log });
    this.tell({
      EC2InstanceRoleARN: instanceRole.role.roleArn,
      LambdaFunctionArn: tls.function.functionArn,
      LambdaExecutionArn: lambdaRole.roleArn,
      ASGGroupName: signers.group.autoScalingGroupName,
      KMSKeyARN: key.keyArn,
      ValidatorKeysTableName: tables.validatorKeys.tableName,
      TLSKeysTableName: tables.tlsKeys.tableName,
      SignerELBFQDN: balancer.name,
      Web3SignerInitFlagParamName: initFlag.parameterName,
      SlashingProtectionTableName: settings.slashingTableName,
      Web3SignerUUID: Fn.select(2, Fn.split("/", this.stackId)),
      SystemLogGroupName: log.logGroupName,
      ImageRepositoryURI: repository.repositoryUri,
      ImageDigest: settings.image.digest,
      ImagePCR0: settings.image.pcr0,
      ...(settings.policy ? { PolicyPCR16: settings.policy.measure } : {}),
    });
  }

  /** Any two zones unless they were told: without this a synthesis would ask EC2 which there are. */
  override get availabilityZones(): string[] {
    return this.zones.length > 0 ? [...this.zones] : [0, 1].map((zone) => Fn.select(zone, Fn.getAzs()));
  }

  private tell(outputs: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}
