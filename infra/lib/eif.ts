/* Measures an enclave image file as a Nitro hypervisor does. The numbers in pcrs.json are somebody's claim; who puts them into a
 * key policy should have computed them of the very bytes that will run. nitro-signer-ctl verifies images strictly; this reads no
 * more than it has to hash. Layout: aws-nitro-enclaves-image-format, version 4, big endian. */
import { createHash } from "node:crypto";

const MAGIC = ".eif";
const HEADER = 548;
const SECTION_HEADER = 12;
const KERNEL = 1;
const CMDLINE = 2;
const RAMDISK = 3;
const SIGNATURE = 4;
const METADATA = 5;
const FLAG_ARM64 = 1;

export type Architecture = "x86_64" | "arm64";

export interface EnclaveImage {
  readonly architecture: Architecture;
  /** 96 lower-case hexadecimal digits. */
  readonly pcr0: string;
}

export function sha384(...parts: readonly Uint8Array[]): Buffer {
  const hash = createHash("sha384");
  for (const part of parts) hash.update(part);
  return hash.digest();
}

/** A register that starts with zeros and is extended once. */
export function extended(...parts: readonly Uint8Array[]): string {
  return sha384(Buffer.alloc(48), ...parts).toString("hex");
}

/** Fails with a sentence where the bytes are no such file. */
export function measureEif(bytes: Buffer): EnclaveImage {
  if (bytes.length < HEADER || bytes.toString("latin1", 0, 4) !== MAGIC) throw new Error("is not an enclave image file");
  if (bytes.readUInt16BE(4) !== 4) throw new Error(`is of version ${bytes.readUInt16BE(4)} of the format, not 4`);
  const measured: Buffer[] = [];
  const kinds: number[] = [];
  for (let at = HEADER; at < bytes.length; ) {
    if (at + SECTION_HEADER > bytes.length) throw new Error("ends within a section");
    const kind = bytes.readUInt16BE(at);
    const end = at + SECTION_HEADER + Number(bytes.readBigUInt64BE(at + 4));
    if (end > bytes.length) throw new Error("ends within a section");
    if (![KERNEL, CMDLINE, RAMDISK, SIGNATURE, METADATA].includes(kind)) throw new Error(`has a section of kind ${kind}`);
    if (kind === KERNEL || kind === CMDLINE || kind === RAMDISK) measured.push(bytes.subarray(at + SECTION_HEADER, end));
    kinds.push(kind);
    at = end;
  }
  const count = (kind: number) => kinds.filter((each) => each === kind).length;
  if (count(KERNEL) !== 1 || count(CMDLINE) !== 1 || count(RAMDISK) === 0) {
    throw new Error("does not have one kernel, one command line and a ramdisk");
  }
  return { architecture: bytes.readUInt16BE(6) & FLAG_ARM64 ? "arm64" : "x86_64", pcr0: extended(sha384(...measured)) };
}
