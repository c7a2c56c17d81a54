/* The policy document of a stack (PROTOCOL.control section 3), as far as a stack has to agree with it: that it is one, which
 * region, account, table and key it names, who may connect, and its measure. The enclave is what parses it strictly; here a mistake must only
 * not cost a deployment whose instances then get no key. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { extended } from "./eif.ts";

const FIRST_LINE = "nitro-signer-policy 3";
const NAMES = [
  "network", "preset", "genesis_time", "seconds_per_slot", "phase0_fork_version", "altair_fork", "bellatrix_fork", "capella_fork",
  "deneb_fork", "electra_fork", "fulu_fork", "gloas_fork", "heze_fork", "genesis_validators_root", "slashing_protection", "store",
  "store_identity", "store_mode", "far_future_epochs", "boot_floor", "kms_key", "region", "access", "log_level",
];
const ACCESS_FIRST_LINE = "nitro-signer-access 1";

/** What an access document asks of whoever connects, in the order of how much a health check can bear. */
export type Admission = "any" | "credentials" | "certificates";

export interface PolicyDocument {
  readonly path: string;
  /** PCR16: 96 lower-case hexadecimal digits. */
  readonly measure: string;
  readonly region: string;
  readonly account: string;
  readonly table: string;
  readonly keyArn: string;
  readonly admission: Admission;
  /** Whether a signer that starts ends the one before. */
  readonly single: boolean;
  /** The access document, when the policy pins one. */
  readonly accessPath?: string;
}

/** What the stack is, against which its document is held. */
export interface PolicyExpectation {
  readonly region: string;
  readonly account: string;
  readonly table: string;
  /** Not known before the stack's own key is made and told in the outputs. */
  readonly keyArn?: string;
}

function parseLines(path: string, text: string): Map<string, string> {
  if (text.length > 4096 || !/^[\x20-\x7e\n]*\n$/.test(text)) {
    throw new Error(`${path}: must be at most 4,096 bytes of ASCII in whole lines, as "nitro-signer-ctl policy make" prints them`);
  }
  const [first, ...lines] = text.slice(0, -1).split("\n");
  if (first !== FIRST_LINE) throw new Error(`${path}: the first line must be "${FIRST_LINE}"`);
  if (lines.length !== NAMES.length) throw new Error(`${path}: must have ${NAMES.length + 1} lines`);
  const values = new Map<string, string>();
  for (const [i, name] of NAMES.entries()) {
    const line = lines[i] ?? "";
    if (!line.startsWith(`${name} `) || line.length === name.length + 1) {
      throw new Error(`${path}: line ${i + 2} must be "${name} VALUE"`);
    }
    values.set(name, line.slice(name.length + 1));
  }
  return values;
}

function expect(path: string, name: string, found: string, wanted: string | undefined): void {
  if (wanted !== undefined && found !== wanted) throw new Error(`${path}: ${name} is ${found}, but that of this stack is ${wanted}`);
}

function readAccess(policyPath: string, digest: string): { admission: Admission; accessPath?: string } {
  if (digest === "any") return { admission: "any" };
  const path = policyPath.replace(/\.txt$/, ".access.txt");
  if (!existsSync(path)) throw new Error(`${path}: there is no such file, but ${policyPath} pins an access document`);
  const bytes = readFileSync(path);
  if (`0x${createHash("sha256").update(bytes).digest("hex")}` !== digest) {
    throw new Error(`${path}: is not the access document that ${policyPath} pins (${digest})`);
  }
  const [first, ...lines] = bytes.toString("latin1").split("\n");
  if (first !== ACCESS_FIRST_LINE) throw new Error(`${path}: the first line must be "${ACCESS_FIRST_LINE}"`);
  const certificates = lines.some((line) => /^(client|ca) /.test(line));
  return { admission: certificates ? "certificates" : "credentials", accessPath: path };
}

/** The document at this path, or undefined when there is none yet; fails with a sentence when it is not this stack's. */
export function readPolicyDocument(path: string, expectation: PolicyExpectation): PolicyDocument | undefined {
  if (!existsSync(path)) return undefined;
  const bytes = readFileSync(path);
  const values = parseLines(path, bytes.toString("latin1"));
  const value = (name: string) => values.get(name) ?? "";
  const store = /^dynamodb:(\d{12})\/([A-Za-z0-9_.-]{3,255})$/.exec(value("store"));
  if (!store?.[1] || !store[2]) throw new Error(`${path}: store is ${value("store")}, but enclaves need dynamodb:ACCOUNT/TABLE`);
  if (value("slashing_protection") !== "enabled") throw new Error(`${path}: slashing_protection: enclaves accept "enabled" only`);
  if (!/^0x[0-9a-f]{64}$/.test(value("store_identity"))) {
    throw new Error(`${path}: store_identity: must be what "nitro-signer-ctl slashing init" printed`);
  }
  expect(path, "the account of store", store[1], expectation.account);
  expect(path, "the table of store", store[2], expectation.table);
  expect(path, "region", value("region"), expectation.region);
  expect(path, "kms_key", value("kms_key"), expectation.keyArn);
  const key = value("kms_key").split(":");
  expect(path, "the region of kms_key", key[3] ?? "", expectation.region);
  expect(path, "the account of kms_key", key[4] ?? "", expectation.account);
  return {
    path, measure: extended(bytes), region: value("region"), account: store[1], table: store[2], keyArn: value("kms_key"),
    single: value("store_mode") === "single",
    ...readAccess(path, value("access")),
  };
}
