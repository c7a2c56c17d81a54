/* The KMS key, or the one that was brought along: then its policy is its owner's to set, by nitro-signer-ctl policy apply. */
import { RemovalPolicy } from "aws-cdk-lib";
import * as kms from "aws-cdk-lib/aws-kms";
import { Construct } from "constructs";
import { extended } from "./eif.ts";
import { keyPolicy, type DecryptRule, type KeyUsers } from "./key-policy.ts";
import type { Settings } from "./settings.ts";

function decryptRule(settings: Settings, instanceRole: string): DecryptRule {
  if (settings.stage === "dev") return { by: "roles" };
  if (!settings.policy) return { by: "nobody" };
  return {
    by: "enclaves",
    demands: {
      pcr0: [settings.image.pcr0, ...settings.previousPcr0],
      pcr16: settings.policy.measure,
      pcr3: extended(Buffer.from(instanceRole, "utf8")),
    },
  };
}

/** instanceRole is the role's ARN as it is measured: in full, known at synthesis. */
export function makeKey(scope: Construct, settings: Settings, users: KeyUsers, instanceRole: string): kms.IKey {
  if (settings.keyArn) return kms.Key.fromKeyArn(scope, "Key", settings.keyArn);
  return new kms.Key(scope, "Key", {
    alias: `alias/${settings.stackName}`,
    description: `${settings.stackName}: validator keys, the TLS key and the protection store's key`,
    enableKeyRotation: true,
    policy: keyPolicy(scope, decryptRule(settings, instanceRole), users),
    /* Without it every ciphertext is lost: that is not a stack's to decide. */
    removalPolicy: RemovalPolicy.RETAIN,
  });
}
