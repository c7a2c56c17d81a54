/* What `make image` left: one answer to "which image runs, and what is its measure". The enclave image in the container image is
 * what instances start, so its PCR0 is the one that counts; pcrs.json, which people read and compare, must say the same. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readContainerImage } from "./archive.ts";
import { measureEif, type Architecture } from "./eif.ts";

const EIF = "usr/share/nitro-signer/nitro-signer.eif";
const ARCHIVE = "nitro-signer-host.oci.tar";

export interface SignerImage {
  /** The archive, for the one who publishes it. */
  readonly archive: string;
  /** sha256:... under which a registry has it. */
  readonly digest: string;
  readonly pcr0: string;
}

function bytesOf(folder: string, name: string, architecture: Architecture): Buffer {
  const path = join(folder, name);
  if (!existsSync(path)) throw new Error(`${path}: there is no such file: run "make image ARCH=${architecture}"`);
  return readFileSync(path);
}

function about<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`);
  }
}

function claimedPcr0(bytes: Buffer): string {
  const claim = JSON.parse(bytes.toString("utf8")) as { Measurements?: { PCR0?: unknown } };
  const pcr0 = claim.Measurements?.PCR0;
  if (typeof pcr0 !== "string" || !/^[0-9a-f]{96}$/.test(pcr0)) throw new Error("Measurements.PCR0: must be 96 hexadecimal digits");
  return pcr0;
}

/** Fails, with what to do, when something is missing or the parts are not of one image. */
export function readImage(folder: string, architecture: Architecture): SignerImage {
  const archive = join(folder, ARCHIVE);
  const packed = bytesOf(folder, ARCHIVE, architecture);
  const container = about(archive, () => readContainerImage(packed));
  const bytes = container.files.get(EIF);
  if (!bytes) throw new Error(`${archive}: has no ${EIF}`);
  const measured = about(`${archive}: ${EIF}`, () => measureEif(bytes));
  if (measured.architecture !== architecture) throw new Error(`${archive}: is for ${measured.architecture}, not ${architecture}`);
  const claims = join(folder, "pcrs.json");
  const told = bytesOf(folder, "pcrs.json", architecture);
  const claimed = about(claims, () => claimedPcr0(told));
  if (claimed !== measured.pcr0) {
    throw new Error(
      `${claims}: PCR0 is ${claimed}, but the enclave image in ${ARCHIVE} measures ${measured.pcr0}: run "make image ARCH=${architecture}"`,
    );
  }
  return { archive, digest: container.digest, pcr0: measured.pcr0 };
}
