/* Who may do what with the key, decided by the policy in the template, for everyone who might try. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { after, describe, it } from "node:test";
import type { Stage } from "../lib/settings.ts";
import { isAllowed, type Policy, type Request } from "./evaluate.ts";
import { ACCOUNT, makePlace, policyText, synthesize, type Synthesis } from "./stand-ins.ts";
import { tool } from "./tools.ts";

const ROOT = `arn:aws:iam::${ACCOUNT}:root`;
const OPERATOR = `arn:aws:iam::${ACCOUNT}:role/operator`;
const INSTANCE = `arn:aws:iam::${ACCOUNT}:role/prodNitroValidator-instance-us-east-1`;
const DEV_INSTANCE = `arn:aws:iam::${ACCOUNT}:role/devNitroValidator-instance-us-east-1`;
const LAMBDA = `arn:aws:iam::${ACCOUNT}:role/LambdaRole`;
const OPENING = ["kms:Decrypt", "kms:ReEncryptFrom"];
const NOBODYS = ["kms:CreateGrant", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"];
const ADMINISTRATION = ["kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DisableKey"];

const place = makePlace();
const old = "ab".repeat(48);
after(() => place.remove());

/** The key's policy with ARNs in the place of references. */
function policyOf({ template }: Synthesis, stage: Stage): Policy {
  const keys = Object.values(template.findResources("AWS::KMS::Key"));
  assert.equal(keys.length, 1);
  const roles: Record<string, string> = {};
  for (const [id, role] of Object.entries(template.findResources("AWS::IAM::Role"))) {
    const name = (role as { Properties: { RoleName?: string } }).Properties.RoleName ?? (id.startsWith("LambdaRole") ? "LambdaRole" : id);
    roles[id] = `arn:aws:iam::${ACCOUNT}:role/${name}`;
  }
  assert.ok(Object.values(roles).includes(stage === "prod" ? INSTANCE : DEV_INSTANCE));
  const text = JSON.stringify((keys[0] as { Properties: { KeyPolicy: unknown } }).Properties.KeyPolicy)
    .replace(/\{"Fn::GetAtt":\["(\w+)","Arn"\]\}/g, (_, id: string) => JSON.stringify(roles[id]));
  assert.ok(!text.includes("Fn::"));
  return JSON.parse(text) as Policy;
}

place.write("policies/prodNitroValidator.txt", policyText("prod"));
const prod = policyOf(synthesize(place, "prod", { previous_pcr0: old }), "prod");
const dev = policyOf(synthesize(place, "dev"), "dev");
const early = policyOf(synthesize(place, "prod", { policies: `${place.folder}/none` }), "prod");

/* Computed here once more, by the formulas of the documents and not by the code under test. */
const register = (text: string) => createHash("sha384").update(Buffer.alloc(48)).update(text).digest("hex");
const right = { ImageSha384: place.pcr0, PCR16: register(policyText("prod")), PCR3: register(INSTANCE) };

const everyone = [ROOT, OPERATOR, INSTANCE, LAMBDA, "arn:aws:iam::999999999999:role/stranger"];
const ask = (principal: string, action: string, attested?: Record<string, string>): Request =>
  ({ principal, action, iam: principal.includes(ACCOUNT), ...(attested ? { attested } : {}) });

describe("the key's policy in production", () => {
  it("lets an attested enclave of this image, policy and role decrypt, and no other", () => {
    assert.ok(isAllowed(prod, ask(INSTANCE, "kms:Decrypt", right)));
    assert.ok(isAllowed(prod, ask(INSTANCE, "kms:Decrypt", { ...right, ImageSha384: right.ImageSha384.toUpperCase() })));
    for (const wrong of Object.keys(right)) {
      assert.ok(!isAllowed(prod, ask(INSTANCE, "kms:Decrypt", { ...right, [wrong]: "00".repeat(48) })), wrong);
      const { [wrong as keyof typeof right]: _, ...rest } = right;
      assert.ok(!isAllowed(prod, ask(INSTANCE, "kms:Decrypt", rest)), `without ${wrong}`);
    }
  });
  it("admits the previous image while it is named", () => {
    assert.ok(isAllowed(prod, ask(INSTANCE, "kms:Decrypt", { ...right, ImageSha384: old })));
    const place2 = policyOf(synthesize(place, "prod"), "prod");
    assert.ok(!isAllowed(place2, ask(INSTANCE, "kms:Decrypt", { ...right, ImageSha384: old })));
  });
  it("lets nobody decrypt or re-encrypt without attestation, nor another role with it", () => {
    for (const action of OPENING) {
      for (const principal of everyone) {
        assert.ok(!isAllowed(prod, ask(principal, action)), `${principal} ${action}`);
        if (principal !== INSTANCE) assert.ok(!isAllowed(prod, ask(principal, action, right)), `${principal} ${action} attested`);
      }
    }
  });
});

describe("the key's policy before there is a policy document", () => {
  it("lets nobody decrypt, whatever was attested", () => {
    for (const principal of everyone) for (const action of OPENING) assert.ok(!isAllowed(early, ask(principal, action, right)));
  });
});

describe("the key's policy in development", () => {
  it("lets the roles of the stack decrypt, and nobody else", () => {
    for (const principal of [DEV_INSTANCE, LAMBDA]) assert.ok(isAllowed(dev, ask(principal, "kms:Decrypt")));
    for (const principal of [ROOT, OPERATOR]) assert.ok(!isAllowed(dev, ask(principal, "kms:Decrypt")));
  });
});

describe("the key's policy always", () => {
  for (const [name, policy] of Object.entries({ prod, early, dev })) {
    it(`has no grants and data keys, key pairs for the Lambda function alone (${name})`, () => {
      for (const principal of [...everyone, DEV_INSTANCE]) {
        for (const action of NOBODYS) assert.ok(!isAllowed(policy, ask(principal, action, right)), `${principal} ${action}`);
        assert.equal(isAllowed(policy, ask(principal, "kms:GenerateDataKeyPair")), principal === LAMBDA, principal);
      }
    });
    it(`lets operators and the Lambda function encrypt (${name})`, () => {
      for (const principal of [OPERATOR, LAMBDA]) assert.ok(isAllowed(policy, ask(principal, "kms:Encrypt")));
      assert.ok(!isAllowed(policy, { principal: OPERATOR, action: "kms:Encrypt", iam: false }));
      assert.ok(!isAllowed(policy, ask("arn:aws:iam::999999999999:role/stranger", "kms:Encrypt")));
    });
    it(`leaves its administration to the account, and to nobody in the stack (${name})`, () => {
      for (const action of ADMINISTRATION) {
        assert.ok(isAllowed(policy, ask(ROOT, action)), "CloudFormation must not lock itself out");
        for (const principal of [LAMBDA, name === "dev" ? DEV_INSTANCE : INSTANCE]) assert.ok(!isAllowed(policy, ask(principal, action)));
      }
    });
  }
});

describe("nitro-signer-ctl policy kms-key-policy", () => {
  const ctl = tool("nitro-signer-ctl");
  /* It knows no Lambda function, so who may make key pairs is not its business. What policy apply sets is held to this in
   * tests/integration/test_ctl_policy.py. */
  it("decides as the stack's policy does about opening ciphertexts", { skip: ctl.skip }, () => {
    const printed = execFileSync(ctl.path, [
      "policy", "kms-key-policy", `--pcr0=${place.pcr0}`, `--pcr16=${right.PCR16}`, "--pcr3=role", `--role=${INSTANCE}`,
      `--encrypt-role=${ROOT}`, `--admin=${ROOT}`,
    ], { encoding: "utf8" });
    const theirs = JSON.parse(printed) as Policy;
    const ours = policyOf(synthesize(place, "prod"), "prod");
    const attestations = [undefined, right, ...Object.keys(right).map((name) => ({ ...right, [name]: "00".repeat(48) }))];
    for (const principal of everyone) {
      for (const action of OPENING) {
        for (const attested of attestations) {
          const request = ask(principal, action, attested);
          assert.equal(isAllowed(theirs, request), isAllowed(ours, request), `${principal} ${action} ${JSON.stringify(attested)}`);
        }
      }
    }
  });
});
