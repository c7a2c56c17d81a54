/* Small files of the shapes that `make image` leaves, in a folder of their own, so that these tests need no image; and stacks made with
 * them. Their form is judged by the real readers: test/tools.test.ts has nitro-signer-ctl measure one of them. */
import { App } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { makeApp } from "../lib/app.ts";
import { measureEif, type Architecture } from "../lib/eif.ts";
import { STACKS, type Stage } from "../lib/settings.ts";

export const ACCOUNT = "123456789012";
export const REGION = "us-east-1";
export const IDENTITY = `0x${"5a".repeat(32)}`;
export const KEY_ARN = `arn:aws:kms:${REGION}:${ACCOUNT}:key/11111111-2222-3333-4444-555555555555`;

/* zlib has it in newer versions of Node.js only. */
function crc32(bytes: Buffer): number {
  let sum = 0xffffffff;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? 0xedb88320 : 0);
  }
  return (sum ^ 0xffffffff) >>> 0;
}

function section(kind: number, data: Buffer): Buffer {
  const header = Buffer.alloc(12);
  header.writeUInt16BE(kind, 0);
  header.writeBigUInt64BE(BigInt(data.length), 4);
  return Buffer.concat([header, data]);
}

const METADATA = JSON.stringify({
  ImageName: "stand-in", ImageVersion: "1",
  BuildMetadata: { BuildTime: "", BuildTool: "", BuildToolVersion: "", OperatingSystem: "", KernelVersion: "" },
  DockerInfo: {}, CustomMetadata: {},
});

/** An enclave image file with the CRC and table that strict readers look for. */
export function makeEif(architecture: Architecture, kernel = "kernel"): Buffer {
  const parts: [number, string][] = [[1, kernel], [2, "console=ttyS0"], [5, METADATA], [3, "first ramdisk"], [3, "second ramdisk"]];
  const header = Buffer.alloc(548);
  header.write(".eif", "latin1");
  header.writeUInt16BE(4, 4);
  header.writeUInt16BE(architecture === "arm64" ? 1 : 0, 6);
  header.writeBigUInt64BE(1n << 30n, 8);
  header.writeBigUInt64BE(2n, 16);
  header.writeUInt16BE(parts.length, 26);
  const sections = parts.map(([kind, data]) => section(kind, Buffer.from(data)));
  let at = header.length;
  for (const [i, bytes] of sections.entries()) {
    header.writeBigUInt64BE(BigInt(at), 28 + 8 * i);
    header.writeBigUInt64BE(BigInt(bytes.length - 12), 284 + 8 * i);
    at += bytes.length;
  }
  header.writeUInt32BE(crc32(Buffer.concat([header.subarray(0, 544), ...sections])), 544);
  return Buffer.concat([header, ...sections]);
}

export function makeTar(files: Readonly<Record<string, Buffer>>): Buffer {
  const blocks: Buffer[] = [];
  for (const [path, bytes] of Object.entries(files)) {
    const header = Buffer.alloc(512);
    header.write(path, 0, "utf8");
    header.write("0000644\0", 100);
    header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write("        0", 148);
    header.write("ustar\u000000", 257);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    blocks.push(header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

/** The archive, as packaging/oci/build lays it out. */
export function makeArchive(files: Readonly<Record<string, Buffer>>): Buffer {
  const blobs: Record<string, Buffer> = {};
  const store = (bytes: Buffer) => {
    const digest = createHash("sha256").update(bytes).digest("hex");
    blobs[`blobs/sha256/${digest}`] = bytes;
    return { digest: `sha256:${digest}`, size: bytes.length };
  };
  const layer = { mediaType: "application/vnd.oci.image.layer.v1.tar+gzip", ...store(gzipSync(makeTar(files))) };
  const config = {
    mediaType: "application/vnd.oci.image.config.v1+json",
    ...store(Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", rootfs: { type: "layers", diff_ids: [] } }))),
  };
  const manifestBytes = Buffer.from(JSON.stringify({
    schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", config, layers: [layer],
  }));
  const manifest = { mediaType: "application/vnd.oci.image.manifest.v1+json", ...store(manifestBytes) };
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, manifests: [manifest] }));
  return makeTar({ ...blobs, "index.json": index, "oci-layout": Buffer.from('{"imageLayoutVersion":"1.0.0"}') });
}

/** Lines to replace by name; an undefined one is left out. */
export function policyText(stage: Stage, changes: Readonly<Record<string, string | undefined>> = {}): string {
  const lines: Record<string, string | undefined> = {
    network: "hoodi", preset: "mainnet", genesis_time: "1742213400", seconds_per_slot: "12", phase0_fork_version: "0x10000910",
    altair_fork: "0x20000910 0", bellatrix_fork: "0x30000910 0", capella_fork: "0x40000910 0", deneb_fork: "0x50000910 0",
    electra_fork: "0x60000910 2048", fulu_fork: "0x70000910 50688", gloas_fork: "0x80000910 never", heze_fork: "0x90000910 never",
    genesis_validators_root: "0x212f13fc4df078b6cb7db228f1c8307566dcecf900867401a92023d7ba99cb5f",
    slashing_protection: "enabled", store: `dynamodb:${ACCOUNT}/${STACKS[stage]}-slashing-protection`, store_identity: IDENTITY,
    store_mode: "fleet", far_future_epochs: "2", boot_floor: "disabled", kms_key: KEY_ARN, region: REGION, access: "any", log_level: "info",
    ...changes,
  };
  const text = Object.entries(lines).filter(([, value]) => value !== undefined).map(([name, value]) => `${name} ${value}\n`);
  return `nitro-signer-policy 3\n${text.join("")}`;
}

export interface Place {
  readonly folder: string;
  readonly context: Readonly<Record<string, string>>;
  /** Of the image that is there. */
  readonly pcr0: string;
  write(path: string, bytes: Buffer | string): string;
  remove(): void;
}

/** A folder with everything that a stack is made of, but a policy document; of the default architecture, or of another that it asks for. */
export function makePlace(architecture?: Architecture, kernel?: string): Place {
  const folder = mkdtempSync(join(tmpdir(), "nitro-signer-infra-"));
  for (const name of ["image", "host", "policies"]) mkdirSync(join(folder, name));
  const write = (path: string, bytes: Buffer | string) => {
    writeFileSync(join(folder, path), bytes);
    return join(folder, path);
  };
  const eif = makeEif(architecture ?? "arm64", kernel);
  const { pcr0 } = measureEif(eif);
  write("image/nitro-signer-host.oci.tar", makeArchive({ "usr/share/nitro-signer/nitro-signer.eif": eif }));
  write("image/pcrs.json", JSON.stringify({ Measurements: { HashAlgorithm: "Sha384 { ... }", PCR0: pcr0 } }));
  write("lambda.zip", "stands in for the Lambda function");
  write("host/install", "#!/bin/bash\n");
  const context = {
    account: ACCOUNT, region: REGION, ...(architecture && { architecture }), image_folder: join(folder, "image"), lambda_zip: join(folder, "lambda.zip"),
    host_folder: join(folder, "host"), policies: join(folder, "policies"), outputs_file: join(folder, "output.json"),
  };
  return { folder, context, pcr0, write, remove: () => rmSync(folder, { recursive: true }) };
}

/** The context of cdk.json, as the CDK's command line would add it. */
function flags(): Record<string, unknown> {
  const file = JSON.parse(readFileSync(new URL("../cdk.json", import.meta.url), "utf8")) as { context: Record<string, unknown> };
  return file.context;
}

export function appOf(place: Place, context: Readonly<Record<string, string>> = {}): App {
  return makeApp({ context: { ...flags(), ...place.context, ...context }, outdir: join(place.folder, "cdk.out") });
}

export interface Synthesis {
  readonly template: Template;
  readonly assembly: string;
}

/** One stack, as it would be deployed from that place. */
export function synthesize(place: Place, stage: Stage, context: Readonly<Record<string, string>> = {}): Synthesis {
  const assembly = appOf(place, { stack: STACKS[stage], ...context }).synth();
  return { template: Template.fromJSON(assembly.getStackByName(STACKS[stage]).template as Record<string, unknown>), assembly: assembly.directory };
}
