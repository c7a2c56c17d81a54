/* Mistakes in settings and policy documents: each ends the synthesis with a sentence that says which. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { readPolicyDocument } from "../lib/policy-document.ts";
import { ACCOUNT, appOf, KEY_ARN, makePlace, policyText, REGION } from "./stand-ins.ts";
import { tool } from "./tools.ts";

const place = makePlace();
after(() => place.remove());
const TABLE = "prodNitroValidator-slashing-protection";

function document(changes: Record<string, string | undefined>, keyArn?: string) {
  const path = place.write("policies/document.txt", policyText("prod", changes));
  return () => readPolicyDocument(path, { account: ACCOUNT, region: REGION, table: TABLE, ...(keyArn ? { keyArn } : {}) });
}

describe("a policy document", () => {
  it("is measured as the enclave does", () => {
    assert.equal(document({})()?.measure, createHash("sha384").update(Buffer.alloc(48)).update(policyText("prod")).digest("hex"));
  });
  const ctl = tool("nitro-signer-ctl");
  it("is measured as nitro-signer-ctl does, and is one to it", { skip: ctl.skip }, () => {
    const measured = document({})();
    const told = execFileSync(ctl.path, ["policy", "measure", measured?.path ?? ""], { encoding: "utf8" });
    assert.ok(told.includes(measured?.measure ?? "?"), told);
  });
  it("may be missing", () => {
    assert.equal(readPolicyDocument(join(place.folder, "none.txt"), { account: ACCOUNT, region: REGION, table: TABLE }), undefined);
  });
  const wrong: [string, Record<string, string | undefined>, RegExp][] = [
    ["another region", { region: "eu-west-1" }, /region is eu-west-1, but that of this stack is us-east-1/],
    ["another account", { store: `dynamodb:210987654321/${TABLE}` }, /the account of store is 210987654321/],
    ["another table", { store: `dynamodb:${ACCOUNT}/devNitroValidator-slashing-protection` }, /the table of store is devNitro/],
    ["no table", { store: "sqlite:/x" }, /enclaves need dynamodb:ACCOUNT\/TABLE/],
    ["no identity", { store_identity: "none" }, /store_identity: must be what/],
    ["no protection", { slashing_protection: "disabled" }, /enclaves accept "enabled" only/],
    ["a key elsewhere", { kms_key: KEY_ARN.replace(REGION, "eu-west-1") }, /the region of kms_key is eu-west-1/],
    ["no key", { kms_key: "none" }, /the region of kms_key is , but/],
    ["a line too few", { heze_fork: undefined }, /must have 25 lines/],
    ["an empty value", { network: "" }, /line 2 must be "network VALUE"/],
    ["another script", { network: "hoodı" }, /must be at most 4,096 bytes of ASCII/],
  ];
  for (const [name, changes, message] of wrong) it(`names ${name}`, () => assert.throws(document(changes), message));
  it("names another key than the one that was deployed", () => {
    assert.throws(document({}, KEY_ARN.replace("1111", "2222")), /kms_key is .* but that of this stack is .*2222/);
    assert.ok(document({}, KEY_ARN)());
  });
  it("is of another version", () => {
    const path = place.write("policies/document.txt", policyText("prod").replace("policy 3", "policy 2"));
    assert.throws(() => readPolicyDocument(path, { account: ACCOUNT, region: REGION, table: TABLE }), /first line must be/);
  });
});

describe("an access document", () => {
  const text = (line: string) => `nitro-signer-access 1\n${line}\n`;
  const pinned = (bytes: string) => document({ access: `0x${createHash("sha256").update(bytes).digest("hex")}` });
  const path = join(place.folder, "policies/document.access.txt");
  it("must be there", () => {
    rmSync(path, { force: true });
    assert.throws(pinned(text("basic_sha256 00")), /document\.access\.txt: there is no such file/);
  });
  it("must be the one that is pinned", () => {
    place.write("policies/document.access.txt", text("basic_sha256 11"));
    assert.throws(pinned(text("basic_sha256 00")), /is not the access document/);
  });
  it("says what a health check can see", () => {
    for (const [line, admission] of [["client one 00", "certificates"], ["ca AA==", "certificates"], ["basic_sha256 00", "credentials"]]) {
      place.write("policies/document.access.txt", text(line ?? ""));
      assert.equal(pinned(text(line ?? ""))()?.admission, admission);
    }
  });
});

describe("a setting", () => {
  const wrong: [Record<string, string>, RegExp][] = [
    [{ kms_arm: "x" }, /-c kms_arm: there is no such setting/],
    [{ stack: "testNitroValidator" }, /-c stack=testNitroValidator: must be devNitroValidator or prodNitroValidator/],
    [{ account: "12" }, /-c account=12: must be 12 digits/],
    [{ architecture: "riscv" }, /-c architecture=riscv: must be/],
    [{ architecture: "x86_64" }, /is for arm64, not x86_64/],
    [{ nat: "yes" }, /-c nat=yes: must be true or false/],
    [{ zones: "us-east-1a" }, /-c zones: must be two/],
    [{ zones: "us-east-1a,us-east-1a" }, /-c zones: must be two/],
    [{ zones: "us-east-1a,eu-west-1b" }, /-c zones: eu-west-1b: must be a zone of us-east-1/],
    [{ instances: "0" }, /-c instances=0: must be 1 to 20/],
    [{ endpoint_zones: "3" }, /-c endpoint_zones=3: must be 1 to 2/],
    [{ client_cidrs: "10.0.0.0" }, /-c client_cidrs: 10\.0\.0\.0: must be/],
    [{ previous_pcr0: "0xab" }, /-c previous_pcr0: 0xab: must be/],
    [{ previous_pcr0: "0".repeat(96) }, /-c previous_pcr0: 0+: must be .* not zeros/],
    [{ kms_arn: "1234" }, /-c kms_arn=1234: must be/],
    [{ kms_arn: KEY_ARN.replace("key/", "key/mrk-") }, /-c kms_arn=arn:.*: must be the ARN of a KMS key of one region/],
    [{ lambda_zip: "/nowhere.zip" }, /nowhere\.zip: the Lambda function is missing: run/],
  ];
  for (const [context, message] of wrong) {
    it(`is wrong: ${JSON.stringify(context)}`, () => assert.throws(() => appOf(place, context), message));
  }
  it("is for one signer alone, and there would be two", () => {
    const single = { stack: "prodNitroValidator", policies: join(place.folder, "policies") };
    place.write("policies/prodNitroValidator.txt", policyText("prod", { store_mode: "single" }));
    assert.throws(() => appOf(place, single), /store_mode is single, but of 2 instances/);
    assert.ok(appOf(place, { ...single, instances: "1" }));
    rmSync(join(place.folder, "policies/prodNitroValidator.txt"));
  });
  it("is missing: account and region", () => {
    assert.throws(() => appOf(place, { account: "", region: "" }), /which account and region\?/);
  });
});
