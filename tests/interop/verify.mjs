// Verifies BLS signatures with @chainsafe/blst: a JSON array of [public key, signing root, signature], each "0x...", from
// standard input; a JSON array of booleans to standard output.
import { readFileSync } from "node:fs";
import { PublicKey, Signature, verify } from "@chainsafe/blst";

const bytes = (text) => Buffer.from(text.slice(2), "hex");
const keys = new Map();

function keyOf(text) {
  if (!keys.has(text)) keys.set(text, PublicKey.fromBytes(bytes(text), true));
  return keys.get(text);
}

function isRight([key, root, signature]) {
  try {
    return verify(bytes(root), keyOf(key), Signature.fromBytes(bytes(signature), true));
  } catch {
    return false; // not even a point
  }
}

process.stdout.write(JSON.stringify(JSON.parse(readFileSync(0, "utf8")).map(isRight)));
