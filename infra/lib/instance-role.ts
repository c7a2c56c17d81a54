/* What an instance may do, and nothing else. Its credentials are handed into the enclave and lie open on the host, so all of this is also
 * what an intruder on the host may do: the tables' names, the key and the repository are spelt out, and no statement changes
 * a key policy, a validator's key or the init flag. The managed policy for the SSM agent would let it read every parameter of the account. */
import { Stack, Token } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as ecr from "aws-cdk-lib/aws-ecr";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import type * as logs from "aws-cdk-lib/aws-logs";
import type * as s3assets from "aws-cdk-lib/aws-s3-assets";
import type * as ssm from "aws-cdk-lib/aws-ssm";
import { Construct } from "constructs";
import { acknowledge } from "./acknowledge.ts";
import type { Settings } from "./settings.ts";
import type { Tables } from "./tables.ts";

export interface InstanceNeeds {
  readonly key: kms.IKey;
  readonly tables: Tables;
  readonly initFlag: ssm.IParameter;
  readonly repository: ecr.IRepository;
  readonly log: logs.ILogGroup;
  readonly files: readonly s3assets.Asset[];
}

function allow(sid: string, actions: string[], resources: string[]): iam.PolicyStatement {
  return new iam.PolicyStatement({ sid, actions, resources });
}

function tableStatements(tables: Tables): iam.PolicyStatement[] {
  const arn = (table: dynamodb.ITable) => [table.tableArn];
  return [
    allow("ReadValidatorKeys", ["dynamodb:Query"], arn(tables.validatorKeys)),
    allow("ReadTlsKey", ["dynamodb:GetItem"], arn(tables.tlsKeys)),
    /* docs/slashing.md section 8; by the enclave. No item is ever deleted. */
    allow("KeepProtection", [
      "dynamodb:DescribeTable", "dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Scan", "dynamodb:PutItem", "dynamodb:PartiQLUpdate",
    ], arn(tables.slashingProtection)),
  ];
}

/* The SSM agent's for commands; these actions know no resources. */
const AGENT = [
  "ssm:UpdateInstanceInformation", "ssm:ListAssociations", "ssm:ListInstanceAssociations",
  "ssmmessages:CreateControlChannel", "ssmmessages:OpenControlChannel", "ssmmessages:CreateDataChannel", "ssmmessages:OpenDataChannel",
];

export class InstanceRole extends Construct {
  readonly role: iam.Role;
  /** In full, without tokens: as Nitro measures it into PCR3. */
  readonly arn: string;

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    /* Fixed, so that its measure is known when the key policy is made. Roles are the account's and not a region's. */
    const roleName = `${settings.stackName}-instance-${settings.region}`;
    this.role = new iam.Role(this, "Role", { roleName, assumedBy: new iam.ServicePrincipal("ec2.amazonaws.com") });
    this.arn = `arn:${Stack.of(this).partition}:iam::${settings.account}:role/${roleName}`;
    if (Token.isUnresolved(this.arn)) throw new Error(`${settings.region}: this version of the CDK does not know this region's partition`);
  }

  allow(needs: InstanceNeeds): void {
    const statements = [
      ...tableStatements(needs.tables),
      allow("OpenKeys", ["kms:Decrypt"], [needs.key.keyArn]),
      allow("ReadInitFlag", ["ssm:GetParameter"], [needs.initFlag.parameterArn]),
      allow("TakeCommands", AGENT, ["*"]),
      allow("RegistryToken", ["ecr:GetAuthorizationToken"], ["*"]),
      allow("PullImage", ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"], [needs.repository.repositoryArn]),
      allow("ReadFiles", ["s3:GetObject"], needs.files.map((file) => file.bucket.arnForObjects(file.s3ObjectKey))),
      allow("WriteLog", ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], [needs.log.logGroupArn]),
    ];
    const policy = new iam.Policy(this, "Policy", { roles: [this.role], statements });
    acknowledge(policy, "AwsSolutions-IAM5[Resource::*]", "ecr:GetAuthorizationToken and what the SSM agent calls know no resources.");
    acknowledge(policy, "AwsSolutions-IAM5[Resource::<SystemLog.Arn>]", "The streams of one group: its ARN ends with an asterisk.");
  }
}
