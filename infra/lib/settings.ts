/* Everything that can be set, read once from CDK's context (-c NAME=VALUE) into one object. Constructs see this and no context, so
 * the table in README.md can be complete. An unknown name is an error: a misspelt kms_arn would make a key. */
import type { Node } from "constructs";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Architecture } from "./eif.ts";
import { readImage, type SignerImage } from "./image.ts";
import { readPolicyDocument, type PolicyDocument } from "./policy-document.ts";

/** The cheaper one; its image passes its tests (tests/arm64/boot). */
const DEFAULT_ARCHITECTURE: Architecture = "arm64";

/* The smallest that may have an enclave. With hyper-threading an enclave takes whole cores and leaves one to the host; Graviton's
 * processors are cores. */
const SIZES = {
  x86_64: { instanceType: "c6a.xlarge", enclaveProcessors: 2, enclaveMemory: 1024 },
  arm64: { instanceType: "c7g.large", enclaveProcessors: 1, enclaveMemory: 1024 },
} as const;

export const STACKS = { dev: "devNitroValidator", prod: "prodNitroValidator" } as const;
export type Stage = keyof typeof STACKS;

export const CONTEXT_NAMES = [
  "stack", "account", "region", "architecture", "instance_type", "instances", "enclave_cpus", "enclave_memory", "nat", "zones", "endpoint_zones",
  "vpc_cidr", "client_cidrs", "kms_arn", "validator_key_table_arn", "slashing_protection_table_arn", "previous_pcr0", "alarm_topic_arn",
  "image_folder", "lambda_zip", "host_folder", "policies", "outputs_file",
] as const;
type ContextName = (typeof CONTEXT_NAMES)[number];

export interface Settings {
  readonly stage: Stage;
  readonly stackName: string;
  readonly account: string;
  readonly region: string;
  readonly architecture: Architecture;
  readonly instanceType: string;
  /** Instances once there is a policy document; none before. */
  readonly instances: number;
  readonly enclaveProcessors: number;
  /** MiB. */
  readonly enclaveMemory: number;
  readonly nat: boolean;
  /** Two, or none: the region's first two. */
  readonly zones: readonly string[];
  readonly endpointZones: 1 | 2;
  readonly vpcCidr: string;
  readonly clientCidrs: readonly string[];
  readonly keyArn?: string;
  readonly validatorKeyTableArn?: string;
  readonly slashingTableArn?: string;
  readonly slashingTableName: string;
  readonly alarmTopicArn?: string;
  readonly image: SignerImage;
  /** Images that may still decrypt while a new one is rolled out. */
  readonly previousPcr0: readonly string[];
  readonly lambdaZip: string;
  readonly hostFolder: string;
  readonly policy?: PolicyDocument;
}

function read(node: Node, name: ContextName): string | undefined {
  const value: unknown = node.tryGetContext(name);
  if (value === undefined || value === "") return undefined;
  return String(value);
}

function matching(node: Node, name: ContextName, pattern: RegExp, form: string): string | undefined {
  const value = read(node, name);
  if (value !== undefined && !pattern.test(value)) throw new Error(`-c ${name}=${value}: must be ${form}`);
  return value;
}

function wholeNumber(node: Node, name: ContextName, least: number, most: number): number | undefined {
  const value = Number(matching(node, name, /^\d{1,6}$/, "a number") ?? Number.NaN);
  if (value < least || value > most) throw new Error(`-c ${name}=${value}: must be ${least} to ${most}`);
  return Number.isNaN(value) ? undefined : value;
}

function list(node: Node, name: ContextName, pattern: RegExp, form: string): string[] {
  const values = (read(node, name) ?? "").split(",").filter((each) => each !== "");
  for (const value of values) if (!pattern.test(value)) throw new Error(`-c ${name}: ${value}: must be ${form}`);
  return values;
}

function existing(path: string, what: string, command: string): string {
  if (!existsSync(path)) throw new Error(`${path}: ${what} is missing: ${command}`);
  return path;
}

/** What the last deployment told of this stack's key; a policy document for another key would lock the enclaves out. */
function deployedKey(path: string, stackName: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const outputs = JSON.parse(readFileSync(path, "utf8")) as Record<string, Record<string, string> | undefined>;
  return outputs[stackName]?.KMSKeyARN;
}

export function refuseUnknownContext(node: Node): void {
  for (const name of Object.keys(node.getAllContext() as Record<string, unknown>)) {
    /* The CDK's own. */
    if (name.startsWith("@aws-cdk/") || name.startsWith("aws:") || name === "cli-telemetry") continue;
    if (!(CONTEXT_NAMES as readonly string[]).includes(name)) throw new Error(`-c ${name}: there is no such setting: see infra/README.md`);
  }
}

const CIDR = /^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/;
const ARN = (service: string, resource: string) => new RegExp(`^arn:aws[a-z-]*:${service}:[a-z0-9-]*:\\d{12}:${resource}$`);

function identity(node: Node): { account: string; region: string } {
  const account = matching(node, "account", /^\d{12}$/, "12 digits") ?? process.env.CDK_DEFAULT_ACCOUNT;
  const region = matching(node, "region", /^[a-z0-9-]+$/, "a region") ?? process.env.CDK_DEFAULT_REGION;
  if (!account || !region) throw new Error("which account and region? set up AWS credentials, or say -c account=... -c region=...");
  return { account, region };
}

/* Not every zone has every type of instance, and which zone a letter means is each account's own. */
function zones(node: Node, region: string): string[] {
  const names = list(node, "zones", new RegExp(`^${region}[a-z]$`), `a zone of ${region}, such as ${region}a`);
  if (names.length !== 0 && (names.length !== 2 || names[0] === names[1])) throw new Error("-c zones: must be two, with a comma between");
  return names;
}

function machine(node: Node) {
  const architecture = (matching(node, "architecture", /^(x86_64|arm64)$/, "x86_64 or arm64") ?? DEFAULT_ARCHITECTURE) as Architecture;
  const size = SIZES[architecture];
  return {
    architecture,
    instanceType: matching(node, "instance_type", /^[a-z0-9-]+\.[a-z0-9-]+$/, "a type of instance") ?? size.instanceType,
    instances: wholeNumber(node, "instances", 1, 20) ?? 2,
    enclaveProcessors: wholeNumber(node, "enclave_cpus", 1, 64) ?? size.enclaveProcessors,
    enclaveMemory: wholeNumber(node, "enclave_memory", 64, 262144) ?? size.enclaveMemory,
  };
}

function given<Name extends string>(name: Name, value: string | undefined): { readonly [name in Name]?: string } {
  return (value === undefined ? {} : { [name]: value }) as { readonly [name in Name]?: string };
}

/** Reads and checks everything for one stack; root is the tree's folder. */
export function readSettings(node: Node, root: string, stage: Stage): Settings {
  const stackName = STACKS[stage];
  const { account, region } = identity(node);
  const size = machine(node);
  const keyArn = matching(node, "kms_arn", ARN("kms", "key/(?!mrk-)[A-Za-z0-9-]+"),
    "the ARN of a KMS key of one region: the replicas of others have key policies of their own");
  const slashingTableArn = matching(node, "slashing_protection_table_arn", ARN("dynamodb", "table/[A-Za-z0-9_.-]+"), "a table's ARN");
  const slashingTableName = slashingTableArn?.split("/")[1] ?? `${stackName}-slashing-protection`;
  const expectedKey = keyArn ?? deployedKey(read(node, "outputs_file") ?? join(root, "infra/output.json"), stackName);
  const policy = readPolicyDocument(join(read(node, "policies") ?? join(root, "infra/policies"), `${stackName}.txt`), {
    account, region, table: slashingTableName, ...given("keyArn", expectedKey),
  });
  if (policy?.single && size.instances > 1) {
    throw new Error(`${policy.path}: store_mode is single, but of ${size.instances} instances each would end the others' signer: -c instances=1, or fleet`);
  }
  return {
    stage, stackName, account, region, ...size,
    nat: matching(node, "nat", /^(true|false)$/, "true or false") === "true",
    zones: zones(node, region),
    endpointZones: (wholeNumber(node, "endpoint_zones", 1, 2) ?? 1) as 1 | 2,
    vpcCidr: matching(node, "vpc_cidr", CIDR, "a range such as 10.0.0.0/20") ?? "10.0.0.0/20",
    clientCidrs: list(node, "client_cidrs", CIDR, "a range such as 10.1.0.0/16"),
    ...given("keyArn", keyArn),
    ...given("validatorKeyTableArn",
      matching(node, "validator_key_table_arn", ARN("dynamodb", "table/[A-Za-z0-9_.-]+"), "a table's ARN")),
    ...given("slashingTableArn", slashingTableArn),
    slashingTableName,
    ...given("alarmTopicArn", matching(node, "alarm_topic_arn", ARN("sns", "[A-Za-z0-9_.-]+"), "the ARN of an SNS topic")),
    image: readImage(read(node, "image_folder") ?? join(root, "build/image", size.architecture), size.architecture),
    previousPcr0: list(node, "previous_pcr0", /^(?!0+$)[0-9a-f]{96}$/, "96 lower-case hexadecimal digits without 0x, and not zeros, which are a debug enclave's"),
    lambdaZip: existing(read(node, "lambda_zip") ?? join(root, "build/lambda", size.architecture, "nitro-signer-lambda.zip"),
      "the Lambda function", `run "make image ARCH=${size.architecture}"`),
    hostFolder: existing(read(node, "host_folder") ?? join(root, "packaging/host"), "the host's bundle", "is the tree complete?"),
    ...(policy ? { policy } : {}),
  };
}
