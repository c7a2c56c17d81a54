/* Who may do what with the KMS key: the one wall between the account and the validators' keys.
 *
 * One Allow with conditions is not enough, because any other statement, or an IAM policy together with a statement for the
 * account, would allow Decrypt without attestation. So a Deny stands for each register that is demanded: within one condition all
 * keys must match, and a mismatch of any must deny. A negated condition matches also where its key is absent, that is
 * where nothing was attested. nitro-signer-ctl policy kms-key-policy prints the same rules for keys that no stack made
 * (test/key-policy.test.ts holds the two together).
 *
 * The account keeps the right to change this policy, as CloudFormation must; nobody in the stack has it. Rejected: a Deny
 * of kms:PutKeyPolicy for all but one role, which locks the key for good when that role is gone. */
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

/** What an attestation document must say; lists are alternatives. */
export interface Demands {
  readonly pcr0: readonly string[];
  readonly pcr16: string;
  readonly pcr3: string;
}

export interface KeyUsers {
  readonly instanceRoleArn: string;
  readonly lambdaRoleArn: string;
}

/** enclaves: under attestation; nobody: not yet; roles: without attestation, for development. */
export type DecryptRule = { readonly by: "enclaves"; readonly demands: Demands } | { readonly by: "nobody" } | { readonly by: "roles" };

const ADMINISTRATION = [
  "kms:DescribeKey", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListResourceTags",
  "kms:ListKeyRotations", "kms:PutKeyPolicy", "kms:EnableKey", "kms:DisableKey", "kms:EnableKeyRotation", "kms:DisableKeyRotation",
  "kms:RotateKeyOnDemand", "kms:UpdateKeyDescription", "kms:TagResource", "kms:UntagResource", "kms:CreateAlias", "kms:UpdateAlias",
  "kms:DeleteAlias", "kms:RevokeGrant", "kms:RetireGrant", "kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion",
];
/* Re-encryption to another key is a side exit; ciphertexts may come in by kms:ReEncryptTo as by kms:Encrypt. */
const OPENING = ["kms:Decrypt", "kms:ReEncryptFrom"];
/* Plain data keys that nobody here makes, and a grant would pass all that a policy refuses. */
const NEEDED_BY_NOBODY = ["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:CreateGrant"];
const KEY_PAIRS = ["kms:GenerateDataKeyPair", "kms:GenerateDataKeyPairWithoutPlaintext"];

type Condition = Record<string, Record<string, unknown>>;

function statement(
  sid: string, effect: iam.Effect, principals: iam.IPrincipal[], actions: string[], conditions: Condition = {},
): iam.PolicyStatement {
  return new iam.PolicyStatement({ sid, effect, principals, actions, resources: ["*"], conditions });
}

function attested(demands: Demands): [string, readonly string[]][] {
  return [["ImageSha384", demands.pcr0], ["PCR16", [demands.pcr16]], ["PCR3", [demands.pcr3]]];
}

function decryptStatements(rule: DecryptRule, users: KeyUsers): iam.PolicyStatement[] {
  const { ALLOW, DENY } = iam.Effect;
  const everyone = [new iam.AnyPrincipal()];
  const instances = new iam.ArnPrincipal(users.instanceRoleArn);
  if (rule.by === "nobody") return [statement("NobodyBeforeThereIsAPolicy", DENY, everyone, OPENING)];
  if (rule.by === "roles") {
    const lambda = new iam.ArnPrincipal(users.lambdaRoleArn);
    return [statement("DecryptInDevelopment", ALLOW, [instances, lambda], ["kms:Decrypt"])];
  }
  const name = (register: string) => `kms:RecipientAttestation:${register}`;
  const registers = attested(rule.demands);
  return [
    statement("DecryptInsideTheEnclave", ALLOW, [instances], ["kms:Decrypt"], {
      StringEqualsIgnoreCase: Object.fromEntries(registers.map(([register, values]) => [name(register), values])),
    }),
    ...registers.map(([register, values]) =>
      statement(`NobodyWithoutThis${register}`, DENY, everyone, OPENING, { StringNotEqualsIgnoreCase: { [name(register)]: values } })),
  ];
}

export function keyPolicy(scope: Construct, rule: DecryptRule, users: KeyUsers): iam.PolicyDocument {
  const { ALLOW, DENY } = iam.Effect;
  const account = new iam.ArnPrincipal(`arn:${Stack.of(scope).partition}:iam::${Stack.of(scope).account}:root`);
  const everyone = [new iam.AnyPrincipal()];
  const lambda = new iam.ArnPrincipal(users.lambdaRoleArn);
  return new iam.PolicyDocument({
    statements: [
      statement("Administer", ALLOW, [account], ADMINISTRATION),
      /* Through IAM policies of the account's own choice: operators, key generators, the Lambda function. */
      statement("EncryptOnly", ALLOW, [account], ["kms:Encrypt", "kms:ReEncryptTo", "kms:DescribeKey"]),
      statement("MakeTlsKey", ALLOW, [lambda], ["kms:Encrypt", "kms:GenerateDataKeyPair"]),
      ...decryptStatements(rule, users),
      statement("NeededByNobody", DENY, everyone, NEEDED_BY_NOBODY),
      statement("KeyPairsForTheLambdaOnly", DENY, everyone, KEY_PAIRS, { ArnNotEquals: { "aws:PrincipalArn": users.lambdaRoleArn } }),
      statement("NobodyHereAdministers", DENY, [new iam.ArnPrincipal(users.instanceRoleArn), lambda], [
        "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey",
      ]),
    ],
  });
}
