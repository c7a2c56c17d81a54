/* The Lambda function: makes the signers' TLS key and asks them how they are (docs/lambda.md). In production it can make and
 * encrypt, never decrypt: the key policy sees to that, not this role. */
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import type { Settings } from "./settings.ts";

/** Apart from the function, because the key policy names it. */
export function makeLambdaRole(scope: Construct): iam.Role {
  return new iam.Role(scope, "LambdaRole", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com") });
}

export interface TlsFunctionProps {
  readonly role: iam.Role;
  readonly vpc: ec2.IVpc;
  readonly key: kms.IKey;
  readonly table: dynamodb.ITable;
  readonly signer: string;
}

export class TlsFunction extends Construct {
  readonly function: lambda.Function;

  constructor(scope: Construct, id: string, settings: Settings, props: TlsFunctionProps) {
    super(scope, id);
    const log = new logs.LogGroup(this, "Log", { retention: logs.RetentionDays.ONE_YEAR, removalPolicy: RemovalPolicy.DESTROY });
    const policy = this.policy(settings, props, log);
    const securityGroup = new ec2.SecurityGroup(this, "Function", {
      vpc: props.vpc, description: "The Lambda function", allowAllOutbound: false,
    });
    securityGroup.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), "AWS services and the signers");
    this.function = new lambda.Function(this, "NitroInvokeLambda", {
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: settings.architecture === "arm64" ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: "bootstrap",
      code: lambda.Code.fromAsset(settings.lambdaZip),
      role: props.role,
      vpc: props.vpc,
      vpcSubnets: { subnetGroupName: "private" },
      securityGroups: [securityGroup],
      logGroup: log,
      memorySize: 256,
      timeout: Duration.seconds(30),
      environment: {
        NITRO_INSTANCE_PRIVATE_DNS: props.signer,
        TLS_KEYS_TABLE_NAME: props.table.tableName,
        KEY_ARN: props.key.keyArn,
        LOG_LEVEL: "info",
      },
    });
    this.function.node.addDependency(policy);
    acknowledge(this.function, "AwsSolutions-L1", "provided.al2023 is the newest runtime for programs of one's own.");
  }

  private policy(settings: Settings, props: TlsFunctionProps, log: logs.ILogGroup): iam.Policy {
    const onKey = ["kms:GenerateDataKeyPair", "kms:Encrypt", ...(settings.stage === "dev" ? ["kms:Decrypt"] : [])];
    const policy = new iam.Policy(this, "Policy", {
      roles: [props.role],
      statements: [
        new iam.PolicyStatement({ sid: "MakeTlsKey", actions: onKey, resources: [props.key.keyArn] }),
        new iam.PolicyStatement({ sid: "KeepTlsKey", actions: ["dynamodb:PutItem", "dynamodb:GetItem"], resources: [props.table.tableArn] }),
        new iam.PolicyStatement({ sid: "WriteLog", actions: ["logs:CreateLogStream", "logs:PutLogEvents"], resources: [log.logGroupArn] }),
        /* Lambda itself attaches the function to the network with these. */
        new iam.PolicyStatement({
          sid: "AttachToNetwork",
          actions: ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:DeleteNetworkInterface"],
          resources: ["*"],
        }),
      ],
    });
    acknowledge(policy, "AwsSolutions-IAM5[Resource::*]", "Network interfaces have no names before Lambda makes them.");
    return policy;
  }
}
