/* Reads the host's container image, an OCI image layout in a tar file, as packaging/oci/build makes it: its digest, by which the
 * instances pull it, and the files that its one layer has. Every digest on the way is checked, so that what is measured here is
 * what the registry will hand out under that digest. Rejected: asking skopeo, which knows no files of a layer. */
import { createHash } from "node:crypto";
import { gunzipSync } from "node:zlib";

const BLOCK = 512;

export interface ContainerImage {
  /** sha256:... of the manifest. */
  readonly digest: string;
  readonly files: ReadonlyMap<string, Buffer>;
}

interface Descriptor {
  readonly digest: string;
}

function text(block: Buffer, from: number, length: number): string {
  const field = block.subarray(from, from + length);
  const end = field.indexOf(0);
  return field.toString("utf8", 0, end < 0 ? length : end);
}

/** Regular files of a ustar archive, by their paths without a leading "./". */
export function readTar(bytes: Buffer): Map<string, Buffer> {
  const files = new Map<string, Buffer>();
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0; ) {
    const header = bytes.subarray(at, at + BLOCK);
    if (text(header, 257, 5) !== "ustar") throw new Error("is not a tar file of the kind ustar");
    const size = Number.parseInt(text(header, 124, 12), 8);
    const end = at + BLOCK + size;
    if (!Number.isSafeInteger(size) || end > bytes.length) throw new Error("is cut short");
    const prefix = text(header, 345, 155);
    const path = (prefix ? `${prefix}/` : "") + text(header, 0, 100);
    const kind = text(header, 156, 1);
    if (kind === "0" || kind === "") files.set(path.replace(/^\.\//, ""), bytes.subarray(at + BLOCK, end));
    at = BLOCK * Math.ceil(end / BLOCK);
  }
  return files;
}

function blob(files: ReadonlyMap<string, Buffer>, descriptor: Descriptor | undefined, what: string): Buffer {
  const [algorithm, digest] = (descriptor?.digest ?? "").split(":");
  const bytes = files.get(`blobs/sha256/${digest}`);
  if (algorithm !== "sha256" || !bytes) throw new Error(`lacks its ${what}`);
  if (createHash("sha256").update(bytes).digest("hex") !== digest) throw new Error(`has a ${what} with another digest`);
  return bytes;
}

function only<T>(list: readonly T[] | undefined, what: string): T | undefined {
  if (list?.length !== 1) throw new Error(`does not have one ${what}`);
  return list[0];
}

/** Fails with a sentence where the bytes are no such archive. */
export function readContainerImage(bytes: Buffer): ContainerImage {
  const files = readTar(bytes);
  const index = files.get("index.json");
  if (!index) throw new Error("has no index.json");
  const manifest = only<Descriptor>((JSON.parse(index.toString("utf8")) as { manifests?: Descriptor[] }).manifests, "manifest");
  const content = JSON.parse(blob(files, manifest, "manifest").toString("utf8")) as { layers?: Descriptor[] };
  const layer = blob(files, only<Descriptor>(content.layers, "layer"), "layer");
  return { digest: manifest?.digest ?? "", files: readTar(gunzipSync(layer)) };
}
